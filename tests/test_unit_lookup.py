"""gw_lookup against numpy: every code, values and clocks, and after a reset in mid-vector."""

import numpy as np
import pytest

from gatewright.compiler.ir.types import Int
from gatewright.errors import LoweringError
from gatewright.hw.design import Stream
from gatewright.hw.units.lookup import LOOKUP, lookup_memory
from stream_bench import complaint, values
from unit_bench import Case


def case(x: Int, y: Int, pe: int, folds: int, shared: bool, rom_style: int = 0, margin: int = 0) -> Case:
    """Random tables, beginning ``margin`` before the least x, and vectors that hold every x in every lane."""
    random = np.random.default_rng([x.levels, y.levels, pe, folds])
    channels = pe * folds
    lo, length = x.lo - margin, x.hi - x.lo + 1 + 2 * margin
    table = y.lo + y.step * random.integers(0, y.levels, (1 if shared else channels, length))
    every = np.repeat(np.arange(x.lo, x.hi + 1, x.step)[:, None], channels, axis=1)
    xs = np.concatenate(
        [every, x.lo + x.step * random.integers(0, x.levels, (max(0, 55 - len(every)), channels))]
    )
    rows = np.zeros(channels, int) if shared else np.arange(channels)
    memory = lookup_memory(table, lo, x, y, pe)
    params = {
        "C": pe if shared else channels, "PE": pe, "SHARED": int(shared), "X_BITS": x.bits,
        "OUT_BITS": y.bits, "ROM_STYLE": rom_style, "TABLE": "t",
    }  # fmt: skip
    source, sink = Stream(x, pe, folds), Stream(y, pe, folds)
    return Case(
        LOOKUP, params, source.bits, sink.bits, source.pack(xs), sink.pack(table[rows, xs - lo]),
        params["C"] // pe, {"t": memory},
    )  # fmt: skip


CASES = [
    (Int(-128, 127), Int(-128, 127), 2, 1, True), (Int(0, 15), Int(-5, 900), 3, 4, False),
    (Int(-1, 1, 2), Int(-7, 7), 2, 3, False), (Int(-6, 3), Int(-1, 1, 2), 2, 2, False, 1),
    (Int(3, 9), Int(0, 255), 1, 1, False, 2), (Int(-20, 20, 4), Int(0, 3), 4, 2, True, 2, 3),
]  # fmt: skip
each_case = pytest.mark.parametrize("args", CASES, ids=lambda a: f"{a[0]}{a[1]}x{a[2]}x{a[3]}")


@each_case
def test_values_and_clocks(args, tmp_path):
    """Every x; no Verilator warning; nothing left by a reset in mid-vector."""
    made = case(*args)
    made.check()
    assert made.lint(tmp_path) == ""
    for clocks in (3, 10):
        made.check_reset(tmp_path, clocks)


def test_memory_order():
    """Words follow x's code: two's complement, so -1 comes last; lane l has channels l, l + PE, ..."""
    memory = lookup_memory(np.array([[5, 6, 7]]), -1, Int(-1, 1), Int(0, 7), 2)
    assert (memory.words, memory.bits, memory.per_lane) == (((6, 7, 0, 5),), 3, True)
    folded = lookup_memory(np.array([[0, 1], [2, 3], [4, 5], [6, 7]]), 0, Int(0, 1), Int(0, 7), 2)
    assert folded.words == ((0, 1, 4, 5), (2, 3, 6, 7))
    assert lookup_memory(np.array([[-1, 9, 1]]), -1, Int(-1, 1, 2), Int(-1, 1, 2), 1).words == ((0, 1),)


def test_lanes_that_do_not_divide():
    message = r"^lookup: lanes must divide the 3 tables and be at most 1000, not 2\. Choose a divisor\.$"
    with pytest.raises(LoweringError, match=message):
        lookup_memory(np.zeros((3, 2), int), 0, Int(0, 1), Int(0, 1), 2)


def test_lanes_that_do_not_divide_are_reported(tmp_path):
    params = case(*CASES[1]).params | {"C": 4, "PE": 3, "TABLE": '"no"'}
    assert "gw_lookup: PE must divide C" in complaint(LOOKUP, params, tmp_path).splitlines()


# case -> LUTs, registers, block RAMs: Yosys 0.70, synth_ecp5 -nowidelut.
MEASURED = {
    (Int(-128, 127), Int(-128, 127), 2, 1, True, 0): (620, 34, 0),
    (Int(-128, 127), Int(-128, 127), 2, 1, True, 1): (1, 18, 2),
    (Int(0, 15), Int(-5, 900), 3, 4, False, 2): (276, 64, 0),
    (Int(0, 63), Int(0, 255), 4, 1, True, 2): (293, 66, 0),
}


@pytest.mark.parametrize("args", MEASURED, ids=str)
def test_estimate_is_near_what_yosys_gave(args):
    lut, ff, bram = MEASURED[args]
    estimate = LOOKUP.resources(values(case(*args).params), "ecp5")
    assert estimate.lut == pytest.approx(lut, rel=0.1, abs=2)
    assert estimate.ff == pytest.approx(ff, rel=0.1, abs=1)
    assert estimate.bram == bram
    assert estimate.stored_bits == (2 * 256 * 8 if bram else 0)
