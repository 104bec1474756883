"""How long ``gatewright check`` takes, cold: three models on two boards in fresh processes.

    python benchmarks/check_time.py --data DIR [--runs 3]

DIR as for benchmarks/tflite_models.py: MLPerf Tiny's ResNet-8 and DS-CNN, and FINN's TFC. Each run is a new
process; the first one also compiles the cycle model's C, since it has an empty cache. Prints the seconds of
each with the machine's load before it, and exits with 1 where a run other than the first takes over 15 s.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

LIMIT_SECONDS = 15
_MODELS = {
    "resnet8": ("mlperf_tiny_resnet/model_int8.tflite", 300),
    "dscnn": ("mlperf_tiny_kws/model_int8.tflite", 1000),
    "tfc": ("finn_tfc_w1a1/model.onnx", 100_000),
}
_BOARDS = ("radiona_ulx3s_85f", "amd_zcu104")


def budget(data: Path) -> str:
    """Each model on each board, with limits of all kinds that both have."""
    lines = []
    for name, (file, fps) in _MODELS.items():
        lines += ["[[model]]", f'name = "{name}"', f'file = "{data / "models" / file}"']
        for board in _BOARDS:
            limits = f'lut = "60%", ff = "60%", bram = "90%", fps = {fps}, latency_us = 10_000'
            lines += ["[[model.on]]", f'board = "{board}"', f"fps = {fps}", f"limits = {{ {limits} }}"]
    return "\n".join(lines) + "\n"


def seconds(folder: Path, cache: Path) -> float:
    """Wall-clock seconds of one check in a process of its own."""
    env = {**os.environ, "XDG_CACHE_HOME": str(cache)}
    command = [sys.executable, "-m", "gatewright", "check", "--quiet", "--json", "out.json"]
    start = time.monotonic()
    done = subprocess.run(command, cwd=folder, env=env, check=False)
    if done.returncode:
        raise SystemExit(f"check_time: a check must end with 0, not {done.returncode}")
    return time.monotonic() - start


def main() -> int:
    """Run it, and say how long it took."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    given = os.environ.get("GATEWRIGHT_DATA")
    parser.add_argument("--data", type=Path, default=given and Path(given), required=given is None)
    parser.add_argument("--runs", type=int, default=3)
    args = parser.parse_args()
    slow = False
    with tempfile.TemporaryDirectory(prefix="gatewright_") as scratch:
        folder = Path(scratch)
        (folder / "gatewright.toml").write_text(budget(args.data.resolve()))
        for run in range(args.runs + 1):
            load = os.getloadavg()[0]
            took = seconds(folder, folder / "cache")
            slow |= run > 0 and took > LIMIT_SECONDS
            what = "with an empty cache" if run == 0 else f"run {run}"
            cores = len(os.sched_getaffinity(0))
            print(f"{what}: {took:.1f} s on {cores} cores, load {load:.1f}", flush=True)
    return 1 if slow else 0


if __name__ == "__main__":
    sys.exit(main())
