"""What cannot be imported from TFLite is refused up front, all of it, with what to do."""

import re

import numpy as np
import pytest

from gatewright.errors import GraphError
from tflite_nets import NONE, SAME, TANH, Net, imported

HEAD = "tflite: every operator must become integer arithmetic, but {} of model 'net' cannot:\n"
WINDOW = {"padding": SAME, "strideH": 1, "strideW": 1, "fusedActivationFunction": NONE}


def test_all_problems_are_listed():
    """Unsupported operators behind a failed one are listed too; those that merely depend on one are not."""
    net = Net()
    x = net.input((1, 6), 0.5)
    a = net.add("RESIZE_BILINEAR", [x], net.tensor((1, 6), 0.5, name="model/first;second"))
    b = net.add("RELU", [a], net.tensor((1, 6), 0.5))
    c = net.add("CUSTOM", [b], net.tensor((1, 6), 0.5, name="mine"), custom="Sp\nell")
    d = net.add("SIN", [c], net.tensor((1, 6), 0.5, name="last"))
    with pytest.raises(GraphError) as caught:
        imported(net.bytes(d))
    default = "Remove it from the network, or replace it by supported layers (docs/tflite.md)."
    assert str(caught.value) == HEAD.format(3) + (
        "  RESIZE_BILINEAR 0 'second': this operator is not supported. Resize before the model.\n"
        f"  CUSTOM 'Sp\\nell' 2 'mine': this operator is not supported. {default}\n"
        f"  SIN 3 'last': this operator is not supported. {default}"
    )


def one(kind: str, table: str | None, *extra, x=(1, 6), y=(1, 6), coding=((0.5, 0), (0.5, 0)), **options):
    """A model of one operator on one input; ``extra`` are constants given as (values, dtype, scale, zero)."""
    net = Net()
    operands = [net.input(x, *coding[0])] + [net.constant(*e) for e in extra]
    return net.bytes(net.add(kind, operands, net.tensor(y, *coding[1]), table, **options))


def conv(weights, *bias, x=(1, 4, 4, 2), y=(1, 4, 4, 3), coding=((0.5, 0), (0.5, 0)), **options):
    """A convolution with given constants."""
    return one("CONV_2D", "Conv2DOptions", weights, *bias, x=x, y=y, coding=coding, **{**WINDOW, **options})


def dense(weights, *bias, x=(1, 6), y=(1, 3), coding=((0.5, 0), (0.5, 0)), **options):
    """A dense layer with given constants."""
    return one("FULLY_CONNECTED", "FullyConnectedOptions", weights, *bias, x=x, y=y, coding=coding, **options)


