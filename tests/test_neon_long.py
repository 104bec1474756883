"""Products on ARM cores without SDOT equal the reference: sums written out and in loops, at every extreme."""

import numpy as np
import pytest

from arm_bench import Batch, Case
from gatewright.compiler.ir.graph import Const, Graph, Node, input_of
from gatewright.compiler.ir.ops import Conv2d, MatMul, Threshold
from gatewright.sim.qemu import by_function

# (height, width, channels), kernel, outputs, strides: sums of 1, 2, 4, 6, 9, 18, 15 and 25 blocks
CONVOLUTIONS = [
    ((6, 9, 16), 1, 8, 2),
    ((5, 5, 32), 1, 12, 1),
    ((4, 7, 64), 1, 16, 1),
    ((9, 6, 16), 3, 8, 2),
    ((7, 7, 32), 3, 4, 2),
    ((8, 6, 9), 5, 7, 2),
    ((6, 6, 16), 5, 5, 1),
]
# inputs, outputs of one vector: 6, 20 and 31 blocks
MATRICES = [(90, 10), (320, 12), (490, 3)]


def _weights(rng, shape, kind: int) -> np.ndarray:
    """Anything; the most negative, of which two products leave 16 bits; the largest that two still fit."""
    if kind == 0:
        return rng.integers(-128, 128, shape)
    return np.where(rng.random(shape) < 0.95, (-128, 127)[kind - 1], (127, -127)[kind - 1])


def _frames(rng, type_) -> np.ndarray:
    """Random frames, both extremes everywhere, and extremes side by side."""
    lo, hi = type_.dtype.lo, type_.dtype.hi
    frames = rng.integers(lo, hi + 1, (4, *type_.shape))
    frames[1], frames[2] = lo, hi
    frames[3] = np.where(rng.random(type_.shape) < 0.5, lo, hi)
    return frames


def _quantized(rng, x, node, plain: bool) -> Case:
    top, m = node.type.dtype.magnitude, node.type.shape[-1]
    steps = np.arange(1, 256)[None, :] * rng.integers(top // 400 + 1, top // 150 + 2, (m, 1))
    t = Const(steps - rng.integers(0, top + 1, (m, 1)))
    out = node if plain else Node(Threshold(-128), (node, t))
    return Case(Graph((x,), (out,)), (_frames(rng, x.type),))


def _cases(rng) -> list[Case]:
    cases = []
    for number, (size, kernel, m, stride) in enumerate(CONVOLUTIONS):
        x = input_of("x", size, *((0, 255) if number % 2 else (-128, 127)))
        pads = (kernel // 2,) * 4
        w = Const(_weights(rng, (kernel, kernel, size[2], m), number % 3))
        conv = Node(Conv2d((stride, stride), pads, (1, 1)), (x, w, Const(rng.integers(-999, 1000, m))))
        cases.append(_quantized(rng, x, conv, number % 4 == 3))
    for number, (k, m) in enumerate(MATRICES):
        x = input_of("x", (k,), -128, 127)
        product = Node(MatMul(), (x, Const(_weights(rng, (k, m), number))))
        cases.append(_quantized(rng, x, product, number == 0))
    return cases


@pytest.mark.parametrize("core", ["cortex-a9", "cortex-a72"])
def test_products_equal_the_reference(core, tmp_path):
    """Strides, borders, channels that fill no vector, weights of all magnitudes."""
    batch = Batch(_cases(np.random.default_rng(31)), core, tmp_path)
    assert all(any("_long_" in name for name in program.functions) for program in batch.programs)
    assert batch.differences() == {}


def test_a_strided_layer_takes_few_instructions(tmp_path):
    """3x3x16 to 32 channels, written out: 0.225 instructions a product, of which 0.1875 multiply."""
    rng = np.random.default_rng(32)
    x = input_of("x", (32, 32, 16), 0, 255)
    w = np.clip(rng.integers(-128, 128, (3, 3, 16, 32)), -127, 127)
    conv = Node(Conv2d((2, 2), (0, 0, 1, 1), (1, 1)), (x, Const(w)))
    batch = Batch([_quantized(rng, x, conv, False)], "cortex-a72", tmp_path)
    counts = by_function(tmp_path / "all", batch.run(blocks=True, frames=2))
    taken = sum(n for name, n in counts.items() if "_long_" in name) / 2
    assert 0 < taken < 0.235 * conv.op.work(*conv.inputs).macs
