"""The QONNX front end: Brevitas' and FINN's models to integer graphs, exactly.

Each node of the source is met once, in order. Linear layers sum integers; what floats do to the sums is
kept as a chain of float32 steps until a quantizer turns chain and rounding into thresholds. Every node
that cannot be imported is reported, not only the first.
"""

import os
import warnings
from dataclasses import replace
from math import prod
from pathlib import Path

import numpy as np
from onnx import ModelProto, TensorProto
from qonnx.core.datatype import BaseDataType
from qonnx.core.modelwrapper import ModelWrapper

from ...errors import GraphError
from ..ir.boundary import InputEncoding, OutputDecoding, plain_input
from ..ir.graph import Graph, Input, Value
from .constants import COMPUTED, MAX_ELEMENTS, compute, literal
from .handlers import ADVICE, DEFAULT_ADVICE, HANDLERS
from .onnx_file import read_model, tensor_array
from .qdq_ops import QDQ_DOMAINS, coded, edge_zero_point
from .quantize import (
    encode_input,
    integer_input,
    pending_input,
    quantize_constant,
    quantize_tensor,
    quantized_input,
    same_encoding,
)
from .quantizer_ops import QUANTIZERS
from .quantizers import LinearQuantizer, Quantizer
from .source import Operand, SourceNode
from .tensors import Constant, Tensor, plain

QUANTIZER_DOMAINS = (
    "", "onnx.brevitas", "qonnx.custom_op.general", "finn.custom_op.general", "finn",
)  # fmt: skip
_STANDARD_DOMAINS = ("", "ai.onnx")


def load_qonnx(path: str | os.PathLike) -> Graph:
    """A QONNX file as an integer graph.

    Raises:
        InputError: no readable ONNX file.
        GraphError: nodes that cannot become integers; the message lists all of them.
    """
    return import_model(read_model(path), Path(path).stem)


def import_model(model: ModelProto, name: str = "model") -> Graph:
    """A QONNX model in memory, which may be changed, as an integer graph; raises like ``load_qonnx``."""
    importer = _Importer(model, name)
    importer.run()
    graph = importer.graph()
    graph.verify()
    return graph