W4, W2 = (np.ones((3, 2, 2, 2)), "i1", 0.1), (np.ones((3, 6)), "i1", 0.1)
PADS = np.array([[0, 0], [1, 1]])
REFUSED = {
    "result type": (one("RELU", None, coding=((0.5, 0), (0.5, 0, "i2"))),
        r"the result must be INT8, not INT16\. Convert the model with full integer quantization\."),
    "result sign": (one("RELU", None, coding=((0.5, 0), (0.5, 0, "u1"))),
        r"the result must be INT8, not UINT8"),
    "operand sign": (one("RELU", None, coding=((0.5, 0, "u1"), (0.5, 0))),
        r"operand 0 must be INT8, not UINT8"),
    "scales": (one("RELU", None, coding=((0.5, 0), ([0.5, 1], 0))),
        r"the result must have one scale and one zero point, not 2 and 2"),
    "no scale": (one("RELU", None, coding=((0.5, 0), ())),
        r"the result must have one scale and one zero point, not 0 and 0"),
    "zero scale": (one("RELU", None, coding=((0.5, 0), (0.0, 0))),
        r"the result must have finite scales above 0, not 0\.0"),
    "negative scale": (one("RELU", None, coding=((0.5, 0), (-1.0, 0))),
        r"the result must have finite scales above 0, not -1\.0"),
    "nan scale": (one("RELU", None, coding=((0.5, 0), (float("nan"), 0))),
        r"the result must have finite scales above 0, not nan"),
    "zero point": (one("RELU", None, coding=((0.5, 0), (0.5, 128))),
        r"the result must have a zero point in -128\.\.127, not 128"),
    "result shape": (one("RELU", None, y=(1, 7)), r"the result must have shape \(1, 6\), not \(1, 7\)"),
    "result batch": (one("RELU", None, y=(2, 6)),
        r"the result must have a batch axis of 1 and known sizes behind it, not shape \(2, 6\)\. .*"),
    "activation": (conv(W4, fusedActivationFunction=TANH),
        r"its fused activation must be none, RELU, RELU6 or RELU_N1_TO_1, not number 4\. Use one of these\."),
    "rank": (conv(W4, x=(1, 4, 2)), r"operand 0 must be \(1, H, W, C\), not \(1, 4, 2\)"),
    "weights missing": (one("CONV_2D", "Conv2DOptions", x=(1, 4, 4, 2), y=(1, 4, 4, 3), **WINDOW),
        r"the weights must be constant"),
    "weights type": (conv((np.ones((3, 2, 2, 2)), "f4")), r"the weights must be INT8, not FLOAT32"),
    "weights rank": (conv(W2), r"the weights must have 4 axes, none of them empty, not shape \(3, 6\)"),
    "weights channels": (conv((np.ones((3, 2, 2, 3)), "i1", 0.1)),
        r"the weights of shape \(3, 2, 2, 3\) must fit the 2 channels of the operand"),
    "weights zero": (conv((*W4, 4)),
        r"the weights must have zero points of 0, which LiteRT's kernel assumes"),
    "weights scale": (conv((*W4[:2], -0.1)), r"the weights must have finite scales above 0, not -0\.1.*"),
    "weights scales": (conv((*W4[:2], [1.0, 1.0])),
        r"the weights must have one scale, or one for each of the 3 along axis 0, not 2 along axis 0"),
    "weights axis": (conv((*W4[:2], [1.0, 1.0, 1.0], 0, 3)),
        r"the weights must have one scale, or one for each of the 3 along axis 0, not 3 along axis 3"),
    "bias type": (conv(W4, (np.ones(3), "i8")), r"the bias must be INT32, not INT64"),
    "bias shape": (conv(W4, (np.ones(2), "i4")), r"the bias must have shape \(3,\), not \(2,\)"),
    "sums": (conv(W4, (np.full(3, 2**31 - 1), "i4")),
        r"sums must stay within 32 bits, not reach 2147484671\. Use a smaller layer\."),
    "scale ratio": (conv((*W4[:2], 2.0**30)),
        r"sums must stay within 32 bits, not reach 1024 \* 2\^31\. The result's scale is too small .*"),
    "conv shape": (conv(W4, y=(1, 4, 3, 4)),
        r"the result must have shape \(1, 4, 4, 3\), not \(1, 4, 3, 4\)"),
    "stride": (conv(W4, strideH=0),
        r"windows must have positive sizes, not kernel \(2, 2\), strides \(0, 1\).*"),
    "wide": (conv(W4, dilationHFactor=70000), r"windows must be at most 65536 wide, not kernel \(2, 2\), .*"),
    "depth": (one("DEPTHWISE_CONV_2D", "DepthwiseConv2DOptions", (np.ones((1, 2, 2, 5)), "i1", 0.1),
        x=(1, 4, 4, 2), y=(1, 4, 4, 4), depthMultiplier=2, **WINDOW),
        r"the weights of shape \(1, 2, 2, 5\) must fit the 2 channels of the operand, times 2"),
    "dense weights": (dense((np.ones((3, 4)), "i1", 0.1)),
        r"the weights of shape \(3, 4\) must fit the operand of shape \(1, 6\)"),
    "shuffled": (dense(W2, weightsFormat=1), r"the weights must be in the default format, not shuffled"),
    "dense zero": (dense((*W2[:2], [1.0] * 3, 4)),
        r"the weights must have zero points of 0, which LiteRT's kernel assumes"),
    "dense ratio": (dense((*W2[:2], 1e9)),
        r"results must stay within 32 bits, not reach 768 \* 100.*\. The result's scale is too small .*"),
    "add ratio": (one("ADD", "AddOptions", (np.ones(6), "i1", 1e9, 0)),
        r"the result's scale must be between 2\^-20 and 2\^11 times twice its operands', not 0\.5 for .*"),
    "add shape": (one("ADD", "AddOptions", (np.ones(5), "i1", 0.5, 0)),
        r"its constant of shape \(5,\) must broadcast to the operand's \(1, 6\)"),
    "mul scales": (one("MUL", "MulOptions", (np.ones(6), "i1", 3e38, 0), coding=((3e38, 0), (1e-30, 0))),
        r"the operands' scales must fit float32 when multiplied and divided by the result's"),
    "pool coding": (one("MAX_POOL_2D", "Pool2DOptions", x=(1, 4, 4, 2), y=(1, 4, 4, 2), filterHeight=2,
        filterWidth=2, coding=((0.5, 0), (0.5, 1)), **WINDOW),
        r"the result must have its operand's scale and zero point, not 0\.5, 1 instead of 0\.5, 0"),
    "mean axes": (one("MEAN", "ReducerOptions", ([0], "i4")), r"the axes must be some of 1\.\.1, not \[0\]"),
    "pads": (one("PAD", "PadOptions", (PADS[:1], "i4")),
        r"the paddings must be pairs from 0 to 65536 for 2 axes, none for the batch, not \[\[0, 0\]\]"),
    "pad shape": (one("PAD", "PadOptions", (PADS, "i4")),
        r"the result must have shape \(1, 8\), not \(1, 6\)"),
    "pad value": (one("PADV2", "PadV2Options", (PADS, "i4"), ([1], "i1", 0.25, 0), y=(1, 8)),
        r"the padding value must be one integer in the operand's coding"),
    "concat": (one("CONCATENATION", "ConcatenationOptions", fusedActivationFunction=1),
        r"its fused activation must be none"),
    "concat axis": (one("CONCATENATION", "ConcatenationOptions", axis=0),
        r"the axis must be one of 1\.\.1, not 0"),
    "softmax": (one("SOFTMAX", "SoftmaxOptions", beta=1.0),
        r"the result must have scale 1/256 and zero point -128, not 0\.5 and 0"),
    "classes": (one("SOFTMAX", "SoftmaxOptions", x=(1, 1025), y=(1, 1025), coding=((0.5, 0), (1 / 256, -128)),
        beta=1.0), r"it must have at most 1024 classes, not 1025"),
    "flat": (one("SOFTMAX", "SoftmaxOptions", coding=((1e-9, 0), (1 / 256, -128)), beta=1.0),
        r"its operand's scale times beta must be above 2\^-26, not 9\.9.*e-10"),
    "thresholds": (one("AVERAGE_POOL_2D", "Pool2DOptions", x=(1, 200, 200, 1), y=(1, 200, 200, 1),
        filterHeight=3, filterWidth=3, **WINDOW),
        r"it must need at most 4194304 thresholds, not 10200000\. Use fewer channels, and VALID padding .*"),
    "floats": (one("DEQUANTIZE", None), r"the result must be FLOAT32, not INT8"),
    "quantize": (one("QUANTIZE", None, coding=((None, 0, "f4"), (0.5, 0)), y=(1, 7)),
        r"the result must have shape \(1, 6\), not \(1, 7\)"),
    "float input": (one("RELU", None, coding=((None, 0, "f4"), (0.5, 0))),
        r"operand 0 must be INT8, not FLOAT32\. Convert the model with full integer quantization\."),
}  # fmt: skip


