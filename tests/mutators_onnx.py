"""Changes the meaning of ONNX files that stay ONNX files."""

from collections.abc import Callable

from onnx import ModelProto, TensorProto

from mutators import REAL, TEXT, WHOLE, Rng, pick

_KNOWN = [
    "Add", "Mul", "MatMul", "Conv", "ConvTranspose", "Concat", "Reshape", "MaxPool", "AveragePool",
    "Clip", "Quant", "BipolarQuant", "Trunc", "MultiThreshold", "TopK", "ArgMax", "Loop", "If", "Slice",
    "Pad", "Split", "Resize", "QLinearConv", "QLinearAdd", "QuantizeLinear", "DequantizeLinear",
    "Transpose", "Gemm", "Shape", "Gather", "Expand", "ConstantOfShape", "ReduceMean", "Sigmoid",
    "Softmax", "Div", "Sub", "Sqrt",
]  # fmt: skip


def of_meaning(rng: Rng, data: bytes) -> bytes:
    """An ONNX file with one to three changes that keep it an ONNX file: wiring, shapes, attributes."""
    model = ModelProto.FromString(data)
    for _ in range(int(rng.integers(1, 4))):
        if model.graph.node and model.graph.initializer:
            pick(rng, _MEANINGS)(rng, model.graph)
    return model.SerializeToString()


def _rewire(rng: Rng, graph) -> None:
    """An operand becomes any tensor: cycles, constants for results, missing ones."""
    node = pick(rng, graph.node)
    names = [o for n in graph.node for o in n.output] + [t.name for t in graph.initializer]
    names += [i.name for i in graph.input] + ["", "nowhere"]
    if node.input:
        node.input[int(rng.integers(len(node.input)))] = pick(rng, names)


def _swap_inputs(rng: Rng, graph) -> None:
    node = pick(rng, graph.node)
    order = [str(n) for n in rng.permutation(list(node.input))]
    del node.input[:]
    node.input.extend(order)


def _fewer_or_more_inputs(rng: Rng, graph) -> None:
    node = pick(rng, graph.node)
    if node.input and rng.random() < 0.5:
        del node.input[-1]
    elif node.input:
        node.input.append(pick(rng, node.input))


def _double_node(rng: Rng, graph) -> None:
    """A copy under its own results, or under another one's."""
    node = graph.node.add()
    node.CopyFrom(pick(rng, graph.node))
    if rng.random() < 0.5 and node.output:
        node.output[0] = pick(rng, ["copy", *(i for n in graph.node for i in n.input)])


def _reorder(rng: Rng, graph) -> None:
    nodes = [graph.node[i] for i in rng.permutation(len(graph.node))]
    copies = [type(n).FromString(n.SerializeToString()) for n in nodes]
    del graph.node[:]
    graph.node.extend(copies)


def _retype(rng: Rng, graph) -> None:
    """Another operator of the model, or any that front ends know by name."""
    known = [n.op_type for n in graph.node] + _KNOWN
    pick(rng, graph.node).op_type = pick(rng, known)


def _attribute(rng: Rng, graph) -> None:
    """One attribute's value, within its type, or its name."""
    found = [a for n in graph.node for a in n.attribute]
    if not found:
        return
    a = pick(rng, found)
    if a.ints:
        a.ints[int(rng.integers(len(a.ints)))] = pick(rng, WHOLE)
    elif a.type == a.INT:
        a.i = pick(rng, WHOLE)
    elif a.type == a.FLOAT:
        a.f = pick(rng, REAL)
    elif a.type == a.STRING:
        a.s = pick(rng, TEXT).encode()
    else:
        a.name = pick(rng, ("axis", "perm", "group", "value"))


def _dimension(rng: Rng, graph) -> None:
    """A dimension of an input or of a constant, with or without its elements."""
    if rng.random() < 0.4:
        dims = [d for i in graph.input for d in i.type.tensor_type.shape.dim]
        if dims:
            pick(rng, dims).dim_value = pick(rng, WHOLE)
        return
    tensor = pick(rng, graph.initializer)
    if tensor.dims:
        tensor.dims[int(rng.integers(len(tensor.dims)))] = pick(rng, WHOLE)


def _element_type(rng: Rng, graph) -> None:
    kinds = [v for v in TensorProto.DataType.values() if v]
    if rng.random() < 0.3 and graph.input:
        pick(rng, graph.input).type.tensor_type.elem_type = pick(rng, kinds)
    else:
        pick(rng, graph.initializer).data_type = pick(rng, kinds)


def _elements(rng: Rng, graph) -> None:
    """The bytes of a constant, as many as before."""
    tensor = pick(rng, graph.initializer)
    raw = bytearray(tensor.raw_data)
    if raw:
        at = int(rng.integers(len(raw)))
        raw[at : at + 4] = rng.bytes(min(4, len(raw) - at))
        tensor.raw_data = bytes(raw)


def _external(rng: Rng, graph) -> None:
    """A constant that claims to lie in another file: outside, absent, a folder, or with absurd places."""
    tensor = pick(rng, graph.initializer)
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    places = (
        "../secret",
        "/etc/passwd",
        "..",
        "",
        ".",
        "absent",
        "\0",
        "model",
        "a/../../secret",
        "x" * 5000,
    )
    tensor.external_data.add(key="location", value=pick(rng, places))
    for key in ("offset", "length"):
        if rng.random() < 0.5:
            tensor.external_data.add(key=key, value=str(pick(rng, (*WHOLE, "one", "", "1e9", "9" * 5000))))


_MEANINGS: tuple[Callable, ...] = (
    _rewire, _swap_inputs, _fewer_or_more_inputs, _double_node, _reorder, _retype, _attribute, _attribute,
    _dimension, _dimension, _element_type, _elements, _external,
)  # fmt: skip
