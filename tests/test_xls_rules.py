"""Every op as DSLX: XLS's interpreter gives the reference's integers."""

import numpy as np
import pytest

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
from gatewright.compiler.xls.convert import dslx_of
from gatewright.compiler.xls.pipeline import optimized
from gatewright.compiler.xls.rules import XLS
from gatewright.driver.data import random_data
from gatewright.hw.xls import pipeline_design
from gatewright.sim.xls import XlsFunction

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
