"""ONNX files that were found to break the front end; each ends in one of our errors, told in its words."""

import onnx
import pytest

from gatewright.compiler.frontends import load_model
from gatewright.errors import GraphError, InputError
from mutation_models import qonnx
from qdq_models import QdqNet


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

    rule = r"type: a tensor must have at most 2147483648 elements, not shape \(5, 92\d+, 3\)"
    with pytest.raises(GraphError, match=rule):
        load_model(written(tmp_path, change))


@pytest.mark.parametrize(
    ("window", "rule"),
    [
        ({"kernel_shape": [9, 2]}, r"a 9x2 kernel \(dilated 9x2\) must fit the padded image, not 4x5"),
        ({"kernel_shape": [2**27, 1], "pads": [2**27 - 1, 0, 2**27 - 1, 0], "strides": [2**27, 1]},
         r"a padded image must have at most \d+ pixels, not \(\d+, 5\)"),
    ],
    ids=["larger than the image", "padding without end"],
)  # fmt: skip
def test_averages_over_absurd_windows(tmp_path, window, rule):
    """Told before anything of that size is made."""
    net = QdqNet((1, 2, 4, 5))
    y = net.node("AveragePool", net.pair("x", 0.1, 3), count_include_pad=1, **window)
    path = tmp_path / "m.onnx"
    path.write_bytes(net.build(net.quantize(y, 0.2, 5)).SerializeToString())
    with pytest.raises(GraphError, match=rule):
        load_model(path)
