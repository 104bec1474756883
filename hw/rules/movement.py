"""Rules of ops that put elements into another order, leave some out, or put some in."""

from collections.abc import Iterator
from functools import lru_cache
from math import gcd

import numpy as np

from ...compiler.ir.graph import Const, Node
from ...errors import LoweringError
from ..design import Instance, Stream
from ..units.concat import CONCAT, MOST_INPUTS
from ..units.gather import GATHER, blocks_of, gather_parameters, order_of
from ..units.slice import AXES, PAD, SLICE
from .rule import Fold, Layer, Rule, divisors


def _source(layer: Layer, lanes: int) -> Stream:
    return Stream(layer.x, lanes, layer.operands[0].value.type.size // lanes)


def _sink(layer: Layer, lanes: int) -> Stream:
    return Stream(layer.y, lanes, layer.node.type.size // lanes)


# Reordering: Transpose, Upsample, DepthToSpace, SpaceToDepth.


@lru_cache(maxsize=64)
def _orders(node: Node) -> dict[int, tuple[np.ndarray, int]]:
    """For each possible number of lanes, the order of one block's beats and how many blocks a frame has."""
    shape = node.inputs[0].type.shape
    moved = node.op.evaluate(np.arange(node.inputs[0].type.size).reshape(1, *shape))[0]
    found = {}
    for lanes in divisors(gcd(shape[-1], node.type.shape[-1])):
        order = order_of(shape, moved, lanes)
        if order is not None:
            blocks = blocks_of(order, node.inputs[0].type.size // lanes)
            found[lanes] = order[: len(order) // blocks], blocks
    return found


def _reorder_folds(layer: Layer) -> Iterator[Fold]:
    yield from (Fold(lanes, lanes) for lanes in _orders(layer.node))


def _lower_reorder(layer: Layer, fold: Fold) -> tuple[Instance, ...]:
    order, blocks = _orders(layer.node)[fold.pe]
    if len(order) == 1:  # every block is a beat that stays where it is
        return ()
    source = _source(layer, fold.pe)
    params = gather_parameters(source.bits, source.beats // blocks, order)
    return (
        Instance(
            GATHER, f"{layer.name}_order", params, blocks, source, _sink(layer, fold.pe), layer.node.name
        ),
    )


# Slices and pads.


def _merged(axes: list[tuple[int, ...]], whole, op: str, node: Node) -> list[tuple[int, ...]]:
    """Axes from the fastest on, each (length, a, b, ...), with those that are whole taken into the next one.

    ``whole`` says of an axis whether nothing happens to it, and an axis takes one of ``n`` elements in by
    multiplying its length and its offsets, unless it is taken in steps.

    Raises:
        LoweringError: more than three axes are left.
    """
    kept: list[tuple[int, ...]] = []
    for axis in axes:
        unstepped = len(axis) == 3 or axis[3] == 1
        if kept and whole(kept[-1]) and (unstepped or kept[-1][0] == 1):
            n = kept.pop()[0]
            axis = (axis[0] * n, axis[1] * n, axis[2] * n, *axis[3:])
        kept.append(axis)
    if len(kept) > len(AXES):
        raise LoweringError(
            f"fpga: {op} must change at most {len(AXES)} axes, not {len(kept)} (node {node.name!r}). "
            "Write it as several."
        )
    return kept


def _cut_axes(node: Node, lanes: int) -> list[tuple[int, int, int, int]]:
    """(length, first, count, step) in beats, from the fastest axis on."""
    op, shape, result = node.op, node.inputs[0].type.shape, node.type.shape
    axes = [
        (d, a, count, s if count > 1 else 1)
        for d, a, count, s in zip(shape, op.starts, result, op.steps, strict=True)
    ][::-1]
    n, first, count, step = axes[0]
    axes[0] = (n // lanes, first // lanes, count // lanes, step)
    return _merged(axes, lambda axis: axis[0] == axis[2], "slice", node)


def _slice_folds(layer: Layer) -> Iterator[Fold]:
    op, n, count = layer.node.op, layer.node.inputs[0].type.shape[-1], layer.node.type.shape[-1]
    together = gcd(n, count, op.starts[-1]) if op.steps[-1] == 1 or count == n else 1
    yield from (Fold(lanes, lanes) for lanes in divisors(together))


def _lower_slice(layer: Layer, fold: Fold) -> tuple[Instance, ...]:
    axes = _cut_axes(layer.node, fold.pe)
    source = _source(layer, fold.pe)
    params = {"BITS": source.bits}
    for k in AXES:
        names = ("N", "FIRST", "COUNT", "STEP")
        axis = axes[k] if k < len(axes) else (1, 0, 1, 1)
        params |= {f"{name}{k}": value for name, value in zip(names, axis, strict=True)}
    return (
        Instance(SLICE, f"{layer.name}_slice", params, 1, source, _sink(layer, fold.pe), layer.node.name),
    )


def _pad_folds(layer: Layer) -> Iterator[Fold]:
    pads, n = layer.node.op.pads, layer.node.inputs[0].type.shape[-1]
    axes = len(pads) // 2
    yield from (Fold(lanes, lanes) for lanes in divisors(gcd(n, pads[axes - 1], pads[-1])))


def _lower_pad(layer: Layer, fold: Fold) -> tuple[Instance, ...]:
    op, shape = layer.node.op, layer.node.inputs[0].type.shape
    before, after = op.pads[: len(shape)], op.pads[len(shape) :]
    axes = list(zip(shape, before, after, strict=True))[::-1]
    axes[0] = tuple(v // fold.pe for v in axes[0])
    axes = _merged(axes, lambda axis: axis[1] == axis[2] == 0, "pad", layer.node)
    code = int(layer.y.encode(np.array(op.value)))
    params = {"BITS": layer.y.bits, "LANES": fold.pe, "PAD_CODE": code}
    for k in AXES:
        axis = axes[k] if k < len(axes) else (1, 0, 0)
        params |= {f"{name}{k}": v for name, v in zip(("N", "BEFORE", "AFTER"), axis, strict=True)}
    return (
        Instance(
            PAD, f"{layer.name}_pad", params, 1, _source(layer, fold.pe), _sink(layer, fold.pe),
            layer.node.name,
        ),
    )  # fmt: skip


# Joins.


def _check_join(node: Node) -> None:
    if len(node.inputs) > MOST_INPUTS or any(isinstance(v, Const) for v in node.inputs):
        raise LoweringError(
            f"fpga: concat must join 2 to {MOST_INPUTS} computed tensors, not {len(node.inputs)} of which "
            f"{sum(isinstance(v, Const) for v in node.inputs)} are constants (node {node.name!r}). "
            "Join them in several steps."
        )


def _concat_folds(layer: Layer) -> Iterator[Fold]:
    _check_join(layer.node)
    together = gcd(*(v.type.shape[-1] for v in layer.node.inputs))
    yield from (Fold(lanes, lanes) for lanes in divisors(together))


def _lower_concat(layer: Layer, fold: Fold) -> tuple[Instance, ...]:
    node = layer.node
    _check_join(node)
    turns = int(np.prod(node.type.shape[: node.op.axis]))
    streams = tuple(Stream(o.type, fold.pe, o.value.type.size // fold.pe) for o in layer.operands)
    beats = [s.beats // turns for s in streams] + [1] * (MOST_INPUTS - len(streams))
    params = {"BITS": layer.y.bits * fold.pe, "N": len(streams)} | {f"B{i}": b for i, b in enumerate(beats)}
    return (Instance(CONCAT, f"{layer.name}_join", params, turns, streams, _sink(layer, fold.pe), node.name),)


REORDER = Rule(_reorder_folds, _lower_reorder, keeps_codes=True)
SLICES = Rule(_slice_folds, _lower_slice, keeps_codes=True)
PADS = Rule(_pad_folds, _lower_pad, keeps_codes=True)
CONCATS = Rule(_concat_folds, _lower_concat, keeps_codes=True)
