"""Products of two computed tensors in designs: attention, one tensor as both operands, any shape, in time."""

import numpy as np
import pytest

from dag_bench import check, check_interval, compiled
from gatewright.boards import load
from gatewright.compiler.ir.graph import Const, Graph, input_of
from gatewright.compiler.ir.ops import Add, BatchMatMul, MatMul, Reshape, Slice, Threshold, Transpose
from gatewright.errors import LoweringError
from gatewright.hw.build import assemble
from gatewright.hw.folding import fold
from gatewright.hw.layers import layers
from gatewright.hw.units.fifo import FIFO
from gatewright.hw.units.matrix_product import MATRIX_PRODUCT
from random_dags import quick_folds

FRAMES = 8
INPUTS = [(-1, 1, 2), (0, 1, 1), (0, 15, 1), (-8, 7, 1), (-128, 127, 1)]


def steps(rng, value, count: int, name: str, low: int = 0):
    """Thresholds in between, so that the next product has few bits."""
    t = value.type.dtype
    return Threshold(low)(value, Const(np.sort(rng.integers(t.lo, t.hi + 1, (1, count)), axis=1)), name=name)


def projected(rng, x, columns: int, name: str):
    return steps(rng, MatMul()(x, Const(rng.integers(-4, 5, (x.type.shape[-1], columns)))), 7, name, -4)


def attention(seed: int, tokens: int = 5, width: int = 4, heads: int = 1) -> Graph:
    """softmax-less attention with a residual sum; heads become the leading axis."""
    rng = np.random.default_rng([5, seed])
    x = input_of("x", (tokens, width * heads), -8, 7)
    q, k, v = (projected(rng, x, width * heads, name) for name in "qkv")
    split = (tokens, heads, width)
    q, v = (Transpose((1, 0, 2))(Reshape(split)(part)) for part in (q, v))
    k = Transpose((1, 2, 0))(Reshape(split)(k))
    scores = steps(rng, BatchMatMul()(q, k, name="scores"), 15, "weights")
    mixed = Transpose((1, 0, 2))(BatchMatMul()(scores, v, name="mixed"))
    total = Add()(Reshape((tokens, width * heads))(mixed), x, name="sum")
    return Graph((x,), (steps(rng, total, 7, "out"),), "attention")


def with_itself(turned: str, seed: int = 0) -> Graph:
    """x times its transpose, on either side."""
    x = input_of("x", (3, 4), *INPUTS[seed % len(INPUTS)])
    other = Transpose((1, 0))(x)
    operands = {"second": (x, other), "first": (other, x)}[turned]
    return Graph((x,), (BatchMatMul()(*operands, name="gram"),), "gram")


def square() -> Graph:
    """x @ x: one stream to both ports, the first of which waits for the whole of the other."""
    x = input_of("x", (2, 3, 3), -8, 7)
    return Graph((x,), (BatchMatMul()(x, x, name="square"),), "square")


def random_product(seed: int) -> Graph:
    """Parts of one input as operands of any shape and type."""
    rng = np.random.default_rng([23, seed])
    lead, m, k, n = (int(v) for v in rng.integers(1, 5, 4))
    x = input_of("x", (lead, (m + n) * k), *INPUTS[int(rng.integers(len(INPUTS)))])
    a = Reshape((lead, m, k))(Slice((0, 0), (lead, m * k), (1, 1))(x))
    b = Reshape((lead, k, n))(Slice((0, m * k), (lead, (m + n) * k), (1, 1))(x))
    if rng.random() < 0.5:
        a = steps(rng, a, int(rng.choice([1, 3])), "a", int(rng.integers(-2, 1)))
    if rng.random() < 0.5:
        b = Threshold(-1, 2)(b, Const(np.array([[max(b.type.dtype.lo + 1, 0)]])), name="b")
    return Graph((x,), (BatchMatMul()(a, b, name="product"),), "product")


def check_graph(graph: Graph, folding: int) -> None:
    """Under gaps and stalls, and free-running at the interval that the design tells."""
    chain = layers(graph)
    design = assemble("product", chain, quick_folds(folding, chain, 50 + 200 * (folding % 2)))
    simulation = compiled(design)
    check(graph, design, FRAMES, simulation, gap=0.3, stall=0.3, seed=folding)
    check_interval(graph, design, simulation)


@pytest.mark.parametrize("seed", range(16))
def test_random_products(seed):
    check_graph(random_product(seed), seed)


@pytest.mark.parametrize("folding", range(4))
def test_attention(folding):
    """Values wait in FIFOs for scores, queries for keys, and the input for both, without a clock lost."""
    check_graph(attention(folding), folding)


@pytest.mark.parametrize("folding", range(2))
def test_attention_of_two_heads(folding):
    check_graph(attention(folding, 4, 3, 2), folding)


@pytest.mark.parametrize("turned", ["first", "second"])
@pytest.mark.parametrize("seed", range(5))
def test_a_tensor_times_its_transpose(turned, seed):
    check_graph(with_itself(turned, seed), seed)


@pytest.mark.parametrize("folding", range(4))
def test_one_tensor_as_both_operands(folding):
    """Neither deadlocks nor loses a clock."""
    check_graph(square(), folding)


def test_the_first_operand_waits_for_the_whole_second():
    """Its FIFO holds what comes of it meanwhile."""
    chain = layers(square())
    design = assemble("square", chain, quick_folds(1, chain, 50))
    (place,) = [n for n, i in enumerate(design.instances) if i.unit is MATRIX_PRODUCT]
    a, b = (design.instances[source.place] for source in design.sources(place))
    assert a.unit is b.unit is FIFO
    assert a.p.DEPTH * a.input.lanes > 9 - a.input.lanes
    assert b.p.DEPTH == 2


def test_values_wait_in_the_unit_that_they_are_for():
    """Scores take about a frame, during which the values' next matrix fills the other half of the buffer."""
    graph = attention(1, 16, 8)
    design = fold(graph.name, layers(graph), load("radiona_ulx3s_85f"), 5000)
    (mixed,) = [n for n, i in enumerate(design.instances) if i.name.endswith("mixed_mm")]
    _, values = (design.instances[source.place] for source in design.sources(mixed))
    assert values.input.beats == 16 * 8 // values.input.lanes
    assert values.input.beats / 4 > values.p.DEPTH


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 250))
def test_many_random_products(seed):
    check_graph(random_product(seed), seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 160))
def test_many_attentions(seed):
    check_graph(attention(seed, 3 + seed % 4, 2 + seed % 3, 1 + seed % 2), seed)


def test_a_constant_operand_is_refused():
    x = input_of("x", (2, 3), 0, 3)
    node = BatchMatMul()(Const(np.ones((4, 2), int)), x, name="mix")
    message = (
        r"^fpga: batch_matmul must multiply two computed tensors, not 1 constant \(node 'mix'\)\. "
        r"Write it as a matmul, between transposes where the constant is in front\.$"
    )
    chain = layers(Graph((x,), (node,), "g"))
    with pytest.raises(LoweringError, match=message):
        assemble("g", chain, quick_folds(0, chain))
