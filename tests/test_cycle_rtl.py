"""The cycle model against Icarus: when each beat of each stream moves, and what each FIFO holds at most."""

import numpy as np
import pytest

from cycle_bench import Watched, differences, modelled
from dag_bench import designed
from gatewright.hw.units import UNITS
from gatewright.sim.cycle.programs import PROGRAMS

# Small networks and foldings, of many kinds of units.
_DESIGNS = [(0, 0), (8, 0), (13, 1), (20, 1), (25, 1), (29, 0), (39, 0)]
_FRAMES = 4


@pytest.mark.parametrize(("seed", "folding"), _DESIGNS)
def test_every_beat_of_every_stream(seed, folding, tmp_path):
    """Free-running, with gaps, with stalls and with both, no beat is a clock early or late."""
    _, design = designed(seed, folding)
    watched = Watched(design, tmp_path)
    gap, stall = np.random.default_rng(seed).uniform(0.1, 0.7, 2)
    for patterns in ({}, {"gap": gap, "stall": stall}, {"stall": 0.8}, {"gap": 0.8}):
        watched.run(_FRAMES, seed=seed, **patterns)
        assert differences(watched, modelled(design, _FRAMES, seed=seed, **patterns)) == []


def test_every_unit_has_a_program():
    """A new unit must say what it does with its beats."""
    assert set(PROGRAMS) | {"gw_fifo"} == {unit.module for unit in UNITS}
