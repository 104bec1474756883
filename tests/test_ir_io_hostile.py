"""Files that are damaged, or made to do harm: all end in our own errors, each told in its words."""

import numpy as np
import onnx
import pytest
from onnx import AttributeProto, TensorProto

from gatewright.compiler.ir.boundary import InputEncoding, OutputDecoding
from gatewright.compiler.ir.graph import Const, Graph, input_of
from gatewright.compiler.ir.io import load, save
from gatewright.compiler.ir.literal import MAX_ELEMENTS
from gatewright.compiler.ir.ops import OPS, Conv2d, MatMul, Reshape, Threshold
from gatewright.errors import GraphError, InputError


def _small():
    x = input_of("image", (3, 3, 2), 0, 255)
    y = Conv2d(pads=(1, 1, 1, 1))(x, Const(np.arange(8).reshape(2, 2, 2, 1) - 8, "w"), name="conv")
    y = Threshold()(y, Const(np.array([[-300, 0, 7]])), name="act")
    y = MatMul()(Reshape((16,))(y), Const(np.arange(48).reshape(16, 3) - 20), name="ünï")
    encoding = InputEncoding((2, 3, 3), (1, 2, 0), np.linspace(0, 1, 255, dtype=np.float32)[None], 0.1)
    decoding = OutputDecoding((3,), (0,), np.full(3, 0.3), np.zeros(1))
    return Graph((x,), (y,), "small", (encoding,), (decoding,))


def _cycle(m):
    m.graph.node[0].input[0] = m.graph.node[3].output[0]


def _attribute(m, **fields):
    a = m.graph.node[0].attribute[0]
    a.Clear()
    for key, value in fields.items():
        if isinstance(value, list):
            getattr(a, key).extend(value)
        else:
            setattr(a, key, value)


def _set(path, value):
    """A change that sets ``graph.node[0].op_type`` and the like."""

    def change(m):
        *parents, last = path.split(".")
        target = m
        for part in parents:
            name, _, index = part.partition("[")
            target = getattr(target, name)
            if index:
                target = target[int(index[:-1])]
        setattr(target, last, value)

    return change


OURS = ", ".join(op.__name__ for op in OPS)
HOSTILE = {
    "cycle": (
        _cycle,
        (
            r"node 'conv' uses '\d+:ünï', which must be defined before it\. "
            r"It is missing, or the graph has a cycle\."
        ),
    ),
    "dangling": (
        lambda m: m.graph.node[1].input.__setitem__(1, "nowhere"),
        r"node 'act' uses 'nowhere', which must be defined before it\. .*",
    ),
    "op": (
        _set("graph.node[0].op_type", "Relu"),
        rf"node 'conv': the operator must be one of {OURS} of 'gatewright', not 'Relu' of 'gatewright'",
    ),
    "domain": (_set("graph.node[0].domain", ""), r"node 'conv': the operator must be .*, not 'Conv2d' of ''"),
    "opset": (
        lambda m: m.opset_import[0].ClearField("domain"),
        (
            r"the file must use the operators of 'gatewright', not \[''\]\. "
            r"Import other models through a front end\."
        ),
    ),
    "version": (
        lambda m: setattr(m.opset_import[0], "version", 2),
        r"the operators must be version 1, not 2",
    ),
    "attribute type": (
        lambda m: _attribute(m, name="strides", type=AttributeProto.FLOAT, f=1.0),
        r"node 'conv': attribute 'strides' must be INT or INTS, not type 1",
    ),
    "attribute kind": (
        lambda m: _attribute(m, name="strides", type=AttributeProto.INT, i=1),
        r"node 'conv': conv2d: strides must be a tuple of 2 integers, not 1",
    ),
    "attribute length": (
        lambda m: _attribute(m, name="strides", type=AttributeProto.INTS, ints=[1]),
        r"node 'conv': conv2d: strides must be a tuple of 2 integers, not \(1,\)",
    ),
    "attribute name": (
        lambda m: _attribute(m, name="stride", type=AttributeProto.INT, i=1),
        (
            r"node 'conv': conv2d: attributes must be dilations, groups, pads, strides, "
            r"not dilations, groups, pads, stride"
        ),
    ),
    "attribute twice": (
        lambda m: m.graph.node[0].attribute.append(m.graph.node[0].attribute[0]),
        r"node 'conv': attribute 'strides' must be given once",
    ),
    "outputs": (lambda m: m.graph.node[0].output.append("more"), r"node 'conv' must have one output, not 2"),
    "twice": (
        lambda m: m.graph.node.append(m.graph.node[0]),
        r"tensor '2:conv' must be defined once, not again",
    ),
    "output": (_set("graph.output[0].name", "gone"), r"the graph uses 'gone', which must be defined .*"),
    "huge input": (
        lambda m: setattr(m.graph.input[0].type.tensor_type.shape.dim[0], "dim_value", 2**26),
        rf"range and shape of '0:image': a tensor must have at most {MAX_ELEMENTS} elements, not .*",
    ),
    "negative dimension": (
        lambda m: setattr(m.graph.input[0].type.tensor_type.shape.dim[0], "dim_value", -5),
        r"range and shape of '0:image': type: every dimension must be a positive integer, not \(0, 3, 2\)",
    ),
    "huge constant": (
        lambda m: m.graph.initializer[0].dims.append(2**60),
        rf"a tensor must have at most {MAX_ELEMENTS} elements, not .*",
    ),
    "huge result": (
        lambda m: _attribute(m, name="strides", type=AttributeProto.INTS, ints=[2**40, 1]),
        r"node 'conv': conv2d: strides must be at most 1048576, not .*",
    ),
    "short constant": (
        _set("graph.initializer[0].raw_data", b"12"),
        r"constant '1:w' of shape \(2, 2, 2, 1\) must have 4 bytes, not 2",
    ),
    "float constant": (
        _set("graph.initializer[0].data_type", TensorProto.FLOAT),
        r"constant '1:w' must hold integers in raw_data, not element type 1",
    ),
    "range": (
        lambda m: setattr(m.graph.input[0].metadata_props[0], "value", "[0..254]"),
        r"'2:conv' must be .* by inference, not .*",
    ),
    "no range": (
        lambda m: m.graph.input[0].ClearField("metadata_props"),
        r"range and shape of '0:image': must go on with a type such as .*",
    ),
    "encoding": (
        lambda m: setattr(m.metadata_props[0], "value", "from (2, 3, 3) perm (1, 2)"),
        r"input encoding: perm must order the 3 axes, not \(1, 2\)",
    ),
    "gap": (
        lambda m: setattr(m.metadata_props[0], "key", "encoding 1"),
        r"encodings must be numbered from 0 without a gap",
    ),
    "names": (_set("graph.node[1].name", "conv"), r"graph 'small': two values are named 'conv'"),
}


