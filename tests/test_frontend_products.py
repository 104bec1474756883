"""Products and convolutions of every shape give ONNX Runtime's numbers.

Scales are powers of two, so that the source's float sums are exact and its floats equal ours to the last bit.
"""

import numpy as np
import pytest

from gatewright.compiler.ir.ops import BatchMatMul, Conv2d, ConvTranspose2d
from gatewright.errors import GraphError
from layout_cases import assert_equal_to_ort
from qdq_models import QdqNet, imported


def weights(net, *shape, axis=None, seed=1):
    """Stored int8 weights with a scale per element of ``axis``, or one."""
    codes = np.random.default_rng(seed).integers(-127, 128, shape)
    scale = 0.25 if axis is None else 2.0 ** -np.arange(1, shape[axis] + 1)
    return net.stored_weights(codes, scale, 0, axis=axis or 0)


def front(net, zero=100):
    """The input's quantizer."""
    return net.pair("x", 0.125, zero)


CONVS = {
    "1-D": ((1, 4, 9), (6, 4, 3), {"pads": [1, 2], "strides": [2]}),
    "1-D groups": ((1, 4, 9), (4, 1, 3), {"group": 4, "dilations": [2]}),
    "1-D same": ((1, 4, 9), (2, 4, 4), {"auto_pad": "SAME_LOWER", "strides": [2]}),
    "2-D": ((1, 4, 5, 6), (6, 2, 3, 2), {"group": 2, "pads": [1, 0, 2, 1], "strides": [2, 1]}),
}


@pytest.mark.parametrize("axis", [None, 0])
@pytest.mark.parametrize("case", CONVS)
def test_convolutions(case, axis):
    """With a bias that is no integer of the layer's."""
    shape, kernel, attributes = CONVS[case]
    net = QdqNet(shape)
    bias = net.const(np.arange(kernel[0]) - 1.5)
    y = net.node("Conv", front(net), weights(net, *kernel, axis=axis), bias, **attributes)
    assert_equal_to_ort(net, (y,))
    assert any(isinstance(n.op, Conv2d) for n in imported(net.build(y)).nodes())


TRANSPOSED = {
    "plain": ((1, 4, 5, 6), (4, 3, 2, 3), {}),
    "strides": ((1, 4, 5, 6), (4, 3, 3, 3), {"strides": [2, 3], "output_padding": [1, 2]}),
    "pads": ((1, 4, 5, 6), (4, 3, 3, 4), {"strides": [2, 2], "pads": [1, 0, 2, 1]}),
    "dilations": ((1, 4, 5, 6), (4, 3, 2, 3), {"dilations": [3, 2], "strides": [2, 1], "pads": [1, 1, 1, 1]}),
    "groups": ((1, 4, 5, 6), (4, 3, 2, 2), {"group": 2, "strides": [2, 2]}),
    "depthwise": ((1, 4, 5, 6), (4, 1, 3, 3), {"group": 4, "strides": [2, 2], "pads": [1, 1, 1, 1]}),
    "valid": ((1, 4, 5, 6), (4, 3, 2, 2), {"auto_pad": "VALID", "strides": [3, 3]}),
    "same": ((1, 4, 5, 6), (4, 3, 3, 4), {"auto_pad": "SAME_UPPER", "strides": [2, 3]}),
    "same lower": ((1, 4, 5, 6), (4, 3, 4, 3), {"auto_pad": "SAME_LOWER", "strides": [1, 2]}),
    "shape": ((1, 4, 5, 6), (4, 3, 4, 4), {"output_shape": [10, 13], "strides": [2, 2]}),
    "shape upper": ((1, 4, 5, 6), (4, 3, 4, 4),
                    {"output_shape": [11, 12], "strides": [2, 2], "auto_pad": "SAME_UPPER"}),
    "1-D": ((1, 4, 7), (4, 3, 3), {"strides": [2], "pads": [1, 0], "output_padding": [1]}),
    "1-D groups": ((1, 4, 7), (4, 2, 4), {"group": 2, "strides": [3]}),
}  # fmt: skip


