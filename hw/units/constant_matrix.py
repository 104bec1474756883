"""gw_constant_matrix: cycles, resources and tables."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from types import SimpleNamespace

import numpy as np

from ...compiler.adder_graph import AdderGraph, adder_graph, digit_count
from ...compiler.ir.types import Int
from ..design import Contents, Parts, Resources, Unit
from .fabric import LUT6, adder

_WORD, _OUTPUT, _OPERAND = 84, 64, 28
# Searching takes three seconds for so many, and tools read tables of megabits slowly.
_MOST_DIGITS = 3000
# Widths that fields of the tables hold.
_BUS, _BITS, _SHIFT, _KEEP = 1 << 16, 63, 31, 31
# Yosys puts longer delays of xc7 into LUTs.
_SRL = 3


def _interval(p: SimpleNamespace) -> int:
    return 1


def _latency(p: SimpleNamespace) -> int:
    return 1 + p.DEPTH + p.OFFSETS + p.CLAMP


def _words(table: int, bits: int) -> list[int]:
    """The words of ``_table``."""
    digits, text = bits // 4, f"{table:x}"
    return [int(text[i : i + digits], 16) for i in range(1, len(text), digits)][::-1]


def _field(word: int, low: int, bits: int) -> int:
    return (word >> low) & ((1 << bits) - 1)


def _operands(p: SimpleNamespace) -> Iterator[int]:
    """Where each operand in the tables lies."""
    for word in _words(p.SUMS, _WORD):
        yield _field(word, 0, 16)
        yield _field(word, _OPERAND, 16)
    for word in _words(p.OUTPUTS, _OUTPUT):
        if _field(word, 16, 6):
            yield _field(word, 0, 16)


def _registers(p: SimpleNamespace, family: str) -> Resources:
    """The values, each for as long as somebody reads it.

    7 series keeps a bit in one LUT from a reader to the next where that is three clocks or more.
    """
    inputs = p.MW * p.X_BITS
    widths = {n * p.X_BITS: p.X_BITS for n in range(p.MW)}
    widths |= {_field(word, 56, 16): _field(word, 72, 6) for word in _words(p.SUMS, _WORD)}
    starts = list(widths)
    ages: dict[int, set[int]] = {at: set() for at in starts}
    for at in _operands(p):
        if at < inputs * (1 + p.INPUT_KEEP):
            ages[at % inputs].add(at // inputs)
        else:
            start = starts[bisect_right(starts, at) - 1]
            ages[start].add((at - start) // widths[start])
    lut = ff = 0
    for start, read in ages.items():
        for before, age in pairwise([-1, *sorted(read)]):
            in_lut = age - before >= _SRL and family in LUT6
            lut += widths[start] * in_lut
            ff += widths[start] * (age - before) * (not in_lut)
    return Resources(lut=lut, ff=ff)


def _adder_bits(word: int, family: str) -> int:
    """Bits of a sum that take an adder's: not the low ones of one operand alone, nor on Xilinx parts the
    highest of two unsigned operands, which is the carry."""
    a_shift, b_shift, minus = _field(word, 23, 5), _field(word, _OPERAND + 23, 5), word >> 83
    carry = family in LUT6 and not (minus or _field(word, 22, 1) or _field(word, _OPERAND + 22, 1))
    return _field(word, 72, 6) - (b_shift or (0 if minus else a_shift)) - carry


def _parts(p: SimpleNamespace, family: str, contents: Contents) -> Parts:
    """Sums of what the tables say."""
    sums = sum(adder(_adder_bits(word, family), family) for word in _words(p.SUMS, _WORD))
    parts = {
        "sums": Resources(lut=sums),
        "control": Resources(lut=2, ff=_latency(p)),
        "registers": _registers(p, family),
    }
    live = [word for word in _words(p.OUTPUTS, _OUTPUT) if _field(word, 16, 6)]  # the others are constant
    if p.OFFSETS:
        # Of what a clamp shifts out only the carry is made.
        low, lut = p.SHIFT * p.CLAMP, 0.0
        for word in live:
            if word >> _OPERAND & 1:
                lut += adder(p.SUM_BITS, family)
            elif word >> 32:
                lut += adder(p.SUM_BITS - low + (low > 0), family) + low / (5 if family in LUT6 else 3)
        parts["offsets"] = Resources(lut=lut, ff=len(live) * (p.SUM_BITS - low))
    if p.CLAMP:
        levels = p.TOP.bit_length()
        clamp = (p.SUM_BITS - p.SHIFT - levels) / 3 + 2 * levels - levels * (1 << levels == p.TOP + 1)
        parts["clamp"] = Resources(lut=clamp, ff=p.OUT_BITS).times(len(live))
    return parts


@dataclass(frozen=True)
class Clamp:
    """``bias + min(max(sum >> shift, 0), top)``, in ``bits`` bits."""

    shift: int
    top: int
    bias: int
    bits: int


def fits_constant_matrix(w: np.ndarray, x: Int) -> bool:
    """Whether gw_constant_matrix takes ``x @ w``, w of shape (MW, MH): numbers that its tables hold, and few
    enough of them."""
    w = np.asarray(w)
    # Nonzero weights, each a digit at least, are counted at once, digits one by one.
    if x.bipolar or np.count_nonzero(w) > _MOST_DIGITS or digit_count(w) > _MOST_DIGITS:
        return False
    most = int(np.abs(w.astype(np.int64)).sum(axis=0).max()) * x.magnitude
    if most.bit_length() + 1 > _BITS - _SHIFT:
        return False
    layout = _Layout(adder_graph(w, x), x, len(w))
    return layout.bus_bits <= _BUS and layout.longest <= _KEEP


def constant_matrix_parameters(
    w: np.ndarray, offsets: np.ndarray | None, x: Int, sum_bits: int, clamp: Clamp | None = None
) -> dict[str, int]:
    """Parameters for ``offsets + x @ w``.

    Args:
        w: integers, shape (MW, MH), for which ``fits_constant_matrix`` holds.
        offsets: integers of 32 bits, shape (MH,); None: none.
        x: type of the elements in.
        sum_bits: of an element out, modulo which sums are right; with ``clamp`` they must fit.
    """
    layout = _Layout(adder_graph(w, x), x, len(w))
    graph = layout.graph
    added = np.zeros(w.shape[1], dtype=np.int64) if offsets is None else np.asarray(offsets, dtype=np.int64)
    has_offsets = bool(added.any()) or any(column.sign < 0 for column in graph.columns)
    outputs = [layout.output(column, int(o)) for column, o in zip(graph.columns, added, strict=True)]
    last = clamp or Clamp(0, 1, 0, sum_bits)
    return {
        "MW": w.shape[0], "MH": w.shape[1], "X_BITS": x.bits, "COUNT": len(graph.sums),
        "DEPTH": layout.depth, "INPUT_KEEP": layout.input_keep, "BUS_BITS": layout.bus_bits,
        "SUM_BITS": sum_bits, "OFFSETS": int(has_offsets), "CLAMP": int(clamp is not None),
        "SHIFT": last.shift, "TOP": last.top, "BIAS": last.bias, "OUT_BITS": last.bits,
        "SUMS": _table(layout.sums(), _WORD), "OUTPUTS": _table(outputs, _OUTPUT),
    }  # fmt: skip


def _table(words: Sequence[int], bits: int) -> int:
    """Words, the first in the low bits, and a digit 4 above them."""
    return int("4" + "".join(f"{word:0{bits // 4}x}" for word in reversed(words)), 16)


class _Layout:
    """Where each value of a graph lies in the unit's registers, and for how many clocks it is kept."""

    def __init__(self, graph: AdderGraph, x: Int, inputs: int):
        self.graph, self.x, self.inputs = graph, x, inputs
        self.depth = max(1, *graph.levels)
        keep = [0] * len(graph.levels)
        for n, made in enumerate(graph.sums):
            for operand in (made.a, made.b):
                keep[operand] = max(keep[operand], graph.levels[inputs + n] - 1 - graph.levels[operand])
        for column in graph.columns:
            if column.value is not None:
                keep[column.value] = max(keep[column.value], self.depth - graph.levels[column.value])
        self.keep, self.longest = keep, max(keep)
        self.input_keep = max(keep[:inputs])
        place = inputs * x.bits * (1 + self.input_keep)
        # A sum may need no bit of an operand, as 7x = 8x - x of one bit; the unit reads one bit at least.
        widths = [
            max(graph.ranges[inputs + n].bits, made.a_shift + 1, made.b_shift + 1)
            for n, made in enumerate(graph.sums)
        ]
        self.widths = [x.bits] * inputs + widths
        self.places = []
        for value in range(inputs, len(keep)):
            self.places.append(place)
            place += self.widths[value] * (1 + keep[value])
        self.bus_bits = place

    def operand(self, value: int, shift: int, level: int, room: int) -> int:
        """The code of ``value << shift`` as a sum of ``level`` + 1 reads it, who needs ``room`` bits."""
        age = level - self.graph.levels[value]
        if value < self.inputs:
            t, at = self.x, self.x.bits * (value + self.inputs * age)
        else:
            t = self.graph.ranges[value]
            at = self.places[value - self.inputs] + self.widths[value] * age
        bits = min(t.bits, room - shift)
        return at | bits << 16 | int(t.signed) << 22 | shift << 23

    def sums(self) -> list[int]:
        """Words of SUMS."""
        words = []
        for n, made in enumerate(self.graph.sums):
            value = self.inputs + n
            level, bits = self.graph.levels[value] - 1, self.widths[value]
            a = self.operand(made.a, made.a_shift, level, bits)
            b = self.operand(made.b, made.b_shift, level, bits)
            own = self.places[n] | bits << 16 | self.keep[value] << 22 | (made.sign < 0) << 27
            words.append(a | b << _OPERAND | own << 2 * _OPERAND)
        return words

    def output(self, column, offset: int) -> int:
        """A word of OUTPUTS."""
        code = 0
        if column.value is not None:
            code = self.operand(column.value, column.shift, self.depth, _BITS + 1)
        return code | (column.sign < 0) << _OPERAND | (offset & 0xFFFFFFFF) << 32


CONSTANT_MATRIX = Unit(
    module="gw_constant_matrix",
    params=(
        "MW", "MH", "X_BITS", "COUNT", "DEPTH", "INPUT_KEEP", "BUS_BITS", "SUM_BITS", "OFFSETS", "CLAMP",
        "SHIFT", "TOP", "BIAS", "OUT_BITS", "SUMS", "OUTPUTS",
    ),
    files=("gw_constant_matrix.v", "gw_clamp.v", "gw_counter.v", "gw_extend.v", "gw_vector_pipe.v"),
    interval=_interval,
    latency=_latency,
    parts=_parts,
)  # fmt: skip
