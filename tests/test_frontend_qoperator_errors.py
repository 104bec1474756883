"""Quantized operators that cannot be imported: the message names the node, the rule and the value."""

import numpy as np
import pytest
from onnx import TensorProto

from gatewright.errors import GraphError
from qdq_models import imported
from qoperator_models import INT8, MICROSOFT, UINT8, QOperatorNet

ONE = (0.5, 3, UINT8)


def product(net, x="", w=None, w_zero=0, y=ONE, a=ONE, scale=0.1):
    """A QLinearMatMul."""
    x = x or net.input((1, 4), UINT8)
    w = np.ones((4, 2)) if w is None else w
    weights = net.codes(w, INT8)
    return net.node(
        "QLinearMatMul", x, *net.coded(*a), weights, *net.coded(scale, w_zero, INT8), *net.coded(*y)
    )


def total(net, shape=(1, 4), other=(1, 4), a=ONE, b=ONE, y=ONE, op="QLinearAdd", constant=False):
    """A QLinearAdd or QLinearMul."""
    x = net.input(shape, a[2])
    z = net.codes(np.ones(other), b[2]) if constant else net.input(other, b[2])
    return net.node(op, x, *net.coded(*a), z, *net.coded(*b), *net.coded(*y), domain=MICROSOFT)


def gemm(net, *result, bias=TensorProto.INT32, **more):
    """A QGemm."""
    operands = [net.input((1, 4), UINT8), *net.coded(*ONE), net.codes(np.ones((4, 2)), INT8)]
    operands += [*net.coded(0.1, 0, INT8), net.codes(np.ones(2), bias), *result]
    return net.node("QGemm", *operands, domain=MICROSOFT, **more)


def joined(net, kind=UINT8, axis=1, other=(1, 4)):
    """A QLinearConcat of two inputs."""
    parts = [net.input((1, 4), UINT8), *net.coded(*ONE), net.input(other, kind), *net.coded(0.5, 3, kind)]
    return net.node("QLinearConcat", *net.coded(*ONE), *parts, domain=MICROSOFT, axis=axis)


def unary(net, op, **more):
    """A node of one operand."""
    x = net.input((1, 4), UINT8)
    return net.node(op, x, *net.coded(*ONE), *net.coded(*ONE), domain=MICROSOFT, **more)


CASES = {
    "float input": (lambda n: product(n, x=n.dequantize(n.input((1, 4), UINT8), 0.5, 3)),
        r"input 0 must be integers, but is float\. Quantize it \(QuantizeLinear\)\."),
    "several scales": (lambda n: product(n, a=([0.5, 0.25], [3, 3], UINT8)),
        (r"the first input must have one scale and one zero point, not 2 and 2\. Quantize activations per "
        r"tensor\.")),
    "no scale": (lambda n: product(n, scale=0.0),
        r"the second input's scale must be float32, finite and above 0\. Export the model again\."),
    "columns": (lambda n: product(n, scale=[0.1, 0.1, 0.1]),
        r"scales and zero points must be one for all or one for each of 2 channels, not 3"),
    "16 bits": (lambda n: product(n, y=(0.5, 3, TensorProto.UINT16)),
        r"the result must have codes of type uint8 or int8, not uint16\. Quantize to 8 bits\."),
    "ratio": (lambda n: product(n, a=(1e30, 3, UINT8), scale=1e30),
        r"the scales' ratio must lie within float32's range\. Export the model again\."),
    "sums": (lambda n: product(n, x=n.input((1, 70000), UINT8), w=np.full((70000, 1), -128), w_zero=127),
        r"sums must stay within 32 bits, as those of ONNX Runtime, not -\d+\.\.\d+\. Use a smaller layer\."),
    "shapes": (lambda n: total(n, other=(1, 3)),
        r"operands must broadcast along axes behind the batch, not \(1, 4\) and \(1, 3\)"),
    "types": (lambda n: total(n, b=(0.5, 3, INT8)),
        r"all codes must be of one type, not uint8, int8 and uint8"),
    "batch": (lambda n: total(n, shape=(2, 4), other=(2, 4), constant=True),
        r"a constant must be the same for the whole batch, not of shape \(2, 4\)"),
    "range": (lambda n: total(n, a=(1e9, 3, UINT8), op="QLinearMul"),
        r"results must stay within 32 bits of the result's scale, not reach [\d.e+]+ of it"),
    "range of a sum": (lambda n: total(n, a=(1e9, 3, UINT8)),
        r"results must stay within 32 bits of the result's scale, not reach [\d.e+]+ of it"),
    "transposed": (lambda n: gemm(n, *n.coded(*ONE), transA=1), r"transA must be 0"),
    "half a result": (lambda n: gemm(n, n.const(0.5)),
        r"the result must have a scale and a zero point, or neither"),
    "bias": (lambda n: gemm(n, *n.coded(*ONE), bias=TensorProto.INT16), r"the bias must be int32, not int16"),
    "joined types": (lambda n: joined(n, kind=INT8), r"all codes must be of one type, not int8 and uint8"),
    "joined batch": (lambda n: joined(n, axis=0), r"the axis must not be the batch"),
    "joined axes": (lambda n: joined(n, other=(1, 4, 1)), r"its inputs must have as many axes each"),
    "nothing joined": (lambda n: n.node("QLinearConcat", *n.coded(*ONE), domain=MICROSOFT),
        r"it must have a scale, a zero point and three operands for each input, not 0"),
    "flat average": (lambda n: unary(n, "QLinearGlobalAveragePool"),
        r"frames must have a channel and other axes, not shape \(4,\)"),
    "softmax": (lambda n: unary(n, "QLinearSoftmax", opset=13),
        (r"this operator of domain 'com\.microsoft' is not supported\. Leave it out of the export: it does "
        r"not change the arg-max\.")),
    "mean": (lambda n: unary(n, "QLinearReduceMean"),
        (r"this operator of domain 'com\.microsoft' is not supported\. ONNX Runtime has no kernel for it\. "
        r"Leave the average in float when quantizing\.")),
    "dynamic": (lambda n: n.node("DynamicQuantizeLinear", n.input((1, 4), TensorProto.FLOAT)),
        (r"this operator is not supported\. Its scale depends on each input\. Quantize statically "
        r"\(onnxruntime\.quantization\.quantize_static\)\.")),
    "choice": (lambda n: unary(n, "QLinearWhere"),
        r"this operator of domain 'com\.microsoft' is not supported\. Remove the choice: .*"),
    "computed weights": (
        lambda n: n.node("ConvInteger", n.input((1, 3, 4, 4), UINT8), n.input((1, 3, 2, 2), UINT8)),
        r"input 1 \(the weights\) must be a constant, but is computed"),
    "weights' type": (lambda n: n.node("ConvInteger", n.input((1, 3, 4, 4), UINT8),
        n.codes(np.ones((1, 3, 2, 2)), TensorProto.INT16)), r"the weights must be uint8 or int8, not int16"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_node_is_refused(case):
    """What the source's kernels refuse, or what integers cannot carry."""
    build, message = CASES[case]
    net = QOperatorNet()
    pattern = (
        r"^onnx: every node must become integer arithmetic, but 1 of model 'net' cannot:\n"
        rf"  \w+ '\w+': {message}$"
    )
    with pytest.raises(GraphError, match=pattern):
        imported(net.build(build(net)))
