"""Memory plans, storage and fused groups of the ARM back end."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewright.compiler.ir.graph import Const, Graph, input_of
from gatewright.compiler.ir.ops import Add, Conv2d, Lookup, MatMul, Mul, Threshold
from gatewright.compiler.ir.types import Int, TensorType
from gatewright.compiler.neon.groups import elements_of, group
from gatewright.compiler.neon.isa import CORES
from gatewright.compiler.neon.lower import lower
from gatewright.compiler.neon.plan import ALIGNMENT, SLACK, Life, plan
from gatewright.compiler.neon.program import Region, Storage, fitting

lives = st.lists(
    st.builds(
        lambda size, first, length: Life(size, first, first + length),
        st.integers(0, 500), st.integers(0, 20), st.integers(0, 6),
    ),
    max_size=30,
)  # fmt: skip


@given(lives)
def test_tensors_alive_at_once_never_share_bytes(given_lives):
    """Places are aligned, end inside the arena, and overlap only where lives do not."""
    made = plan(given_lives)
    placed = list(zip(made.offsets, given_lives, strict=True))
    for i, (at, life) in enumerate(placed):
        assert at % ALIGNMENT == 0
        assert at + life.bytes + SLACK <= made.arena
        for other_at, other in placed[:i]:
            if life.first <= other.last and other.first <= life.last and life.bytes and other.bytes:
                assert at + life.bytes <= other_at or other_at + other.bytes <= at
    assert made.bound <= made.arena - SLACK <= sum(life.room for life in given_lives)


@given(lives)
def test_the_bound_is_the_largest_set_alive(given_lives):
    """Step by step, in rooms of whole alignment."""
    made = plan(given_lives)
    steps = range(30)
    alive = [sum(v.room for v in given_lives if v.first <= s <= v.last) for s in steps]
    assert made.bound == max(alive)


def test_a_chain_takes_two_places():
    """Each tensor is read by the next one's call only."""
    made = plan([Life(100, i, i + 1) for i in range(10)])
    assert made.arena == 2 * 112 + SLACK == made.bound + SLACK
    assert plan([]).arena == SLACK


def residual_net():
    """Convolutions with a skip, as in ResNet-8."""
    rng = np.random.default_rng(0)
    x = value = input_of("x", (16, 16, 8), -128, 127)

    def conv(x, n):
        y = Conv2d((1, 1), (1, 1, 1, 1))(x, Const(rng.integers(-9, 10, (3, 3, 8, 8))), name=f"conv {n}")
        t = np.sort(rng.integers(-9000, 9000, (8, 255)), axis=1)
        return Threshold(-128)(y, Const(t), name=f"act {n}")

    for n in range(3):
        value = Add()(conv(conv(value, f"{n} a"), f"{n} b"), value, name=f"sum {n}")
        value = Threshold(-128)(value, Const(np.arange(-127, 128)[None]), name=f"out {n}")
    return Graph((x,), (value,))


@pytest.mark.parametrize("core", CORES)
def test_the_arena_is_near_its_bound(core):
    """No more than twice what no plan can do without."""
    program = lower(residual_net(), CORES[core])
    assert program.arena_bound <= program.arena <= 2 * program.arena_bound
    bytes_ = max(p.offset for c in program.calls for p in c.pointers if p.region is Region.ARENA)
    assert bytes_ < program.arena


@given(st.integers(-(2**40), 2**40), st.integers(0, 2**41))
def test_storage_holds_every_value(lo, length):
    """Offsets are taken for bytes only, and only where values themselves do not fit."""
    kind = Int(lo, lo + length)
    dtype, offset = fitting(kind)
    info = np.iinfo(dtype)
    assert info.min <= kind.lo - offset
    assert kind.hi - offset <= info.max
    assert offset == 0 or (dtype == "int8" and not -128 <= kind.lo <= kind.hi <= 127)
    if length > 255:
        assert offset == 0


@pytest.mark.parametrize(
    ("kind", "want"),
    [
        (Int(-128, 127), ("int8", 0)),
        (Int(0, 255), ("int8", 128)),
        (Int(0, 256), ("int16", 0)),
        (Int(1000, 1255), ("int8", 1128)),
        (Int(-1, 1, 2), ("int8", 0)),
        (Int(-(2**15), 2**15 - 1), ("int16", 0)),
        (Int(0, 2**15), ("int32", 0)),
        (Int(0, 2**31), ("int64", 0)),
    ],
)  # fmt: skip
def test_the_narrowest_type_is_taken(kind, want):
    """At the edges of every type."""
    assert fitting(kind) == want


def test_a_border_moves_the_origin():
    """Top, left, bottom, right."""
    storage = Storage(TensorType((3, 4, 5), Int(0, 1)), "int16", 0, (1, 2, 3, 4))
    assert storage.padded == (7, 10, 5)
    assert (storage.row, storage.origin, storage.bytes) == (50, 60, 700)


def names(groups):
    """Each group's nodes by op, the anchor in front."""
    return [([g.anchor.op.name] if g.anchor else []) + [n.op.name for n in g.nodes] for g in groups]


def chain():
    """x and a product of it, a threshold behind it, and a table."""
    x = input_of("x", (4, 6), -8, 7)
    product = MatMul()(x, Const(np.ones((6, 6), np.int64)))
    steps = Threshold(0)(product, Const(np.arange(5)[None]))
    return x, product, steps, Lookup(0)(steps, Const(np.arange(6)))


def test_a_chain_is_one_group():
    """Single users join what they read."""
    x, *_, table = chain()
    (only,) = group(Graph((x,), (table,)))
    assert names([only]) == [["matmul", "threshold", "lookup"]]
    assert only.leaves == []


def test_what_is_read_twice_is_stored():
    """Two users, or an output: the value goes to memory, and groups part there."""
    x, product, steps, table = chain()
    twice = Add()(table, Mul()(steps, Const(np.array([3]))))
    groups = group(Graph((x,), (twice,)))
    assert names(groups) == [["matmul", "threshold"], ["lookup", "mul", "add"]]
    assert groups[1].leaves == [steps]
    assert names(group(Graph((x,), (table, steps)))) == [["matmul", "threshold"], ["lookup"]]
    assert names(group(Graph((x,), (table, product)))) == [["matmul"], ["threshold", "lookup"]]


def test_one_product_to_a_group():
    """Of the two products of a sum one is stored first."""
    x = input_of("x", (4, 6), -8, 7)
    first, second = (MatMul()(x, Const(np.full((6, 6), n))) for n in (1, 2))
    groups = group(Graph((x,), (Add()(first, second),)))
    assert sorted(map(len, names(groups))) == [1, 2]
    assert groups[-1].leaves == [v for v in (first, second) if v is not groups[-1].anchor]


def test_only_large_constants_are_elements():
    """Numbers, channels' rows and tables are parameters of a kernel; what is as large as a tensor is read."""
    x = input_of("x", (4, 6), -8, 7)
    whole = Const(np.arange(24).reshape(4, 6))
    for constant, count in ((whole, 2), (Const(np.arange(6)), 1), (Const(np.array([3])), 1)):
        assert len(elements_of(Add()(x, constant))) == count
    assert elements_of(Threshold()(whole, Const(np.array([[1, 2]])))) == [whole]
    assert elements_of(Lookup(-8)(x, Const(np.arange(16)))) == [x]
