"""gw_width_converter: order of elements, no bubble on the narrow side."""

import numpy as np
import pytest

from gatewright.hw.units.width_converter import WIDTH_CONVERTER as UNIT
from stream_bench import build, complaint, interval, latency, lint, mapped, pack, values

SHAPES = [
    (8, 4, 4), (8, 8, 1), (4, 16, 8), (3, 6, 2), (1, 9, 3), (40, 2, 1), (8, 1, 4), (2, 8, 64), (5, 2, 6),
    (1, 1, 2),
]  # fmt: skip
each_shape = pytest.mark.parametrize(("bits", "lanes_in", "lanes_out"), SHAPES)
WIDE_BEATS = 40


def case(bits: int, lanes_in: int, lanes_out: int) -> tuple[dict, list[int], list[int]]:
    """Parameters, and random words in and out."""
    params = {"BITS": bits, "IN": lanes_in, "OUT": lanes_out}
    draw = np.random.default_rng([bits, lanes_in, lanes_out])
    codes = draw.integers(0, 1 << bits, WIDE_BEATS * max(lanes_in, lanes_out))
    return params, pack(codes, lanes_in, bits), pack(codes, lanes_out, bits)


@each_shape
@pytest.mark.parametrize(("gap", "stall"), [(0.0, 0.5), (0.5, 0.0), (0.4, 0.4)])
def test_order_under_gaps_and_stalls(bits, lanes_in, lanes_out, gap, stall):
    """Elements keep their order whatever the two sides do."""
    params, sent, wanted = case(bits, lanes_in, lanes_out)
    simulation = build(UNIT, params, lanes_in * bits, lanes_out * bits)
    assert simulation.run(sent, len(wanted), gap=gap, stall=stall, seed=1).words == wanted


@each_shape
def test_interval_and_latency(bits, lanes_in, lanes_out):
    """A wide beat takes RATIO clocks, so the narrow side moves in every clock."""
    params, sent, wanted = case(bits, lanes_in, lanes_out)
    trace = build(UNIT, params, lanes_in * bits, lanes_out * bits).run(sent, len(wanted))
    narrow = trace.in_clocks if lanes_in < lanes_out else trace.out_clocks
    assert narrow == list(range(narrow[0], narrow[0] + len(narrow)))
    assert interval(trace, max(1, lanes_in // lanes_out)) == UNIT.interval(values(params))
    assert latency(trace) == UNIT.latency(values(params))


@each_shape
def test_verilator_has_no_warning(bits, lanes_in, lanes_out, tmp_path):
    """No width slips in any direction."""
    assert lint(UNIT, case(bits, lanes_in, lanes_out)[0], tmp_path) == ""


def test_widths_that_do_not_divide_are_reported(tmp_path):
    """3 to 2 prints the rule."""
    message = "gw_width_converter: IN and OUT must divide one another, not 3 and 2"
    assert complaint(UNIT, {"BITS": 4, "IN": 3, "OUT": 2}, tmp_path) == message


@pytest.mark.parametrize(
    ("shape", "family"),
    [((8, 8, 1), "ecp5"), ((2, 8, 64), "ice40"), ((4, 16, 8), "gowin"), ((8, 4, 4), "ecp5")],
)
def test_resources(shape, family, tmp_path):
    """The Unit's estimate: flip-flops as Yosys maps them, LUTs within 4."""
    params = case(*shape)[0]
    said, found = UNIT.resources(values(params), family), mapped(UNIT, params, family, tmp_path)
    assert (said.ff, said.bram, said.dsp) == (found.ff, found.bram, found.dsp)
    assert abs(said.lut - found.lut) <= 4
