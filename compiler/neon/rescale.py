"""Instructions of a scaling: from sums to the bytes of the next layer."""

from __future__ import annotations

import numpy as np
from tvm import tirx

from ..ir.graph import Node
from ..ir.reach import channel_reach
from ..ir.types import Int
from .affine import Affine, computed, leaf
from .builder import const, element_of
from .floats import FloatScaling, float_scaling
from .halves import HalfScaling, half_scaling
from .isa import cast, joined, part
from .mending import mended
from .program import fitting
from .requantize import Scaling, scaling
from .writer import Writer

# Offset of bytes that hold 0 .. 255.
_UNSIGNED = 128
# Bytes come from lanes of 16 bits, which their offset must not leave.
_FAR = 2**15 - 256
# Instructions an element of a scaling with a shift and an addition in front.
_SHIFTED = 1.0


def halves_of(node: Node) -> HalfScaling | None:
    """The form for results of bytes by products of 16 bits, right for some of the rows or all."""
    t, bias = node.inputs[1].value, _results(node).lo
    if fitting(Int(bias, bias + t.shape[1]))[0] != "int8":
        return None
    return half_scaling(t, _lows(bias), node.inputs[0].type.dtype, channel_reach(node.inputs[0], len(t)))


def choose(node: Node) -> Scaling | FloatScaling | None:
    """The form of a threshold for all rows in 32 bits that takes the fewest instructions, or None."""
    t, bias, x = node.inputs[1].value, _results(node).lo, node.inputs[0].type.dtype
    reach = channel_reach(node.inputs[0], len(t))
    for low in _lows(bias):
        plain = scaling(t, low, x, reach, shifts=False)
        if plain is not None:
            return plain
    floats = float_scaling(t, bias, x, reach)
    if floats is not None and floats.cost <= _SHIFTED:
        return floats
    exact = scaling(t, bias, x, reach)
    if exact is not None:
        return exact
    near = scaling(t, bias, x, reach, exceptions=True)
    found = [f for f in (near, floats) if f is not None]
    return min(found, key=lambda f: f.cost, default=None)


def _lows(bias: int) -> tuple[int, ...]:
    """Lowest results to try. TensorFlow Lite adds its zero point last: its counts lie on a line through 0."""
    return (bias, 0) if bias else (bias,)


def _results(node: Node) -> Int:
    """What a scaling gives: the threshold's results, or counts where those are steps or far from 0."""
    kind, count = node.type.dtype, node.inputs[1].type.shape[1]
    if node.op.step == 1 and (fitting(kind)[0] != "int8" or kind.magnitude < _FAR):
        return kind
    return Int(0, count)


def rescaled(
    w: Writer, s: Scaling | FloatScaling | HalfScaling, x: Affine, node: Node, channel, lanes: int
) -> Affine:
    """The threshold's results by a scaling."""
    found, step = _scaled(w, s, x, channel, lanes), node.op.step
    start = np.array([node.op.bias - step * s.low])
    return found.scaled(np.array([step]), node.type.dtype).shifted(start, node.type.dtype)


def _scaled(w: Writer, s: Scaling | FloatScaling | HalfScaling, x: Affine, channel, lanes: int) -> Affine:
    """A scaling's instructions; the result as bytes where its range allows."""
    isa, kind = w.isa, Int(s.low, s.high)
    if isinstance(s, HalfScaling):
        return _halved(w, s, x, channel, lanes)
    value = _shifted(w, s, x, channel, lanes)
    element, offset = fitting(kind)
    quads = (_float_quads if isinstance(s, FloatScaling) else _quads)(w, s, value, channel, lanes)
    whole = joined(*quads)
    if element != "int8":
        clamped = _clamped(w, whole, s.low, s.high)
        return leaf(clamped, 0, kind)
    halves = cast_saturated(w, whole)
    if offset == _UNSIGNED:
        # Saturated to 0 .. 255; the highest bit turned over takes 128 off.
        result = cast_saturated(w, halves, unsigned=True) ^ const(-_UNSIGNED, f"int8x{lanes}")
    else:
        if offset:
            halves = isa.add_saturating(halves, const(-offset, f"int16x{lanes}"))
        result = cast_saturated(w, halves)
    low, high = s.low - offset, s.high - offset
    return leaf(w.let(_clamped(w, result, low, high)), offset, kind)


def _halved(w: Writer, s: HalfScaling, x: Affine, channel, lanes: int) -> Affine:
    """High products cut to 16 bits, then shifted into bytes."""
    (_, offset), limit = fitting(Int(s.low, s.high)), 2**15 - 1
    value = _shifted(w, s, x, channel, lanes)
    factor = w.channels(s.factor, "int32", channel, lanes)
    wide = max(lanes, 8)
    quads = [
        w.let(w.isa.multiply_high_down(part(value, i, 4), part(factor, i, 4))) for i in range(0, lanes, 4)
    ]
    quads *= wide // lanes
    unsigned = offset == _UNSIGNED
    results = []
    for i in range(0, len(quads), 2):
        half = cast(joined(*quads[i : i + 2]), "int16")
        if offset and not unsigned:
            shifted = int(np.clip(-offset << s.shift, -limit, limit))
            half = w.isa.add_saturating(half, const(shifted, "int16x8"))
        results.append(w.let(w.isa.shift_narrow(half, s.shift, unsigned)))
    whole = joined(*results)
    if unsigned:
        # Saturated to 0 .. 255; the highest bit turned over takes 128 off.
        whole = whole ^ const(-_UNSIGNED, f"int8x{wide}")
    whole = part(w.let(whole), 0, lanes) if wide > lanes else whole
    return leaf(w.let(_clamped(w, whole, s.low - offset, s.high - offset)), offset, Int(s.low, s.high))


