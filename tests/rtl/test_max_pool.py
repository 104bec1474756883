"""gw_max_pool against numpy, in values and clocks."""

import numpy as np
import pytest

from gatewright.compiler.ir.types import Int
from gatewright.hw.units.max_pool import MAX_POOL as UNIT
from stream_bench import build, complaint, interval, latency, lint, mapped, pack, values

WINDOWS = 8


def pool(taps: int, channels: int, lanes: int, bits: int, signed: int) -> dict:
    """Parameters of a gw_max_pool."""
    return {"TAPS": taps, "C": channels, "PE": lanes, "BITS": bits, "SIGNED": signed}


def random_shape(seed: int) -> dict:
    """Random parameters that cover register, shift-register and RAM stores."""
    draw = np.random.default_rng(seed)
    lanes, fold = int(draw.integers(1, 5)), int(draw.integers(1, 9))
    signed = int(draw.integers(0, 2))
    return pool(int(draw.integers(1, 10)), lanes * fold, lanes, int(draw.integers(1 + signed, 9)), signed)


SHAPES = [
    pool(4, 8, 8, 4, 0), pool(9, 4, 1, 8, 1), pool(4, 10, 2, 8, 1), pool(1, 6, 3, 5, 0), pool(4, 64, 1, 3, 0),
    pool(4, 6, 2, 1, 0), *map(random_shape, range(12)),
]  # fmt: skip
each_shape = pytest.mark.parametrize("params", SHAPES, ids=lambda p: "-".join(map(str, p.values())))


def stimulus(params: dict) -> tuple[list[int], list[int]]:
    """Random windows of the full range, and their maxima, as words."""
    p = values(params)
    element = Int(-(1 << (p.BITS - 1)), (1 << (p.BITS - 1)) - 1) if p.SIGNED else Int(0, (1 << p.BITS) - 1)
    x = np.random.default_rng(p.TAPS + p.C).integers(element.lo, element.hi + 1, (WINDOWS, p.TAPS, p.C))
    return pack(element.encode(x), p.PE, p.BITS), pack(element.encode(x.max(axis=1)), p.PE, p.BITS)


@each_shape
def test_values_under_gaps_and_stalls(params):
    """Each channel's maximum, window after window, whatever the two sides do."""
    sent, wanted = stimulus(params)
    width = params["PE"] * params["BITS"]
    simulation = build(UNIT, params, width, width)
    assert simulation.run(sent, len(wanted), gap=0.4, stall=0.4, seed=1).words == wanted
    assert simulation.run(sent, len(wanted), stall=0.7, seed=2).words == wanted


@each_shape
def test_interval_and_latency(params):
    """Windows follow each other without a bubble."""
    sent, wanted = stimulus(params)
    width = params["PE"] * params["BITS"]
    trace = build(UNIT, params, width, width).run(sent, len(wanted))
    assert trace.words == wanted
    assert interval(trace, params["C"] // params["PE"]) == UNIT.interval(values(params))
    assert latency(trace) == UNIT.latency(values(params))


@each_shape
def test_verilator_has_no_warning(params, tmp_path):
    """No width slips at any shape."""
    assert lint(UNIT, params, tmp_path) == ""


def test_verilator_agrees():
    """Both simulators give the same words at the same clocks."""
    sent, wanted = stimulus(SHAPES[2])
    one, other = (
        build(UNIT, SHAPES[2], 16, 16, tool).run(sent, len(wanted), gap=0.3)
        for tool in ("icarus", "verilator")
    )
    assert one == other


def test_lanes_that_do_not_divide_are_reported(tmp_path):
    """10 channels on 4 lanes print the rule."""
    assert complaint(UNIT, pool(4, 10, 4, 8, 0), tmp_path) == "gw_max_pool: PE must divide C, not 4 and 10"


@pytest.mark.parametrize(
    ("params", "family"),
    [(pool(4, 8, 8, 4, 0), "gowin"), (pool(9, 64, 8, 8, 1), "ecp5"), (pool(4, 256, 4, 8, 0), "ice40")],
)
def test_resources(params, family, tmp_path):
    """The Unit's estimate: flip-flops and block RAM as Yosys maps them, LUTs within 13 %."""
    said, found = UNIT.resources(values(params), family), mapped(UNIT, params, family, tmp_path)
    assert (said.ff, said.bram, said.dsp) == (found.ff, found.bram, found.dsp)
    assert said.lut == pytest.approx(found.lut, rel=0.13)
