"""Depthwise convolutions on ARM equal the reference: vectors of channels, tiles of pixels, every ISA."""

import numpy as np
import pytest

from arm_bench import Batch, Case
from gatewright.compiler.ir.graph import Const, Graph, Node, Value, input_of
from gatewright.compiler.ir.ops import Add, Conv2d, Mul, Threshold
from gatewright.compiler.neon.isa import CORES
from gatewright.compiler.neon.lower import lower
from gatewright.sim.qemu import by_function
from graph_builder import arrays

BYTE, SIGNED, SHIFTED, WORD, FEW = (0, 255), (-128, 127), (-211, 44), (-3000, 3000), (0, 3)
# (height, width), channels, multiplier, kernel, strides, pads, dilations, range of inputs, limit of weights
LAYERS = [
    ((6, 5), 64, 1, (3, 3), (1, 1), (1, 1, 1, 1), (1, 1), BYTE, 127),
    ((7, 7), 16, 1, (3, 3), (2, 2), (1, 1, 1, 1), (1, 1), SHIFTED, 128),
    ((5, 9), 24, 1, (5, 5), (1, 1), (2, 2, 2, 2), (1, 1), SIGNED, 128),
    ((9, 6), 40, 1, (3, 3), (1, 1), (2, 2, 2, 2), (2, 2), BYTE, 15),
    ((3, 11), 8, 1, (1, 5), (1, 3), (0, 1, 0, 0), (1, 1), SIGNED, 90),
    ((11, 3), 12, 1, (5, 1), (3, 1), (1, 0, 2, 0), (1, 1), BYTE, 127),
    ((8, 8), 3, 1, (3, 3), (1, 1), (1, 1, 1, 1), (1, 1), BYTE, 127),
    ((12, 9), 7, 1, (10, 4), (2, 2), (4, 1, 5, 1), (1, 1), SHIFTED, 127),
    ((6, 6), 16, 2, (3, 3), (1, 1), (1, 1, 1, 1), (1, 1), BYTE, 127),
    ((5, 5), 5, 4, (2, 3), (1, 2), (0, 0, 0, 0), (1, 1), SIGNED, 128),
    ((4, 4), 2, 8, (3, 3), (1, 1), (1, 1, 0, 0), (1, 1), FEW, 1),
    ((6, 7), 20, 1, (3, 3), (1, 1), (1, 1, 1, 1), (1, 1), WORD, 127),
    ((6, 7), 16, 1, (3, 3), (2, 1), (1, 0, 1, 2), (1, 1), FEW, 2000),
    ((4, 5), 32, 1, (1, 1), (1, 1), (0, 0, 0, 0), (1, 1), BYTE, 127),
    ((9, 9), 32, 1, (7, 7), (2, 2), (3, 3, 3, 3), (1, 1), BYTE, 60),
    ((4, 6), 6, 3, (3, 3), (1, 1), (1, 1, 1, 1), (1, 1), BYTE, 127),
]  # fmt: skip


def _layer(rng, size, channels, multiplier, kernel, strides, pads, dilations, values, limit):
    """An input, and a convolution of it with extreme weights among others."""
    x = input_of("x", (*size, channels), *values)
    m = channels * multiplier
    w = rng.integers(-limit, limit + (limit < 128), (*kernel, 1, m))
    w[..., 0], w[..., -1] = -limit, limit - (limit == 128)
    w[0, 0, 0, :] = rng.choice([-limit, limit - (limit == 128)], m)
    inputs = (x, Const(w), Const(rng.integers(-500, 500, m))) if m % 3 else (x, Const(w))
    return x, Node(Conv2d(strides, pads, dilations, channels), inputs)


def _thresholds(rng, node: Node) -> Node:
    """What a quantized network has behind a convolution: a line per channel, rounded."""
    m, top = node.type.shape[-1], node.type.dtype.magnitude
    steps = np.arange(1, 256)[None, :] * rng.integers(top // 400 + 1, top // 150 + 2, (m, 1))
    return Node(Threshold(-128), (node, Const(steps - rng.integers(0, top + 1, (m, 1)))))


def _ended(rng, i: int, x: Value, node: Node) -> Value:
    """The sums themselves, scaled and shifted, thresholds, or thresholds and an input added."""
    if i % 4 == 0:
        return _thresholds(rng, node)
    if i % 4 == 1:
        return node
    if i % 4 == 2:
        factor = Const(rng.integers(1, 5, node.type.shape[-1]))
        return Node(Add(), (Node(Mul(), (node, factor)), Const(rng.integers(-99, 99, node.type.shape[-1]))))
    small = _thresholds(rng, node)
    return Node(Add(), (small, x)) if small.type.shape == x.type.shape else small


def _cases() -> list[Case]:
    rng = np.random.default_rng(7)
    cases = []
    for i, layer in enumerate([*LAYERS, *LAYERS[:4], LAYERS[6]]):
        x, node = _layer(rng, *layer)
        graph = Graph((x,), (_ended(rng, i + i // len(LAYERS) * 3, x, node),))
        cases.append(Case(graph, (arrays(rng, x.type, 4),)))
    return cases


@pytest.mark.parametrize("core", CORES)
def test_depthwise_layers_equal_the_reference(core, tmp_path):
    """All shapes, widths and ends, at smallest, largest and random inputs."""
    batch = Batch(_cases(), core, tmp_path)
    assert batch.differences() == {}
    kinds = [{c.kernel.split("_")[1] for c in p.calls if c.macs} for p in batch.programs]
    assert all(k == {"depthwise"} for k in kinds)


def test_two_layers_share_a_border(tmp_path):
    """The first layer writes into the middle of what the second reads."""
    rng = np.random.default_rng(8)
    x, first = _layer(rng, *LAYERS[0])
    weights = Const(rng.integers(-127, 128, (3, 3, 1, 64)))
    second = Node(Conv2d((1, 1), (1, 1, 1, 1), (1, 1), 64), (_thresholds(rng, first), weights))
    case = Case(Graph((x,), (_thresholds(rng, second),)), (arrays(rng, x.type, 3),))
    assert Batch([case], "cortex-a76", tmp_path).differences() == {}
    program = lower(case.graph, CORES["cortex-a76"])
    # A copy with a border of the caller's input, none of what lies between.
    assert sum(c.kernel.startswith("gwk_copy") for c in program.calls) == 1


def test_a_depthwise_layer_takes_few_instructions(tmp_path):
    """Per 16 results of a 3x3 layer, requantized: 80 instructions without SDOT, 62 with."""
    rng = np.random.default_rng(9)
    x, node = _layer(rng, (24, 24), *LAYERS[0][1:])
    case = Case(Graph((x,), (_thresholds(rng, node),)), (arrays(rng, x.type, 3),))
    for core, most in (("cortex-a72", 80), ("cortex-a76", 62)):
        batch = Batch([case], core, tmp_path / core)
        counts = by_function(tmp_path / core / "all", batch.run(blocks=True, frames=2))
        taken = sum(n for name, n in counts.items() if "depthwise" in name) / 2
        assert 0 < taken < most * node.type.size / 16
