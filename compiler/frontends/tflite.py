"""The TFLite front end: full-integer models to integer graphs, exactly as LiteRT's reference kernels.

The graph's integers are the model's codes without their zero points; the boundary gives and takes the
codes themselves.
"""

import os
from pathlib import Path

import numpy as np

from ...errors import GraphError
from ..ir.boundary import InputEncoding, OutputDecoding
from ..ir.graph import Graph, Input
from ..ir.types import Int, TensorType
from .importer import Importer, Item, Survey
from .staircase import float_of_key
from .tflite_file import SourceModel, SourceOperator, SourceTensor, read_tflite
from .tflite_fixed import round_away
from .tflite_handlers import ADVICE, DEFAULT_ADVICE, HANDLERS, SEVERAL_RESULTS
from .tflite_requantize import staircase
from .tflite_source import Activation, Coding, FloatInput, OperatorView, coding_of, frame_shape

# The largest finite float32 in the order of ``float_of_key``.
_LARGEST_KEY = 0x7F7FFFFF


def load_tflite(path: str | os.PathLike) -> Graph:
    """A TFLite file as an integer graph.

    Raises:
        InputError: no readable TFLite file.
        GraphError: operators that cannot become integers; the message lists all of them.
    """
    return import_tflite(read_tflite(path), Path(path).stem)


def import_tflite(model: SourceModel, name: str = "model") -> Graph:
    """A model read by ``read_tflite`` as an integer graph; raises GraphError like ``load_tflite``."""
    return TfliteImporter(model, name).run()


def survey_tflite(path: str | os.PathLike) -> Survey:
    """What becomes of each operator of a TFLite file; raises InputError where it is not readable."""
    return TfliteImporter(read_tflite(path), Path(path).stem).survey()


class TfliteImporter(Importer):
    """One import of a model that ``read_tflite`` gave; operands go by the numbers of their tensors."""

    format = "tflite"
    unit = "operator"

    def __init__(self, model: SourceModel, name: str):
        super().__init__(name)
        self.model = model
        self.operands.update((i, t) for i, t in enumerate(model.tensors) if t.values is not None)

    def items(self):
        return [self._item(op) for op in self.model.operators]

    def _item(self, op: SourceOperator) -> Item:
        name = _short(self.model.tensors[op.outputs[0]].name) if op.outputs else ""
        reads = tuple(i for i in op.inputs if i >= 0)
        return Item(op.kind, name, f"{op.kind} {op.index} {name!r}", reads, tuple(op.outputs), op)

    def sources(self):
        return [(i, self.model.tensors[i]) for i in self.model.inputs]

    def targets(self):
        return self.model.outputs

    def value_of(self, operand):
        return operand.value if isinstance(operand, Activation) else None

    def declare(self, key, declaration):
        try:
            if key in self.operands:
                raise GraphError("must be declared once, and not be a constant")
            shape, name = frame_shape(declaration, "it"), self.unique(_short(declaration.name))
            if declaration.kind == "FLOAT32":
                self.operands[key] = FloatInput(name, shape)
                return
            coding = coding_of(declaration, "it")
        except GraphError as error:
            raise GraphError(f"input {declaration.name!r}: {error}") from None
        self.operands[key] = self._input(key, name, shape, coding)

    def _input(self, number: int, name: str, shape: tuple[int, ...], coding: Coding) -> Activation:
        known = self.inputs.get(number)
        if known is None:
            value = Input(name, TensorType(shape, Int(*coding.range)))
            encoding = InputEncoding(
                shape, tuple(range(len(shape))), float_thresholds(coding)[None], float(coding.scale),
                coding.zero_point,
            )  # fmt: skip
            known = self.inputs[number] = value, encoding
        return Activation(known[0], coding)

    def check(self, item):
        if item.op_type not in HANDLERS:
            advice = ADVICE.get(item.op_type, DEFAULT_ADVICE)
            raise GraphError(f"this operator is not supported. {advice}")

    def results(self, item):
        op = item.source
        several = op.kind in SEVERAL_RESULTS
        if (len(op.outputs) != 1 and not (several and op.outputs)) or any(
            o in self.operands or op.outputs.count(o) > 1 for o in op.outputs
        ):
            raise GraphError(
                "it must have one output of its own" if not several else "its outputs must be its own"
            )
        for i in item.reads:
            if i not in self.operands:
                raise GraphError(
                    f"its input {_short(self.model.tensors[i].name)!r} must come from an earlier operator"
                )
        operands = tuple(self.operands[i] if i >= 0 else None for i in op.inputs)
        outputs = tuple(self.model.tensors[o] for o in op.outputs)
        view = OperatorView(op, self.unique(item.name), operands, outputs)
        if op.kind == "QUANTIZE" and operands and isinstance(operands[0], FloatInput):
            return [(op.outputs[0], self._quantized_input(op.inputs[0], operands[0], view))]
        result = HANDLERS[op.kind](view)
        return list(zip(op.outputs, result if several else (result,), strict=True))

    def _quantized_input(self, number: int, source: FloatInput, view: OperatorView) -> Activation:
        coding = view.coding(("INT8", "UINT8"))
        if view.shape() != source.shape:
            raise GraphError(f"the result must have shape {(1, *source.shape)}, not {(1, *view.shape())}")
        result = self._input(number, source.name, source.shape, coding)
        encoding = self.inputs[number][1]
        if (encoding.scale, encoding.zero_point) != (float(coding.scale), coding.zero_point) or (
            result.value.type.dtype != Int(*coding.range)
        ):
            raise GraphError("a float input must be quantized in one way, but is in two different ones")
        return result

    def assemble(self):
        if not self.model.outputs:
            raise GraphError(f"model {self.name!r} must have outputs, but has none")
        outputs, decodings = [], []
        for number in self.model.outputs:
            result = self.operands.get(number)
            if not isinstance(result, Activation):
                what = "a constant" if isinstance(result, SourceTensor) else "not computed as integers"
                raise GraphError(
                    f"output {self.model.tensors[number].name!r} must depend on the input, but is {what}"
                )
            outputs.append(result.value)
            decodings.append(_decoding(result))
        unused = [self.model.tensors[i].name for i in self.model.inputs if i not in self.inputs]
        if unused:
            raise GraphError(f"input {unused[0]!r} must be quantized and used, but is not")
        pairs = [self.inputs[i] for i in self.model.inputs]
        encodings = tuple(e for _, e in pairs)
        return Graph(tuple(i for i, _ in pairs), tuple(outputs), self.name, encodings, tuple(decodings))


def _decoding(result: Activation) -> OutputDecoding:
    shape, coding = result.shape, result.coding
    scale = np.array([coding.scale], dtype=np.float64)
    return OutputDecoding(shape, tuple(range(len(shape))), scale, np.zeros(1), coding.zero_point)


def _short(name: str) -> str:
    """The last of the names that the converter joins where it fuses layers."""
    return name.rpartition(";")[2]


def float_thresholds(coding: Coding) -> np.ndarray:
    """The float32 values at which LiteRT's quantizer steps: ``round(x / scale)``, halves away from zero."""
    lo, hi = coding.range

    def codes(keys: np.ndarray) -> np.ndarray:
        with np.errstate(over="ignore"):
            q = (float_of_key(keys) / coding.scale).astype(np.float64)
        return np.clip(round_away(q), lo, hi).astype(np.int64)

    keys = staircase(codes, (lo, hi), 1, -_LARGEST_KEY, _LARGEST_KEY)[0]
    return float_of_key(np.where(keys == -_LARGEST_KEY, -_LARGEST_KEY - 1, keys))
