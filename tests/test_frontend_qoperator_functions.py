"""Tables, joins and averages of codes against ONNX Runtime."""

import numpy as np
import pytest
from onnx import TensorProto

from gatewright.compiler.ir.ops import Lookup
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


def every_code(kind: int) -> np.ndarray:
    """One frame with all codes."""
    info = np.iinfo(DTYPES[kind])
    return np.arange(info.min, info.max + 1).astype(DTYPES[kind])[None]


@pytest.mark.parametrize("op", ["QLinearSigmoid", "QLinearLeakyRelu"])
@pytest.mark.parametrize("kind", [UINT8, INT8])
@pytest.mark.parametrize("seed", range(8))
def test_tables(op, kind, seed):
    """All codes, random scales and zero points."""
    rng, net = np.random.default_rng(seed), QOperatorNet()
    more = {"alpha": float(rng.uniform(-0.2, 0.9))} if op == "QLinearLeakyRelu" else {}
    y = net.node(
        op, net.input((1, 256), kind), *net.coded(scale_of(rng), zero_of(rng, kind), kind),
        *net.coded(scale_of(rng), zero_of(rng, kind), kind), domain=MICROSOFT, **more,
    )  # fmt: skip
    compare(net.build(y, kind=kind), every_code(kind))


@pytest.mark.parametrize("kind", [UINT8, INT8])
@pytest.mark.parametrize("axis", [1, 2, -1])
@pytest.mark.parametrize("seed", range(4))
def test_concat(kind, axis, seed):
    """Inputs of other scales pass tables; one of the result's own scale and zero point does not."""
    rng, net = np.random.default_rng(seed), QOperatorNet()
    shapes = [[2, 3, 4, 90] for _ in range(3)]
    for s in shapes:
        s[axis] = int(rng.integers(1, 5)) if axis != -1 else s[axis]
    own = scale_of(rng), zero_of(rng, kind)
    codings = [own, (scale_of(rng), zero_of(rng, kind)), (scale_of(rng), zero_of(rng, kind))]
    operands = list(net.coded(*own, kind))
    for s, coding in zip(shapes, codings, strict=True):
        operands += [net.input(tuple(s), kind), *net.coded(*coding, kind)]
    y = net.node("QLinearConcat", *operands, domain=MICROSOFT, axis=axis)
    graph = compare(net.build(y, kind=kind), *(frames(rng, tuple(s), kind) for s in shapes))
    assert sum(isinstance(n.op, Lookup) for n in graph.nodes()) == 2


@pytest.mark.parametrize("kind", [UINT8, INT8])
@pytest.mark.parametrize("last", [0, 1])
@pytest.mark.parametrize("seed", range(6))
def test_global_average(kind, last, seed):
    """Random sums, and frames of equal codes, whose sums reach both ends."""
    rng, net = np.random.default_rng(seed), QOperatorNet()
    size = tuple(int(v) for v in rng.integers(1, 12, 2))
    shape = (40, *size, 9) if last else (40, 9, *size)
    x = frames(rng, shape, kind) // np.array(int(rng.integers(1, 9)), DTYPES[kind])
    x[:8] = frames(rng, (8, 1, 1, 1), kind)
    x_scale = scale_of(rng)
    y = net.node(
        "QLinearGlobalAveragePool", net.input(shape, kind), *net.coded(x_scale, zero_of(rng, kind), kind),
        *net.coded(x_scale * np.float32(rng.uniform(0.1, 1.2)), zero_of(rng, kind), kind),
        domain=MICROSOFT, channels_last=last,
    )  # fmt: skip
    compare(net.build(y, kind=kind), x)


