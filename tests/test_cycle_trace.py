"""The trace for Perfetto: its slices and counters against the clocks they stand for."""

import dataclasses
import json
from collections import defaultdict

import numpy as np

from dag_bench import designed
from gatewright.boards import load
from gatewright.compiler.ir.graph import Const, Graph, input_of
from gatewright.compiler.ir.ops import Conv2d
from gatewright.hw.folding import fold
from gatewright.hw.layers import layers
from gatewright.sim.cycle.activity import STALLED, WAITING, activities
from gatewright.sim.cycle.simulate import simulate
from gatewright.sim.cycle.trace import perfetto
from gatewright.sim.cycle.windows import Window, spans

_FRAMES = 6


def timing_of(seed: int, frames: int = _FRAMES, **changes):
    """A small design's times."""
    design = dataclasses.replace(designed(seed, 0)[1], **changes)
    return simulate(design, frames)


def rows_of(trace: dict) -> dict[str, list[dict]]:
    """Slices by the name of their row; none may overlap the one before."""
    names = {e["tid"]: e["args"]["name"] for e in trace["traceEvents"] if e["name"] == "thread_name"}
    rows = defaultdict(list)
    for event in trace["traceEvents"]:
        if event["ph"] == "X":
            rows[names[event["tid"]]].append(event)
    for name, events in rows.items():
        events.sort(key=lambda e: e["ts"])
        ends = [e["ts"] + e["dur"] for e in events]
        assert all(b["ts"] >= a for a, b in zip(ends, events[1:], strict=False)), name
    return rows


def test_slices_are_frames_pieces_and_waits():
    """Every unit's, in the clocks that the model says."""
    timing = timing_of(20)
    trace = json.loads(json.dumps(perfetto(timing)))
    rows, design = rows_of(trace), timing.design
    assert trace["otherData"] == {
        "design": "dag 20", "time": "1 clock shown as 1 µs", "clock_mhz": None, "frames": _FRAMES,
        "coarse": [],
    }  # fmt: skip
    window = Window(0, int(timing.out_clocks[-1, -1]) + 1)
    pieces = 0
    for place, activity in activities(timing, window).items():
        instance = design.instances[place]
        own = [e for name, row in rows.items() if name.split(" (")[0] == instance.name for e in row]
        seen = sorted((int(e["name"].removeprefix("frame ")), e["ts"], e["ts"] + e["dur"]) for e in own)
        assert [list(e[1:]) for e in seen] == spans(timing, place, 1, _FRAMES).tolist()
        assert {e["args"]["module"] for e in own} == {instance.unit.module}
        waits = rows.get(f"{instance.name} waits", [])
        (counts,) = activity.clocks(window.bounds(1))
        for state, text in ((WAITING, "no beats"), (STALLED, "no room")):
            assert sum(e["dur"] for e in waits if e["name"] == text) == counts[state], instance.name
        made = [e for name, row in rows.items() if name.startswith(f"{instance.name} pieces") for e in row]
        if made:
            pieces += len(made)
            told = sorted([e["ts"], e["ts"] + e["dur"]] for e in made)
            assert told == sorted(spans(timing, place, instance.repeats, _FRAMES).tolist())
    assert pieces > 50


def test_counters_are_what_fifos_hold():
    """At each change, in nanoseconds of the clock given."""
    timing = timing_of(20)
    trace = perfetto(timing, clock_mhz=80.0)
    assert trace["otherData"]["time"] == "12.5 ns a clock"
    counters = defaultdict(list)
    for event in trace["traceEvents"]:
        if event["ph"] == "C":
            counters[event["name"]].append((round(event["ts"] * 80), event["args"]["beats"]))
    design = timing.design
    into = {e.sink.place: e for e in design.edges if e.sink}
    out = {e.source.place: e for e in design.edges if e.source}
    for place, instance in enumerate(design.instances):
        if instance.unit.module == "gw_fifo":
            clocks, beats = zip(*counters[instance.name], strict=True)
            come, go = (timing.clocks(side[place]).reshape(-1) for side in (into, out))
            held = [int((come < c).sum() - (go < c).sum()) for c in clocks]
            assert list(beats) == held, instance.name
            assert max(beats) == timing.occupancy(place)


def test_size_is_bounded():
    """Rows that there is no room for are named, and their FIFOs sampled at their fullest."""
    timing = timing_of(20, frames=40)
    whole, part = perfetto(timing), perfetto(timing, most=1500)
    assert len(whole["traceEvents"]) > 5000
    assert len(part["traceEvents"]) < 2500
    coarse = part["otherData"]["coarse"]
    assert coarse
    assert part["otherData"]["frames"] < 40
    rows = rows_of(part)
    assert not [name for name in coarse if name.endswith(" waits") and name in rows]
    fullest = defaultdict(int)
    for event in part["traceEvents"]:
        if event["ph"] == "C":
            fullest[event["name"]] = max(fullest[event["name"]], event["args"]["beats"])
    levels = {
        i.name: timing.occupancy(n)
        for n, i in enumerate(timing.design.instances)
        if i.unit.module == "gw_fifo"
    }
    assert fullest == levels


def test_pieces_are_put_together_where_they_are_too_many():
    """A convolution's pixels: the same first and last clocks in fewer slices."""
    x = input_of("x", (40, 40, 1), 0, 3)
    weights = Const(np.random.default_rng(1).integers(-1, 2, (3, 3, 1, 8)))
    graph = Graph((x,), (Conv2d()(x, weights, name="conv"),), "one")
    timing = simulate(fold("one", layers(graph), load("radiona_ulx3s_85f"), 12_000), 2)
    (name,) = [f"{i.name} pieces" for i in timing.design.instances if i.unit.module == "gw_matrix_vector"]
    trace = perfetto(timing, most=2000)
    assert name in trace["otherData"]["coarse"]
    whole, part = (
        [e for n, row in rows_of(t).items() if n.split(" (")[0] == name for e in row]
        for t in (perfetto(timing), trace)
    )
    assert len(whole) == 2 * 38 * 38
    assert 200 < len(part) <= 256
    ends = [{(e["ts"], e["ts"] + e["dur"]) for e in events} for events in (whole, part)]
    for side in (0, 1):
        assert {e[side] for e in ends[1]} <= {e[side] for e in ends[0]}
    assert min(ends[0])[0] == min(ends[1])[0]
    assert max(end for _, end in ends[0]) == max(end for _, end in ends[1])
    assert all(e["name"].startswith("pieces ") for e in part)


def test_names_from_a_model_are_escaped():
    """Neither control characters nor those that turn text around get into the file."""
    trace = perfetto(timing_of(8, frames=1, name='evil"\u202e\x1b[2J'))
    assert trace["otherData"]["design"] == 'evil"\\u202e\\x1b[2J'
    text = json.dumps(trace, ensure_ascii=False)
    assert all(c.isprintable() for c in text)


def test_frames_that_overlap_have_rows_of_their_own():
    """Several frames are in a unit at once here."""
    rows = rows_of(perfetto(timing_of(13, frames=30)))
    assert any(name.endswith(" (2)") for name in rows)
    assert sum(len(row) for name, row in rows.items() if " pieces" not in name) > 30
