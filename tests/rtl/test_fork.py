"""gw_fork: every reader gets every beat once, whatever the others do."""

import random

import pytest

from gatewright.hw.units.fork import FORK
from ports_bench import run_ports
from stream_bench import lint, mapped, values

COUNT = 60


def fork(bits: int, readers: int) -> dict:
    """Parameters of a gw_fork."""
    return {"BITS": bits, "N": readers}


def run(bits: int, readers: int, **pattern):
    """Random words through the fork: what was sent, and what came."""
    draw = random.Random(bits)
    sent = [draw.getrandbits(bits) for _ in range(COUNT)]
    return sent, run_ports(FORK, fork(bits, readers), [sent], [bits], [bits] * readers, **pattern)


@pytest.mark.parametrize(("bits", "readers"), [(1, 2), (7, 2), (5, 3), (40, 8), (3, 1)])
@pytest.mark.parametrize(("gap", "stall"), [(40, 40), (0, 70), (60, 0)])
def test_every_reader_gets_every_beat_once(bits, readers, gap, stall):
    sent, trace = run(bits, readers, gap=gap, stall=stall, clocks=40 * COUNT, seed=bits)
    assert trace.words == [sent] * readers


def test_interval_and_latency():
    """A beat a clock, to all readers in the clock after it came."""
    sent, trace = run(6, 3, clocks=COUNT + 10)
    assert trace.words == [sent] * 3
    assert trace.in_clocks == [list(range(COUNT))]
    assert trace.out_clocks == [[n + FORK.latency(values(fork(6, 3))) for n in range(COUNT)]] * 3


def test_a_reader_waits_a_beat_for_the_slowest():
    """None is more than a beat ahead of another."""
    _, trace = run(6, 3, stall=60, clocks=20 * COUNT)
    for n, taken in enumerate(zip(*trace.out_clocks, strict=True)):
        assert n == COUNT - 1 or max(taken) < min(clocks[n + 1] for clocks in trace.out_clocks)


@pytest.mark.parametrize("clock", range(20, 30))
def test_reset_in_mid_beat(clock):
    """A beat that some readers have and others not is forgotten by all."""
    sent, trace = run(6, 3, gap=20, stall=50, clocks=20 * COUNT, reset=clock)
    assert trace.words == [sent] * 3


@pytest.mark.parametrize(("bits", "readers"), [(1, 1), (1, 2), (9, 5)])
def test_verilator_has_no_warning(bits, readers, tmp_path):
    assert lint(FORK, fork(bits, readers), tmp_path) == ""


@pytest.mark.parametrize(("family", "readers"), [("ecp5", 2), ("ice40", 3), ("gowin", 5), ("xc7", 2)])
def test_resources(family, readers, tmp_path):
    """The Unit's estimate: flip-flops as Yosys maps them, LUTs within 5."""
    said, found = (
        FORK.resources(values(fork(9, readers)), family),
        mapped(FORK, fork(9, readers), family, tmp_path),
    )
    assert (said.ff, said.bram, said.dsp) == (found.ff, found.bram, found.dsp)
    assert abs(said.lut - found.lut) <= 5
