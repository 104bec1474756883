"""The rule of thresholds: a table, or where they lie on a line a product and a shift."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache, partial

from ...compiler.ir.graph import Const, Value
from ...compiler.ir.reach import channel_reach
from ...compiler.ir.requantize import Requantization, requantization
from ...compiler.ir.types import Int
from ..design import FAMILIES, Instance, Stream
from ..units.requantize import (
    REQUANTIZE,
    cut_for,
    drop_memory,
    factor_memory,
    offset_memory,
    requantize_parameters,
)
from . import activation
from .rule import BLOCK, LUTS, Fold, Layer, Rule, divisors

_MOST_TABLE_STEPS = 255
_LANE_DSP, _LANE_LUTS = 0, 1


@dataclass(frozen=True)
class RequantizeFold(Fold):
    """A folding that takes gw_requantize; a plain Fold of a threshold takes gw_threshold."""


@lru_cache(maxsize=512)
def _found(table: Const, value: Value, x: Int, knee: int) -> Requantization | None:
    """Searched once a layer; foldings are compared by the hundred.

    Where one line does not do, two may that part at the result's 0, as with halves away from zero.
    """
    reach = channel_reach(value, len(table.value)) if value.type.dtype == x else None
    found = requantization(table.value, x, reach=reach)
    if found is None and 0 < knee < table.value.shape[1]:
        found = requantization(table.value, x, knee, reach)
    return found


def line_of(layer: Layer) -> Requantization | None:
    """The product that equals the layer's thresholds, if there is one and its result is a plain count."""
    if layer.node.op.step != 1 and not layer.y.bipolar:
        return None
    value = layer.operands[0].value
    return _found(layer.node.inputs[1], value, _input(layer), -layer.node.op.bias)


def _input(layer: Layer) -> Int:
    """What can come: the operand's own values, unless its stream carries them as other codes."""
    own = layer.operands[0].value.type.dtype
    return own if own.bipolar == layer.x.bipolar else layer.x


def _folds(layer: Layer) -> Iterator[Fold]:
    found = line_of(layer)
    if found is None or layer.node.inputs[1].type.shape[1] <= _MOST_TABLE_STEPS:
        yield from activation.THRESHOLDS.folds(layer)
    if found is None:
        return
    channels, rows = layer.node.type.shape[-1], len(found.factor)
    for pe in divisors(channels):
        for rom in (LUTS, BLOCK) if rows > pe else (LUTS,):
            yield RequantizeFold(pe, pe, rom)
            for family in FAMILIES:  # their blocks' sides decide where a product is cut
                yield RequantizeFold(pe, pe, rom, dsp=True, family=family)


def _lower(layer: Layer, fold: Fold) -> tuple[Instance, ...]:
    if not isinstance(fold, RequantizeFold):
        return activation.THRESHOLDS.lower(layer, fold)
    found, node = line_of(layer), layer.node
    channels = node.type.shape[-1] if len(found.factor) > 1 else fold.pe  # one row serves every beat
    bias = 0 if layer.y.bipolar else node.op.bias
    lane = _LANE_DSP if fold.dsp else _LANE_LUTS
    params = requantize_parameters(found, _input(layer), layer.y, bias, channels, fold.pe, lane, fold.rom) | {
        "X_BITS": layer.x.bits,
        "X_SIGNED": int(layer.x.signed),
    }
    if fold.family:
        params = cut_for(params, fold.family)
    beats = node.type.size // fold.pe
    memories = {
        "FACTORS": partial(factor_memory, found, fold.pe),
        "OFFSETS": partial(offset_memory, found, fold.pe, params["ACC_BITS"]),
    }
    if found.knee is not None:
        memories["DROPS"] = partial(drop_memory, found, fold.pe)
    return (
        Instance(
            REQUANTIZE, f"{layer.name}_rq", params, node.type.size // channels,
            Stream(layer.x, fold.pe, beats), Stream(layer.y, fold.pe, beats), node.name, memories,
        ),
    )  # fmt: skip


THRESHOLDS = Rule(_folds, _lower)
