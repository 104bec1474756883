"""An example of each ONNX operator for the support table: between quantizers, as small as it can be."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from onnx import TensorProto

from gatewright.compiler.frontends.adder_ops import DOMAIN as ADDER
from gatewright.compiler.frontends.function_ops import FUNCTIONS
from qdq_models import QdqNet
from qonnx_models import DOMAIN, Net

IMAGE, ROW = (4, 6, 6), (8,)
_RNG = np.random.default_rng(5)


@dataclass(frozen=True)
class Example:
    """A model with the operator ``op`` (a key of its front end's handlers) in one of its forms."""

    op: str
    build: Callable[[], bytes]
    form: str = ""


def stored(net: QdqNet, *shape: int, axis: int = 0) -> str:
    """8-bit weights of random codes, one scale per element of an axis."""
    scales = np.linspace(0.005, 0.02, shape[axis], dtype=np.float32)
    return net.stored_weights(_RNG.integers(-127, 128, shape), scales, np.zeros(shape[axis], int), axis=axis)


def other(net: QdqNet, x: str) -> str:
    """A second computed image of the operand's shape, which is no function of single pixels."""
    y = net.node("MaxPool", x, kernel_shape=[3, 3], pads=[1, 1, 1, 1])
    return net.pair(y, np.float32(0.13), 20)


def per_channel(net: QdqNet) -> str:
    """One float per channel of an image."""
    return net.const(np.linspace(0.4, 1.3, 4)[:, None, None])


def ints(net: QdqNet, *values: int) -> str:
    """A stored list of integers."""
    return net.const(values, np.int64)


def between(op: str, make, form: str = "", shape=IMAGE, end: bool = True, opset: int = 21) -> Example:
    """An 8-bit quantizer, what ``make(net, x)`` adds, and a quantizer unless integers come out."""

    def build() -> bytes:
        net = QdqNet((1, *shape), opset)
        y = make(net, net.pair("x", np.float32(0.1), 31))
        y = net.quantize(y, np.float32(0.2), 90) if end else y
        if op in ("ArgMax", "TopK"):
            net.integer[y] = 7
        return net.build(y).SerializeToString()

    return Example(op, build, form)


def node(op: str, *more, form: str = "", shape=IMAGE, opset: int = 21, **attributes) -> Example:
    """The same for one node whose further operands are made by ``more(net)``."""
    domain, _, name = op.rpartition(".")

    def make(net, x):
        return net.node(name, x, *(m(net) for m in more), domain=domain, **attributes)

    return between(op, make, form, shape, opset=opset)


def integers(*values: int):
    """A stored list of integers, for ``node``."""
    return lambda net: ints(net, *values)


def scalar(value: float):
    """A stored float, for ``node``."""
    return lambda net: net.const(np.float32(value))


def weights(*shape: int, axis: int = 0):
    """Stored weights, for ``node``."""
    return lambda net: stored(net, *shape, axis=axis)


def _batch_norm(net: QdqNet, x: str) -> str:
    rows = [np.linspace(a, b, 4) for a, b in ((-0.5, 1), (0, 1), (-1, 1), (0.5, 2))]
    return net.node("BatchNormalization", x, *(net.const(r) for r in rows))


def _gated(net: QdqNet, x: str) -> str:
    """As squeeze-and-excitation blocks do."""
    return net.node("Mul", x, net.pair(net.node("GlobalAveragePool", x), np.float32(0.1), 40))


def _quotient(net: QdqNet, x: str) -> str:
    return net.node("Div", x, net.node("Add", net.node("Abs", other(net, x)), net.const(1.0)))


def _gathered_shape(net: QdqNet, x: str) -> str:
    """As torch exports x.reshape(x.shape[0], -1)."""
    first = net.node("Gather", net.node("Shape", x), ints(net, 0), axis=0)
    return net.node("Reshape", x, net.node("Concat", first, ints(net, -1), axis=0))


def _from_table(net: QdqNet, x: str) -> str:
    """A number of a list for each of 16 whole numbers."""
    codes = net.pair(x, np.float32(1.0), 0, TensorProto.UINT4)
    indices = net.node("Cast", codes, to=TensorProto.INT64)
    return net.node("Gather", net.const(_RNG.integers(-40, 40, 16) / 8), indices, axis=0)


_LAYERS = (
    node("Conv", weights(8, 4, 3, 3), pads=[1, 1, 1, 1]),
    node("Conv", weights(4, 1, 3, 3), form="depthwise", group=4, pads=[1, 1, 1, 1]),
    node("Conv", weights(4, 2, 3, 3), form="grouped", group=2),
    node("Conv", weights(8, 4, 3), form="1-D", shape=(4, 9)),
    node("ConvTranspose", weights(4, 2, 2, 2, axis=1), strides=[2, 2]),
    node("Gemm", weights(5, 8), shape=ROW, transB=1),
    node("MatMul", weights(8, 5, axis=1), form="constant behind", shape=ROW),
    between("MatMul", lambda n, x: n.node("MatMul", stored(n, 5, 6), x), "constant in front"),
    between("MatMul", lambda n, x: n.node("MatMul", x, other(n, x)), "of two computed"),
)

_ELEMENTWISE = (
    node("Add", per_channel, form="of a constant"),
    between("Add", lambda n, x: n.node("Add", x, other(n, x)), "of two computed"),
    node("Sub", per_channel, form="of a constant"),
    between("Sub", lambda n, x: n.node("Sub", x, other(n, x)), "of two computed"),
    node("Mul", per_channel, form="of a constant"),
    between("Mul", lambda n, x: n.node("Mul", x, other(n, x)), "of two computed"),
    between("Mul", _gated, "of an image and a gate"),
    node("Div", per_channel, form="by a constant"),
    between("Div", _quotient, "of two computed"),
    node("Max", scalar(0.4), form="with a constant"),
    between("Max", lambda n, x: n.node("Max", x, other(n, x)), "of two computed"),
    node("Min", scalar(0.4), form="with a constant"),
    between("Min", lambda n, x: n.node("Min", x, other(n, x)), "of two computed"),
    between("BatchNormalization", _batch_norm),
    node("Cast", to=1),
    node("Clip", scalar(0.0), scalar(6.0)),
    node("Dropout"), node("Identity"), node("Neg"), node("Relu"), node("LeakyRelu", alpha=0.1),
    node("PRelu", per_channel),
)  # fmt: skip

_LAYOUT = (
    between("Concat", lambda n, x: n.node("Concat", x, other(n, x), axis=1)),
    node("DepthToSpace", blocksize=2),
    node("SpaceToDepth", blocksize=2),
    node("Expand", integers(1, 4, 6, 6), shape=(4, 1, 1)),
    node("Flatten"),
    node("Gather", integers(2, 0, 1), axis=1),
    between("Gather", _from_table, "of a table"),
    node("Pad", integers(0, 0, 1, 1, 0, 0, 1, 1)),
    node("Reshape", integers(1, 2, 72)),
    node("Resize", lambda n: "", lambda n: n.const([1, 1, 2, 2]), mode="nearest", nearest_mode="floor",
         coordinate_transformation_mode="asymmetric"),
    node("Upsample", lambda n: n.const([1, 1, 2, 2]), mode="nearest", opset=9),
    between("Shape", _gathered_shape),
    node("Slice", integers(0), integers(2), integers(1), form="of channels"),
    node("Slice", integers(1, 1), integers(5, 5), integers(2, 3), form="of pixels"),
    between("Split", lambda n, x: n.node("Split", x, outputs=2, axis=1, num_outputs=2)),
    node("Squeeze", integers(2), shape=(4, 1, 6)),
    node("Unsqueeze", integers(2), shape=(4, 6)),
    node("Tile", integers(1, 1, 2, 2)),
    node("Transpose", perm=[0, 2, 3, 1], form="of an image"),
    between("Transpose", lambda n, x: n.node("Reshape", n.node("Transpose", n.node("Reshape", x,
            ints(n, 1, 2, 2, 6, 6)), perm=[0, 2, 1, 3, 4]), ints(n, 1, 4, 6, 6)), "channel shuffle"),
)  # fmt: skip


def _row(*values: float):
    """A stored row of floats, for ``node``."""
    return lambda net: net.const(np.float32(values))


_POOLS = (
    node("LayerNormalization", _row(*[1.5] * 8), _row(*[0.25] * 8), shape=(3, 8), axis=-1),
    node("RMSNormalization", _row(*[1.5] * 8), shape=(3, 8), axis=-1, opset=23),
    node("InstanceNormalization", _row(1, 2, 0.5, 1.5), _row(0, 1, -1, 0.5)),
    node("Softmax", axis=1),
    node("MaxPool", kernel_shape=[2, 2], strides=[2, 2]),
    node("AveragePool", kernel_shape=[2, 2], strides=[2, 2]),
    node("GlobalAveragePool"), node("GlobalMaxPool"),
    node("ReduceMax", integers(2, 3), keepdims=0),
    node("ReduceMean", integers(2, 3), keepdims=0),
    node("ReduceSum", integers(2, 3), keepdims=0),
    between("ArgMax", lambda n, x: n.node("ArgMax", x, axis=1, keepdims=0), shape=ROW, end=False),
    between("TopK", lambda n, x: n.node("TopK", x, ints(n, 1), outputs=2, axis=1).replace("_0", "_1"),
            shape=ROW, end=False),
)  # fmt: skip

# Operands for which a function is defined come from an Abs or a Clip in front.
_FRONT = {"Acos": 0.9, "Asin": 0.9, "Atanh": 0.9}
_POSITIVE = ("Log", "Pow", "Reciprocal", "Sqrt", "Acosh")


def _function(op: str) -> Example:
    domain, _, name = op.rpartition(".")

    def make(net, x):
        if name in _FRONT:
            x = net.node("Clip", x, net.const(-_FRONT[name]), net.const(_FRONT[name]))
        if name in _POSITIVE:
            x = net.node("Add", net.node("Abs", x), net.const(1.5))
        return net.node(name, x, *([net.const(1.5)] if name == "Pow" else []), domain=domain)

    return between(op, make, opset=24 if name == "Swish" else 22)


def _qonnx(op: str, make, form: str = "") -> Example:
    def build() -> bytes:
        net = Net((1, *IMAGE))
        y = net.node("Conv", net.quant("x", 0.1, 8), net.weights(_RNG.normal(size=(4, 4, 1, 1)), 0.1))
        return net.build(make(net, y)).SerializeToString()

    return Example(op, build, form)


def _threshold(net: Net, x: str) -> str:
    return net.node("MultiThreshold", x, net.const(np.sort(_RNG.normal(size=(4, 3)))), domain=DOMAIN,
                    out_dtype="UINT2", out_scale=1.0, out_bias=0.0)  # fmt: skip


def _trunc(net: Net, x: str, *values: float) -> str:
    """Scale, zero point and width; then the output's width alone, or its scale and width."""
    y = net.quant(x, 0.25, 8)
    return net.node("Trunc", y, *map(net.const, values), domain=DOMAIN, rounding_mode="FLOOR", signed=1)


def _int_quant(net: Net, x: str) -> str:
    return net.node("IntQuant", x, net.const(0.2), net.const(0.0), net.const(4.0), domain=DOMAIN, signed=1,
                    narrow=0, rounding_mode="ROUND")  # fmt: skip


def _adder(op: str, shape: tuple[int, ...], kernels: tuple[int, ...], form: str = "", scale: float = 0.1):
    """An adder layer of 8-bit weights, as quant/ exports it, its sums quantized again."""

    def build() -> bytes:
        net = Net((1, *shape))
        w = net.weights(_RNG.normal(size=kernels) * 3, scale, 8)
        y = net.node(op, net.quant("x", 0.1, 8, signed=0), w, domain=ADDER)
        return net.build(net.quant(y, 1.5, 8)).SerializeToString()

    return Example(f"{ADDER}.{op}", build, form)


_ADDERS = (
    _adder("AdderConv2d", IMAGE, (8, 4, 3, 3)),
    _adder("AdderConv2d", IMAGE, (8, 4, 3, 3), "weights of twice the step", np.float32(0.1) * 2),
    _adder("AdderConv2d", (4, 9), (8, 4, 3), "1-D"),
    _adder("AdderLinear", ROW, (5, 8)),
)

QUANTIZER_EXAMPLES = (
    _qonnx("Quant", lambda n, y: n.quant(y, 0.2, 4)),
    _qonnx("Quant", lambda n, y: n.quant(y, np.full((1, 4, 1, 1), 0.2), 4), "one scale per channel"),
    _qonnx("Quant", lambda n, y: n.quant(y, 0.2, 4, zero=3.0, signed=0), "with a zero point"),
    _qonnx("Quant", lambda n, y: n.quant(y, 0.01, 12), "over 8 bits"),
    _qonnx("IntQuant", _int_quant),
    _qonnx("BipolarQuant", lambda n, y: n.node("BipolarQuant", y, n.const(1.0), domain=DOMAIN)),
    _qonnx("MultiThreshold", _threshold),
    _qonnx("Trunc", lambda n, y: _trunc(n, y, 0.25, 0.0, 8.0, 5.0), "to a width"),
    _qonnx("Trunc", lambda n, y: _trunc(n, y, 0.25, 0.0, 8.0, 2.0, 5.0), "to a scale and a width"),
    between("QuantizeLinear", lambda n, x: n.node("Conv", x, stored(n, 4, 4, 1, 1)), "behind a layer"),
    between("QuantizeLinear", lambda n, x: n.pair(x, np.float32(0.3), 7), "of another scale"),
    between("DequantizeLinear", lambda n, x: n.node("Relu", x)),
)
OPERATOR_EXAMPLES = (*_LAYERS, *_ELEMENTWISE, *_LAYOUT, *_POOLS, *_ADDERS, *map(_function, FUNCTIONS))
