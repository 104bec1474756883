"""The cycle model by itself: times that repeat, deadlocks, FIFO sizes, and what it refuses."""

import re
from dataclasses import replace

import numpy as np
import pytest

from cycle_bench import Watched
from dag_bench import designed
from gatewright.compiler.ir.graph import Const, Graph, input_of
from gatewright.compiler.ir.ops import Add, Conv2d, MatMul
from gatewright.errors import DeadlockError, InputError, LoweringError, ToolError
from gatewright.hw.build import assemble
from gatewright.hw.design import Design, chained
from gatewright.hw.layers import layers
from gatewright.hw.units.fifo import FIFO
from gatewright.sim.cycle.layout import waits
from gatewright.sim.cycle.simulate import simulate
from gatewright.sim.cycle.sizing import keeps, resized, smallest_depths
from random_dags import quick_folds

_NEVER = np.zeros(1, bool)


def residual() -> Design:
    """A 3x3 convolution and a way around it, which must hold a few rows meanwhile."""
    rng = np.random.default_rng(1)
    x = input_of("x", (6, 6, 2), -4, 3)
    conv = Conv2d((1, 1), (1, 1, 1, 1))(x, Const(rng.integers(-3, 4, (3, 3, 2, 2))), name="conv")
    graph = Graph((x,), (Add()(conv, x, name="sum"),), "residual")
    chain = layers(graph)
    return assemble("residual", chain, quick_folds(1, chain))


def place_of(design: Design, name: str) -> int:
    """The instance of a name."""
    return next(n for n, i in enumerate(design.instances) if i.name == name)


def way_around(design: Design) -> int:
    """The place of the FIFO that holds what meets the convolution's results."""
    return next(n for n, i in enumerate(design.instances) if i.name.endswith("sum_fifo_1"))


@pytest.mark.parametrize(("seed", "folding"), [(1, 1), (2, 0), (3, 1), (4, 0), (9, 1), (14, 0)])
def test_repeated_frames_are_those_worked_out(seed, folding):
    """Where times repeat, all frames are what working them out gives, on every stream."""
    _, design = designed(seed, folding)
    short = simulate(design, 70)
    whole = simulate(design, 70, gaps=_NEVER)
    assert short.cycle is not None
    assert (short.worked, whole.worked, whole.cycle) == (short.worked, 70, None)
    assert short.worked < 70
    for edge in design.edges:
        np.testing.assert_array_equal(short.clocks(edge), whole.clocks(edge))
    assert short.occupancies == whole.occupancies


@pytest.mark.parametrize("seed", range(40, 52))
def test_designs_keep_the_interval_they_tell(seed):
    """FIFOs are deep enough that no clock is lost."""
    _, design = designed(seed, seed % 2)
    assert simulate(design, 300).interval == design.interval


def test_first_frame():
    """The latency counts both ends; nothing comes before clock 0, and frames follow each other."""
    design = residual()
    timing = simulate(design, 3)
    assert timing.in_clocks[0, 0] == 0
    assert timing.latency == timing.out_clocks[0, -1] + 1
    assert timing.out_clocks.shape == (3, design.output.beats)
    assert (np.diff(timing.out_clocks.reshape(-1)) > 0).all()


def test_a_resting_sink():
    """With a sink that takes a beat in 400 clocks, they leave at these and the last FIFO is full."""
    design = residual()
    timing = simulate(design, 6, stalls=np.arange(400) > 0)
    clocks = timing.out_clocks.reshape(-1)
    assert set(np.diff(clocks).tolist()) == {400}
    assert not (clocks % 400).any()
    assert timing.occupancies["out_fifo"] == design.instances[place_of(design, "out_fifo")].p.DEPTH


def test_waits():
    """Clocks until one without rest, around the end of a pattern too."""
    assert waits(None, "gaps").tolist() == [0]
    assert waits(np.array([1, 1, 0, 0, 1], bool), "gaps").tolist() == [2, 1, 0, 0, 3]