class _Importer:
    """One import: tensors by name, inputs as they get their quantizers, problems as they are found."""

    def __init__(self, model: ModelProto, name: str):
        # Before qonnx reads them: it does not expect tensors of unknown types.
        self.tensors: dict[str, Operand] = {
            t.name: Constant(tensor_array(t, MAX_ELEMENTS)) for t in model.graph.initializer
        }
        _check_declarations(model)
        with warnings.catch_warnings():
            # qonnx tells of every domain that it renames from FINN's old name to its own.
            warnings.simplefilter("ignore")
            self.wrapper = ModelWrapper(model)
        self.source = self.wrapper.graph
        self.name = name
        self.opset = max(
            [o.version for o in self.wrapper.model.opset_import if o.domain in _STANDARD_DOMAINS], default=9
        )
        self.batch = 1
        self.failed: set[str] = set()
        self.problems: list[str] = []
        self.inputs: dict[str, tuple[Input, InputEncoding]] = {}
        self.names: dict[str, None] = {}

    def run(self) -> None:
        """Meet every input, constant and node that an output needs."""
        stored = set(self.tensors)
        needed = self._needed()
        for value in self.source.input:
            if value.name not in stored:
                self._declare_input(value)
        for index, node in enumerate(self.source.node):
            if needed[index]:
                self._visit(node)
        if self.problems:
            raise GraphError(
                f"qonnx: every node must become integer arithmetic, but {len(self.problems)} of model "
                f"{self.name!r} cannot:\n" + "\n".join(f"  {p}" for p in self.problems)
            )

    def _needed(self) -> list[bool]:
        """For each node, whether an output depends on it; nodes come in topological order."""
        wanted = {o.name for o in self.source.output}
        flags = []
        for node in reversed(self.source.node):
            flags.append(any(o in wanted for o in node.output))
            if flags[-1]:
                wanted.update(node.input)
        return flags[::-1]

    def _declare_input(self, value) -> None:
        kind = value.type.tensor_type
        dims = [d.dim_value for d in kind.shape.dim]
        label = f"input {value.name!r}"
        if len(dims) < 2 or any(d < 1 for d in dims[1:]):
            raise GraphError(
                f"qonnx: {label} must have a batch axis and known sizes behind it, not shape {dims}. "
                "Export with a fixed input shape."
            )
        if prod(dims[1:]) > MAX_ELEMENTS:
            raise GraphError(f"qonnx: {label} must have at most {MAX_ELEMENTS} elements a frame, not {dims}")
        self.batch, shape = max(dims[0], 1), tuple(dims[1:])
        name = self._unique(value.name)
        annotated = self._datatype(value.name)
        if kind.elem_type == TensorProto.FLOAT and not annotated.is_integer():
            self.tensors[value.name] = pending_input(name, shape)
            return
        bounds = _INTEGER_RANGES.get(kind.elem_type)
        if kind.elem_type == TensorProto.FLOAT and annotated.bitwidth() <= 16:
            step = 2 if annotated.name == "BIPOLAR" else 1
            bounds = (int(annotated.min()), int(annotated.max()), step)
        if bounds is None:
            raise GraphError(f"qonnx: {label} must be float32, or integers of at most 16 bits")
        zero = edge_zero_point(value.name, self.source.node, self.tensors)
        tensor = integer_input(name, shape, *bounds, zero)
        self.inputs[name] = (tensor.value, replace(plain_input(shape), zero_point=zero))
        self.tensors[value.name] = tensor

    def _datatype(self, name: str) -> BaseDataType:
        """FINN's annotation of a tensor; float32 where it has none."""
        try:
            return self.wrapper.get_tensor_datatype(name)
        except (KeyError, ValueError):
            raise GraphError(f"qonnx: input {name!r} has a finn_datatype that qonnx does not know") from None

    def _visit(self, node) -> None:
        """One node: its results, or a problem noted and its outputs marked as failed."""
        try:
            results = self._results(node)
        except GraphError as error:
            label = self._label(node)
            self.problems.append(f"{node.op_type} {label!r}: {error}")
            results = None
        if results is None:
            self.failed.update(node.output)
            return
        for name, result in zip(node.output, results, strict=False):
            if name and result is not None:
                self.tensors[name] = result

    @staticmethod
    def _label(node) -> str:
        return node.name or next((o for o in node.output if o), "")

    def _results(self, node) -> tuple[Operand, ...] | None:
        """The node's results; None where an operand has failed already."""
        op = node.op_type
        quantizer = node.domain in QUANTIZER_DOMAINS and op in QUANTIZERS
        linear = op in ("QuantizeLinear", "DequantizeLinear") and node.domain in QDQ_DOMAINS
        quantizer |= linear and op in QUANTIZERS
        standard = linear or node.domain in _STANDARD_DOMAINS
        if not quantizer and not (standard and (op in HANDLERS or op in COMPUTED or op == "Constant")):
            where = "" if standard else f" of domain {node.domain!r}"
            raise GraphError(f"this operator{where} is not supported. {ADVICE.get(op, DEFAULT_ADVICE)}")
        if any(i in self.failed for i in node.input):
            return None
        for name in node.input:
            if name and name not in self.tensors:
                raise GraphError(f"its input {name!r} must come from an earlier node, but from none does")
        operands = tuple(self.tensors[i] if i else None for i in node.input)
        source = SourceNode(node, self._label(node), operands, self.opset, self.batch)
        if op == "Constant":
            return (literal(source),)
        if not operands:
            raise GraphError("it must have inputs, but has none")
        if quantizer:
            return (self._quantized(source),)
        if op in COMPUTED and not any(isinstance(o, Tensor) for o in operands):
            return compute(source)
        if op not in HANDLERS:
            raise GraphError(f"its inputs must be constants. {ADVICE.get(op, DEFAULT_ADVICE)}")
        return HANDLERS[op](self._named(source))

    def _named(self, source: SourceNode) -> SourceNode:
        return SourceNode(
            source.proto, self._unique(source.name), source.operands, source.opset, source.batch
        )

    def _unique(self, name: str) -> str:
        """The name, with a number behind it where it is taken."""
        unique, count = name, 1
        while unique in self.names:
            count += 1
            unique = f"{name}_{count}"
        self.names[unique] = None
        return unique

    def _quantized(self, node: SourceNode) -> Operand:
        quantizer = QUANTIZERS[node.proto.op_type](node)
        operand = node.operands[0]
        if isinstance(operand, Constant):
            result = quantize_constant(operand, quantizer)
        elif not operand.pending:
            result = quantize_tensor(operand, quantizer, self._unique(node.name))
        else:
            result = self._encoded(operand, quantizer)
        return coded(result, quantizer) if isinstance(quantizer, LinearQuantizer) else result

    def _encoded(self, operand: Tensor, quantizer: Quantizer) -> Tensor:
        """A quantizer on the model's float input."""
        source, encoding, sign = encode_input(operand, quantizer)
        known, other = self.inputs.setdefault(source.name, (source, encoding))
        if known.type != source.type or not same_encoding(other, encoding):
            raise GraphError(f"input {source.name!r} must have one quantizer, but has two different ones")
        return quantized_input(operand, known, sign, quantizer)

    def graph(self) -> Graph:
        """The finished graph."""
        outputs, decodings = [], []
        for value in self.source.output:
            tensor = self.tensors.get(value.name)
            if not isinstance(tensor, Tensor):
                kind = "a constant" if tensor else "undefined"
                raise GraphError(
                    f"qonnx: output {value.name!r} must depend on the input, but is {kind}. "
                    "Remove it; in Brevitas, the last layer must not have return_quant_tensor=True."
                )
            try:
                out, decoding = _decoded(tensor)
            except GraphError as error:
                raise GraphError(f"qonnx: output {value.name!r}: {error}") from None
            outputs.append(out)
            decodings.append(decoding)
        # In the order of declaration, which is that of the names.
        pairs = [self.inputs[name] for name in self.names if name in self.inputs]
        inputs, encodings = tuple(i for i, _ in pairs), tuple(e for _, e in pairs)
        return Graph(inputs, tuple(outputs), self.name, encodings, tuple(decodings))


