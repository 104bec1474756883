"""Rules of thresholds and arg-max."""

from collections.abc import Iterator
from functools import partial

from ...errors import LoweringError
from ..design import Instance, Stream
from ..units.arg_max import ARG_MAX
from ..units.threshold import THRESHOLD, stages_of, threshold_memory
from .rule import LUTS, Fold, Layer, Rule, channel_folds, divisors

_MAX_STAGES = 8
_MOST_TABLES = 1000  # a threshold unit numbers its files in three digits


def _threshold_folds(layer: Layer) -> Iterator[Fold]:
    stages = stages_of(layer.node.inputs[1].type.shape[1])
    for pe in divisors(layer.node.type.shape[-1]):
        if pe * stages <= _MOST_TABLES:
            yield Fold(pe, pe, LUTS)


def _lower_threshold(layer: Layer, fold: Fold) -> tuple[Instance, ...]:
    op, table = layer.node.op, layer.node.inputs[1]
    rows, count = table.value.shape
    channels = layer.node.type.shape[-1] if rows > 1 else fold.pe  # one row serves every beat
    stages = stages_of(count)
    if stages > _MAX_STAGES or op.step not in (1, 2):
        raise LoweringError(
            f"fpga: threshold must have at most {2**_MAX_STAGES - 1} steps of 1 or 2, not {count} steps "
            f"of {op.step} (node {layer.node.name!r}). Quantize this activation to at most 8 bits."
        )
    code = layer.y.bipolar  # one bit: the count itself
    params = {
        "C": channels, "PE": fold.pe, "STAGES": stages,
        "X_BITS": layer.x.bits, "X_SIGNED": int(layer.x.signed),
        "OUT_BITS": layer.y.bits, "BIAS": 0 if code else op.bias, "SHIFT": 0 if code else op.step - 1,
        "ROM_STYLE": fold.rom,
    }  # fmt: skip
    frame = layer.node.type.size // fold.pe
    return (
        Instance(
            THRESHOLD,
            f"{layer.name}_th",
            params,
            layer.node.type.size // channels,
            Stream(layer.x, fold.pe, frame),
            Stream(layer.y, fold.pe, frame),
            layer.node.name,
            {"TABLE": partial(threshold_memory, table.value, fold.pe, layer.x)},
        ),
    )


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
