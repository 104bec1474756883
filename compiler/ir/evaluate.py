"""The reference: an integer graph run in exact int64 arithmetic. Every other executor must equal it."""

from collections.abc import Mapping

import numpy as np

from ...errors import InputError
from .graph import Const, Graph, Input

# Frames evaluated together: convolutions unfold their windows, so memory grows with this.
_CHUNK = 64


def evaluate(graph: Graph, *inputs: np.ndarray) -> tuple[np.ndarray, ...]:
    """Outputs for a batch.

    Args:
        inputs: one array per graph input, integers of shape ``(N, *input.type.shape)``.
    Returns:
        One int64 array ``(N, *output.type.shape)`` per output.
    Raises:
        InputError: an array has another shape or values outside its input's type.
    """
    arrays = [_checked(i, a) for i, a in zip(graph.inputs, inputs, strict=True)]
    total = len(arrays[0])
    if any(len(a) != total for a in arrays):
        raise InputError(f"evaluate: inputs must have one batch size, not {[len(a) for a in arrays]}")
    parts = [trace(graph, *(a[i : i + _CHUNK] for a in arrays)) for i in range(0, max(total, 1), _CHUNK)]
    return tuple(
        np.concatenate([_batched(p[id(out)], out, len(next(iter(p.values())))) for p in parts])
        for out in graph.outputs
    )


def trace(graph: Graph, *inputs: np.ndarray) -> Mapping[int, np.ndarray]:
    """Every value of one batch, by ``id(value)``; inputs first. Memory for all of them at once."""
    results: dict[int, np.ndarray] = {
        id(i): np.asarray(a, dtype=np.int64) for i, a in zip(graph.inputs, inputs, strict=True)
    }
    count = len(inputs[0])
    for value in graph.values():
        if isinstance(value, Const):
            results[id(value)] = value.value
        elif not isinstance(value, Input):
            data, *rest = (results[id(v)] for v in value.inputs)
            if isinstance(value.inputs[0], Const):
                # Ops take their first operand as a batch, also where it is a constant.
                data = np.broadcast_to(data, (count, *data.shape))
            results[id(value)] = value.op.evaluate(data, *rest)
    return results


def _batched(array: np.ndarray, value, count: int) -> np.ndarray:
    return np.broadcast_to(array, (count, *array.shape)) if isinstance(value, Const) else array


def _checked(declared: Input, array: np.ndarray) -> np.ndarray:
    array = np.asarray(array)
    if array.shape[1:] != declared.type.shape:
        raise InputError(
            f"evaluate: {declared.name} must have shape (N, {', '.join(map(str, declared.type.shape))}), "
            f"not {array.shape}"
        )
    if array.dtype.kind not in "iub" or not declared.type.dtype.contains(array):
        raise InputError(f"evaluate: {declared.name} must hold integers of {declared.type.dtype}")
    return array.astype(np.int64)
