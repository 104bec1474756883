"""Graphs as .onnx files: our ops in the domain ``gatewright``, weights in the narrowest integer type.

Viewers show layers, shapes, ranges and attributes. Shapes have no batch axis. A tensor is called
``number:name``, for names may repeat (constants) or be empty, and ONNX allows neither.
"""

import os
import re
from pathlib import Path

import numpy as np
import onnx
from google.protobuf.message import DecodeError, Message
from onnx import AttributeProto, TensorProto, helper

from ...errors import GraphError, InputError
from .graph import Const, Graph, Input, Node, Value
from .literal import (
    Scanner,
    check_shape,
    check_size,
    decoding_text,
    encoding_text,
    make_op,
    parse_decoding,
    parse_encoding,
)
from .op import Op, require
from .ops import OPS
from .types import Int, TensorType

DOMAIN = "gatewright"
_OPSET = 1
_IR_VERSION = 10  # ONNX Runtime, Netron and qonnx read it; onnx's own default is newer

# Narrowest first: ONNX element type, bits, numpy type that holds it.
_ELEMENTS = (
    (TensorProto.UINT4, 4, np.dtype("u1")),
    (TensorProto.INT4, 4, np.dtype("i1")),
    (TensorProto.UINT8, 8, np.dtype("u1")),
    (TensorProto.INT8, 8, np.dtype("i1")),
    (TensorProto.UINT16, 16, np.dtype("<u2")),
    (TensorProto.INT16, 16, np.dtype("<i2")),
    (TensorProto.UINT32, 32, np.dtype("<u4")),
    (TensorProto.INT32, 32, np.dtype("<i4")),
    (TensorProto.INT64, 64, np.dtype("<i8")),
)


