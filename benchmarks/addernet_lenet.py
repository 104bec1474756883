"""LeNet-5 for MNIST as adder network and as multiplying twin, on chip on the ULX3S-85F.

    python benchmarks/addernet_lenet.py --adder A.onnx --cnn C.onnx --data DIR --work WORK [--json FILE]

A.onnx and C.onnx are what benchmarks/adder_mnist.py exports; DIR holds MNIST's idx files. Each version is
compiled once, to WORK/NAME, from the same generator: to a routed bitstream, simulated in
Verilator on 1,000 test images. FILE takes the rows that benchmarks/addernet_paper.py puts on its page.
"""

import argparse
import gzip
import json
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from rich.console import Console

from addernet_tools.cases import CASES
from addernet_tools.page import TAPS
from addernet_tools.power import counted
from gatewright import Options, compile_model
from gatewright.driver.estimate import estimated, read_model
from gatewright.errors import GatewrightError, InputError

BOARD = "radiona_ulx3s_85f"
IMAGES = 1000
SUMS = ("_mv", "_cm")  # units that add a layer's products or distances
_HEADER = {"images": 16, "labels": 8}  # bytes of an idx file before its elements


@dataclass(frozen=True)
class Version:
    """One accelerator of the comparison; ``interval`` is clocks a frame."""

    title: str
    model: str
    multipliers: str
    array: str  # the case of addernet_paper.py whose lanes its sums are made of
    interval: int = 1600
    clock_mhz: float = 75


VERSIONS = {
    "adder": Version("adder, no multiplier", "adder", "lut", "8-adder-small-ecp5"),
    "lut": Version("multiplier in LUTs", "cnn", "lut", "8-multiply_lut-small-ecp5"),
    # 263 blocks at 1,600 clocks: the part has 156, and none takes two products of 8 bits.
    "dsp": Version("multiplier in DSP blocks", "cnn", "dsp", "8-multiply_dsp-small-ecp5", interval=3200),
}
COLUMNS = (
    "version", "RTL = integer graph", "accuracy", "clocks a frame", "clock asked, reached",
    "frames/s at the clock reached", "LUT", "of these in the layers' sums", "FF", "BRAM", "DSP",
    "transitions of the sums, million a frame", "dynamic energy, uJ a frame", "of these the layers' sums",
    "with static power at the clock reached, uJ a frame",
)  # fmt: skip
TEXT = (
    "The whole network on chip, each layer a unit of its own, from one generator; weights "
    f"and thresholds in block RAM. {IMAGES:,} test images in the simulated RTL (Verilator); clock and "
    "resources after routing on the ULX3S-85F (LFE5U-85F). No board was at hand. Transitions are those of "
    f"registers and LUT outputs, glitches included, that a lane of the array of 4 rows makes a tap on "
    f"LeNet-5's own data (above), times the network's {TAPS:,} taps: what is dynamic in its arithmetic, "
    "without wires, memories and clocks. Energy is what `gatewright estimate` says, of everything on chip; "
    "the uncertainty of the part's figures is told above."
)


