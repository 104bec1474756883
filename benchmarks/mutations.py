"""Attack every reader with damaged model files.

    python benchmarks/mutations.py --count 20000 --seed 1 [--formats qonnx,tflite] [--seconds 150]
    python benchmarks/mutations.py --formats tflite --files model_int8.tflite

Each case damages a file (bytes, fields, meaning), one of tests/mutation_models.py or those given, reads it,
runs the passes, exports the graph and prints it, in a process with 2 GiB of address space and 10 s a case.
A defect is anything but a graph or one of our errors: another exception, a crash, a hang, memory, or a file
opened for writing, a process or a connection that nobody asked for. Case n of a seed is always the same file;
files that found a defect are kept in --keep. Exit code 1 if there was one.
"""

import argparse
import json
import multiprocessing
import os
import resource
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from gatewright.errors import GatewrightError

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from mutation_models import FORMATS, mutation, treat  # noqa: E402

ADDRESS_SPACE = 2 * 2**30
SECONDS = 10
# Where native code does not return to Python's alarm, the parent ends the worker.
_GRACE = 5
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_FORBIDDEN = ("os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.link", "os.symlink", "os.truncate",
              "os.chmod", "os.system", "os.exec", "os.posix_spawn", "subprocess.Popen", "socket.connect",
              "socket.bind", "shutil.rmtree", "pickle.find_class")  # fmt: skip


class TooLongError(BaseException):
    """The alarm; no handler of errors may take it for one."""


@dataclass
class Tally:
    """What the cases of a format came to."""

    outcomes: Counter = field(default_factory=Counter)
    slowest: tuple[float, int] = (0.0, -1)
    peak_mib: int = 0
    defects: dict[str, list[str]] = field(default_factory=dict)


class Watch:
    """Notes every file that Python opens for writing, and other effects, while a case runs."""

    def __init__(self):
        self.active, self.seen = False, []
        sys.addaudithook(self._hook)

    def _hook(self, event: str, arguments: tuple) -> None:
        if not self.active:
            return
        if event in _FORBIDDEN:
            self.seen.append(f"{event} {arguments!r:.200}")
        elif event == "open":
            path, mode, flags = arguments
            writes = set(mode) & set("wax+") if isinstance(mode, str) else flags & _WRITING
            # Python keeps what it has compiled of a module that is loaded late.
            if writes and "__pycache__" not in str(path):
                self.seen.append(f"open for writing {path!r:.200}")


def case(kind: str, seed: int, number: int, originals: list[bytes]) -> bytes:
    """The damaged file of a case."""
    return mutation(np.random.default_rng([seed, number]), kind, originals)


def _alarm(number, frame):
    raise TooLongError


def _attempt(kind: str, path: Path, watch: Watch) -> tuple[str, str]:
    """The outcome of one file, and what was wrong about it."""
    watch.seen.clear()
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    watch.active = True
    try:
        treat(kind, path)
        outcome, told = "graph", ""
    except GatewrightError as error:
        outcome, told = "refused", "" if str(error).strip() else "an error without words"
    except TooLongError:
        outcome, told = "hang", traceback.format_exc(limit=-6)
    except BaseException:
        outcome, told = "exception", traceback.format_exc(limit=-6)
    finally:
        watch.active = False
        signal.setitimer(signal.ITIMER_REAL, 0)
    if watch.seen:
        return "effect", "; ".join(watch.seen)
    return (outcome, told) if not told or outcome != "refused" else ("exception", told)


def _worker(kind: str, seed: int, start: int, stop: int, originals: list[bytes], folder: str, pipe) -> None:
    """Cases start..stop-1; says before each that it begins, and after each what came of it."""
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.chdir(folder)
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, 2)
    signal.signal(signal.SIGALRM, _alarm)
    watch, path = Watch(), Path(folder) / "model" / "m.onnx"
    for number in range(start, stop):
        path.write_bytes(case(kind, seed, number, originals))
        pipe.send(("begin", number))
        begun = time.process_time()
        outcome, told = _attempt(kind, path, watch)
        seconds = time.process_time() - begun
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        pipe.send(("end", number, outcome, told, seconds, peak))
    pipe.send(("done",))


