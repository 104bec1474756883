"""gw_matrix_vector: cycles, resources and memories."""

from types import SimpleNamespace

import numpy as np

from ...compiler.ir.types import Int
from ...errors import LoweringError
from ..design import Contents, Memory, Parts, Resources, Unit
from .fabric import adder, rom
from .lanes import (
    COUNTING,
    LANE_ADDER,
    LANE_BOOTH,
    LANE_DIGITS,
    LANE_MINIMUM,
    LANE_SIGN_W,
    LANE_SIGN_X,
    LANE_XNOR,
    LANE_XNOR6,
    lane_resources,
    levels_of_three,
)
from .lut_rom import MOST_BITS
from .ram import clog2, ram_resources

# What is left of LUTs and registers, lane by lane, when a single ROM word makes all weights constants: rows
# then share terms and sums. Measured with random weights.
_CONSTANT = (
    (0.9, 1.0), (0.3, 0.45), (0.3, 0.41), (0.55, 0.86), (0.49, 0.58), (0.55, 0.86), (0.9, 1.0), (0.9, 1.0),
    (0.9, 1.0), (0.9, 1.0),
)  # fmt: skip
# As in gw_lane_buffer.
_REGISTER_BITS = 128


def _interval(p: SimpleNamespace) -> int:
    return (p.MW // p.SIMD) * (p.MH // p.PE)


def _latency(p: SimpleNamespace) -> int:
    if p.LANE == LANE_XNOR6:
        return p.MW // p.SIMD + 6 + clog2(-(-p.SIMD // 18))
    if p.LANE == LANE_MINIMUM:
        return p.MW // p.SIMD + 5 + levels_of_three(p.SIMD)
    if p.LANE == LANE_BOOTH:
        return p.MW // p.SIMD + 4 + (p.W_BITS + 1) // 2 + levels_of_three(p.SIMD)
    terms = -(-p.SIMD // 4) if p.LANE == LANE_XNOR else p.SIMD
    lane = 1 + clog2(terms)
    if p.LANE == LANE_DIGITS:
        lane += 1 + (p.W_BITS + 1) // 2 - 1  # 3x of every element, then a digit a clock
    return p.MW // p.SIMD + 3 + lane


def buffer_resources(p: SimpleNamespace, family: str) -> Resources:
    """gw_lane_buffer, and for lane 1 the triples and one more register."""
    bits, slots = p.SIMD * p.X_BITS, p.MW // p.SIMD
    if p.MH == p.PE:
        used = Resources(ff=3 * bits)
    elif slots <= 2 or slots * bits <= _REGISTER_BITS:
        used = Resources(lut=bits * (slots > 1), ff=(slots + 2) * bits)
    else:
        used = Resources(ff=bits) + ram_resources(slots, bits, 0, family)
    if p.LANE == LANE_DIGITS:
        wide = p.X_BITS + 2
        used += Resources(ff=bits)
        if p.W_BITS > 3:
            used += Resources(lut=p.SIMD * adder(wide, family), ff=p.SIMD * wide)
    return used


def sums_resources(bits: int, slots: int, carry: int, family: str) -> Resources:
    """A row of gw_accumulator: with several slots a carry cell or LUT chooses and adds where the family has a
    twin for that, else a LUT chooses before another adds."""
    choose = bits if slots > 1 and family in ("ice40", "gowin") else 0
    return Resources(lut=adder(bits + carry, family) + choose, ff=bits)


def _parts(p: SimpleNamespace, family: str, contents: Contents) -> Parts:
    """Sums of what the RTL is written as."""
    slots, folds = p.MW // p.SIMD, p.MH // p.PE
    words = slots * folds * p.GROUPS
    carry = p.LANE in (LANE_SIGN_W, LANE_SIGN_X, LANE_ADDER) or (p.LANE == LANE_DIGITS and p.W_BITS <= 2)
    sums = sums_resources(p.ACC_BITS, slots, int(carry), family)
    counters = clog2(slots) + 2 * clog2(words) + (clog2(folds) if p.GROUPS > 1 else 0)
    row = lane_resources(p, family).times(p.PE)
    kind = f"{p.LANE}"
    if words == 1:
        kind += "_constant"
        of_lut, of_ff = _CONSTANT[p.LANE]
        row = Resources(lut=row.lut * of_lut, ff=row.ff * of_ff, dsp=row.dsp)
        sums = Resources(lut=sums.lut * of_lut, ff=sums.ff * of_ff)
    parts = {
        f"lanes_{kind}": row,
        f"sums_{kind}" if words == 1 else "sums": sums.times(p.PE),
        "buffer": buffer_resources(p, family),
        "counters": Resources(lut=2 * counters, ff=counters),
        "control": Resources(lut=8, ff=3 * (_latency(p) - slots)),
        "weights": rom(
            words, p.PE * p.SIMD * p.W_BITS, p.ROM_STYLE, True, family, _words(contents, "WEIGHTS")
        ),
    }
    if p.HAS_BIAS:
        style = 2 if p.ROM_STYLE == 2 else 0
        known = _words(contents, "BIAS")
        parts["biases"] = rom(folds * p.GROUPS, p.PE * p.ACC_BITS, style, True, family, known)
        if p.LANE in COUNTING and not p.TOP_BIT:
            doubled = Resources(lut=adder(p.ACC_BITS, family), ff=p.ACC_BITS)
            parts["doubled"] = doubled.times(p.PE)
    return parts


def _looks(p: SimpleNamespace) -> tuple[str, ...]:
    """Memories in LUTs, and weights that are constants."""
    slots, folds = p.MW // p.SIMD, p.MH // p.PE
    words = slots * folds * p.GROUPS
    found = []
    if p.ROM_STYLE != 1 and words * p.PE * p.SIMD * p.W_BITS <= MOST_BITS:
        found.append("WEIGHTS")
    if p.HAS_BIAS and folds * p.GROUPS * p.PE * p.ACC_BITS <= MOST_BITS:
        found.append("BIAS")
    return tuple(found)


def _words(contents: Contents, name: str) -> tuple | None:
    return contents[name].words if name in contents else None


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
    parts=_parts,
    memories=("WEIGHTS", "BIAS"),
    looks=_looks,
)
