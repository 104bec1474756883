"""Functions of one element: merged, in their cheapest form, the same for every value."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewright.compiler.ir.evaluate import evaluate
from gatewright.compiler.ir.graph import Const, Graph, Node, input_of
from gatewright.compiler.ir.ops import (
    Add,
    Concat,
    DepthToSpace,
    Lookup,
    MatMul,
    Mul,
    Pad,
    Threshold,
    Upsample,
)
from gatewright.compiler.passes.merge_elementwise import merge_elementwise
from gatewright.compiler.passes.pipeline import run
from gatewright.compiler.passes.simplify_lookup import simplify_lookup
from gatewright.compiler.passes.sink_moves import sink_moves


def const(*values):
    """A constant from nested lists."""
    return Const(np.array(values))


def ops(graph: Graph) -> list[str]:
    """Names of the ops in order."""
    return [n.op.name for n in graph.nodes()]


def checked(graph: Graph, step) -> Graph:
    """The graph after the pass, equal for every value of its one input (C,)."""
    (x,) = graph.inputs
    d = x.type.dtype
    every = np.repeat(np.arange(d.lo, d.hi + 1, d.step)[:, None], x.type.shape[0], axis=1)
    after = step(graph)
    after.verify()
    for a, b in zip(evaluate(graph, every), evaluate(after, every), strict=True):
        assert np.array_equal(a, b)
    return after


def through(x, *nodes) -> Graph:
    """``x`` through (op, constant) pairs."""
    value = x
    for op, constant in nodes:
        value = op(value, constant)
    return Graph((x,), (value,))


BYTE = (-128, 127)


def _random_table(seed: int, length: int = 256) -> Const:
    return Const(np.random.default_rng(seed).integers(-128, 128, length))


@pytest.mark.parametrize(
    "nodes",
    [
        ((Lookup(-128), _random_table(0)), (Lookup(-128), _random_table(1))),
        ((Lookup(-128), _random_table(2)), (Threshold(), const(list(range(-100, 100))))),
        ((Threshold(-128), const(list(range(-126, 129)))), (Lookup(-128), _random_table(3))),
        ((Add(), const(7)), (Lookup(-121), _random_table(4))),
        ((Lookup(-128), _random_table(5)), (Mul(), const(-12345))),
        ((Mul(), const(-3)), (Threshold(), const(list(range(-300, 300, 2))))),
    ],
)
def test_two_functions_of_a_byte_become_one_table(nodes):
    """One Lookup of 256 entries, whichever came first."""
    after = checked(through(input_of("x", (1,), *BYTE), *nodes), merge_elementwise)
    assert ops(after) == ["lookup"]
    assert after.nodes()[0].inputs[1].type.shape == (256,)


def test_thresholds_of_thresholds_of_a_wide_sum():
    """Sums of any width: requantized, clipped and halved codes are thresholds of the sum itself."""
    x = input_of("x", (2,), -128, 127)
    product = MatMul()(x, const([77, 1], [-9, 127]), name="fc")
    codes = Threshold(-128)(product, Const(np.arange(-127, 128)[None] * 100))
    clipped = Threshold()(codes, Const(np.arange(1, 128)[None]))
    halved = Lookup()(clipped, Const(np.arange(128) // 2))
    after = merge_elementwise(Graph((x,), (halved,)))
    assert ops(after) == ["matmul", "threshold"]
    frames = np.random.default_rng(0).integers(-128, 128, (2000, 2))
    assert np.array_equal(evaluate(after, frames)[0], evaluate(Graph((x,), (halved,)), frames)[0])


def test_tables_that_fall_stay_behind_the_thresholds_of_a_wide_sum():
    """The sum has too many values for a table of its own."""
    x = input_of("x", (1,), -(2**20), 2**20)
    graph = through(x, (Threshold(), const([-5, 0, 5])), (Lookup(), const(3, -3, 3, 1)))
    assert merge_elementwise(graph) is graph


def test_a_shared_function_is_not_merged():
    """What else uses the inner codes still needs them."""
    x = input_of("x", (1,), *BYTE)
    inner = Lookup(-128)(x, _random_table(6))
    graph = Graph((x,), (Lookup(-128)(inner, _random_table(7)), inner))
    assert merge_elementwise(graph) is graph


def test_rows_per_channel_do_not_multiply_a_table():
    """One table behind a constant per channel is less than a table per channel."""
    x = input_of("x", (64,), *BYTE)
    graph = through(x, (Add(), Const(np.arange(64))), (Lookup(-128), _random_table(8, 512)))
    assert merge_elementwise(graph) is graph


def test_long_tables_merge_with_what_follows():
    """65,536 entries stay as many."""
    x = input_of("x", (1,), 0, 2**16 - 1)
    graph = through(x, (Lookup(), _random_table(9, 2**16)), (Lookup(-128), _random_table(10)))
    assert ops(checked(graph, merge_elementwise)) == ["lookup"]


@pytest.mark.parametrize(
    ("table", "wanted"),
    [
        (np.arange(-128, 128), []),
        (np.arange(-128, 128) + 9, ["add"]),
        (np.arange(-128, 128) * -7, ["mul"]),
        (np.arange(-128, 128) * 3 + 1, ["lookup"]),
        (np.where(np.arange(256) < 99, -1, 1), ["threshold"]),
        (np.arange(256) // 16, ["threshold"]),
        (np.arange(256) // 8, ["lookup"]),
        (np.arange(256)[::-1] // 64, ["lookup"]),
        (np.arange(-128, 128) + np.array([[9], [-9]]), ["add"]),
        (np.arange(-128, 128) * np.array([[9], [-9]]) + [[1], [2]], ["mul", "add"]),
    ],
)
def test_cheapest_form(table, wanted):
    """Nothing, arithmetic, a few thresholds, or the table."""
    graph = through(input_of("x", (2,), *BYTE), (Lookup(-128), Const(table)))
    after = checked(graph, simplify_lookup)
    assert ops(after) == wanted
    assert simplify_lookup(after) is after


def test_steps_of_the_range_are_kept():
    """Entries between the values that x can have are never read, and cost nothing to keep."""
    graph = through(input_of("x", (1,), -3, 3, 3), (Lookup(-4), const(0, 4, 9, 9, 1, 9, 9, 7)))
    after = checked(graph, simplify_lookup)
    assert list(after.nodes()[0].inputs[1].value[::3]) == [4, 1, 7]
    assert simplify_lookup(after) is after


def test_ranges_do_not_widen():
    """What follows a table takes no more than the table's entries, nor loses that they are -1 and 1."""
    x = input_of("x", (2,), 69, 70)
    graph = through(x, (Lookup(69), const([13, 1], [-24, -20])), (Lookup(-24), Const(np.arange(38))))
    assert ops(checked(graph, simplify_lookup)) == ["lookup", "add"]
    signs = through(input_of("x", (1,), -1, 1, 2), (Lookup(-1), const(1, 0, -1)))
    assert checked(signs, simplify_lookup).outputs[0].type.dtype.bipolar


