"""Rules of sums over windows and over whole axes."""

from collections.abc import Iterator
from functools import partial
from itertools import groupby
from math import prod

import numpy as np

from ...compiler.ir.graph import Node
from ...errors import LoweringError
from ..design import Instance, Stream
from ..units.depthwise import DEPTHWISE, depthwise_weights
from ..units.sum_pool import SUM_POOL
from .linear import LANE_XNOR
from .rule import LUTS, Fold, Layer, Rule, channel_folds, divisors, vectors
from .window import window


def _sum(layer: Layer, source: Stream, taps: int, channels: int, pe: int, count: int) -> Instance:
    """``count`` sums of ``taps`` pixels; of {-1, +1} they are products with +1, whose codes are signs."""
    sink = Stream(layer.y, pe, count * channels // pe)
    name = f"{layer.name}_sum"
    if layer.x.bipolar:
        params = {
            "TAPS": taps, "C": channels, "K": 1, "PE": pe, "X_BITS": 1, "X_SIGNED": 0, "W_BITS": 1,
            "LANE": LANE_XNOR, "ACC_BITS": layer.y.bits, "ROM_STYLE": LUTS, "HAS_BIAS": 0,
        }  # fmt: skip
        ones = np.ones((taps, channels), dtype=np.int64)
        memories = {"WEIGHTS": partial(depthwise_weights, ones, pe, 1, True)}
        return Instance(DEPTHWISE, name, params, count, source, sink, layer.node.name, memories)
    params = {
        "TAPS": taps, "C": channels, "PE": pe, "X_BITS": layer.x.bits, "X_SIGNED": int(layer.x.signed),
        "ACC_BITS": layer.y.bits,
    }  # fmt: skip
    return Instance(SUM_POOL, name, params, count, source, sink, layer.node.name)


def _lower_sum_pool(layer: Layer, fold: Fold) -> tuple[Instance, ...]:
    kernel, channels = layer.node.op.kernel, layer.node.type.shape[-1]
    windows = window(layer, kernel, 0, fold.pe)
    return windows, _sum(layer, windows.output, prod(kernel), channels, fold.pe, vectors(layer))


def _block(layer: Layer) -> tuple[int, int, int]:
    """The operand's shape with the summed axes as one: elements before, in and behind them.

    Raises:
        LoweringError: axes that are kept lie between them.
    """
    shape, axes = layer.operands[0].value.type.shape, layer.node.op.axes
    runs = [
        (summed, prod(d for _, d in run))
        for summed, run in groupby(
            ((a in axes, d) for a, d in enumerate(shape) if d > 1), key=lambda axis: axis[0]
        )
    ]
    inside = [size for summed, size in runs if summed]
    if len(inside) > 1:
        raise LoweringError(
            f"fpga: reduce_sum must be over neighbouring axes, not {axes} of {shape} "
            f"(node {layer.node.name!r}). Transpose the tensor before it."
        )
    if not inside:
        return prod(shape), 1, 1
    place = next(i for i, (summed, _) in enumerate(runs) if summed)
    before, behind = (prod(size for _, size in part) for part in (runs[:place], runs[place + 1 :]))
    return before, inside[0], behind


def _reduce_folds(layer: Layer) -> Iterator[Fold]:
    _, taps, behind = _block(layer)
    yield from (Fold(pe, pe) for pe in (divisors(behind) if taps > 1 else (1,)))


def _lower_reduce_sum(layer: Layer, fold: Fold) -> tuple[Instance, ...]:
    before, taps, behind = _block(layer)
    source = Stream(layer.x, fold.pe, before * taps * behind // fold.pe)
    return (_sum(layer, source, taps, behind, fold.pe, before),)


def _padded(node: Node) -> bool:
    return any(node.op.pads)


SUMPOOL = Rule(channel_folds, _lower_sum_pool, writes_zero=_padded, sums=True)
REDUCE_SUM = Rule(_reduce_folds, _lower_reduce_sum, sums=True)