@pytest.mark.parametrize("case", list(REFUSED))
def test_operator_is_refused(case):
    """One line with the operator, its number, its name, the rule and the value."""
    data, message = REFUSED[case]
    with pytest.raises(GraphError) as caught:
        imported(data)
    head, _, line = str(caught.value).partition("\n")
    assert f"{head}\n" == HEAD.format(1)
    assert re.fullmatch(rf"  [A-Z0-9_]+ 0 't\d': {message}", line), line


def test_inputs_are_refused():
    """Types, batches and constants that no input may have."""
    with pytest.raises(
        GraphError, match=r"^tflite: input 'in0': it must be INT8, not INT16\. Convert the .*$"
    ):
        imported(one("RELU", None, coding=((0.5, 0, "i2"), (0.5, 0))))
    with pytest.raises(
        GraphError,
        match=r"^tflite: input 'in0': it must have a batch axis of 1 and known sizes behind it, not shape "
        r"\(2, 6\)\. Convert the model with a batch of 1\.$",
    ):
        imported(one("RELU", None, x=(2, 6)))
    net = Net()
    x = net.input((1, 6), 0.5)
    net.inputs.append(x)
    with pytest.raises(
        GraphError, match=r"^tflite: input 'in0': must be declared once, and not be a constant$"
    ):
        imported(net.bytes(net.add("RELU", [x], net.tensor((1, 6), 0.5))))


