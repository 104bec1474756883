"""Rules of products with constant weights: matmul, and conv2d of one group."""

from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np

from ...compiler.ir.graph import Node
from ...compiler.ir.types import Int
from ..design import Instance, Memory, Stream
from ..units.fabric import pairs
from ..units.lanes import LANE_PAIR, LANE_XNOR6
from ..units.matrix_vector import MATRIX_VECTOR, bias_memory, paired_weights, weight_memory
from .constant import ConstantFold, constant_folds, constant_product
from .rule import BLOCK, LUTS, Fold, Layer, Rule, divisors, vectors
from .window import window_lanes, windows

LANE_DSP, LANE_MULTIPLY, LANE_WEIGHT_SIGN, LANE_XNOR, LANE_INPUT_SIGN = range(5)
# LANE_MULTIPLY is written for these; wider operands go to the tool's own multiplier.
_LUT_WEIGHT_BITS, _LUT_INPUT_BITS = 16, 16


def _linear_folds(layer: Layer, simds: Sequence[int]) -> Iterator[Fold]:
    """PE over outputs and each of ``simds`` inputs, with every way to hold weights and multiply."""
    w = layer.node.inputs[1]
    rows, outputs = w.value.reshape(-1, w.value.shape[-1]).shape
    lane = lane_of(layer.x, w.type.dtype, False)
    for pe in divisors(outputs):
        for simd in simds:
            constant = pe == outputs and simd == rows
            for rom in (LUTS,) if constant else (BLOCK, LUTS):
                yield Fold(pe, simd, rom)
                if lane == LANE_MULTIPLY:
                    yield Fold(pe, simd, rom, dsp=True)
                if lane == LANE_XNOR:
                    yield Fold(pe, simd, rom, lut6=True)
                if not constant and can_pair(layer.x, w.type.dtype, pe):
                    yield Fold(pe, simd, rom, dsp=True, pair=True)
            if constant:
                yield from constant_folds(layer)


def can_pair(x: Int, w: Int, pe: int) -> bool:
    """Whether ``pe`` rows can share multiplications two by two in a DSP block of some family; the estimate
    tells which families'."""
    if pe % 2 or x.bipolar or w.bipolar:
        return False
    return pairs(x.bits, paired_bits(w), x.signed)


def paired_bits(w: Int) -> int:
    """Bits of ``paired_weights`` of this type."""
    return max(signed_bits(Int(w.lo - (w.lo < 0), w.hi)), 2)


def lane_of(x: Int, w: Int, dsp: bool) -> int:
    """How x is multiplied by a weight; ``dsp`` allows DSP blocks where LUTs would do."""
    if x.bipolar:
        return LANE_XNOR if w.bipolar else LANE_INPUT_SIGN
    if w.bipolar:
        return LANE_WEIGHT_SIGN
    fits = signed_bits(w) <= _LUT_WEIGHT_BITS and x.bits <= _LUT_INPUT_BITS
    return LANE_MULTIPLY if fits and not dsp else LANE_DSP


def signed_bits(t: Int) -> int:
    """Bits of two's complement that hold the range."""
    return max((-t.lo - 1).bit_length() if t.lo < 0 else 0, max(t.hi, 0).bit_length()) + 1


def _matrix_vector(layer: Layer, fold: Fold, count: int) -> Instance:
    """The unit for ``count`` products a frame with the layer's weights as a (MW, MH) matrix."""
    if isinstance(fold, ConstantFold):
        return constant_product(layer, count)
    _, weights, *bias = layer.node.inputs
    matrix = weights.value.reshape(-1, weights.value.shape[-1])
    mw, mh = matrix.shape
    lane = lane_of(layer.x, weights.type.dtype, fold.dsp)
    w_bits = 1 if lane in (LANE_WEIGHT_SIGN, LANE_XNOR) else max(signed_bits(weights.type.dtype), 2)
    if lane == LANE_XNOR and fold.lut6:
        lane = LANE_XNOR6
    if fold.pair:
        lane, w_bits = LANE_PAIR, paired_bits(weights.type.dtype)
    params = {
        "MW": mw, "MH": mh, "PE": fold.pe, "SIMD": fold.simd,
        "X_BITS": layer.x.bits, "X_SIGNED": int(layer.x.signed), "W_BITS": w_bits, "LANE": lane,
        "ACC_BITS": layer.y.bits, "ROM_STYLE": fold.rom, "HAS_BIAS": int(bool(bias)),
        "GROUPS": 1, "TOP_BIT": 0,
    }  # fmt: skip
    memories = {"WEIGHTS": partial(_weights, matrix, fold, w_bits)}
    if bias:
        memories["BIAS"] = partial(bias_memory, bias[0].value, fold.pe, layer.y.bits)
    return Instance(
        MATRIX_VECTOR, f"{layer.name}_mv", params, count,
        Stream(layer.x, fold.simd, count * mw // fold.simd),
        Stream(layer.y, fold.pe, count * mh // fold.pe),
        layer.node.name, memories,
    )  # fmt: skip


def _weights(matrix: np.ndarray, fold: Fold, bits: int) -> Memory:
    stored = paired_weights(matrix) if fold.pair else matrix
    return weight_memory(stored, fold.pe, fold.simd, bits, bits == 1)


def _matmul_folds(layer: Layer) -> Iterator[Fold]:
    return _linear_folds(layer, divisors(layer.node.inputs[1].type.shape[0]))


def _lower_matmul(layer: Layer, fold: Fold) -> tuple[Instance, ...]:
    return (_matrix_vector(layer, fold, vectors(layer)),)


def _conv2d_folds(layer: Layer) -> Iterator[Fold]:
    return _linear_folds(layer, window_lanes(layer))


def _lower_conv2d(layer: Layer, fold: Fold) -> tuple[Instance, ...]:
    return *windows(layer, 0, fold.simd), _matrix_vector(layer, fold, vectors(layer))


def _padded(node: Node) -> bool:
    return any(node.op.pads)


MATMUL = Rule(_matmul_folds, _lower_matmul, sums=True)
CONV2D = Rule(_conv2d_folds, _lower_conv2d, writes_zero=_padded, sums=True)
