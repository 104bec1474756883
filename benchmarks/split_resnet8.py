"""MLPerf Tiny's ResNet-8 between a Zynq's processor and its FPGA, simulated from image to class.

    python benchmarks/split_resnet8.py --data DIR --work WORK [--report docs/split-resnet8.md]

DIR (or the environment variable GATEWRIGHT_DATA) as for benchmarks/tflite_models.py. Each cut is compiled
once to WORK/BOARD-CUT (minutes of one core) with ``--split``: the programs of both ends run under qemu, the
RTL between them in Verilator, on the images that come with the model; every output byte is compared with the
integer graph's and with LiteRT's reference kernels. All on the processor is compiled for comparison.
"""

import argparse
import json
import os
import sys
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import OpResolverType
from rich.console import Console

from gatewright import Options, compile_model, load_model
from gatewright.errors import GatewrightError, InputError
from tflite_models import given_inputs, litert

BOARDS = ("tul_pynq_z2", "amd_zcu104")
# Layers of the integer graph: the first block begins behind the stem's convolution and its rounding, the last
# one ends in front of the pool.
CUTS = {"2,29": "stem and head on ARM", "auto": "chosen"}
HEAD = """# ResNet-8 on a processor and an FPGA

Made by `python benchmarks/split_resnet8.py`: MLPerf Tiny's int8 ResNet-8, cut by `--split` ([how](split.md)).
*Bytes* are outputs of the whole chain (program under qemu, RTL in Verilator, program under qemu) that equal
LiteRT's reference kernels on the {frames} images that come with the model; all of them equal the integer
graph's too. Times of the FPGA are clocks measured in simulation at the board's default clock, those of the
processor llvm-mca's for the instructions counted in qemu, packing included, caches warm; transfers by the
port's width and an assumed 5 µs each. No board was at hand.

"""
COLUMNS = (
    "Board", "Cut", "On the FPGA", "Bytes equal", "Before µs", "FPGA µs", "After µs", "Transfers µs",
    "Image to class µs", "To the FPGA", "Back", "LUT estimated",
)  # fmt: skip


def data_file(model: Path, folder: Path) -> tuple[Path, int]:
    """The model's images with LiteRT's outputs, as an archive, and how many they are."""
    frames, _ = given_inputs(model.parent, load_model(model).encodings[0].source_shape)
    path = folder / "resnet8.npz"
    np.savez(path, inputs=frames, expected=litert(model, frames, OpResolverType.BUILTIN_REF))
    return path, len(frames)


def report_of(folder: Path, model: Path, board: str, options: Options) -> dict:
    """The report of a compile, which is done where it was not yet."""
    if not folder.exists():
        compile_model(model, board, folder, options)
    return json.loads((folder / "report.json").read_text())


def split_row(board: str, cut: str, report: dict) -> list[str]:
    """The cells of a split compile."""
    split = report["split"]
    before, fpga, after = (f"{p['us']:,.1f}" for p in split["parts"])
    transfers = sum(t["us"] for t in split["transfers"])
    crossing = [f"{t['bytes']:,} bytes of {t['type']}" for t in split["transfers"]]
    title = f"{CUTS[cut]} (`{cut}`)"
    layers = f"{split['first']} to {split['last']}: {100 * fpga_share(report):.1f} % of MACs"
    return [
        board, title, layers, equal(report), before, fpga, after, f"{transfers:,.1f}",
        f"{split['latency_us']:,.1f}", *crossing, f"{report['resources']['total']['lut']:,}",
    ]  # fmt: skip


def fpga_share(report: dict) -> float:
    """Of the network's multiply-accumulates, those on the FPGA."""
    parts = report["split"]["parts"]
    return parts[1]["macs"] / sum(p["macs"] for p in parts)


def equal(report: dict) -> str:
    """Output bytes that equal LiteRT's: those of the last executor, where the integer graph's all do."""
    graph, last = report["executors"][0], report["executors"][-1]
    if graph["values_equal"] != graph["values"]:
        raise InputError("split_resnet8: the integer graph must equal LiteRT, but does not")
    return f"{last['values_equal']} of {last['values']}"


def arm_row(board: str, report: dict) -> list[str]:
    """The cells of a library that does it all."""
    us = report["arm"]["cycles"]["milliseconds"] * 1e3
    return [board, "all on ARM", "none", equal(report), f"{us:,.1f}", "", "", "", f"{us:,.1f}", "", "", ""]


def _line(cells: list[str] | tuple[str, ...]) -> str:
    return "| " + " | ".join(cells) + " |"


def main() -> int:
    """Compile what is not compiled yet and print the page; exit code 1 where a byte differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", default=os.environ.get("GATEWRIGHT_DATA"), help="folder with models/")
    parser.add_argument("--work", type=Path, required=True, help="folder that takes the compiled models")
    parser.add_argument("--boards", nargs="+", default=BOARDS, choices=BOARDS, help="these alone")
    parser.add_argument("--report", type=Path, help="write the page there")
    args = parser.parse_args()
    if not args.data:
        raise InputError("data: a folder is needed, but none is given. Set --data or GATEWRIGHT_DATA.")
    model = Path(args.data) / "models" / "mlperf_tiny_resnet" / "model_int8.tflite"
    args.work.mkdir(parents=True, exist_ok=True)
    data, frames = data_file(model, args.work)
    lines, good = [], True
    for board in args.boards:
        for cut in CUTS:
            folder = args.work / f"{board}-{cut.replace(',', '-')}"
            report = report_of(folder, model, board, Options(split=cut, data=data))
            good &= all(e["values_equal"] == e["values"] for e in report["executors"])
            lines.append(_line(split_row(board, cut, report)))
        folder = args.work / f"{board}-arm"
        lines.append(_line(arm_row(board, report_of(folder, model, board, Options(target="arm", data=data)))))
    page = HEAD.format(frames=frames) + "\n".join([_line(COLUMNS), _line(["---"] * len(COLUMNS)), *lines])
    Console().print(page, markup=False)
    if args.report:
        args.report.write_text(page + "\n", encoding="utf-8")
    return 0 if good else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except GatewrightError as error:
        sys.exit(f"split_resnet8: {error}")