def images(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """The first test images, float32 (N, 1, 28, 28) in [0, 1], and their labels.

    Raises:
        InputError: a file is missing or is no idx file of MNIST.
    """
    found = {}
    for kind, name in (("images", "t10k-images-idx3-ubyte.gz"), ("labels", "t10k-labels-idx1-ubyte.gz")):
        try:
            data = gzip.decompress((folder / name).read_bytes())
        except (OSError, EOFError) as error:
            raise InputError(
                f"mnist: {folder / name} must be a gzipped idx file, but {error}. Set --data."
            ) from error
        found[kind] = np.frombuffer(data, np.uint8, offset=_HEADER[kind])
    frames = found["images"].reshape(-1, 1, 28, 28)[:IMAGES].astype(np.float32) / 255
    return frames, found["labels"][:IMAGES].astype(np.int64)


def transitions(version: Version, records: Path | None) -> str:
    """Millions a frame, from what addernet_paper.py counted on LeNet-5's data; a dash where it did not."""
    file = records / f"{version.array}.json" if records else None
    if file is None or not file.exists():
        return "-"
    toggles = json.loads(file.read_text()).get("toggles", {}).get("LeNet-5")
    if toggles is None or "dsp" in version.multipliers:  # what moves inside a DSP block is not seen
        return "-"
    array = next(case.array for case in CASES if case.name == version.array)
    return f"{counted(toggles['all_nets']) / (array.pe * array.simd) * TAPS / 1e6:.1f}"


def options(version: Version, data: Path) -> Options:
    """How a version is compiled."""
    return Options(
        interval=version.interval, clock_mhz=version.clock_mhz, multipliers=version.multipliers, data=data
    )


def energy(model: Path, given: Options, report: dict) -> list[str]:
    """uJ of a frame by gatewright's estimate on the first images: dynamic, that of the layers' sums, and with
    the static power of a frame's time at the clock reached."""
    found = estimated(read_model(model), BOARD, replace(given, frames=16)).energy
    if found is None:
        return ["-"] * 3
    sums = sum(u.dynamic_nj for u in found.units if u.name.endswith(SUMS)) / 1000
    static = found.static_mw * report["interval_clocks"] / report["timing"]["fmax_mhz"] / 1000
    return [f"{found.dynamic_uj:.1f}", f"{sums:.1f}", f"{found.dynamic_uj + static:.1f}"]


def row(title: str, report: dict, counted: list[str]) -> list[str]:
    """A line of the table."""
    used, timing = report["resources"]["total"], report["timing"]
    rtl = next(e for e in report["executors"] if e["name"] == "RTL (Verilator)")
    sums = sum(u["lut"] for u in report["resources"]["units"] if u["name"].endswith(SUMS))
    return [
        title, f"{rtl['equal']:,} of {rtl['inputs']:,}", f"{100 * rtl['accuracy']:.1f} %",
        f"{report['interval_clocks']:,}", f"{timing['asked_mhz']:g}, {timing['fmax_mhz']:g} MHz",
        f"{timing['fmax_mhz'] * 1e6 / report['interval_clocks']:,.0f}", f"{used['lut']:,}", f"{sums:,}",
        f"{used['ff']:,}", f"{used['bram']:g}", f"{used['dsp']:,}", *counted,
    ]  # fmt: skip


def main() -> int:
    """Compile what is not compiled yet and print the rows; exit code 1 where an image's logits differ."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--adder", type=Path, required=True, help="the adder network's QONNX file")
    parser.add_argument("--cnn", type=Path, required=True, help="its multiplying twin's")
    parser.add_argument("--data", type=Path, required=True, help="folder with MNIST's test files")
    parser.add_argument("--work", type=Path, required=True, help="folder that takes the compiled networks")
    parser.add_argument("--only", choices=VERSIONS, nargs="*", default=list(VERSIONS))
    parser.add_argument("--arrays", type=Path, help="addernet_paper.py's --work, for transitions")
    parser.add_argument("--note", action="append", default=[], help="a further paragraph of the page")
    parser.add_argument("--json", type=Path, help="write the rows there")
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    frames, labels = images(args.data)
    np.savez(args.work / "images.npz", inputs=frames, labels=labels)
    rows, good = [], True
    for name in args.only:
        version, folder = VERSIONS[name], args.work / name
        model, given = getattr(args, version.model), options(version, args.work / "images.npz")
        if not folder.exists():
            compile_model(model, BOARD, folder, given)
        report = json.loads((folder / "report.json").read_text())
        good &= all(e["equal"] == e["inputs"] for e in report["executors"])
        moving = [transitions(version, args.arrays), *energy(model, given, report)]
        rows.append(row(version.title, report, moving))
    Console().print(*(" | ".join(cells) for cells in rows), sep="\n", markup=False)
    if args.json:
        args.json.write_text(
            json.dumps({"text": [TEXT, *args.note], "columns": COLUMNS, "rows": rows}, indent=2)
        )
    return 0 if good else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except GatewrightError as error:
        sys.exit(f"addernet_lenet: {error}")