def test_deadlock_in_both(tmp_path):
    """A way around that is too short for what the convolution needs first stops the design, in RTL as well;
    the model tells who waits for whom."""
    design = residual()
    short = resized(design, {way_around(design): 2})
    name = design.instances[way_around(design)].name
    with pytest.raises(
        DeadlockError,
        match=r"^cycle model of 'residual': units must not wait for each other, but after 0 of 36 beats out "
        rf".*{name} \(2 entries\).*\. Make .*{name}.* deeper\.$",
    ) as told:
        simulate(short, 1)
    assert re.search(r"in_fork waits for room in ", str(told.value))
    with pytest.raises(ToolError, match="must arrive within"):
        Watched(short, tmp_path).run(1, max_clocks=20_000)
    assert not keeps(short, 10**9)


def test_smallest_depths():
    """Each FIFO is as small as the interval allows: one entry less in any, and it is lost."""
    design = residual()
    depths = smallest_depths(design)
    assert set(depths) == {n for n, i in enumerate(design.instances) if i.unit is FIFO}
    assert simulate(resized(design, depths), 50).interval == design.interval
    assert max(depths.values()) > 2
    for place, depth in depths.items():
        assert depth == 2 or not keeps(resized(design, {**depths, place: depth - 1}), design.interval)


def test_smaller_fifos_for_a_longer_interval():
    """Who has more clocks needs no more entries."""
    design = residual()
    slower = smallest_depths(design, 2 * design.interval)
    assert sum(slower.values()) <= sum(smallest_depths(design).values())
    assert keeps(resized(design, slower), 2 * design.interval)


def test_smallest_depths_refuses_what_is_too_slow():
    """An interval that the design as given does not reach."""
    design = residual()
    with pytest.raises(
        InputError,
        match=rf"^fifo sizes of 'residual': frames must take at most 1 clocks with the FIFOs given, not "
        rf"{design.interval}\. Give deeper ones, or a longer interval\.$",
    ):
        smallest_depths(design, 1)


def test_resized_refuses_other_instances():
    """Only FIFOs have entries, at least two."""
    design = residual()
    with pytest.raises(InputError, match=r"^fifo sizes: instance 1 must be a FIFO, not in_fork$"):
        resized(design, {place_of(design, "in_fork"): 4})
    with pytest.raises(InputError, match=r"^fifo sizes: out_fifo must hold at least 2 entries, not 1$"):
        resized(design, {place_of(design, "out_fifo"): 1})


def test_refuses_units_without_a_fifo_between():
    """Units that meet each other or the outside."""
    x = input_of("x", (4,), -4, 3)
    chain = layers(Graph((x,), (MatMul()(x, Const(np.ones((4, 2), np.int64)), name="dense"),)))
    dense = assemble("dense", chain, quick_folds(1, chain))
    units = [i for i in dense.instances if i.unit is not FIFO]
    with pytest.raises(
        LoweringError,
        match=r"^cycle model of 'bare': one FIFO must stand between two units, not 0 where the outside meets "
        rf"{units[0].name}\. Take a design as `assemble` makes it\.$",
    ):
        simulate(Design("bare", tuple(units), chained(len(units))), 1)


def test_refuses_a_unit_that_it_does_not_know():
    """The message lists those it knows."""
    design = residual()
    strange = [
        replace(i, unit=replace(i.unit, module="gw_strange")) if i.name == "in_fork" else i
        for i in design.instances
    ]
    with pytest.raises(
        LoweringError,
        match=r"^cycle model: no program for 'gw_strange' \(instance in_fork\); it knows gw_width_converter, "
        r".*\. Simulate the design in RTL\.$",
    ):
        simulate(replace(design, instances=tuple(strange)), 1)


@pytest.mark.parametrize("pattern", [np.ones(3, bool), np.zeros(0, bool), np.zeros((2, 2), bool)])
def test_refuses_patterns_that_never_end(pattern):
    """A stream that always rests gives no times."""
    with pytest.raises(
        InputError, match=r"^cycle model: stalls must be one boolean a clock, with one that is false, not of"
    ):
        simulate(residual(), 1, stalls=pattern)


def test_refuses_no_frames():
    """There is nothing to time."""
    with pytest.raises(InputError, match=r"^cycle model: there must be at least 1 frame, not 0$"):
        simulate(residual(), 0)


def test_occupancy_of_a_fifo_only():
    """Other instances hold no beats that it counts."""
    design = residual()
    with pytest.raises(InputError, match=r"^occupancy: instance 1 must be a FIFO, not in_fork$"):
        simulate(design, 1).occupancy(place_of(design, "in_fork"))
