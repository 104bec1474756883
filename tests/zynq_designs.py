"""Designs compiled for a Zynq board and built in Icarus, and cocotb's tests run on them."""

import json
import shutil
from pathlib import Path

import numpy as np
from cocotb_tools.check_results import get_results
from cocotb_tools.runner import get_runner

from driver_models import PYNQ, saved
from gatewright.compiler.frontends import load_model
from gatewright.compiler.ir.boundary import plain_input
from gatewright.compiler.ir.evaluate import evaluate
from gatewright.compiler.ir.graph import Const, Graph, input_of
from gatewright.compiler.ir.ops import MatMul
from gatewright.driver.compile import Options, compile_model
from gatewright.driver.data import encode, output_decoding
from gatewright.driver.project import Project
from gatewright.hw.library import RTL, twin
from gatewright.hw.zynq.top import TOP
from gatewright.hw.zynq.words import words_of

SEED = 5
# Of the simulator: telling each transfer (INFO) takes longer than the transfers.
_ENVIRONMENT = {"PYTHONDONTWRITEBYTECODE": "1", "COCOTB_LOG_LEVEL": "WARNING"}


def wide_net() -> Graph:
    """13 int8 values to 10 sums, all in one clock: beats of more than a memory port's 64 bits both ways."""
    rng = np.random.default_rng(3)
    x = input_of("x", (13,), -128, 127)
    return Graph((x,), (MatMul()(x, Const(rng.integers(-8, 8, (13, 10))), name="fc"),), "wide")


def frames_of(graph: Graph, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Frames as the source has them, floats where it takes floats, and as the graph's integers."""
    x, rng = graph.inputs[0].type, np.random.default_rng(SEED)
    encoding = graph.encodings[0] if graph.encodings else plain_input(x.shape)
    if encoding.thresholds is None:
        source = rng.integers(x.dtype.lo, x.dtype.hi + 1, (count, *x.shape))
    else:
        low, high = encoding.thresholds.min(), encoding.thresholds.max()
        source = rng.uniform(low - 1, high + 1, (count, *encoding.source_shape)).astype(np.float32)
    return source, encoding.apply(source, x)


def built(folder: Path, graph: Graph | Path, count: int, board: str = PYNQ, **options) -> Path:
    """A design compiled for a board, with ``count`` frames, built in Icarus of the files that Vivado gets,
    save those in cells of the family, which are proved equal to the portable ones.

    Args:
        graph: or a model's file.
    """
    model = graph if isinstance(graph, Path) else saved(folder, graph)
    compile_model(model, board, folder / "out", Options(**{"until": "rtl", **options}))
    graph = load_model(model)
    project = Project(folder / "out")
    _write_case(folder, project, graph, count)
    sources, build = project.root / "zynq" / "ip" / "src", folder / "build"
    build.mkdir()
    for memory in sources.glob("*.mem"):
        shutil.copy(memory, build)
    get_runner("icarus").build(
        sources=[_portable(path) for path in sorted(sources.glob("*.v"))], hdl_toplevel=TOP,
        build_dir=build, build_args=["-g2005"], timescale=("1ns", "1ps"), always=True,
    )  # fmt: skip
    return folder


def _portable(path: Path) -> Path:
    return RTL / path.name if twin(path.name, "xc7") else path


def _write_case(folder: Path, project: Project, graph: Graph, count: int) -> None:
    """Frames and what they must give, as arrays and as the bytes in memory, and the registers' constants."""
    lowered, interface = project.graph(), project.interface()
    described = json.loads((project.root / "zynq" / "accelerator.json").read_text())
    port_bits = 8 * max(described[side]["word_bytes"] for side in ("input", "output"))
    entering, leaving = (words_of(s, port_bits) for s in (interface.input, interface.output))
    source, values = frames_of(lowered, count)
    results = evaluate(lowered, values)[0]
    decoding = output_decoding(lowered)
    given = encode(graph, source)  # as the model's own graph has it, before any pass
    assert np.array_equal(
        output_decoding(graph).integers(evaluate(graph, given)[0]), decoding.integers(results)
    )
    np.savez(
        folder / "source.npz", source=source, values=values, results=results,
        integers=decoding.integers(results), floats=decoding.apply(results),
    )  # fmt: skip
    packed = {"frames": entering.pack(values), "expected": leaving.pack(results)}
    np.savez(
        folder / "case.npz", **{k: np.frombuffer(v, np.uint8).reshape(count, -1) for k, v in packed.items()}
    )
    case = {
        "design_id": described["design_id"],
        "in_words": entering.frame_words, "out_words": leaving.frame_words,
        "in_bytes": entering.bytes, "out_bytes": leaving.bytes,
        "run_clocks": 5 * described["interval_clocks"] + 150, "resets": 12,
    }  # fmt: skip
    (folder / "case.json").write_text(json.dumps(case))


def simulate(folder: Path, module: str, test: str) -> None:
    """One test of a cocotb module, in a simulator of its own; fails with its log."""
    log = folder / f"{test}.log"
    try:
        results = get_runner("icarus").test(
            test_module=module, testcase=test, hdl_toplevel=TOP, hdl_toplevel_lang="verilog",
            build_dir=folder / "build", results_xml=str(folder / f"{test}.xml"), log_file=log, seed=1,
            extra_env={"GW_CASE": str(folder / "case.json"), **_ENVIRONMENT},
        )  # fmt: skip
        ran, failed = get_results(results)
    except SystemExit:  # what the runner does when a test failed
        ran, failed = 1, 1
    assert (ran, failed) == (1, 0), log.read_text()[-6000:] if log.exists() else "no log"
