"""Words on streams by the integers: those of RTL simulation, stream by stream, and their changes."""

import itertools
from dataclasses import replace
from types import MappingProxyType

import numpy as np
import pytest

from dag_bench import designed
from energy_bench import hamming, packed, simulated_words
from gatewright.compiler.ir.evaluate import evaluate
from gatewright.errors import LoweringError
from gatewright.sim.energy.streams import OUTPUTS, outputs_of, words_by_edge
from gatewright.sim.energy.words import carry_flips, flips, regrouped
from random_nets import frames_for

FRAMES = 3
# So many random designs hold every unit and lane but the rarest (asserted below).
DESIGNS = 40


def _writer(design, edge):
    """The stream as the edge's writer has it."""
    if edge.source is None:
        return design.input
    return design.instances[edge.source.place].outputs[edge.source.index]


@pytest.mark.parametrize(("seed", "folding"), [(5, 0), (8, 0), (13, 1), (16, 0), (20, 1)])
def test_streams_equal_rtl(tmp_path, seed, folding):
    """Each word of each stream, and the bits that change on it, are those of Icarus Verilog."""
    graph, design = designed(seed, folding)
    frames = frames_for(seed, graph, FRAMES)
    modelled = words_by_edge(design, frames)
    seen = simulated_words(design, design.input.pack(frames), FRAMES * design.output.beats, tmp_path)
    assert set(modelled) == set(design.edges)
    for edge, codes in modelled.items():
        bits = _writer(design, edge).element.bits
        words = packed(codes, bits)
        # The run ends a few clocks behind the last output; beats that only later frames need may not move.
        assert words[: len(seen[edge])] == seen[edge][: len(words)]
        assert len(seen[edge]) >= len(words) - 1
        assert flips(codes[: len(seen[edge])], bits) == hamming(seen[edge][: len(words)])


def test_outputs_equal_the_reference():
    """Random networks through their units, one by one, end at the integer graph's own results."""
    modules = set()
    for seed in range(DESIGNS):
        graph, design = designed(seed, seed % 2)
        frames = frames_for(seed, graph, FRAMES)
        (last,) = (edge for edge in design.edges if edge.sink is None)
        wanted = design.output.element.encode(evaluate(graph, frames)[0]).astype(np.int64)
        found = words_by_edge(design, frames)[last]
        assert np.array_equal(found.reshape(-1), wanted.reshape(-1)), seed
        modules |= {instance.unit.module for instance in design.instances}
    assert modules >= set(OUTPUTS) - {"gw_max_pool", "gw_matrix_product", "gw_depthwise"}


def test_flips():
    """Hamming distances of neighbours along the first axis, of the bits that count."""
    codes = np.array([[0, 7], [1, 7], [3, 0], [3, -1]])
    assert flips(codes, 3) == 1 + (1 + 3) + 3
    assert flips(codes, 1) == 1 + (0 + 1) + 1
    assert flips(codes[:1], 3) == 0


def test_carry_flips():
    """Of 7 + 1, then 0 + 0, then 1 + 0 and a carry in: three carries rise, fall, and two more move."""
    a, b = np.array([7, 0, 1]), np.array([1, 0, 0])
    carries = [0b1110, 0b0000, 0b0011]
    wanted = sum((x ^ y).bit_count() for x, y in itertools.pairwise(carries))
    assert carry_flips(a, b, 4, np.array([0, 0, 1])) == wanted


def test_regrouped():
    """Four elements of 2 bits as two of 4: the same bits."""
    _, design = designed(5)
    given = replace(design.input, lanes=4, element=type(design.input.element)(0, 3))
    wanted = replace(given, lanes=2, element=type(design.input.element)(0, 15))
    codes = np.array([[1, 2, 3, 0], [0, 1, 0, 3]])
    assert regrouped(codes, given, wanted).tolist() == [[9, 3], [4, 12]]


def test_unknown_unit():
    """A unit that no model knows is named."""
    _, design = designed(5)
    instance = design.instances[0]
    unit = replace(instance.unit, module="gw_new")
    strange = replace(instance, unit=unit, memories=MappingProxyType({}))
    message = (
        rf"^energy: a unit must be one of gw_arg_max, .*, not gw_new \({instance.name}\)\. Give sim/energy"
    )
    with pytest.raises(LoweringError, match=message):
        outputs_of(strange, [np.zeros((1, 1), np.int64)])
