"""An example of each TFLite operator for the support table."""

import numpy as np

from support_onnx import Example
from tflite_nets import NONE, SAME, VALID, Net

_RNG = np.random.default_rng(7)
_IMAGE = (1, 6, 6, 4)
_WINDOW = {"padding": SAME, "strideH": 1, "strideW": 1, "fusedActivationFunction": NONE}
_POOL = {"padding": VALID, "strideH": 2, "strideW": 2, "filterHeight": 2, "filterWidth": 2}


def alone(op: str, shape, *more, table: str = "", form: str = "", coding=(0.13, 11), of=_IMAGE,
          kind: str = "i1", front: bool = False, **options) -> Example:  # fmt: skip
    """One operator from the model's input, of ``of``'s shape, to a result of ``shape``; ``more(net, x)``
    make its other operands. With ``front`` a RELU stands before it, for operators that compute nothing."""

    def build() -> bytes:
        net = Net()
        x = net.input(of, 0.1, 3)
        if front:
            x = net.add("RELU", [x], net.tensor(of, 0.1, 3))
        operands = [x, *(m(net, x) for m in more)]
        return net.bytes(
            net.add(op, operands, net.tensor(shape, *coding, dtype=kind), table or None, **options)
        )

    return Example(op, build, form)


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


def _halves(kind: str) -> bytes:
    net = Net()
    x = net.input(_IMAGE, 0.1, 3)
    if kind == "SPLIT":
        operands, table = [net.constant(3, "i4"), x], "SplitOptions"
    else:
        operands, table = [x, net.constant([2, 2], "i4"), net.constant([3], "i4")], "SplitVOptions"
    parts = [net.tensor((1, 6, 6, 2), 0.1, 3) for _ in range(2)]
    net.add(kind, operands, parts[0], table, numSplits=2)
    net.operators[-1].outputs = parts
    return net.bytes(parts[1])


def _transpose() -> bytes:
    """Between two operators, as one at the model's edge is only another order of its codes."""
    net = Net()
    y = net.add("RELU", [net.input(_IMAGE, 0.1, 3)], net.tensor(_IMAGE, 0.07, 5))
    perm, z = net.constant([0, 1, 3, 2], "i4"), net.tensor((1, 6, 4, 6), 0.07, 5)
    y = net.add("TRANSPOSE", [y, perm], z, "TransposeOptions")
    return net.bytes(net.add("RELU6", [y], net.tensor((1, 6, 4, 6), 0.13, 11)))


def _transpose_conv() -> bytes:
    net = Net()
    x = net.input(_IMAGE, 0.1, 3)
    operands = [net.constant([1, 12, 12, 4], "i4"), weights(4, 2, 2, 4)(net, x), x]
    y, window = net.tensor((1, 12, 12, 4), 0.3, 5), {"padding": SAME, "strideH": 2, "strideW": 2}
    return net.bytes(net.add("TRANSPOSE_CONV", operands, y, "TransposeConvOptions", **window))


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
    alone("RESHAPE", (1, 144), ints([1, 144]), table="ReshapeOptions", front=True, **_SAME_CODING),
    alone("EXPAND_DIMS", (1, 1, 6, 6, 4), ints([1]), front=True, **_SAME_CODING),
    alone("SQUEEZE", (1, 6, 4), table="SqueezeOptions", squeezeDims=[1], of=(1, 1, 6, 4), front=True,
          **_SAME_CODING),
    alone("RELU", _IMAGE), alone("RELU6", _IMAGE), alone("RELU_N1_TO_1", _IMAGE),
    alone("QUANTIZE", _IMAGE, form="between two codings"),
    Example("QUANTIZE", _edges, "of the float input"),
    Example("DEQUANTIZE", _edges),
    alone("RELU_0_TO_1", _IMAGE), alone("ABS", _IMAGE), alone("EXP", _IMAGE), alone("HARD_SWISH", _IMAGE),
    alone("GELU", _IMAGE, table="GeluOptions", approximate=False),
    alone("LEAKY_RELU", _IMAGE, table="LeakyReluOptions", alpha=0.1),
    alone("LOGISTIC", _IMAGE, coding=(1 / 256, -128)), alone("TANH", _IMAGE, coding=(1 / 128, 0)),
    alone("PRELU", _IMAGE, lambda net, x: net.constant([[[9, -20, 30, 77]]], scale=0.01, zero=-9)),
    Example("TRANSPOSE", _transpose),
    alone("SLICE", (1, 4, 4, 4), ints([0, 1, 1, 0]), ints([1, 4, 4, 4]), table="SliceOptions",
          **_SAME_CODING),
    alone("STRIDED_SLICE", (1, 3, 3, 4), ints([0, 0, 0, 0]), ints([1, 6, 6, 4]), ints([1, 2, 2, 1]),
          table="StridedSliceOptions", **_SAME_CODING),
    alone("DEPTH_TO_SPACE", (1, 12, 12, 1), table="DepthToSpaceOptions", blockSize=2, **_SAME_CODING),
    alone("SPACE_TO_DEPTH", (1, 3, 3, 16), table="SpaceToDepthOptions", blockSize=2, **_SAME_CODING),
    alone("RESIZE_NEAREST_NEIGHBOR", (1, 12, 12, 4), ints([12, 12]), table="ResizeNearestNeighborOptions",
          alignCorners=False, halfPixelCenters=True, **_SAME_CODING),
    alone("ARG_MAX", (1,), ints(1), table="ArgMaxOptions", of=(1, 8), coding=(), kind="i4", outputType=2),
    Example("SPLIT", lambda: _halves("SPLIT")), Example("SPLIT_V", lambda: _halves("SPLIT_V")),
    Example("TRANSPOSE_CONV", _transpose_conv),
    alone("SOFTMAX", (1, 10), table="SoftmaxOptions", coding=(1 / 256, -128), beta=1.0, of=(1, 10)),
)  # fmt: skip
