"""Softmax with the quantizer behind it, in tables, sums and thresholds; docs/exactness.md says how.

With d = max - x, the exponents are a table e[d] and their sum S an exact integer. The code of e[d] / S
never rises with S, so that one row of thresholds on d * W + S, W above every S, gives it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ...errors import GraphError
from ..ir.graph import Const, Value
from ..ir.ops import Add, Lookup, MaxPool, Mul, Threshold
from .axis_rows import along_row, as_rows, from_rows, row_sum, uniform_scale
from .chain import Chain
from .function_ops import quantized
from .function_steps import DeferredStep
from .layout_ops import normalized
from .quantizers import Quantizer
from .source import SourceNode
from .staircase import MAX_THRESHOLDS
from .tensors import MAX_LEVELS, Tensor

# Exponents are integers of this many fractional bits, as many as a float32 has.
EXPONENT_BITS = 24
_ONE = 1 << EXPONENT_BITS
_MAX_CLASSES = 2**16

CodeOf = Callable[[np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True, eq=False)
class SoftmaxStep(DeferredStep):
    """What a Softmax waits with for its quantizer: rows (N, K, 1) of distances and of sums."""

    distance: Value
    total: Value
    exponents: np.ndarray
    axis: int
    shape: tuple[int, ...]
    advice: ClassVar[str] = (
        "a Softmax must be followed by its quantizer. Put one behind it, or leave the Softmax out of the "
        "export where it is the last layer: it does not change the arg-max."
    )

    def quantized(self, rest: Chain, quantizer: Quantizer, name: str) -> Value:
        """The codes in the frame's layout, for a chain that never falls and is the same everywhere."""
        rank = len(self.shape)
        same = rest.shape(rank) == quantizer.shape(rank) == (1,) * rank
        if not same or not rest.monotone or (rest.direction() < 0).any():
            raise GraphError(self.advice)
        chain, plain = rest.moved(lambda p: p.reshape(1)), quantizer.moved(lambda p: p.reshape(1))

        lowest = int(plain.codes(chain.apply(np.zeros(1, dtype=np.float32)))[0])

        def code_of(exponents: np.ndarray, totals: np.ndarray) -> np.ndarray:
            codes = plain.codes(chain.apply((exponents / totals).astype(np.float32)))
            return (codes - lowest) // quantizer.step

        highest = int(code_of(np.ones(1), np.ones(1))[0])
        codes = _codes(self, code_of, highest)
        # Nothing changes but the unit, and inference then knows the range.
        clip = Const(np.arange(1, highest + 1)[None])
        return from_rows(Threshold(lowest, quantizer.step)(codes, clip, name=name), self.shape, (self.axis,))


def lower_softmax(node: SourceNode) -> tuple[Tensor]:
    """exp(x) / sum(exp(x)) along one axis."""
    tensor = quantized(node.tensor())
    axis = _axis(node, tensor)
    scale = uniform_scale(tensor)
    classes, dtype = tensor.shape[axis], tensor.value.type.dtype
    span = dtype.hi - dtype.lo
    if classes > _MAX_CLASSES or 2 * span >= MAX_LEVELS:
        raise GraphError(
            f"its input must have at most {_MAX_CLASSES} classes of at most {MAX_LEVELS // 2} values, not "
            f"{classes} of {span + 1}. Put a quantizer in front."
        )
    sign = 1 if scale > 0 else -1
    value = tensor.value if sign > 0 else Mul()(tensor.value, Const(np.array([-1])))
    x = as_rows(value, (axis,))
    exponents = np.rint(np.exp(-abs(scale) * np.arange(span + 1)) * _ONE).astype(np.int64)
    highest = along_row(MaxPool((1, classes))(x), classes)
    distance = Add()(highest, Mul()(x, Const(np.array([-1]))))
    powers = _table(distance, exponents)
    total = along_row(row_sum(powers), classes)
    step = SoftmaxStep((), distance, total, exponents, axis, tensor.shape)
    return (Tensor(from_rows(powers, tensor.shape, (axis,)), Chain((step,))),)


def _axis(node: SourceNode, tensor: Tensor) -> int:
    """The axis behind the batch; up to opset 12 all axes from it on are one."""
    axis = normalized([node.attribute("axis", -1 if node.opset >= 13 else 1)], tensor.rank + 1)[0] - 1
    if axis < 0 or (node.opset < 13 and any(d > 1 for d in tensor.shape[axis + 1 :])):
        raise GraphError(
            "the axis must be one behind the batch, and up to opset 12 the last of more than one element"
        )
    return axis


def _table(distance: Value, table: np.ndarray) -> Value:
    """A table of distances from 0, extended to the negative ones that inference cannot rule out."""
    d = distance.type.dtype
    return Lookup(d.lo)(distance, Const(table[np.clip(np.arange(d.lo, d.hi + 1), 0, len(table) - 1)]))


def _codes(step: SoftmaxStep, code_of: CodeOf, highest: int) -> Value:
    """Codes counted from 0, the code of 0.0, for rows of distances and sums."""
    # From the least such distance on, every code is 0, for the smallest sum and so for all.
    zero = code_of(step.exponents, np.array([_ONE])) == 0
    far = int(np.argmax(zero)) if zero.any() else len(step.exponents) - 1
    levels, classes = highest + 1, step.distance.type.shape[1]
    if (far + 1) * levels > MAX_THRESHOLDS:
        raise GraphError(
            f"a Softmax must have at most {MAX_THRESHOLDS} thresholds, not {(far + 1) * levels}. "
            "Use fewer bits behind it."
        )
    width = classes * _ONE + 1
    block = np.minimum(np.arange(len(step.exponents)), far)
    key = Add()(_table(step.distance, block * width), step.total)
    table = _thresholds(step.exponents[: far + 1], code_of, highest, width)
    steps = Mul()(Threshold()(key, Const(table[None])), Const(np.array([-1])))
    return Add()(_table(step.distance, block * levels + highest), steps)


def _thresholds(exponents: np.ndarray, code_of: CodeOf, highest: int, width: int) -> np.ndarray:
    """Keys ``d * width + S`` at which ``d * (highest + 1) + highest - code`` reaches 1, 2, ..."""
    wide, steps = exponents[:, None], np.arange(1, highest + 1)
    low = np.full((len(exponents), len(steps)), _ONE, dtype=np.int64)
    high = np.full_like(low, width)
    for _ in range(int(width - _ONE).bit_length() + 1):
        middle = np.minimum((low + high) // 2, width - 1)
        reached, open_ = highest - code_of(wide, middle) >= steps, low < high
        high = np.where(open_ & reached, middle, high)
        low = np.where(open_ & ~reached, middle + 1, low)
    blocks = np.arange(len(exponents))[:, None] * width
    # Out of reach within a block is where the next one starts, which is also the step between the two.
    inside = np.where(low <= _ONE, 0, low) + blocks
    return np.concatenate([blocks, inside], axis=1).ravel()[1:]
