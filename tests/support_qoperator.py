"""An example of each quantized ONNX operator (QOperator) for the support table."""

import numpy as np
from onnx import TensorProto

from qdq_models import QdqNet
from support_onnx import IMAGE, ROW, Example

_RNG = np.random.default_rng(6)
_SCALE, _ZERO = np.float32(0.1), 31


def _parameters(net: QdqNet, scale=_SCALE, zero=_ZERO) -> tuple[str, str]:
    """A stored scale and zero point of uint8 codes."""
    return net.const(scale), net.codes(zero, TensorProto.UINT8)


def _weights(net: QdqNet, *shape: int, per: int = 0) -> tuple[str, str, str]:
    """Codes, scale, and zero point of int8 weights; ``per`` channels, or one scale."""
    codes = net.codes(_RNG.integers(-127, 128, shape), TensorProto.INT8)
    scale = np.linspace(0.005, 0.02, per, dtype=np.float32) if per else np.float32(0.01)
    return codes, net.const(scale), net.codes(np.zeros(per, int) if per else 0, TensorProto.INT8)


def quantized(op: str, make, form: str = "", shape=IMAGE) -> Example:
    """A QuantizeLinear node and what ``make(net, codes)`` adds; the result's codes come out."""

    def build() -> bytes:
        net = QdqNet((1, *shape))
        y = make(net, net.quantize("x", _SCALE, _ZERO))
        net.integer[y] = TensorProto.UINT8
        return net.build(y).SerializeToString()

    return Example(op, build, form)


def _other(net: QdqNet, q: str) -> str:
    """Second codes of the operand's shape and coding."""
    return net.node("MaxPool", q, kernel_shape=[3, 3], pads=[1, 1, 1, 1])


def _one(op: str, **attributes) -> Example:
    """An operator of one operand, with its coding and the result's."""

    def make(net, q):
        domain, _, name = op.rpartition(".")
        ends = _parameters(net), _parameters(net, np.float32(0.07), 12)
        return net.node(name, q, *ends[0], *ends[1], domain=domain, **attributes)

    return quantized(op, make)


def _two(op: str, form: str = "of two computed") -> Example:
    def make(net, q):
        domain, _, name = op.rpartition(".")
        ends = _parameters(net), _parameters(net), _parameters(net, np.float32(0.3), 90)
        return net.node(name, q, *ends[0], _other(net, q), *ends[1], *ends[2], domain=domain)

    return quantized(op, make, form)


def _conv(form: str, groups: int, *shape: int) -> Example:
    def make(net, q):
        bias = net.codes(_RNG.integers(-999, 999, shape[0]), TensorProto.INT32)
        ends = _parameters(net), _parameters(net, np.float32(0.5), 100)
        return net.node("QLinearConv", q, *ends[0], *_weights(net, *shape, per=shape[0]), *ends[1], bias,
                        group=groups, pads=[1, 1, 1, 1])  # fmt: skip

    return quantized("QLinearConv", make, form)


def _matmul(net: QdqNet, q: str) -> str:
    ends = _parameters(net), _parameters(net, np.float32(0.5), 100)
    return net.node("QLinearMatMul", q, *ends[0], *_weights(net, 8, 5), *ends[1])


def _gemm(net: QdqNet, q: str) -> str:
    bias = net.codes(_RNG.integers(-999, 999, 5), TensorProto.INT32)
    ends = _parameters(net), _parameters(net, np.float32(0.5), 100)
    return net.node("QGemm", q, *ends[0], *_weights(net, 8, 5), bias, *ends[1], domain="com.microsoft")


def _integer(op: str, *shape: int):
    """32-bit sums that a Cast and a Mul make floats, as dynamic quantization does with constant scales."""

    def make(net, q):
        codes, _, zero = _weights(net, *shape)
        sums = net.node(op, q, codes, _parameters(net)[1], zero)
        floats = net.node("Mul", net.node("Cast", sums, to=1), net.const(np.float32(0.001)))
        return net.quantize(floats, np.float32(0.5), 100)

    return make


def _concat(net: QdqNet, q: str) -> str:
    ends = _parameters(net, np.float32(0.12), 20), _parameters(net), _parameters(net)
    return net.node("QLinearConcat", *ends[0], q, *ends[1], _other(net, q), *ends[2], axis=1,
                    domain="com.microsoft")  # fmt: skip


QOPERATOR_EXAMPLES = (
    _conv("", 1, 8, 4, 3, 3),
    _conv("depthwise", 4, 4, 1, 3, 3),
    quantized("QLinearMatMul", _matmul, shape=ROW),
    quantized("com.microsoft.QGemm", _gemm, shape=ROW),
    quantized("ConvInteger", _integer("ConvInteger", 8, 4, 3, 3)),
    quantized("MatMulInteger", _integer("MatMulInteger", 8, 5), shape=ROW),
    _two("com.microsoft.QLinearAdd"),
    _two("com.microsoft.QLinearMul"),
    quantized("com.microsoft.QLinearConcat", _concat),
    _one("com.microsoft.QLinearLeakyRelu", alpha=0.1),
    _one("com.microsoft.QLinearSigmoid"),
    _one("com.microsoft.QLinearAveragePool", kernel_shape=[2, 2], strides=[2, 2]),
    _one("com.microsoft.QLinearGlobalAveragePool"),
)
