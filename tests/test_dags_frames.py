"""Many frames back to back through every kind of unit: none leaves anything behind, nor does a reset."""

import pytest

from dag_bench import all_kinds, check, compiled, designed, kinds
from gatewright.errors import ToolError

FRAMES = 50
_FIRST, _MOST_SEEDS = 5000, 320
# Quick ones.
_MOST_INTERVAL, _MOST_INSTANCES = 30, 60


@pytest.fixture(scope="module")
def networks():
    """(seed, graph, design) of quick random networks that together hold every kind of unit."""
    found, missing = [], all_kinds()
    for seed in range(_FIRST, _FIRST + _MOST_SEEDS):
        graph, design = designed(seed, seed)
        quick = design.interval <= _MOST_INTERVAL and len(design.instances) <= _MOST_INSTANCES
        if quick and kinds(design) & missing:
            missing -= kinds(design)
            found.append((seed, graph, design))
        if not missing:
            break
    assert not missing
    return found


def mid_frame(design, part: float) -> int:
    """A clock in which some frames are in the design, the one that enters in part."""
    return round((3 + part) * design.interval) + 20


def test_fifty_different_frames(networks, subtests):
    for seed, graph, design in networks:
        with subtests.test(seed=seed):
            check(graph, design, FRAMES, compiled(design), gap=0.1, stall=0.2, seed=seed)


@pytest.mark.parametrize("part", [0.3, 0.7])
def test_fifty_different_frames_after_a_reset_in_mid_frame(networks, subtests, part):
    """Whatever is in units, forks, FIFOs and windows is forgotten."""
    for seed, graph, design in networks:
        with subtests.test(seed=seed):
            simulation = compiled(design, mid_frame(design, part))
            check(graph, design, FRAMES, simulation, gap=0.1, stall=0.2, seed=seed)


def test_without_the_reset_something_is_left(networks, subtests):
    """So the reset does come while frames are in the design."""
    for seed, graph, design in networks:
        with subtests.test(seed=seed):
            simulation = compiled(design, mid_frame(design, 0.3), forgets=False)
            with pytest.raises((AssertionError, ToolError)):
                check(graph, design, 3, simulation, max_clocks=10_000)