def _quads(w: Writer, s: Scaling, value, channel, lanes: int):
    """A high product and a rounding shift, and the exceptions."""
    isa = w.isa
    factor = w.channels(s.factor, "int32", channel, lanes)
    shift = w.channels(-s.shift, "int32", channel, lanes)
    early = [_quarters(w, column, channel, lanes) for column in s.early.T]
    multiply = isa.multiply_high if s.twice else isa.multiply_high_down
    quads = []
    for i in range(0, lanes, 4):
        q = multiply(part(value, i, 4), part(factor, i, 4))
        if s.away and s.shift.any():
            # Halves of negative numbers go down: SRSHL would take them up.
            q = w.let(q)
            sign = q if s.shift.all() else q & part(shift, i, 4)
            q = q + (sign >> const(31, "int32x4"))
        q = isa.shift_rounding(q, part(shift, i, 4)) if s.shift.any() else q
        for one in early:
            # The comparison's own mask is -1.
            here = part(value, i, 4) == one[i // 4]
            q = q - tirx.Select(here, const(-1, "int32x4"), const(0, "int32x4"))
        quads.append(w.let(q))
    return quads


def _float_quads(w: Writer, s: FloatScaling, value, channel, lanes: int):
    """SCVTF, FMUL and FCVTNS, and the exceptions."""
    factor = w.channels(s.factor, "float32", channel, lanes)
    wrong = [_quarters(w, column, channel, lanes) for column in s.wrong.T]
    quads = []
    for i in range(0, lanes, 4):
        product = tirx.Cast("float32x4", part(value, i, 4)) * part(factor, i, 4)
        q = w.isa.round_to_even(product)
        for place, change in zip(wrong, s.change.tolist(), strict=True):
            # The comparison's own mask is -1.
            here = part(value, i, 4) == place[i // 4]
            mask = tirx.Select(here, const(-1, "int32x4"), const(0, "int32x4"))
            q = q - mask if change > 0 else q + mask
        quads.append(w.let(q))
    if not len(s.searched):
        return quads
    whole = mended(w, s.searched, s.steps, s.low, value, joined(*quads), channel, lanes)
    return [part(whole, i, 4) for i in range(0, lanes, 4)]


def _quarters(w: Writer, array: np.ndarray, channel, lanes: int) -> list:
    """A constant's elements for every four lanes; parts of one load LLVM would compare at once, in bytes."""
    width, pixels = lanes // w.pixels, w.pixels
    if width < 4:
        whole = w.channels(array, "int32", channel, lanes)
        return [part(whole, i, 4) for i in range(0, lanes, 4)]
    w.pixels = 1
    found = [w.channels(array, "int32", channel + i, 4) for i in range(0, width, 4)]
    w.pixels = pixels
    return found * pixels


def _shifted(w: Writer, s: Scaling | FloatScaling | HalfScaling, x: Affine, channel, lanes: int):
    """``(x << left) + offset``; the shift goes into the factors where they stay 16 bits wide."""
    if s.left == 0 or all(np.abs(t.factor).max() << s.left < 2**15 for t in x.terms):
        whole = x.scaled(np.array([1 << s.left]), x.range).shifted(s.offset, x.range)
        return computed(w, whole, "int32", channel, lanes)
    terms = Affine(x.terms, np.zeros(1, np.int64), x.range)
    shifted = computed(w, terms, "int32", channel, lanes) << const(s.left, f"int32x{lanes}")
    offset = Affine((), (x.constant << s.left) + s.offset, x.range)
    return w.let(shifted + computed(w, offset, "int32", channel, lanes))


def cast_saturated(w: Writer, value, unsigned: bool = False):
    """Lanes of half the width, saturated, 64 bits of result at a time."""
    narrow = w.isa.narrow_unsigned if unsigned else w.isa.narrow
    lanes, per = value.ty.dtype.lanes, 64 // (value.ty.dtype.bits // 2)
    if lanes < per:
        value = joined(*[value] * (per // lanes))
    parts = [narrow(part(value, i, per)) for i in range(0, max(lanes, per), per)]
    whole = joined(*parts)
    return w.let(whole if lanes >= per else part(whole, 0, lanes))


def _clamped(w: Writer, value, low: int, high: int):
    """Bounds, where the element's own saturation has not set them."""
    element, lanes = element_of(value), value.ty.dtype.lanes
    limit = 1 << (value.ty.dtype.bits - 1)
    kind = f"{element}x{lanes}"
    if low > -limit:
        value = tirx.max(value, const(low, kind))
    if high < limit - 1:
        value = tirx.min(value, const(high, kind))
    return value