def _check_declarations(model: ModelProto) -> None:
    """qonnx wants each tensor declared once; inferred shapes, which we do not need, may repeat others."""
    del model.graph.value_info[:]
    names = [v.name for v in (*model.graph.input, *model.graph.output)]
    for name in names:
        if names.count(name) > 1:
            raise GraphError(f"qonnx: inputs and outputs must have names of their own, but two are {name!r}")


_INTEGER_RANGES = {
    TensorProto.INT8: (-128, 127, 1),
    TensorProto.UINT8: (0, 255, 1),
    TensorProto.INT16: (-32768, 32767, 1),
    TensorProto.UINT16: (0, 65535, 1),
}


def _decoded(tensor: Tensor) -> tuple[Value, OutputDecoding]:
    """The output's integers, and their floats as ``scale * q + offset``."""
    if tensor.pending:
        raise GraphError("must pass a quantizer on its way from the input")
    parts = tensor.chain.affine()
    value = tensor.value
    if parts is None:
        value, scale = plain(tensor)
        parts = (np.float64(scale), np.float64(0))
    point = tensor.zero_point if tensor.chain.only_scale() else 0
    if tensor.integer:
        parts = (parts[0], parts[1] + point)
    return value, OutputDecoding(
        tensor.shape, tuple(range(tensor.rank)), *(_along_first(p, tensor) for p in parts), point
    )


def _along_first(values: np.ndarray, tensor: Tensor) -> np.ndarray:
    values = np.asarray(values, dtype=np.float64)
    if values.size == 1:
        return values.reshape(1)
    if any(d > 1 for d in values.shape[1:]):
        raise GraphError("its scale and offset must be one for all or one per channel (its first axis)")
    return values.reshape(-1)