@st.composite
def chains(draw) -> Graph:
    """Random functions one after another, of few or many levels, in rows or one for all."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    channels = draw(st.integers(1, 3))
    lo, step = int(rng.integers(-99, 99)), draw(st.integers(1, 3))
    x = value = input_of("x", (channels,), lo, lo + step * draw(st.sampled_from([1, 3, 40, 300])), step)
    for _ in range(draw(st.integers(2, 4))):
        value = _function(draw, rng, value, channels)
    return Graph((x,), (value,))


def _function(draw, rng, x, channels) -> Node:
    d, rows = x.type.dtype, draw(st.sampled_from([1, channels]))
    kind = draw(st.integers(0, 4))
    if kind == 0 or (kind > 1 and d.hi - d.lo >= 2**12):
        t = np.sort(rng.integers(d.lo - 1, d.hi + 2, (rows, draw(st.sampled_from([1, 3, 20])))), axis=1)
        return Threshold(int(rng.integers(-9, 9)), draw(st.integers(1, 3)))(x, Const(t))
    if kind == 1:
        constant = Const(rng.integers(-9, 10, rows))
        return draw(st.sampled_from([Add, Mul]))()(x, constant)
    before, after = draw(st.integers(0, 2)), draw(st.integers(0, 2))
    q = np.arange(d.lo - before, d.hi + after + 1)
    kinds = (rng.integers(-50, 50, (rows, len(q))), q * rng.integers(-3, 4, (rows, 1)) + int(rng.integers(3)))
    table = kinds[kind % 2]
    return Lookup(d.lo - before)(x, Const(table if rows > 1 else table[0]))


@given(chains())
def test_random_chains_keep_every_value(graph):
    """Each pass alone, twice, and the whole pipeline."""
    for step in (merge_elementwise, simplify_lookup):
        after = checked(graph, step)
        assert step(after) is after
        assert len(after.nodes()) <= len(graph.nodes()) + graph.inputs[0].type.shape[0]
    checked(graph, run)


def test_thresholds_move_before_joins_and_copies():
    """Wide sums are narrowed before they are joined and repeated, with the rows of their channels."""
    x, y = (input_of(n, (2, 2, 2), -500, 500) for n in "xy")
    both = Concat(2)(Mul()(x, const(1001)), Mul()(y, const(-999)), name="join")
    wide = Upsample((2, 2))(Pad((1, 0, 0, 0, 1, 0), 5)(both))
    # Padding counts none of them, in any channel.
    rows = np.sort(np.random.default_rng(0).integers(6, 2**18, (4, 7)), axis=1)
    graph = Graph((x, y), (Threshold(-3)(wide, Const(rows)),))
    after = sink_moves(graph)
    assert ops(after) == ["mul", "threshold", "mul", "threshold", "concat", "pad", "upsample"]
    assert [n.op.value for n in after.nodes() if n.op.name == "pad"] == [-3]
    frames = [np.random.default_rng(i).integers(-500, 501, (50, 2, 2, 2)) for i in range(2)]
    assert np.array_equal(evaluate(graph, *frames)[0], evaluate(after, *frames)[0])


def test_padding_that_channels_see_differently_stays_in_front():
    """What is padded would have to differ per channel."""
    x = input_of("x", (2, 2, 2), -500, 500)
    graph = Graph((x,), (Threshold()(Pad((1, 0, 0, 0, 0, 0), 5)(x), const([0], [9])),))
    assert sink_moves(graph) is graph


def test_the_row_of_a_single_channel_serves_several():
    """A table (1, L) behind a pixel shuffle meets four channels before it (hunt, seed 403)."""
    x = input_of("x", (1, 1, 4), 0, 2)
    graph = Graph((x,), (Lookup()(DepthToSpace(2)(x), const([0, 1, 0])),))
    after = sink_moves(graph)
    assert ops(after) == ["lookup", "depth_to_space"]
    frames = np.random.default_rng(0).integers(0, 3, (20, 1, 1, 4))
    assert np.array_equal(evaluate(graph, frames)[0], evaluate(after, frames)[0])


def test_padding_by_nothing_is_never_looked_up():
    """Its value may lie outside of the table (hunt, seed 411)."""
    x = input_of("x", (1, 1, 1), 0, 3)
    graph = Graph((x,), (Lookup()(Pad((0,) * 6, 4)(x), const([0, -1, 0, 0])),))
    frames = np.arange(4).reshape(4, 1, 1, 1)
    for step in (sink_moves, run):
        assert np.array_equal(evaluate(step(graph), frames)[0], evaluate(graph, frames)[0])
    assert "pad" not in ops(run(graph))
