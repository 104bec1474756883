"""Random nodes of every op, added to a growing graph; what ``strategies`` is built from."""

import numpy as np
from hypothesis import strategies as st

from gatewright.compiler.ir.graph import Const, Input, Node, Value
from gatewright.compiler.ir.ops import OPS
from gatewright.compiler.ir.types import Int, TensorType
from node_makers import MAKERS
from node_makers_more import MORE_MAKERS

_ALL_MAKERS = {**MAKERS, **MORE_MAKERS}
assert set(_ALL_MAKERS) == set(OPS)
NAMES = ("", "", "layer", "a b", 'quo"te', "new\nline", "ünïcode", "%7", "x:y")


def dtypes() -> st.SearchStrategy[Int]:
    """Unsigned, two's complement, bipolar and shifted ranges of 1 to 8 bits, now and then of up to 16."""
    bits = st.one_of(st.integers(1, 8), st.integers(1, 8), st.integers(9, 16))
    return st.one_of(
        bits.map(lambda b: Int(0, 2**b - 1)),
        bits.map(lambda b: Int(-(2 ** (b - 1)), 2 ** (b - 1) - 1)),
        st.just(Int(-1, 1, 2)),
        st.tuples(st.integers(-20, 20), st.integers(0, 30), st.integers(1, 4)).map(
            lambda t: Int(t[0], t[0] + t[1] * t[2], t[2])
        ),
    )


def arrays(rng: np.random.Generator, type_: TensorType, frames: int = 4) -> np.ndarray:
    """Frames of a type, int64 (frames, *shape): one all smallest, one all largest, the others random."""
    d = type_.dtype
    values = d.lo + d.step * rng.integers(0, d.levels, (frames, *type_.shape))
    values[0] = d.lo
    values[-1] = d.hi
    return values


class Builder:
    """Adds random nodes to a growing graph."""

    def __init__(self, draw, rng: np.random.Generator):
        self.draw, self.rng = draw, rng
        self.values: list[Value] = []

    def one_of(self, *choices):
        """One of the choices; Hypothesis shrinks towards the first."""
        return self.draw(st.sampled_from(choices))

    def integer(self, low: int, high: int) -> int:
        """An integer in [low, high]."""
        return self.draw(st.integers(low, high))

    def name(self, label: str) -> str:
        """A unique name, or none."""
        name = self.one_of(*NAMES)
        return f"{name} {label}{len(self.values)}" if name else ""

    def pick(self, fits) -> Value | None:
        """A value that fits, the newest more often than others."""
        found = [v for v in reversed(self.values) if fits(v)]
        if not found:
            return None
        return found[0] if self.integer(0, 3) else self.one_of(*found)

    def input(self) -> None:
        """Add an input: mostly an image, else a vector or a matrix."""
        axes = self.one_of(3, 3, 1, 2)
        shape = tuple(self.integer(1, 5) for _ in range(axes))
        name = self.one_of(*NAMES) + f" in{len(self.values)}"
        self.values.append(Input(name, TensorType(shape, self.draw(dtypes()))))

    def const(self, shape, low: int, high: int) -> Const:
        """A random constant; sometimes bipolar, or all the same."""
        kind = self.integer(0, 5)
        if kind == 1:
            return Const(self.rng.choice([-1, 1], shape))
        if kind == 2:
            return Const(np.full(shape, self.rng.integers(low, high + 1)))
        return Const(self.rng.integers(low, high + 1, shape), self.one_of("", "c"))

    def add(self, op: type) -> None:
        """Add a node of this op, if any value fits it."""
        operands = _ALL_MAKERS[op](self)
        if operands:
            made, *inputs = operands
            if self.integer(0, 11) == 11:
                inputs[0] = Const(arrays(self.rng, inputs[0].type, 2)[0])
            self.values.append(Node(made, tuple(inputs), self.name(made.name)))
