"""Functions of single elements on vectors in registers, and how their results leave for memory."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..ir.graph import Node, Value
from ..ir.ops import Add, Lookup, Mul, Threshold
from ..ir.types import Int
from .affine import Affine, computed, element_for, is_plain, leaf
from .groups import Group
from .isa import cast, reinterpret
from .lines import count_on_line, line_of
from .program import Storage, fitting
from .requantize import Scaling
from .rescale import choose, halves_of, rescaled
from .stairs import count_by_search, count_reached, looked_up, looked_up_in_registers
from .writer import Writer

# Up to this many thresholds, comparing with each is cheapest.
_FEW = 3
_MANY = 24
# From this share of vectors on, those with a cheaper form of their thresholds get a kernel of their own.
_WORTH = 0.25
# Entries that bytes tell apart.
_BYTES = 256


@dataclass(frozen=True)
class Share:
    """Some vectors of channels, by their numbers, and what is behind their sums."""

    elements: Elements
    numbers: np.ndarray

    def at(self, w: Writer, turn):
        """The number of the vector that a loop over the share comes to at its ``turn``."""
        first = int(self.numbers[0])
        if len(self.numbers) == self.numbers[-1] + 1 - first:
            return turn + first if first else turn
        return w.let(cast(w.table(self.numbers, "int16").at(turn), w.index))


class Elements:
    """The elementwise part of a group, for vectors of neighbouring channels.

    ``initial`` is what the group's product should start from, so that what the first rounding adds costs
    nothing: its bias and that offset, int64 (C,) or (1,).
    """

    def __init__(self, group: Group, storage: Storage):
        self.group, self.storage = group, storage
        self._scalings, self._lines, self._halves = {}, {}, {}
        self._start, self._sums = np.zeros(1, np.int64), None
        for node in group.nodes:
            if isinstance(node.op, Threshold):
                self._choose(node)

    def _choose(self, node: Node) -> None:
        """A scaling, a line, or neither; rows that a scaling leaves to a search cost more than either."""
        halves = halves_of(node) if _wants_scaling(node) else None
        if halves is not None and halves.exact.all():
            self._scalings[id(node)] = halves
            return
        self._halves[id(node)] = halves
        found = choose(node) if _wants_scaling(node) else None
        if found is None or len(getattr(found, "searched", ())):
            line = line_of(node, _width(node))
            if line is not None or node.inputs[1].type.shape[1] <= _MANY:
                found = None
            self._lines[id(node)] = line
        self._scalings[id(node)] = found

    @property
    def quick(self) -> np.ndarray | None:
        """Channels (C,) for which ``of`` is cheaper; None where there is nothing to gain."""
        gains = [
            h.exact
            for k, h in self._halves.items()
            if h is not None and h.exact.any() and _costly(self._scalings[k])
        ]
        return np.logical_and.reduce(gains) if gains else None

    def of(self, channels: np.ndarray) -> Elements:
        """The same for kernels of these channels (C,) alone."""
        made = copy(self)
        for name in ("initial", "_folded"):
            made.__dict__.pop(name, None)
        fit = {k: h for k, h in self._halves.items() if h is not None and h.exact[channels].all()}
        made._scalings = self._scalings | fit
        return made

    def shares(self, channels: np.ndarray) -> list[Share]:
        """Vectors of channels that all have a cheaper form in a kernel of their own, the others in another.

        Args:
            channels: (vectors, lanes) numbers of channels; what lies beyond the last is nobody's.
        """
        quick, everything = self.quick, np.arange(len(channels))
        if quick is None:
            return [Share(self, everything)]
        inside = channels < len(quick)
        good = (quick[np.minimum(channels, len(quick) - 1)] | ~inside).all(1)
        if good.mean() < _WORTH:
            return [Share(self, everything)]
        easy = np.zeros(len(quick), bool)
        easy[channels[good][inside[good]]] = True
        found = [Share(self.of(easy), np.flatnonzero(good))]
        return found if good.all() else [*found, Share(self, np.flatnonzero(~good))]

    @cached_property
    def initial(self) -> np.ndarray:
        anchor = self.group.anchor
        bias = np.zeros(1, np.int64)
        if anchor is not None and len(anchor.inputs) == 3:
            bias = anchor.inputs[2].value
        return bias + self._folded

    @cached_property
    def _folded(self) -> np.ndarray:
        """What the threshold that reads the product first adds to it, where it does so without a shift."""
        nodes = self.group.nodes
        if self.group.anchor is None or not nodes or nodes[0].inputs[0] is not self.group.anchor:
            return np.zeros(1, np.int64)
        found = self._scalings.get(id(nodes[0]))
        return found.offset if found is not None and found.left == 0 else np.zeros(1, np.int64)

    def starts_from_zero(self, start: np.ndarray, sums: Int, element: str) -> bool:
        """Whether the product may, as thresholds that alone read it then stand lower by ``start`` (C,).

        Args:
            sums: what the product gives from 0 on.
            element: its lanes, which are to be compared as they are.
        """
        readers = [n for n in self.group.nodes if self.group.anchor in n.inputs]
        if len(readers) != 1 or not self._counts(readers[0]):
            return False
        given = readers[0].inputs[1].value
        t = given - start[:, None]
        if len(given) != len(t) or np.dtype(_compared(sums, t)).itemsize > np.dtype(element).itemsize:
            return False
        self._start, self._sums = start, sums
        return True

    def _counts(self, node: Node) -> bool:
        """Whether a node compares its operand with each of a few thresholds."""
        known = isinstance(node.op, Threshold) and self._scalings.get(id(node)) is None
        return known and self._lines.get(id(node)) is None and node.inputs[1].type.shape[1] <= _MANY

    def accumulator(self, vector) -> Affine:
        """The product's sums in registers, started from ``initial`` or from 0."""
        values = self.group.anchor.type.dtype if self.group.anchor else Int(0, 0)
        return Affine(leaf(vector, 0, values).terms, -self._folded, self._sums or values)

    def stored(self, w: Writer, known: dict[int, Affine], channel, lanes: int):
        """The output's elements as memory takes them, from leaves and the anchor in ``known``."""
        for node in self.group.nodes:
            known[id(node)] = self._one(w, node, known, channel, lanes)
        result = known[id(self.group.output)]
        element, offset = self.storage.dtype, self.storage.offset
        if is_plain(result, element, offset):
            return result.terms[0].vector
        wide = element_for(_hull(result.range, offset))
        value = computed(w, result.shifted(np.array([-offset]), result.range), wide, channel, lanes)
        return cast(value, element)

    def _one(self, w: Writer, node: Node, known: dict[int, Affine], channel, lanes: int) -> Affine:
        values, range_ = node.inputs, node.type.dtype
        x = _operand(values[0], known)
        if isinstance(node.op, Threshold):
            return self._threshold(w, node, x, channel, lanes)
        if isinstance(node.op, Lookup):
            return self._lookup(w, node, x, channel, lanes)
        z = _operand(values[1], known)
        if isinstance(node.op, Add):
            return x.plus(z, range_)
        assert isinstance(node.op, Mul), node.op.name
        for one, other in ((x, z), (z, x)):
            if not other.terms:
                return one.scaled(other.constant, range_)
        element = element_for(range_)
        a, b = (computed(w, v, element, channel, lanes) for v in (x, z))
        return leaf(w.let(a * b), 0, range_)

    def _lookup(self, w: Writer, node: Node, x: Affine, channel, lanes: int) -> Affine:
        table, d, range_ = node.inputs[1].value, node.inputs[0].type.dtype, node.type.dtype
        element, offset = fitting(range_)
        rows = table.reshape(-1, table.shape[-1])
        if not w.core.wide or len(rows) > 1 or d.hi - d.lo >= _BYTES or element != "int8":
            index = computed(w, x, "int32", channel, lanes)
            return leaf(looked_up(w, node, index, channel, lanes), 0, range_)
        first = d.lo - node.op.lo
        reached = rows[0, first : first + d.hi - d.lo + 1]
        place = computed(w, x.shifted(np.array([-d.lo]), x.range), "int8", channel, lanes)
        index = reinterpret(place, f"uint8x{lanes}")
        # What a step leaves out may hold anything.
        entries = (np.clip(reached, range_.lo, range_.hi) - offset) & (_BYTES - 1)
        return leaf(looked_up_in_registers(w, entries, index, self.group.anchor is None), offset, range_)

    def _threshold(self, w: Writer, node: Node, x: Affine, channel, lanes: int) -> Affine:
        t, op = node.inputs[1].value, node.op
        if self._sums is not None and node.inputs[0] is self.group.anchor:
            t = t - self._start[:, None]
        found = self._scalings.get(id(node))
        if found is not None:
            return rescaled(w, found, x, node, channel, lanes)
        value = computed(w, x, _compared(x.range, t), channel, lanes)
        line = self._lines.get(id(node))
        if line is not None:
            count = count_on_line(w, line, value, channel, lanes)
        elif t.shape[1] <= _MANY:
            count = count_reached(w, value, t, channel, lanes)
        else:
            count = count_by_search(w, value, t, channel, lanes)
        return Affine(leaf(count, 0, Int(0, t.shape[1])).scaled(np.array([op.step]), node.type.dtype).terms,
                      np.array([op.bias], np.int64), node.type.dtype)  # fmt: skip


def _compared(x: Int, t: np.ndarray) -> str:
    """The narrowest element that holds an operand and its thresholds."""
    return element_for(Int(min(x.lo, int(t.min(initial=0))), max(x.hi, int(t.max(initial=0)))))


def _width(node: Node) -> int:
    return 8 * np.dtype(_compared(node.inputs[0].type.dtype, node.inputs[1].value)).itemsize


def _costly(form) -> bool:
    """Whether a threshold's form takes more than a product and a rounding shift."""
    return not isinstance(form, Scaling) or form.left > 0 or form.early.shape[1] > 0 or form.away


def _wants_scaling(node: Node) -> bool:
    return node.inputs[1].type.shape[1] > _FEW


def _operand(value: Value, known: dict[int, Affine]) -> Affine:
    """A tensor's elements, or a constant that its reader takes as a parameter."""
    if id(value) in known:
        return known[id(value)]
    return Affine((), value.value.reshape(-1), value.type.dtype)


def _hull(values: Int, offset: int) -> Int:
    """A range that holds the values with and without their offset."""
    ends = (values.lo, values.hi, values.lo - offset, values.hi - offset)
    return Int(min(ends), max(ends))
