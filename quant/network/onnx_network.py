"""Float ONNX models as networks of torch's layers."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import AttributeProto, NodeProto
from torch import Tensor, fx

from ...compiler.ir.onnx_file import read_model, tensor_array
from ...errors import GatewrightError, InputError
from .build import Builder, Made, building_example
from .onnx_moves import Given
from .onnx_nodes import OPERATORS
from .onnx_sizes import SIZES, Sizes

_MOST_ELEMENTS = 2**28
_BAD = (KeyError, TypeError, ValueError, IndexError, AttributeError, RuntimeError, OverflowError,
        MemoryError, NotImplementedError, AssertionError, StopIteration)  # fmt: skip


def load_onnx(path: Path, images: Tensor) -> fx.GraphModule:
    """The network of a float ONNX file.

    Args:
        images: float32 (N, ...), as the network takes them.
    Raises:
        InputError: no readable file, or an operator that we cannot take; the message names its node.
    """
    try:
        return _network(read_model(path), building_example(images))
    except GatewrightError as error:
        text = str(error)
        raise InputError(text if text.startswith(str(path)) else f"network: {path}: {text}") from None


def _network(model: onnx.ModelProto, example: Tensor) -> fx.GraphModule:
    graph, builder = model.graph, Builder(example)
    values: dict[str, object] = {
        i.name: _constant(tensor_array(i, _MOST_ELEMENTS)) for i in graph.initializer
    }
    inputs = [i.name for i in graph.input if i.name not in values]
    if len(inputs) != 1 or len(graph.output) != 1:
        raise InputError(
            f"the model must have one input and one output, not {len(inputs)} and {len(graph.output)}."
        )
    values[inputs[0]] = builder.input(inputs[0])
    uses = Counter(name for node in graph.node for name in node.input)
    opset = max((o.version for o in model.opset_import if o.domain in ("", "ai.onnx")), default=1)
    for node in graph.node:
        _add(builder, node, values, uses, opset)
    result = values.get(graph.output[0].name)
    if not isinstance(result, Made):
        raise InputError("the model's output must depend on its input.")
    return builder.finish(result)


def _add(builder: Builder, node: NodeProto, values: dict, uses: Counter, opset: int) -> None:
    """One node; its first output joins ``values``."""
    label = f"node {node.name or node.output[0] if node.output else ''!r} ({node.op_type})"
    try:
        if not node.output:
            raise InputError("it must have an output")
        given = [values[name] if name else None for name in node.input]
        attributes = {a.name: _attribute(a) for a in node.attribute}
        if node.op_type == "Constant":
            result = _constant(np.asarray(next(iter(attributes.values()))))
        elif node.op_type in SIZES and not (given and isinstance(given[0], Made) and node.op_type != "Shape"):
            result = SIZES[node.op_type](given, attributes)
        elif node.domain not in ("", "ai.onnx") or node.op_type not in OPERATORS:
            raise InputError(
                "quantization does not take this operator; it takes convolutions, matrix products with "
                "constants, batch norms, pools, sums, products and common activations"
            )
        else:
            single = all(uses[name] == 1 for name in node.input if isinstance(values.get(name), Made))
            name = node.name or node.output[0]
            result = OPERATORS[node.op_type](builder, Given(name, given, attributes, opset, single))
    except InputError as error:
        raise InputError(f"{label}: {str(error).rstrip('.')}.") from None
    except _BAD as error:
        reason = " ".join(str(error).split())[:120]
        raise InputError(f"{label}: it must be a valid node, but {type(error).__name__}: {reason}.") from None
    values[node.output[0]] = result


def _constant(array: np.ndarray) -> Tensor | Sizes:
    """Floats as float32; integers as sizes or indices where they are few, else as int64."""
    if array.dtype.kind == "f":
        return torch.from_numpy(np.array(array, dtype=np.float32))
    if array.dtype.kind in "iub":
        return torch.from_numpy(np.array(array, dtype=np.int64))
    raise InputError(f"constants must be numbers, not {array.dtype}")


def _attribute(attribute: AttributeProto) -> object:
    if attribute.type == AttributeProto.TENSOR:
        return tensor_array(attribute.t, _MOST_ELEMENTS)
    value = onnx.helper.get_attribute_value(attribute)
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if attribute.type in (AttributeProto.INTS, AttributeProto.FLOATS):
        return tuple(value)
    return value
