"""Adder graphs: they compute the product, their ranges are exact, and what columns share is made once."""

from itertools import pairwise

import numpy as np
import pytest

from gatewright.compiler.adder_graph import AdderGraph, adder_graph, digit_count, digits
from gatewright.compiler.ir.types import Int
from gatewright.errors import LoweringError


def values_of(graph: AdderGraph, x: np.ndarray) -> list[np.ndarray]:
    """All values of a graph for inputs (N, K), one array (N,) each."""
    values = list(x.T)
    for s in graph.sums:
        values.append((values[s.a] << s.a_shift) + s.sign * (values[s.b] << s.b_shift))
    return values


def product_of(graph: AdderGraph, x: np.ndarray) -> np.ndarray:
    """The columns of a graph for inputs (N, K)."""
    values = values_of(graph, x)
    columns = [
        np.zeros(len(x), np.int64) if c.value is None else c.sign * (values[c.value] << c.shift)
        for c in graph.columns
    ]
    return np.stack(columns, axis=1)


def ends(w: np.ndarray, x: Int) -> np.ndarray:
    """The inputs (2M, K) at which columns are least and greatest."""
    return np.concatenate([np.where(w.T > 0, x.lo, x.hi), np.where(w.T > 0, x.hi, x.lo)])


@pytest.mark.parametrize("x", [Int(0, 63), Int(-8, 7), Int(-3, 90), Int(0, 1)], ids=str)
@pytest.mark.parametrize("pruned", [0.0, 0.75])
def test_the_graph_is_the_product(x, pruned):
    """For random inputs, those at the ends of ranges, and columns of zeros, one sign and powers of two."""
    rng = np.random.default_rng(3)
    w = rng.integers(-60, 61, (9, 12))
    w[rng.random(w.shape) < pruned] = 0
    w[:, 0] = 0
    w[:, 1] = -np.abs(w[:, 1])
    w[:, 2] = 0
    w[4, 2] = -16
    graph = adder_graph(w, x)
    frames = np.concatenate([rng.integers(x.lo, x.hi + 1, (200, 9)), ends(w, x)])
    assert np.array_equal(product_of(graph, frames), frames @ w)


def test_ranges_are_reached_and_never_left():
    """Each value's range is that of its weights: no bit of a sum is idle, none is missing."""
    w, x = np.random.default_rng(5).integers(-15, 16, (4, 6)), Int(-2, 5)
    graph = adder_graph(w, x)
    grid = np.stack(np.meshgrid(*[np.arange(-2, 6)] * 4), axis=-1).reshape(-1, 4)
    for value, told in zip(values_of(graph, grid), graph.ranges, strict=True):
        assert (value.min(), value.max()) == (told.lo, told.hi)


def test_sums_stand_between_their_operands_and_readers():
    """A sum's level is above those of its operands, and just below the first that reads it or the end."""
    graph = adder_graph(np.random.default_rng(5).integers(-15, 16, (6, 6)), Int(0, 7))
    readers = {value: [max(graph.levels) + 1] for value in range(6, 6 + len(graph.sums))}
    for n, s in enumerate(graph.sums):
        assert graph.levels[6 + n] > max(graph.levels[s.a], graph.levels[s.b])
        for operand in {s.a, s.b} - set(range(6)):
            readers[operand].append(graph.levels[6 + n])
    assert graph.levels[:6] == (0,) * 6
    assert all(graph.levels[value] == min(read) - 1 for value, read in readers.items())


def test_equal_columns_are_made_once():
    """Columns that are equal, negated or shifted take no sum of their own: terms of one are shared in all."""
    column = np.array([[3], [0], [-5], [7], [11]])
    one = adder_graph(column, Int(0, 15))
    many = adder_graph(np.hstack([column, column, 4 * column, -column]), Int(0, 15))
    assert len(one.sums) < digit_count(column)
    assert len(many.sums) == len(one.sums)


def test_sharing_saves_a_quarter_of_the_sums_of_a_dense_layer():
    """Against as many sums as digits; random 6-bit weights."""
    w = np.random.default_rng(7).integers(-31, 32, (16, 24))
    graph = adder_graph(w, Int(0, 63))
    assert len(graph.sums) < 0.75 * (digit_count(w) - 24)


def test_digits_are_the_non_adjacent_form():
    """They sum to the number, no two are neighbours, and ``digit_count`` counts them."""
    for w in range(-300, 301):
        found = digits(w)
        places = [place for place, _ in found]
        assert sum(d << place for place, d in found) == w
        assert all(b - a > 1 for a, b in pairwise(places))
        assert digit_count(np.array([[w]])) == len(found)


def test_bipolar_inputs_are_refused():
    """Their codes are bits, no numbers."""
    message = r"^adder graph: inputs must be integers, not bipolar\. Map -1 and \+1 to 0 and 1\.$"
    with pytest.raises(LoweringError, match=message):
        adder_graph(np.ones((2, 2), np.int64), Int(-1, 1, 2))
