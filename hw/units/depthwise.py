"""gw_depthwise: cycles, resources and memories."""

from types import SimpleNamespace

import numpy as np

from ..design import Contents, Memory, Parts, Resources, Unit
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


def _parts(p: SimpleNamespace, family: str, contents: Contents) -> Parts:
    fold, lanes = p.C // p.PE, p.PE * p.K
    words = p.TAPS * fold
    choose = p.ACC_BITS if p.TAPS > 1 and family not in LUT6 else 0
    counters = clog2(words) + clog2(fold) * (1 + p.HAS_BIAS) + clog2(p.TAPS)
    parts = {
        f"lanes_{p.LANE}": _lane(p, family).times(lanes),
        "sums": Resources(lut=adder(p.ACC_BITS, family), ff=p.ACC_BITS).times(lanes),
        "choose": Resources(lut=choose).times(lanes),
        "operands": Resources(ff=2 * p.PE * p.X_BITS),
        "counters": Resources(lut=2 * counters, ff=counters),
        "control": Resources(lut=4, ff=_lane_clocks(p) + 3),
        "weights": rom(words, lanes * p.W_BITS, p.ROM_STYLE, True, family),
    }
    if p.LANE == LANE_DIGITS:
        parts["triples"] = Resources(lut=adder(p.X_BITS + 2, family), ff=p.X_BITS + 2).times(p.PE)
    if p.TAPS > 1:
        parts["store"] = turn_resources(fold, lanes * p.ACC_BITS, family)
    if p.HAS_BIAS:
        style = 2 if p.ROM_STYLE == 2 else 0
        parts["biases"] = rom(fold, lanes * p.ACC_BITS, style, True, family)
    return parts


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
    parts=_parts,
    memories=("WEIGHTS", "BIAS"),
)  # fmt: skip
