"""Sums and pools element by element: for shapes and widths that no faster rule takes."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack

import numpy as np
from tvm import tirx

from ...ir.types import Int
from ..affine import element_for
from ..builder import const, dtype_of
from ..context import Context
from ..copies import strides
from ..groups import Group
from ..isa import cast
from .rule import Rule


class _Loops:
    """A kernel that computes one element of ``y`` at a time in a scalar of its own."""

    def __init__(self, context: Context, group: Group, *between: Int):
        """``between``: ranges of what is computed on the way."""
        self.context, self.node = context, group.output
        self.x = context.tensor(self.node.inputs[0])
        self.y = context.result(self.node)
        self.w = context.writer()
        reach = [*between, *(v.type.dtype for v in (self.node, *self.node.inputs))]
        self.element = element_for(Int(min(-1, *(r.lo for r in reach)), max(1, *(r.hi for r in reach))))
        self.px = self.tensor(self.x)
        self.py = self.tensor(self.y)
        self.stack = ExitStack()

    def tensor(self, tensor):
        return self.w.tensor(tensor.place(tensor.storage.origin), tensor.storage.dtype)

    def over(self, shape: tuple[int, ...]):
        """Counters over all elements of a shape; the first is the outer loop."""
        counters = [self.stack.enter_context(self.w.outer())] if shape else []
        counters += [self.stack.enter_context(self.w.loop(self.w.size(n))) for n in shape[1:]]
        if not shape:
            self.stack.enter_context(self.w.outer())
        self.sum = self.w.array(self.element, 1)
        return counters

    def index(self, tensor, counters):
        index = const(0, self.w.index)
        for counter, step in zip(counters, strides(tensor.storage), strict=True):
            index = index + counter * step
        return index

    def value(self, pointer, tensor, index):
        """An element of a tensor."""
        return cast(pointer.at(index), self.element) + const(tensor.storage.offset, self.element)

    def put(self, value) -> None:
        self.w.store(self.sum, 0, value)

    def finish(self, counters, kind: str, macs: int = 0) -> None:
        stored = self.sum.at(0) - const(self.y.storage.offset, self.element)
        self.w.store(self.py, self.index(self.y, counters), cast(stored, self.y.storage.dtype))
        self.stack.close()
        shape = self.node.type.shape
        self.context.add(kind, self.w, shape[0] if shape else 1, macs)


def _window(loops: _Loops, i, j, op, kernel):
    """Loops over a window's taps; (u, v, row, column, inside) of each."""
    w, (h, wd, _) = loops.w, loops.node.inputs[0].type.shape
    u = loops.taps.enter_context(w.loop(w.size(kernel[0])))
    v = loops.taps.enter_context(w.loop(w.size(kernel[1])))
    row = w.let(i * op.strides[0] + u * op.dilations[0] - op.pads[0])
    column = w.let(j * op.strides[1] + v * op.dilations[1] - op.pads[1])
    inside = tirx.all(row >= 0, row < h, column >= 0, column < wd)
    loops.taps.enter_context(w.when(inside))
    return u, v, row, column


def _table(loops: _Loops, weights: np.ndarray):
    return loops.w.table(weights, element_for(Int(int(weights.min()), int(weights.max()))))


def _bias(loops: _Loops, m):
    if len(loops.node.inputs) < 3:
        return const(0, loops.element)
    return loops.w.table(loops.node.inputs[2].value, loops.element).at(m)


