"""Sums across the lanes of vectors without signs, widened only where they would leave their lanes."""

from __future__ import annotations

from ..builder import const
from ..isa import cast, joined, lanes_of, part, reinterpret, widened


def across(w, vectors: list, element: str, bound: int, total: int):
    """Sums across the lanes of each vector, one lane each in their order.

    Args:
        vectors: a power of two of them, of lanes without sign.
        element: of the result, int16 or int32; sums of 16 bits wrap around.
        bound: the largest value of a lane; total: the largest sum of a vector.
    """
    count, lanes = len(vectors), len(vectors) * lanes_of(vectors[0])
    bits, wanted = 128 // lanes_of(vectors[0]), int(element[3:])
    while lanes > count:
        bound = min(2 * bound, total)
        if bits < wanted and bound >= 2**bits:
            vectors, bits = [_widened(w, v) for v in vectors], 2 * bits
        elif len(vectors) > 1:
            vectors = [w.let(w.isa.pairs(a, b)) for a, b in zip(vectors[::2], vectors[1::2], strict=True)]
        else:
            vectors = [w.let(w.isa.pairs(vectors[0], vectors[0]))]
        lanes //= 2
    found = joined(*vectors) if lanes_of(vectors[0]) <= count else part(vectors[0], 0, count)
    return cast(reinterpret(w.let(cast(found, f"uint{wanted}")), f"{element}x{count}"), element)


def _widened(w, vector):
    """Sums of neighbours in lanes of twice the width (UADDLP)."""
    kind = widened(f"{vector.ty.dtype}".partition("x")[0] + f"x{lanes_of(vector) // 2}")
    return w.let(w.isa.pairs_accumulate(const(0, kind), vector))
