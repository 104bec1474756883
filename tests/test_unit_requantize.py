"""gw_requantize and the search for its factors, against plain counting of thresholds."""

import numpy as np
import pytest

from gatewright.compiler.ir.requantize import requantization
from gatewright.compiler.ir.types import Int
from gatewright.hw.design import Stream
from gatewright.hw.units.fabric import cuts
from gatewright.hw.units.requantize import (
    REQUANTIZE,
    cut_for,
    drop_memory,
    factor_memory,
    offset_memory,
    requantize_parameters,
)
from stream_bench import complaint, values
from unit_bench import Case


def counted(t: np.ndarray, x: np.ndarray) -> np.ndarray:
    """How many thresholds (C, N) each x (..., C) reaches."""
    return (x[..., None] >= t).sum(-1)


def lines(random: np.random.Generator, x: Int, channels: int, count: int) -> np.ndarray:
    """Thresholds (C, N) of straight lines, some beyond both ends of x."""
    reach = x.hi - x.lo + 1
    slope = random.uniform(reach / (count * 4), reach / count, (channels, 1))
    start = random.uniform(x.lo - reach / 8, x.hi - reach / 2, (channels, 1))
    return np.ceil(start + slope * np.arange(count)).astype(np.int64)


def case(
    seed: int, x: Int, pe: int, folds: int, count: int, lane: int, family: str = "", shared: bool = False
) -> Case:
    """A unit for random lines, with vectors at and around the thresholds; cut for a family's blocks."""
    random = np.random.default_rng([seed, pe, folds, count])
    t = lines(random, x, 1 if shared else pe * folds, count)
    found = requantization(t, x)
    channels, bias = pe * folds, int(random.integers(-200, 200))
    y = Int(0, max(count, 2 ** int(random.integers(0, 9)) - 1))
    near = t[np.arange(channels) % len(t), random.integers(0, count, (40, channels))]
    xs = np.concatenate([near - random.integers(0, 2, near.shape), x.lo + 0 * near[:1], x.hi + 0 * near[:1]])
    xs = np.concatenate([xs.clip(x.lo, x.hi), random.integers(x.lo, x.hi + 1, (20, channels))])
    xs = x.lo + (xs - x.lo) // x.step * x.step
    params = requantize_parameters(found, x, y, bias, pe if shared else channels, pe, lane, seed % 3)
    if family:
        params = cut_for(params, family)
    memories = {"f.mem": factor_memory(found, pe), "o.mem": offset_memory(found, pe, params["ACC_BITS"])}
    sink = Stream(y, pe, folds)
    wanted = (counted(t, xs) + bias) % (1 << y.bits)
    words = Stream(x, pe, folds).pack(xs)
    return Case(
        REQUANTIZE, params | {"FACTORS": "f.mem", "OFFSETS": "o.mem", "DROPS": ""}, pe * x.bits, sink.bits,
        words, sink.pack(wanted), params["C"] // pe, memories,
    )  # fmt: skip


CASES = [
    (0, Int(-(2**19), 2**19 - 1), 2, 3, 255, 0), (1, Int(-(2**11), 2**11 - 1), 1, 4, 255, 1),
    (2, Int(0, 255), 3, 1, 15, 1), (3, Int(-128, 127), 2, 2, 3, 1), (4, Int(0, 40, 4), 2, 2, 5, 0),
    (5, Int(-(2**15), 2**15 - 1), 4, 1, 127, 0), (6, Int(-8, 7), 1, 1, 1, 1), (7, Int(0, 1023), 2, 5, 200, 1),
]  # fmt: skip
# Where operands are cut: x and m, x of each signedness, m.
CUTS = {
    (8, Int(-(2**20), 2**20 - 1), 2, 3, 1023, 0, "ecp5"): (17, 17),
    (9, Int(0, 2**20 - 1), 1, 1, 255, 0, "ice40"): (15, 15),
    (12, Int(0, 2**19 - 1), 2, 2, 3, 0, "gowin"): (17, 0),
    (11, Int(-(2**21), 2**21 - 1), 1, 4, 255, 0, "xc7"): (0, 17),
}
CASES += CUTS
each_case = pytest.mark.parametrize(
    "args", CASES, ids=lambda a: f"{a[1]}x{a[2]}x{a[3]}-{a[4]}-lane{a[5]}" + "".join(a[6:])
)


