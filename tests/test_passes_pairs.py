"""Sums, products and tables of two tensors: small factors, the same result for every pair of values."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewright.compiler.frontends.tflite_fixed import multiply, quantize_multiplier
from gatewright.compiler.frontends.tflite_requantize import fixed
from gatewright.compiler.ir.evaluate import evaluate
from gatewright.compiler.ir.graph import Const, Graph, Input, input_of
from gatewright.compiler.ir.ops import Add, Lookup, Mul, Reshape, Threshold
from gatewright.compiler.passes.lines import on_lines
from gatewright.compiler.passes.merge_branches import merge_branches
from gatewright.compiler.passes.narrow_pairs import narrow_pairs
from gatewright.compiler.passes.pipeline import run


def const(*values):
    """A constant from nested lists."""
    return Const(np.array(values))


def column(value: Input) -> np.ndarray:
    """Every value of an input's type."""
    d = value.type.dtype
    return np.arange(d.lo, d.hi + 1, d.step)


def all_pairs(graph: Graph) -> tuple[np.ndarray, ...]:
    """One frame for each pair of values of two inputs of shape (C,), the same in all channels."""
    a, b = (column(i) for i in graph.inputs)
    first, second = np.meshgrid(a, b, indexing="ij")
    channels = graph.inputs[0].type.shape[0]
    return tuple(np.repeat(v.reshape(-1, 1), channels, axis=1) for v in (first, second))


def checked(graph: Graph, step=narrow_pairs) -> Graph:
    """The graph after the pass, which is valid, equal for every pair, and as the pass leaves it."""
    after = step(graph)
    after.verify()
    frames = all_pairs(graph)
    for a, b in zip(evaluate(graph, *frames), evaluate(after, *frames), strict=True):
        assert np.array_equal(a, b)
    assert step(after) is after or step is run
    return after


def ops(graph: Graph) -> list[str]:
    """Names of the ops in order."""
    return [n.op.name for n in graph.nodes()]


def factors(graph: Graph) -> list[int]:
    """Factors of all multiplications by a constant."""
    return [int(n.inputs[1].value.item()) for n in graph.nodes() if n.op.name == "mul"]


def straight(graph: Graph) -> bool:
    """Whether the last node's thresholds are on a line, so that a product and a shift can do."""
    x, t = graph.nodes()[-1].inputs
    return on_lines(t.value, x.type.dtype.lo, x.type.dtype.hi)


def litert_sum(scales, zero_points) -> Graph:
    """TFLite's ADD as its front end makes it: tables of 30-bit integers, a sum, 255 thresholds."""
    operands = [input_of(n, (1,), -128 - z, 127 - z) for n, z in zip("ab", zero_points, strict=False)]
    twice = 2 * np.float64(np.float32(max(scales[:2])))
    m, shift = quantize_multiplier(twice / (2**20 * np.float64(np.float32(scales[2]))))
    parts = []
    for x, scale in zip(operands, scales, strict=False):
        d = x.type.dtype
        pair = quantize_multiplier(np.float64(np.float32(scale)) / twice)
        parts.append(Lookup(d.lo)(x, Const(multiply(np.arange(d.lo, d.hi + 1) << 20, *pair))))
    codes = (-128 - zero_points[2], 127 - zero_points[2])
    return Graph(tuple(operands), (fixed(Add()(*parts), np.array([m]), np.array([shift]), codes),))


@pytest.mark.parametrize("seed", range(12))
def test_litert_residual_sums_become_small_factors(seed):
    """Tables of 256 entries and a sum of over 24 bits end as two factors and thresholds on a line."""
    rng = np.random.default_rng(seed)
    first, second = rng.uniform(0.01, 0.1, 2)
    out = max(first, second) * rng.uniform(0.8, 2.0)
    graph = litert_sum((first, second, out), tuple(map(int, rng.integers(-128, 128, 3))))
    assert max(n.type.dtype.bits for n in graph.nodes()) > 24
    after = checked(graph)
    assert ops(after) == ["mul", "mul", "add", "threshold"]
    assert max(map(abs, factors(after))) < 2**12
    assert max(n.type.dtype.bits for n in after.nodes()) <= 22
    assert straight(after)
    checked(graph, run)


