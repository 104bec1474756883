"""The TFLite front end: full-integer models to integer graphs, exactly as LiteRT's reference kernels.

Operators are met once, in the file's order. The graph's integers are the model's codes without their
zero points; the boundary gives and takes the codes themselves. Every operator that cannot be imported is
reported, not only the first.
"""

import os
from pathlib import Path

import numpy as np

from ...errors import GraphError
from ..ir.boundary import InputEncoding, OutputDecoding
from ..ir.graph import Graph, Input
from ..ir.types import Int, TensorType
from .staircase import float_of_key
from .tflite_file import SourceModel, SourceOperator, SourceTensor, read_tflite
from .tflite_handlers import ADVICE, DEFAULT_ADVICE, HANDLERS
from .tflite_requantize import staircase
from .tflite_source import Activation, Coding, FloatInput, Operand, OperatorView, coding_of, frame_shape

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
    importer = _Importer(model, name)
    importer.run()
    graph = importer.graph()
    graph.verify()
    return graph


class _Importer:
    """One import: operands by the number of their tensor, problems as they are found."""

    def __init__(self, model: SourceModel, name: str):
        self.model = model
        self.name = name
        self.operands: dict[int, Operand] = {
            i: t for i, t in enumerate(model.tensors) if t.values is not None
        }
        self.inputs: dict[int, tuple[Input, InputEncoding]] = {}
        self.names: dict[str, None] = {}
        self.failed: set[int] = set()
        self.problems: list[str] = []

    def run(self) -> None:
        """Meet every input, and every operator that an output needs."""
        needed = self._needed()
        for number in self.model.inputs:
            self._declare_input(number)
        for op in self.model.operators:
            if needed[op.index]:
                self._visit(op)
        if self.problems:
            raise GraphError(
                f"tflite: every operator must become integer arithmetic, but {len(self.problems)} of model "
                f"{self.name!r} cannot:\n" + "\n".join(f"  {p}" for p in self.problems)
            )

    def _needed(self) -> list[bool]:
        """For each operator, whether an output depends on it; they come in order of execution."""
        wanted = set(self.model.outputs)
        flags = []
        for op in reversed(self.model.operators):
            flags.append(any(o in wanted for o in op.outputs))
            if flags[-1]:
                wanted.update(op.inputs)
        return flags[::-1]

    def _declare_input(self, number: int) -> None:
        tensor = self.model.tensors[number]
        label = f"input {tensor.name!r}"
        try:
            if number in self.operands:
                raise GraphError("must be declared once, and not be a constant")
            shape, name = frame_shape(tensor, "it"), self._unique(_short(tensor.name))
            if tensor.kind == "FLOAT32":
                self.operands[number] = FloatInput(name, shape)
                return
            coding = coding_of(tensor, "it")
        except GraphError as error:
            raise GraphError(f"tflite: {label}: {error}") from None
        self.operands[number] = self._input(number, name, shape, coding)

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

    def _visit(self, op: SourceOperator) -> None:
        """One operator: its result, or a problem noted and its outputs marked as failed."""
        label = _short(self.model.tensors[op.outputs[0]].name)
        try:
            result = self._result(op, label)
        except GraphError as error:
            self.problems.append(f"{op.kind} {op.index} {label!r}: {error}")
            result = None
        if result is None:
            self.failed.update(op.outputs)
        else:
            self.operands[op.outputs[0]] = result

    def _result(self, op: SourceOperator, label: str) -> Activation | None:
        """The operator's result; None where an operand has failed already."""
        if op.kind not in HANDLERS:
            raise GraphError(f"this operator is not supported. {ADVICE.get(op.kind, DEFAULT_ADVICE)}")
        if any(i in self.failed for i in op.inputs):
            return None
        if len(op.outputs) != 1 or op.outputs[0] in self.operands:
            raise GraphError("it must have one output of its own")
        for i in op.inputs:
            if i >= 0 and i not in self.operands:
                raise GraphError(
                    f"its input {_short(self.model.tensors[i].name)!r} must come from an earlier operator"
                )
        operands = tuple(self.operands[i] if i >= 0 else None for i in op.inputs)
        view = OperatorView(op, self._unique(label), operands, self.model.tensors[op.outputs[0]])
        if op.kind == "QUANTIZE" and operands and isinstance(operands[0], FloatInput):
            return self._quantized_input(op.inputs[0], operands[0], view)
        return HANDLERS[op.kind](view)

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

    def _unique(self, name: str) -> str:
        """The name, with a number behind it where it is taken."""
        unique, count = name, 1
        while unique in self.names:
            count += 1
            unique = f"{name}_{count}"
        self.names[unique] = None
        return unique

    def graph(self) -> Graph:
        """The finished graph."""
        if not self.model.outputs:
            raise GraphError(f"tflite: model {self.name!r} must have outputs, but has none")
        outputs, decodings = [], []
        for number in self.model.outputs:
            result = self.operands.get(number)
            if not isinstance(result, Activation):
                what = "a constant" if isinstance(result, SourceTensor) else "not computed as integers"
                raise GraphError(
                    f"tflite: output {self.model.tensors[number].name!r} must depend on the input, but is "
                    f"{what}"
                )
            outputs.append(result.value)
            decodings.append(_decoding(result))
        unused = [self.model.tensors[i].name for i in self.model.inputs if i not in self.inputs]
        if unused:
            raise GraphError(f"tflite: input {unused[0]!r} must be quantized and used, but is not")
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
        return np.clip(np.copysign(np.floor(np.abs(q) + 0.5), q), lo, hi).astype(np.int64)

    keys = staircase(codes, (lo, hi), 1, -_LARGEST_KEY, _LARGEST_KEY)[0]
    return float_of_key(np.where(keys == -_LARGEST_KEY, -_LARGEST_KEY - 1, keys))
