"""ARM sums of single bits equal the reference: codes -1 and +1 with borders of zeros, codes 0 and 1."""

import numpy as np
import pytest

from arm_bench import Batch, Case
from gatewright.compiler.ir.graph import Const, Graph, Node, input_of
from gatewright.compiler.ir.ops import Add, Conv2d, MatMul, Threshold
from gatewright.compiler.neon.isa import CORES
from gatewright.compiler.neon.lower import lower
from gatewright.compiler.neon.rules.bit_sums import pieces, vectors_of
from low_bit_nets import five_convolutions

BIPOLAR, BINARY = (-1, 1, 2), (0, 1, 1)
# (input, kernel, outputs, strides, pads, dilation, codes)
IMAGES = [
    ((7, 9, 16), (3, 3), 16, (1, 1), (1, 1, 1, 1), 1, BIPOLAR),
    ((6, 5, 32), (3, 3), 48, (2, 2), (1, 1, 1, 1), 1, BIPOLAR),
    ((5, 6, 64), (3, 3), 24, (1, 1), (2, 0, 1, 1), 1, BIPOLAR),
    ((5, 5, 64), (3, 3), 19, (1, 1), (1, 1, 1, 1), 1, BINARY),
    ((9, 8, 24), (3, 3), 5, (2, 1), (2, 2, 2, 2), 2, BIPOLAR),
    ((4, 7, 8), (3, 5), 12, (1, 1), (0, 2, 0, 2), 1, BIPOLAR),
    ((5, 5, 128), (1, 1), 27, (1, 1), (0, 0, 0, 0), 1, BINARY),
    ((6, 3, 40), (2, 2), 32, (2, 1), (0, 0, 0, 0), 1, BIPOLAR),
    ((3, 3, 264), (3, 3), 10, (1, 1), (1, 1, 1, 1), 1, BIPOLAR),
    ((1, 9, 512), (1, 3), 9, (1, 2), (0, 1, 0, 1), 1, BINARY),
    ((3, 3, 48), (5, 5), 16, (1, 1), (2, 2, 2, 2), 1, BIPOLAR),
    ((7, 9, 3), (3, 3), 16, (1, 1), (1, 1, 1, 1), 1, BIPOLAR),
    ((11, 8, 5), (4, 3), 19, (2, 1), (2, 1, 0, 1), 2, BIPOLAR),
    ((5, 2, 16), (1, 1), 8, (1, 1), (0, 0, 0, 0), 1, BINARY),
    ((1, 9, 1), (1, 3), 40, (1, 2), (0, 1, 0, 1), 1, BINARY),
]
# (rows, inputs, outputs, codes); the last one's vectors do not fit the counts of a byte
MATRICES = [(1, 1024, 20, BIPOLAR), (5, 200, 16, BINARY), (3, 64, 33, BIPOLAR), (2, 8504, 9, BIPOLAR)]


def frames(rng, x, w) -> np.ndarray:
    """Random frames, both ends everywhere, and those that agree with the first channel's weights or not."""
    lo, hi = x.type.dtype.lo, x.type.dtype.hi
    made = np.where(rng.random((5, *x.type.shape)) < 0.5, lo, hi)
    signs = w.reshape(-1, x.type.shape[-1], w.shape[-1])[0, :, 0]
    made[1], made[2] = lo, hi
    made[3], made[4] = np.where(signs > 0, hi, lo), np.where(signs > 0, lo, hi)
    return made


def _weights(rng, shape) -> Const:
    made = rng.choice([-1, 1], shape)
    made[..., 1], made[..., -1] = -1, 1
    return Const(made)


def _thresholds(rng, x: Node, count: int) -> Node:
    spread = 3 * int(np.sqrt(x.type.dtype.magnitude))
    t = np.sort(rng.integers(-spread, spread + 1, (x.type.shape[-1], count)), axis=1)
    return Node(Threshold(-count, 2), (x, Const(t)))


