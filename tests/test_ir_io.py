"""Graphs as .onnx files: lossless, deterministic, and safe to read from strangers."""

import subprocess
import sys

import numpy as np
import onnx
import pytest
from hypothesis import given
from onnx import TensorProto

from gatewright.compiler.ir.boundary import InputEncoding, OutputDecoding
from gatewright.compiler.ir.graph import Const, Graph, Input, input_of
from gatewright.compiler.ir.io import load, save
from gatewright.compiler.ir.ops import Conv2d, MatMul, Reshape, Threshold
from gatewright.compiler.ir.text import to_text
from gatewright.errors import GraphError, InputError
from strategies import graphs


def _small():
    x = input_of("image", (3, 3, 2), 0, 255)
    y = Conv2d(pads=(1, 1, 1, 1))(x, Const(np.arange(8).reshape(2, 2, 2, 1) - 8, "w"), name="conv")
    y = Threshold()(y, Const(np.array([[-300, 0, 7]])), name="act")
    y = MatMul()(Reshape((16,))(y), Const(np.arange(48).reshape(16, 3) - 20), name="ünï")
    encoding = InputEncoding((2, 3, 3), (1, 2, 0), np.linspace(0, 1, 255, dtype=np.float32)[None], 0.1)
    decoding = OutputDecoding((3,), (0,), np.full(3, 0.3), np.zeros(1))
    return Graph((x,), (y,), "small", (encoding,), (decoding,))


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    """One folder for all examples of a Hypothesis test."""
    return tmp_path_factory.mktemp("io")


def test_round_trip_is_exact(scratch):
    """What was saved is loaded: the text, which is lossless, is the same; so are the bytes."""

    @given(graphs())
    def check(graph):
        save(graph, scratch / "a.onnx")
        again = load(scratch / "a.onnx")
        assert to_text(again) == to_text(graph)
        save(again, scratch / "b.onnx")
        assert (scratch / "a.onnx").read_bytes() == (scratch / "b.onnx").read_bytes()

    check()


def test_values_that_share_constants_and_repeat_outputs(tmp_path):
    """Shared constants stay one; a value may be two outputs; inputs and constants may be outputs."""
    x, w = input_of("x", (2,), 0, 3), Const(np.eye(2, dtype=int), "w")
    y = MatMul()(MatMul()(x, w), w)
    save(Graph((x,), (y, y, x, w)), tmp_path / "m.onnx")
    graph = load(tmp_path / "m.onnx")
    first, second, *_ = graph.outputs
    assert first is second
    assert first.inputs[1] is first.inputs[0].inputs[1]
    assert isinstance(graph.outputs[2], Input)
    assert isinstance(graph.outputs[3], Const)


RANGES = [
    (0, 15, TensorProto.UINT4),
    (-8, 7, TensorProto.INT4),
    (-1, 15, TensorProto.INT8),
    (0, 16, TensorProto.UINT8),
    (0, 255, TensorProto.UINT8),
    (-128, 127, TensorProto.INT8),
    (-1, 128, TensorProto.INT16),
    (0, 65535, TensorProto.UINT16),
    (-1, 32768, TensorProto.INT32),
    (0, 2**32 - 1, TensorProto.UINT32),
    (-1, 2**31, TensorProto.INT64),
    (0, 2**59, TensorProto.INT64),
]


@pytest.mark.parametrize(("low", "high", "kind"), RANGES)
def test_constants_take_the_narrowest_type(tmp_path, low, high, kind):
    """Both ends of each element type, an odd number of elements, survive in that type."""
    x = input_of("x", (3,), 0, 0)
    w = np.array([[low], [high], [low]])
    save(Graph((x,), (MatMul()(x, Const(w)),)), tmp_path / "m.onnx")
    assert onnx.load(tmp_path / "m.onnx").graph.initializer[0].data_type == kind
    assert np.array_equal(load(tmp_path / "m.onnx").outputs[0].inputs[1].value, w)


def test_file_is_what_viewers_expect(tmp_path):
    """Valid ONNX of IR version 10, named layers of our domain, shapes and ranges on every value."""
    save(_small(), tmp_path / "m.onnx")
    model = onnx.load(tmp_path / "m.onnx")
    onnx.checker.check_model(model)
    assert model.ir_version == 10
    assert {n.domain for n in model.graph.node} == {"gatewright"}
    assert [n.op_type for n in model.graph.node] == ["Conv2d", "Threshold", "Reshape", "MatMul"]
    assert [n.name for n in model.graph.node] == ["conv", "act", "", "ünï"]
    attributes = {a.name: onnx.helper.get_attribute_value(a) for a in model.graph.node[0].attribute}
    assert attributes == {"strides": [1, 1], "pads": [1] * 4, "dilations": [1, 1], "groups": 1}
    infos = [*model.graph.input, *model.graph.value_info, *model.graph.output]
    assert len(infos) == 5
    assert {p.key: p.value for p in infos[0].metadata_props} == {"range": "[0..255]"}
    assert [d.dim_value for d in infos[-1].type.tensor_type.shape.dim] == [3]
    assert {p.key for p in model.metadata_props} == {"encoding 0", "decoding 0"}


def test_save_replaces_whole_files_or_nothing(tmp_path, monkeypatch):
    """A failed write leaves the old file and no debris; permissions are the user's usual ones."""
    path = tmp_path / "m.onnx"
    save(_small(), path)
    before = path.read_bytes()
    (tmp_path / "plain").write_text("")
    assert path.stat().st_mode == (tmp_path / "plain").stat().st_mode

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(InputError, match=r"^save: .*m\.onnx must be writable \(No space left on device\)$"):
        save(Graph((), ()), path)
    assert path.read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["m.onnx", "plain"]


def test_save_into_a_missing_folder(tmp_path):
    """The message names the file and the system's reason."""
    with pytest.raises(InputError, match=r"^save: .*m\.onnx must be writable \(No such file or directory\)$"):
        save(_small(), tmp_path / "no" / "m.onnx")


def test_save_refuses_what_it_could_not_load(tmp_path):
    """Invalid graphs, and names that are no text."""
    x = input_of("x", (2,), 0, 1)
    with pytest.raises(GraphError, match=r"^graph 'model': input 'x' is used but not declared$"):
        save(Graph((), (x,)), tmp_path / "m.onnx")
    stray = input_of("\ud800", (2,), 0, 1)
    expected = r"^save: names must be valid Unicode, not '\\ud800'\. Rename that value\.$"
    with pytest.raises(GraphError, match=expected):
        save(Graph((stray,), (stray,)), tmp_path / "m.onnx")
    assert list(tmp_path.iterdir()) == []


def test_loading_imports_neither_torch_nor_tvm(tmp_path):
    """Reading a graph must be cheap for tools that only look at it."""
    save(_small(), tmp_path / "m.onnx")
    code = (
        "import sys; from gatewright.compiler.ir.io import load; load(sys.argv[1]); "
        "print(sorted({'torch', 'tvm', 'onnxruntime'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "m.onnx")], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
