"""gw_requantize: cycles, resources and memories."""

from types import SimpleNamespace

import numpy as np

from ...compiler.ir.types import Int
from ..design import Memory, Resources, Unit
from ..requantize import Requantization, code_range
from .fabric import adder, rom
from .matrix_vector import LANE_DIGITS, bias_memory, lane_resources
from .ram import clog2


def _lead(p: SimpleNamespace) -> int:
    return 2 if p.C > p.PE else 1


def _interval(p: SimpleNamespace) -> int:
    return p.C // p.PE


def _lane_clocks(p: SimpleNamespace) -> int:
    return (p.M_BITS + 1) // 2 if p.LANE == LANE_DIGITS else 1


def _latency(p: SimpleNamespace) -> int:
    return _lead(p) + _lane_clocks(p) + 2 + (p.D_BITS > 0)


def _resources(p: SimpleNamespace, family: str) -> Resources:
    """Against Yosys 0.70 on 5 configurations of ECP5 and one of iCE40: DSP blocks exact, LUTs 7 % low to 15 %
    high, registers up to 18 % high (xc7 puts delays into LUTs: registers far too many, LUTs 15 % low)."""
    folds, levels = p.C // p.PE, clog2(p.TOP + 1)
    row = lane_resources(SimpleNamespace(**vars(p), SIMD=1, W_BITS=p.M_BITS), family)
    joins = (row.dsp > 1) * adder(p.X_BITS + p.M_BITS, family)  # of the parts of a wide product
    clamp = (p.ACC_BITS - p.SHIFT - levels) / 3 + 2 * levels - levels * (1 << levels == p.TOP + 1)
    lut = row.lut + joins * 0.85 + adder(p.ACC_BITS, family) + clamp
    ff = row.ff + p.X_BITS * _lead(p) + p.ACC_BITS - p.SHIFT + p.OUT_BITS
    if p.LANE == LANE_DIGITS:
        lut, ff = lut + adder(p.X_BITS + 2, family), ff + p.X_BITS + 2
    if p.D_BITS:
        # The lowered middle and the sum with it; a multiplexer in front of an adder is no part of its LUTs.
        lut, ff = lut + adder(p.D_BITS, family) + 2 * adder(p.ACC_BITS, family), ff + 2 * p.ACC_BITS
    used = Resources(lut=p.PE * lut + 2, ff=p.PE * ff + _latency(p), dsp=p.PE * row.dsp)
    if folds > 1:
        used += Resources(lut=2 * clog2(folds), ff=clog2(folds) * (_lead(p) + _lane_clocks(p) - 1))
    used += rom(folds, p.PE * p.M_BITS, p.ROM_STYLE, True, family)
    if p.D_BITS:
        used += rom(folds, p.PE * p.D_BITS, p.ROM_STYLE, True, family)
    return used + rom(folds, p.PE * p.ACC_BITS, p.ROM_STYLE, True, family)


def requantize_parameters(
    found: Requantization, x: Int, y: Int, bias: int, channels: int, pe: int, lane: int, rom_style: int
) -> dict[str, int]:
    """Parameters for ``bias + found.apply(x)``.

    Args:
        x, y: carriers of the streams in and out; ``bias`` is y's code of count 0 (0 for a bipolar y).
        channels: C; the number of lanes where one row of ``found`` serves all channels.
        lane: 0 the tool's multiplier, 1 LUTs.
    """
    return {
        "C": channels, "PE": pe, "X_BITS": x.bits, "X_SIGNED": int(x.signed), "M_BITS": found.factor_bits,
        "ACC_BITS": found.acc_bits(code_range(x)), "SHIFT": found.shift, "TOP": found.count, "BIAS": bias,
        "OUT_BITS": y.bits, "D_BITS": found.drop_bits, "KNEE": found.knee or 0, "LANE": lane,
        "ROM_STYLE": rom_style,
    }  # fmt: skip


def factor_memory(found: Requantization, pe: int) -> Memory:
    """FACTORS; ``pe`` divides the rows, or one row serves all lanes."""
    return bias_memory(_rows(found.factor, pe), pe, found.factor_bits)


def offset_memory(found: Requantization, pe: int, acc_bits: int) -> Memory:
    """OFFSETS; ``pe`` divides the rows, or one row serves all lanes."""
    return bias_memory(_rows(found.offset, pe), pe, acc_bits)


def drop_memory(found: Requantization, pe: int) -> Memory:
    """DROPS of a line with a knee; ``pe`` divides the rows, or one row serves all lanes."""
    return bias_memory(_rows(found.drop, pe), pe, found.drop_bits)


def _rows(values: np.ndarray, pe: int) -> np.ndarray:
    return np.repeat(values, pe) if len(values) == 1 else values


REQUANTIZE = Unit(
    module="gw_requantize",
    params=(
        "C", "PE", "X_BITS", "X_SIGNED", "M_BITS", "ACC_BITS", "SHIFT", "TOP", "BIAS", "OUT_BITS", "D_BITS",
        "KNEE", "LANE", "ROM_STYLE", "FACTORS", "OFFSETS", "DROPS",
    ),
    files=(
        "gw_requantize.v", "gw_adder_tree.v", "gw_counter.v", "gw_delay.v", "gw_extend.v", "gw_lane_digit.v",
        "gw_lane_multiply.v", "gw_rom.v",
    ),
    interval=_interval,
    latency=_latency,
    resources=_resources,
    memories=("FACTORS", "OFFSETS", "DROPS"),
)  # fmt: skip