@pytest.mark.parametrize("axis", [None, 1])
@pytest.mark.parametrize("case", TRANSPOSED)
def test_transposed_convolutions(case, axis):
    """One scale, or one per output channel of a group."""
    shape, kernel, attributes = TRANSPOSED[case]
    net = QdqNet(shape)
    bias = net.const(np.arange(kernel[1] * attributes.get("group", 1)) - 1.5)
    y = net.node("ConvTranspose", front(net), weights(net, *kernel, axis=axis), bias, **attributes)
    assert_equal_to_ort(net, (y,))
    assert any(isinstance(n.op, ConvTranspose2d) for n in imported(net.build(y)).nodes())


MATMULS = {
    "tokens": ((1, 5, 6), (6, 4), False),
    "heads": ((1, 3, 5, 6), (6, 4), False),
    "a matrix per head": ((1, 3, 5, 6), (3, 6, 4), False),
    "with the batch": ((1, 3, 5, 6), (1, 3, 6, 4), False),
    "spread frames": ((1, 1, 5, 6), (3, 6, 4), False),
    "one in front": ((1, 5, 6), (1, 6, 4), False),
    "first": ((1, 6, 5), (4, 6), True),
    "first of heads": ((1, 3, 6, 5), (3, 4, 6), True),
}


@pytest.mark.parametrize("per_row", [False, True])
@pytest.mark.parametrize("case", MATMULS)
def test_constant_matrices(case, per_row):
    """Of two axes and more, behind the frames or in front of them."""
    shape, kernel, first = MATMULS[case]
    net = QdqNet(shape)
    axis = (len(kernel) - 2 if first else len(kernel) - 1) if per_row else None
    x, w = front(net), weights(net, *kernel, axis=axis)
    y = net.node("MatMul", w, x) if first else net.node("MatMul", x, w)
    assert_equal_to_ort(net, (net.quantize(y, 8.0, 128),))


def test_scales_per_head():
    """Each head's matrix may have a scale of its own."""
    net = QdqNet((1, 3, 5, 6))
    y = net.node("MatMul", front(net), weights(net, 3, 6, 4, axis=0))
    assert_equal_to_ort(net, (net.quantize(y, 8.0, 128),))


def test_gemm_of_either_transposition():
    """Flat frames."""
    for transposed, kernel in ((1, (4, 6)), (0, (6, 4))):
        net = QdqNet((1, 6))
        w = weights(net, *kernel, axis=0 if transposed else 1)
        assert_equal_to_ort(net, (net.node("Gemm", front(net), w, net.const(np.ones(4)), transB=transposed),))


