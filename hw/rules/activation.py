"""Rules of thresholds and arg-max."""

from collections.abc import Iterator
from functools import partial

import numpy as np

from ...compiler.ir.types import Int
from ...errors import LoweringError
from ..design import Instance, Stream
from ..units.arg_max import ARG_MAX
from ..units.lookup import LOOKUP, lookup_memory
from ..units.threshold import MOST_STAGES, THRESHOLD, stages_of, threshold_memory
from .rule import BLOCK, LUTS, Fold, Layer, Rule, channel_folds, divisors

_MOST_TABLES = 1000  # a threshold unit numbers its files in three digits
# Stages whose tables LUTs hold; those of more may also live in block RAM, but for the first few stages.
_SHORT = 6
# Counts that a step of their own or a wide bias turns into results go through a table.
_BIAS_BITS = 31


def _threshold_folds(layer: Layer) -> Iterator[Fold]:
    stages = stages_of(layer.node.inputs[1].type.shape[1])
    for pe in divisors(layer.node.type.shape[-1]):
        if pe * stages <= _MOST_TABLES:
            yield Fold(pe, pe, LUTS)
            if stages > _SHORT:
                yield Fold(pe, pe, BLOCK)


def _lower_threshold(layer: Layer, fold: Fold) -> tuple[Instance, ...]:
    op, count = layer.node.op, layer.node.inputs[1].type.shape[1]
    if stages_of(count) > MOST_STAGES:
        raise LoweringError(
            f"fpga: threshold must have at most {2**MOST_STAGES - 1} steps, not {count} "
            f"(node {layer.node.name!r}). Quantize this activation to at most {MOST_STAGES} bits."
        )
    if layer.y.bipolar:  # one bit: the count itself
        return (_counting(layer, fold, layer.y, 0, 0),)
    shift = op.step.bit_length() - 1
    if op.step == 1 << shift and -(1 << _BIAS_BITS) <= op.bias < 1 << _BIAS_BITS:
        return (_counting(layer, fold, layer.y, op.bias, shift),)
    counts = Int(0, count)
    return _counting(layer, fold, counts, 0, 0), spread(layer, fold, counts)


def _counting(layer: Layer, fold: Fold, y: Int, bias: int, shift: int) -> Instance:
    """The unit that counts thresholds reached, times ``2**shift``, plus ``bias``."""
    table = layer.node.inputs[1]
    rows, count = table.value.shape
    channels = layer.node.type.shape[-1] if rows > 1 else fold.pe  # one row serves every beat
    params = {
        "C": channels, "PE": fold.pe, "STAGES": stages_of(count),
        "X_BITS": layer.x.bits, "X_SIGNED": int(layer.x.signed),
        "OUT_BITS": y.bits, "BIAS": bias, "SHIFT": shift, "ROM_STYLE": fold.rom,
    }  # fmt: skip
    frame = layer.node.type.size // fold.pe
    return Instance(
        THRESHOLD, f"{layer.name}_th", params, layer.node.type.size // channels,
        Stream(layer.x, fold.pe, frame), Stream(y, fold.pe, frame), layer.node.name,
        {"TABLE": partial(threshold_memory, table.value, fold.pe, layer.x)},
    )  # fmt: skip


def spread(layer: Layer, fold: Fold, counts: Int) -> Instance:
    """The results that counts stand for, from a table: steps that no shift makes."""
    op = layer.node.op
    table = op.bias + op.step * np.arange(counts.hi + 1)[None]
    params = {
        "C": fold.pe, "PE": fold.pe, "SHARED": 1, "X_BITS": counts.bits, "OUT_BITS": layer.y.bits,
        "ROM_STYLE": fold.rom,
    }  # fmt: skip
    beats = layer.node.type.size // fold.pe
    memory = partial(lookup_memory, table, 0, counts, layer.y, fold.pe)
    return Instance(
        LOOKUP, f"{layer.name}_steps", params, beats,
        Stream(counts, fold.pe, beats), Stream(layer.y, fold.pe, beats), layer.node.name, {"TABLE": memory},
    )  # fmt: skip


def _lower_arg_max(layer: Layer, fold: Fold) -> tuple[Instance, ...]:
    x = layer.node.inputs[0].type
    params = {
        "C": x.shape[-1], "PE": fold.pe, "BITS": layer.x.bits, "SIGNED": int(layer.x.signed),
        "OUT_BITS": layer.y.bits,
    }  # fmt: skip
    return (
        Instance(
            ARG_MAX,
            f"{layer.name}_arg",
            params,
            layer.node.type.size,
            Stream(layer.x, fold.pe, x.size // fold.pe),
            Stream(layer.y, 1, layer.node.type.size),
            layer.node.name,
        ),
    )


THRESHOLDS = Rule(_threshold_folds, _lower_threshold)
ARGMAX = Rule(channel_folds, _lower_arg_max)
