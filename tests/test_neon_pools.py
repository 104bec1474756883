"""Pools and sums on ARM equal the reference: vectors of channels, windows, borders, whole images."""

import numpy as np
import pytest

from arm_bench import Batch, Case
from gatewright.compiler.ir.graph import Const, Graph, Node, Value, input_of
from gatewright.compiler.ir.ops import Add, Conv2d, MaxPool, ReduceSum, SumPool, Threshold
from gatewright.compiler.neon.isa import CORES
from gatewright.sim.qemu import by_function
from graph_builder import arrays

BYTE, SIGNED, SHIFTED, WORD, LONG = (0, 255), (-128, 127), (-211, 44), (-3000, 3000), (-(2**20), 2**20)
# (height, width, channels), kernel, strides, pads, dilations, range of inputs
WINDOWS = [
    ((6, 8, 16), (2, 2), (2, 2), (0, 0, 0, 0), (1, 1), BYTE),
    ((7, 7, 24), (3, 3), (2, 2), (1, 1, 1, 1), (1, 1), SHIFTED),
    ((5, 9, 8), (3, 3), (1, 1), (1, 1, 1, 1), (1, 1), SIGNED),
    ((9, 5, 5), (3, 2), (1, 2), (2, 0, 1, 1), (2, 1), BYTE),
    ((8, 8, 3), (2, 2), (2, 2), (0, 0, 0, 0), (1, 1), BYTE),
    ((8, 8, 64), (8, 8), (1, 1), (0, 0, 0, 0), (1, 1), BYTE),
    ((12, 10, 20), (5, 4), (3, 3), (2, 1, 2, 2), (1, 1), WORD),
    ((4, 5, 12), (2, 2), (1, 1), (0, 0, 0, 0), (1, 1), LONG),
    ((3, 40, 1), (1, 4), (1, 4), (0, 0, 0, 0), (1, 1), SIGNED),
    ((30, 30, 16), (30, 30), (1, 1), (0, 0, 0, 0), (1, 1), BYTE),
]
# shape, axes
SUMS = [
    ((7, 9, 16), (0, 1)), ((7, 9, 3), (0, 1)), ((5, 6, 8), (2,)), ((5, 6, 8), (0,)), ((33,), (0,)),
    ((4, 12), (1,)), ((12, 4), (0,)), ((4, 6, 7), (1, 2)), ((3, 37), (1,)), ((4, 5, 6, 7), (1,)),
    ((4, 5, 6, 7), (0, 2)), ((2, 900), (1,)), ((3, 5, 2), (1,)), ((5, 3), (1,)),
]  # fmt: skip


def _averaged(rng, node: Node) -> Node:
    """Thresholds as an average's rounding gives them."""
    d = node.type.dtype
    steps = np.linspace(d.lo, d.hi, 256).astype(np.int64)[None, 1:]
    return Node(Threshold(-128), (node, Const(steps)))


def _case(rng, x: Value, node: Node, ended: bool) -> Case:
    out = _averaged(rng, node) if ended and node.type.shape else node
    return Case(Graph((x,), (out,)), (arrays(rng, x.type, 4),))


def _cases() -> list[Case]:
    rng = np.random.default_rng(17)
    cases = []
    for i, (shape, *window, values) in enumerate(WINDOWS):
        for op in (MaxPool(*window), SumPool(*window)):
            x = input_of("x", shape, *values)
            # Behind a layer of its own the pool reads a border that this writes around its result.
            inner = Node(Add(), (x, Const(rng.integers(-9, 9, shape[-1])))) if i % 3 else x
            cases.append(_case(rng, x, Node(op, (inner,)), i % 2 == 0))
    for i, (shape, axes) in enumerate(SUMS):
        x = input_of("x", shape, *(BYTE, SIGNED, SHIFTED, WORD)[i % 4])
        cases.append(_case(rng, x, Node(ReduceSum(axes), (x,)), i % 2 == 0))
    # A sum of an image that a convolution wants a border of, and one that gets a border itself.
    x, z = input_of("x", (4, 5, 8), *BYTE), input_of("z", (3, 4, 5, 8), *BYTE)
    a = Node(Add(), (x, Const(np.array([3]))))
    cases.append(Case(Graph((x,), (_conv(rng, a), Node(ReduceSum((0,)), (a,)), Node(ReduceSum((2,)), (a,)))),
                      (arrays(rng, x.type, 4),)))  # fmt: skip
    cases.append(Case(Graph((z,), (_conv(rng, Node(ReduceSum((0,)), (z,))),)), (arrays(rng, z.type, 4),)))
    return cases


def _conv(rng, x: Value) -> Node:
    return Node(Conv2d((1, 1), (1, 1, 1, 1), (1, 1)), (x, Const(rng.integers(-9, 9, (3, 3, 8, 4)))))


@pytest.mark.parametrize("core", CORES)
def test_pools_equal_the_reference(core, tmp_path):
    """All windows and sums, at smallest, largest and random inputs."""
    assert Batch(_cases(), core, tmp_path).differences() == {}


def test_a_global_sum_takes_few_instructions(tmp_path):
    """ResNet-8's, 8x8 of 64 channels: 256 loads and 512 additions of 8 lanes, and little besides."""
    x = input_of("x", (8, 8, 64), *BYTE)
    node = Node(SumPool((8, 8), (1, 1), (0, 0, 0, 0), (1, 1)), (x,))
    batch = Batch([_case(np.random.default_rng(18), x, node, False)], "cortex-a72", tmp_path)
    counts = by_function(tmp_path / "all", batch.run(blocks=True, frames=1))
    assert 0 < sum(n for name, n in counts.items() if "pool" in name) < 1800