class Campaign:
    """The cases of one format and seed, in one process after another."""

    def __init__(self, kind: str, seed: int, originals: list[bytes], keep: Path):
        self.kind, self.seed, self.originals, self.keep = kind, seed, originals, keep
        self.tally = Tally()

    def run(self, start: int, count: int, until: float) -> int:
        """Cases from ``start``; returns the number of the first case not done at the time ``until``."""
        number, stop = start, start + count
        while number < stop and time.monotonic() < until:
            with tempfile.TemporaryDirectory() as folder:
                (Path(folder) / "model").mkdir()
                (Path(folder) / "secret").write_bytes(b"\0" * 4096)
                number = self._one_process(number, min(stop, number + 2000), folder, until)
                left = sorted(str(p.relative_to(folder)) for p in Path(folder).rglob("*"))
                if left not in (["model", "model/m.onnx", "secret"], ["model", "secret"]):
                    self._defect(number - 1, "effect", f"files {left}")
        return number

    def _one_process(self, number: int, stop: int, folder: str, until: float) -> int:
        ours, theirs = multiprocessing.Pipe(duplex=False)
        process = multiprocessing.get_context("fork").Process(
            target=_worker, args=(self.kind, self.seed, number, stop, self.originals, folder, theirs)
        )
        process.start()
        theirs.close()
        try:
            while number < stop and time.monotonic() < until:
                if not ours.poll(SECONDS + _GRACE + 30 * (number == 0)):
                    self._defect(number, "hang", "in native code")
                    return number + 1
                message = ours.recv()
                if message[0] == "end":
                    self._note(*message[1:])
                    number += 1
        except EOFError:
            process.join()
            self._defect(number, "crash", f"exit code {process.exitcode}")
            number += 1
        finally:
            process.kill()
            process.join()
        return number

    def _note(self, number: int, outcome: str, told: str, seconds: float, peak: int) -> None:
        self.tally.slowest = max(self.tally.slowest, (seconds, number))
        self.tally.peak_mib = max(self.tally.peak_mib, peak)
        if told:
            self._defect(number, outcome, told)
        else:
            self.tally.outcomes[outcome] += 1

    def _defect(self, number: int, outcome: str, told: str) -> None:
        self.tally.outcomes[outcome] += 1
        # Defects of one place and kind are one; the first of them is told in full.
        places = [line for line in told.splitlines() if line.startswith("  File")]
        key = f"{outcome} {places[-1] if places else told}"
        self.tally.defects.setdefault(key, []).append(f"case {number}\n{told}")
        self.keep.mkdir(parents=True, exist_ok=True)
        data = case(self.kind, self.seed, number, self.originals)
        (self.keep / f"{self.kind}_{self.seed}_{number}.bin").write_bytes(data)


def main(arguments: list[str]) -> int:
    """Run the cases of each format; 1 if there was a defect."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=20000, help="cases per format")
    parser.add_argument("--start", type=int, default=0, help="number of the first case")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--formats", default=",".join(FORMATS))
    parser.add_argument("--files", type=Path, nargs="+", default=[], help="damage these instead")
    parser.add_argument("--seconds", type=float, default=1e9, help="stop each format after this time")
    parser.add_argument("--keep", type=Path, default=Path(tempfile.gettempdir()) / "gatewright-mutations")
    options = parser.parse_args(arguments)
    clean = True
    for kind in options.formats.split(","):
        originals = [f.read_bytes() for f in options.files] or FORMATS[kind][0]()
        campaign = Campaign(kind, options.seed, originals, options.keep)
        end = campaign.run(options.start, options.count, time.monotonic() + options.seconds)
        t = campaign.tally
        done = {"format": kind, "seed": options.seed, "cases": [options.start, end], **t.outcomes}
        slowest = {"slowest_s": round(t.slowest[0], 2), "slowest_case": t.slowest[1]}
        print(json.dumps(done | slowest | {"peak_mib": t.peak_mib}), flush=True)
        for cases in t.defects.values():
            print(f"{len(cases)} times, first in {cases[0]}", flush=True)
        clean &= not t.defects
    return 0 if clean else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
