"""gw_matrix_vector of which a bit a sum leaves: whether it reaches its channel's limit."""

import itertools

import numpy as np
import pytest

from gatewright.compiler.ir.types import Int
from gatewright.hw.design import FAMILIES
from gatewright.hw.units.matrix_vector import MATRIX_VECTOR, limit_start
from matrix_vector_bench import ADDERS, BIPOLAR, LANES, check_timing, make_limited, random_shape

each_lane = pytest.mark.parametrize("lane", range(len(LANES)), ids=LANES.__getitem__)


@pytest.mark.parametrize("seed", range(6), ids="seed{}".format)
@each_lane
def test_random_shapes(lane, seed):
    """Right bits, in as many clocks as sums, also under gaps and stalls."""
    _, *made = random_shape(seed, lane)
    case = make_limited(seed, lane, *made, rom_style=seed % 3)
    assert len(set(case.expected)) > 1
    simulation = case.compile()
    check_timing(case, simulation)
    for gap, stall in ((0.5, 0.0), (0.0, 0.5), (0.3, 0.3)):
        trace = simulation.run(case.words, len(case.expected), gap=gap, stall=stall, seed=seed)
        assert trace.words == case.expected


@each_lane
@pytest.mark.parametrize("shape", [(1, 2, 2, 1), (6, 6, 6, 6), (7, 4, 2, 7), (5, 4, 4, 1)], ids=str)
def test_degenerate_folding(shape, lane):
    """One word of weights, one slot, one fold: limits are constants, sums are made at once."""
    x = BIPOLAR if lane in (3, 4, 5) else Int(-8, 7)
    w = BIPOLAR if lane in (2, 3, 5) else Int(-4, 3)
    case = make_limited(2, lane, shape, x, w)
    check_timing(case, case.compile())


@pytest.mark.parametrize("lane", [1, 3, 5, 7, 8, 9], ids=LANES.__getitem__)
def test_groups_take_turns(lane):
    """Each vector meets the limits of its own matrix."""
    x, w = (BIPOLAR, BIPOLAR) if lane in (3, 5) else (Int(0, 7), Int(0, 3) if lane in ADDERS else Int(-4, 3))
    case = make_limited(4, lane, (6, 4, 2, 3), x, w, groups=3)
    check_timing(case, case.compile())


@pytest.mark.parametrize("lane", [0, 2, 5, 7, 8, 9], ids=LANES.__getitem__)
def test_verilator_agrees(lane):
    _, *made = random_shape(3, lane)
    case = make_limited(3, lane, *made)
    icarus, verilator = (
        case.compile(tool).run(case.words, len(case.expected), gap=0.3, stall=0.3, seed=7)
        for tool in ("icarus", "verilator")
    )
    assert verilator == icarus
    assert verilator.words == case.expected


@pytest.mark.parametrize("counted", [False, True], ids=["sums", "counts"])
def test_every_limit_of_every_sum(counted):
    """Right for all sums and limits of small ranges, with the fewest bits that make it so."""
    for low, span in itertools.product(range(-9, 10), range(10)):
        terms = span if counted else 0
        if counted:
            low, sums = -span, np.arange(-span, span + 1, 2)
        else:
            sums = np.arange(low, low + span + 1)
        added = (sums + terms) // 2 if counted else sums
        for limit in range(int(sums[0]) - 3, int(sums[-1]) + 4):
            ends = np.array([[limit], [sums[0]], [sums[-1]]])
            start, bits = limit_start(*ends, counted, terms)
            reached = (added + start[0]) % 2**bits >> bits - 1
            assert reached.tolist() == (sums >= limit).astype(int).tolist()
            if bits > 1:
                fewer = (added + start[0] - 2 ** (bits - 2)) % 2 ** (bits - 1) >> bits - 2
                assert fewer.tolist() != reached.tolist()


def test_widest_channel_decides():
    """One channel needs 4 bits, the other 9; both have them."""
    start, bits = limit_start(np.array([3, 100]), np.array([-5, -200]), np.array([5, 200]), False, 0)
    assert bits == 10
    assert start.tolist() == [512 - 3, 512 - 100]


@pytest.mark.parametrize("family", FAMILIES)
def test_estimate_is_below_that_of_sums(family):
    """Without the doubling of counts there is an adder less a row."""
    _, *made = random_shape(3, 5)
    limited = make_limited(3, 5, *made).p
    whole = MATRIX_VECTOR.resources(type(limited)(**vars(limited) | {"TOP_BIT": 0}), family)
    assert MATRIX_VECTOR.resources(limited, family).lut < whole.lut
