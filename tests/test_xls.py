"""The way through XLS: its interpreter and its pipelines give the reference's integers."""

import builtins
import re
import sys

import numpy as np
import pytest

from driver_models import ULX3S, image_net, saved, vector_net
from gatewright.__main__ import main
from gatewright.compiler.ir.evaluate import evaluate
from gatewright.compiler.ir.graph import Graph, input_of
from gatewright.compiler.ir.ops import (
    Add,
)
from gatewright.compiler.xls import convert
from gatewright.compiler.xls.convert import dslx_of
from gatewright.compiler.xls.pipeline import FUNCTION, library, optimized, pipelined
from gatewright.driver.data import random_data
from gatewright.driver.inspection import inspect
from gatewright.errors import LoweringError, ToolError
from gatewright.hw.library import closure
from gatewright.hw.verilog import top_level
from gatewright.hw.xls import pipeline_design
from gatewright.report import read
from gatewright.sim.rtl import compile_rtl
from gatewright.sim.xls import XlsFunction
from random_nets import random_net

FRAMES = 40


def interpreted(graph: Graph, frames: np.ndarray, compiled: bool = False) -> np.ndarray:
    """XLS's own result of a graph's optimized function."""
    dslx, design = dslx_of(graph), pipeline_design(graph, 2)
    assert (dslx.in_bits, dslx.out_bits) == (design.input.bits, design.output.bits)
    words = XlsFunction(optimized(dslx.text), dslx.in_bits).run(design.input.pack(frames), compiled)
    return design.output.unpack(words).reshape(len(frames), *graph.outputs[0].type.shape)


def test_machine_code_equals_the_interpreter():
    graph = random_net(4)
    frames = random_data(graph, FRAMES).frames
    assert np.array_equal(interpreted(graph, frames, compiled=True), interpreted(graph, frames))


@pytest.mark.parametrize("stages", [1, 3])
def test_pipelines(tmp_path, stages):
    """In Icarus: a frame a clock where nobody waits, every integer right under gaps and stalls."""
    graph = random_net(3)
    made = pipelined(optimized(dslx_of(graph).text), stages=stages)
    design = pipeline_design(graph, made.clocks)
    assert made.clocks == stages + 1
    texts = {"accelerator.v": top_level(design, "accelerator"), f"{FUNCTION}.v": made.verilog}
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    sources = [*closure(texts.values()).values(), *(tmp_path / name for name in texts)]
    simulation = compile_rtl("accelerator", sources, {}, design.input.bits, design.output.bits)
    frames = random_data(graph, FRAMES).frames
    words, want = design.input.pack(frames), evaluate(graph, frames)[0].reshape(-1)
    for gap, stall in ((0.0, 0.0), (0.4, 0.0), (0.2, 0.6)):
        trace = simulation.run(words, FRAMES, gap=gap, stall=stall)
        assert np.array_equal(design.output.unpack(trace.words), want)
        if not gap:
            (instance,) = design.instances
            assert set(np.diff(trace.out_clocks)) == {1}
            assert trace.offered - trace.in_clocks[0] == instance.unit.latency(instance.p)


def test_a_clock_in_the_place_of_stages():
    """XLS makes as many stages as the period needs, and says when it cannot."""
    ir = optimized(dslx_of(random_net(4)).text)
    assert pipelined(ir, period_ps=800).clocks > pipelined(ir, period_ps=5_000).clocks
    with pytest.raises(
        ToolError, match=r"^xls: XLS must make a pipeline of 10 ps, but says:\n.*clock period"
    ):
        pipelined(ir, period_ps=10)


