"""An example of each TFLite operator for the support table."""

import numpy as np

from support_onnx import Example
from tflite_models import NONE, SAME, VALID, Net

_RNG = np.random.default_rng(7)
_IMAGE = (1, 6, 6, 4)
_WINDOW = {"padding": SAME, "strideH": 1, "strideW": 1, "fusedActivationFunction": NONE}
_POOL = {"padding": VALID, "strideH": 2, "strideW": 2, "filterHeight": 2, "filterWidth": 2}


def alone(kind: str, shape, *more, table: str = "", form: str = "", coding=(0.13, 11), of=_IMAGE,
          **options) -> Example:  # fmt: skip
    """One operator from the model's input, of ``of``'s shape, to a result of ``shape``; ``more(net, x)``
    make its other operands."""

    def build() -> bytes:
        net = Net()
        x = net.input(of, 0.1, 3)
        operands = [x, *(m(net, x) for m in more)]
        return net.bytes(net.add(kind, operands, net.tensor(shape, *coding), table or None, **options))

    return Example(kind, build, form)


def weights(*shape: int, axis: int = 0):
    """Stored int8 weights, one scale per element of an axis."""
    return lambda net, x: net.constant(
        _RNG.integers(-127, 128, shape), scale=np.linspace(0.005, 0.02, shape[axis]), axis=axis
    )


def bias(count: int):
    """A stored bias."""
    return lambda net, x: net.constant(_RNG.integers(-99, 99, count), "i4")


def ints(values):
    """Stored 32-bit integers."""
    return lambda net, x: net.constant(values, "i4")


def other(net: Net, x: int) -> int:
    """A second computed image of the operand's shape, which is no function of single pixels."""
    y = net.tensor(_IMAGE, 0.1, 3)
    return net.add("MAX_POOL_2D", [x], y, "Pool2DOptions", filterHeight=3, filterWidth=3, **_WINDOW)


def channels(net: Net, x: int) -> int:
    """One constant per channel."""
    return net.constant([9, -20, 30, 77], scale=0.07, zero=-9)


def _edges() -> bytes:
    net = Net()
    x = net.input((1, 8), dtype="f4")
    q = net.add("QUANTIZE", [x], net.tensor((1, 8), 0.5, 7))
    r = net.add("RELU", [q], net.tensor((1, 8), 0.25, 7))
    return net.bytes(net.add("DEQUANTIZE", [r], net.tensor((1, 8), dtype="f4")))


def _sums(kind: str):
    table = f"{kind.title()}Options"
    yield alone(kind, _IMAGE, channels, table=table, form="of a constant")
    yield alone(kind, _IMAGE, other, table=table, form="of two computed")


_PADS = [[0, 0], [1, 1], [1, 1], [0, 0]]
_SAME_CODING = {"coding": (0.1, 3)}
TFLITE_EXAMPLES = (
    *_sums("ADD"), *_sums("SUB"), *_sums("MUL"),
    alone("CONV_2D", (1, 6, 6, 8), weights(8, 3, 3, 4), bias(8), table="Conv2DOptions", **_WINDOW),
    alone("DEPTHWISE_CONV_2D", _IMAGE, weights(1, 3, 3, 4, axis=3), bias(4), table="DepthwiseConv2DOptions",
          depthMultiplier=1, **_WINDOW),
    alone("FULLY_CONNECTED", (1, 5), weights(5, 8), bias(5), table="FullyConnectedOptions", of=(1, 8)),
    alone("AVERAGE_POOL_2D", (1, 3, 3, 4), table="Pool2DOptions", **_SAME_CODING, **_POOL),
    alone("MAX_POOL_2D", (1, 3, 3, 4), table="Pool2DOptions", **_SAME_CODING, **_POOL),
    alone("MEAN", (1, 4), ints([1, 2]), table="ReducerOptions", keepDims=False),
    alone("CONCATENATION", (1, 6, 6, 8), other, table="ConcatenationOptions", axis=-1,
          fusedActivationFunction=NONE, **_SAME_CODING),
    alone("PAD", (1, 8, 8, 4), ints(_PADS), table="PadOptions", **_SAME_CODING),
    alone("PADV2", (1, 8, 8, 4), ints(_PADS), lambda net, x: net.constant([77], scale=0.1, zero=3),
          table="PadV2Options", **_SAME_CODING),
    alone("RESHAPE", (1, 144), ints([1, 144]), table="ReshapeOptions", **_SAME_CODING),
    alone("EXPAND_DIMS", (1, 1, 6, 6, 4), ints([1]), **_SAME_CODING),
    alone("SQUEEZE", (1, 6, 4), table="SqueezeOptions", squeezeDims=[1], of=(1, 1, 6, 4), **_SAME_CODING),
    alone("RELU", _IMAGE), alone("RELU6", _IMAGE), alone("RELU_N1_TO_1", _IMAGE),
    alone("QUANTIZE", _IMAGE, form="between two codings"),
    Example("QUANTIZE", _edges, "of the float input"),
    Example("DEQUANTIZE", _edges),
    alone("SOFTMAX", (1, 10), table="SoftmaxOptions", coding=(1 / 256, -128), beta=1.0, of=(1, 10)),
)  # fmt: skip