@pytest.mark.parametrize("label", HOSTILE)
def test_hostile_file_is_refused(tmp_path, label):
    """Each rule a file can break, and the words in which it is told."""
    change, message = HOSTILE[label]
    path = tmp_path / "m.onnx"
    save(_small(), path)
    model = onnx.load(path)
    change(model)
    path.write_bytes(model.SerializeToString())
    with pytest.raises(GraphError, match=rf"^load: m\.onnx: {message}$"):
        load(path)


def test_unreadable_files(tmp_path):
    """No file, a folder, and what is not ONNX."""
    with pytest.raises(
        InputError, match=r"^load: .*gone must be a readable file \(No such file or directory\)$"
    ):
        load(tmp_path / "gone")
    with pytest.raises(InputError, match=r"^load: .* must be a readable file \(Is a directory\)$"):
        load(tmp_path)
    (tmp_path / "bad").write_bytes(b"\xff" * 40)
    expected = r"^load: .*bad must be an ONNX file\. It is damaged or something else\.$"
    with pytest.raises(InputError, match=expected):
        load(tmp_path / "bad")


def test_names_that_are_not_utf8(tmp_path):
    """Text fields with broken bytes are named as such."""
    path = tmp_path / "m.onnx"
    save(_small(), path)
    path.write_bytes(path.read_bytes().replace("ünï".encode(), b"\xff\xfe\xff\xfe\xff"))
    with pytest.raises(GraphError, match=r"^load: m\.onnx: text must be UTF-8\. The file is damaged\.$"):
        load(path)


def test_damaged_files_end_in_our_errors_only(tmp_path):
    """Truncations, flipped bits, and overwritten and doubled stretches, 900 of them, all reproducible."""
    path = tmp_path / "m.onnx"
    save(_small(), path)
    whole = path.read_bytes()
    rng = np.random.default_rng(2026)
    refused = 0
    for i in range(900):
        data = bytearray(whole)
        at = int(rng.integers(len(data)))
        if i % 4 == 0:
            del data[at:]
        elif i % 4 == 1:
            data[at] ^= 1 << int(rng.integers(8))
        elif i % 4 == 2:
            data[at : at + 4] = rng.bytes(4)
        else:
            data[at:at] = data[at : at + int(rng.integers(1, 60))]
        path.write_bytes(data)
        try:
            load(path).verify()
        except (GraphError, InputError):
            refused += 1
    assert 500 < refused < 900
