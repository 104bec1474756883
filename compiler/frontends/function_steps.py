"""Steps of float chains that may rise and fall, so that tables follow them instead of thresholds."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ...errors import GraphError
from ..ir.graph import Value
from .chain import ArrayMap, Chain, Step
from .quantizers import Quantizer

Function = Callable[..., np.ndarray]


@dataclass(frozen=True, eq=False)
class RecodeStep(Step):
    """From integers to integers, the same for all elements: what a part of the graph makes of a value."""

    function: Function

    @classmethod
    def of(cls, function: Function) -> "RecodeStep":
        """The step of an int64 function."""
        return cls((), function)

    @property
    def monotone(self) -> bool:
        """Not known to be."""
        return False

    def apply(self, x):
        return self.function(x)

    def moved(self, move):
        return self


@dataclass(frozen=True, eq=False)
class FunctionStep(Step):
    """A function of one float32 number, and of parameters that may vary over the frame."""

    function: Function
    operator: str

    @property
    def label(self) -> str:
        """The source's operator."""
        return self.operator

    @property
    def monotone(self) -> bool:
        """Not known to be."""
        return False

    def apply(self, x):
        return self.function(x, *self.params).astype(np.float32, copy=False)

    def moved(self, move):
        return FunctionStep(tuple(move(p) for p in self.params), self.function, self.operator)


@dataclass(frozen=True, eq=False)
class JoinStep(Step):
    """A function of two float32 numbers, each a chain on the same integer; first in its chain."""

    chains: tuple[Chain, Chain]
    function: Function
    operator: str

    @classmethod
    def of(cls, chains: tuple[Chain, Chain], function: Function, operator: str) -> "JoinStep":
        """The step with the parameters of its chains."""
        return cls(tuple(p for c in chains for s in c.steps for p in s.params), chains, function, operator)

    def __post_init__(self):
        """The chains' own steps have checked their parameters."""

    @property
    def label(self) -> str:
        """The source's operator."""
        return self.operator

    @property
    def monotone(self) -> bool:
        """Not known to be."""
        return False

    def apply(self, x):
        first, second = (c.apply(x) for c in self.chains)
        return self.function(first, second).astype(np.float32, copy=False)

    def moved(self, move: ArrayMap) -> "JoinStep":
        first, second = (c.moved(move) for c in self.chains)
        return JoinStep.of((first, second), self.function, self.operator)


@dataclass(frozen=True, eq=False)
class TableStep(Step):
    """The i-th parameter for integer i, counted from 0; first in its chain, its numbers never fall."""

    def __post_init__(self):
        if any(np.isnan(p).any() for p in self.params):
            raise GraphError("the floats of a table must be numbers, not NaN")

    def apply(self, x):
        if all(p.size == 1 for p in self.params):
            return np.array([p.item() for p in self.params], dtype=np.float32)[x]
        table = np.stack(np.broadcast_arrays(*self.params), axis=-1)
        x = np.broadcast_to(x, np.broadcast_shapes(x.shape, table.shape[:-1]))
        table = np.broadcast_to(table, (*x.shape, table.shape[-1]))
        return np.take_along_axis(table, x[..., None], axis=-1)[..., 0]

    @classmethod
    def of(cls, table: np.ndarray) -> "TableStep":
        """The step for float32 rows (..., L) whose leading axes broadcast against the frame."""
        return cls(tuple(np.moveaxis(table, -1, 0)))


@dataclass(frozen=True, eq=False)
class DeferredStep(Step):
    """What has integers only together with the quantizer behind it; first in its chain, and no function
    of the tensor's own integers."""

    advice: ClassVar[str]

    @property
    def monotone(self) -> bool:
        """Not known to be."""
        return False

    def quantized(self, rest: Chain, quantizer: Quantizer, name: str) -> Value:
        """The quantizer's codes behind the chain's other steps; raises GraphError with the advice."""
        raise NotImplementedError

    def apply(self, x):
        raise GraphError(self.advice)

    def affine(self):
        raise GraphError(self.advice)

    def moved(self, move):
        raise GraphError(self.advice)
