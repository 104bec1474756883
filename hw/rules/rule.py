"""What a rule takes and gives: a layer with its streams, its possible foldings, and the units for one."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from ...compiler.ir.graph import Const, Node, Value
from ...compiler.ir.types import Int
from ..design import Instance

BLOCK, LUTS = 1, 2  # ROM_STYLE and RAM_STYLE


@dataclass(frozen=True)
class Fold:
    """How far a layer is shared in time: ``pe`` results and ``simd`` inputs at once, where ROMs live,
    whether products may take DSP blocks, whether equal bits are counted in LUTs of six inputs, whether two
    rows share each multiplication, and the only FPGA family that it is for (empty: any)."""

    pe: int
    simd: int
    rom: int = LUTS
    dsp: bool = False
    lut6: bool = False
    pair: bool = False
    family: str = ""


@dataclass(frozen=True, eq=False)
class Operand:
    """A value that reaches a layer as a stream of codes of ``type``.

    The layer takes ``factor * x + offset`` for x: constants that its rule absorbed, int64 of shape (1,)
    or (C,).
    """

    value: Value
    type: Int
    factor: np.ndarray
    offset: np.ndarray


@dataclass(frozen=True, eq=False)
class Layer:
    """A node to lower: a legal Verilog name, the streams it reads, and the type its own stream carries."""

    node: Node
    name: str
    operands: tuple[Operand, ...]
    y: Int

    @property
    def x(self) -> Int:
        """The type that the first operand's stream carries."""
        return self.operands[0].type


def operand(value: Value, factor: np.ndarray | int = 1, offset: np.ndarray | int = 0) -> Operand:
    """``factor * value + offset``, its stream in the value's own type."""
    return Operand(value, value.type.dtype, np.atleast_1d(factor), np.atleast_1d(offset))


def computed(node: Node, alone: Callable[[Value], bool]) -> tuple[Operand, ...]:
    """The node's operands that are not constants, as they are."""
    return tuple(operand(v) for v in node.inputs if not isinstance(v, Const))


def _never(node: Node) -> bool:
    return False


@dataclass(frozen=True)
class Rule:
    """How an op becomes units.

    Attributes:
        folds: a layer's possible foldings.
        lower: its units for one of them, a chain: the first reads all operands, the last gives the result;
            none where the operand's stream already is the result.
        operands: what it reads, given whether a value has no other reader, so that it may be absorbed.
        writes_zero: whether units put zeros into the operand's stream, so that its type must hold 0.
        keeps_codes: whether results are codes as they came, so that operands and result share a type.
        sums: whether results are sums, which are two's complement or unsigned also where they are {-1, +1}.
    """

    folds: Callable[[Layer], Iterator[Fold]]
    lower: Callable[[Layer, Fold], tuple[Instance, ...]]
    operands: Callable[[Node, Callable[[Value], bool]], tuple[Operand, ...]] = computed
    writes_zero: Callable[[Node], bool] = _never
    keeps_codes: bool = False
    sums: bool = False


def divisors(n: int) -> list[int]:
    """All divisors of n, ascending."""
    return [d for d in range(1, n + 1) if n % d == 0]


def vectors(layer: Layer) -> int:
    """How many vectors of channels the result has."""
    return layer.node.type.size // layer.node.type.shape[-1]


def channel_folds(layer: Layer) -> Iterator[Fold]:
    """Every number of the operand's channels at once."""
    yield from (Fold(pe, pe) for pe in divisors(layer.node.inputs[0].type.shape[-1]))