@pytest.mark.slow
def test_compile_and_run(tmp_path, capsys):
    """The command holds DSLX and RTL against the graph; both run from the folder alone."""
    out, graph = tmp_path / "out", image_net()
    arguments = [
        "compile",
        str(saved(tmp_path, graph)),
        "--board",
        ULX3S,
        "--via",
        "xls",
        "--xls-stages",
        "2",
    ]
    assert main([*arguments, "--until", "simulate", "--frames", "5", "--out", str(out)]) == 0
    told = capsys.readouterr().out
    assert re.search(r"XLS interpreter equals integer graph on all 5", told)
    assert re.search(r"RTL \(Verilator\), stalled equals integer graph on all 5", told)
    report = read(out / "report.json")
    assert (report["interval_clocks"], report["resources"]) == (1, None)
    assert report["tools"]["xls-python"]
    assert "pub fn accelerator(x: uN[180])" in (out / "xls" / "accelerator.x").read_text()
    frames = random_data(graph, 3).frames
    np.save(tmp_path / "x.npy", frames.transpose(0, 3, 1, 2))
    x, y = str(tmp_path / "x.npy"), str(tmp_path / "y.npy")
    for executor in ("xls", "icarus"):
        assert main(["run", str(out), "--on", executor, "--input", x, "--output", y]) == 0
        assert np.array_equal(np.load(y).transpose(0, 2, 3, 1), evaluate(graph, frames)[0])
    capsys.readouterr()
    assert main(["run", str(out), "--on", "cycle", "--input", x, "--output", y]) == 2
    assert re.search(
        r"holds a pipeline of XLS, which has no cycle model\. Run --on rtl", capsys.readouterr().err
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--via", "xls", "--xls-stages", "0"), r"compile: --xls-stages must be 1 to 200, not 0"),
        (("--xls-stages", "3"), r"compile: --xls-stages is for --via xls, not for fpga\. Leave it out\."),
        (
            ("--via", "xls", "--fps", "3"),
            r"compile: --fps is for --target fpga, not for --via xls\. Leave .*",
        ),
        (("--via", "xls", "--until", "rtl"), r"compile: --until must be one of graph, dslx, pipeline, .*"),
        (
            ("--via", "xls", "--hls-config", "f"),
            r"compile: --hls-config is for --via hls, not for --via xls\..*",
        ),
    ],
)
def test_refused_options(tmp_path, capsys, arguments, message):
    model, out = str(saved(tmp_path, vector_net())), tmp_path / "out"
    assert main(["compile", model, "--board", ULX3S, "--out", str(out), *arguments]) == 2
    assert re.search(f"gatewright: {message}$", capsys.readouterr().err.strip())
    assert not out.exists()


def test_run_needs_a_folder_of_xls(tmp_path, capsys):
    out, model = tmp_path / "out", saved(tmp_path, vector_net())
    assert (
        main(["compile", str(model), "--board", ULX3S, "--until", "graph", "--out", str(out), "--quiet"]) == 0
    )
    np.save(tmp_path / "x.npy", np.ones((1, 6), dtype=np.int64))
    x, y = str(tmp_path / "x.npy"), str(tmp_path / "y.npy")
    assert main(["run", str(out), "--on", "xls", "--input", x, "--output", y]) == 2
    assert re.search(r"holds no IR of XLS\. Compile for an FPGA with --via xls\.", capsys.readouterr().err)


def test_without_the_package(monkeypatch):
    """XLS is an extra; what needs it says how to get it."""
    real = builtins.__import__

    def missing(name, *rest, **more):
        if name == "xls":
            raise ImportError("No module named 'xls'")
        return real(name, *rest, **more)

    monkeypatch.delitem(sys.modules, "xls", raising=False)
    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(
        ToolError, match=r"^xls: the package xls-python must be .* Run pip install 'gatewright\[xls\]'\.$"
    ):
        library()


def test_an_optimizer_that_does_not_end():
    """XLS has a process of its own, which has a limit; what it rejects is told."""
    text = dslx_of(vector_net()).text
    with pytest.raises(
        ToolError, match=r"^xls: XLS must optimize the function within 0\.001 s, but has not\. Compile "
    ):
        optimized(text, 0.001)
    with pytest.raises(ToolError, match=r"^xls: XLS must compile the DSLX, but says:\n(.*\n)*.*ParseError"):
        optimized("fn x")


def test_inspect_says_what_is_refused(tmp_path, monkeypatch):
    """Too large a graph, and several inputs, before any work."""
    path = saved(tmp_path, image_net())
    fine = inspect(path, ULX3S, "xls")
    assert fine["problems"] == []
    assert all("xls" in node["targets"] for node in fine["nodes"] if node["becomes"])
    monkeypatch.setattr(convert, "MOST_WORK", 100)
    (problem,) = inspect(path, ULX3S, "xls")["problems"]
    assert re.match(
        r"xls: unrolled, a graph must be at most 100 additions, .* Compile without --via xls,", problem
    )
    a, b = input_of("a", (2,), 0, 3), input_of("b", (2,), 0, 3)
    with pytest.raises(LoweringError, match=r"^xls: a design has 1 input and 1 output, not 2 and 1\. Cut "):
        dslx_of(Graph((a, b), (Add()(a, b),), "two"))


def test_names_stay_out_of_the_text():
    """Nothing that a model says gets into DSLX."""
    x = input_of("x; fn evil", (2,), 0, 3)
    graph = Graph((x,), (Add()(x, x, name="} // evil\n"),), "evil")
    assert "evil" not in dslx_of(graph).text
