"""The way through XLS: its interpreter and its pipelines give the reference's integers."""

import builtins
import re
import sys

import numpy as np
import pytest

from driver_models import ULX3S, image_net, saved, vector_net
from gatewright.__main__ import main
from gatewright.compiler.ir.evaluate import evaluate
from gatewright.compiler.ir.graph import Const, Graph, input_of
from gatewright.compiler.ir.ops import (
    Add,
    AdderConv2d,
    AdderMatMul,
    ArgMax,
    BatchMatMul,
    Concat,
    Conv2d,
    ConvTranspose2d,
    DepthToSpace,
    Lookup,
    MatMul,
    MaxPool,
    Mul,
    Pad,
    ReduceSum,
    Reshape,
    Slice,
    SpaceToDepth,
    SumPool,
    Threshold,
    Transpose,
    Upsample,
)
from gatewright.compiler.xls import convert
from gatewright.compiler.xls.convert import dslx_of
from gatewright.compiler.xls.pipeline import FUNCTION, library, optimized, pipelined
from gatewright.compiler.xls.rules import XLS
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


def ints(rng, low, high, *shape) -> Const:
    return Const(rng.integers(low, high, shape))


def steps(rng, x, count, rows=1) -> Const:
    """Ascending thresholds over the range of x."""
    d = x.type.dtype
    return Const(np.sort(rng.integers(d.lo, d.hi + 2, (rows, count)), axis=1))


def interpreted(graph: Graph, frames: np.ndarray, compiled: bool = False) -> np.ndarray:
    """XLS's own result of a graph's optimized function."""
    dslx, design = dslx_of(graph), pipeline_design(graph, 2)
    assert (dslx.in_bits, dslx.out_bits) == (design.input.bits, design.output.bits)
    words = XlsFunction(optimized(dslx.text), dslx.in_bits).run(design.input.pack(frames), compiled)
    return design.output.unpack(words).reshape(len(frames), *graph.outputs[0].type.shape)


def images(rng) -> Graph:
    """Convolutions of all kinds, pools, tables, moves of pixels and channels."""
    x = input_of("x", (4, 3, 2), -8, 7)
    a = Conv2d(pads=(1, 1, 1, 1))(x, ints(rng, -2, 2, 3, 3, 2, 4), ints(rng, -9, 9, 4))
    a = Threshold(bias=-3)(a, steps(rng, a, 7, rows=4))
    b = Conv2d(pads=(2, 2, 2, 2), dilations=(2, 2), groups=2)(a, ints(rng, -3, 4, 3, 3, 2, 4))
    b = Threshold()(b, steps(rng, b, 5))
    b = AdderConv2d(pads=(1, 0, 0, 1), strides=(2, 1))(b, ints(rng, -1, 7, 2, 2, 4, 3), ints(rng, -9, 9, 3))
    b = Threshold()(b, steps(rng, b, 31, rows=3))
    b = Lookup(lo=0)(b, ints(rng, -20, 20, 3, 32))
    b = MaxPool((2, 2), (1, 1), (1, 0, 0, 1))(b)
    b = Upsample((2, 1))(Pad((0, 1, 0, 0, 0, 0), value=-5)(b))
    b = Transpose((1, 0, 2))(Slice((0, 1, 0), (4, 4, 3), (1, 2, 2))(b))
    b = SumPool((2, 2), (1, 2), (0, 0, 1, 0))(b)
    return Graph((x,), (b,), "images")


def pixels(rng) -> Graph:
    """A transposed convolution in groups, and pixels traded for channels."""
    x = input_of("x", (2, 3, 2), 0, 3)
    y = ConvTranspose2d((2, 2), (1, 0, 0, 1), groups=2)(x, ints(rng, -3, 4, 3, 2, 1, 4), ints(rng, -5, 5, 4))
    y = DepthToSpace(2)(Threshold()(y, steps(rng, y, 3)))
    return Graph((x,), (SpaceToDepth(2)(y),), "pixels")


