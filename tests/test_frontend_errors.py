"""What cannot be imported is refused up front, all of it, with what to do; hostile files only give errors."""

import re
import subprocess
import sys

import numpy as np
import onnx
import pytest

from gatewright.compiler.frontends import load_model, load_qonnx
from gatewright.compiler.ir.graph import Graph, input_of
from gatewright.compiler.ir.io import save
from gatewright.errors import GraphError, InputError
from qonnx_models import Net, imported, run


def q(net: Net, x: str = "x", scale=0.25) -> str:
    """A 4-bit quantizer."""
    return net.quant(x, scale)


def w(net: Net, *shape: int) -> str:
    """Integer weights."""
    return net.const(np.ones(shape))


def test_all_problems_are_listed():
    """Unsupported operators behind a failed node are listed too; nodes that merely depend on one are not."""
    net = Net((1, 6))
    x = net.node("Relu", net.node("Softmax", "x", name="first"))
    x = net.node("Hardmax", net.node("MatMul", x, w(net, 6, 2)), name="gate")
    y = net.node("Div", net.quant("x", 1.0), net.const(0.0), name="by zero")
    with pytest.raises(GraphError) as caught:
        imported(net.build(x, y))
    names = re.findall(r"^  (\w+) '([^']+)'", str(caught.value), re.MULTILINE)
    assert names == [("Softmax", "first"), ("Hardmax", "gate"), ("Div", "by zero")]
    assert str(caught.value).startswith(
        "qonnx: every node must become integer arithmetic, but 3 of model 'net'"
    )


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda n: "x",
         r"qonnx: inputs and outputs must have names of their own, but two are 'x'"),
        (lambda n: n.node("Identity", "x"),
         r"qonnx: output 't0_0': must pass a quantizer on its way from the input"),
        (lambda n: n.node("Identity", n.const([1.0])),
         r"qonnx: output 't0_0' must depend on the input, but is a constant\. Remove it; in Brevitas, .*"),
        (lambda n: "nothing",
         r"qonnx: output 'nothing' must depend on the input, but is undefined\. Remove it; .*"),
        (lambda n: n.node("Relu", n.node("Add", q(n), n.const(0.1))),
         r"qonnx: output 't2_0': its input must come from a quantizer, not from other float operations\. .*"),
    ],
)  # fmt: skip
def test_output_is_refused(build, message):
    """Outputs must be integers with an affine meaning."""
    net = Net((1, 6))
    with pytest.raises(GraphError, match=f"^{message}$"):
        imported(net.build(build(net)))


def test_output_scaled_along_a_later_axis():
    """A decoding knows one scale, or one per channel."""
    net = Net((1, 2, 3, 3))
    with pytest.raises(
        GraphError, match=r"^qonnx: output 't1_0': its scale and offset must be one for all or one per"
    ):
        imported(net.build(net.node("Mul", q(net), net.const([1.0, 2, 3]))))


@pytest.mark.parametrize(
    ("shape", "kind", "message"),
    [
        (
            (1,),
            1,
            r"qonnx: input 'x' must have a batch axis and known sizes behind it, not shape \[1\]\. Export .*",
        ),
        (
            (1, "n"),
            1,
            r"qonnx: input 'x' must have a batch axis and known sizes behind it, not shape \[1, 0\]\. .*",
        ),
        (
            (1, 2**40),
            1,
            r"qonnx: input 'x' must have at most 67108864 elements a frame, not \[1, 1099511627776\]",
        ),
        ((1, 6), 11, r"qonnx: input 'x' must be float32, or integers of at most 16 bits"),
        ((1, 6), 7, r"qonnx: input 'x' must be float32, or integers of at most 16 bits"),
    ],
)
def test_input_is_refused(shape, kind, message):
    """Inputs of unknown shape or another type."""
    net = Net(shape, kind=kind)
    with pytest.raises(GraphError, match=f"^{message}$"):
        imported(net.build(net.node("Identity", "x")))


def annotated(datatype: str) -> onnx.ModelProto:
    """An input with FINN's datatype annotation."""
    net = Net((1, 6))
    model = net.build(net.node("MatMul", "x", net.const(np.eye(6))))
    note = model.graph.quantization_annotation.add(tensor_name="x")
    note.quant_parameter_tensor_names.add(key="finn_datatype", value=datatype)
    return model


