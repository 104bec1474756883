"""Rules of adder layers: distances to constant weights, dense and convolutional."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np

from ...compiler.ir.graph import Node
from ...compiler.ir.ops.adder import adder_bounds
from ...compiler.ir.types import Int, range_of
from ..design import Instance, Stream
from ..units.lanes import LANE_ADDER, LANE_MINIMUM
from ..units.matrix_vector import MATRIX_VECTOR, bias_memory, minimum_start, weight_memory
from .linear import signed_bits
from .rule import BLOCK, LUTS, Fold, Layer, Rule, divisors, vectors
from .window import window_lanes, windows


@dataclass(frozen=True, eq=False)
class Distances:
    """The layer as ``y[m] = start[m] - sum_k |x[k] - w[k, m]|`` with weights from x's own range.

    What lies beyond it is as far from every x as from the range's end, and so part of ``start``.
    """

    w: np.ndarray  # int64 (K, M)
    start: np.ndarray  # int64 (M,)


@lru_cache(maxsize=512)
def distances(node: Node, x: Int) -> Distances:
    """An adder layer's node whose operand has the codes of ``x``; worked out once, since foldings are
    compared by the hundred."""
    _, weights, *bias = node.inputs
    w = weights.value.reshape(-1, weights.value.shape[-1])
    inside = np.clip(w, x.lo, x.hi)
    start = -np.abs(w - inside).sum(0)
    return Distances(inside, start + bias[0].value if bias else start)


def reachable(node: Node, x: Int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """``start``, and the least and greatest that sums without it can be; each int64 (M,)."""
    source, weights, *_ = node.inputs
    w = weights.value.reshape(-1, weights.value.shape[-1])
    beyond = -np.abs(w - np.clip(w, x.lo, x.hi)).sum(0)
    low, high = adder_bounds(source.type.dtype, w, None, any(getattr(node.op, "pads", ())))
    return distances(node, x).start, low - beyond, high - beyond


def _weight_bits(w: np.ndarray, x: Int) -> int:
    """Bits of codes that are two's complement where those of x are."""
    return signed_bits(range_of(w)) if x.signed else max(int(w.max(initial=0)).bit_length(), 1)


def _folds(layer: Layer, simds: Sequence[int]) -> Iterator[Fold]:
    """PE over outputs and each of ``simds`` inputs, with every way to hold weights."""
    weights = layer.node.inputs[1].value
    rows, outputs = weights.reshape(-1, weights.shape[-1]).shape
    for pe in divisors(outputs):
        for simd in simds:
            for rom in (LUTS,) if pe == outputs and simd == rows else (BLOCK, LUTS):
                yield Fold(pe, simd, rom)
                yield Fold(pe, simd, rom, lut6=True)


def unit_start(x: Int, w: np.ndarray, fold: Fold) -> np.ndarray | int:
    """What the unit's biases hold beside ``Distances.start``."""
    if not fold.lut6:
        return 0
    return minimum_start(w, fold.simd, x.bits, _weight_bits(w, x), x.signed)


def _matrix_vector(layer: Layer, fold: Fold) -> Instance:
    """The unit for all of the layer's vectors, with its weights as a (MW, MH) matrix."""
    made = distances(layer.node, layer.x)
    (mw, mh), count = made.w.shape, vectors(layer)
    bits = _weight_bits(made.w, layer.x)
    start = made.start + unit_start(layer.x, made.w, fold)
    biased = bool(start.any())
    params = {
        "MW": mw, "MH": mh, "PE": fold.pe, "SIMD": fold.simd,
        "X_BITS": layer.x.bits, "X_SIGNED": int(layer.x.signed), "W_BITS": bits,
        "LANE": LANE_MINIMUM if fold.lut6 else LANE_ADDER,
        "ACC_BITS": layer.y.bits, "ROM_STYLE": fold.rom, "HAS_BIAS": int(biased),
        "GROUPS": 1, "TOP_BIT": 0,
    }  # fmt: skip
    memories = {"WEIGHTS": partial(weight_memory, made.w, fold.pe, fold.simd, bits, signed=layer.x.signed)}
    if biased:
        memories["BIAS"] = partial(bias_memory, start, fold.pe, layer.y.bits)
    return Instance(
        MATRIX_VECTOR, f"{layer.name}_mv", params, count,
        Stream(layer.x, fold.simd, count * mw // fold.simd),
        Stream(layer.y, fold.pe, count * mh // fold.pe),
        layer.node.name, memories,
    )  # fmt: skip


def _matmul_folds(layer: Layer) -> Iterator[Fold]:
    return _folds(layer, divisors(layer.node.inputs[1].type.shape[0]))


def _lower_matmul(layer: Layer, fold: Fold) -> tuple[Instance, ...]:
    return (_matrix_vector(layer, fold),)


def _conv2d_folds(layer: Layer) -> Iterator[Fold]:
    return _folds(layer, window_lanes(layer))


def _lower_conv2d(layer: Layer, fold: Fold) -> tuple[Instance, ...]:
    return *windows(layer, 0, fold.simd), _matrix_vector(layer, fold)


def _writes_zero(node: Node) -> bool:
    """Padding, and the only way to have {-1, +1} come as numbers, from which weights are subtracted."""
    return any(getattr(node.op, "pads", ())) or node.inputs[0].type.dtype.bipolar


ADDER_MATMUL = Rule(_matmul_folds, _lower_matmul, writes_zero=_writes_zero, sums=True)
ADDER_CONV2D = Rule(_conv2d_folds, _lower_conv2d, writes_zero=_writes_zero, sums=True)
