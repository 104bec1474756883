"""ONNX files that were found to break the front end; each ends in one of our errors, told in its words."""

import numpy as np
import onnx
import pytest

from gatewright.compiler.frontends import load_model
from gatewright.compiler.ir.evaluate import evaluate
from gatewright.errors import GraphError, InputError
from mutation_models import qonnx
from qdq_models import QdqNet, execute


def written(folder, change, which=0):
    """A QONNX file with one change."""
    model = onnx.load_model_from_string(qonnx()[which])
    change(model)
    path = folder / "m.onnx"
    path.write_bytes(model.SerializeToString())
    return path


@pytest.mark.parametrize("location", ["a\0b", "n" * 5000, "n" * 300, "."])
def test_external_data_under_no_name_of_a_file(tmp_path, location):
    """A zero byte, or a name longer than files have, is no file of the model's folder."""

    def change(model):
        tensor = model.graph.initializer[0]
        tensor.data_location = onnx.TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value=location)

    rule = r"tensor 'c0': external data must be a file in the model's own folder, not '.{1,200}'"
    with pytest.raises(InputError, match=f"^{rule}$"):
        load_model(written(tmp_path, change))


def test_external_data_behind_the_end_of_its_file(tmp_path):
    """An offset that no file has gives no data, whatever the system's seek takes."""

    def change(model):
        tensor = model.graph.initializer[0]
        tensor.ClearField("raw_data")
        tensor.data_location = onnx.TensorProto.EXTERNAL
        for key, value in (("location", "part"), ("offset", str(2**63))):
            tensor.external_data.add(key=key, value=value)

    (tmp_path / "part").write_bytes(b"1234")
    with pytest.raises(InputError, match=r"^tensor 'c0': data must fit its shape and type \(.*\)$"):
        load_model(written(tmp_path, change))


def test_names_that_are_not_utf8(tmp_path):
    """Protobuf gives these as bytes, which no name may be."""
    path = tmp_path / "m.onnx"
    path.write_bytes(qonnx()[0].replace(b"maxpool6", b"max\xff\xfe\xff\xfe6"))
    with pytest.raises(InputError, match=r"^.*m\.onnx: text must be UTF-8\. The file is damaged\.$"):
        load_model(path)


def test_attributes_of_a_function_around_the_node(tmp_path):
    """Such a reference has no value."""

    def change(model):
        node = next(n for n in model.graph.node if n.op_type == "MaxPool")
        next(a for a in node.attribute if a.name == "kernel_shape").ref_attr_name = "outer"

    with pytest.raises(GraphError, match=r"attribute kernel_shape must have a value of its own$"):
        load_model(written(tmp_path, change))


def test_multi_threshold_with_a_huge_bias(tmp_path):
    """Its codes would not fit the machine's integers."""

    def change(model):
        node = next(n for n in model.graph.node if n.op_type == "MultiThreshold")
        next(a for a in node.attribute if a.name == "out_bias").f = 1e30

    rule = r"out_bias must be at most 1073741824 times out_scale, not 1\.0\d*e\+30"
    with pytest.raises(GraphError, match=rule):
        load_model(written(tmp_path, change, 1))


def test_pads_beyond_all_images(tmp_path):
    """A small file may ask for a tensor that no machine holds."""

    def change(model):
        node = next(n for n in model.graph.node if n.op_type == "Conv")
        next(a for a in node.attribute if a.name == "pads").ints[3] = 2**63 - 1

    rule = r"strides, pads and dilations must be at most 65536, not .*, \(0, 0, 1, 9223372036854775807\) and"
    with pytest.raises(GraphError, match=rule):
        load_model(written(tmp_path, change))


@pytest.mark.parametrize(
    ("window", "rule"),
    [
        ({"kernel_shape": [9, 2]}, r"a 9x2 kernel \(dilated 9x2\) must fit the padded image, not 4x5"),
        ({"kernel_shape": [2**15] * 2, "pads": [2**15 - 1] * 4, "strides": [2**15] * 2},
         r"a padded image must have at most \d+ pixels, not \(65538, 65539\)"),
        ({"kernel_shape": [2, 2], "strides": [1, 2**17]},
         r"kernel, strides, pads and dilations must be at most 65536, not \(2, 2\), \(1, 131072\), .*"),
    ],
    ids=["larger than the image", "padding without end", "stride"],
)  # fmt: skip
def test_averages_over_absurd_windows(tmp_path, window, rule):
    """Told before anything of that size is made."""
    net = QdqNet((1, 2, 4, 5))
    y = net.node("AveragePool", net.pair("x", 0.1, 3), count_include_pad=1, **window)
    path = tmp_path / "m.onnx"
    path.write_bytes(net.build(net.quantize(y, 0.2, 5)).SerializeToString())
    with pytest.raises(GraphError, match=rule):
        load_model(path)


def test_tensors_beyond_all_machines(tmp_path):
    """Pads that are allowed each, on layers of many channels, may still ask for too much."""
    net = QdqNet((1, 64, 4, 4))
    y = net.pair("x", 0.1, 3)
    y = net.node("Conv", y, net.stored_weights(np.ones((64, 64, 1, 1), int), 0.1), pads=[0, 0, 2**14, 2**14])
    path = tmp_path / "m.onnx"
    path.write_bytes(net.build(y).SerializeToString())
    rule = r"type: a tensor must have at most 2147483648 elements, not shape \(16388, 16388, 64\)"
    with pytest.raises(GraphError, match=rule):
        load_model(path)