def test_equal_scales_leave_a_plain_sum():
    """Where both operands have one scale, nothing is multiplied."""
    after = checked(litert_sum((0.05, 0.05, 0.1), (0, 0, 0)))
    assert ops(after) == ["add", "threshold"]


def test_users_that_go_are_noticed():
    """Once one of two thresholds has left the sum, the other is its only user (found by Hypothesis)."""
    x = input_of("x", (1,), 0, 1)
    second = Lookup()(Threshold()(x, const([0, 0, 1, 1, 2])), const(2566, 1224, 3381, 29, 873, 3856))
    total = Add()(Lookup()(x, const(-3480, -3961)), second)
    first = Threshold()(Reshape((1,))(Threshold()(total, const([-788]))), const([1]))
    graph = Graph((x,), (first, Threshold()(total, const([-1207]))))
    after = narrow_pairs(graph)
    assert narrow_pairs(after) is after
    every = column(x)[:, None]
    for a, b in zip(evaluate(graph, every), evaluate(after, every), strict=True):
        assert np.array_equal(a, b)


@pytest.mark.parametrize("signs", [(1, 1), (1, -1), (-1, 1), (-1, -1)])
def test_dyadic_factors_shrink(signs):
    """Exact multiples of a power of two, as float scales come in, also of falling operands."""
    a, b = input_of("a", (1,), 0, 255), input_of("b", (1,), -128, 127)
    f = Mul()(a, const(signs[0] * 12582917))
    g = Mul()(Add()(b, const(5)), const(signs[1] * 7340033))
    rows = const(list(range(-(2**31), 2**31, 2**24)))
    graph = Graph((a, b), (Threshold()(Add()(f, g), rows),))
    after = checked(graph)
    assert [np.sign(f) for f in factors(after)] == list(signs)
    assert max(n.type.dtype.bits for n in after.nodes()) <= 19
    assert straight(after)


def test_a_falling_result_becomes_rising_in_negated_factors():
    """What follows the sum may be a negative factor and a table: only the codes of the pairs count."""
    a, b = input_of("a", (1,), -16, 15), input_of("b", (1,), -16, 15)
    total = Mul()(Add()(Mul()(a, const(1000000)), Mul()(b, const(2000000))), const(-3))
    graph = Graph((a, b), (Threshold(-4)(total, const(list(range(-(2**27), 2**27, 2**24)))),))
    assert factors(checked(graph)) == [-1, -2]


def test_a_table_beside_a_factor():
    """A function that is no multiple keeps a table, of fewer bits; the other operand a factor."""
    a, b = input_of("a", (1,), -64, 63), input_of("b", (1,), -64, 63)
    curve = np.rint(1e9 / (1 + np.exp(-np.arange(-64, 64) / 10))).astype(np.int64)
    total = Add()(Lookup(-64)(a, Const(curve)), Mul()(b, const(7654321)))
    graph = Graph((a, b), (Threshold()(total, const(list(range(-(2**28), 2**30, 2**25)))),))
    after = checked(graph)
    assert sorted(ops(after)) == ["add", "lookup", "mul", "threshold"]
    assert max(n.type.dtype.bits for n in after.nodes()) <= 16