@each_case
def test_values_and_clocks(args):
    """At the thresholds, beside them, at both ends and at random; bias that wraps."""
    case(*args).check(seed=args[0])


@pytest.mark.parametrize("args", CUTS, ids=lambda a: a[6])
def test_where_operands_are_cut(args):
    """Each family's blocks are another width; a part is one block wide, the rest keeps the sign."""
    params = case(*args).params
    assert (params["X_LOW"], params["M_LOW"]) == CUTS[args]
    whole = REQUANTIZE.latency(values(params | {"X_LOW": 0, "M_LOW": 0}))
    assert REQUANTIZE.latency(values(params)) == whole + 1


def test_a_cut_takes_the_fewest_blocks():
    """Operands go to the side of a block where they need no cut, if one does."""
    assert cuts(18, 18, "ecp5") == (0, 0)
    assert cuts(25, 18, "xc7") == cuts(18, 25, "xc7") == (0, 0)
    assert cuts(26, 18, "xc7") == (24, 0)
    assert cuts(20, 26, "xc7") == (0, 17)
    assert cuts(18, 26, "xcup") == (0, 0)
    assert cuts(16, 17, "ice40") == (0, 15)


@each_case
def test_verilator_has_no_warning(args, tmp_path):
    assert case(*args).lint(tmp_path) == ""


@pytest.mark.parametrize("args", [CASES[1], CASES[4], CASES[8]], ids=["luts", "multiplier", "cut"])
def test_reset_in_mid_vector(args, tmp_path):
    for clocks in (7, 10):
        case(*args).check_reset(tmp_path, clocks)


def test_one_row_serves_all_channels():
    case(3, Int(-500, 700), 3, 4, 31, 0, shared=True).check()


def test_verilator_agrees():
    made = case(*CASES[1])
    runs = [made.build(tool).run(made.words, len(made.expected), gap=0.3, stall=0.3) for tool in
            ("icarus", "verilator")]  # fmt: skip
    assert runs[0] == runs[1]


@pytest.mark.parametrize("seed", range(40), ids="seed{}".format)
def test_every_x_of_random_steps(seed):
    """Whatever is found counts exactly, over every x; lines are always found."""
    random = np.random.default_rng([11, seed])
    lo, step, levels = int(random.integers(-40, 20)), int(random.integers(1, 4)), int(random.integers(2, 90))
    x = Int(lo, lo + step * (levels - 1), step)
    channels, count = (int(v) for v in random.integers(1, 6, 2))
    straight = seed % 2 == 0
    t = lines(random, x, channels, count) if straight else np.sort(
        random.integers(lo - 5, x.hi + 6, (channels, count)), axis=1
    )  # fmt: skip
    found = requantization(t, x)
    assert found is not None or not straight
    if found is not None:
        xs = np.repeat(np.arange(x.lo, x.hi + 1, x.step)[:, None], channels, axis=1)
        assert (found.apply(xs) == counted(t, xs)).all()


def test_the_shift_is_the_smallest():
    """Every factor and offset with one shift less fails, for each of many small tables."""
    tried = 0
    for seed in range(60):
        random = np.random.default_rng([12, seed])
        x, count = Int(0, int(random.integers(4, 20))), int(random.integers(1, 5))
        t = lines(random, x, 1, count)
        found = requantization(t, x)
        if found.shift == 0:
            continue
        tried += 1
        xs, one = np.arange(x.lo, x.hi + 1), 1 << (found.shift - 1)
        factor = np.arange(count * one + 2)[:, None, None]
        offset = np.arange(-factor.max() * x.hi - one, (count + 1) * one + 1)[None, :, None]
        tries = np.clip((factor * xs + offset) >> (found.shift - 1), 0, count)
        assert not (tries == counted(t, xs[:, None])[:, 0]).all(-1).any()
    assert tried > 20