def test_annotated_input():
    """FINN marks float tensors that hold integers."""
    graph = imported(annotated("INT3"))
    assert str(graph.inputs[0].type) == "[-4..3][6]"
    frame = np.array([[-4, 3, 0, 1, 2, -1]])
    np.testing.assert_array_equal(run(graph, frame), frame)


def test_unknown_annotation():
    """A datatype that qonnx does not know."""
    with pytest.raises(GraphError, match=r"^qonnx: input 'x' has a finn_datatype that qonnx does not know$"):
        imported(annotated("NONSENSE"))


def model_file(folder):
    """A valid model on disk."""
    net = Net((1, 6))
    path = folder / "net.onnx"
    path.write_bytes(net.build(net.node("MatMul", q(net), w(net, 6, 2))).SerializeToString())
    return path


def test_file_kinds_are_told_apart(tmp_path):
    """QONNX, and our own graphs, whatever the file is called."""
    assert load_model(model_file(tmp_path)).nodes()[0].op.name == "matmul"
    x = input_of("x", (3,), 0, 7)
    save(Graph((x,), (x,), "mine"), tmp_path / "mine.dat")
    assert load_model(tmp_path / "mine.dat").name == "mine"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\xff\xfejunk", r".*bad\.onnx: must be an ONNX model, but is none\. Export the network as QONNX\."),
        (b"", r".*bad\.onnx: the model must have a graph with outputs, but has none"),
        (None, r".*bad\.onnx: the model must be a readable file \(No such file or directory\)"),
    ],
)
def test_file_is_refused(tmp_path, content, message):
    """Anything that is no ONNX file."""
    path = tmp_path / "bad.onnx"
    if content is not None:
        path.write_bytes(content)
    for load in (load_model, load_qonnx):
        with pytest.raises(InputError, match=f"^{message}$"):
            load(path)


def test_too_large_file(tmp_path):
    """A sparse file of two gigabytes is refused unread."""
    path = tmp_path / "huge.onnx"
    with open(path, "wb") as file:
        file.truncate(2**31)
    with pytest.raises(
        InputError, match=r"huge\.onnx: a model must have at most 1073741824 bytes, not 2147483648$"
    ):
        load_model(path)


def external(folder, **info):
    """A model whose weights lie in ``weights.bin``, or wherever ``info`` says."""
    path = model_file(folder)
    model = onnx.load(str(path))
    tensor = model.graph.initializer[-1]
    (folder / "weights.bin").write_bytes(tensor.raw_data)
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    for key, value in {"location": "weights.bin", **info}.items():
        tensor.external_data.add(key=key, value=str(value))
    path.write_bytes(model.SerializeToString())
    return path


def test_external_data(tmp_path):
    """Weights beside the model are read."""
    np.testing.assert_array_equal(load_model(external(tmp_path)).nodes()[0].inputs[1].value, np.ones((6, 2)))


@pytest.mark.parametrize(
    ("info", "message"),
    [
        (
            {"location": "../secret"},
            r"external data must be a file in the model's own folder, not '\.\./secret'",
        ),
        (
            {"location": "/etc/passwd"},
            r"external data must be a file in the model's own folder, not '/etc/passwd'",
        ),
        ({"location": "link"}, r"external data must be a file in the model's own folder, not 'link'"),
        ({"offset": "x"}, r"external data must have whole offset and length"),
        ({"length": 2**40}, r"external data must have at most \d+ bytes, not 1099511627776"),
        ({"length": 4}, r"data must fit its shape and type \(.*"),
    ],
)
def test_external_data_is_refused(tmp_path, info, message):
    """No file outside the model's folder is read, also not through a link."""
    (tmp_path / "secret").write_bytes(b"0" * 48)
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "link").symlink_to(tmp_path / "secret")
    with pytest.raises(InputError, match=rf"^tensor 'c3': {message}"):
        load_model(external(folder, **info))


def test_tensor_with_too_many_elements():
    """A shape that promises more than any layer has."""
    net = Net((1, 6))
    model = net.build(net.node("MatMul", q(net), w(net, 6, 2)))
    del model.graph.initializer[-1].dims[:]
    model.graph.initializer[-1].dims.extend([2**40, 2])
    with pytest.raises(
        InputError, match=r"^tensor 'c3': must have at most 67108864 elements, not 2199023255552$"
    ):
        imported(model)


def test_import_needs_no_torch():
    """The front end reads models without the framework that trained them."""
    code = "import sys, gatewright.compiler.frontends; print({'torch', 'brevitas', 'tvm'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
