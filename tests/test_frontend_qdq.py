"""ONNX QDQ models, imported, against ONNX Runtime without graph optimisation."""

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantType

from gatewright.compiler.ir.ops import Add, Threshold
from gatewright.errors import GraphError
from qdq_models import RANGES, QdqNet, execute, imported, run, statically_quantized
from qdq_random import random_qdq


@pytest.mark.parametrize("seed", range(40))
def test_power_of_two_scales_give_equal_floats(seed):
    """With power-of-two scales every float of the source is exact, and so is ours."""
    model, x, _ = random_qdq(seed, exact=True)
    np.testing.assert_array_equal(run(imported(model), x)[0], execute(model, x))


@pytest.mark.parametrize("seed", range(40))
def test_float_scales_give_equal_codes(seed):
    """With float scales the codes behind the last quantizer are equal, though sums round in the source."""
    model, x, scale = random_qdq(seed, exact=False)
    ours, theirs = run(imported(model), x)[0], execute(model, x)
    np.testing.assert_array_equal(np.rint(ours / scale), np.rint(theirs / scale))


@pytest.mark.parametrize("kind", RANGES)
@pytest.mark.parametrize("scale", [0.25, 0.1])
def test_input_quantizer_rounds_as_the_source(kind, scale):
    """Halves, values around every step, and values beyond both ends, for several zero points."""
    lo, hi = RANGES[kind]
    steps = np.unique(np.linspace(2 * lo - 8, 2 * hi + 8, 2000).round()) / 2
    x = (steps * np.float32(scale)).astype(np.float32)
    x = np.concatenate([x, np.nextafter(x, np.float32(9e9)), np.float32([1e30, -1e30, -0.0])])[None]
    for zero in (lo, (lo + hi) // 2, (lo + hi) // 2 + 1, hi):
        net = QdqNet(x.shape)
        model = net.build(net.pair("x", scale, zero, kind))
        floats, codes = run(imported(model), x)
        theirs = execute(model, x)
        np.testing.assert_array_equal(floats.astype(np.float32), theirs)
        np.testing.assert_array_equal(codes, np.rint(theirs / np.float32(scale)).astype(int) + zero)


@pytest.mark.parametrize("kind", [k for k in RANGES if k not in (TensorProto.INT4, TensorProto.UINT4)])
def test_integers_at_both_edges(kind):
    """Codes in and codes out are the source's own, zero points included."""
    lo, hi = RANGES[kind]
    net = QdqNet((4, 50), kind=kind)
    x = np.random.default_rng(0).integers(lo, hi + 1, net.shape).astype(helper.tensor_dtype_to_np_dtype(kind))
    model = net.build(net.quantize(net.dequantize("x", 0.25, lo + 9, kind), 0.5, hi - 7, kind))
    graph = imported(model)
    floats, codes = run(graph, x)
    np.testing.assert_array_equal(codes, execute(model, x))
    np.testing.assert_array_equal(floats, execute(model, x))
    assert (graph.encodings[0].zero_point, graph.decodings[0].zero_point) == (lo + 9, hi - 7)
    assert all(isinstance(n.op, Threshold) for n in graph.nodes())


def test_input_with_a_changed_zero_point():
    """A second node that reads the codes with another zero point sums the difference."""
    net = QdqNet((4, 6), kind=TensorProto.UINT8)
    x = np.arange(24, dtype=np.uint8).reshape(4, 6)
    first, second = net.dequantize("x", 1.0, 3), net.dequantize("x", 0.5, 7)
    model = net.build(second, first)
    graph = imported(model)
    assert any(isinstance(n.op, Add) for n in graph.nodes())
    np.testing.assert_array_equal(run(graph, x)[0], execute(model, x))


def test_cast_of_codes():
    """A cast sees the codes themselves."""
    net = QdqNet((4, 6))
    model = net.build(net.node("Cast", net.quantize("x", 0.25, 7), to=TensorProto.FLOAT))
    x = np.random.default_rng(0).normal(size=net.shape).astype(np.float32)
    np.testing.assert_array_equal(run(imported(model), x)[0], execute(model, x))


def test_functions_of_codes():
    """Clipping (as PyTorch narrows codes) and pooling between the two nodes."""
    net = QdqNet((4, 2, 4, 6))
    q = net.node("Clip", net.quantize("x", 0.05, 7), net.codes(3, TensorProto.UINT8), net.codes(60, 2))
    q = net.node("MaxPool", q, kernel_shape=[2, 3], strides=[1, 2])
    net.integer[q] = TensorProto.UINT8
    x = np.random.default_rng(0).normal(size=net.shape).astype(np.float32) * 2
    graph = imported(net.build(q))
    np.testing.assert_array_equal(run(graph, x)[1], execute(net.build(q), x))
    model = net.build(net.dequantize(q, 0.05, 7))
    np.testing.assert_array_equal(run(imported(model), x)[0].astype(np.float32), execute(model, x))


@pytest.mark.parametrize("limits", [(-20000, 300), (25000, 30000), (-32768, 32767)])
def test_clipped_16_bit_codes(limits):
    """Limits inside, outside and at the ends of what the codes can be."""
    net = QdqNet((1, 9000), kind=TensorProto.INT16)
    q = net.quantize(net.dequantize("x", 0.5, 9, TensorProto.INT16), 0.75, -7, TensorProto.INT16)
    q = net.node("Clip", net.node("Cast", q, to=TensorProto.INT32), *(net.codes(v, 6) for v in limits))
    net.integer[q] = TensorProto.INT32
    x = np.linspace(-32768, 32767, 9000).astype(np.int16)[None]
    np.testing.assert_array_equal(run(imported(net.build(q)), x)[1], execute(net.build(q), x))


def test_input_quantized_per_channel():
    """One scale per channel, and a layout change between the two nodes."""
    net = QdqNet((4, 3, 2, 5))
    scales = np.float32([0.25, 0.1, 0.37])
    q = net.node("Transpose", net.quantize("x", scales, 0, TensorProto.INT8, axis=1), perm=[0, 2, 3, 1])
    model = net.build(net.pair(net.dequantize(q, scales, 0, TensorProto.INT8, axis=-1), 0.5))
    x = np.random.default_rng(0).normal(size=net.shape).astype(np.float32) * 4
    np.testing.assert_array_equal(run(imported(model), x)[0], execute(model, x))


def test_float_weights_behind_both_nodes():
    """Weights that the source itself quantizes."""
    net, rng = QdqNet((4, 6)), np.random.default_rng(0)
    weights = net.pair(net.const(rng.normal(size=(6, 3))), [0.03, 0.05, 0.02], 0, TensorProto.INT8, axis=1)
    model = net.build(net.pair(net.node("MatMul", net.pair("x", 0.05, 120), weights), 0.1, 128))
    x = rng.normal(size=net.shape).astype(np.float32)
    theirs = np.rint(execute(model, x) / np.float32(0.1)) + 128
    np.testing.assert_array_equal(run(imported(model), x)[1], theirs)


def chain_model() -> tuple:
    """A float network without branches, and samples."""
    rng = np.random.default_rng(0)

    def stored(name, *shape):
        return numpy_helper.from_array((rng.normal(size=shape) * 0.4).astype(np.float32), name)

    nodes = [
        helper.make_node("Conv", ["x", "w0", "b0"], ["a"], name="first", pads=[1] * 4),
        helper.make_node("Relu", ["a"], ["r"], name="relu"),
        helper.make_node("MaxPool", ["r"], ["p"], name="pool", kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Conv", ["p", "w1", "b1"], ["b"], name="second", group=8),
        helper.make_node("Clip", ["b", "low", "high"], ["c"], name="relu6"),
        helper.make_node("Flatten", ["c"], ["f"], name="flat"),
        helper.make_node("Gemm", ["f", "w2", "b2"], ["y"], name="dense", transB=1),
    ]
    parts = [stored("w0", 8, 3, 3, 3), stored("b0", 8), stored("w1", 8, 1, 3, 3), stored("b1", 8)]
    parts += [stored("w2", 5, 32), stored("b2", 5)]
    parts += [numpy_helper.from_array(np.float32(v), n) for n, v in (("low", 0), ("high", 6))]
    graph = helper.make_graph(
        nodes, "net", [helper.make_tensor_value_info("x", 1, (1, 3, 8, 8))],
        [helper.make_tensor_value_info("y", 1, (1, 5))], parts,
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
    return model, rng.normal(size=(16, 3, 8, 8)).astype(np.float32)


@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("symmetric", [False, True])
def test_static_quantizer(per_channel, symmetric):
    """What ONNX Runtime's static quantizer writes: every code equal."""
    model, x = chain_model()
    model = statically_quantized(model, x, per_channel, symmetric)
    graph = imported(model)
    theirs = np.concatenate([execute(model, frame[None]) for frame in x])
    np.testing.assert_array_equal(run(graph, x)[0].astype(np.float32), theirs)


def test_static_quantizer_with_16_bits():
    """16-bit activations, nodes of com.microsoft: every code equal."""
    model, x = chain_model()
    model = statically_quantized(model, x, True, False, QuantType.QUInt16, UseQDQContribOps=True)
    assert {n.domain for n in model.graph.node if n.op_type == "QuantizeLinear"} == {"com.microsoft"}
    graph = imported(model)
    theirs = np.concatenate([execute(model, frame[None]) for frame in x])
    off = np.rint((run(graph, x)[0] - theirs) / graph.decodings[0].scale)
    assert not off.any()


NODE_ERRORS = {
    "codes in": (lambda n: n.quantize(n.quantize("x", 0.5), 0.5),
        r"QuantizeLinear 'quantizelinear1': input 0 must be float32, but is missing or of an integer type"),
    "type": (lambda n: n.quantize("x", 0.5, 0, TensorProto.INT32),
        r"QuantizeLinear 'quantizelinear0': codes must be of type uint8, int8, uint16, int16, .*, not int32"),
    "type attribute": (lambda n: n.node("QuantizeLinear", "x", n.const(0.5), output_dtype=17),
        r"QuantizeLinear 'quantizelinear0': codes must be of type uint8, .*, not 17"),
    "zero points": (lambda n: n.node("QuantizeLinear", "x", n.const([0.5] * 6), n.codes([1, 2] * 3, 3)),
        (r"QuantizeLinear 'quantizelinear0': the zero point must be one for all channels, but they differ\. "
        r"Quantize per tensor, or symmetrically\.")),
    "scale type": (lambda n: n.node("QuantizeLinear", "x", n.const(0.5, np.float16)),
        r"QuantizeLinear 'quantizelinear0': the scale must be float32, not float16"),
    "scale": (lambda n: n.quantize("x", 0.0),
        r"QuantizeLinear 'quantizelinear0': scales must be finite and above 0, not 0\.0\. Export the .*"),
    "scale nan": (lambda n: n.quantize("x", np.nan),
        r"QuantizeLinear 'quantizelinear0': scales must be finite and above 0, not nan\. Export the .*"),
    "blocks": (lambda n: n.quantize("x", np.ones((1, 3)), block_size=2),
        (r"QuantizeLinear 'quantizelinear0': block_size must be 0: scales in blocks are not supported\. "
        r"Quantize per channel\.")),
    "axis": (lambda n: n.quantize("x", np.ones(6), axis=0),
        (r"QuantizeLinear 'quantizelinear0': the scale must be one number, or one per element of an axis "
        r"behind the batch, not of shape \(6,\) for axis 0 of \(1, 6\)")),
    "dequantized floats": (lambda n: n.dequantize("x", 0.5),
        (r"DequantizeLinear 'dequantizelinear0': its input must be integers of a QuantizeLinear node or of "
        r"the model's input")),
    "dequantized twice": (lambda n: n.dequantize(n.pair("x", 0.5), 0.5),
        r"DequantizeLinear 'dequantizelinear2': its input must be integers of a QuantizeLinear node .*"),
    "dequantized nothing": (lambda n: n.node("DequantizeLinear", "", n.const(0.5)),
        r"DequantizeLinear 'dequantizelinear0': input 0 must be given"),
    "dequantized points": (
        lambda n: n.dequantize(n.quantize("x", np.ones(6)), np.ones(6), [1, 2, 3, 4, 5, 6]),
        (r"DequantizeLinear 'dequantizelinear1': the zero point must be one for all channels, but they "
        r"differ\. Quantize per tensor\.")),
    "constant type": (lambda n: n.node("Add", n.pair("x", 0.5), n.stored_weights(1.0, 0.5, 0, 1)),
        (r"DequantizeLinear 'dequantizelinear2': constant codes must be integers of at most 32 bits, not "
        r"float32")),
    "constant range": (lambda n: n.node("Add", n.pair("x", 0.5), n.stored_weights(100, 3e38)),
        r"DequantizeLinear 'dequantizelinear2': the dequantized constants must lie within float32's range"),
}  # fmt: skip


@pytest.mark.parametrize("case", NODE_ERRORS)
def test_node_is_refused(case):
    """The message names the node, the rule and the value."""
    build, message = NODE_ERRORS[case]
    net = QdqNet((1, 6))
    pattern = (
        rf"^onnx: every node must become integer arithmetic, but 1 of model 'net' cannot:\n  {message}$"
    )
    with pytest.raises(GraphError, match=pattern):
        imported(net.build(build(net)))
