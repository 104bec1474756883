"""Staircases that no scaling of 32 bits equals: a product of 64 bits and a shift."""

from __future__ import annotations

from tvm import tirx

from ..ir.graph import Node
from ..ir.reach import channel_reach
from ..ir.requantize import Requantization, requantization
from .builder import const, element_of
from .isa import cast, joined, part
from .writer import Writer

# Instructions for four lanes, about; a comparison takes three for 32-bit lanes, and a load among them.
_COST, _COMPARED = 9, 3
_LANE, _LONG = 2**31 - 1, 64


def line_of(node: Node, bits: int) -> Requantization | None:
    """The product that counts a threshold's steps, where that is cheaper than lanes of ``bits`` compared.

    None where there is no such line, or its result leaves 32 bits before it is clipped.
    """
    t, x = node.inputs[1].value, node.inputs[0].type.dtype
    if x.bipolar or t.shape[1] * _COMPARED * bits <= _COST * 32:
        return None
    found = requantization(t, x, reach=channel_reach(node.inputs[0], len(t)))
    if found is None or found.acc_bits(x) > min(_LONG, found.shift + 32):
        return None
    return found


def count_on_line(w: Writer, line: Requantization, x, channel, lanes: int):
    """``(x * factor + offset) >> shift``, clipped to the counts: SMLAL and SHRN; int32 lanes."""
    narrow = element_of(x) != "int64" and int(line.factor.max()) <= _LANE
    kind = "int32" if narrow else "int64"
    factor = w.channels(line.factor, kind, channel, lanes)
    offset = w.channels(line.offset, "int64", channel, lanes)
    x, quads = cast(x, kind), []
    for i in range(0, lanes, 4):
        product = cast(part(x, i, 4), "int64") * cast(part(factor, i, 4), "int64")
        whole = w.let(product + part(offset, i, 4))
        quads.append(w.let(cast(whole >> const(line.shift, "int64x4"), "int32")))
    bounds = [const(v, f"int32x{lanes}") for v in (0, line.count)]
    return w.let(tirx.min(tirx.max(joined(*quads), bounds[0]), bounds[1]))
