"""First layers on ARM equal the reference: few channels, whose runs are gathered to be multiplied."""

import numpy as np
import pytest

from arm_bench import Batch, Case
from gatewright.compiler.ir.graph import Const, Graph, Node, input_of
from gatewright.compiler.ir.ops import Conv2d, Threshold
from gatewright.compiler.neon.isa import CORES
from gatewright.compiler.neon.rules.gather import gathered
from gatewright.compiler.neon.rules.shapes import Shape
from gatewright.sim.qemu import by_function
from graph_builder import arrays

# (height, width, channels), kernel, outputs, strides, pads, dilations, range of inputs
LAYERS = [
    ((25, 10, 1), (10, 4), 32, (2, 2), (4, 1, 5, 1), (1, 1), (-211, 44)),
    ((8, 9, 3), (3, 3), 16, (1, 1), (1, 1, 1, 1), (1, 1), (0, 255)),
    ((15, 14, 3), (7, 7), 24, (2, 2), (3, 3, 3, 3), (1, 1), (0, 255)),
    ((9, 7, 1), (5, 5), 19, (1, 1), (0, 0, 0, 0), (1, 1), (-128, 127)),
    ((9, 7, 2), (3, 2), 33, (3, 1), (2, 0, 0, 1), (2, 1), (-128, 127)),
    ((11, 6, 6), (3, 3), 17, (1, 2), (1, 1, 1, 1), (1, 1), (0, 100)),
]


def _case(rng, size, kernel, m, strides, pads, dilations, values) -> Case:
    x = input_of("x", size, *values)
    w = Const(rng.integers(-128, 128, (*kernel, size[2], m)))
    conv = Node(Conv2d(strides, pads, dilations), (x, w, Const(rng.integers(-500, 500, m))))
    top = conv.type.dtype.magnitude
    steps = np.arange(1, 256)[None, :] * rng.integers(top // 400 + 1, top // 150 + 2, (m, 1))
    t = Const(steps - rng.integers(0, top + 1, (m, 1)))
    return Case(Graph((x,), (Node(Threshold(0), (conv, t)),)), (arrays(rng, x.type, 4),))


@pytest.mark.parametrize("core", CORES)
def test_first_layers_equal_the_reference(core, tmp_path):
    """Small and large kernels, strides, borders and dilated rows."""
    rng = np.random.default_rng(11)
    assert Batch([_case(rng, *layer) for layer in LAYERS], core, tmp_path).differences() == {}


def test_a_first_layer_takes_few_instructions(tmp_path):
    """The 10x4 layer of DS-CNN: what sums of 40 bytes need in blocks of 16 (16.3 and 5 a result)."""
    case = _case(np.random.default_rng(12), (49, 8, 1), *LAYERS[0][1:])
    for core, most in (("cortex-a72", 17), ("cortex-a76", 6)):
        batch = Batch([case], core, tmp_path / core)
        counts = by_function(tmp_path / core / "all", batch.run(blocks=True, frames=2))
        taken = sum(n for name, n in counts.items() if "_dot_" in name or "_long_" in name) / 2
        assert 0 < taken < most * case.graph.outputs[0].type.size


def test_runs_are_gathered_where_that_saves_blocks():
    """Runs of 9 bytes are; whole blocks, single runs, single rows and rows too wide are not."""
    few = Shape(32, 32, 102, 3, 3, 102, 9, 16)
    assert gathered(few, False) == Shape(32, 32, 0, 32, 1, 0, 27, 16)
    assert gathered(few, True) == Shape(32, 32, 0, 32, 1, 0, 27, 16)
    for dot in (False, True):
        assert gathered(Shape(32, 32, 544, 16, 3, 544, 48, 16), dot) is None
        assert gathered(Shape(32, 32, 34, 1, 1, 0, 9, 16), dot) is None
        assert gathered(Shape(1, 32, 34, 1, 3, 34, 9, 16), dot) is None
        assert gathered(Shape(32, 600, 1806, 3, 3, 1806, 9, 16), dot) is None
