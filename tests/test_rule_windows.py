"""Convolutions that take more than a pixel at once: windows that come whole, or in parts of any size."""

import numpy as np
import pytest

from dag_bench import check, check_interval, compiled
from gatewright.compiler.ir.graph import Const, Graph, input_of
from gatewright.compiler.ir.ops import Conv2d, Threshold
from gatewright.hw.build import assemble
from gatewright.hw.layers import layers
from gatewright.hw.lower import FPGA
from gatewright.hw.units.whole_window import WHOLE_WINDOW

INPUTS = [(0, 15), (-8, 7), (3, 9)]
SEEDS = range(16)


def convolution(seed: int) -> Graph:
    """A convolution of any shape that spans several pixels, perhaps with thresholds behind it."""
    rng = np.random.default_rng([11, seed])
    kernel = tuple(int(v) for v in rng.integers(1, 4, 2)) if seed % 4 else (3, 3)
    kernel = kernel if kernel != (1, 1) else (1, 2)
    channels, outputs = int(rng.integers(1, 4)), int(rng.integers(1, 5))
    dilations = (2, 1) if seed % 5 == 0 else (1, 1)
    least = [d * (k - 1) + 1 for k, d in zip(kernel, dilations, strict=True)]
    size = tuple(int(rng.integers(n, n + 5)) for n in least)
    pads, strides = (tuple(int(v) for v in rng.integers(a, a + 2, n)) for a, n in ((0, 4), (1, 2)))
    x = input_of("x", (*size, channels), *INPUTS[seed % len(INPUTS)])
    weights = Const(rng.integers(-3, 4, (*kernel, channels, outputs)))
    value = Conv2d(strides, pads, dilations)(x, weights, name="conv")
    if seed % 2:
        steps = np.sort(rng.integers(-50, 50, (outputs, [1, 3, 7][seed % 3])), axis=1)
        value = Threshold(0)(value, Const(steps), name="act")
    return Graph((x,), (value,), f"convolution {seed}")


@pytest.mark.parametrize("seed", SEEDS)
def test_wide_foldings(seed):
    """A folding that takes more than a pixel a clock gives the reference's integers in the clocks told."""
    graph, rng = convolution(seed), np.random.default_rng(seed)
    chain, picks = layers(graph), []
    for n, layer in enumerate(chain):
        options = list(FPGA.rule(layer.node).folds(layer))
        wide = options if n else [f for f in options if f.simd > graph.inputs[0].type.shape[-1]]
        picks.append(wide[int(rng.integers(len(wide)))])
    design = assemble(graph.name, chain, picks)
    assert WHOLE_WINDOW in {i.unit for i in design.instances}
    simulation = compiled(design)
    check(graph, design, 10, simulation, gap=0.3, stall=0.3, seed=seed)
    check_interval(graph, design, simulation)
