"""QLinearAdd and QLinearMul against ONNX Runtime: all 65,536 pairs of codes, and every kind of broadcast."""

import numpy as np
import pytest

from gatewright.compiler.ir.ops import Lookup, Mul, Threshold
from qoperator_models import (
    DTYPES,
    INT8,
    MICROSOFT,
    UINT8,
    QOperatorNet,
    compare,
    frames,
    scale_of,
    zero_of,
)


def all_pairs(kind: int) -> tuple[np.ndarray, np.ndarray]:
    """Every pair of codes, in two frames."""
    info = np.iinfo(DTYPES[kind])
    codes = np.arange(info.min, info.max + 1).astype(DTYPES[kind])
    a, b = np.meshgrid(codes, codes, indexing="ij")
    return a.reshape(1, -1), b.reshape(1, -1)


def scales_of(rng, case: int) -> tuple[np.float32, np.float32, np.float32]:
    """Random scales; powers of two, equal ones and very different ones among them."""
    a, b, c = (scale_of(rng) for _ in range(3))
    special = {
        0: (0.25, 0.5, 0.5), 1: (a, a, a), 2: (a, a, np.float32(2) * a), 3: (a, a * np.float32(1000), b),
        4: (a, b, np.maximum(a, b)), 5: (0.5, 0.5, 0.25),
    }  # fmt: skip
    return tuple(np.float32(v) for v in special.get(case, (a, b, c)))


def binary(net: QOperatorNet, op: str, a: str, b: str, rng, kind: int, scales, symmetric=False) -> str:
    """One node with random zero points."""
    operands = []
    for name, scale in zip((a, b, None), scales, strict=True):
        operands += ([name] if name else []) + [*net.coded(scale, zero_of(rng, kind, symmetric), kind)]
    return net.node(op, *operands, domain=MICROSOFT)


@pytest.mark.parametrize("op", ["QLinearAdd", "QLinearMul"])
@pytest.mark.parametrize("kind", [UINT8, INT8])
@pytest.mark.parametrize("case", range(14))
def test_all_pairs(op, kind, case):
    """Random scales and zero points, some symmetric, for all pairs."""
    rng, net = np.random.default_rng(100 * case + kind), QOperatorNet()
    a, b = net.input((1, 65536), kind), net.input((1, 65536), kind)
    y = binary(net, op, a, b, rng, kind, scales_of(rng, case), case % 3 == 0)
    graph = compare(net.build(y, kind=kind), *all_pairs(kind))
    assert isinstance(graph.outputs[0].op, Threshold | Lookup)


@pytest.mark.parametrize(
    ("scales", "zeros"),
    [
        ((0.38997429609298706, 0.38997429609298706, 0.0037229021545499563), (41, 21, 5)),
        ((0.25798115134239197, 0.25798115134239197, 0.03821913152933121), (241, 130, 113)),
    ],
)
def test_equal_sums_of_other_codes(scales, zeros):
    """Equal weighted sums may have different codes by float rounding; then a table of all pairs is exact."""
    net = QOperatorNet()
    (a, b), coded = all_pairs(UINT8), [net.coded(s, z, UINT8) for s, z in zip(scales, zeros, strict=True)]
    names = [net.input(a.shape, UINT8), net.input(b.shape, UINT8)]
    y = net.node("QLinearAdd", names[0], *coded[0], names[1], *coded[1], *coded[2], domain=MICROSOFT)
    assert isinstance(compare(net.build(y), a, b).outputs[0].op, Lookup)


SHAPES = [
    ((2, 6, 4, 5), (2, 6, 1, 1)),
    ((2, 6, 1, 1), (2, 6, 4, 5)),
    ((2, 6, 4, 5), (2, 1, 4, 5)),
    ((2, 6, 4, 1), (2, 1, 4, 5)),
    ((2, 6, 4, 5), (2, 1, 1, 1)),
    ((2, 7), (2, 1)),
    ((1, 1), (1, 1)),
    ((2, 3, 4), (2, 3, 1)),
]


@pytest.mark.parametrize("op", ["QLinearAdd", "QLinearMul"])
@pytest.mark.parametrize("shapes", SHAPES)
@pytest.mark.parametrize("kind", [UINT8, INT8])
def test_broadcast_of_two_computed(op, shapes, kind):
    """Axes of one element repeat, as for a squeeze-and-excite gate."""
    for seed in range(3):
        rng, net = np.random.default_rng(seed), QOperatorNet()
        a, b = (net.input(s, kind) for s in shapes)
        y = binary(net, op, a, b, rng, kind, scales_of(rng, 9))
        compare(net.build(y, kind=kind), *(frames(rng, s, kind) for s in shapes))


CONSTANTS = [(), (1,), (6, 1, 1), (1, 6, 1, 1), (5,), (4, 5), (1, 6, 4, 5), (6, 4, 1)]


@pytest.mark.parametrize("op", ["QLinearAdd", "QLinearMul"])
@pytest.mark.parametrize("shape", CONSTANTS)
@pytest.mark.parametrize("first", [False, True])
def test_constant_operand(op, shape, first):
    """A stored operand on either side, one for all, per channel, or per element."""
    for kind in (UINT8, INT8):
        rng, net = np.random.default_rng(kind), QOperatorNet()
        x, c = net.input((3, 6, 4, 5), kind), net.codes(frames(rng, shape, kind), kind)
        y = binary(net, op, *((c, x) if first else (x, c)), rng, kind, scales_of(rng, 9))
        compare(net.build(y, kind=kind), frames(rng, (3, 6, 4, 5), kind))


def test_constant_that_enlarges_frames():
    """A tensor of one pixel and a constant of several."""
    rng, net = np.random.default_rng(0), QOperatorNet()
    x, c = net.input((2, 6, 1, 1), UINT8), net.codes(frames(rng, (1, 3), UINT8), UINT8)
    y = binary(net, "QLinearAdd", x, c, rng, UINT8, scales_of(rng, 9))
    compare(net.build(y), frames(rng, (2, 6, 1, 1), UINT8))


def test_product_is_one_multiplication():
    """QLinearMul becomes a product and thresholds, never a table."""
    rng, net = np.random.default_rng(0), QOperatorNet()
    y = binary(
        net, "QLinearMul", net.input((1, 8), INT8), net.input((1, 8), INT8), rng, INT8, (0.1, 0.2, 0.7)
    )
    graph = compare(net.build(y, kind=INT8), frames(rng, (1, 8), INT8), frames(rng, (1, 8), INT8))
    assert [type(n.op) for n in graph.nodes()] == [Mul, Threshold]
