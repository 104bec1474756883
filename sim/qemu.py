"""ARM programs under qemu-user, with executed instructions counted by a plugin of ours.

run = run_arm(Path("model"), ["10"], cpu="cortex-a72", counted=True)
run.instructions                 # of the whole process: take the difference of two run lengths
by_function(Path("model"), run)  # {"conv0": 91520, ...}, exact, start-up apart
"""

import contextlib
import hashlib
import os
import resource
import signal
import subprocess
import tempfile
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..errors import ToolError
from ..hw.flow import tools
from .elf import read_elf

_SOURCE = Path(__file__).parent / "qemu_count.c"
# Plugin APIs that qemu_count.c speaks, the newest first; qemu says which it takes.
_APIS = (7, 2, 1)
_FLAGS = ("-std=c11", "-O2", "-shared", "-fPIC", "-fvisibility=hidden")
# As in qemu_count.c.
MARK = (0x67617465, 0x77726967)
_NO_PROGRAM = "/no such program"
_ILLEGAL = 128 + signal.SIGILL


class NoPluginError(ToolError):
    """Instructions cannot be counted: this qemu loads no plugin, or none can be built for it."""


@dataclass(frozen=True)
class Block:
    """Instructions that qemu translated together.

    Attributes:
        executions: by all threads; ``threads``: by each, in the order in which they started.
        sizes: bytes of each instruction, 2 or 4.
    """

    address: int
    executions: int
    sizes: tuple[int, ...]
    threads: tuple[int, ...] = ()


@dataclass(frozen=True)
class ArmRun:
    """What a program wrote, and what it executed where that was counted.

    Attributes:
        instructions: executed by all threads from the first to the exit; None where not counted.
        blocks: addresses as in the program's file, in their order. Blocks overlap where a jump leads into
            one; each counts its own executions. Empty where not asked for.
        marks: instructions executed before each mark. A program sets one by the system call
            getpriority(MARK[0], MARK[1]), which fails; what lies between two is free of start-up.
    """

    stdout: bytes
    stderr: bytes = b""
    instructions: int | None = None
    blocks: tuple[Block, ...] = ()
    marks: tuple[int, ...] = ()

    def executions(self) -> dict[int, int]:
        """How often the instruction at each address ran; needs ``blocks``."""
        counts: Counter[int] = Counter()
        for block in self.blocks:
            at = block.address
            for size in block.sizes:
                counts[at] += block.executions
                at += size
        return dict(sorted(counts.items()))


def run_arm(
    binary: Path, arguments: Sequence[str] = (), *, cpu: str, counted: bool = False, blocks: bool = False,
    stdin: Path | None = None, cwd: Path | None = None, sysroot: Path | None = None,
    environment: Mapping[str, str] | None = None, timeout: float | None = None,
) -> ArmRun:  # fmt: skip
    """Runs a program for AArch64 or ARM on a simulated core.

    Args:
        binary: ELF file; static, unless ``sysroot`` holds its libraries.
        cpu: the core as qemu calls it, such as "cortex-a72".
        counted: count executed instructions.
        blocks: count, and also say how often each translated block ran.
        stdin: file that the program reads; default: nothing.
        environment: all that the program finds in its environment, so that counts do not depend on ours.
        timeout: seconds; then the program is killed.

    Raises:
        InputError: ``binary`` is no program for ARM.
        NoPluginError: counts are wanted, and there is no plugin that counts.
        ToolError: qemu is missing, has no such core, or the program failed or took too long.
    """
    elf = read_elf(binary)
    qemu = tools.find("qemu-aarch64" if elf.machine == "aarch64" else "qemu-arm")
    argv = [*qemu.argv, "-cpu", cpu, *(["-L", str(sysroot.resolve())] if sysroot else [])]
    program = [str(binary.resolve()), *arguments]
    with tempfile.TemporaryDirectory(prefix="gatewright_") as scratch:
        counts = Path(scratch) / "counts"
        if counted or blocks:
            argv += ["-plugin", _option(_plugin(qemu), counts) + (",blocks=on" if blocks else "")]
        done = _run([*argv, *program], binary.name, cpu, stdin, cwd, environment, timeout)
        if not (counted or blocks):
            return done
        if not counts.exists():
            raise ToolError(f"qemu: the plugin must write its counts as {binary.name} ends, not nothing")
        return ArmRun(done.stdout, done.stderr, *_read_counts(counts.read_text(), elf.entry))


def by_function(binary: Path, run: ArmRun) -> dict[str, int]:
    """Instructions executed in each function of ``binary`` that has a symbol; ``run`` must hold blocks.

    Raises:
        InputError: ``binary`` is no program for ARM.
    """
    executions = run.executions()
    counts = {}
    for function in read_elf(binary).functions:
        inside = sum(n for at, n in executions.items() if function.start <= at < function.end)
        if inside:
            counts[function.name] = inside
    return counts


