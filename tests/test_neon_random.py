"""Random graphs of every op and many widths: the ARM program gives the reference's integers on every core."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

import arm_bench
from arm_bench import Batch, Case
from arm_graphs import case_of, cases, wide_graph
from gatewright.compiler.ir.graph import Const, Graph, input_of
from gatewright.compiler.ir.ops import OPS, Add, Conv2d, MatMul, Mul, ReduceSum, Threshold
from gatewright.compiler.neon.isa import CORES

SEED, COUNT = 4, 60


@pytest.fixture(scope="module")
def drawn():
    """One batch of graphs for all cores."""
    return cases(SEED, COUNT)


@pytest.mark.parametrize("core", CORES)
def test_random_graphs(core, drawn, tmp_path):
    """Sixty graphs in one program; benchmarks/random_arm.py goes on from any seed."""
    print(f"seed {SEED}, {COUNT} graphs, {core}")
    wrong = Batch(drawn, core, tmp_path).differences()
    assert not wrong, f"seed {SEED} of tests/arm_graphs.py on {core}: {wrong}"


def test_the_draw_covers_ops_and_widths(drawn):
    """All ops are among the graphs, and values of 1 bit and of more than 32."""
    nodes = [n for case in drawn for n in case.graph.nodes()]
    assert {type(n.op) for n in nodes} == set(OPS)
    bits = Counter(n.type.dtype.bits for n in nodes)
    assert min(bits) == 1
    assert max(bits) > 32
    assert len(bits) > 20


def frames_of(*inputs, count=4):
    """Frames for inputs of graphs written by hand."""
    return case_of(Graph(inputs, inputs), 0, count).frames


def case(output, *inputs):
    """A graph of one output on a few frames."""
    return Case(Graph(inputs, (output,)), frames_of(*inputs))


def read_twice():
    """A convolution wants zeros around what a plain product reads, too."""
    x = input_of("x", (3, 3, 1), -8, 7)
    middle = Threshold(-6, 12)(x, Const(np.array([[1]])))
    conv = Conv2d((1, 1), (1, 1, 1, 1))(middle, Const(np.ones((2, 2, 1, 2), np.int64)))
    return Case(Graph((x,), (MatMul()(middle, Const(np.array([[62]]))), conv)), frames_of(x))


def found_cases():
    """What random graphs found once: each was wrong on some core."""
    rng = np.random.default_rng(4)
    x, small = input_of("x", (4, 3), -5, 5), input_of("x", (5, 3), -1, 1)
    whole, row = Const(rng.integers(-9, 9, (4, 3))), Const(np.array([3, 4, 5]))
    yield "a constant as large as the tensor", case(Add()(x, whole), x)
    yield "the same as a factor", case(Mul()(Add()(x, row), whole), x)
    yield "a constant first", case(Add()(whole, x), x)
    yield "constants only", case(Add()(Mul()(whole, row), x), x)
    steps = Const(np.array([[-8, -3, 0, 2, 7]]))
    yield "thresholds of a constant", case(Add()(Threshold(-2)(whole, steps), x), x)
    column = Const(rng.integers(-9, 9, (4, 1)))
    one = input_of("x", (4, 1), -5, 5)
    yield "as many rows as a channel is wide", case(Add()(one, column), one)
    product = MatMul()(small, Const(rng.choice([-1, 1], (3, 3))))
    yield "an input behind a product", case(Add()(product, small), small)
    even = input_of("x", (3, 4, 5), -8, 7)
    yield "steps that fill a row", case(Conv2d((1, 2))(even, Const(rng.integers(-9, 9, (1, 1, 5, 6)))), even)
    yield "one image behind a border for one of its readers", read_twice()
    grey = input_of("x", (9, 5, 1), -128, 127)
    yield "the sum of an image of one channel", case(ReduceSum((0, 1))(grey), grey)
    image = input_of("x", (3, 5, 7), -128, 127)
    for m in (13, 14, 15, 29, 31):
        weights = Const(rng.integers(-127, 128, (3, 3, 7, m)))
        yield f"{m} channels", case(Conv2d((1, 1), (1, 1, 1, 1))(image, weights), image)


@pytest.mark.parametrize("core", CORES)
def test_what_random_graphs_found(core, tmp_path):
    """Smallest graphs of defects that were mended."""
    names, held = zip(*found_cases(), strict=True)
    wrong = Batch(held, core, tmp_path).differences()
    assert not wrong, {names[i]: text for i, text in wrong.items()}


def spoiled(monkeypatch, change):
    """From now on programs have their calls changed so."""
    right = arm_bench.lower

    def wrong(graph, core):
        program = right(graph, core)
        return replace(program, calls=tuple(change(call) for call in program.calls))

    monkeypatch.setattr(arm_bench, "lower", wrong)


def test_the_bench_sees_what_is_wrong(tmp_path, monkeypatch):
    """Wrong integers, results missing, and memory touched behind a tensor's end or in front of it."""
    x = input_of("x", (64, 64), -128, 127)
    held = [case(Add()(x, Const(np.array([1]))), x), case_of(wide_graph(1), 1)]
    batch = Batch(held, "cortex-a72", tmp_path / "right")
    assert not batch.differences()
    batch.cases[0] = case(Add()(x, Const(np.array([2]))), x)
    assert "of 16384 elements differ, first -127 for -126 at (0, 0, 0)" in batch.differences()[0]
    spoiled(monkeypatch, lambda call: replace(call, trips=call.trips + 1))
    wrong = Batch(held[:1], "cortex-a72", tmp_path / "far").differences()
    assert wrong == {0: "graph 0: signal 11"}


def test_the_bench_sees_memory_spoiled_in_front(tmp_path, monkeypatch):
    """A kernel that begins a vector too early."""
    x = input_of("x", (64,), -128, 127)
    held = [case(Add()(x, Const(np.array([1]))), x)]

    def earlier(call):
        places = [replace(p, offset=p.offset - 2) for p in call.pointers]
        return replace(call, pointers=tuple(places))

    spoiled(monkeypatch, earlier)
    wrong = Batch(held, "cortex-a9", tmp_path).differences()
    assert "wrote in front of its memory" in wrong[0] or "differ" in wrong[0]
