"""Rules of ops that move elements."""

from __future__ import annotations

from itertools import accumulate

from ...ir.ops.resample import DCR
from ..context import Context
from ..copies import Axis, fill, move, strides
from ..groups import Group
from .rule import Rule


def _ends(context: Context, group: Group):
    node = group.output
    return node, context.tensor(node.inputs[0]), context.result(node)


def _transpose(context: Context, group: Group) -> None:
    node, x, y = _ends(context, group)
    source = strides(x.storage)
    axes = [
        Axis(n, source[a], t)
        for n, a, t in zip(node.type.shape, node.op.perm, strides(y.storage), strict=True)
    ]
    move(context, x, y, axes, x.storage.origin, y.storage.origin)


def _slice(context: Context, group: Group) -> None:
    node, x, y = _ends(context, group)
    op, source = node.op, strides(x.storage)
    axes = [
        Axis(n, s * step, t)
        for n, s, step, t in zip(node.type.shape, source, op.steps, strides(y.storage), strict=True)
    ]
    start = x.storage.origin + sum(a * s for a, s in zip(op.starts, source, strict=True))
    move(context, x, y, axes, start, y.storage.origin)


def _pad(context: Context, group: Group) -> None:
    node, x, y = _ends(context, group)
    shape, target = node.type.shape, strides(y.storage)
    if any(node.op.pads):
        *outer, run = shape if len(shape) > 1 else (1, *shape)
        axes = [Axis(n, 0, t) for n, t in zip(outer, target, strict=False)]
        fill(context, y, y.storage.origin, axes, run, node.op.value)
    inner = node.inputs[0].type.shape
    axes = [Axis(n, s, t) for n, s, t in zip(inner, strides(x.storage), target, strict=True)]
    to = y.storage.origin + sum(p * t for p, t in zip(node.op.pads, target, strict=False))
    move(context, x, y, axes, x.storage.origin, to)


def _concat(context: Context, group: Group) -> None:
    node = group.output
    y = context.result(node)
    target, axis = strides(y.storage), node.op.axis
    lengths = [v.type.shape[axis] for v in node.inputs]
    for value, first in zip(node.inputs, [0, *accumulate(lengths)], strict=False):
        x = context.tensor(value)
        axes = [Axis(*a) for a in zip(value.type.shape, strides(x.storage), target, strict=True)]
        move(context, x, y, axes, x.storage.origin, y.storage.origin + first * target[axis])


def _upsample(context: Context, group: Group) -> None:
    node, x, y = _ends(context, group)
    (h, w, c), (fh, fw) = node.inputs[0].type.shape, node.op.factors
    (sr, sp, _), (tr, tp, _) = strides(x.storage), strides(y.storage)
    axes = [Axis(h, sr, fh * tr), Axis(fh, 0, tr), Axis(w, sp, fw * tp), Axis(fw, 0, tp), Axis(c, 1, 1)]
    move(context, x, y, axes, x.storage.origin, y.storage.origin)


def _depth_to_space(context: Context, group: Group) -> None:
    node, x, y = _ends(context, group)
    b, (h, w, c) = node.op.block, node.inputs[0].type.shape
    (sr, sp, _), (tr, tp, _) = strides(x.storage), strides(y.storage)
    per = c // b**2
    # Channels in memory: (u, v, c) in mode DCR, (c, u, v) in mode CRD.
    su, sv, sc = (b * per, per, 1) if node.op.mode == DCR else (b, 1, b * b)
    axes = [Axis(h, sr, b * tr), Axis(b, su, tr), Axis(w, sp, b * tp), Axis(b, sv, tp), Axis(per, sc, 1)]
    move(context, x, y, axes, x.storage.origin, y.storage.origin)


def _space_to_depth(context: Context, group: Group) -> None:
    node, x, y = _ends(context, group)
    b, (h, w, c) = node.op.block, node.inputs[0].type.shape
    (sr, sp, _), (tr, tp, _) = strides(x.storage), strides(y.storage)
    axes = [
        Axis(h // b, b * sr, tr), Axis(b, sr, b * c), Axis(w // b, b * sp, tp), Axis(b, sp, c), Axis(c, 1, 1)
    ]  # fmt: skip
    move(context, x, y, axes, x.storage.origin, y.storage.origin)


def _reshape(context: Context, group: Group) -> None:
    context.alias(group.output)


TRANSPOSE, SLICE, PAD, CONCAT = Rule(_transpose), Rule(_slice), Rule(_pad), Rule(_concat)
UPSAMPLE, DEPTH_TO_SPACE = Rule(_upsample), Rule(_depth_to_space)
SPACE_TO_DEPTH, RESHAPE = Rule(_space_to_depth), Rule(_reshape)
