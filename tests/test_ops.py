"""Every op against its definition written out in loops, and its inferred range against its values."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gatewright.compiler.ir.evaluate import trace
from gatewright.compiler.ir.graph import Const, Graph, Input, Node
from gatewright.compiler.ir.ops import OPS, AdderConv2d, AdderMatMul, Conv2d, MatMul
from gatewright.compiler.ir.types import Int
from graph_builder import Builder, arrays
from op_references import REFERENCES, each, taps


@st.composite
def one_node(draw, op):
    """A node of ``op`` on fresh inputs, and a generator for its data."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    builder = Builder(draw, rng)
    builder.input()
    builder.input()
    builder.add(op)
    assume(len(builder.values) == 3)
    return builder.values[-1], rng


@pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)
def test_op_is_its_definition(op):
    """Evaluation equals the loops in value and shape, and no value leaves the inferred type."""
    reference = REFERENCES[op]

    @given(one_node(op))
    def check(case):
        node, rng = case
        inputs = tuple(v for v in Graph((), (node,)).values() if isinstance(v, Input))
        assume(inputs)
        graph = Graph(inputs, (node,))
        results = trace(graph, *(arrays(rng, v.type) for v in inputs))
        got = results[id(node)]
        for n in range(len(got)):
            operands = [v.value if isinstance(v, Const) else results[id(v)][n] for v in node.inputs]
            want = reference(node.op, *operands)
            assert want.shape == node.type.shape
            assert np.array_equal(got[n].astype(object), want)
        assert node.type.dtype.contains(got)

    check()


def _adder_extremes(d: Int, w: np.ndarray, nearest: bool) -> np.ndarray:
    """For each weight the value of type ``d`` that is nearest to it, or farthest."""
    values = np.arange(d.lo, d.hi + 1, d.step)
    apart = np.abs(w[..., None] - values)
    return values[apart.argmin(-1) if nearest else apart.argmax(-1)]


def _extremes(node: Node, x: Input, m: int, largest: bool) -> np.ndarray | None:
    """The frame at which output channel m of a product is as large, or as small, as it gets."""
    d, w = x.type.dtype, node.inputs[1].value
    if isinstance(node.op, AdderMatMul | AdderConv2d):
        best = _adder_extremes(d, w[..., m], largest)
    else:
        best = np.where((w[..., m] > 0) == largest, d.hi, d.lo)
    if isinstance(node.op, MatMul | AdderMatMul):
        return np.broadcast_to(best, x.type.shape)
    op, (kh, kw, per_group, m_all) = node.op, w.shape
    for i, j in each(node.type.shape[:2]):
        found = list(taps(op, (kh, kw), x.type.shape, i, j))
        if all(at for *_, at in found):
            frame = np.full(x.type.shape, d.lo)
            first = m // (m_all // getattr(op, "groups", 1)) * per_group
            for u, v, at in found:
                frame[at][first : first + per_group] = best[u, v]
            return frame
    return None


@pytest.mark.parametrize("op", [MatMul, Conv2d, AdderMatMul, AdderConv2d], ids=lambda op: op.name)
def test_products_range_is_tight(op):
    """Both ends of a product's inferred range are reached.

    Padding aside where no window lies inside the image, or x has no zero: then zeros in the padding
    only bound the range.
    """
    tight = 0

    @given(one_node(op))
    def check(case):
        nonlocal tight
        node, _ = case
        x = node.inputs[0]
        assume(isinstance(x, Input))
        d = x.type.dtype
        assume(
            op in (MatMul, AdderMatMul) or not any(node.op.pads) or (d.lo <= 0 <= d.hi and d.lo % d.step == 0)
        )
        frames = [_extremes(node, x, m, big) for m in range(node.type.shape[-1]) for big in (False, True)]
        assume(all(f is not None for f in frames))
        y = trace(Graph((x,), (node,)), np.stack(frames))[id(node)]
        assert (y.min(), y.max()) == (node.type.dtype.lo, node.type.dtype.hi)
        tight += 1

    check()
    assert tight > 10
