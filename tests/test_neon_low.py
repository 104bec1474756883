"""ARM sums of few bits equal the reference at the ends of their ranges, in every way that they are made."""

import numpy as np
import pytest

from arm_bench import Batch, Case
from gatewright.compiler.ir.graph import Const, Graph, Node, input_of
from gatewright.compiler.ir.ops import Add, Conv2d, MatMul, Reshape, Threshold
from gatewright.compiler.neon.isa import CORES
from gatewright.compiler.neon.lower import lower
from gatewright.compiler.neon.program import Storage
from gatewright.compiler.neon.rules.low import Low, centre
from gatewright.compiler.neon.rules.shapes import Shape
from low_bit_nets import five_convolutions

BIPOLAR = (-1, 1, 2)
# (input, kernel, outputs, strides, pads, range of inputs, range of weights, thresholds)
IMAGES = [
    ((7, 9, 16), (3, 3), 16, (1, 1), (1, 1, 1, 1), (0, 3), (-2, 1), 3),
    ((6, 5, 32), (3, 3), 12, (2, 2), (1, 1, 1, 1), (0, 3), (-2, 1), 3),
    ((5, 5, 64), (3, 3), 20, (1, 1), (0, 1, 1, 0), (-2, 1), (-2, 1), 1),
    ((5, 6, 16), (3, 3), 8, (1, 1), (1, 1, 1, 1), (0, 15), (-7, 7), 15),
    ((4, 5, 48), (3, 2), 23, (1, 2), (0, 0, 1, 1), (-8, 7), (-8, 7), 15),
    ((4, 4, 200), (1, 3), 9, (1, 1), (0, 1, 0, 1), (0, 15), (-7, 7), 7),
    ((9, 8, 3), (3, 3), 16, (1, 1), (1, 1, 1, 1), (-128, 127), (-7, 7), 15),
    ((6, 6, 5), (2, 3), 3, (1, 1), (0, 0, 0, 0), (3, 9), (-3, 7), 6),
    ((5, 7, 24), (1, 1), 7, (1, 1), (0, 0, 0, 0), (0, 15), (-2, 1), 2),
    ((6, 6, 7), (3, 3), 5, (1, 1), (1, 1, 1, 1), BIPOLAR, (-1, 1), 1),
]
# (rows, inputs, outputs, range of inputs, range of weights, thresholds)
MATRICES = [
    (1, 300, 17, (0, 3), (-2, 1), 3),
    (5, 260, 8, (0, 15), (-7, 7), 15),
    (3, 64, 10, (-8, 7), (-7, 7), 0),
    (1, 1000, 4, (-1, 0), (-1, 1), 0),
]


def frames(rng, x, w) -> np.ndarray:
    """Random frames, both ends everywhere, and those that make the first and last channels' sums extreme."""
    lo, hi, step = x.type.dtype.lo, x.type.dtype.hi, x.type.dtype.step
    made = lo + step * rng.integers(0, x.type.dtype.levels, (7, *x.type.shape))
    made[1], made[2] = lo, hi
    for i, channel in ((3, 0), (4, -1)):
        signs = np.resize(w.reshape(-1, w.shape[-2], w.shape[-1])[0, :, channel], x.type.shape[-1])
        made[i], made[i + 2] = np.where(signs > 0, hi, lo), np.where(signs > 0, lo, hi)
    return made


