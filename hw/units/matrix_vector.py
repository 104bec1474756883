"""gw_matrix_vector: cycles, resources and memories."""

from types import SimpleNamespace

import numpy as np

from ...compiler.ir.types import Int
from ...errors import LoweringError
from ..design import Memory, Unit
from .matrix_vector_parts import behind, looks, matrix_vector_parts


def _interval(p: SimpleNamespace) -> int:
    return (p.MW // p.SIMD) * (p.MH // p.PE)


def _latency(p: SimpleNamespace) -> int:
    return p.MW // p.SIMD + behind(p)


def _pack(codes: np.ndarray, bits: int) -> tuple[int, ...]:
    """Rows of codes, shape (words, n), to words of n * bits bits; code 0 in the low bits."""
    planes = (codes.astype(np.uint64)[:, :, None] >> np.arange(bits, dtype=np.uint64)) & np.uint64(1)
    rows = np.packbits(planes.reshape(len(codes), -1).astype(np.uint8), axis=1, bitorder="little")
    return tuple(int.from_bytes(row.tobytes(), "little") for row in rows)


def group_weight_memory(
    w: np.ndarray, pe: int, simd: int, bits: int, bipolar: bool = False, signed: bool = True
) -> Memory:
    """WEIGHTS of GROUPS matrices that take turns, shape (GROUPS, MW, MH); else as ``weight_memory``."""
    parts = [weight_memory(matrix, pe, simd, bits, bipolar, signed) for matrix in w]
    return Memory(tuple(word for part in parts for word in part.words), pe * simd * bits)


def weight_memory(
    w: np.ndarray, pe: int, simd: int, bits: int, bipolar: bool = False, signed: bool = True
) -> Memory:
    """WEIGHTS of ``x @ w``.

    Args:
        w: integers, shape (MW, MH).
        pe, simd: folding; divide MH and MW.
        bits: of a weight, two's complement where ``signed``; 1 with ``bipolar``, where +1 is 1 and -1 is 0.

    Raises:
        LoweringError: a folding that does not divide the shape, or a weight that the bits cannot hold.
    """
    mw, mh = w.shape
    if mw % simd or mh % pe:
        raise LoweringError(
            f"matrix_vector: SIMD and PE must divide the weights' shape {mw} x {mh}, not {simd} and {pe}. "
            "Choose divisors."
        )
    low = -(1 << (bits - 1)) if signed else 0
    allowed = Int(-1, 1, 2) if bipolar else Int(low, low + (1 << bits) - 1)
    if not allowed.contains(w):
        raise LoweringError(
            f"matrix_vector: weights must be of type {allowed}, not {w.min()}..{w.max()}. Use more bits."
        )
    codes = np.asarray(w > 0 if bipolar else w, dtype=np.int64).T
    folded = codes.reshape(mh // pe, pe, mw // simd, simd).transpose(0, 2, 1, 3)
    return Memory(_pack(folded.reshape(-1, pe * simd), bits), pe * simd * bits)


def paired_weights(w: np.ndarray) -> np.ndarray:
    """Weights as LANE 6 takes them, shape (..., MW, MH): those of rows 2k+1 less 1 where that of row 2k is
    negative, of the same input."""
    w = np.array(w, dtype=np.int64)
    w[..., 1::2] -= w[..., 0 : w.shape[-1] - 1 : 2] < 0
    return w


def minimum_start(w: np.ndarray, simd: int, x_bits: int, w_bits: int, signed: bool) -> np.ndarray:
    """What the biases of LANE 8 hold beside those wanted: int64 (..., MH) for weights (..., MW, MH)."""
    least = -(1 << (max(x_bits, w_bits) - 1)) if signed else 0
    return w.shape[-2] // simd - (w - least).sum(-2)


def booth_start(mw: int, x_bits: int, w_bits: int) -> int:
    """What the biases of LANE 9 hold beside those wanted."""
    return -mw << (x_bits + 2 * ((w_bits + 1) // 2) - 1)


def bias_memory(b: np.ndarray, pe: int, acc_bits: int) -> Memory:
    """BIAS: integers ``b``, shape (MH,), modulo ``2**acc_bits``; ``pe`` divides MH; acc_bits <= 64."""
    return Memory(_pack(np.asarray(b, dtype=np.int64).reshape(-1, pe), acc_bits), pe * acc_bits)


def limit_start(
    limits: np.ndarray, low: np.ndarray, high: np.ndarray, counted: bool, terms: int
) -> tuple[np.ndarray, int]:
    """BIAS and ACC_BITS with which the highest bit of each sum is whether it has reached its limit.

    Args:
        limits: int64 (MH,); low, high: the least and greatest that the sums can be, int64 (MH,).
        counted: whether the lanes add how many of ``terms`` pairs of {-1, +1} are equal, instead of sums.
    """
    limits = np.clip(limits, low, high + 1)  # beyond, every limit tells the same
    if counted:
        limits, low, high = ((v + terms + 1) // 2 for v in (limits, low, high))
    above, below = int((high - limits).max()), int((limits - low).max())
    bits = max(above.bit_length() if above > 0 else 0, (below - 1).bit_length() if below > 0 else 0) + 1
    return (1 << bits - 1) - limits, bits


MATRIX_VECTOR = Unit(
    module="gw_matrix_vector",
    params=(
        "MW",
        "MH",
        "PE",
        "SIMD",
        "X_BITS",
        "X_SIGNED",
        "W_BITS",
        "LANE",
        "ACC_BITS",
        "ROM_STYLE",
        "HAS_BIAS",
        "GROUPS",
        "TOP_BIT",
        "WEIGHTS",
        "BIAS",
    ),
    files=(
        "gw_matrix_vector.v",
        "gw_matrix_vector_fed.v",
        "gw_accumulator.v",
        "gw_add_three.v",
        "gw_booth_add.v",
        "gw_choose_add.v",
        "gw_copies.v",
        "gw_flip_add.v",
        "gw_lane_adder.v",
        "gw_lane_booth.v",
        "gw_lane_minimum.v",
        "gw_minimum.v",
        "gw_minus_sum.v",
        "gw_ordered.v",
        "gw_tree_three.v",
        "gw_lane_buffer.v",
        "gw_lane_digit.v",
        "gw_lane_multiply.v",
        "gw_lane_pair.v",
        "gw_lane_sign.v",
        "gw_lane_xnor.v",
        "gw_lane_xnor6.v",
        "gw_adder_tree.v",
        "gw_count_six.v",
        "gw_counter.v",
        "gw_delay.v",
        "gw_extend.v",
        "gw_rom.v",
    ),
    interval=_interval,
    latency=_latency,
    parts=matrix_vector_parts,
    memories=("WEIGHTS", "BIAS"),
    looks=looks,
)
