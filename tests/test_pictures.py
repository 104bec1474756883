"""The report's keys that the cycle model fills: bounded, in agreement with it, and of any design."""

import json
from fractions import Fraction
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest

from dag_bench import designed
from gatewright.boards import load
from gatewright.compiler.ir.graph import Const, Graph, input_of
from gatewright.compiler.ir.ops import Conv2d
from gatewright.driver.compile import passed
from gatewright.driver.modelled import clocks, frames_of, report_keys
from gatewright.driver.pictures import DEEPEST, PARTS, cycle_keys
from gatewright.driver.roofline import KINDS, operations
from gatewright.hw.folding import fold
from gatewright.hw.layers import layers
from gatewright.hw.units import UNITS
from gatewright.report import render, validate
from gatewright.sim.cycle.simulate import simulate
from gatewright.sim.energy.estimate import Energy, UnitEnergy
from report_example import edited, full

# Frames that repeat one by one, many together, and FIFOs of many entries.
_DESIGNS = [(0, 0), (13, 0), (20, 0), (26, 1), (54, 1)]


def keys_of(seed: int, folding: int, frames: int = 256):
    """Graph, design, times and keys."""
    graph, design = designed(seed, folding)
    timing = simulate(design, frames)
    return graph, design, timing, cycle_keys(design, timing, 50.0, graph)


@pytest.mark.parametrize(("seed", "folding"), _DESIGNS)
def test_keys_agree_with_the_model(seed, folding):
    """And make a report and a page."""
    _, design, timing, keys = keys_of(seed, folding)
    report = full() | json.loads(json.dumps(keys))
    validate(report)
    assert "Timeline" in render(report)
    timeline = keys["timeline"]
    first, steady = timeline["first"], timeline["steady"]
    assert first == {"start": 0, "clocks": timing.latency}
    assert steady["clocks"] == timing.interval * min(timing.cycle.frames, 4)
    assert [u["name"] for u in timeline["units"]] == [
        i.name for i in design.instances if i.unit.module != "gw_fifo"
    ]
    for unit in timeline["units"]:
        assert unit["busy"] + unit["stalled"] + unit["waiting"] == pytest.approx(1, abs=2e-4)
        for key, window in (("first", first), ("steady", steady)):
            segments = unit[key]["segments"]
            assert len(segments) <= PARTS
            assert all(a[1] < b[0] or (a[1] == b[0] and a[2:] != b[2:]) for a, b in pairwise(segments))
            assert all(sum(s[2:]) <= 1.1 for s in segments)
            end = window["start"] + window["clocks"]
            assert all(a < end and b > window["start"] and a < b for a, b in unit[key]["frames"])
            assert unit[key]["frames"]
    assert {f["name"]: f["most"] for f in keys["fifos"]} == timing.occupancies
    timed = [f for f in keys["fifos"] if f["first"]]
    assert len(timed) == min(DEEPEST, len(keys["fifos"]))
    for fifo in timed:
        assert max(level for _, level in fifo["first"]) <= fifo["most"]
        assert max(level for _, level in fifo["steady"]) <= fifo["most"]
    assert keys["energy"] is None
    assert keys["roofline"]["interval_clocks"] == round(float(timing.interval), 3)


def test_bounds_of_layers():
    """A product of matrices: its own clocks, and the bits of its operands and its result."""
    graph, design, _, keys = keys_of(20, 0)
    rows = {row["name"]: row for row in keys["roofline"]["layers"]}
    node = next(n for n in graph.nodes() if n.name == "block 0")
    place = next(n for n, i in enumerate(design.instances) if i.layer == "block 0")
    unit, row = design.instances[place], rows["block 0"]
    assert row["operations"] == operations(node) == 2 * node.op.work(*node.inputs).macs
    assert row["compute_clocks"] == unit.interval
    assert row["memory_clocks"] is None
    streams = (*unit.inputs, *unit.outputs)
    assert row["stream_clocks"] == max(s.beats for s in streams)
    assert row["bits"] == sum(s.bits * s.beats for s in streams)
    assert row["bottleneck"] == (unit.busy == design.interval)
    whole = sum(operations(n) for n in graph.nodes())
    assert keys["roofline"]["operations_per_second"] == round(whole / 36 * 50e6)