def image_case(rng, size, kernel, m, strides, pads, dilation, codes) -> Case:
    """Sums with a bias, and one or a few thresholds behind them."""
    x = input_of("x", size, *codes)
    w = _weights(rng, (*kernel, size[2], m))
    conv = Node(Conv2d(strides, pads, (dilation, 1)), (x, w, Const(rng.integers(-9, 9, m))))
    again = Node(Conv2d(strides, pads, (dilation, 1)), (x, w))
    outputs = (conv, _thresholds(rng, again, int(rng.choice([1, 1, 3]))))
    return Case(Graph((x,), outputs), (frames(rng, x, w.value),))


def matrix_case(rng, rows, k, m, codes) -> Case:
    """Sums, and single bits of them."""
    x = input_of("x", (rows, k), *codes)
    w = _weights(rng, (k, m))
    product = Node(MatMul(), (x, w, Const(rng.integers(-40000, 40000, m))))
    bits = _thresholds(rng, Node(MatMul(), (x, w)), 1)
    return Case(Graph((x,), (product, bits)), (frames(rng, x, w.value),))


def residual_case(rng) -> Case:
    """Bits that a product and a sum read, and a product's sums added to them."""
    x = input_of("x", (6, 6, 32), *BIPOLAR)
    w = [_weights(rng, (3, 3, 32, 32)) for _ in range(2)]
    first = _thresholds(rng, Node(Conv2d(pads=(1, 1, 1, 1)), (x, w[0])), 1)
    second = Node(Conv2d(pads=(1, 1, 1, 1)), (first, w[1]))
    both = Node(Add(), (second, first))
    return Case(Graph((x,), (_thresholds(rng, both, 1),)), (frames(rng, x, w[0].value),))


def cases(seed: int) -> list[Case]:
    """All of the above."""
    rng = np.random.default_rng(seed)
    made = [image_case(rng, *image) for image in IMAGES] + [matrix_case(rng, *matrix) for matrix in MATRICES]
    return [*made, residual_case(rng)]


@pytest.mark.parametrize(("core", "every"), [("cortex-a9", 2), ("cortex-a72", 1), ("cortex-a76", 3)])
def test_sums_of_single_bits_equal_the_reference(core, every, tmp_path):
    """Every way on Cortex-A72; some on the other cores, whose kernels differ in little."""
    batch = Batch(cases(5)[::every], core, tmp_path)
    assert batch.differences() == {}
    for program in batch.programs:
        assert all(call.kernel.startswith("gwk_bits") for call in program.calls if call.macs)


def test_the_five_convolutions_are_exact_at_one_bit(tmp_path):
    graph = five_convolutions(1)
    case = Case(graph, (frames(np.random.default_rng(1), graph.inputs[0], np.ones((3, 1))),))
    batch = Batch([case], "cortex-a72", tmp_path)
    assert batch.differences() == {}
    bits = [c for c in lower(graph, CORES["cortex-a72"]).calls if c.kernel.startswith("gwk_bits")]
    assert sum(c.macs for c in bits) == 7_520_256


@pytest.mark.parametrize(
    ("runs", "length", "vectors"), [(3, 6, 2), (3, 12, 3), (3, 24, 5), (1, 25, 2), (1, 8, 1), (2, 16, 2)]
)
def test_halves_share_vectors(runs, length, vectors):
    found = pieces(runs, length)
    assert sum(p.valid for p in found) == runs * length
    assert len(vectors_of(found)) == vectors


def test_few_bits_are_left_to_bytes():
    """Eight bits of a vector's 128 are not worth three instructions."""
    x = input_of("x", (4, 4, 8), *BIPOLAR)
    conv = Node(Conv2d(), (x, Const(np.ones((1, 1, 8, 7), int))))
    assert not any(
        c.kernel.startswith("gwk_bits") for c in lower(Graph((x,), (conv,)), CORES["cortex-a72"]).calls
    )