def save(graph: Graph, path: str | os.PathLike) -> None:
    """Write the graph as .onnx, whole or not at all; equal graphs give equal bytes.

    Raises:
        GraphError: the graph is not valid, or a name is not valid Unicode.
        InputError: the file cannot be written.
    """
    graph.verify()
    data = _to_model(graph).SerializeToString(deterministic=True)
    path = Path(path)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        try:
            with open(partial, "xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(partial, path)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(f"save: {path} must be writable ({error.strerror})") from None


def load(path: str | os.PathLike) -> Graph:
    """Read what ``save`` wrote.

    Raises:
        InputError: no readable file, or not ONNX.
        GraphError: ONNX, but not a valid graph of ours.
    """
    path = Path(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"load: {path} must be a readable file ({error.strerror})") from None
    try:
        model = onnx.ModelProto.FromString(data)
    except DecodeError:
        raise InputError(f"load: {path} must be an ONNX file. It is damaged or something else.") from None
    try:
        return _from_model(model)
    except GraphError as error:
        raise GraphError(f"load: {path.name}: {error}") from None


def _to_model(graph: Graph) -> onnx.ModelProto:
    values = graph.values()
    names = {id(v): f"{i}:{_text(v.name)}" if v.name else str(i) for i, v in enumerate(values)}
    infos = {id(v): _value_info(names[id(v)], v.type) for v in values}
    outputs = {id(v) for v in graph.outputs}
    proto = helper.make_graph(
        [_node_proto(v, names) for v in values if isinstance(v, Node)],
        _text(graph.name),
        [infos[id(v)] for v in graph.inputs],
        [infos[id(v)] for v in graph.outputs],
        [_tensor(v, names[id(v)]) for v in values if isinstance(v, Const)],
        value_info=[infos[id(v)] for v in values if isinstance(v, Node) and id(v) not in outputs],
    )
    model = helper.make_model(
        proto, opset_imports=[helper.make_opsetid(DOMAIN, _OPSET)], ir_version=_IR_VERSION,
        producer_name=DOMAIN,
    )  # fmt: skip
    for i, encoding in enumerate(graph.encodings):
        model.metadata_props.add(key=f"encoding {i}", value=encoding_text(encoding))
    for i, decoding in enumerate(graph.decodings):
        model.metadata_props.add(key=f"decoding {i}", value=decoding_text(decoding))
    return model


def _text(name: str) -> str:
    try:
        name.encode()
    except UnicodeEncodeError:
        raise GraphError(f"save: names must be valid Unicode, not {name!r}. Rename that value.") from None
    return name


def _value_info(name: str, type_: TensorType) -> onnx.ValueInfoProto:
    info = helper.make_tensor_value_info(name, _element(type_.dtype)[0], type_.shape)
    info.metadata_props.add(key="range", value=str(TensorType((), type_.dtype))[:-2])
    return info


def _element(dtype: Int):
    for kind, bits, holder in _ELEMENTS:
        signed = holder.kind == "i"
        if dtype.lo >= (-(1 << bits - 1) if signed else 0) and dtype.hi < 1 << bits - signed:
            return kind, bits, holder
    raise AssertionError("Int stays within 62 bits")


def _tensor(const: Const, name: str) -> TensorProto:
    kind, bits, holder = _element(const.type.dtype)
    flat = const.value.reshape(-1).astype(holder)
    if bits == 4:
        codes = np.append(flat, np.zeros(flat.size % 2, holder)).view(np.uint8) & 15
        flat = codes[::2] | codes[1::2] << 4
    return TensorProto(name=name, data_type=kind, dims=const.type.shape, raw_data=flat.tobytes())


def _node_proto(node: Node, names: dict[int, str]) -> onnx.NodeProto:
    proto = helper.make_node(
        type(node.op).__name__,
        [names[id(v)] for v in node.inputs],
        [names[id(node)]],
        name=_text(node.name),
        domain=DOMAIN,
    )
    for key, value in node.op.attributes().items():
        # Not helper.make_attribute: it cannot tell the type of an empty tuple.
        if isinstance(value, tuple):
            proto.attribute.add(name=key, type=AttributeProto.INTS, ints=[int(i) for i in value])
        else:
            proto.attribute.add(name=key, type=AttributeProto.INT, i=int(value))
    return proto


def check_text(model: onnx.ModelProto) -> None:
    """Raise GraphError for strings that are no text: protobuf gives those as bytes."""
    stack: list[Message] = [model]
    while stack:
        for field, value in stack.pop().ListFields():
            if field.type not in (field.TYPE_STRING, field.TYPE_MESSAGE):
                continue
            items = [value] if isinstance(value, Message | str | bytes) else value
            if field.type == field.TYPE_STRING:
                require(all(isinstance(v, str) for v in items), "text must be UTF-8. The file is damaged.")
            else:
                stack.extend(items)


def _from_model(model: onnx.ModelProto) -> Graph:
    check_text(model)
    opset = {o.domain: o.version for o in model.opset_import}
    require(DOMAIN in opset, f"the file must use the operators of {DOMAIN!r}, not {sorted(opset)}. "
            "Import other models through a front end.")  # fmt: skip
    require(opset[DOMAIN] == _OPSET, f"the operators must be version {_OPSET}, not {opset[DOMAIN]}")
    proto = model.graph
    inputs = tuple(Input(_bare(i.name), _declared(i)) for i in proto.input)
    values: dict[str, Value] = {}
    for info, value in zip(proto.input, inputs, strict=True):
        _define(values, info.name, value)
    for tensor in proto.initializer:
        _define(values, tensor.name, _const(tensor))
    for node in proto.node:
        require(len(node.output) == 1, f"node {node.name!r} must have one output, not {len(node.output)}")
        _define(values, node.output[0], _node(node, values))
    for info in (*proto.value_info, *proto.output):
        value = _known(values, info.name, "the graph")
        declared = _declared(info)
        require(declared == value.type, f"{info.name!r} must be {value.type} by inference, not {declared}")
    metadata = {p.key: p.value for p in model.metadata_props}
    graph = Graph(
        inputs,
        tuple(values[o.name] for o in proto.output),
        proto.name,
        _codecs(metadata, "encoding", parse_encoding),
        _codecs(metadata, "decoding", parse_decoding),
    )
    graph.verify()
    return graph


def _codecs(metadata: dict[str, str], kind: str, parse) -> tuple:
    count = sum(key.startswith(f"{kind} ") for key in metadata)
    keys = [f"{kind} {i}" for i in range(count)]
    require(all(k in metadata for k in keys), f"{kind}s must be numbered from 0 without a gap")
    return tuple(parse(Scanner(metadata[k])) for k in keys)


def _define(values: dict[str, Value], name: str, value: Value) -> None:
    require(name not in values, f"tensor {name!r} must be defined once, not again")
    values[name] = value


def _known(values: dict[str, Value], name: str, user: str) -> Value:
    require(name in values, f"{user} uses {name!r}, which must be defined before it. "
            "It is missing, or the graph has a cycle.")  # fmt: skip
    return values[name]


def _bare(name: str) -> str:
    match = re.fullmatch(r"\d+(?::(.*))?", name, re.DOTALL)
    return (match[1] or "") if match else name


def _declared(info: onnx.ValueInfoProto) -> TensorType:
    shape = tuple(d.dim_value for d in info.type.tensor_type.shape.dim)
    text = {p.key: p.value for p in info.metadata_props}.get("range", "")
    scan = Scanner(f"{text}[{', '.join(str(max(d, 0)) for d in shape)}]")
    try:
        type_ = scan.type()
        scan.end()
    except GraphError as error:
        raise GraphError(f"range and shape of {info.name!r}: {error}") from None
    return type_


def _const(tensor: TensorProto) -> Const:
    shape = tuple(tensor.dims)
    check_shape(shape)
    found = [(bits, holder) for kind, bits, holder in _ELEMENTS if kind == tensor.data_type]
    require(bool(found), f"constant {tensor.name!r} must hold integers in raw_data, not element type "
            f"{tensor.data_type}")  # fmt: skip
    bits, holder = found[0]
    count = int(np.prod(shape, dtype=np.int64))
    expected = -(-count * bits // 8)
    require(
        len(tensor.raw_data) == expected,
        f"constant {tensor.name!r} of shape {shape} must have {expected} bytes, not {len(tensor.raw_data)}",
    )
    flat = np.frombuffer(tensor.raw_data, dtype=holder)
    if bits == 4:
        codes = flat.view(np.uint8)
        flat = np.stack([codes & 15, codes >> 4], axis=1).reshape(-1)[:count].astype(np.int64)
        if holder.kind == "i":
            flat = flat - ((flat >> 3) << 4)
    return Const(flat.reshape(shape), _bare(tensor.name))


def _node(proto: onnx.NodeProto, values: dict[str, Value]) -> Node:
    label = f"node {proto.name!r}"
    cls = next((op for op in OPS if op.__name__ == proto.op_type), None)
    require(
        cls is not None and proto.domain == DOMAIN,
        f"{label}: the operator must be one of {', '.join(op.__name__ for op in OPS)} of {DOMAIN!r}, "
        f"not {proto.op_type!r} of {proto.domain!r}",
    )
    operands = tuple(_known(values, name, label) for name in proto.input)
    try:
        node = Node(_op(cls, proto), operands, proto.name)
        check_size(node.type)
    except GraphError as error:
        text = str(error)
        raise GraphError(text if text.startswith("node ") else f"{label}: {text}") from None
    return node


def _op(cls: type[Op], proto: onnx.NodeProto) -> Op:
    attributes: dict[str, object] = {}
    for a in proto.attribute:
        require(a.name not in attributes, f"attribute {a.name!r} must be given once")
        if a.type == AttributeProto.INT:
            attributes[a.name] = a.i
        elif a.type == AttributeProto.INTS:
            attributes[a.name] = tuple(a.ints)
        else:
            raise GraphError(f"attribute {a.name!r} must be INT or INTS, not type {a.type}")
    return make_op(cls, attributes)
