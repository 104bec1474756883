"""The rule of tables."""

from collections.abc import Iterator
from functools import partial

import numpy as np

from ..design import Instance, Stream
from ..units.lookup import LOOKUP, MOST_LANES, lookup_memory
from .rule import BLOCK, LUTS, Fold, Layer, Rule, divisors


def _folds(layer: Layer) -> Iterator[Fold]:
    shape = layer.node.type.shape
    for pe in divisors(shape[-1] if shape else 1):
        if pe <= MOST_LANES:
            yield from (Fold(pe, pe, rom) for rom in (BLOCK, LUTS))


def _lower(layer: Layer, fold: Fold) -> tuple[Instance, ...]:
    node = layer.node
    table = np.atleast_2d(node.inputs[1].value)
    shared = len(table) == 1
    channels = fold.pe if shared else node.type.shape[-1]
    params = {
        "C": channels, "PE": fold.pe, "SHARED": int(shared), "X_BITS": layer.x.bits,
        "OUT_BITS": layer.y.bits, "ROM_STYLE": fold.rom,
    }  # fmt: skip
    beats = node.type.size // fold.pe
    memory = partial(lookup_memory, table, node.op.lo, layer.x, layer.y, fold.pe)
    return (
        Instance(
            LOOKUP, f"{layer.name}_table", params, node.type.size // channels,
            Stream(layer.x, fold.pe, beats), Stream(layer.y, fold.pe, beats), node.name, {"TABLE": memory},
        ),
    )  # fmt: skip


LOOKUPS = Rule(_folds, _lower)
