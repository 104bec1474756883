"""Products by SDOT: weights come 64 bytes at a time, small images are one tile, threads share tiles."""

import numpy as np
import pytest

from arm_bench import Batch, Case
from gatewright.compiler.ir.graph import Const, Graph, Node, input_of
from gatewright.compiler.ir.ops import Conv2d
from gatewright.compiler.neon.isa import CORES
from gatewright.compiler.neon.lower import lower
from gatewright.compiler.neon.objects import compile_kernels
from gatewright.compiler.neon.rules.shapes import Shape, at_once
from graph_builder import arrays

# Image, channels in and out, stride, kernel.
LAYERS = [((2, 2), 64, 48, 1, 3), ((4, 3), 40, 36, 2, 3), ((1, 3), 16, 20, 1, 3), ((8, 8), 32, 32, 1, 3),
          ((6, 6), 8, 16, 1, 5), ((1, 1), 100, 64, 1, 1)]  # fmt: skip


def case(rng, size, source, target, stride, kernel) -> Case:
    """A convolution with a border of zeros, its sums as they are."""
    x = input_of("x", (*size, source), -128, 127)
    w = Const(rng.integers(-128, 128, (kernel, kernel, source, target)))
    conv = Node(Conv2d((stride, stride), (kernel // 2,) * 4), (x, w))
    return Case(Graph((x,), (conv,)), (arrays(rng, x.type, 4),))


@pytest.mark.parametrize("core", ["cortex-a72", "cortex-a76"])
def test_small_images_equal_the_reference(core, tmp_path):
    """Tiles over several rows of an image, with and without a border, and ragged channels."""
    rng = np.random.default_rng(1)
    batch = Batch([case(rng, *layer) for layer in LAYERS], core, tmp_path)
    assert batch.differences() == {}


def test_a_few_rows_are_one_tile():
    small = Shape(2, 2, 256, 64, 3, 256, 192, 48)
    merged = at_once(small)
    assert (merged.rows, merged.pixels) == (1, 4)
    assert [merged.behind(p) for p in range(4)] == [0, 64, 256, 320]
    assert [small.behind(p) for p in range(3)] == [0, 64, 128]
    assert at_once(Shape(3, 2, 256, 64, 3, 256, 192, 48)).rows == 3


def test_weights_take_one_load_for_sixteen_products():
    """LD1 of four registers that steps on by itself; nothing is spilled."""
    program = lower(case(np.random.default_rng(1), (8, 8), 64, 64, 1, 3).graph, CORES["cortex-a76"])
    (call,) = [call for call in program.calls if call.macs]
    text = compile_kernels({call.kernel: program.functions[call.kernel]}, program.core).inspect_source("asm")
    lines = [line.split() for line in text.splitlines() if line.startswith("\t")]
    loads = [line for line in lines if line[0] == "ld1" and line[-1] == "#64"]
    assert len([line for line in lines if line[0] == "sdot"]) == 16 * len(loads) > 0
    assert not [line for line in lines if line[0] == "st1"]


def test_threads_share_channels_of_a_single_tile():
    program = lower(case(np.random.default_rng(1), (2, 2), 64, 48, 1, 3).graph, CORES["cortex-a76"])
    assert [call.trips for call in program.calls if call.macs] == [3]
