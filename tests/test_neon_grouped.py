"""Convolutions in groups on ARM equal the reference: each group a product, each multiple a depthwise one."""

import numpy as np
import pytest

from arm_bench import Batch, Case
from gatewright.compiler.ir.graph import Const, Graph, Node, input_of
from gatewright.compiler.ir.ops import Add, Conv2d, Lookup, Mul, Threshold
from gatewright.sim.qemu import by_function
from graph_builder import arrays

BYTE, SIGNED, FEW, WORD = (0, 255), (-128, 127), (-2, 1), (-3000, 3000)
# (height, width, channels), kernel, outputs, groups, strides, pads, dilations, range
LAYERS = [
    ((5, 6, 8), (3, 3), 8, 2, (1, 1), (1, 1, 1, 1), (1, 1), BYTE),
    ((6, 5, 24), (3, 3), 48, 3, (2, 1), (1, 0, 1, 1), (1, 1), SIGNED),
    ((4, 5, 12), (1, 1), 20, 4, (1, 1), (0, 0, 0, 0), (1, 1), SIGNED),
    ((7, 4, 6), (3, 2), 6, 3, (1, 1), (2, 1, 2, 0), (2, 1), FEW),
    ((5, 5, 5), (3, 3), 15, 5, (1, 1), (1, 1, 1, 1), (1, 1), BYTE),
    ((4, 6, 16), (3, 3), 48, 16, (2, 2), (1, 1, 1, 1), (1, 1), SIGNED),
    ((4, 4, 3), (2, 3), 18, 3, (1, 1), (0, 1, 0, 1), (1, 2), WORD),
]


def _case(rng, ended: int, size, kernel, m, groups, strides, pads, dilations, values) -> Case:
    """``ended``: sums as they are; bytes by channel; a sum with the input's image in bytes and a table."""
    x = input_of("x", size, *values)
    w = Const(rng.integers(-128, 128, (*kernel, size[2] // groups, m)))
    out = Node(Conv2d(strides, pads, dilations, groups), (x, w, Const(rng.integers(-500, 500, m))))
    if ended:
        top = out.type.dtype.magnitude
        steps = np.arange(1, 256)[None, :] * rng.integers(top // 400 + 1, top // 150 + 2, (m, 1))
        out = Node(Threshold(-128), (out, Const(steps - rng.integers(0, top + 1, (m, 1)))))
    if ended == 2:
        out = Node(Mul(), (out, Const(rng.integers(1, 5, m))))
        out = Node(Add(), (out, Const(rng.integers(-99, 99, out.type.shape))))
        if out.type.shape == x.type.shape:
            out = Node(Add(), (out, x))
        d = out.type.dtype
        out = Node(Lookup(d.lo), (out, Const(rng.integers(-128, 128, (m, d.levels)))))
    return Case(Graph((x,), (out,)), (arrays(rng, x.type, 4),))


@pytest.mark.parametrize("core", ["cortex-a9", "cortex-a72", "cortex-a76"])
def test_grouped_convolutions_equal_the_reference(core, tmp_path):
    """Few channels and many, strides, uneven pads, gaps; sums, bytes, and what other tensors meet."""
    rng = np.random.default_rng(31)
    cases = [_case(rng, i % 3, *layer) for i, layer in enumerate(LAYERS)]
    cases += [_case(rng, 2, *LAYERS[i]) for i in (0, 3, 4)]
    batch = Batch(cases, core, tmp_path)
    assert not any("conv_plain" in name for program in batch.programs for name in program.functions)
    assert batch.differences() == {}


def test_groups_take_few_instructions(tmp_path):
    """A convolution of 32 channels in two groups: several products an instruction, copies included."""
    rng = np.random.default_rng(32)
    case = _case(rng, 1, (12, 12, 32), (3, 3), 32, 2, (1, 1), (1, 1, 1, 1), (1, 1), SIGNED)
    batch = Batch([case], "cortex-a72", tmp_path)
    counts = by_function(tmp_path / "all", batch.run(blocks=True, frames=1))
    taken = sum(n for name, n in counts.items() if "gwk" in name)
    assert 0 < 2 * taken < 12 * 12 * 32 * 16 * 9