def test_two_tables_shrink():
    """Neither operand is linear, as sigmoids of both."""
    a, b = input_of("a", (1,), -32, 31), input_of("b", (1,), -32, 31)
    curve = np.rint(1e9 / (1 + np.exp(-np.arange(-32, 32) / 5))).astype(np.int64)
    total = Add()(Lookup(-32)(a, Const(curve)), Lookup(-32)(b, Const(curve[::-1] * 2)))
    graph = Graph((a, b), (Threshold()(total, const(list(range(0, 2**31, 2**27)))),))
    after = checked(graph)
    assert ops(after) == ["lookup", "lookup", "add", "threshold"]
    assert max(n.type.dtype.bits for n in after.nodes()) <= 13


def test_rows_per_channel():
    """Each channel has its own factors and its own thresholds."""
    a, b = input_of("a", (3,), -8, 7), input_of("b", (3,), 0, 15)
    f, g = Mul()(a, const(1000003, -70001, 5000011)), Mul()(b, const(2000003, 90001, 900007))
    rows = np.arange(-(2**24), 2**24, 2**21) * np.array([[1], [0], [2]]) + np.arange(16)
    after = checked(Graph((a, b), (Threshold()(Add()(f, g), Const(rows)),)))
    assert ops(after) == ["mul", "mul", "add", "threshold"]
    assert after.nodes()[-1].inputs[1].type.shape == (3, 16)
    assert max(n.type.dtype.bits for n in after.nodes()) <= 11


def pair_table(a: Input, b: Input, codes: np.ndarray) -> Graph:
    """The table of all pairs, as front ends emit it."""
    lo, levels = b.type.dtype.lo, b.type.dtype.levels
    key = Add()(Mul()(a, const(levels)), b)
    return Graph((a, b), (Lookup(a.type.dtype.lo * levels + lo)(key, Const(codes.ravel())),))


@pytest.mark.parametrize("zero_points", [(0, 0), (3, 0), (0, -128), (-7, 20)])
def test_tables_of_rounded_products_become_products(zero_points):
    """65,536 entries become one multiplication and thresholds."""
    za, zb = zero_points
    a, b = input_of("a", (1,), -128 - za, 127 - za), input_of("b", (1,), -128 - zb, 127 - zb)
    product = column(a)[:, None] * column(b)
    graph = pair_table(a, b, np.clip(np.rint(product * np.float32(0.0117)), -128, 127).astype(int))
    after = checked(graph)
    assert ops(after) == ["mul", "threshold"]
    assert after.nodes()[0].inputs == (a, b)
    assert straight(after)


def test_tables_of_products_find_their_zeros():
    """Codes that start at 0 hide the zero points; they are where the table does not change."""
    a, b = input_of("a", (1,), 0, 63), input_of("b", (1,), 0, 63)
    product = -(column(a)[:, None] - 20) * (column(b) - 41)
    after = checked(pair_table(a, b, np.rint(product * 0.031).astype(int)))
    # The falling operand and its zero point are one table of 64 entries.
    assert ops(after) == ["lookup", "add", "mul", "threshold"]
    assert max(n.type.dtype.bits for n in after.nodes()) <= 13


def test_tables_of_sums_become_sums():
    """Two factors and thresholds instead of 65,536 entries."""
    a, b = input_of("a", (1,), -128, 127), input_of("b", (1,), 0, 255)
    total = column(a)[:, None] * 0.731 - column(b) * 0.2
    after = checked(pair_table(a, b, np.clip(np.rint(total), -128, 127).astype(int)))
    assert ops(after) == ["mul", "mul", "add", "threshold"]


def test_tables_of_other_functions_stay():
    """The larger of two is neither a sum nor a product."""
    a, b = input_of("a", (1,), 0, 31), input_of("b", (1,), 0, 31)
    graph = pair_table(a, b, column(a)[:, None] ^ column(b))
    assert narrow_pairs(graph) is graph


def test_an_operand_without_influence_goes():
    """Thresholds that only the first operand decides are taken from it alone."""
    a, b = input_of("a", (1,), -8, 7), input_of("b", (1,), 0, 3)
    total = Add()(Mul()(a, const(1000)), b)
    after = checked(Graph((a, b), (Threshold()(total, const([-3990, 10, 5005])),)))
    assert "add" not in ops(after)


