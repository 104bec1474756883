"""The integer graph as an ONNX model of standard operators."""

import onnx
from onnx import TensorProto, helper

from ..ir import ops
from ..ir.graph import Const, Graph, Input, Node, Value
from ..ir.literal import decoding_text, encoding_text
from ..ir.op import require
from . import adder_rules as adder
from . import element_rules as element
from . import linear_rules as linear
from .emitter import Emitter, Names

OPSET = 21
_IR_VERSION = 10  # the newest that tools of three years back still read
_BATCH = "N"
_MOST_BYTES = 2**31 - 2**24  # protobuf's limit, with room for the nodes

RULES = {
    ops.MatMul: linear.matmul,
    ops.Conv2d: linear.conv2d,
    ops.ConvTranspose2d: linear.conv_transpose2d,
    ops.AdderMatMul: adder.adder_matmul,
    ops.AdderConv2d: adder.adder_conv2d,
    ops.BatchMatMul: linear.batch_matmul,
    ops.Add: linear.add,
    ops.Mul: linear.mul,
    ops.Threshold: element.threshold,
    ops.Lookup: element.lookup,
    ops.ArgMax: element.argmax,
    ops.MaxPool: element.maxpool,
    ops.SumPool: element.sumpool,
    ops.ReduceSum: element.reduce_sum,
    ops.Reshape: element.reshape,
    ops.Transpose: element.transpose,
    ops.Concat: element.concat,
    ops.Slice: element.slice_,
    ops.Pad: element.pad,
    ops.Upsample: element.upsample,
    ops.DepthToSpace: element.depth_to_space,
    ops.SpaceToDepth: element.space_to_depth,
}

# Ops whose operands behind the first are constants that their rule takes from the node.
_WITH_CONSTANTS = (
    ops.MatMul, ops.Conv2d, ops.ConvTranspose2d, ops.AdderMatMul, ops.AdderConv2d, ops.Threshold, ops.Lookup,
)  # fmt: skip


def export_onnx(graph: Graph) -> onnx.ModelProto:
    """A model that any ONNX runtime computes the graph's own integers with; equal graphs, equal bytes.

    Inputs and outputs are int64 with a batch axis "N" in front of the graph's own shapes, in the graph's
    order and under its names (see ``Names``). Float encodings stay outside: the metadata hold them as text.

    Raises:
        GraphError: the graph is not valid, or has no input, or constants too large for one file.
    """
    graph.verify()
    require(bool(graph.inputs), f"export: graph {graph.name!r} must have an input")
    export = _Export(graph)
    size = sum(len(t.raw_data) for t in export.e.constants)
    require(size < _MOST_BYTES, f"export: constants must take less than {_MOST_BYTES} bytes, not {size}. "
            "An ONNX file cannot hold more.")  # fmt: skip
    proto = helper.make_graph(
        export.e.nodes,
        Names().fresh(graph.name or "graph"),
        export.inputs,
        export.outputs,
        export.e.constants,
    )
    model = helper.make_model(
        proto, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=_IR_VERSION,
        producer_name="gatewright",
    )  # fmt: skip
    for i, encoding in enumerate(graph.encodings):
        model.metadata_props.add(key=f"encoding {i}", value=encoding_text(encoding))
    for i, decoding in enumerate(graph.decodings):
        model.metadata_props.add(key=f"decoding {i}", value=decoding_text(decoding))
    return model


class _Export:
    """One pass over the graph's values."""

    def __init__(self, graph: Graph):
        self.e = Emitter()
        self.tensors: dict[int, str] = {}
        self.batched: set[int] = {id(i) for i in graph.inputs}
        self.inputs = [self._input(i) for i in graph.inputs]
        wanted = [self.e.names.fresh(getattr(v, "name", "") or "output") for v in graph.outputs]
        self.count: str | None = None
        for node in graph.nodes():
            self._node(node)
        self.e.label = "outputs"
        self.outputs = [self._output(v, n) for v, n in zip(graph.outputs, wanted, strict=True)]

    def _input(self, value: Input) -> onnx.ValueInfoProto:
        name = self.tensors[id(value)] = self.e.names.fresh(value.name or "input")
        return _info(name, value)

    def _node(self, node: Node) -> None:
        self.e.label = node.name or node.op.name
        operands = node.inputs[:1] if isinstance(node.op, _WITH_CONSTANTS) else node.inputs
        if any(id(v) in self.batched for v in operands):
            self.batched.add(id(node))
        take = self._tensor
        if isinstance(node.op, ops.Concat) and id(node) in self.batched:
            take = self._of_whole_batch
        self.tensors[id(node)] = RULES[type(node.op)](self.e, node, *(take(v) for v in operands))

    def _tensor(self, value: Value) -> str:
        if isinstance(value, Const):
            return self._constant(value)
        return self.tensors[id(value)]

    def _constant(self, value: Const) -> str:
        # Add and Mul take (C,) and (1,) beside whole tensors; leading axes of 1 change neither.
        return self.e.constant(value.value[None])

    def _of_whole_batch(self, value: Value) -> str:
        """The tensor, repeated for every frame where no input is behind it."""
        tensor = self._tensor(value)
        if id(value) in self.batched:
            return tensor
        ones = self.e.constant([1] * len(value.type.shape))
        shape = self.e.op("Concat", self._frames(), ones, axis=0) if value.type.shape else self._frames()
        return self.e.op("Expand", tensor, shape)

    def _frames(self) -> str:
        """How many frames the first input has, as a vector of one element."""
        if self.count is None:
            self.count = self.e.op("Shape", self.inputs[0].name, start=0, end=1)
        return self.count

    def _output(self, value: Value, name: str) -> onnx.ValueInfoProto:
        # An output may be an input, a constant, or named twice; Identity makes a tensor of its own.
        self.e.nodes.append(
            helper.make_node("Identity", [self._of_whole_batch(value)], [name], name=f"{name}/Identity")
        )
        return _info(name, value)


def _info(name: str, value: Value) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.INT64, [_BATCH, *value.type.shape])