def test_outputs_are_refused():
    """Outputs that are constants or floats, or none; inputs that nothing quantizes."""
    net = Net()
    x = net.input((1, 6), 0.5)
    c = net.constant(np.ones((1, 6)), scale=0.5)
    with pytest.raises(
        GraphError, match=r"^tflite: output 't1' must depend on the input, but is a constant$"
    ):
        imported(net.bytes(c))
    with pytest.raises(GraphError, match=r"^tflite: model 'net' must have outputs, but has none$"):
        imported(net.bytes())
    f = net.input((1, 6), dtype="f4")
    with pytest.raises(GraphError, match=r"^tflite: input 'in1' must be quantized and used, but is not$"):
        imported(net.bytes(x))
    with pytest.raises(
        GraphError, match=r"output 'in1' must depend on the input, but is not computed as int"
    ):
        imported(net.bytes(f))


def test_wiring_is_refused():
    """Operands from nowhere, two results for one tensor, floats inside, two codings of one float input."""
    net = Net()
    x, loose = net.input((1, 6), 0.5), net.tensor((1, 6), 0.5)
    y, c = net.tensor((1, 6), 0.5), net.constant(np.ones((1, 6)), scale=0.5)
    net.add("RELU", [loose], y)
    net.add("RELU", [x], y)
    z = net.add("RELU", [c], net.tensor((1, 6), 0.5))
    f = net.add("DEQUANTIZE", [x], net.tensor((1, 6), dtype="f4"))
    g = net.add("RELU", [f], net.tensor((1, 6), 0.5))
    both = net.add("ADD", [c, c], net.tensor((1, 6), 0.5), "AddOptions")
    lone = net.input((1, 2), 0.5)
    wide = net.add("ADD", [x, lone], net.tensor((1, 6), 0.5), "AddOptions")
    floats = net.input((1, 6), dtype="f4")
    q = [net.add("QUANTIZE", [floats], net.tensor((1, 6), s)) for s in (0.5, 0.25)]
    with pytest.raises(GraphError) as caught:
        imported(net.bytes(y, z, g, both, wide, *q))
    lines = [line.split(": ", 1)[1] for line in str(caught.value).splitlines()[1:]]
    assert lines == [
        "its input 't1' must come from an earlier operator",
        "operand 0 must be computed from the input, but is none or constant",
        "operand 0 must be integers. Only outputs may come from DEQUANTIZE.",
        "one of its operands must be computed from the input, but both are constant",
        "its operands must have one shape, or one (1, 1, 1, C), not (1, 6), (1, 2)",
        "a float input must be quantized in one way, but is in two different ones",
    ]
