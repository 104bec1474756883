"""The AXI top in Icarus under cocotb: registers, protocol under stalls, frames through the DMA, resets."""

import json
from pathlib import Path

import numpy as np
import pytest
from cocotb_tools.check_results import get_results
from cocotb_tools.runner import get_runner

from driver_models import PYNQ, image_net, saved
from gatewright.compiler.ir.evaluate import evaluate
from gatewright.compiler.ir.graph import Const, Graph, input_of
from gatewright.compiler.ir.ops import MatMul
from gatewright.driver.compile import Options, compile_model
from gatewright.driver.project import Project
from gatewright.hw.zynq.words import words_of


def wide_net() -> Graph:
    """13 int8 values to 10 sums, all in one clock: beats of more than a memory port's 64 bits both ways."""
    rng = np.random.default_rng(3)
    x = input_of("x", (13,), -128, 127)
    return Graph((x,), (MatMul()(x, Const(rng.integers(-8, 8, (13, 10))), name="fc"),), "wide")


def built(folder: Path, graph: Graph, frames: int, **options) -> Path:
    """A design compiled for PYNQ-Z2 and built in Icarus with the files that Vivado gets; its folder."""
    compile_model(saved(folder, graph), PYNQ, folder / "out", Options(until="rtl", **options))
    project = Project(folder / "out")
    interface = project.interface()
    entering, leaving = (words_of(s, 64) for s in (interface.input, interface.output))
    x = graph.inputs[0].type
    values = np.random.default_rng(5).integers(x.dtype.lo, x.dtype.hi + 1, (frames, *x.shape))
    expected = evaluate(graph, values)[0]
    arrays = {"frames": entering.pack(values), "expected": leaving.pack(expected)}
    arrays = {name: np.frombuffer(data, np.uint8).reshape(frames, -1) for name, data in arrays.items()}
    np.savez(folder / "case.npz", **arrays)
    described = json.loads((folder / "out" / "zynq" / "accelerator.json").read_text())
    case = {
        "design_id": described["design_id"],
        "in_words": entering.frame_words, "out_words": leaving.frame_words,
        "in_bytes": entering.bytes, "out_bytes": leaving.bytes,
        "run_clocks": 5 * described["interval_clocks"] + 150, "resets": 12,
    }  # fmt: skip
    (folder / "case.json").write_text(json.dumps(case))
    sources = project.root / "zynq" / "ip" / "src"
    build = folder / "build"
    build.mkdir()
    for memory in sources.glob("*.mem"):
        (build / memory.name).write_text(memory.read_text())
    get_runner("icarus").build(
        sources=sorted(sources.glob("*.v")), hdl_toplevel="gatewright_axi", build_dir=build,
        build_args=["-g2005"], timescale=("1ns", "1ps"), always=True,
    )  # fmt: skip
    return folder


def simulate(folder: Path, module: str, test: str, **env: str) -> None:
    """One test of a cocotb module, in a simulator of its own; fails with its log."""
    runner = get_runner("icarus")
    log = folder / f"{test}.log"
    results = runner.test(
        test_module=module, testcase=test, hdl_toplevel="gatewright_axi", hdl_toplevel_lang="verilog",
        build_dir=folder / "build",
        results_xml=str(folder / f"{test}.xml"), log_file=log, seed=1,
        extra_env={"GW_CASE": str(folder / "case.json"), "PYTHONDONTWRITEBYTECODE": "1", **env},
    )  # fmt: skip
    ran, failed = get_results(results)
    assert (ran, failed) == (1, 0), log.read_text()[-6000:]


@pytest.fixture(scope="module", params=["image", "wide"])
def design(request, tmp_path_factory):
    """Two designs: words of one byte in and four out; and two words a beat both ways."""
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "image":
        return built(folder, image_net(), 60)
    return built(folder, wide_net(), 60, interval=1)


@pytest.mark.parametrize(
    "test", ["registers", "many_at_once", "frames", "resets_in_mid_frame", "wrong_lengths", "modes"]
)
def test_axi(design, test):
    """One of ``zynq_cases``."""
    simulate(design, "zynq_cases", test)
