"""A rival's instructions per inference, counted under qemu and kept with what they depend on."""

import hashlib
import json
import tempfile
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from gatewright.hw.flow import tools
from gatewright.sim.qemu import MARK, run_arm

from .networks import Given
from .sysroot import WHEELS, Sysroot

_GUEST = Path(__file__).parent / "guest.py"
# The first ones also settle caches of the runtime; the last ones are counted.
WARM, COUNTED = 4, 8
_SECONDS = 1800


@dataclass(frozen=True)
class Count:
    """Instructions per inference: the mean, the least and the most of those counted; and the output."""

    mean: float
    least: int
    most: int
    output: list


def rival_count(system: Sysroot, runtime: str, given: Given, cpu: str, cache: Path) -> Count:
    """What ``runtime`` needs for ``given`` on a core; taken from ``cache`` where nothing has changed.

    Args:
        cpu: the core as qemu calls it.
        cache: JSON file.

    Raises:
        ToolError: qemu is missing or the guest failed.
    """
    told = (
        given.model.read_bytes(), given.sample.tobytes(), _GUEST.read_bytes(),
        (system.of_core(cpu) / "proc/cpuinfo").read_bytes(),
        repr((runtime, WHEELS, cpu, WARM, COUNTED, tools.find("qemu-aarch64").version)).encode(),
    )  # fmt: skip
    key = hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in told)).hexdigest()
    if cache.exists():
        kept = json.loads(cache.read_text())
        if kept.pop("key") == key:
            return Count(**kept)
    count = _measure(system, runtime, given, cpu)
    cache.parent.mkdir(parents=True, exist_ok=True)
    cache.write_text(json.dumps({"key": key, **vars(count)}))
    return count


def _measure(system: Sysroot, runtime: str, given: Given, cpu: str) -> Count:
    with tempfile.TemporaryDirectory(prefix="gatewright_") as scratch:
        sample, made = Path(scratch) / "in.npy", Path(scratch) / "out.npy"
        np.save(sample, given.sample)
        run = run_arm(
            system.python,
            [str(_GUEST), runtime, *map(str, (given.model, sample, made, WARM + COUNTED, *MARK))],
            cpu=cpu, counted=True, sysroot=system.of_core(cpu), timeout=_SECONDS,
            environment={"PYTHONPATH": str(system.site), "PYTHONHASHSEED": "0", "HOME": scratch},
        )  # fmt: skip
        output = np.load(made).ravel().tolist()
    # A mark precedes each inference, and one more ends the last.
    marks = run.marks[WARM:]
    each = [after - before for before, after in pairwise(marks)]
    return Count(sum(each) / len(each), min(each), max(each), output)
