"""Transposed convolutions on ARM equal the reference: every phase of their output a convolution."""

import numpy as np
import pytest

from arm_bench import Batch, Case
from gatewright.compiler.ir.graph import Const, Graph, Node, input_of
from gatewright.compiler.ir.ops import Add, ConvTranspose2d, Threshold
from gatewright.compiler.neon.isa import CORES
from gatewright.sim.qemu import by_function
from graph_builder import arrays

BYTE, SIGNED, WORD = (0, 255), (-128, 127), (-3000, 3000)
# (height, width, channels), kernel, outputs, strides, pads, output padding, dilations, groups, range
LAYERS = [
    ((5, 6, 16), (4, 4), 16, (2, 2), (1, 1, 1, 1), (0, 0), (1, 1), 1, BYTE),
    ((4, 5, 8), (3, 3), 20, (2, 2), (1, 1, 1, 1), (1, 1), (1, 1), 1, SIGNED),
    ((4, 4, 3), (2, 2), 5, (3, 3), (0, 0, 0, 0), (2, 1), (1, 1), 1, BYTE),
    ((6, 5, 8), (3, 3), 9, (1, 1), (1, 0, 2, 1), (0, 0), (1, 1), 1, SIGNED),
    ((5, 5, 16), (3, 3), 16, (2, 3), (2, 2, 0, 1), (0, 0), (1, 2), 16, BYTE),
    ((4, 3, 4), (1, 3), 6, (2, 1), (0, 0, 0, 0), (1, 0), (1, 1), 2, BYTE),
    ((3, 4, 4), (5, 2), 8, (2, 2), (5, 0, 0, 1), (0, 0), (2, 3), 1, BYTE),
    ((4, 4, 4), (3, 3), 8, (2, 2), (0, 0, 0, 0), (0, 0), (1, 1), 1, WORD),
]


def _case(rng, ended: int, size, kernel, m, strides, pads, extra, dilations, groups, values) -> Case:
    x = input_of("x", size, *values)
    w = Const(rng.integers(-128, 128, (*kernel, size[2] // groups, m)))
    op = ConvTranspose2d(strides, pads, extra, dilations, groups)
    out = Node(op, (x, w, Const(rng.integers(-500, 500, m))) if ended != 1 else (x, w))
    if ended:
        top = out.type.dtype.magnitude
        steps = np.arange(1, 256)[None, :] * rng.integers(top // 400 + 1, top // 150 + 2, (m, 1))
        out = Node(Threshold(-128), (out, Const(steps - rng.integers(0, top + 1, (m, 1)))))
    if ended == 2:
        out = Node(Add(), (out, Const(rng.integers(-99, 99, out.type.shape))))
    return Case(Graph((x,), (out,)), (arrays(rng, x.type, 4),))


@pytest.mark.parametrize("core", CORES)
def test_transposed_convolutions_equal_the_reference(core, tmp_path):
    """Kernels larger and smaller than strides, with gaps, pads cut off; sums, bytes, and bytes added to."""
    rng = np.random.default_rng(19)
    cases = [_case(rng, i % 3, *layer) for i, layer in enumerate([*LAYERS, LAYERS[0], LAYERS[0]])]
    assert Batch(cases, core, tmp_path).differences() == {}


def test_an_upsampling_layer_takes_few_instructions(tmp_path):
    """Of 64 products for each result 64 count; one instruction does at least four of them with SDOT."""
    case = _case(np.random.default_rng(20), 1, *LAYERS[0])
    batch = Batch([case], "cortex-a76", tmp_path)
    counts = by_function(tmp_path / "all", batch.run(blocks=True, frames=1))
    taken = sum(n for name, n in counts.items() if "gwk" in name)
    assert 0 < taken < 16 * case.graph.outputs[0].type.size
