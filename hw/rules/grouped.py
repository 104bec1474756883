"""Rules of convolutions: dense, depthwise, and with any number of groups."""

from collections.abc import Iterator
from functools import partial
from math import prod

import numpy as np

from ...compiler.ir.graph import Node
from ..design import Instance, Memory, Stream
from ..units.depthwise import DEPTHWISE, depthwise_weights
from ..units.gather import GATHER, gather_parameters
from ..units.lanes import LANE_PAIR
from ..units.matrix_vector import MATRIX_VECTOR, bias_memory, group_weight_memory, paired_weights
from . import linear
from .linear import LANE_MULTIPLY, LANE_WEIGHT_SIGN, LANE_XNOR, can_pair, lane_of, paired_bits, signed_bits
from .rule import BLOCK, LUTS, Fold, Layer, Rule, divisors, vectors
from .window import window


def _folds(layer: Layer) -> Iterator[Fold]:
    groups = layer.node.op.groups
    if groups == 1:
        yield from linear.CONV2D.folds(layer)
        return
    kh, kw, inner, outputs = layer.node.inputs[1].type.shape
    if inner == 1:
        choices = [(pe, pe) for pe in divisors(groups)]
    else:
        choices = [(pe, simd) for pe in divisors(outputs // groups) for simd in divisors(inner)]
    w = layer.node.inputs[1].type.dtype
    multiplies = lane_of(layer.x, w, False) == LANE_MULTIPLY
    for pe, simd in choices:
        constant = inner == kh * kw == 1 and pe == groups
        for rom in (LUTS,) if constant else (BLOCK, LUTS):
            for dsp in (False, True) if multiplies else (False,):
                yield Fold(pe, simd, rom, dsp)
            if inner > 1 and can_pair(layer.x, w, pe):
                yield Fold(pe, simd, rom, dsp=True, pair=True)


def _lower(layer: Layer, fold: Fold) -> tuple[Instance, ...]:
    if layer.node.op.groups == 1:
        return linear.CONV2D.lower(layer, fold)
    depthwise = layer.node.inputs[1].type.shape[2] == 1
    windows = window(layer, layer.node.inputs[1].type.shape[:2], 0, fold.simd)
    if depthwise:
        return windows, _depthwise(layer, fold, windows.output)
    gathered = _by_group(layer, fold, windows.output)
    return windows, *gathered, _group_products(layer, fold, windows.output)


def _common(layer: Layer, fold: Fold) -> dict[str, int]:
    """Parameters that both kinds of unit have."""
    w = layer.node.inputs[1].type.dtype
    lane = lane_of(layer.x, w, fold.dsp)
    return {
        "PE": fold.pe, "X_BITS": layer.x.bits, "X_SIGNED": int(layer.x.signed),
        "W_BITS": 1 if lane in (LANE_WEIGHT_SIGN, LANE_XNOR) else max(signed_bits(w), 2), "LANE": lane,
        "ACC_BITS": layer.y.bits, "ROM_STYLE": fold.rom, "HAS_BIAS": int(len(layer.node.inputs) > 2),
    }  # fmt: skip


def _depthwise(layer: Layer, fold: Fold, windows: Stream) -> Instance:
    """Each channel by itself, with M/C filters."""
    _, weights, *bias = layer.node.inputs
    kh, kw, _, outputs = weights.type.shape
    groups = layer.node.op.groups
    params = {"TAPS": kh * kw, "C": groups, "K": outputs // groups} | _common(layer, fold)
    lanes, bits = fold.pe * params["K"], params["W_BITS"]
    matrix = weights.value.reshape(kh * kw, outputs)
    memories = {"WEIGHTS": partial(depthwise_weights, matrix, lanes, bits, bits == 1)}
    if bias:
        memories["BIAS"] = partial(bias_memory, bias[0].value, lanes, layer.y.bits)
    return Instance(
        DEPTHWISE, f"{layer.name}_dw", params, vectors(layer), windows,
        Stream(layer.y, lanes, layer.node.type.size // lanes), layer.node.name, memories,
    )  # fmt: skip


def _by_group(layer: Layer, fold: Fold, windows: Stream) -> tuple[Instance, ...]:
    """Windows whose taps come group by group; none where a window is one pixel, whose groups already do."""
    kh, kw, inner, _ = layer.node.inputs[1].type.shape
    groups = layer.node.op.groups
    beats = kh * kw * groups * inner // fold.simd
    if kh * kw == 1:
        return ()
    places = np.arange(beats).reshape(kh * kw, groups, inner // fold.simd)
    params = gather_parameters(windows.bits, beats, places.transpose(1, 0, 2).ravel())
    return (
        Instance(GATHER, f"{layer.name}_groups", params, vectors(layer), windows, windows, layer.node.name),
    )


def _group_products(layer: Layer, fold: Fold, windows: Stream) -> Instance:
    """One matrix a group, in turn."""
    _, weights, *bias = layer.node.inputs
    outputs, groups = weights.type.shape[-1], layer.node.op.groups
    mw, mh = prod(weights.type.shape[:3]), outputs // groups
    params = {"MW": mw, "MH": mh, "SIMD": fold.simd, "GROUPS": groups, "TOP_BIT": 0} | _common(layer, fold)
    matrices = weights.value.reshape(mw, groups, mh).transpose(1, 0, 2)
    if fold.pair:
        params |= {"LANE": LANE_PAIR, "W_BITS": paired_bits(weights.type.dtype)}
    memories = {"WEIGHTS": partial(_group_weights, matrices, fold, params["W_BITS"])}
    if bias:
        memories["BIAS"] = partial(bias_memory, bias[0].value, fold.pe, layer.y.bits)
    return Instance(
        MATRIX_VECTOR, f"{layer.name}_mv", params, vectors(layer) * groups, windows,
        Stream(layer.y, fold.pe, layer.node.type.size // fold.pe), layer.node.name, memories,
    )  # fmt: skip


def _group_weights(matrices: np.ndarray, fold: Fold, bits: int) -> Memory:
    stored = paired_weights(matrices) if fold.pair else matrices
    return group_weight_memory(stored, fold.pe, fold.simd, bits, bits == 1)


def _padded(node: Node) -> bool:
    return any(node.op.pads)


CONV2D = Rule(_folds, _lower, writes_zero=_padded, sums=True)