def test_a_layers_own_streams_are_not_moved_bits():
    """Between a window generator and the unit that draws on it stands a FIFO of no layer."""
    x = input_of("x", (9, 9, 8), 0, 15)
    weights = Const(np.random.default_rng(1).integers(-3, 4, (3, 3, 8, 8)))
    graph = Graph((x,), (Conv2d()(x, weights, name="conv"),), "one")
    design = fold("one", layers(graph), load("radiona_ulx3s_85f"), 9000)
    units = [i for i in design.instances if i.layer == "conv"]
    assert [i.unit.module for i in units] == ["gw_sliding_window", "gw_matrix_vector"]
    (row,) = cycle_keys(design, simulate(design, 16), None, graph)["roofline"]["layers"]
    ends = (units[0].input, units[1].output)
    assert row["bits"] == sum(s.bits * s.beats for s in ends)
    assert row["memory_clocks"] == units[0].interval
    assert row["operations"] == 2 * 49 * 9 * 8 * 8


def test_every_unit_has_a_kind():
    """A new unit must say what it does for its layer."""
    assert set(KINDS) == {unit.module for unit in UNITS}


def test_energy_is_summed_by_layer():
    """In the order of the units."""
    graph, design = designed(0, 0)
    parts = [("b", 2.0), ("a", 1.0), ("b", 4.0), ("", 0.5)]
    energy = Energy(
        units=tuple(UnitEnergy(f"u{n}", layer, "gw_any", nj, 0.0) for n, (layer, nj) in enumerate(parts)),
        dynamic_uj=0.0075, static_mw=30.0, clock_mhz=50.0, frames_per_second=9.0, mw=31.0, uj=0.2,
        uncertainty=0.3, source="guess",
    )  # fmt: skip
    keys = cycle_keys(design, simulate(design, 8), 50.0, graph, energy)
    assert keys["energy"] == {
        "dynamic_uj": 0.0075, "static_mw": 30.0, "mw": 31.0, "uj": 0.2, "uncertainty": 0.3, "source": "guess",
        "layers": [
            {"name": "b", "dynamic_nj": 6.0},
            {"name": "a", "dynamic_nj": 1.0},
            {"name": "", "dynamic_nj": 0.5},
        ],
    }  # fmt: skip
    validate(full() | keys)


def test_one_frame_has_no_steady_state():
    """Its shares are those of the first."""
    _, _, timing, keys = keys_of(20, 0, frames=1)
    assert timing.interval is None
    assert keys["timeline"]["steady"] is None
    assert all(u["steady"] is None for u in keys["timeline"]["units"])
    assert all(f["steady"] is None for f in keys["fifos"])
    validate(full() | keys)


def job_of(frames_measured: int, late: int = 0):
    """A compile of a small design, simulated or not; the last frame ``late`` clocks late."""
    _, design = designed(20, 0)
    cycles = simulate(design, frames_of(design))
    timing = None
    if frames_measured:
        ends = (cycles.out_clocks[:frames_measured, -1] - cycles.in_clocks[0, 0]).tolist()
        ends[-1] += late
        timing = SimpleNamespace(latency_clocks=ends[0] + 1, interval_clocks=36, ends=tuple(ends))
    return SimpleNamespace(design=design, cycles=cycles, timing=timing, pictures={})


def test_clocks_say_where_they_are_from():
    """Simulation before the model, that before formulas, and nothing before there is a design."""
    assert clocks(job_of(0)) == {
        "interval_clocks": 36, "interval_source": "modelled",
        "latency_clocks": 88, "latency_source": "modelled",
    }  # fmt: skip
    measured = clocks(job_of(8))
    assert (measured["interval_source"], measured["latency_source"]) == ("measured", "measured")
    few = job_of(8)
    few.timing.interval_clocks = None
    assert clocks(few)["interval_source"] == "modelled"
    assert clocks(few)["latency_source"] == "measured"
    single = job_of(0)
    single.cycles = simulate(single.design, 1)
    assert clocks(single)["interval_source"] == "estimated"
    nothing = clocks(SimpleNamespace(timing=None, cycles=None))
    assert set(nothing.values()) == {None}
    assert set(report_keys(SimpleNamespace(cycles=None)).values()) == {None}


@pytest.mark.parametrize(("late", "equal"), [(0, 8), (1, 7)])
def test_simulation_is_held_against_the_model(late, equal):
    """A frame that is out a clock late fails the compile."""
    model = report_keys(job_of(8, late))["cycle_model"]
    assert model == {"latency_clocks": 88, "interval_clocks": 36.0, "frames": 8, "frames_equal": equal}
    assert passed(edited(full(), "cycle_model", model)) == (late == 0)


def test_intervals_that_are_no_whole_clocks_are_rounded_up():
    """Frames that repeat several together."""
    job = job_of(0)
    job.cycles = SimpleNamespace(interval=Fraction(73, 2), latency=88, frames=4)
    job.cycles.out_clocks, job.cycles.in_clocks = np.zeros((4, 1), int), np.zeros((4, 1), int)
    assert clocks(job)["interval_clocks"] == 37
    assert report_keys(job)["cycle_model"]["interval_clocks"] == 36.5
