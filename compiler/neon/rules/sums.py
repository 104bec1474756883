"""Sums across the lanes of vectors, in the narrowest lanes that hold them."""

from __future__ import annotations

from ..builder import const, element_of
from ..isa import joined, part


def folded(w, vectors: list, bound: int):
    """Sums across the lanes of each vector, one lane each in their order.

    Args:
        vectors: a power of two of them; int16x8, or int8x16 or uint8x16 of magnitudes up to ``bound``.
    Returns:
        int16 lanes; bytes as given where sixteen vectors' sums fit them.
    """
    count = len(vectors)
    lanes = vectors[0].ty.dtype.lanes * count
    limit = {"int8": 127, "uint8": 255}.get(element_of(vectors[0]), 0)
    while 2 * bound <= limit and len(vectors) > 1 and lanes > count:
        vectors, lanes, bound = _paired(w, vectors), lanes // 2, 2 * bound
    if limit and lanes > count:
        vectors = [widened(w, v) for v in vectors]
        lanes //= 2
    while lanes > count:
        vectors, lanes = _paired(w, vectors), lanes // 2
    return part(vectors[0], 0, count) if count < 8 else joined(*vectors)


def widened(w, vector):
    """Sums of neighbouring bytes, int16x8."""
    return w.let(w.isa.pairs_accumulate(const(0, "int16x8"), vector))


def _paired(w, vectors: list) -> list:
    """Sums of neighbours of two vectors in one; of a vector with itself where there is no second."""
    if len(vectors) == 1:
        return [w.let(w.isa.pairs(vectors[0], vectors[0]))]
    return [w.let(w.isa.pairs(a, b)) for a, b in zip(vectors[::2], vectors[1::2], strict=True)]


class Tree:
    """Sums across lanes of bytes while their vectors come one by one, so that few of them live at once.

    Args:
        count: how many vectors come, 8 or 16.
        bound: the largest value of a lane.
        whole: the largest sum of a vector's lanes.
        shared: sums that each vector holds, side by side; ``count`` is of sums. With two, all fit bytes.
    """

    def __init__(self, w, count: int, bound: int, whole: int, shared: int = 1):
        self.w = w
        merges, self.bytes = (count // shared).bit_length() - 1, 0
        while self.bytes < merges and min(bound << (self.bytes + 1), whole) <= 255:
            self.bytes += 1
        # Sixteen lanes are halved four times; widening halves them, too.
        self.merges = merges if count == 16 and self.bytes == 4 else 3
        if shared == 2:
            self.bytes = 4
        self._open: list[tuple[int, object]] = []

    def add(self, vector) -> None:
        """The next vector, uint8x16."""
        level, vector = 0, self._at(0, vector)
        while self._open and self._open[-1][0] == level and level < self.merges:
            vector = self.w.let(self.w.isa.pairs(self._open.pop()[1], vector))
            level += 1
            vector = self._at(level, vector)
        self._open.append((level, vector))

    def _at(self, level: int, vector):
        return widened(self.w, vector) if level == self.bytes and self.bytes < 4 else vector

    def sums(self):
        """One lane for each vector: bytes where the largest sum fits, else int16."""
        return joined(*(vector for _, vector in self._open))
