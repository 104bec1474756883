"""Cuts of graphs: parts that compute what the whole does, candidates, and what cannot be cut."""

import re

import numpy as np
import pytest

from gatewright.compiler.ir.evaluate import evaluate
from gatewright.compiler.ir.graph import Const, Graph, Node, input_of
from gatewright.compiler.ir.ops import Add, MatMul, Threshold, Transpose
from gatewright.compiler.split.candidates import Machine, candidates
from gatewright.compiler.split.cost import CORES, Link, instructions
from gatewright.compiler.split.partition import AFTER, BEFORE, MIDDLE, STREAM_IN, Split, partition
from gatewright.errors import GraphError
from graph_builder import arrays
from random_dags import random_dag
from split_nets import residual_net

NET = residual_net()
NODES = [n.name for n in NET.nodes()]
# What a random cut may be refused for.
_UNJOINABLE = r"same size but for their channels|cannot be joined: lookup: .*\. Cut elsewhere\.$"
MACHINE = Machine("cortex-a9", 650, 53200, 100)


def frames(graph: Graph, seed: int = 0) -> np.ndarray:
    return arrays(np.random.default_rng(seed), graph.inputs[0].type)


def require_same(graph: Graph, split: Split, x: np.ndarray) -> None:
    """The parts, one after the other, give the whole's outputs, and every tensor is of its type."""
    known = split.evaluate(x)
    for name, want in zip(split.outputs, evaluate(graph, x), strict=True):
        np.testing.assert_array_equal(known[name], want)
    assert set(known) == set(split.tensors)
    for name, values in known.items():
        type_ = split.tensors[name]
        assert values.shape[1:] == type_.shape
        assert type_.dtype.contains(values)


@pytest.mark.parametrize("seed", range(24))
def test_parts_of_random_graphs_compute_the_whole(seed):
    """Every range of nodes whose borders a stream can carry; no part reads what comes later."""
    graph = random_dag(seed)
    nodes, x = graph.nodes(), frames(random_dag(seed), seed)
    done = 0
    for first in range(len(nodes)):
        for last in range(first, len(nodes)):
            split = cut(graph, nodes[first : last + 1])
            if split is not None:
                require_same(graph, split, x)
                done += 1
    assert done >= len(nodes)


@pytest.mark.parametrize("seed", range(24))
def test_any_convex_set_can_be_the_middle(seed):
    """Nodes between two random sets that are closed upward and downward, next to each other or not."""
    graph, rng = random_dag(seed), np.random.default_rng(seed)
    nodes, x = graph.nodes(), frames(graph, seed)
    done = 0
    for _ in range(20):
        low, high = (closed(nodes, rng.random(len(nodes)) < 0.3) for _ in range(2))
        middle = [n for n in nodes if id(n) in high - low]
        split = cut(graph, middle) if middle else None
        if split is not None:
            require_same(graph, split, x)
            assert middle_ops(split) >= {n.op for n in middle}
            done += 1
    assert done


def cut(graph: Graph, nodes: list[Node]) -> Split | None:
    """The split with these nodes on the FPGA; None where no stream carries what crosses."""
    try:
        return partition(graph, nodes)
    except GraphError as error:
        if re.search(_UNJOINABLE, str(error)):
            return None
        raise


def closed(nodes: list[Node], picked: np.ndarray) -> set[int]:
    """Ids of the picked nodes and all that they need."""
    found = {id(n) for n, p in zip(nodes, picked, strict=True) if p}
    for node in reversed(nodes):
        if id(node) in found:
            found |= {id(v) for v in node.inputs if isinstance(v, Node)}
    return found


def middle_ops(split: Split) -> set:
    return {n.op for n in split.part(MIDDLE).graph.nodes()}


def middle(*names: str) -> list[Node]:
    return [n for n in NET.nodes() if n.name in names]


def test_what_crosses_is_named():
    """A tensor that is streamed and needed behind the FPGA as well is one; two streamed ones are joined."""
    kept = partition(NET, middle("first", "first_act", "second", "second_act"))
    assert [p.name for p in kept.parts] == [BEFORE, MIDDLE, AFTER]
    assert kept.part(BEFORE).gives == (STREAM_IN,)
    assert kept.part(AFTER).takes == ("stream_out", STREAM_IN)
    joined = partition(NET, middle("second", "second_act", "sum", "act"))
    assert joined.tensors[STREAM_IN].shape == (6, 6, 8)
    assert joined.part(AFTER).takes == ("stream_out",)
    whole = partition(NET, NET.nodes())
    assert [p.name for p in whole.parts] == [MIDDLE]
    assert (whole.stream_in, whole.outputs) == ("input", ("stream_out",))