def attention(net, x, heads):
    """Queries times keys, and their product times values, as torch exports them."""
    parts = []
    for seed in (1, 2, 3):
        y = net.pair(net.node("MatMul", x, weights(net, 8, 8, seed=seed)), 4.0, 128)
        y = net.node("Reshape", y, net.const([1, -1, heads, 8 // heads], np.int64))
        parts.append(net.node("Transpose", y, perm=[0, 2, 3, 1] if seed == 2 else [0, 2, 1, 3]))
    scores = net.pair(net.node("MatMul", *parts[:2]), 64.0, 120)
    mixed = net.node("Transpose", net.node("MatMul", scores, parts[2]), perm=[0, 2, 1, 3])
    return net.node("Reshape", mixed, net.const([0, -1, 8], np.int64))


@pytest.mark.parametrize("heads", [1, 2, 4])
def test_products_of_computed_tensors(heads):
    """Attention without its softmax."""
    net = QdqNet((1, 6, 8))
    y = attention(net, front(net), heads)
    assert_equal_to_ort(net, (y,))
    assert sum(isinstance(n.op, BatchMatMul) for n in imported(net.build(y)).nodes()) == 2


def test_keys_shared_by_heads():
    """A leading axis of 1 on either side is repeated."""
    net = QdqNet((1, 4, 6, 8))
    x = front(net)
    shared = net.node("Slice", x, *(net.const(v, np.int64) for v in ([0], [1], [1])))
    turned = net.node("Transpose", shared, perm=[0, 1, 3, 2])
    assert_equal_to_ort(net, (net.node("MatMul", x, turned),))
    net = QdqNet((1, 4, 6, 8))
    x = front(net)
    shared = net.node("Slice", x, *(net.const(v, np.int64) for v in ([0], [1], [1])))
    turned = net.node("Transpose", x, perm=[0, 1, 3, 2])
    assert_equal_to_ort(net, (net.node("MatMul", shared, turned),))


def conv(kernel, op="Conv", **attributes):
    """A convolution's builder."""
    return lambda n, x: n.node(op, x, weights(n, *kernel), **attributes)


ERRORS = {
    "heads": ((1, 3, 5, 6), lambda n, x: n.node("MatMul", x, weights(n, 2, 6, 4)),
        r"leading axes must be equal or 1, not \(3,\) and \(2,\)"),
    "scale in a sum": ((1, 3, 5, 6), lambda n, x: n.node("MatMul", x, weights(n, 3, 6, 4, axis=1)),
        r"weights must have one scale, or one per output channel, but theirs vary within a channel\. .*"),
    "batch of weights": ((1, 5, 6), lambda n, x: n.node("MatMul", x, weights(n, 2, 6, 4)),
        r"weights of shape \(2, 6, 4\) must pair with frames of shape \(5, 6\), and be the same for the .*"),
    "one operand": ((1, 5, 6), lambda n, x: n.node("MatMul", x), r"a product must have two inputs, not 1"),
    "einsum": ((1, 5, 6), lambda n, x: n.node("Einsum", x, x, equation="bij,bkj->bik"),
        r"this operator is not supported\. Write it as MatMul, Transpose and Reshape, in torch with @ .*"),
    "3-D": ((1, 2, 3, 4, 5), conv((2, 2, 1, 1, 1)),
        r"convolutions must be 1-D or 2-D, with frames \(C, L\) or \(C, H, W\), not \(2, 3, 4, 5\) .*"),
    "groups": ((1, 4, 7), conv((4, 2, 3), "ConvTranspose", group=3),
        r"groups must divide the 4 channels of the weights, not be 3"),
    "kernel": ((1, 4, 7), conv((4, 2, 3), "ConvTranspose", kernel_shape=[4]),
        r"kernel_shape must be the weights' own, \(3,\)"),
    "window": ((1, 4, 7), conv((4, 2, 3), "ConvTranspose", strides=[1, 1]),
        r"windows must be 1-D with positive sizes, not strides \(1, 1\), dilations \(1,\), .*"),
    "pads": ((1, 4, 7), conv((4, 2, 3), "ConvTranspose", pads=[1]), r"pads must be two numbers, not \(1,\)"),
    "auto pad": ((1, 4, 7), conv((4, 2, 3), "ConvTranspose", auto_pad="EVEN"),
        r"auto_pad must be NOTSET, VALID, SAME_UPPER or SAME_LOWER, not 'EVEN'"),
    "too wide": ((1, 4, 7), conv((4, 2, 3), "ConvTranspose", output_shape=[30]),
        r"the result must be at most \(9,\), not \(30,\)\. Set output_padding\."),
}  # fmt: skip


@pytest.mark.parametrize("case", ERRORS)
def test_refused(case):
    """The message says what the rule is, and what the node has."""
    shape, build, message = ERRORS[case]
    net = QdqNet(shape)
    with pytest.raises(GraphError, match=rf"\n  \w+ '\w+': {message}$"):
        imported(net.build(build(net, front(net))))