def test_steps_on_no_line_are_refused():
    """Steps of 1, 1, 9, 1 lie on no line."""
    assert requantization(np.array([[1, 2, 3, 12, 13]]), Int(0, 20)) is None
    assert requantization(np.array([[1, 2, 3, 12, 13]]), Int(0, 4)) is not None  # the last two never come
    assert requantization(np.zeros((2**9, 2**13), int), Int(0, 1)) is None  # too many to search
    assert requantization(np.zeros((2, 0), int), Int(0, 1)) is None


def test_more_steps_than_a_table_holds():
    """12-bit results of 20-bit sums, for every x at and beside a threshold."""
    x = Int(-(2**19), 2**19 - 1)
    t = lines(np.random.default_rng(3), x, 3, 4095)
    xs = np.concatenate([t.T, t.T - 1]).clip(x.lo, x.hi)
    found = requantization(t, x)
    wanted = np.stack([np.searchsorted(row, xs[:, c], side="right") for c, row in enumerate(t)], axis=1)
    assert (found.apply(xs) == wanted).all()


def test_rows_that_never_change_and_bipolar_x():
    found = requantization(np.array([[-9, -9], [90, 99], [0, 7]]), Int(-4, 7))
    xs = np.repeat(np.arange(-4, 8)[:, None], 3, axis=1)
    assert (found.apply(xs) == counted(np.array([[-9, -9], [90, 99], [0, 7]]), xs)).all()
    flips = requantization(np.array([[0], [-1], [2]]), Int(-1, 1, 2))
    assert flips.apply(np.array([[0, 0, 0], [1, 1, 1]])).tolist() == [[0, 1, 0], [1, 1, 0]]


# case -> LUTs, registers, DSP blocks: Yosys 0.70, synth_ecp5 -nowidelut.
MEASURED = {
    (0, Int(-(2**19), 2**19 - 1), 4, 8, 255, 0): (708, 883, 16),
    (0, Int(-(2**19), 2**19 - 1), 4, 8, 255, 0, "ecp5"): (700, 1316, 16),
    (0, Int(-(2**11), 2**11 - 1), 4, 16, 15, 1): (1617, 2800, 0),
    (0, Int(-(2**11), 2**11 - 1), 4, 16, 15, 0): (305, 593, 4),
}


@pytest.mark.parametrize("args", MEASURED, ids=str)
def test_estimate_is_near_what_yosys_gave(args):
    lut, ff, dsp = MEASURED[args]
    estimate = REQUANTIZE.resources(values(case(*args).params), "ecp5")
    assert estimate.lut == pytest.approx(lut, rel=0.15)
    assert estimate.ff == pytest.approx(ff, rel=0.2)
    assert (estimate.dsp, estimate.bram) == (dsp, 0)


def test_lanes_that_do_not_divide_are_reported(tmp_path):
    params = case(*CASES[0]).params | {"C": 3, "PE": 2, "FACTORS": '"no.mem"', "OFFSETS": '"no.mem"'}
    params["DROPS"] = '""'
    assert "gw_requantize: PE must divide C" in complaint(REQUANTIZE, params, tmp_path).splitlines()


