"""Transposed convolutions in RTL: random ones of every attribute against the op, in the interval told."""

import numpy as np
import pytest

from dag_bench import check, check_interval, compiled
from gatewright.compiler.ir.graph import Const, Graph, Node, input_of
from gatewright.compiler.ir.ops import ConvTranspose2d
from gatewright.hw.build import assemble
from gatewright.hw.layers import layers
from random_dags import quick_folds

FRAMES = 6
INPUTS = [(-1, 1, 2), (0, 1, 1), (0, 15, 1), (-8, 7, 1), (3, 9, 1), (-128, 127, 1)]


def node_of(shape, kernel, m, x=(-8, 7, 1), signs=False, bias=True, groups=1, **attributes) -> Node:
    """One transposed convolution with random weights."""
    rng = np.random.default_rng([*shape, *kernel, m, groups])
    size = (*kernel, shape[2] // groups, m)
    weights = rng.choice([-1, 1], size) if signs else rng.integers(-8, 8, size)
    consts = [Const(weights)] + [Const(rng.integers(-50, 50, m))] * bias
    return ConvTranspose2d(groups=groups, **attributes)(input_of("x", shape, *x), *consts, name="up")


def random_node(seed: int) -> Node:
    """Any strides, dilations, pads and groups of an image of a few pixels."""
    rng = np.random.default_rng([91, seed])
    groups = int(rng.choice([1, 1, 1, 2, 3]))
    shape = (*(int(n) for n in rng.integers(1, 6, 2)), groups * int(rng.integers(1, 4)))
    kernel, strides = (tuple(int(n) for n in rng.integers(1, 5, 2)) for _ in range(2))
    dilations = tuple(int(n) for n in rng.choice([1, 1, 2, 3], 2))
    extra = tuple(int(rng.integers(0, max(s, d))) for s, d in zip(strides, dilations, strict=True))
    full = [
        (n - 1) * s + (k - 1) * d + 1 + e
        for n, s, k, d, e in zip(shape, strides, kernel, dilations, extra, strict=False)
    ]
    before = [int(rng.integers(0, min(4, f - 1) + 1)) for f in full]
    after = [int(rng.integers(0, min(4, f - 1 - p) + 1)) for f, p in zip(full, before, strict=True)]
    return node_of(
        shape, kernel, groups * int(rng.integers(1, 4)), INPUTS[int(rng.integers(len(INPUTS)))],
        bool(rng.integers(2)), bool(rng.integers(2)), groups, strides=strides, dilations=dilations,
        output_padding=extra, pads=(*before, *after),
    )  # fmt: skip


NODES = {
    "unet": node_of((3, 4, 4), (2, 2), 3, strides=(2, 2)),
    "gan": node_of((3, 3, 2), (4, 4), 2, strides=(2, 2), pads=(1, 1, 1, 1)),
    "odd": node_of((3, 4, 2), (3, 3), 4, strides=(2, 2), pads=(1, 1, 1, 1), output_padding=(1, 1)),
    "one_axis": node_of((1, 6, 3), (1, 4), 2, strides=(1, 3)),
    "stride_1": node_of((4, 4, 2), (3, 2), 2, pads=(1, 0, 1, 1)),
    "dilated": node_of((3, 3, 2), (2, 3), 2, strides=(2, 3), dilations=(2, 2)),
    "depthwise": node_of((3, 4, 3), (4, 4), 3, groups=3, strides=(2, 2), pads=(1, 1, 1, 1), bias=False),
    "signs": node_of((3, 3, 4), (2, 2), 4, (-1, 1, 2), True, strides=(2, 2), pads=(0, 0, 1, 1)),
    "rows_that_nothing_reads": node_of((5, 5, 1), (2, 2), 2, strides=(2, 2), pads=(5, 4, 3, 4)),
    "padding_alone": node_of((2, 2, 1), (1, 1), 2, strides=(5, 5), pads=(7, 7, 0, 0), output_padding=(4, 4)),
}


def graph_of(node: Node) -> Graph:
    return Graph((node.inputs[0],), (node,), "up")


def check_node(node: Node, folding: int) -> None:
    """Under gaps and stalls, and free-running at the interval that the design tells."""
    graph = graph_of(node)
    chain = layers(graph)
    design = assemble("up", chain, quick_folds(folding, chain, 60 + 400 * (folding % 2)))
    simulation = compiled(design)
    check(graph, design, FRAMES, simulation, gap=0.3, stall=0.3, seed=folding)
    check_interval(graph, design, simulation)


@pytest.mark.parametrize("folding", range(2))
@pytest.mark.parametrize("name", NODES)
def test_values_and_interval(name, folding):
    check_node(NODES[name], folding)


@pytest.mark.parametrize("seed", range(16))
def test_random(seed):
    check_node(random_node(seed), seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 300))
def test_many_random(seed):
    check_node(random_node(seed), seed)
