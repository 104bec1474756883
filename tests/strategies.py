"""Random integer graphs for Hypothesis, over all ops, always with inputs that fit them.

Hypothesis draws the structure and one seed; numpy draws constants and inputs from that seed.
"""

import numpy as np
from hypothesis import strategies as st

from branch_makers import add_join, add_order
from gatewright.compiler.ir.boundary import InputEncoding, OutputDecoding
from gatewright.compiler.ir.evaluate import evaluate
from gatewright.compiler.ir.graph import Graph, Node
from gatewright.compiler.ir.ops import (
    OPS,
    Add,
    AdderConv2d,
    AdderMatMul,
    ArgMax,
    BatchMatMul,
    Concat,
    Conv2d,
    ConvTranspose2d,
    DepthToSpace,
    Lookup,
    MatMul,
    MaxPool,
    Mul,
    Pad,
    ReduceSum,
    Reshape,
    Slice,
    SpaceToDepth,
    SumPool,
    Threshold,
    Transpose,
    Upsample,
)
from gatewright.compiler.ir.types import TensorType
from graph_builder import Builder, arrays

# What front ends make; it is such sequences that passes match.
_MOTIFS = (
    (MatMul, Add, Mul, Add, Threshold),
    (MatMul, Mul, Threshold),
    (MatMul, Threshold),
    (Conv2d, Transpose, Add, Threshold, Transpose, MaxPool),
    (Conv2d, MaxPool, Threshold),
    (Transpose, Threshold, Reshape, MatMul),
    (Transpose, Reshape, MatMul, Threshold),
    (Reshape, Threshold, Threshold),
    (Transpose, Transpose, Add),
)
# Branches, resampling, pooling and tables.
_MORE_MOTIFS = (
    (Conv2d, Threshold, Concat, Conv2d),
    (ConvTranspose2d, Threshold, Slice),
    (SpaceToDepth, Conv2d, Lookup, DepthToSpace),
    (Upsample, Concat, Pad, Conv2d),
    (SumPool, Threshold, ReduceSum),
    (ReduceSum, Threshold, MatMul, Lookup),
    (Lookup, BatchMatMul, Threshold),
    (Slice, Mul, Concat, Lookup),
    # One function of an element after another.
    (Threshold, Lookup, Threshold),
    (Lookup, Mul, Add, Lookup),
    (Threshold, Threshold, Add),
    # What is narrowed behind copies, and layouts on their way down.
    (Upsample, Threshold, Pad, Lookup),
    (Conv2d, DepthToSpace, Threshold),
    (Concat, Threshold, Conv2d),
    (Transpose, Slice, Pad, Transpose),
    (Transpose, Reshape, Transpose, Reshape, Transpose),
    (Transpose, ReduceSum, Lookup, Reshape),
    (Transpose, SumPool, Upsample, MaxPool, Transpose),
    (Transpose, MatMul, ArgMax),
    # Adder layers and what comes of their batch norm.
    (AdderConv2d, Mul, Add, Threshold, MaxPool),
    (Threshold, AdderConv2d, Threshold, AdderMatMul),
    (Reshape, AdderMatMul, Add, Lookup),
)

# Float thresholds are drawn for inputs of up to 8 bits; more would only be slow.
_MOST_LEVELS = 2**8


def _encoding(b: Builder, type_: TensorType) -> InputEncoding:
    axes = len(type_.shape)
    perm = tuple(b.draw(st.permutations(range(axes))))
    source = [0] * axes
    for a, length in zip(perm, type_.shape, strict=True):
        source[a] = length
    rows, count = b.one_of(1, *source[:1]), type_.dtype.levels - 1
    if b.integer(0, 1) == 0 or count >= _MOST_LEVELS:
        return InputEncoding(tuple(source), perm)
    t = np.sort(b.rng.normal(size=(rows, count)).astype(np.float32), axis=1)
    return InputEncoding(tuple(source), perm, t, b.one_of(None, 0.1))


def _decoding(b: Builder, type_: TensorType) -> OutputDecoding:
    perm = tuple(b.draw(st.permutations(range(len(type_.shape)))))
    source = tuple(type_.shape[a] for a in perm)
    scale = b.rng.normal(size=b.one_of((1,), source[:1] or (1,)))
    return OutputDecoding(source, perm, scale, b.rng.normal(size=(1,)))


@st.composite
def graphs_with_inputs(draw) -> tuple[Graph, tuple[np.ndarray, ...]]:
    """A random valid graph and integer frames in its source layout, for ``run_through``."""
    b = Builder(draw, np.random.default_rng(draw(st.integers(0, 2**32 - 1))))
    for _ in range(b.integer(1, 2)):
        b.input()
    inputs = tuple(b.values)
    for _ in range(b.integer(0, 4)):
        kind = b.integer(0, 5)
        if kind == 5:
            b.one_of(add_join, add_join, add_order)(b)
            continue
        steps = b.one_of(*_MOTIFS) if kind > 2 else b.one_of(*_MORE_MOTIFS)
        for op in steps if kind else [b.one_of(*OPS) for _ in range(3)]:
            b.add(op)
    nodes = [v for v in b.values if isinstance(v, Node)]
    if nodes and b.integer(0, 3) == 0:
        # Computed once more, as some exporters write it.
        twin = b.one_of(*nodes)
        b.values.append(Node(twin.op, twin.inputs))
    used = {id(v) for node in b.values if isinstance(node, Node) for v in node.inputs}
    outputs = [v for v in b.values if id(v) not in used and isinstance(v, Node)] or [b.values[-1]]
    if b.integer(0, 3) == 0:
        outputs.append(b.one_of(*b.values))
    plain = b.integer(0, 1)
    graph = Graph(
        inputs,
        tuple(outputs),
        b.one_of("model", 'odd "name"\n'),
        () if plain else tuple(_encoding(b, i.type) for i in inputs),
        () if plain else tuple(_decoding(b, o.type) for o in outputs),
    )
    return graph, tuple(_source(graph, i, arrays(b.rng, v.type)) for i, v in enumerate(inputs))


def _source(graph: Graph, i: int, frames: np.ndarray) -> np.ndarray:
    if not graph.encodings:
        return frames
    return frames.transpose((0, *(1 + int(a) for a in np.argsort(graph.encodings[i].perm))))


def graphs() -> st.SearchStrategy[Graph]:
    """Random valid graphs over all ops."""
    return graphs_with_inputs().map(lambda case: case[0])


def to_frames(graph: Graph, frames: tuple[np.ndarray, ...]) -> tuple[np.ndarray, ...]:
    """Integer frames of the source's layout in the graph's."""
    if not graph.encodings:
        return frames
    return tuple(e.apply(f, i.type) for e, f, i in zip(graph.encodings, frames, graph.inputs, strict=True))


def run_through(graph: Graph, frames: tuple[np.ndarray, ...]) -> list[np.ndarray]:
    """Integer outputs in the source's layout for integer frames in the source's layout."""
    results = evaluate(graph, *to_frames(graph, frames))
    if graph.decodings:
        return [d.integers(r) for d, r in zip(graph.decodings, results, strict=True)]
    return list(results)
