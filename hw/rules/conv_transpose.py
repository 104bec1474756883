"""Rule of transposed convolutions: one convolution for all phases of the strides, then a pixel shuffle.

Pixels of the result whose coordinates agree modulo the strides see the same elements of the kernel. So the
transposed convolution is an ordinary one of stride 1 with strides' product as many channels, each a phase,
then a pixel shuffle, then a cut where the strides do not divide the result. Nothing is multiplied with zeros
put between the pixels.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from math import gcd

import numpy as np

from ...compiler.ir.graph import Const, Node, Value
from ...compiler.ir.ops import Conv2d, Reshape, Slice, Transpose
from ..design import Instance, Stream
from ..units.width_converter import WIDTH_CONVERTER
from .grouped import CONV2D
from .movement import REORDER, SLICES
from .rule import Fold, Layer, Rule


@dataclass(frozen=True)
class _Axis:
    """One axis: element ``q * stride + phase`` of the result sums over the kernel elements u of that phase,
    which meet input elements ``q + offset[u]``.

    Attributes:
        count: values of q.
        phase, offset: of each kernel element.
        first, step, taps: the window's first offset, its dilation and its elements.
        keep: input elements that some window touches, (first, behind the last).
        before, after: padding of what is kept.
    """

    count: int
    phase: list[int]
    offset: list[int]
    first: int
    step: int
    taps: int
    keep: tuple[int, int]
    before: int
    after: int


def _axis(n: int, result: int, kernel: int, stride: int, dilation: int, cut: int) -> _Axis:
    """The axis of ``n`` elements in and ``result`` out, whose full result loses ``cut`` at its front."""
    count = -(-result // stride)
    phase = [(u * dilation - cut) % stride for u in range(kernel)]
    offset = [(p + cut - u * dilation) // stride for u, p in enumerate(phase)]
    # A result of padding alone still reads something: a window must touch the input.
    reach = sorted({*offset, min(min(offset), n - 1), max(max(offset), 1 - count)})
    first, last = reach[0], reach[-1]
    step = gcd(*(v - first for v in reach)) or 1
    keep = max(first, 0), min(n, count + last)
    return _Axis(
        count, phase, offset, first, step, (last - first) // step + 1, keep,
        keep[0] - first, count - 1 + last - (keep[1] - 1),
    )  # fmt: skip


@dataclass(frozen=True, eq=False)
class _Steps:
    """What the node becomes, each step reading the one before; None where nothing is to be done."""

    used: Node | None
    convolution: Node
    pixels: Node | None
    result: Node | None


@lru_cache(maxsize=64)
def _steps(node: Node) -> _Steps:
    op, (x, weights, *bias) = node.op, node.inputs
    h, w = (
        _axis(x.type.shape[i], node.type.shape[i], weights.type.shape[i], op.strides[i], op.dilations[i],
              op.pads[i])
        for i in (0, 1)
    )  # fmt: skip
    used = _cut(x, (h.keep, w.keep), node.name)
    repeated = [Const(_repeated(bias[0].value, op)) for _ in bias]
    convolution = Conv2d(
        (1, 1), (h.before, w.before, h.after, w.after), (h.step, w.step), op.groups
    )(used or x, Const(_phases(weights.value, h, w, op)), *repeated, name=node.name)  # fmt: skip
    (sh, sw), m = op.strides, weights.type.shape[3]
    pixels, whole = None, convolution
    if sh * sw > 1:
        parts = Reshape((h.count, w.count, op.groups, sh, sw, m // op.groups))(convolution)
        pixels = Transpose((0, 3, 1, 4, 2, 5))(parts, name=node.name)
        whole = Reshape((h.count * sh, w.count * sw, m))(pixels)
    rows, columns, _ = node.type.shape
    return _Steps(used, convolution, pixels, _cut(whole, ((0, rows), (0, columns)), node.name))


def _cut(x: Value, keep: tuple[tuple[int, int], tuple[int, int]], name: str) -> Node | None:
    """The rows and columns of an image that are kept; None where all are."""
    h, w, c = x.type.shape
    if keep == ((0, h), (0, w)):
        return None
    (top, bottom), (left, right) = keep
    return Slice((top, left, 0), (bottom, right, c), (1, 1, 1))(x, name=name)


def _phases(weights: np.ndarray, h: _Axis, w: _Axis, op) -> np.ndarray:
    """Weights (taps, taps, C/groups, groups * phases * M/groups) of all phases; 0 where one has no tap."""
    kh, kw, inner, m = weights.shape
    per = m // op.groups
    found = np.zeros((h.taps, w.taps, inner, op.groups, *op.strides, per), dtype=np.int64)
    for u, v in np.ndindex(kh, kw):
        row, column = (h.offset[u] - h.first) // h.step, (w.offset[v] - w.first) // w.step
        found[row, column, :, :, h.phase[u], w.phase[v]] = weights[u, v].reshape(inner, op.groups, per)
    return found.reshape(h.taps, w.taps, inner, -1)


def _repeated(bias: np.ndarray, op) -> np.ndarray:
    """The bias of each channel of the convolution."""
    per = bias.reshape(op.groups, 1, 1, -1)
    return np.broadcast_to(per, (op.groups, *op.strides, per.shape[-1])).reshape(-1)


def _convolution(layer: Layer) -> Layer:
    """The convolution as a layer."""
    steps = _steps(layer.node)
    source = steps.used or layer.node.inputs[0]
    return replace(layer, node=steps.convolution, operands=(replace(layer.operands[0], value=source),))


def _folds(layer: Layer) -> Iterator[Fold]:
    return CONV2D.folds(_convolution(layer))


def _lower(layer: Layer, fold: Fold) -> tuple[Instance, ...]:
    steps, units = _steps(layer.node), []
    if steps.used:
        kept = replace(layer, node=steps.used, name=f"{layer.name}_in", y=layer.x)
        lanes = min(fold.simd, steps.used.type.shape[2])  # windows of more take pixels one by one
        units += SLICES.lower(kept, Fold(lanes, lanes))
    units += CONV2D.lower(_convolution(layer), fold)
    if not steps.pixels and not steps.result:
        return tuple(units)
    # A beat is channels of one pixel: what a group has of a phase, at most.
    lanes = gcd(units[-1].output.lanes, layer.node.type.shape[2] // layer.node.op.groups)
    units += _narrower(units[-1], lanes)
    for rule, step in ((REORDER, steps.pixels), (SLICES, steps.result)):
        if step:
            source = replace(layer.operands[0], value=step.inputs[0], type=layer.y)
            units += rule.lower(replace(layer, node=step, operands=(source,)), Fold(lanes, lanes))
    return tuple(units)


def _narrower(unit: Instance, lanes: int) -> tuple[Instance, ...]:
    """The converter from a unit's beats to ``lanes`` elements a beat, which divide them."""
    given = unit.output
    if given.lanes == lanes:
        return ()
    params = {"BITS": given.element.bits, "IN": given.lanes, "OUT": lanes}
    narrow = Stream(given.element, lanes, given.beats * given.lanes // lanes)
    return (Instance(WIDTH_CONVERTER, f"{unit.name}_narrow", params, given.beats, given, narrow, unit.layer),)


def _padded(node: Node) -> bool:
    return any(_steps(node).convolution.op.pads)


CONV_TRANSPOSE = Rule(_folds, _lower, writes_zero=_padded, sums=True)