@pytest.mark.parametrize("kind", [UINT8, INT8])
@pytest.mark.parametrize("last", [0, 1])
@pytest.mark.parametrize("count", [0, 1])
def test_average_of_windows(kind, last, count):
    """Power-of-two scales, where the source's float sums are exact, with and without counted padding."""
    rng, net = np.random.default_rng(kind), QOperatorNet()
    shape = (20, 8, 7, 5) if last else (20, 5, 8, 7)
    y = net.node(
        "QLinearAveragePool", net.input(shape, kind), *net.coded(0.25, zero_of(rng, kind), kind),
        *net.coded(0.17, zero_of(rng, kind), kind), domain=MICROSOFT, channels_last=last,
        kernel_shape=[3, 2], strides=[2, 1], pads=[1, 0, 1, 1], count_include_pad=count,
    )  # fmt: skip
    compare(net.build(y, kind=kind), frames(rng, shape, kind))


def moved(net: QOperatorNet, kind: int, q: str) -> list[str]:
    """Ordinary operators on codes, none of which sees the zero point."""
    lo, hi = net.codes(20, kind), net.codes(100, kind)
    low = net.node("Clip", q, lo, hi)
    pooled = net.node("MaxPool", q, kernel_shape=[2, 3], strides=[2, 1], pads=[1, 1, 0, 1])
    padded = net.node("Pad", q, net.const([0, 0, 1, 0, 0, 0, 2, 3], np.int64), net.codes(77, kind))
    turned = net.node("Transpose", q, perm=[0, 2, 3, 1])
    flat = net.node("Flatten", net.node("Reshape", turned, net.const([0, 12, -1], np.int64)))
    half = net.node("Split", q, net.const([1, 3], np.int64), outputs=2, axis=2)
    sizes = net.const([1, 1, 2, 3])
    large = net.node(
        "Resize", q, "", sizes, mode="nearest", nearest_mode="floor",
        coordinate_transformation_mode="asymmetric",
    )  # fmt: skip
    return [low, pooled, padded, flat, half, large]


@pytest.mark.parametrize("kind", [UINT8, INT8])
def test_ordinary_operators_on_codes(kind):
    """Pooling, padding, clipping and moves of codes between two quantized operators keep the codes."""
    rng, net = np.random.default_rng(kind), QOperatorNet()
    shape = (5, 6, 4, 3)
    q = net.node(
        "QLinearLeakyRelu", net.input(shape, kind), *net.coded(0.1, 30, kind), *net.coded(0.07, 50, kind),
        domain=MICROSOFT,
    )  # fmt: skip
    outputs = moved(net, kind, q)
    if kind == INT8:
        outputs.append(net.node("Relu", q))
    graph = compare(net.build(*outputs, kind=kind), frames(rng, shape, kind))
    assert {d.zero_point for d in graph.decodings} == {50}


@pytest.mark.parametrize("kind", [UINT8, INT8])
def test_arg_max_of_codes(kind):
    """The index of the largest code."""
    rng, net = np.random.default_rng(kind), QOperatorNet()
    q = net.node(
        "QLinearSigmoid", net.input((20, 9), kind), *net.coded(0.02, 30, kind), *net.coded(0.01, 20, kind),
        domain=MICROSOFT,
    )  # fmt: skip
    y = net.node("ArgMax", q, axis=1, keepdims=0)
    compare(net.build(y, kind=TensorProto.INT64), frames(rng, (20, 9), kind))


def test_edges_keep_the_codes():
    """The graph's edges have the zero points of the operators there; 0 where an input meets two."""
    net = QOperatorNet()
    x, z = net.input((1, 6), UINT8), net.input((1, 6), UINT8)
    y = net.node(
        "QLinearAdd", x, *net.coded(0.5, 7, UINT8), z, *net.coded(0.5, 9, UINT8), *net.coded(1.0, 11, UINT8),
        domain=MICROSOFT,
    )  # fmt: skip
    operands = z, *net.coded(0.5, 8, UINT8), *net.coded(0.01, 3, UINT8)
    other = net.node("QLinearSigmoid", *operands, domain=MICROSOFT)
    rng = np.random.default_rng(0)
    graph = compare(net.build(y, other), frames(rng, (1, 6), UINT8), frames(rng, (1, 6), UINT8))
    assert [e.zero_point for e in graph.encodings] == [7, 0]
    assert [d.zero_point for d in graph.decodings] == [11, 3]
