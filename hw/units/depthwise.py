"""gw_depthwise: cycles, resources and memories."""

from types import SimpleNamespace

import numpy as np

from ..design import Memory, Resources, Unit
from .fabric import LUT6, adder, rom
from .lanes import LANE_DIGITS, LANE_SIGN_W, LANE_XNOR, lane_resources
from .matrix_vector import weight_memory
from .ram import clog2
from .turn import turn_resources


def _interval(p: SimpleNamespace) -> int:
    return p.TAPS * (p.C // p.PE)


def _lane_clocks(p: SimpleNamespace) -> int:
    return (p.W_BITS + 1) // 2 if p.LANE == LANE_DIGITS else 1


def _latency(p: SimpleNamespace) -> int:
    return (p.TAPS - 1) * (p.C // p.PE) + 3 + _lane_clocks(p)


def _lane(p: SimpleNamespace, family: str) -> Resources:
    lane = vars(p) | {"SIMD": 1, "PE": 1}
    if p.LANE == LANE_XNOR:  # gw_depthwise gives +1 or -1 its other sign
        lane |= {"LANE": LANE_SIGN_W, "X_BITS": 2, "X_SIGNED": 1}
    return lane_resources(SimpleNamespace(**lane), family)


def _resources(p: SimpleNamespace, family: str) -> Resources:
    """Against Yosys 0.70 on 4 configurations of ECP5, one each of Gowin and xc7: LUTs 2 % low to 16 % high,
    registers up to 7 % high (xc7, which turns delays into SRLs, 45 %), block RAM and DSP exact."""
    fold, lanes = p.C // p.PE, p.PE * p.K
    lane, words = _lane(p, family), p.TAPS * fold
    choose = p.ACC_BITS if p.TAPS > 1 and family not in LUT6 else 0
    counters = clog2(words) + clog2(fold) * (1 + p.HAS_BIAS) + clog2(p.TAPS)
    used = Resources(
        lut=lanes * (lane.lut + adder(p.ACC_BITS, family) + choose) + 2 * counters + 4,
        ff=lanes * (lane.ff + p.ACC_BITS) + 2 * p.PE * p.X_BITS + counters + _lane_clocks(p) + 3,
        dsp=lanes * lane.dsp,
    )
    if p.LANE == LANE_DIGITS:
        used += Resources(lut=p.PE * adder(p.X_BITS + 2, family), ff=p.PE * (p.X_BITS + 2))
    if p.TAPS > 1:
        used += turn_resources(fold, lanes * p.ACC_BITS, family)
    used += rom(words, lanes * p.W_BITS, p.ROM_STYLE, True, family)
    if p.HAS_BIAS:
        style = 2 if p.ROM_STYLE == 2 else 0
        used += rom(fold, lanes * p.ACC_BITS, style, True, family)
    return used


def depthwise_weights(w: np.ndarray, lanes: int, bits: int, bipolar: bool = False) -> Memory:
    """WEIGHTS of ``w`` (TAPS, C*K), a channel's K filters side by side; ``lanes`` = PE*K weights a word.

    Raises:
        LoweringError: lanes that do not divide C*K, or a weight that the bits cannot hold.
    """
    words = w.reshape(-1, lanes) if w.shape[1] % lanes == 0 else w
    return weight_memory(words, lanes, 1, bits, bipolar)


DEPTHWISE = Unit(
    module="gw_depthwise",
    params=(
        "TAPS", "C", "K", "PE", "X_BITS", "X_SIGNED", "W_BITS", "LANE", "ACC_BITS", "ROM_STYLE", "HAS_BIAS",
        "WEIGHTS", "BIAS",
    ),
    files=(
        "gw_depthwise.v", "gw_adder_tree.v", "gw_counter.v", "gw_delay.v", "gw_extend.v", "gw_lane_digit.v",
        "gw_lane_multiply.v", "gw_lane_sign.v", "gw_ram.v", "gw_rom.v", "gw_turn.v",
    ),
    interval=_interval,
    latency=_latency,
    resources=_resources,
    memories=("WEIGHTS", "BIAS"),
)  # fmt: skip
