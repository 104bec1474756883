"""gw_matrix_product: cycles and resources."""

from types import SimpleNamespace

import numpy as np

from ...compiler.ir.types import Int
from ..design import Contents, Course, Parts, Resources, Unit
from .lanes import LANE_DIGITS, lane_resources
from .matrix_vector_parts import buffer_resources, sums_resources
from .ram import clog2, ram_resources

UNSIGNED, SIGNED, SIGN = range(3)  # A_KIND and B_KIND


def kind_of(t: Int) -> int:
    """How the codes of a type are read."""
    return SIGN if t.bipolar else SIGNED if t.signed else UNSIGNED


def lane_bits(bits: int, kind: int, weight: bool) -> int:
    """Bits of an operand at the lanes, which take {-1,+1} in two bits and weights in two's complement."""
    return 2 if kind == SIGN else bits + (weight and kind == UNSIGNED)


def _load(p: SimpleNamespace) -> int:
    return p.K * (p.N // p.PE)


def _interval(p: SimpleNamespace) -> int:
    return max(p.M * (p.K // p.SIMD) * (p.N // p.PE), _load(p))


def _behind(p: SimpleNamespace) -> int:
    """Clocks from the last slot of a sum to its result."""
    digits = (lane_bits(p.B_BITS, p.B_KIND, True) + 1) // 2
    return 5 + clog2(p.SIMD) + (digits if p.LANE == LANE_DIGITS else 0)


def _latency(p: SimpleNamespace) -> int:
    return _load(p) + p.K // p.SIMD - 1 + _behind(p)


def _course(p: SimpleNamespace) -> Course:
    """B, then A row by row: each row waits until all columns have met it."""
    slots, folds = p.K // p.SIMD, p.N // p.PE
    rows = np.arange(p.M)[:, None]
    a = _load(p) + (rows * slots * folds + np.arange(slots)).reshape(-1)
    ends = np.repeat((np.arange(p.M) + 1) * slots - 1, folds)
    after = np.tile(np.arange(folds) * slots, p.M) + _behind(p)
    return Course((a, np.arange(_load(p))), ends, after, (folds - 1) * slots + 1)


def _parts(p: SimpleNamespace, family: str, contents: Contents) -> Parts:
    slots, folds = p.K // p.SIMD, p.N // p.PE
    lane = SimpleNamespace(
        MW=p.K, MH=p.N, PE=p.PE, SIMD=p.SIMD, LANE=p.LANE, X_BITS=lane_bits(p.A_BITS, p.A_KIND, False),
        X_SIGNED=int(p.A_KIND != UNSIGNED), W_BITS=lane_bits(p.B_BITS, p.B_KIND, True),
    )  # fmt: skip
    wait = 3 if p.LANE == LANE_DIGITS else 2
    counters = 2 * (clog2(slots) + clog2(folds)) + clog2(p.M) + clog2(p.SIMD)
    address = clog2(2 * slots * folds)
    return {
        f"lanes_{p.LANE}": lane_resources(lane, family).times(p.PE),
        "sums": sums_resources(p.ACC_BITS, slots, 0, family).times(p.PE),
        "buffer": buffer_resources(lane, family),
        "waiting": Resources(ff=wait * p.PE * p.SIMD * p.B_BITS),
        "ram": ram_resources(2 * slots * folds, p.PE * p.B_BITS, p.RAM_STYLE, family).times(p.SIMD),
        "counters": Resources(lut=2 * counters, ff=counters),
        "addresses": Resources(lut=3 * address, ff=2 * address),
        "control": Resources(lut=16, ff=3 * (_behind(p) - 1) + 6),
    }


MATRIX_PRODUCT = Unit(
    module="gw_matrix_product",
    params=(
        "M", "K", "N", "PE", "SIMD", "A_BITS", "A_KIND", "B_BITS", "B_KIND", "LANE", "ACC_BITS", "RAM_STYLE",
    ),
    files=(
        "gw_matrix_product.v", "gw_accumulator.v", "gw_adder_tree.v", "gw_choose_add.v", "gw_copies.v",
        "gw_counter.v", "gw_delay.v", "gw_extend.v", "gw_integer.v", "gw_lane_buffer.v", "gw_lane_digit.v",
        "gw_lane_multiply.v", "gw_matrix_buffer.v", "gw_ram.v", "gw_rom.v",
    ),
    interval=_interval,
    latency=_latency,
    parts=_parts,
    course=_course,
)  # fmt: skip