def test_a_sum_with_other_users_is_not_made_twice():
    """The wide sum is there anyway, so a narrow one besides would only cost."""
    a, b = input_of("a", (1,), -8, 7), input_of("b", (1,), 0, 3)
    total = Add()(Mul()(a, const(1000)), Mul()(b, const(777)), name="sum")
    graph = Graph((a, b), (Threshold()(total, const([-3990, 10, 5005])), total))
    assert narrow_pairs(graph) is graph


def test_the_product_of_two_functions_of_one_tensor_is_a_table():
    """x * sigmoid(x), through a table that another node uses as well."""
    x = input_of("x", (2,), -128, 127)
    sigmoid = np.rint(255 / (1 + np.exp(-np.arange(-128, 128) / 20))).astype(int)
    gate = Lookup(-128)(x, Const(sigmoid), name="sigmoid")
    graph = Graph((x,), (Mul()(Add()(x, const(3)), gate, name="swish"), gate))
    after = merge_branches(graph)
    assert [(n.op.name, n.name, n.inputs[0] is x) for n in after.nodes()] == [
        ("lookup", "swish", True), ("lookup", "sigmoid", True),
    ]  # fmt: skip
    every = np.repeat(column(x)[:, None], 2, axis=1)
    for before, now in zip(evaluate(graph, every), evaluate(after, every), strict=True):
        assert np.array_equal(before, now)


def test_few_values_far_apart_get_no_table():
    """Tables hold all integers in between: of three values 100,000 apart there is none (hunt, seed 121)."""
    a, b = input_of("a", (1,), 0, 200000, 100000), input_of("b", (1,), 0, 3)
    curve = Threshold(5)(a, const([1, 100001, 100001]))
    checked(Graph((a, b), (Mul()(a, curve), Threshold()(Add()(a, b), const([1, 100002])))), run)


@st.composite
def joins(draw) -> Graph:
    """Random tables, factors of either sign, rows per channel, sums and products, constants behind."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    channels = draw(st.integers(1, 3))
    values = []
    for name in "ab":
        lo, step = int(rng.integers(-9, 9)), draw(st.integers(1, 3))
        values.append(input_of(name, (channels,), lo, lo + step * draw(st.integers(1, 12)), step))
    sides = [_function(draw, rng, v, channels) for v in values]
    joint = draw(st.sampled_from([Add, Add, Mul]))()(*sides)
    if draw(st.booleans()):
        joint = Mul()(joint, Const(rng.choice([-3, -1, 1, 2], draw(st.sampled_from([1, channels])))))
    if draw(st.booleans()):
        joint = Add()(joint, Const(rng.integers(-50, 50, draw(st.sampled_from([1, channels])))))
    d = joint.type.dtype
    shape = (draw(st.sampled_from([1, channels])), draw(st.integers(1, 9)))
    rows = np.sort(rng.integers(d.lo, d.hi + 2, shape), axis=1)
    result = Threshold(int(rng.integers(-5, 5)), draw(st.integers(1, 2)))(joint, Const(rows))
    return Graph(tuple(values), (result,))


def _function(draw, rng, x, channels):
    kind, rows = draw(st.integers(0, 3)), draw(st.sampled_from([1, channels]))
    if kind == 0:
        return x
    if kind == 1:
        return Mul()(x, Const(rng.integers(-(2**18), 2**18, rows)))
    d = x.type.dtype
    table = rng.integers(-(2**18), 2**18, (rows, d.hi - d.lo + 1))
    if kind == 2:
        table.sort(axis=1)
    return Lookup(d.lo)(x, Const(table if rows > 1 else table[0]))


@given(joins())
def test_random_joins_are_equal_for_all_pairs(graph):
    """Whatever form is found, every pair of values gives the same in every channel."""
    checked(graph)
    checked(graph, run)
