"""gw_requantize: cycles, resources and memories."""

from collections.abc import Mapping, Sequence
from types import SimpleNamespace

import numpy as np

from ...compiler.ir.requantize import Requantization, code_range
from ...compiler.ir.types import Int
from ..design import Contents, Memory, Parts, Resources, Unit
from .binary import digits
from .fabric import LUT6, adder, cuts, product, rom
from .known_lanes import known_factors
from .lanes import LANE_DIGITS, lane_resources
from .lut_rom import MOST_BITS
from .matrix_vector import bias_memory
from .ram import clog2


def _lead(p: SimpleNamespace) -> int:
    return 2 if p.C > p.PE else 1


def _interval(p: SimpleNamespace) -> int:
    return p.C // p.PE


def _lane_clocks(p: SimpleNamespace) -> int:
    """From operands to products, or the parts of one."""
    return (p.M_BITS + 1) // 2 if p.LANE == LANE_DIGITS else 1


def _cut(p: SimpleNamespace) -> bool:
    return p.LANE != LANE_DIGITS and p.X_LOW + p.M_LOW > 0


def _latency(p: SimpleNamespace) -> int:
    return _lead(p) + _lane_clocks(p) + _cut(p) + 2 + (p.D_BITS > 0)


def _digit_sum(p: SimpleNamespace, family: str) -> Resources:
    """The product in LUTs, three times x before it and the sum with the offset behind."""
    row = lane_resources(SimpleNamespace(**vars(p), SIMD=1, W_BITS=p.M_BITS), family)
    lut = adder(p.X_BITS + 2, family) + adder(p.ACC_BITS, family)
    return row + Resources(lut=lut, ff=p.X_BITS + 2 + p.ACC_BITS)


def _one_product(x: int, m: int, x_signed: bool, family: str, most: int) -> Resources:
    """The product of two parts, which the tool joins itself where one block is too narrow for them."""
    used = product(x, m, family, x_signed, most=most)
    return used + Resources(lut=(used.dsp > 1) * 0.85 * adder(x + m, family))


def _constant_sum(p: SimpleNamespace, factor: int, family: str) -> Resources:
    """gw_multiply_add by a constant that takes no DSP block: a sum for each further digit."""
    adders = max(digits(factor) - 1, 0)
    return Resources(
        lut=adders * adder(p.X_BITS + 2, family) + adder(p.ACC_BITS, family),
        ff=(p.X_BITS + factor.bit_length()) * (factor != 0) + p.ACC_BITS,
    )


def _constants(p: SimpleNamespace, factors: Sequence[int]) -> list[int | None]:
    """For each lane the factor of all its channels; None where they differ."""
    mask, half = (1 << p.M_BITS) - 1, 1 << p.M_BITS - 1
    lanes = [{((word >> k * p.M_BITS) & mask ^ half) - half for word in factors} for k in range(p.PE)]
    return [lane.pop() if len(lane) == 1 else None for lane in lanes]


def _product_sums(p: SimpleNamespace, factors: Sequence[int] | None, family: str) -> Resources:
    """All lanes' products and sums with the offset."""
    plain = _product_sum(p, family)
    if factors is None or _cut(p):
        return plain.times(p.PE)
    used = Resources()
    for factor in _constants(p, factors):
        bits = 0 if factor is None else max(abs(factor).bit_length(), 1) + (family not in ("ecp5", "ice40"))
        soft = bits > 0 and not product(p.X_BITS, bits, family, bool(p.X_SIGNED), most=p.ACC_BITS).dsp
        used += _constant_sum(p, factor, family) if soft else plain
    return used


def _adds(p: SimpleNamespace, blocks: float, family: str) -> bool:
    """Whether the block adds as well; iCE40's then has the operands' registers too."""
    return (family in LUT6 or family == "ice40") and blocks == 1 and not _cut(p)


def _product_sum(p: SimpleNamespace, family: str) -> Resources:
    """gw_multiply_add."""
    x_parts = [(p.X_BITS - p.X_LOW, bool(p.X_SIGNED))] + [(p.X_LOW, False)] * (p.X_LOW > 0)
    m_parts = [p.M_BITS - p.M_LOW] + [p.M_LOW + 1] * (p.M_LOW > 0)
    used = sum((_one_product(x, m, s, family, p.ACC_BITS) for x, s in x_parts for m in m_parts), Resources())
    below = 0 if p.X_LOW and p.M_LOW else p.X_LOW + p.M_LOW  # bits of the offset that no product meets yet
    inside = _adds(p, used.dsp, family)
    used += Resources(lut=0 if inside else adder(p.ACC_BITS - below, family), ff=p.ACC_BITS)
    if _cut(p):
        low = min(p.X_LOW, p.M_LOW)
        across = p.ACC_BITS - low
        used += Resources(lut=adder(across, family) * (1 + (low > 0)), ff=across + p.ACC_BITS)
    return used


