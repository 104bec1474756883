"""gw_fifo: order, exact depth, full rate at any fill, registered handshakes."""

import random

import pytest

from gatewright.errors import ToolError
from gatewright.hw.units.fifo import FIFO
from gatewright.sim.wrapper import pattern
from stream_bench import build, complaint, interval, latency, lint, mapped, values, yosys

DEPTHS = (2, 3, 4, 5, 6, 7, 10, 17, 18, 19, 66)
COUNT = 400


def fifo(depth: int, bits: int = 9, style: int = 0) -> dict:
    """Parameters of a gw_fifo."""
    return {"BITS": bits, "DEPTH": depth, "RAM_STYLE": style}


def words(bits: int, seed: int) -> list[int]:
    """Random words."""
    draw = random.Random(seed)
    return [draw.getrandbits(bits) for _ in range(COUNT)]


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize(("gap", "stall"), [(0.5, 0.5), (0.1, 0.6), (0.6, 0.1)])
def test_order_under_gaps_and_stalls(depth, gap, stall):
    """What goes in comes out, in order."""
    sent = words(9, depth)
    trace = build(FIFO, fifo(depth), 9, 9).run(sent, COUNT, gap=gap, stall=stall, seed=depth)
    assert trace.words == sent


@pytest.mark.parametrize(("bits", "style"), [(1, 0), (1, 2), (40, 1), (130, 0), (130, 2)])
def test_widths_and_styles(bits, style):
    """Any width and RAM style behaves alike."""
    sent = words(bits, bits)
    trace = build(FIFO, fifo(40, bits, style), bits, bits).run(sent, COUNT, gap=0.3, stall=0.4, seed=1)
    assert trace.words == sent


def test_verilator_agrees():
    """Both simulators give the same words at the same clocks."""
    sent = words(9, 5)
    icarus = build(FIFO, fifo(6), 9, 9, "icarus").run(sent, COUNT, gap=0.4, stall=0.4)
    verilator = build(FIFO, fifo(6), 9, 9, "verilator").run(sent, COUNT, gap=0.4, stall=0.4)
    assert icarus == verilator


@pytest.mark.parametrize("depth", DEPTHS)
def test_interval_and_latency(depth):
    """Without stalls a beat leaves every clock, ``latency`` after it came."""
    params = fifo(depth)
    trace = build(FIFO, params, 9, 9).run(words(9, depth), COUNT)
    assert interval(trace, 1) == FIFO.interval(values(params)) == 1
    assert trace.in_clocks == list(range(trace.in_clocks[0], trace.in_clocks[0] + COUNT))
    assert latency(trace) == FIFO.latency(values(params))


@pytest.mark.parametrize("depth", DEPTHS)
def test_nearly_empty_loses_no_clock(depth):
    """A reader that is always ready gets each beat ``latency`` clocks after it went in."""
    params = fifo(depth)
    trace = build(FIFO, params, 9, 9).run(words(9, depth), COUNT, gap=0.5, seed=depth)
    wait = FIFO.latency(values(params))
    assert trace.out_clocks == [clock + wait for clock in trace.in_clocks]


@pytest.mark.parametrize("depth", DEPTHS)
def test_nearly_full_loses_no_clock(depth):
    """With a writer that always offers, a beat leaves in every clock in which the reader is ready."""
    trace = build(FIFO, fifo(depth), 9, 9).run(words(9, depth), COUNT, stall=0.5, seed=depth)
    stalled = pattern(0.5, depth, "stall")
    clocks = range(trace.offered, trace.out_clocks[-1] + 1)
    assert trace.out_clocks == [clock for clock in clocks if stalled[clock % len(stalled)] == "0"]


@pytest.mark.parametrize("depth", DEPTHS)
def test_fills_to_exactly_its_depth(depth):
    """A reader that never takes anything lets exactly DEPTH beats in."""
    clocks = depth + 10
    seed = next(n for n in range(1000) if "0" not in pattern(0.99, n, "stall")[:clocks])
    with pytest.raises(ToolError, match=rf"\(0 of {COUNT} outputs came, {depth} of {COUNT} inputs went in"):
        build(FIFO, fifo(depth), 9, 9).run(words(9, 1), COUNT, stall=0.99, seed=seed, max_clocks=clocks)


@pytest.mark.parametrize("depth", [2, 3, 9])
def test_handshakes_are_registers(depth, tmp_path):
    """s_tready, m_tvalid and m_tdata come straight from flip-flops: nothing passes through in a clock."""
    commands = "hierarchy -top gw_fifo; proc; flatten; opt; write_json out.json"
    module = yosys(FIFO, fifo(depth), commands, tmp_path)["modules"]["gw_fifo"]
    registers = {
        bit
        for cell in module["cells"].values()
        if "dff" in cell["type"]
        for bit in cell["connections"]["Q"]
    }
    for port in ("s_tready", "m_tvalid", "m_tdata"):
        assert set(module["ports"][port]["bits"]) <= registers


@pytest.mark.parametrize("depth", [2, 3, 4, 5, 7, 34, 35])
def test_verilator_has_no_warning(depth, tmp_path):
    """No width slips at depths around powers of two."""
    assert lint(FIFO, fifo(depth, 8, 2), tmp_path) == ""


def test_too_shallow_is_reported(tmp_path):
    """A depth of 1 prints the rule."""
    assert complaint(FIFO, fifo(1), tmp_path) == "gw_fifo: DEPTH must be at least 2, not 1"


@pytest.mark.parametrize(
    ("params", "family"),
    [
        (fifo(2, 64), "xc7"),
        (fifo(3, 16), "gowin"),
        (fifo(18, 32, 2), "ecp5"),
        (fifo(18, 32, 2), "ice40"),
        (fifo(514, 16), "gowin"),
    ],
)
def test_resources(params, family, tmp_path):
    """The Unit's estimate: flip-flops and block RAM as Yosys maps them, LUTs within 10."""
    said, found = FIFO.resources(values(params), family), mapped(FIFO, params, family, tmp_path)
    assert (said.ff, said.bram, said.dsp) == (found.ff, found.bram, found.dsp)
    assert abs(said.lut - found.lut) <= 10