def kneed(random: np.random.Generator, x: Int, channels: int, count: int) -> tuple[np.ndarray, int]:
    """Thresholds of a sum that is scaled, rounded, shifted and rounded again, halves away from zero."""
    knee = count // 2
    shift = int(random.integers(3, 6))
    slope = random.uniform(0.6, 1.0, (channels, 1)) * count * 2**shift / (x.hi - x.lo + 1)
    xs = np.arange(x.lo, x.hi + 1)
    once = np.floor(xs * slope + random.uniform(-3, 3, (channels, 1)) + 0.5).astype(np.int64)
    twice = (once + (1 << (shift - 1)) - (once < 0)) >> shift
    codes = np.clip(twice + knee, 0, count)
    return np.stack([xs[0] + np.searchsorted(row, np.arange(1, count + 1)) for row in codes]), knee


@pytest.mark.parametrize("seed", range(30), ids="seed{}".format)
def test_two_roundings_are_a_line_with_a_knee(seed):
    """Every x of many channels; where one line does too, nothing drops in vain."""
    random = np.random.default_rng([13, seed])
    x = Int(-int(random.integers(500, 3000)), int(random.integers(500, 3000)))
    t, knee = kneed(random, x, 6, int(random.integers(5, 60)))
    found = requantization(t, x, knee)
    assert found is not None
    xs = np.repeat(np.arange(x.lo, x.hi + 1)[:, None], 6, axis=1)
    assert (found.apply(xs) == counted(t, xs)).all()
    if requantization(t, x) is None:
        assert found.drop.any()


def test_what_a_channel_never_sees_is_no_constraint():
    """Steps beyond a channel's own range may lie anywhere; those inside are counted exactly."""
    x, t = Int(-100, 100), np.array([[-60, -40, -20, 0, 0, 0], [-90, -21, -7, 7, 21, 35]])
    assert requantization(t, x) is None
    reach = np.array([-70, -30]), np.array([-1, 40])
    found = requantization(t, x, reach=reach)
    for c, (lo, hi) in enumerate(zip(*reach, strict=True)):
        xs = np.repeat(np.arange(lo, hi + 1)[:, None], 2, axis=1)
        assert (found.apply(xs) == counted(t, xs))[:, c].all()


KNEES = [(0, 2, 3, 0), (1, 1, 4, 1), (2, 3, 1, 0), (3, 2, 2, 1)]
each_knee = pytest.mark.parametrize("args", KNEES, ids=lambda a: f"{a[1]}x{a[2]}-lane{a[3]}")


def knee_case(seed: int, pe: int, folds: int, lane: int) -> Case:
    """A unit with a knee, at every x around each channel's thresholds and at both ends."""
    random = np.random.default_rng([14, seed])
    x, channels = Int(-2000, 2400), pe * folds
    t, knee = kneed(random, x, channels, 40)
    found = requantization(t, x, knee)
    assert found.drop.any()
    ends = np.full((1, channels), x.lo), np.full((1, channels), x.hi)
    xs = np.concatenate([t.T, t.T - 1, *ends, random.integers(x.lo, x.hi + 1, (20, channels))])
    xs = xs.clip(x.lo, x.hi)
    y = Int(0, 63)
    params = requantize_parameters(found, x, y, -knee, channels, pe, lane, seed % 3)
    memories = {
        "f.mem": factor_memory(found, pe), "o.mem": offset_memory(found, pe, params["ACC_BITS"]),
        "d.mem": drop_memory(found, pe),
    }  # fmt: skip
    names = {"FACTORS": "f.mem", "OFFSETS": "o.mem", "DROPS": "d.mem"}
    wanted = (counted(t, xs) - knee) % 64
    words, sink = Stream(x, pe, folds).pack(xs), Stream(y, pe, folds)
    return Case(REQUANTIZE, params | names, pe * x.bits, sink.bits, words, sink.pack(wanted), folds, memories)


@each_knee
def test_knee_values_and_clocks(args):
    """As without one, a clock later."""
    knee_case(*args).check(seed=args[0])


@each_knee
def test_verilator_has_no_warning_about_knees(args, tmp_path):
    assert knee_case(*args).lint(tmp_path) == ""
