"""Float chains: what an integer tensor means in the source model, step by step, in float32.

A chain is a sequence of elementwise functions with constant parameters, each rounded to float32 as the
source's executor rounds it. Where every step is monotone, so is the chain, and thresholds found by
bisection are exact; others become tables (docs/exactness.md).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce

import numpy as np

from ...errors import GraphError

ArrayMap = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True, eq=False)
class Step:
    """One elementwise function; its parameters broadcast against the tensor's frame."""

    params: tuple[np.ndarray, ...]

    def __post_init__(self):
        for p in self.params:
            if not np.isfinite(p).all():
                raise GraphError(f"{self.label}: constants must be finite, but hold NaN or infinity")

    @property
    def label(self) -> str:
        """The step's name in messages."""
        return type(self).__name__.removesuffix("Step").lower()

    @property
    def monotone(self) -> bool:
        """Whether the step never falls or never rises, as ``direction`` says."""
        return True

    def apply(self, x: np.ndarray) -> np.ndarray:
        """The step on float32 (or, for a ScaleStep, int64) values; float32."""
        raise NotImplementedError

    def direction(self) -> np.ndarray:
        """+1 where the step never falls, -1 where it never rises, 0 where it is constant; if monotone."""
        return np.ones((1,) * self.params[0].ndim, dtype=np.int64)

    def affine(self) -> tuple[np.ndarray, np.ndarray] | None:
        """Factor and summand in float64, or None where the step is not affine."""
        return None

    def moved(self, move: ArrayMap) -> "Step":
        """The same step on a tensor in another layout."""
        return type(self)(tuple(move(p) for p in self.params))


class ScaleStep(Step):
    """From integers to floats: ``float32(x * s)``, the product in float64; s is float64."""

    def apply(self, x):
        return (x * self.params[0]).astype(np.float32)

    def direction(self):
        return np.sign(self.params[0]).astype(np.int64)

    def affine(self):
        return self.params[0], np.zeros_like(self.params[0])


class MulStep(Step):
    """``x * c``; 0 for c = 0 even where x has overflowed, for which the source has NaN."""

    def apply(self, x):
        return np.where(self.params[0] == 0, np.float32(0), x * self.params[0])

    def direction(self):
        return np.sign(self.params[0]).astype(np.int64)

    def affine(self):
        c = self.params[0].astype(np.float64)
        return c, np.zeros_like(c)


class DivStep(Step):
    """``x / c``, c not zero."""

    def apply(self, x):
        return x / self.params[0]

    def direction(self):
        return np.sign(self.params[0]).astype(np.int64)

    def affine(self):
        c = self.params[0].astype(np.float64)
        return 1.0 / c, np.zeros_like(c)


class AddStep(Step):
    """``x + c``."""

    def apply(self, x):
        return x + self.params[0]

    def affine(self):
        c = self.params[0].astype(np.float64)
        return np.ones_like(c), c


class ClipStep(Step):
    """``min(max(x, low), high)``; a ReLU has low 0 and high infinity."""

    def __post_init__(self):
        """Limits may be infinite; that they are ordered, so not NaN, is the caller's part."""

    def apply(self, x):
        return np.minimum(np.maximum(x, self.params[0]), self.params[1])


class LeakyStep(Step):
    """``x`` where x >= 0, else ``slope * x``, slope not negative; a slope of 0 gives 0 as in a MulStep."""

    def apply(self, x):
        slope = self.params[0]
        return np.where(x >= 0, x, np.where(slope == 0, np.float32(0), x * slope))


@dataclass(frozen=True, eq=False)
class Chain:
    """Steps in the source's order; the first is a ScaleStep unless the chain starts at a float input."""

    steps: tuple[Step, ...] = ()

    def then(self, step: Step) -> "Chain":
        """The chain with one more step."""
        return Chain((*self.steps, step))

    def apply(self, x: np.ndarray) -> np.ndarray:
        """The float32 value for int64 ``x``, or float32 ``x`` of a float input; never NaN if monotone."""
        with np.errstate(over="ignore", under="ignore", invalid="ignore", divide="ignore"):
            return reduce(lambda v, step: step.apply(v), self.steps, x)

    @property
    def monotone(self) -> bool:
        """Whether every step is."""
        return all(s.monotone for s in self.steps)

    def direction(self) -> np.ndarray:
        """The product of the steps' directions; one element where no parameter is per channel."""
        return reduce(lambda d, s: d * s.direction(), self.steps, np.ones((), dtype=np.int64))

    def moved(self, move: ArrayMap) -> "Chain":
        """The same chain on a tensor in another layout; ``move`` maps parameter arrays."""
        return Chain(tuple(s.moved(move) for s in self.steps))

    def shape(self, rank: int) -> tuple[int, ...]:
        """Broadcast shape of all parameters: 1 along the axes where all elements share them."""
        return np.broadcast_shapes((1,) * rank, *(p.shape for s in self.steps for p in s.params))

    def affine(self) -> tuple[np.ndarray, np.ndarray] | None:
        """``(a, b)`` in float64 with chain(x) = a*x + b but for float32 rounding, or None."""
        a, b = np.ones(()), np.zeros(())
        for step in self.steps:
            parts = step.affine()
            if parts is None:
                return None
            a, b = a * parts[0], b * parts[0] + parts[1]
        return a, b

    def only_scale(self) -> bool:
        """Whether the value is plainly ``scale * integer``."""
        return len(self.steps) == 1 and isinstance(self.steps[0], ScaleStep)


def scaled(scale: np.ndarray) -> Chain:
    """The chain of a plainly scaled integer."""
    return Chain((ScaleStep((np.asarray(scale, dtype=np.float64),)),))


def flipped(chain: Chain, sign: np.ndarray) -> Chain:
    """The chain of ``sign * x`` (sign +1 or -1, broadcast) that has the values of ``chain`` on x."""
    first = chain.steps[0]
    return Chain((ScaleStep((first.params[0] * sign,)), *chain.steps[1:]))


def compress(array: np.ndarray, trailing: int = 0) -> np.ndarray:
    """One element along each axis, but for the last ``trailing``, on which all elements are equal."""
    for axis in range(array.ndim - trailing):
        if array.shape[axis] > 1 and bool((array == array.take([0], axis=axis)).all()):
            array = array.take([0], axis=axis)
    return array