def test_tables_of_nodes_without_all_operands(tmp_path):
    """ONNX Runtime's own reading of QLinearSigmoid without a zero point ends the whole process."""
    net = QdqNet((1, 6))
    q, ends = net.quantize("x", 0.1, 0), [net.const(np.float32(s)) for s in (0.1, 1 / 256)]
    y = net.node("QLinearSigmoid", q, ends[0], "", ends[1], domain="com.microsoft")
    net.integer[y] = onnx.TensorProto.UINT8
    path = tmp_path / "m.onnx"
    path.write_bytes(net.build(y).SerializeToString())
    x = np.linspace(0, 25, 6, dtype=np.float32)[None]
    codes = np.rint(np.clip(x / np.float32(0.1), 0, 255)) * 0.1
    expected = np.clip(np.rint(256 / (1 + np.exp(-codes))), 0, 255)
    graph = load_model(path)
    found = evaluate(graph, graph.encodings[0].apply(x, graph.inputs[0].type))[0]
    np.testing.assert_allclose(graph.decodings[0].integers(found), expected, atol=1)


def test_weights_with_zero_points_of_another_shape(tmp_path):
    """Three zero points for five columns."""
    net = QdqNet((1, 8))
    zeros = net.codes([0, 0, 0], onnx.TensorProto.INT8)
    weights = net.codes(np.ones((8, 5), int), onnx.TensorProto.INT8), net.const(np.float32(0.1)), zeros
    ends = net.const(np.float32(0.5)), net.codes(7, onnx.TensorProto.UINT8)
    y = net.node("QLinearMatMul", net.quantize("x", 0.5, 7), *ends, *weights, *ends)
    path = tmp_path / "m.onnx"
    path.write_bytes(net.build(y).SerializeToString())
    rule = r"the second input must have one zero point, or one per channel, not 3$"
    with pytest.raises(GraphError, match=rule):
        load_model(path)


@pytest.mark.parametrize("count", [0, 7, 2**40])
def test_splits_into_more_parts_than_elements(tmp_path, count):
    """A list of that many sizes would not fit memory."""
    net = QdqNet((1, 6, 2))
    y = net.node("Split", net.pair("x", 0.1, 3), outputs=2, axis=1, num_outputs=count)
    path = tmp_path / "m.onnx"
    path.write_bytes(net.build(net.quantize(y, 0.2, 5)).SerializeToString())
    rule = rf"num_outputs must be 1 to 6, as many as there are elements, not {count}$"
    with pytest.raises(GraphError, match=rule):
        load_model(path)


@pytest.mark.parametrize(("offset", "code"), [(1e6, 255), (-1e6, 0)])
def test_functions_of_many_values_that_end_in_one_code(tmp_path, offset, code):
    """The smaller of two tensors, far beyond either end of the quantizer's range."""
    net = QdqNet((1, 2, 4, 4))
    x = net.pair("x", 0.1, 31)
    y = net.pair(net.node("MaxPool", x, kernel_shape=[3, 3], pads=[1, 1, 1, 1]), 0.13, 20)
    y = net.node("Add", net.node("Min", x, y), net.const(np.float32(offset)))
    path = tmp_path / "m.onnx"
    path.write_bytes(net.build(net.quantize(y, 0.2, 90)).SerializeToString())
    graph = load_model(path)
    frames = np.random.default_rng(0).normal(size=(3, 2, 4, 4)).astype(np.float32)
    found = evaluate(graph, graph.encodings[0].apply(frames, graph.inputs[0].type))[0]
    assert (graph.decodings[0].integers(found) == code).all()
    reach = graph.outputs[0].type.dtype
    assert (reach.lo + 90 >= 0, reach.hi + 90 <= 255) == (True, True)


def test_a_constant_before_a_computed_matrix(tmp_path):
    """Codes of one zero point on the left of a product."""
    net = QdqNet((1, 3, 4))
    q = net.quantize("x", 0.5, 7)
    ends = net.const(np.float32(0.5)), net.codes(7, onnx.TensorProto.UINT8)
    left = net.codes(np.arange(6).reshape(2, 3), onnx.TensorProto.UINT8)
    y = net.node("QLinearMatMul", left, *ends, q, *ends, *ends)
    net.integer[y] = onnx.TensorProto.UINT8
    model = net.build(y)
    path = tmp_path / "m.onnx"
    path.write_bytes(model.SerializeToString())
    graph, x = load_model(path), np.linspace(-3, 9, 12, dtype=np.float32).reshape(1, 3, 4)
    found = evaluate(graph, graph.encodings[0].apply(x, graph.inputs[0].type))[0]
    np.testing.assert_array_equal(graph.decodings[0].integers(found), execute(model, x))


def test_weights_without_elements(tmp_path):
    """No row, and so no output."""
    net = QdqNet((1, 6))
    weights = net.dequantize(net.codes(np.zeros((0, 6), int), onnx.TensorProto.INT8), 0.1, 0,
                             onnx.TensorProto.INT8)  # fmt: skip
    path = tmp_path / "m.onnx"
    y = net.node("Gemm", net.pair("x", 0.1, 3), weights, transB=1)
    path.write_bytes(net.build(net.quantize(y, 0.2, 5)).SerializeToString())
    with pytest.raises(GraphError, match=r"the weights must have elements, but are of shape \(6, 0\)$"):
        load_model(path)
