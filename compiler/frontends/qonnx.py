"""The ONNX front end: QONNX models of Brevitas and FINN, and quantized ONNX, to integer graphs, exactly.

Linear layers sum integers; what floats do to the sums is kept as a chain of float32 steps until a
quantizer turns chain and rounding into thresholds. ONNX in QDQ and QOperator form comes in here too.
"""

import os
import warnings
from collections import Counter
from dataclasses import replace
from math import prod
from pathlib import Path

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto
from qonnx.core.datatype import BaseDataType
from qonnx.core.modelwrapper import ModelWrapper

from ...errors import GraphError
from ..ir.boundary import OutputDecoding, plain_input
from ..ir.graph import Graph, Value
from ..ir.onnx_file import read_model, tensor_array
from .constants import COMPUTED, MAX_ELEMENTS, compute, literal
from .handlers import ADVICE as FLOAT_ADVICE
from .handlers import DEFAULT_ADVICE
from .handlers import HANDLERS as FLOAT_HANDLERS
from .importer import Importer, Item, Survey
from .join_ops import as_multiples
from .qdq_ops import QDQ_DOMAINS, coded, edge_zero_point
from .qoperator_handlers import QOPERATOR_ADVICE, QOPERATORS, ZERO_POINTS
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
HANDLERS = FLOAT_HANDLERS | QOPERATORS
ADVICE = FLOAT_ADVICE | QOPERATOR_ADVICE


def load_qonnx(path: str | os.PathLike) -> Graph:
    """A QONNX file as an integer graph.

    Raises:
        InputError: no readable ONNX file.
        GraphError: nodes that cannot become integers; the message lists all of them.
    """
    return import_model(read_model(path), Path(path).stem)


def import_model(model: ModelProto, name: str = "model") -> Graph:
    """A QONNX model in memory, which may be changed, as an integer graph; raises like ``load_qonnx``."""
    return OnnxImporter(model, name).run()


def survey_onnx(model: ModelProto, name: str) -> Survey:
    """What becomes of each node of a model in memory, which may be changed.

    Raises:
        InputError: stored tensors that do not fit their shape or type.
    """
    try:
        importer = OnnxImporter(model, name)
    except GraphError as error:
        return Survey(_format(model), name, (), None, str(error), (str(error),))
    return importer.survey()