def rows(rng) -> Graph:
    """Dense layers of rows, joins of tensors and with constants, sums over an axis, the largest's index."""
    x = input_of("x", (3, 6), 0, 9)
    a = MatMul()(x, ints(rng, -4, 4, 6, 5), ints(rng, -9, 9, 5))
    b = MatMul()(x, Const(rng.choice((-1, 1), (6, 5))))
    c = Add()(Mul()(a, ints(rng, 1, 5, 5)), b)
    c = Concat(1)(c, Add()(b, ints(rng, -3, 3, 1)), ints(rng, -9, 9, 3, 2))
    c = Threshold()(c, steps(rng, c, 9, rows=12))
    d = ReduceSum((0,))(c)
    e = AdderMatMul()(Threshold(bias=-2)(d, steps(rng, d, 6)), ints(rng, -3, 5, 12, 7))
    return Graph((x,), (ArgMax()(Reshape((7,))(Mul()(e, e))),), "rows")


def bits(rng) -> Graph:
    """Values of {-1, +1}: products with each other, with weights, with numbers and with constants."""
    x = input_of("x", (3, 4), -1, 1, 2)
    a = MatMul()(x, Const(rng.choice((-1, 1), (4, 4))))
    s = Threshold(-1, 2)(a, ints(rng, -2, 3, 4, 1))
    b = BatchMatMul()(x, Transpose((1, 0))(Mul()(x, s)))
    c = Mul()(b, Slice((0, 0), (3, 3), (1, 1))(s))
    c = Add()(c, Mul()(Slice((0, 1), (3, 4), (1, 1))(x), ints(rng, 1, 4, 3)))
    return Graph((x,), (Concat(1)(c, s),), "bits")


@pytest.mark.parametrize("make", [images, pixels, rows, bits])
def test_every_op(make):
    """The same integers on random frames, by the interpreter."""
    graph = make(np.random.default_rng(3))
    frames = random_data(graph, FRAMES).frames
    assert np.array_equal(interpreted(graph, frames), evaluate(graph, frames)[0])


def test_the_graphs_hold_every_rule():
    """No rule is left out of the test above."""
    made = [
        node.op for make in (images, pixels, rows, bits) for node in make(np.random.default_rng(3)).nodes()
    ]
    assert {type(op) for op in made} == set(XLS.rules)


@pytest.mark.parametrize(("lo", "hi"), [(-50, 30), (0, 63), (-5, 3), (-60, -20)])
def test_thresholds(lo, hi):
    """On a line, few, in no order, always or never reached, above a start: for every value."""
    rng = np.random.default_rng(hi - lo)
    tables = (
        (np.arange(1, 32) * 8 - 60, -3, 1), (np.arange(1, 64) * 2 - 40, -128, 1), (np.array([5]), -1, 2),
        (np.sort(rng.integers(lo, hi + 2, 21)), -4, 1), (np.sort(rng.integers(lo, hi + 2, 3)), 2, 3),
        (np.array([-200, -200, 5, 6]), 1, 1), (np.array([300, 301]), 7, 1),
    )  # fmt: skip
    x = input_of("x", (hi - lo + 1, 1), lo, hi)
    made = [Threshold(bias, step)(x, Const(steps[None])) for steps, bias, step in tables]
    graph = Graph((x,), (Concat(1)(*made),), "thresholds")
    frames = np.arange(lo, hi + 1).reshape(1, -1, 1)
    assert np.array_equal(interpreted(graph, frames), evaluate(graph, frames)[0])


def test_sums_of_differences():
    """XLS computes ``(5 - x) + (4 - y)`` wrongly where the sum is extended; it must not meet that."""
    x = input_of("x", (2,), 0, 3)
    w, bias = Const(-np.eye(2, dtype=np.int64)), Const(np.array([5, 4]))
    for first in (MatMul()(x, w, bias), AdderMatMul()(x, Const(np.array([[7, 9], [5, 5]])))):
        total = Mul()(Reshape((1,))(ReduceSum((0,))(first)), Const(np.array([-1])))
        last = Threshold()(total, Const(np.arange(-25, 20)[None]))
        frames = np.stack(np.meshgrid(np.arange(4), np.arange(4)), -1).reshape(-1, 2)
        graph = Graph((x,), (last,), "differences")
        assert np.array_equal(interpreted(graph, frames), evaluate(graph, frames)[0])


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
