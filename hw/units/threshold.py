"""gw_threshold: cycles, resources and memories."""

from types import SimpleNamespace

import numpy as np

from ...compiler.ir.types import Int
from ...errors import LoweringError
from ..design import Contents, Memory, Parts, Resources, Unit
from .fabric import LUT6, adder, rom
from .lut_rom import MOST_BITS
from .ram import clog2

_MOST_ROMS = 1000  # a file name has three digits
MOST_STAGES = 16
# ROMs of gw_threshold_stage up to this size stay in LUTs.
_SMALL_ROM = 64


def _interval(p: SimpleNamespace) -> int:
    return p.C // p.PE


def _latency(p: SimpleNamespace) -> int:
    return p.STAGES * (3 if p.ROM_STYLE == 1 else 2) + 1


def _parts(p: SimpleNamespace, family: str, contents: Contents) -> Parts:
    """A ROM and a comparator a stage and lane, and the registers that carry x along."""
    folds, rom_clocks = p.C // p.PE, 2 if p.ROM_STYLE == 1 else 1
    table = contents.get("TABLE")
    roms = carried = compare = first = Resources()
    fold_ff = 0
    for stage in range(p.STAGES):
        words = folds << stage
        style = 2 if p.ROM_STYLE == 1 and words <= _SMALL_ROM else p.ROM_STYLE
        lanes = [table.words[stage * p.PE + lane] if table else None for lane in range(p.PE)]
        made = [
            rom(words, p.X_BITS + 1, style, p.ROM_STYLE == 1, family, lane)
            for lane in lanes[: 1 if table is None else None]
        ]
        roms += made[0].times(p.PE) if table is None else sum(made, Resources())
        # The last stage's x is only compared; the found bits and the fold travel with x.
        clocks = rom_clocks + (stage < p.STAGES - 1)
        carried += Resources(ff=p.X_BITS * clocks + stage * (rom_clocks + 1) + 1).times(p.PE)
        bits = p.X_BITS / 2 + 2 if family in LUT6 else adder(p.X_BITS + 1, family)
        if words == 1:  # a constant; Gowin's carry chains take inverters before them
            bits = p.X_BITS / 3 + 1 if family in LUT6 else bits * (2 if family == "gowin" else 1)
            first = Resources(lut=p.PE * bits)
        else:
            compare += Resources(lut=p.PE * bits)
        fold_ff += clog2(folds) * (rom_clocks + 1) * (stage < p.STAGES - 1)
    plus_bias = adder(p.OUT_BITS, family) if p.BIAS % (1 << p.SHIFT + p.STAGES - 1) else 0
    return {
        "roms": roms,
        "carried": carried,
        "compare": compare,
        "constant_compare": first,
        "folds": Resources(lut=2 * clog2(folds), ff=clog2(folds) + fold_ff),
        "control": Resources(lut=2, ff=_latency(p)),
        "bias": Resources(lut=p.PE * plus_bias, ff=p.PE * min(p.OUT_BITS, p.STAGES + (p.BIAS != 0))),
    }


def _looks(p: SimpleNamespace) -> tuple[str, ...]:
    return ("TABLE",) if p.C * ((1 << p.STAGES) - 1) * (p.X_BITS + 1) <= MOST_BITS else ()


def stages_of(levels: int) -> int:
    """STAGES that tell ``levels`` thresholds: the smallest s with 2**s - 1 >= levels, at least 1."""
    return max(levels.bit_length(), 1)


def _check(t: np.ndarray, pe: int) -> None:
    stages = stages_of(t.shape[1])
    if stages > MOST_STAGES:
        raise LoweringError(
            f"threshold: a channel must have at most {2**MOST_STAGES - 1} thresholds, not {t.shape[1]}. "
            f"Quantize to {MOST_STAGES} bits or fewer."
        )
    if stages * pe > _MOST_ROMS:
        raise LoweringError(
            f"threshold: stages times PE must be at most {_MOST_ROMS}, not {stages} * {pe}. "
            "Choose a smaller PE."
        )
    if np.any(np.diff(t, axis=1) < 0):
        raise LoweringError("threshold: thresholds must ascend in every row, not fall. Sort them.")


def threshold_memory(t: np.ndarray, pe: int, x_type: Int) -> Memory:
    """TABLE of thresholds: one ROM for each stage and lane, ROM number stage * pe + lane.

    Args:
        t: ascending rows, shape (C, N), or (1, N) shared by all channels; the unit then has C = PE.
        pe: lanes; divides C.
        x_type: what is compared. Thresholds are clipped to [smallest x, largest x + 1], and rows are filled
            up to 2**STAGES - 1 with the latter, which nothing reaches.

    Raises:
        LoweringError: more than 16 stages, more than 1,000 ROMs, or a row that is not ascending.
    """
    t = np.asarray(t, dtype=np.int64)
    _check(t, pe)
    stages = stages_of(t.shape[1])
    low, never = x_type.lo, x_type.hi + 1
    if x_type.bipolar:  # codes 0 and 1: (x + 1) / 2 >= ceil((t + 1) / 2)
        low, never, t = 0, 2, (t + 2) // 2
    if len(t) == 1:
        t = np.repeat(t, pe, axis=0)
    table = np.full((len(t), 2**stages - 1), never, dtype=np.int64)
    table[:, : t.shape[1]] = np.clip(t, low, never)
    bits = x_type.bits + 1
    codes = table & ((1 << bits) - 1)
    roms = []
    for stage in range(stages):
        step = 1 << (stages - 1 - stage)
        middles = codes[:, step - 1 :: 2 * step].reshape(-1, pe, 1 << stage)  # (folds, lanes, words)
        roms += [tuple(int(w) for w in middles[:, lane].ravel()) for lane in range(pe)]
    return Memory(tuple(roms), bits, per_lane=True)


THRESHOLD = Unit(
    module="gw_threshold",
    params=(
        "C",
        "PE",
        "STAGES",
        "X_BITS",
        "X_SIGNED",
        "OUT_BITS",
        "BIAS",
        "SHIFT",
        "ROM_STYLE",
        "TABLE",
    ),
    files=(
        "gw_threshold.v",
        "gw_threshold_stage.v",
        "gw_counter.v",
        "gw_delay.v",
        "gw_extend.v",
        "gw_rom.v",
        "gw_vector_pipe.v",
    ),
    interval=_interval,
    latency=_latency,
    parts=_parts,
    memories=("TABLE",),
    looks=_looks,
)