class OnnxImporter(Importer):
    """One import of an ONNX model, which may be changed; operands go by the names of their tensors."""

    def __init__(self, model: ModelProto, name: str):
        super().__init__(name)
        self.format = _format(model)
        # Before qonnx reads them: it does not expect tensors of unknown types.
        self.operands.update(
            (t.name, Constant(tensor_array(t, MAX_ELEMENTS))) for t in model.graph.initializer
        )
        self.stored = set(self.operands)
        del model.graph.value_info[:]
        self._check_declarations(model)
        with warnings.catch_warnings():
            # qonnx tells of every domain that it renames from FINN's old name to its own.
            warnings.simplefilter("ignore")
            self.wrapper = ModelWrapper(model)
        self.source = self.wrapper.graph
        self.opset = max(
            [o.version for o in self.wrapper.model.opset_import if o.domain in _STANDARD_DOMAINS], default=9
        )
        self.batch = 1

    def _check_declarations(self, model: ModelProto) -> None:
        """qonnx wants each tensor declared once; inferred shapes, which we do not need, may repeat others."""
        names = Counter(v.name for v in (*model.graph.input, *model.graph.output))
        for name, count in names.items():
            if count > 1:
                raise GraphError(
                    f"{self.format}: inputs and outputs must have names of their own, but two are {name!r}"
                )

    def items(self):
        return [_item(n) for n in self.source.node]

    def sources(self):
        return [(v.name, v) for v in self.source.input if v.name not in self.stored]

    def targets(self):
        return [o.name for o in self.source.output]

    def value_of(self, operand):
        return operand.value if isinstance(operand, Tensor) else None

    def declare(self, key, declaration):
        kind = declaration.type.tensor_type
        dims = [d.dim_value for d in kind.shape.dim]
        label = f"input {key!r}"
        if len(dims) < 2 or any(d < 1 for d in dims[1:]):
            raise GraphError(
                f"{label} must have a batch axis and known sizes behind it, not shape {dims}. "
                "Export with a fixed input shape."
            )
        if prod(dims[1:]) > MAX_ELEMENTS:
            raise GraphError(f"{label} must have at most {MAX_ELEMENTS} elements a frame, not {dims}")
        self.batch, shape = max(dims[0], 1), tuple(dims[1:])
        name = self.unique(key)
        annotated = self._datatype(key)
        if kind.elem_type == TensorProto.FLOAT and not annotated.is_integer():
            self.operands[key] = pending_input(name, shape)
            return
        bounds = _INTEGER_RANGES.get(kind.elem_type)
        if kind.elem_type == TensorProto.FLOAT and annotated.bitwidth() <= 16:
            step = 2 if annotated.name == "BIPOLAR" else 1
            bounds = (int(annotated.min()), int(annotated.max()), step)
        if bounds is None:
            raise GraphError(f"{label} must be float32, or integers of at most 16 bits")
        zero = edge_zero_point(key, self.source.node, ZERO_POINTS, self.operands)
        tensor = integer_input(name, shape, *bounds, zero)
        self.inputs[name] = (tensor.value, replace(plain_input(shape), zero_point=zero))
        self.operands[key] = replace(tensor, integer=kind.elem_type != TensorProto.FLOAT)

    def _datatype(self, name: str) -> BaseDataType:
        """FINN's annotation of a tensor; float32 where it has none."""
        try:
            return self.wrapper.get_tensor_datatype(name)
        except (KeyError, ValueError):
            raise GraphError(f"input {name!r} has a finn_datatype that qonnx does not know") from None

    def check(self, item):
        node, key = item.source, _key(item.source)
        computed = key in COMPUTED or key == "Constant"
        if not (_quantizes(node) or key in HANDLERS or computed):
            where = f" of domain {node.domain!r}" if key != node.op_type else ""
            advice = ADVICE.get(node.op_type, DEFAULT_ADVICE)
            raise GraphError(f"this operator{where} is not supported. {advice}")

    def results(self, item):
        for name in item.reads:
            if name not in self.operands:
                raise GraphError(f"its input {name!r} must come from an earlier node, but from none does")
        node = item.source
        operands = tuple(self.operands[i] if i else None for i in node.input)
        results = self._results(SourceNode(node, item.name, operands, self.opset, self.batch))
        return [(o, r) for o, r in zip(node.output, results, strict=False) if o]

    def _results(self, source: SourceNode) -> tuple[Operand, ...]:
        """The node's results in its order."""
        key = _key(source.proto)
        if key == "Constant":
            return (literal(source),)
        if not source.operands:
            raise GraphError("it must have inputs, but has none")
        if _quantizes(source.proto):
            return (self._quantized(source),)
        if key in COMPUTED and not any(isinstance(o, Tensor) for o in source.operands):
            return compute(source)
        if key not in HANDLERS:
            advice = ADVICE.get(source.proto.op_type, DEFAULT_ADVICE)
            raise GraphError(f"its inputs must be constants. {advice}")
        return HANDLERS[key](replace(source, name=self.unique(source.name)))

    def _quantized(self, node: SourceNode) -> Operand:
        quantizer = QUANTIZERS[node.proto.op_type](node)
        operand = node.operands[0]
        if isinstance(operand, Constant):
            result = quantize_constant(operand, quantizer)
        elif not operand.pending:
            result = quantize_tensor(operand, quantizer, self.unique(node.name))
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

    def assemble(self):
        outputs, decodings = [], []
        for value in self.source.output:
            tensor = self.operands.get(value.name)
            if not isinstance(tensor, Tensor):
                kind = "a constant" if tensor else "undefined"
                raise GraphError(
                    f"output {value.name!r} must depend on the input, but is {kind}. "
                    "Remove it; in Brevitas, the last layer must not have return_quant_tensor=True."
                )
            try:
                out, decoding = _decoded(tensor)
            except GraphError as error:
                raise GraphError(f"output {value.name!r}: {error}") from None
            outputs.append(out)
            decodings.append(decoding)
        # In the order of declaration, which is that of the names.
        pairs = [self.inputs[name] for name in self.names if name in self.inputs]
        inputs, encodings = tuple(i for i, _ in pairs), tuple(e for _, e in pairs)
        return Graph(inputs, tuple(outputs), self.name, encodings, tuple(decodings))


def _item(node: NodeProto) -> Item:
    name = node.name or next((o for o in node.output if o), "")
    reads, writes = (tuple(k for k in keys if k) for keys in (node.input, node.output))
    return Item(node.op_type, name, f"{node.op_type} {name!r}", reads, writes, node)


def _key(node: NodeProto) -> str:
    """The name under which a node's handler is listed: its domain is part of it where not the standard's."""
    linear = node.op_type in ("QuantizeLinear", "DequantizeLinear") and node.domain in QDQ_DOMAINS
    standard = linear or node.domain in _STANDARD_DOMAINS
    return node.op_type if standard else f"{node.domain}.{node.op_type}"


def _quantizes(node: NodeProto) -> bool:
    """Whether a node is a quantizer, which may be the first that a float input meets."""
    return node.op_type in QUANTIZERS and (node.domain in QUANTIZER_DOMAINS or _key(node) == "QuantizeLinear")


def _format(model: ModelProto) -> str:
    """What a model is called in messages: "qonnx" where it uses QONNX's operators, else "onnx"."""
    domains = {o.domain for o in model.opset_import} | {n.domain for n in model.graph.node}
    return "onnx" if domains.isdisjoint(QUANTIZER_DOMAINS[1:]) else "qonnx"


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
        value, scale = plain(tensor) if tensor.chain.monotone else as_multiples(tensor)
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
