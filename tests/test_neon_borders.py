"""Products on ARM whose input or result has a border that another layer wants."""

import numpy as np
import pytest

from arm_bench import Batch, Case
from gatewright.compiler.ir.graph import Const, Graph, Node, input_of
from gatewright.compiler.ir.ops import Conv2d, MatMul, Threshold
from gatewright.compiler.neon.isa import CORES
from graph_builder import arrays


def _threshold(node, step: int) -> Node:
    return Node(Threshold(-128), (node, Const(np.arange(-127, 128)[None] * step)))


def _weights(rng, *shape: int) -> Const:
    return Const(rng.integers(-127, 128, shape))


def _conv(rng, x, m: int, groups: int = 1) -> Node:
    """A convolution that wants a border of one."""
    c = x.type.shape[2]
    return Node(Conv2d((1, 1), (1, 1, 1, 1), (1, 1), groups), (x, _weights(rng, 3, 3, c // groups, m)))


def _both(rng, size) -> Graph:
    """One tensor, read with its border by a convolution and without by a product."""
    x = input_of("x", (*size, 16), -128, 127)
    a = _threshold(x, 1)
    return Graph((x,), (_conv(rng, a, 8), Node(MatMul(), (a, _weights(rng, 16, 20)))))


def _behind(rng, size, op) -> Graph:
    """A pointwise layer whose result lies in the border that the next one wants."""
    x = input_of("x", (*size, 16), -128, 127)
    shape = (16, 24) if isinstance(op, MatMul) else (1, 1, 16, 24)
    a = _threshold(Node(op, (x, _weights(rng, *shape))), 900)
    return Graph((x,), (_threshold(_conv(rng, a, 24, 24), 300),))


@pytest.mark.parametrize("core", CORES)
def test_borders_beside_products(core, tmp_path):
    """Images whose rows are whole tiles, and others; tall, flat and small ones."""
    rng = np.random.default_rng(13)
    graphs = []
    for size in ((6, 5), (4, 8), (1, 7), (5, 1), (9, 3)):
        graphs += [_both(rng, size), _behind(rng, size, MatMul()), _behind(rng, size, Conv2d())]
    cases = [Case(g, (arrays(rng, g.inputs[0].type, 3),)) for g in graphs]
    assert Batch(cases, core, tmp_path).differences() == {}
