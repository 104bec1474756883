"""Tables: a float chain with a quantizer on top, evaluated for every integer that it may meet."""

from math import prod

import numpy as np

from ...errors import GraphError
from ..ir.graph import Value
from .chain import compress
from .quantizers import Quantizer
from .staircase import EXHAUSTIVE, MAX_THRESHOLDS
from .tensors import MAX_LEVELS, MAX_TABLES, Tensor, lookup, threshold

# Integers of a wide sum, over all channels, that are all evaluated to see whether their codes rise.
_MAX_EVALUATED = 2**24


def tabulated(tensor: Tensor, quantizer: Quantizer, name: str) -> Value:
    """The codes of a tensor whose chain may rise and fall: a table, or thresholds where the codes of a
    longer one never fall.

    Raises:
        GraphError: NaN among the floats, or more values than tables hold.
    """
    dtype = tensor.value.type.dtype
    codes = compress(_code_table(tensor, quantizer), 1)
    count = codes.shape[-1]
    if (codes == np.arange(dtype.lo, dtype.hi + 1)).all():
        return tensor.value
    if count > EXHAUSTIVE and (np.diff(codes, axis=-1) >= 0).all():
        return _thresholds(tensor, codes, quantizer, name)
    if count > MAX_LEVELS or codes.size > MAX_TABLES:
        raise GraphError(
            f"a function that rises and falls must have an operand of at most {MAX_LEVELS} values, and "
            f"{MAX_TABLES} over all channels, not {count} and {codes.size}. {_advice(tensor)}"
        )
    return lookup(tensor.value, codes, dtype.lo, name)


def _advice(tensor: Tensor) -> str:
    names = dict.fromkeys(s.label for s in tensor.chain.steps if not s.monotone)
    return f"Put a quantizer in front of the {' and '.join(names)}."


def _code_table(tensor: Tensor, quantizer: Quantizer) -> np.ndarray:
    """The code of every integer from the lowest to the highest: the parameters' shape plus one axis."""
    dtype, rank = tensor.value.type.dtype, tensor.rank
    shape = np.broadcast_shapes(tensor.chain.shape(rank), quantizer.shape(rank))
    count = dtype.hi - dtype.lo + 1
    if count * prod(shape) > _MAX_EVALUATED:
        raise GraphError(
            f"a function's operand must have at most {_MAX_EVALUATED} values over all channels, not "
            f"{count * prod(shape)}. {_advice(tensor)}"
        )
    x = np.arange(dtype.lo, dtype.hi + 1).reshape((1,) * rank + (-1,))
    floats = tensor.chain.moved(lambda p: p[..., None]).apply(x)
    undefined = np.isnan(floats)
    if undefined[..., :: dtype.step].any():
        raise GraphError(
            "every value of its operand must give a number, but some give NaN. Quantize the operand so "
            "that its codes hold only values for which the function is defined."
        )
    codes = quantizer.moved(lambda p: p[..., None]).codes(np.where(undefined, np.float32(0), floats))
    return np.broadcast_to(codes, (*shape, count))


def _thresholds(tensor: Tensor, codes: np.ndarray, quantizer: Quantizer, name: str) -> Value:
    """Thresholds for rows of codes that never fall; at least one, be it never or always reached."""
    lo, hi, step = int(codes.min()), int(codes.max()), quantizer.step
    if lo == hi:
        lo, hi = (lo, hi + step) if hi + step <= quantizer.hi else (lo - step, hi)
    levels = np.arange(lo + step, hi + 1, step)
    rows = codes.reshape(-1, codes.shape[-1])
    if len(rows) * len(levels) > MAX_THRESHOLDS:
        raise GraphError(
            f"a quantizer must have at most {MAX_THRESHOLDS} thresholds over all channels, not "
            f"{len(rows) * len(levels)}. Use fewer bits."
        )
    table = np.stack([np.searchsorted(row, levels) for row in rows]) + tensor.value.type.dtype.lo
    return threshold(tensor.value, table.reshape(*codes.shape[:-1], -1), lo, step, name)
