"""Thresholds by products of 16 bits: exact where they say so, and in kernels of their own."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arm_bench import Batch, Case
from gatewright.compiler.ir.graph import Const, Graph, Node, input_of
from gatewright.compiler.ir.ops import Add, Conv2d, Threshold
from gatewright.compiler.ir.reach import channel_reach
from gatewright.compiler.ir.types import Int
from gatewright.compiler.neon.elementwise import Elements
from gatewright.compiler.neon.groups import Group
from gatewright.compiler.neon.halves import half_scaling
from gatewright.compiler.neon.program import Storage
from graph_builder import arrays

# Lowest result and number of thresholds: bytes as they are, moved into bytes, 0 .. 255, and clamped ones.
RESULTS = [(-128, 255), (-133, 255), (0, 255), (0, 127), (-9, 80)]


def on_lines(rng, low, count, lo, hi):
    """Thresholds of rounded lines through result 0 at operand 0; results reach beyond both bounds."""
    scale = count / np.maximum(hi, -lo) * rng.uniform(0.4, 2.5, len(lo))
    results = np.arange(low + 1, low + count + 1)
    return np.ceil((results - 0.5) / scale[:, None]).astype(np.int64)


def off_lines(t, rows):
    """The same with two thresholds of some rows moved towards one another."""
    t, middle = t.copy(), t.shape[1] // 2
    t[rows, middle - 1] = t[rows, middle] = t[rows, middle - 1 : middle + 1].sum(1) // 2
    return t


@settings(max_examples=100)
@given(st.integers(0, 2**32 - 1), st.sampled_from(RESULTS), st.sampled_from([900, 20000, 2**19, 2**30]))
def test_rows_are_exact_where_it_says_so(seed, results, magnitude):
    """Every operand near a threshold, at the ends and between; and lanes of 16 bits hold the products."""
    rng, (low, count) = np.random.default_rng(seed), results
    lo, hi = (np.full(5, v) for v in (-magnitude, magnitude // 2))
    t = off_lines(on_lines(rng, low, count, lo, hi), [3])
    found = half_scaling(t, (low,), Int(-magnitude, magnitude), (lo, hi))
    if found is None:
        return
    points = np.concatenate([t + d for d in (-1, 0, 1)] + [rng.integers(-magnitude, magnitude, (5, 300))], 1)
    points = np.clip(np.concatenate([points, np.stack([lo, hi], 1)], 1), lo[:, None], hi[:, None])
    want = low + np.stack([np.searchsorted(r, p, side="right") for r, p in zip(t, points, strict=True)])
    got = found.apply(points.T).T
    np.testing.assert_array_equal(got[found.exact], want[found.exact])
    assert np.abs(found.products(points.T)[:, found.exact]).max(initial=0) < 2**15


def test_lines_are_found_and_other_rows_named():
    """One shift for rows of slopes that differ sixfold."""
    rng = np.random.default_rng(2)
    lo, hi = np.full(64, -40000), np.full(64, 40000)
    t = off_lines(on_lines(rng, 0, 255, lo, hi), [5, 40])
    found = half_scaling(t, (0,), Int(-40000, 40000), None)
    assert np.flatnonzero(~found.exact).tolist() == [5, 40]


def test_no_form_where_sums_leave_32_bits():
    """The product's operand must fit a lane of 32 bits with its offset."""
    t = np.arange(1, 256)[None] * 2**23
    assert half_scaling(t, (0,), Int(-(2**31), 2**31), None) is None


def layer(rng, x, weights, results, bad, **given) -> Node:
    """A convolution and thresholds, of which rows ``bad`` lie on no line."""
    conv = Node(Conv2d(**given), (x, Const(weights), Const(rng.integers(-200, 200, weights.shape[-1]))))
    lo, hi = channel_reach(conv, weights.shape[-1])
    t = on_lines(rng, *results, lo // 3, hi // 3)
    return Node(Threshold(results[0]), (conv, Const(off_lines(t, bad))))


def cases() -> list[Case]:
    """Products and depthwise layers with rows of both kinds in one vector, in others, and everywhere."""
    rng, made = np.random.default_rng(4), []
    for i, (results, bad) in enumerate(zip(RESULTS, ([3], [0, 17], [39], [], range(40)), strict=True)):
        x = input_of("x", (5, 6, 24), -128, 127)
        w = rng.integers(-127, 128, (1, 1, 24, 40 - i))
        wide = layer(rng, x, w, results, [b for b in bad if b < 40 - i])
        taps = rng.integers(-127, 128, (3, 3, 1, 40 - i))
        deep = layer(rng, wide, taps, results, [39 - i], pads=(1, 1, 1, 1), groups=40 - i)
        last = layer(rng, deep, rng.integers(-127, 128, (3, 3, 40 - i, 24)), results, [20], pads=(1, 1, 1, 1))
        out = Node(Add(), (last, x))
        made.append(Case(Graph((x,), (out,)), (arrays(rng, x.type, 5),)))
    return made


@pytest.mark.parametrize("core", ["cortex-a9", "cortex-a72", "cortex-a76"])
def test_kernels_equal_the_reference(core, tmp_path):
    """All forms side by side, on every instruction set."""
    batch = Batch(cases(), core, tmp_path)
    assert batch.differences() == {}
    calls = [[c.layer for c in program.calls if c.macs] for program in batch.programs]
    apart = [len(layers) - len(set(layers)) for layers in calls]
    assert max(apart) >= 1, "no layer took two kernels"


def test_vectors_with_a_cheaper_form_are_apart():
    """Numbers of vectors in both kernels; the cheaper one's operands may start elsewhere."""
    rng = np.random.default_rng(3)
    x = input_of("x", (2, 2, 16), -128, 127)
    node = layer(rng, x, rng.integers(-127, 128, (1, 1, 16, 24)), (0, 255), [9])
    group = Group(node.inputs[0], node, frozenset({id(node.inputs[0])}))
    elements = Elements(group, Storage(node.type, "int8", 128))
    easy, other = elements.shares(np.arange(24).reshape(6, 4))
    assert (easy.numbers.tolist(), other.numbers.tolist()) == ([0, 1, 3, 4, 5], [2])
    assert other.elements is elements
    assert easy.elements.initial.shape == (24,)
    few = elements.shares(np.array([[8, 9], [9, 10]]))
    assert [share.numbers.tolist() for share in few] == [[0, 1]]
    assert replace(few[0], numbers=np.array([4])).at(None, 0) == 4