def _conv(context: Context, group: Group) -> None:
    loops = _Loops(context, group)
    node, op, w = loops.node, loops.node.op, loops.w
    weights = node.inputs[1].value
    kh, kw, cg, m_all = weights.shape
    table = _table(loops, weights)
    i, j, m = counters = loops.over(node.type.shape)
    loops.put(_bias(loops, m))
    group_ = w.let(tirx.truncdiv(m, const(m_all // op.groups, w.index)) * cg)
    loops.taps = ExitStack()
    u, v, row, column = _window(loops, i, j, op, (kh, kw))
    with w.loop(w.size(cg)) as c:
        x = loops.value(loops.px, loops.x, loops.index(loops.x, (row, column, group_ + c)))
        weight = cast(table.at(((u * kw + v) * cg + c) * m_all + m), loops.element)
        loops.put(loops.sum.at(0) + x * weight)
    loops.taps.close()
    loops.finish(counters, "conv_plain", op.work(*node.inputs).macs)


def _conv_transpose(context: Context, group: Group) -> None:
    loops = _Loops(context, group)
    node, op, w = loops.node, loops.node.op, loops.w
    weights = node.inputs[1].value
    kh, kw, cg, m_all = weights.shape
    h, wd, _ = node.inputs[0].type.shape
    table = _table(loops, weights)
    i, j, m = counters = loops.over(node.type.shape)
    loops.put(_bias(loops, m))
    group_ = w.let(tirx.truncdiv(m, const(m_all // op.groups, w.index)) * cg)
    with w.loop(w.size(kh)) as u, w.loop(w.size(kw)) as v:
        down = w.let(i + op.pads[0] - u * op.dilations[0])
        across = w.let(j + op.pads[1] - v * op.dilations[1])
        sh, sw = (const(s, w.index) for s in op.strides)
        meets = tirx.all(
            down >= 0, tirx.truncmod(down, sh) == 0, tirx.truncdiv(down, sh) < h,
            across >= 0, tirx.truncmod(across, sw) == 0, tirx.truncdiv(across, sw) < wd,
        )  # fmt: skip
        with w.when(meets):
            row, column = w.let(tirx.truncdiv(down, sh)), w.let(tirx.truncdiv(across, sw))
            with w.loop(w.size(cg)) as c:
                x = loops.value(loops.px, loops.x, loops.index(loops.x, (row, column, group_ + c)))
                weight = cast(table.at(((u * kw + v) * cg + c) * m_all + m), loops.element)
                loops.put(loops.sum.at(0) + x * weight)
    loops.finish(counters, "conv_transpose", op.work(*node.inputs).macs)


def _matmul(context: Context, group: Group) -> None:
    loops = _Loops(context, group)
    macs = loops.node.op.work(*loops.node.inputs).macs
    _dense(loops, lambda total, x, weight: total + x * weight, "matmul_plain", macs)


def _dense(loops: _Loops, step: Callable, name: str, taps: int) -> None:
    """Sums over the last axis, by ``step`` from the sum so far, an input and its weight."""
    node, w = loops.node, loops.w
    weights = node.inputs[1].value
    table = _table(loops, weights)
    *outer, m = counters = loops.over(node.type.shape)
    loops.put(_bias(loops, m))
    with w.loop(w.size(weights.shape[0])) as k:
        x = loops.value(loops.px, loops.x, loops.index(loops.x, (*outer, k)))
        weight = cast(table.at(k * weights.shape[1] + m), loops.element)
        loops.put(step(loops.sum.at(0), x, weight))
    loops.finish(counters, name, taps)


def _adder_loops(context: Context, group: Group) -> _Loops:
    """Loops whose scalars hold every difference and every sum on the way."""
    x, w = group.output.inputs[0].type.dtype, group.output.inputs[1].value
    far = np.stack([np.abs(w), np.abs(w - x.lo), np.abs(w - x.hi)]).max(0)
    bias = group.output.inputs[2].value if len(group.output.inputs) == 3 else np.zeros(1, np.int64)
    least = bias - far.reshape(-1, far.shape[-1]).sum(0)
    return _Loops(context, group, Int(int(least.min()), int(max(bias.max(), far.max()))))


def _magnitude(value):
    return tirx.max(value, const(0, dtype_of(value)) - value)


def _adder_matmul(context: Context, group: Group) -> None:
    loops = _adder_loops(context, group)
    taps = loops.node.op.work(*loops.node.inputs).adds // 2
    _dense(loops, lambda total, x, weight: total - _magnitude(loops.w.let(x - weight)), "adder_plain", taps)


def _adder_conv(context: Context, group: Group) -> None:
    loops = _adder_loops(context, group)
    node, op, w = loops.node, loops.node.op, loops.w
    weights = node.inputs[1].value
    kh, kw, c_all, m_all = weights.shape
    table = _table(loops, weights)
    # Every tap as if it met padding; those inside the image are put right.
    padded = -np.abs(weights).sum((0, 1, 2))
    start = w.table(padded + (node.inputs[2].value if len(node.inputs) == 3 else 0), loops.element)
    i, j, m = counters = loops.over(node.type.shape)
    loops.put(start.at(m))
    loops.taps = ExitStack()
    u, v, row, column = _window(loops, i, j, op, (kh, kw))
    with w.loop(w.size(c_all)) as c:
        x = loops.value(loops.px, loops.x, loops.index(loops.x, (row, column, c)))
        weight = w.let(cast(table.at(((u * kw + v) * c_all + c) * m_all + m), loops.element))
        loops.put(loops.sum.at(0) + _magnitude(weight) - _magnitude(w.let(x - weight)))
    loops.taps.close()
    loops.finish(counters, "adder_plain", op.work(*node.inputs).adds // 2)


def _batch_matmul(context: Context, group: Group) -> None:
    loops = _Loops(context, group)
    node, w = loops.node, loops.w
    z = context.tensor(node.inputs[1])
    pz = loops.tensor(z)
    *outer, m, n = counters = loops.over(node.type.shape)
    loops.put(const(0, loops.element))
    with w.loop(w.size(node.inputs[0].type.shape[-1])) as k:
        x = loops.value(loops.px, loops.x, loops.index(loops.x, (*outer, m, k)))
        loops.put(loops.sum.at(0) + x * loops.value(pz, z, loops.index(z, (*outer, k, n))))
    loops.finish(counters, "batch_matmul", node.op.work(*node.inputs).macs)


def _pool(context: Context, group: Group, most: bool) -> None:
    loops = _Loops(context, group)
    node, op = loops.node, loops.node.op
    i, j, c = counters = loops.over(node.type.shape)
    loops.put(const(node.type.dtype.lo if most else 0, loops.element))
    loops.taps = ExitStack()
    _, _, row, column = _window(loops, i, j, op, op.kernel)
    x = loops.value(loops.px, loops.x, loops.index(loops.x, (row, column, c)))
    loops.put(tirx.max(loops.sum.at(0), x) if most else loops.sum.at(0) + x)
    loops.taps.close()
    loops.finish(counters, "max_pool" if most else "sum_pool")


def _reduce(context: Context, group: Group) -> None:
    loops = _Loops(context, group)
    node, w = loops.node, loops.w
    shape, axes = node.inputs[0].type.shape, node.op.axes
    counters = loops.over(node.type.shape)
    loops.put(const(0, loops.element))
    with ExitStack() as taps:
        inner = {a: taps.enter_context(w.loop(w.size(shape[a]))) for a in axes}
        outer = iter(counters)
        all_ = [inner[a] if a in inner else next(outer) for a in range(len(shape))]
        loops.put(loops.sum.at(0) + loops.value(loops.px, loops.x, loops.index(loops.x, all_)))
    loops.finish(counters, "reduce_sum")


def _arg_max(context: Context, group: Group) -> None:
    loops = _Loops(context, group)
    node, w = loops.node, loops.w
    counters = loops.over(node.type.shape)
    best = w.array(loops.element, 1)
    w.store(best, 0, loops.value(loops.px, loops.x, loops.index(loops.x, (*counters, const(0, w.index)))))
    loops.put(const(0, loops.element))
    with w.loop(w.size(node.inputs[0].type.shape[-1])) as k:
        x = w.let(loops.value(loops.px, loops.x, loops.index(loops.x, (*counters, k))))
        with w.when(x > best.at(0)):
            w.store(best, 0, x)
            loops.put(cast(k, loops.element))
    loops.finish(counters, "arg_max")


CONV, CONV_TRANSPOSE, MATMUL, BATCH_MATMUL = (
    Rule(emit) for emit in (_conv, _conv_transpose, _matmul, _batch_matmul)
)
ADDER_CONV, ADDER_MATMUL = Rule(_adder_conv), Rule(_adder_matmul)
MAX_POOL = Rule(lambda context, group: _pool(context, group, True))
SUM_POOL = Rule(lambda context, group: _pool(context, group, False))
REDUCE_SUM, ARG_MAX = Rule(_reduce), Rule(_arg_max)
