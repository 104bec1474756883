"""Quantized sums of products, one node at a time, against ONNX Runtime's integer kernels."""

import numpy as np
import pytest
from onnx import TensorProto

from qoperator_models import (
    INT8,
    MICROSOFT,
    UINT8,
    QOperatorNet,
    compare,
    frames,
    scale_of,
    zero_of,
)  # fmt: skip

PAIRS = [(UINT8, INT8), (UINT8, UINT8), (INT8, INT8)]


def channel_zeros(rng, kind: int, channels: int, varied: bool) -> np.ndarray:
    """Zero points of weights: one for all, or each its own."""
    one = zero_of(rng, kind)
    return np.array([zero_of(rng, kind) if varied else one for _ in range(channels)])


def conv_net(rng, kinds, group=1, per_channel=False, bias=True, shape=(8, 9, 7), filters=12, **attributes):
    """One QLinearConv, its sums spread over the result's codes."""
    (kind, weight_kind), net = kinds, QOperatorNet()
    kernel = attributes.get("kernel_shape", (3, 3))
    w = frames(rng, (filters, shape[0] // group, *kernel), weight_kind)
    x_scale = scale_of(rng)
    w_scale = np.array([scale_of(rng) for _ in range(filters)]) if per_channel else scale_of(rng)
    # ONNX Runtime wants one zero point for all filters.
    w_zero = np.broadcast_to(zero_of(rng, weight_kind), np.shape(w_scale))
    reach = 127 * 100 * np.sqrt(w[0].size)
    y_scale = np.float32(x_scale * np.max(w_scale) * reach / 200)
    x = net.input((2, *shape), kind)
    operands = [x, *net.coded(x_scale, zero_of(rng, kind), kind), net.codes(w, weight_kind)]
    operands += net.coded(w_scale, w_zero, weight_kind)
    operands += net.coded(y_scale, zero_of(rng, kind), kind)
    if bias:
        operands.append(net.codes(rng.integers(-20000, 20000, filters), TensorProto.INT32))
    return net, net.node("QLinearConv", *operands, group=group, **attributes), (kind, (2, *shape))


CONVS = [
    {"kernel_shape": (3, 3), "pads": (1, 1, 1, 1)},
    {"kernel_shape": (1, 1), "per_channel": True},
    {"kernel_shape": (3, 2), "pads": (2, 0, 1, 1), "strides": (2, 1), "per_channel": True, "bias": False},
    {"kernel_shape": (3, 3), "dilations": (2, 2), "pads": (2, 2, 2, 2)},
    {"kernel_shape": (3, 3), "auto_pad": "SAME_UPPER", "strides": (2, 2)},
    {"kernel_shape": (2, 4), "auto_pad": "SAME_LOWER", "strides": (1, 2)},
    {"kernel_shape": (3, 3), "pads": (1, 1, 1, 1), "group": 8, "filters": 8, "per_channel": True},
    {"kernel_shape": (3, 3), "pads": (1, 1, 1, 1), "group": 4, "filters": 16},
    {"kernel_shape": (3,), "pads": (1, 2), "shape": (8, 20)},
]


@pytest.mark.parametrize("kinds", PAIRS)
@pytest.mark.parametrize("case", range(len(CONVS)))
def test_conv(kinds, case):
    """Windows, padding with the zero point, groups and channels' scales."""
    rng = np.random.default_rng(case)
    net, y, (kind, shape) = conv_net(rng, kinds, **CONVS[case])
    compare(net.build(y, kind=kind), frames(rng, shape, kind))


@pytest.mark.parametrize("kinds", PAIRS)
@pytest.mark.parametrize("per_column", [False, True])
@pytest.mark.parametrize("shape", [(3, 40), (3, 5, 40)])
def test_matmul_of_constant(kinds, per_column, shape):
    """QLinearMatMul with weights, of one scale and zero point or one of each per column."""
    (kind, weight_kind), rng, net = kinds, np.random.default_rng(7), QOperatorNet()
    count = 24 if per_column else 1
    b_scale = np.array([scale_of(rng) for _ in range(count)]).reshape((-1,) if per_column else ())
    b_zero = channel_zeros(rng, weight_kind, count, per_column).reshape(b_scale.shape)
    a_scale = scale_of(rng)
    y_scale = np.float32(a_scale * b_scale.max() * 400)
    y = net.node(
        "QLinearMatMul", net.input(shape, kind), *net.coded(a_scale, zero_of(rng, kind), kind),
        net.codes(frames(rng, (40, 24), weight_kind), weight_kind), *net.coded(b_scale, b_zero, weight_kind),
        *net.coded(y_scale, zero_of(rng, kind), kind),
    )  # fmt: skip
    compare(net.build(y, kind=kind), frames(rng, shape, kind))


@pytest.mark.parametrize("kind", [UINT8, INT8])
def test_matmul_of_two_computed(kind):
    """QLinearMatMul of two tensors, as in attention."""
    rng, net = np.random.default_rng(3), QOperatorNet()
    y = net.node(
        "QLinearMatMul", net.input((2, 3, 6, 10), kind), *net.coded(0.02, zero_of(rng, kind), kind),
        net.input((2, 3, 10, 5), kind), *net.coded(0.03, zero_of(rng, kind), kind),
        *net.coded(0.2, zero_of(rng, kind), kind),
    )  # fmt: skip
    compare(net.build(y, kind=kind), frames(rng, (2, 3, 6, 10), kind), frames(rng, (2, 3, 10, 5), kind))


@pytest.mark.parametrize("kinds", PAIRS)
@pytest.mark.parametrize("turned", [0, 1])
@pytest.mark.parametrize("result", ["codes", "floats", "alpha"])
def test_gemm(kinds, turned, result):
    """QGemm with a bias, weights either way, codes or floats out."""
    (kind, weight_kind), rng, net = kinds, np.random.default_rng(5), QOperatorNet()
    w = frames(rng, (24, 40) if turned else (40, 24), weight_kind)
    b_scale = np.array([scale_of(rng) for _ in range(24)])
    operands = [
        net.input((5, 40), kind), *net.coded(0.02, zero_of(rng, kind), kind), net.codes(w, weight_kind),
        *net.coded(b_scale, channel_zeros(rng, weight_kind, 24, True), weight_kind),
        net.codes(rng.integers(-30000, 30000, 24), TensorProto.INT32),
    ]  # fmt: skip
    if result != "floats":
        operands += net.coded(np.float32(0.02 * b_scale.max() * 500), zero_of(rng, kind), kind)
    y = net.node("QGemm", *operands, domain=MICROSOFT, transB=turned, alpha=0.3 if result == "alpha" else 1.0)
    model = net.build(y, kind=TensorProto.FLOAT if result == "floats" else kind)
    compare(model, frames(rng, (5, 40), kind))


@pytest.mark.parametrize("kinds", PAIRS)
def test_integer_products(kinds):
    """ConvInteger and MatMulInteger: sums out, also as scaled floats behind a cast."""
    (kind, weight_kind), rng = kinds, np.random.default_rng(9)
    net = QOperatorNet()
    y = net.node(
        "ConvInteger", net.input((2, 3, 8, 8), kind),
        net.codes(frames(rng, (5, 3, 3, 3), weight_kind), weight_kind),
        net.codes(zero_of(rng, kind), kind), net.codes(zero_of(rng, weight_kind), weight_kind),
        pads=[1, 1, 1, 1],
    )  # fmt: skip
    compare(net.build(y, kind=TensorProto.INT32), frames(rng, (2, 3, 8, 8), kind))
    net = QOperatorNet()
    y = net.node(
        "MatMulInteger", net.input((4, 30), kind), net.codes(frames(rng, (30, 7), weight_kind), weight_kind),
        net.codes(zero_of(rng, kind), kind), net.codes(channel_zeros(rng, weight_kind, 7, True), weight_kind),
    )  # fmt: skip
    scaled = net.node("Mul", net.node("Cast", y, to=TensorProto.FLOAT), net.const(0.0123))
    out = net.quantize(net.node("Add", scaled, net.const(rng.normal(size=7))), 7.0, 100)
    x = frames(rng, (4, 30), kind)
    compare(net.build(y, kind=TensorProto.INT32), x)
    compare(net.build(out), x)


def test_sums_beyond_24_bits():
    """int32 sums round to float32 before they are scaled."""
    rng, net = np.random.default_rng(11), QOperatorNet()
    w = np.full((4096, 3), 127)
    w[::2, 1] = -128
    y = net.node(
        "QLinearMatMul", net.input((3, 4096), UINT8), *net.coded(0.02, 0, UINT8), net.codes(w, INT8),
        *net.coded(0.013, 0, INT8), *net.coded(np.float32(0.02 * 0.013 * 500000), 3, UINT8),
    )  # fmt: skip
    bias = net.node("MatMulInteger", "in0", net.codes(w, INT8))
    floats = net.node("Cast", bias, to=TensorProto.FLOAT)
    x = rng.integers(120, 256, (3, 4096)).astype(np.uint8)
    assert np.abs(x.astype(int) @ w).max() > 2**24
    compare(net.build(y), x)
    compare(net.build(net.quantize(net.node("Mul", floats, net.const(1e-6)), 0.5, 3)), x)
