"""A small seeded residual network, and one whose ends no FPGA takes, for tests of splits."""

import numpy as np

from gatewright.compiler.ir.graph import Const, Graph, Node, Value, input_of
from gatewright.compiler.ir.ops import Add, Conv2d, MatMul, Reshape, SumPool, Threshold


def _conv(rng: np.random.Generator, x: Value, channels: int, name: str) -> Node:
    """A 3x3 convolution and its rounding to 4 bits, ``name`` and ``name_act``."""
    weights = rng.integers(-8, 8, (3, 3, x.type.shape[-1], channels))
    sums = Conv2d((1, 1), (1, 1, 1, 1))(x, Const(weights), name=name)
    spread = max(1, sums.type.dtype.hi // 8)
    steps = np.sort(rng.integers(-spread, spread, (channels, 15)))
    return Threshold()(sums, Const(steps), name=f"{name}_act")


def residual_net(seed: int = 1) -> Graph:
    """(6, 6, 3) bytes: stem, a block of two convolutions with a skip, pool, head of 5 sums."""
    rng = np.random.default_rng(seed)
    x = input_of("x", (6, 6, 3), 0, 255)
    stem = _conv(rng, x, 4, "stem")
    block = _conv(rng, _conv(rng, stem, 4, "first"), 4, "second")
    total = Add()(block, stem, name="sum")
    act = Threshold()(total, Const(np.arange(2, 32, 2)[None]), name="act")
    pool = SumPool((6, 6), (6, 6))(act, name="pool")
    flat = Reshape((4,))(pool, name="flat")
    head = MatMul()(flat, Const(rng.integers(-8, 8, (4, 5))), name="head")
    return Graph((x,), (head,), 'small "residual" */ net')
