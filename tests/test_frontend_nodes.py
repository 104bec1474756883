"""Every node that cannot be imported is refused with its name, the rule, the value and what to do."""

import numpy as np
import pytest

from gatewright.errors import GraphError
from qonnx_models import DOMAIN, Net, imported

SHAPES = {"flat": (1, 6), "image": (1, 2, 4, 4)}


def q(net: Net, x: str = "x", scale=0.25) -> str:
    """A 4-bit quantizer."""
    return net.quant(x, scale)


def w(net: Net, *shape: int) -> str:
    """Integer weights."""
    return net.const(np.ones(shape))


def nan(net: Net) -> str:
    """A constant that is no number."""
    return net.const([np.nan])


NODE_ERRORS = {
    "softmax": ("flat", lambda n: n.node("LogSoftmax", q(n)),
        r"LogSoftmax 'logsoftmax1': this operator is not supported\. Leave it out of the export: it .*"),
    "unknown": ("flat", lambda n: n.node("Einsum", q(n)),
        (r"Einsum 'einsum1': this operator is not supported\. Write it as MatMul, Transpose and Reshape, in "
        r"torch .*")),
    "no such operator": ("flat", lambda n: n.node("Hardmax", q(n)),
        (r"Hardmax 'hardmax1': this operator is not supported\. Remove it from the network, or replace it by "
        r".*")),
    "domain": ("flat", lambda n: n.node("Relu", q(n), domain="antigravity"),
        r"Relu 'relu1': this operator of domain 'antigravity' is not supported\. .*"),
    "computed only": ("flat", lambda n: n.node("Greater", q(n), n.const(0.0)),
        r"Greater 'greater1': its inputs must be constants\. .*"),
    "missing input": ("flat", lambda n: n.node("Relu", "nowhere"),
        r"Relu 'relu0': its input 'nowhere' must come from an earlier node, but from none does"),
    "no inputs": ("flat", lambda n: n.node("Relu"), r"Relu 'relu0': it must have inputs, but has none"),
    "residual": ("flat", lambda n: n.node("Add", q(n), n.node("Relu", "x")),
        r"Add 'add2': its inputs must be quantized, but one is the model's float input"),
    "gate": ("flat", lambda n: n.node("Mul", q(n), n.node("Relu", "x")),
        r"Mul 'mul2': its inputs must be quantized, but one is the model's float input"),
    "unquantized input": ("flat", lambda n: n.node("MatMul", "x", w(n, 6, 2)),
        (r"MatMul 'matmul0': its input must be quantized, but is the model's float input\. Quantize the "
        r"input, in .*")),
    "unquantized layer": ("flat", lambda n: n.node("MatMul", n.node("Add", q(n), n.const(0.1)), w(n, 6, 2)),
        (r"MatMul 'matmul2': its input must come from a quantizer, not from other float operations\. Put a "
        r".*")),
    "per-channel activation": ("flat", lambda n: n.node("MatMul", q(n, scale=np.arange(1.0, 7)), w(n, 6, 2)),
        r"MatMul 'matmul1': its input must have one scale for the whole tensor, not one per channel\. .*"),
    "float weights": ("flat", lambda n: n.node("MatMul", q(n), n.const(np.full((6, 2), 0.3))),
        r"MatMul 'matmul1': the weights must come from a quantizer \(a Quant or BipolarQuant node\), .*"),
    "nan weights": ("flat", lambda n: n.node("MatMul", q(n), n.const(np.full((6, 2), np.nan))),
        r"MatMul 'matmul1': the weights must be finite numbers"),
    "weight axes": ("flat", lambda n: n.node("MatMul", q(n), w(n, 1, 6, 2)),
        (r"MatMul 'matmul1': weights of shape \(1, 6, 2\) must pair with frames of shape \(6,\), and be the "
        r"same .*")),
    "weights first": ("flat", lambda n: n.node("MatMul", w(n, 6, 6), q(n)),
        (r"MatMul 'matmul1': weights in front must have 2 axes or more, as must frames behind them, not "
        r"shape \(6, 6\) and frames \(6,\)\. Export x @ w, not w @ x\.")),
    "attention": ("flat", lambda n: n.node("MatMul", q(n), n.node("Relu", q(n))),
        (r"MatMul 'matmul3': computed operands must both have frames of as many axes, 2 or more, not \(6,\) "
        r"and \(6,\)")),
    "scale in channel": ("flat",
        lambda n: n.node("MatMul", q(n), n.weights(np.ones((6, 2)), np.arange(1.0, 7)[:, None])),
        r"MatMul 'matmul2': weights must have one scale, or one per output channel, but theirs vary .*"),
    "weight shape": ("flat", lambda n: n.node("MatMul", q(n), w(n, 5, 2)),
        (r"MatMul 'matmul1': node 'matmul1': matmul: weights must have shape \(6, M\) to match x, not \(5, "
        r"2\)")),
    "gemm": ("flat", lambda n: n.node("Gemm", q(n), w(n, 6, 2), alpha=0.5),
        r"Gemm 'gemm1': Gemm must have transA 0, alpha 1 and beta 1"),
    "conv 1d": ("flat", lambda n: n.node("Conv", q(n), w(n, 1, 1, 3)),
        (r"Conv 'conv1': convolutions must be 1-D or 2-D, with frames \(C, L\) or \(C, H, W\), not \(6,\) "
        r"with .*")),
    "conv bias": ("image", lambda n: n.node("Conv", q(n), w(n, 3, 2, 1, 1), n.const([1.0])),
        r"Conv 'conv1': the bias must have shape \(3,\), not \(1,\)"),
    "computed bias": ("image", lambda n: n.node("Conv", q(n), w(n, 3, 2, 1, 1), "x"),
        r"Conv 'conv1': input 2 \(the bias\) must be a constant, but is computed"),
    "kernel shape": ("image", lambda n: n.node("Conv", q(n), w(n, 3, 2, 1, 1), kernel_shape=[3, 3]),
        r"Conv 'conv1': kernel_shape must be the weights' own, \(1, 1\)"),
    "auto pad": ("image", lambda n: n.node("Conv", q(n), w(n, 3, 2, 1, 1), auto_pad="EVEN"),
        r"Conv 'conv1': auto_pad must be NOTSET, VALID, SAME_UPPER or SAME_LOWER, not 'EVEN'"),
    "pads": ("image", lambda n: n.node("Conv", q(n), w(n, 3, 2, 1, 1), pads=[1, 1]),
        r"Conv 'conv1': pads must be four numbers, not \(1, 1\)"),
    "strides": ("image", lambda n: n.node("Conv", q(n), w(n, 3, 2, 1, 1), strides=[0, 1]),
        r"Conv 'conv1': windows must be 2-D with positive sizes, not kernel \(1, 1\), strides \(0, 1\), .*"),
    "pool axes": ("flat", lambda n: n.node("MaxPool", q(n), kernel_shape=[2, 2]),
        r"MaxPool 'maxpool1': pooling must be 1-D or 2-D, with frames \(C, L\) or \(C, H, W\), not \(6,\)"),
    "pool after pixels": ("image",
        lambda n: n.node("MaxPool", n.node("Mul", q(n), n.const([1.0, 2, 3, 4])), kernel_shape=[2, 2]),
        r"MaxPool 'maxpool2': the function before pooling must be the same all over the image"),
    "attribute": ("image", lambda n: n.node("MaxPool", q(n), kernel_shape=3),
        r"MaxPool 'maxpool1': attribute kernel_shape must be of type tuple, not int"),
    "attribute list": ("image", lambda n: n.node("MaxPool", q(n), kernel_shape=[0.5, 0.5]),
        r"MaxPool 'maxpool1': attribute kernel_shape must hold integers"),
    "falling input": ("image", lambda n: n.node("MaxPool", n.node("Neg", "x"), kernel_shape=[2, 2]),
        (r"MaxPool 'maxpool1': the input must be quantized before a falling function\. Quantize the input, "
        r".*")),
    "zero divisor": ("flat", lambda n: n.node("Div", q(n), n.const(0.0)),
        r"Div 'div1': the divisor must not be 0"),
    "divided constant": ("flat", lambda n: n.node("Div", n.const(1.0), "x"),
        (r"Div 'div0': its input must be quantized, but is the model's float input\. Quantize the input "
        r"first\.")),
    "nan": ("flat", lambda n: n.node("Mul", q(n), nan(n)),
        r"Mul 'mul1': the factor must be finite, but holds NaN or infinity"),
    "double": ("flat", lambda n: n.node("Mul", q(n), n.const(2.0, np.float64)),
        r"Mul 'mul1': the factor must be float32, not float64"),
    "enlarging": ("flat", lambda n: n.node("Mul", q(n), n.const(np.ones((3, 1, 1)))),
        r"Mul 'mul1': the factor of shape \(3, 1, 1\) must broadcast to frames of shape \(6,\) without .*"),
    "batch norm mode": ("flat", lambda n: n.node("BatchNormalization", q(n), *[w(n, 6)] * 4, training_mode=1),
        r"BatchNormalization 'batchnormalization1': batch norm must be in inference mode, per channel\. .*"),
    "variance": ("flat", lambda n: n.node("BatchNormalization", q(n), *[w(n, 6)] * 3, n.const(-np.ones(6))),
        r"BatchNormalization 'batchnormalization1': variance plus epsilon must be above 0"),
    "batch norm size": ("flat", lambda n: n.node("BatchNormalization", q(n), *[w(n, 5)] * 4),
        (r"BatchNormalization 'batchnormalization1': gamma must have shape \(6,\), one per channel, not "
        r"\(5,\)")),
    "batch norm nan": ("flat",
        lambda n: n.node("BatchNormalization", q(n), n.const(np.full(6, np.inf)), *[w(n, 6)] * 3),
        r"BatchNormalization 'batchnormalization1': gamma must be finite float32 numbers"),
    "batch norm operands": ("flat", lambda n: n.node("BatchNormalization", q(n), w(n, 6)),
        r"BatchNormalization 'batchnormalization1': input 2 \(beta\) must be given"),
    "slope": ("flat", lambda n: n.node("LeakyRelu", "x", alpha=-0.5),
        (r"LeakyRelu 'leakyrelu0': its input must be quantized, but is the model's float input\. Quantize "
        r"the input first\.")),
    "slopes": ("flat", lambda n: n.node("LeakyRelu", q(n), alpha=float("inf")),
        r"LeakyRelu 'leakyrelu1': slopes must be finite, but hold NaN or infinity"),
    "clip order": ("flat", lambda n: n.node("Clip", q(n), n.const(1.0), n.const(0.0)),
        r"Clip 'clip1': min must not be above max, but 1\.0 is above 0\.0"),
    "clip limits": ("flat", lambda n: n.node("Clip", q(n), n.const([1.0, 2.0])),
        r"Clip 'clip1': min must be one number"),
    "clipped sums": ("flat",
        lambda n: n.node("Clip", n.node("Cast", n.node("MatMul", n.quant("x", 1.0),
                                                       n.const(np.full((6, 2), 2.0**20))), to=7)),
        r"Clip 'clip3': clipped integers must have at most 4194304 steps, not 94371840"),
    "dropout": ("flat", lambda n: n.node("Dropout", q(n), n.const(0.5), n.const(True, bool)),
        r"Dropout 'dropout1': dropout must be in inference mode\. Export after model\.eval\(\)\."),
    "cast": ("flat", lambda n: n.node("Cast", q(n), to=11),
        r"Cast 'cast1': casts must be to float32, or of whole numbers to an integer type, not to DOUBLE"),
    "cast fraction": ("flat", lambda n: n.node("Cast", q(n), to=7),
        r"Cast 'cast1': casts must be to float32, or of whole numbers to an integer type, not to INT64"),
    "integers": ("flat", lambda n: n.node("LeakyRelu", n.node("ArgMax", q(n), axis=1)),
        r"LeakyRelu 'leakyrelu2': input 0 must be float32, not integers\. Cast it to float first\."),
    "reshape": ("flat", lambda n: n.node("Reshape", q(n), n.const([2, 3], np.int64)),
        (r"Reshape 'reshape1': the new shape must keep the batch axis of 1 first and hold 6 elements a "
        r"frame, .*")),
    "reshape type": ("flat", lambda n: n.node("Reshape", q(n), n.const([1, 6])),
        r"Reshape 'reshape1': input 1 \(the shape\) must hold integers, not float32"),
    "reshape computed": ("flat", lambda n: n.node("Reshape", n.const([1.0]), q(n)),
        r"Reshape 'reshape1': input 0 must be computed from the model's input, but is a constant"),
    "transpose": ("flat", lambda n: n.node("Transpose", q(n), perm=[1, 0]),
        r"Transpose 'transpose1': perm must order 2 axes and keep the batch first, not \(1, 0\)"),
    "unsqueeze": ("flat", lambda n: n.node("Unsqueeze", q(n), n.const([1, 1], np.int64)),
        r"Unsqueeze 'unsqueeze1': axes must be different ones of 4, not \[1, 1\]"),
    "arg-max channels": ("flat",
        lambda n: n.node("ArgMax", n.node("Add", q(n), n.const(np.arange(6.0))), axis=1),
        r"ArgMax 'argmax2': arg-max compares integers, so its input must have one scale and bias for all .*"),
    "arg-max ties": ("flat", lambda n: n.node("ArgMax", n.node("Relu", q(n)), axis=1),
        r"ArgMax 'argmax2': arg-max must see a different float for every sum, but some become equal .*"),
    "arg-max batch": ("flat", lambda n: n.node("ArgMax", q(n), axis=0),
        r"ArgMax 'argmax1': the axis must not be the batch"),
    "arg-max last": ("flat", lambda n: n.node("ArgMax", q(n), axis=1, select_last_index=1),
        r"ArgMax 'argmax1': select_last_index must be 0"),
    "arg-max input": ("flat", lambda n: n.node("ArgMax", "x", axis=1),
        r"ArgMax 'argmax0': its input must be quantized, but comes from the model's float input"),
    "arg-max range": ("flat",
        lambda n: n.node("ArgMax", n.node("MatMul", q(n), n.const(np.eye(6) * 2.0**20 + 1)), axis=1),
        r"ArgMax 'argmax2': arg-max takes sums of at most 4194304 values, not \d+"),
    "top 2": ("flat", lambda n: n.node("TopK", q(n), n.const([2], np.int64), outputs=2),
        r"TopK 'topk1': k must be 1 and largest 1, not k \[2\] and largest 1"),
    "scale nan": ("flat",
        lambda n: q(n, scale=np.nan), r"Quant 'quant0': scales must be finite and above 0, not .*"),
    "scale type": ("flat",
        lambda n: n.node("BipolarQuant", "x", n.const(1.0, np.float64), domain=DOMAIN),
        r"BipolarQuant 'bipolarquant0': the scale must be float32, not float64"),
    "scale shape": ("flat", lambda n: q(n, scale=np.ones(5)),
        (r"Quant 'quant0': the scale of shape \(5,\) must broadcast to frames of shape \(6,\) without "
        r"enlarging them")),
    "weight scale shape": ("flat", lambda n: n.node("MatMul", q(n), n.weights(np.ones((6, 2)), np.ones(3))),
        r"Quant 'quant1': the scale of shape \(3,\) must broadcast to the weights' \(6, 2\)"),
    "weights nan": ("flat", lambda n: n.node("MatMul", q(n), n.weights(np.full((6, 2), np.nan), 1.0)),
        r"Quant 'quant1': the weights must be finite float32 numbers, not NaN or infinity"),
    "weights overflow": ("flat", lambda n: n.node("MatMul", q(n), n.weights(np.full((6, 2), 3.4e38), 2e38)),
        r"Quant 'quant1': the weights must be whole multiples of their scale within float32's range"),
    "zero point type": ("flat",
        lambda n: n.node("Quant", "x", n.const(1.0), n.const(1, np.int64), n.const(4.0), domain=DOMAIN),
        r"Quant 'quant0': the zero point must be float32, not int64"),
    "threshold shape": ("flat", lambda n: n.node("MultiThreshold", "x", n.const([1.0]), domain=DOMAIN),
        (r"MultiThreshold 'multithreshold0': the thresholds must be float32 of shape \(C, N\), not float32 "
        r"of .*")),
    "threshold rows": ("flat", lambda n: n.node("MultiThreshold", "x", w(n, 5, 1), domain=DOMAIN),
        r"MultiThreshold 'multithreshold0': the thresholds must have 1 or 6 rows, not 5"),
    "threshold layout": ("flat",
        lambda n: n.node("MultiThreshold", "x", w(n, 6, 1), domain=DOMAIN, data_layout="NCHW"),
        (r"MultiThreshold 'multithreshold0': data_layout must name 2 axes, not first the channels, not "
        r"'NCHW'")),
    "threshold constant": ("flat",
        lambda n: n.node("MultiThreshold", n.const([[1.0]]), w(n, 1, 1), domain=DOMAIN),
        r"MultiThreshold 'multithreshold0': input 0 must be computed from the model's input"),
    "two quantizers": ("flat", lambda n: n.node("Add", q(n), q(n, scale=0.5)),
        r"Quant 'quant1': input 'x' must have one quantizer, but has two different ones"),
    "mixed input": ("image",
        lambda n: n.quant(n.node("Mul", "x", n.const([[[1.0]], [[-1.0]]])), 1.0, signed=0),
        r"Quant 'quant1': before the input's quantizer either all channels must rise or all must fall, .*"),
    "input pixels": ("image", lambda n: q(n, n.node("Mul", "x", n.const([1.0, 2, 3, 4]))),
        r"Quant 'quant1': the input's scaling must be one for all or one per channel \(its first axis\)"),
    "constant refused": ("flat",
        lambda n: n.node("Mul", q(n), n.node("Gather", n.const([1.0]), n.const(7, np.int64))),
        r"Gather 'gather1': ONNX Runtime must accept the node, but: .*"),
    "constant size": ("flat",
        lambda n: n.node("Mul", q(n), n.node("ConstantOfShape", n.const([2**40], np.int64))),
        (r"ConstantOfShape 'constantofshape1': constants must have at most 67108864 elements, not up to "
        r"1099511627776")),
    "constant broadcast": ("flat", lambda n: n.node("Mul", q(n), n.node("Add", w(n, 2), w(n, 3))),
        r"Add 'add1': operands must broadcast, but have shapes \(2,\), \(3,\)"),
    "constant kind": ("flat", lambda n: n.node("Mul", q(n), n.node("Constant", value_string="a")),
        r"Constant 'constant1': it must have a tensor, a float or an integer as its value"),
}  # fmt: skip


@pytest.mark.parametrize("case", NODE_ERRORS)
def test_node_is_refused(case):
    """The message names the node, the rule and the value."""
    kind, build, message = NODE_ERRORS[case]
    net = Net(SHAPES[kind])
    pattern = (
        rf"^qonnx: every node must become integer arithmetic, but 1 of model 'net' cannot:\n  {message}$"
    )
    with pytest.raises(GraphError, match=pattern):
        imported(net.build(build(net)))