def of_thread(run: ArmRun, thread: int) -> ArmRun:
    """What one thread did of a run with blocks, numbered in the order in which they started."""
    blocks = [replace(b, executions=b.threads[thread]) for b in run.blocks if len(b.threads) > thread]
    kept = tuple(b for b in blocks if b.executions)
    return replace(run, blocks=kept, instructions=sum(b.executions * len(b.sizes) for b in kept))


def _option(plugin: Path, counts: Path) -> str:
    """The plugin's option; a comma ends a part of it, and two stand for one."""
    return f"{str(plugin).replace(',', ',,')},out={str(counts).replace(',', ',,')}"


def _run(
    argv: Sequence[str], name: str, cpu: str, stdin: Path | None, cwd: Path | None,
    environment: Mapping[str, str] | None, timeout: float | None,
) -> ArmRun:  # fmt: skip
    with open(stdin or os.devnull, "rb") as source:
        process = subprocess.Popen(
            argv, stdin=source, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=cwd,
            env=dict(environment or {}), start_new_session=True,
        )  # fmt: skip
    # qemu writes a core file into cwd when the program crashes.
    with contextlib.suppress(ProcessLookupError):
        resource.prlimit(process.pid, resource.RLIMIT_CORE, (0, 0))
    try:
        stdout, stderr = process.communicate(timeout=timeout)
    except BaseException as error:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        if isinstance(error, subprocess.TimeoutExpired):
            rule = f"qemu: {name} must end within {timeout:g} s, not later"
            raise ToolError(f"{rule}. Allow more time or give it less to do.") from None
        raise
    if process.returncode:
        raise ToolError(_failure(name, cpu, process.returncode, stderr.decode(errors="replace")))
    return ArmRun(stdout, stderr)


def _failure(name: str, cpu: str, code: int, said: str) -> str:
    if "unable to find CPU model" in said:
        return f"qemu: cpu must be a core that it has, not {cpu!r}. List them: qemu-aarch64 -cpu help"
    message = f"qemu: {name} must exit with 0, not {code}"
    if code in (_ILLEGAL, -signal.SIGILL):
        message += f" (an instruction that {cpu} lacks)"
    return f"{message}. It says:\n{tools.excerpt(said)}"


def _read_counts(text: str, entry: int) -> tuple[int, tuple[Block, ...], tuple[int, ...]]:
    """Total, blocks and marks of a plugin's file; addresses become those of the program's file."""
    rows = [line.split() for line in text.splitlines()]
    single = {row[0]: row[1] for row in rows if row[0] in ("entry", "instructions")}
    moved = (int(single["entry"], 16) & ~1) - entry
    merged: dict[tuple[int, str], Counter[int]] = defaultdict(Counter)
    for kind, *fields in rows:
        if kind == "block":
            at, thread, times, sizes = fields
            merged[int(at, 16) - moved, sizes][int(thread)] += int(times)
    found = []
    for (at, sizes), times in sorted(merged.items()):
        threads = tuple(times[t] for t in range(max(times) + 1))
        found.append(Block(at, sum(threads), tuple(map(int, sizes)), threads))
    marks = tuple(int(row[1]) for row in rows if row[0] == "mark")
    return int(single["instructions"]), tuple(found), marks


def _plugin(qemu: tools.Tool) -> Path:
    """The plugin built for this qemu; kept between runs, and replaced whole so that parallel runs agree.

    Raises:
        NoPluginError: qemu has no plugins, none of the APIs that qemu_count.c speaks, or the build failed.
    """
    try:
        return _built(qemu)
    except ToolError as error:
        raise NoPluginError(str(error)) from error


def _built(qemu: tools.Tool) -> Path:
    cc = tools.find("cc")
    key = repr((_SOURCE.read_text(), qemu.argv, qemu.version, cc.argv, cc.version, _FLAGS))
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gatewright"
    target = base / f"qemu-{hashlib.sha256(key.encode()).hexdigest()[:16]}" / "count.so"
    if target.exists():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        for api in _APIS:
            made = Path(scratch) / f"count{api}.so"
            tools.run(cc, [*_FLAGS, f"-DGW_QEMU_API={api}", str(_SOURCE), "-o", str(made)], scratch)
            refusal = _refusal(qemu, made)
            if not refusal:
                os.replace(made, target)
                return target
            if "API version" not in refusal:
                break
    raise ToolError(
        f"qemu: {qemu.name} {qemu.version} must load plugins to count instructions, not refuse them. Install "
        f"a dynamically linked qemu-user (Debian 12: qemu-user, not qemu-user-static). It says:\n"
        f"{tools.excerpt(refusal)}"
    )


def _refusal(qemu: tools.Tool, plugin: Path) -> str:
    """What qemu has against a plugin; empty where it loads it and only then misses the program."""
    argv = [*qemu.argv, "-plugin", _option(plugin, Path(os.devnull)), _NO_PROGRAM]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    said = done.stdout + done.stderr
    return said if "plugin" in said else ""