def _parts(p: SimpleNamespace, family: str, contents: Contents) -> Parts:
    folds, levels = p.C // p.PE, clog2(p.TOP + 1)
    by_digits = p.LANE == LANE_DIGITS
    clamp = (p.ACC_BITS - p.SHIFT - levels) / 3 + 2 * levels - levels * (1 << levels == p.TOP + 1)
    factors, offsets = (contents[n].words if n in contents else None for n in ("FACTORS", "OFFSETS"))
    if not by_digits:
        products = _product_sums(p, factors, family)
        lanes = {"wide_products" if products.dsp > p.PE else "products": products}
    elif factors:
        lanes = known_factors(p, factors, family)
    else:
        lanes = {"digit_lanes": _digit_sum(p, family).times(p.PE)}
    taken = family == "ice40" and not by_digits and _adds(p, products.dsp / p.PE, family)
    parts = {
        **lanes,
        "clamp": Resources(lut=clamp, ff=p.OUT_BITS).times(p.PE),
        "operands": Resources(ff=p.X_BITS * (_lead(p) - taken) - p.SHIFT).times(p.PE),
        "control": Resources(lut=2, ff=_latency(p)),
        "factors": rom(folds, p.PE * p.M_BITS, p.ROM_STYLE, not taken, family, factors),
        "offsets": rom(folds, p.PE * p.ACC_BITS, p.ROM_STYLE, True, family, offsets),
    }
    if p.D_BITS:
        # The lowered middle and the sum with it; a multiplexer in front of an adder is no part of its LUTs.
        lut = adder(p.D_BITS, family) + 2 * adder(p.ACC_BITS, family)
        knee = Resources(lut=lut, ff=2 * p.ACC_BITS)
        if folds == 1:  # both middles are constant
            knee = Resources(lut=adder(p.ACC_BITS, family), ff=p.ACC_BITS)
        parts["knee" if folds > 1 else "constant_knee"] = knee.times(p.PE)
        parts["drops"] = rom(folds, p.PE * p.D_BITS, p.ROM_STYLE, True, family)
    if folds > 1:
        delays = _lead(p) + _lane_clocks(p) - 1 + (_cut(p) and p.D_BITS > 0)
        parts["folds"] = Resources(lut=2 * clog2(folds), ff=clog2(folds) * delays)
    return parts


def _looks(p: SimpleNamespace) -> tuple[str, ...]:
    return ("FACTORS", "OFFSETS") if p.C * p.ACC_BITS <= MOST_BITS else ()


def requantize_parameters(
    found: Requantization, x: Int, y: Int, bias: int, channels: int, pe: int, lane: int, rom_style: int
) -> dict[str, int]:
    """Parameters for ``bias + found.apply(x)``, the product whole.

    Args:
        x, y: carriers of the streams in and out; ``bias`` is y's code of count 0 (0 for a bipolar y).
        channels: C; the number of lanes where one row of ``found`` serves all channels.
        lane: 0 the tool's multiplier, 1 LUTs.
    """
    return {
        "C": channels, "PE": pe, "X_BITS": x.bits, "X_SIGNED": int(x.signed), "X_LOW": 0,
        "M_BITS": found.factor_bits, "M_LOW": 0, "ACC_BITS": found.acc_bits(code_range(x)),
        "SHIFT": found.shift, "TOP": found.count, "BIAS": bias, "OUT_BITS": y.bits,
        "D_BITS": found.drop_bits, "KNEE": found.knee or 0, "LANE": lane, "ROM_STYLE": rom_style,
    }  # fmt: skip


def cut_for(params: Mapping[str, int], family: str) -> dict[str, int]:
    """The parameters, with operands cut so that each product of parts fits a DSP block of ``family``."""
    p = SimpleNamespace(**params)
    x_low, m_low = cuts(p.X_BITS + (not p.X_SIGNED), p.M_BITS, family)
    return {**params, "X_LOW": x_low, "M_LOW": m_low}


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
        "C", "PE", "X_BITS", "X_SIGNED", "X_LOW", "M_BITS", "M_LOW", "ACC_BITS", "SHIFT", "TOP", "BIAS",
        "OUT_BITS", "D_BITS", "KNEE", "LANE", "ROM_STYLE", "FACTORS", "OFFSETS", "DROPS",
    ),
    files=(
        "gw_requantize.v", "gw_requantize_fed.v", "gw_adder_tree.v", "gw_counter.v", "gw_delay.v",
        "gw_extend.v", "gw_lane_digit.v", "gw_lane_multiply.v", "gw_multiply_add.v", "gw_rom.v",
        "gw_vector_pipe.v",
    ),
    interval=_interval,
    latency=_latency,
    parts=_parts,
    memories=("FACTORS", "OFFSETS", "DROPS"),
    looks=_looks,
)  # fmt: skip