def weights(rng, shape, values) -> Const:
    """Random weights; the first two channels are at one end of the range each, the last one is at both."""
    lo, hi, *step = values
    made = lo + (step or [1])[0] * rng.integers(0, (hi - lo) // (step or [1])[0] + 1, shape)
    made[..., 0], made[..., 1] = lo, hi
    made[..., -1] = np.where(rng.random(shape[:-1]) < 0.5, lo, hi)
    return Const(made)


def staircase(rng, x: Node, count: int) -> Node:
    """Random ascending thresholds for each channel, or the sums themselves where ``count`` is 0."""
    if not count:
        return x
    spread = min(x.type.dtype.magnitude, 400)
    t = np.sort(rng.integers(-spread, spread + 1, (x.type.shape[-1], count)), axis=1)
    return Node(Threshold(), (x, Const(t)))


def image_case(rng, size, kernel, m, strides, pads, values, taps, count) -> Case:
    """A convolution with a bias, and its thresholds."""
    x = input_of("x", size, *values)
    w = weights(rng, (*kernel, size[2], m), taps)
    conv = Node(Conv2d(strides, pads), (x, w, Const(rng.integers(-50, 50, m))))
    return Case(Graph((x,), (staircase(rng, conv, count),)), (frames(rng, x, w.value),))


def matrix_case(rng, rows, k, m, values, taps, count) -> Case:
    """A product without a bias, and its thresholds."""
    x = input_of("x", (rows, k), *values)
    w = weights(rng, (k, m), taps)
    return Case(Graph((x,), (staircase(rng, Node(MatMul(), (x, w)), count),)), (frames(rng, x, w.value),))


def chained(rng) -> Case:
    """Codes 0 .. 15 read by two convolutions, an addition and a reshape: one storage for all of them."""
    x = input_of("x", (6, 6, 16), -8, 7)
    w = [weights(rng, (3, 3, 16, 16), (-7, 7)) for _ in range(3)]
    first = Node(
        Threshold(), (Node(Conv2d(pads=(1, 1, 1, 1)), (x, w[0])), Const(np.arange(15)[None] * 40 - 300))
    )
    sums = [Node(Conv2d(pads=(1, 1, 1, 1)), (first, w[i])) for i in (1, 2)]
    codes = [Node(Threshold(), (s, Const(np.arange(15)[None] * 60 - 400))) for s in sums]
    both = Node(Add(), (Node(Add(), codes), first))
    flat = Node(Reshape((576,)), (codes[0],))
    last = Node(MatMul(), (flat, weights(rng, (576, 10), (-7, 7))))
    return Case(Graph((x,), (both, last)), (frames(rng, x, w[0].value),))


def cases(seed: int) -> list[Case]:
    """All of the above."""
    rng = np.random.default_rng(seed)
    made = [image_case(rng, *image) for image in IMAGES] + [matrix_case(rng, *matrix) for matrix in MATRICES]
    return [*made, chained(rng)]


@pytest.mark.parametrize("core", ["cortex-a9", "cortex-a72"])
def test_sums_of_few_bits_equal_the_reference(core, tmp_path):
    batch = Batch(cases(11), core, tmp_path)
    assert batch.differences() == {}
    kinds = [call.kernel.split("_")[1] for program in batch.programs for call in program.calls if call.macs]
    assert kinds.count("low") >= len(IMAGES) + 3


def _way(bits: int, channels: int, size: int = 3):
    rng = np.random.default_rng(3)
    half = 2 ** (bits - 1)
    w = rng.integers(-half, half, (size, size * channels, 8))
    w[0, :16] = -half
    x = input_of("x", (9, 9, channels), -half, half - 1).type
    shape = Shape(9, 9, 9 * channels, channels, size, 9 * channels, size * channels, 8)
    return Low(CORES["cortex-a72"], shape, w, Storage(x, "int8")).chains


def test_chains_stay_in_bytes_as_long_as_weights_allow():
    """Two bits: the whole sum, flat or row by row, then one row; four bits: a few vectors; five: none."""
    assert (_way(2, 16).length, _way(2, 16).passes) == (9, 1)
    assert (_way(2, 32).length, _way(2, 32).passes) == (6, 3)
    assert _way(2, 128).passes == 1
    assert _way(4, 64).passes == 0
    assert _way(5, 64).length == 0


def test_every_chain_fits_a_byte_at_its_bound():
    """The bound is what a lane reaches when every activation has the sign that its weight wants."""
    weights_ = np.full((1, 21 * 16, 8), -2)
    x = input_of("x", (21 * 16,), 0, 3).type
    shape = Shape(1, 1, 0, 0, 1, 0, 21 * 16, 8)
    held = Low(CORES["cortex-a72"], shape, weights_, Storage(x, "int8")).chains
    assert (held.passes, held.bound) == (1, 126)
    longer = Low(
        CORES["cortex-a72"],
        Shape(1, 1, 0, 0, 1, 0, 22 * 16, 8),
        np.full((1, 22 * 16, 8), -2),
        Storage(x, "int8"),
    ).chains
    assert longer.passes == 0
    assert 2 <= longer.length <= 21


def test_sums_of_more_than_sixteen_bits_are_not_taken():
    x = input_of("x", (16,), 0, 127).type
    low = Low(
        CORES["cortex-a72"], Shape(1, 1, 0, 0, 1, 0, 16, 8), np.full((1, 16, 8), 16), Storage(x, "int8")
    )
    assert low.fits(np.zeros(8, np.int64))
    assert not low.fits(np.full(8, 256))


@pytest.mark.parametrize(
    ("lo", "hi", "offset"),
    [(0, 15, 8), (0, 3, None), (-8, 7, None), (3, 17, 10), (0, 255, None), (0, 31, None)],
)
def test_codes_are_centred_where_products_gain_room(lo, hi, offset):
    assert centre(lo, hi) == offset


@pytest.mark.parametrize("bits", [4, 2])
def test_the_five_convolutions_are_exact_at_few_bits(bits, tmp_path):
    graph = five_convolutions(bits)
    rng = np.random.default_rng(bits)
    batch = Batch([Case(graph, (frames(rng, graph.inputs[0], np.ones((3, 16))),))], "cortex-a72", tmp_path)
    assert batch.differences() == {}
    low = [c for c in lower(graph, CORES["cortex-a72"]).calls if c.kernel.startswith("gwk_low")]
    assert sum(c.macs for c in low) == 7_520_256