def test_input_kept_beside_the_fpga():
    """The graph's input goes to the FPGA and around it; before it there is nothing to compute."""
    x = input_of("stream_out", (2, 2, 3), -4, 3)  # named as what we call ours
    act = Threshold()(x, Const(np.arange(3)[None]), name="input")
    graph = Graph((x,), (Add()(act, x, name="stream_out_"),), "skip")
    split = partition(graph, [act])
    assert [p.name for p in split.parts] == [MIDDLE, AFTER]
    assert split.part(AFTER).takes == ("stream_out", "input")
    require_same(graph, split, frames(graph))


def test_refused_cuts():
    """No node, a tensor that flows back, and tensors that no stream carries."""
    with pytest.raises(GraphError, match=r"^split: the FPGA must get at least one node, not none$"):
        partition(NET, [])
    message = (
        r"^split: no tensor may flow back to the FPGA, but conv2d 'second' needs threshold 'first_act', "
        r"which needs the FPGA itself\. Take the nodes between onto the FPGA as well\.$"
    )
    with pytest.raises(GraphError, match=message):
        partition(NET, middle("first", "second"))
    x = input_of("x", (2, 3), 0, 3)
    act = Threshold()(x, Const(np.array([[1, 2]])))
    turned = Transpose((1, 0))(act)
    graph = Graph((x,), (act, turned), "two")
    message = (
        r"^split: what the FPGA writes must be one tensor, or several of the same size but for their "
        r"channels, not \[0\.\.2\]\[2, 3\], \[0\.\.2\]\[3, 2\]\. Cut elsewhere\.$"
    )
    with pytest.raises(GraphError, match=message):
        partition(graph, [act, turned])


def test_candidates_keep_to_what_each_side_takes():
    """Nothing outside of a side's nodes, the quickest first; each is a cut that can be made."""
    nodes = NET.nodes()
    everything = {id(n) for n in nodes}
    everywhere = candidates(NET, MACHINE, everything, everything)
    totals = [c.times.total for c in everywhere]
    assert totals == sorted(totals)
    for c in everywhere:
        split = partition(NET, nodes[c.first : c.last + 1])
        types = [split.tensors[t] for t in (split.stream_in, split.stream_out)]
        for size, type_ in zip((c.bytes_in, c.bytes_out), types, strict=True):
            assert size <= -(-type_.size * type_.dtype.bits // 8)
    no_head = {id(n) for n in nodes if n.name != "head"}
    assert {c.last for c in candidates(NET, MACHINE, no_head, everything)} <= set(range(len(nodes) - 1))
    assert all(c.last == len(nodes) - 1 for c in candidates(NET, MACHINE, everything, no_head))
    no_stem = {id(n) for n in nodes if n.name != "stem"}
    assert min(c.first for c in candidates(NET, MACHINE, no_stem, everything)) == 1
    assert candidates(NET, MACHINE, set(), everything) == []


def test_costs_are_of_the_work():
    """Counts grow with products and bits; a reshape is nothing; a transfer has its setup and its bytes."""
    core = CORES["cortex-a9"]
    by_name = {n.name: n for n in NET.nodes()}
    assert instructions(by_name["flat"], core) == 0
    stem, first = (instructions(by_name[n], core) for n in ("stem", "first"))
    assert stem == pytest.approx(core.call + 3888 * core.long)
    assert first == pytest.approx(core.call + 5184 * core.low)
    assert Link(8, 5.0).microseconds(800, 100) == pytest.approx(6.0)


def test_a_matrix_crosses(tmp_path):
    """Vectors and matrices are split like images."""
    rng = np.random.default_rng(3)
    x = input_of("x", (4, 6), -8, 7)
    sums = MatMul()(x, Const(rng.integers(-4, 4, (6, 5))), name="product")
    act = Threshold()(sums, Const(np.arange(-20, 20, 8)[None]), name="act")
    graph = Graph((x,), (MatMul()(act, Const(rng.integers(-4, 4, (5, 2))), name="out"),), "matrix")
    require_same(graph, partition(graph, [sums, act]), frames(graph))
