"""What passes do to adder layers, and what they must leave."""

import numpy as np
import pytest

from gatewright.compiler.ir.graph import Const, Graph, Input, input_of
from gatewright.compiler.ir.ops import (
    Add,
    AdderConv2d,
    AdderMatMul,
    MaxPool,
    Mul,
    Reshape,
    Threshold,
    Transpose,
)
from gatewright.compiler.ir.text import to_text
from gatewright.compiler.ir.types import Int
from gatewright.compiler.passes.absorb_add_into_linear import absorb_add_into_linear
from gatewright.compiler.passes.absorb_bias_into_threshold import absorb_bias_into_threshold
from gatewright.compiler.passes.absorb_sign_into_weights import absorb_sign_into_weights
from gatewright.compiler.passes.absorb_transpose_into_matmul import absorb_transpose_into_matmul
from gatewright.compiler.passes.clamp_adder_weights import clamp_adder_weights
from gatewright.compiler.passes.conv_to_matmul import conv_to_matmul
from gatewright.compiler.passes.pipeline import run
from graph_builder import arrays
from strategies import run_through


def const(*values) -> Const:
    """A constant from nested lists."""
    return Const(np.array(values))


def rows(*shape: int) -> Const:
    """Distinct small weights of a shape."""
    return Const(np.arange(np.prod(shape)).reshape(shape) % 7)


def dense(name: str = "fc", source: str = "x"):
    """A layer with a bias on an input of 3 bits."""
    return AdderMatMul()(input_of(source, (3,), 0, 7), rows(3, 2), const(10, -20), name=name)


def graph_of(*outputs) -> Graph:
    """A graph of these outputs and the inputs they need."""
    return Graph(tuple(v for v in Graph((), outputs).values() if isinstance(v, Input)), outputs)


def checked(graph: Graph, step) -> Graph:
    """The graph after the step, which must change it and give the same integers in the source's layout."""
    after = step(graph)
    assert after is not graph
    after.verify()
    frames = tuple(arrays(np.random.default_rng(i), v.type, 9) for i, v in enumerate(graph.inputs))
    for a, b in zip(run_through(graph, frames), run_through(after, frames), strict=True):
        assert np.array_equal(a, b)
    return after


def ops(graph: Graph) -> list[str]:
    """Names of the ops in order."""
    return [n.op.name for n in graph.nodes()]


def _pointwise():
    y = AdderConv2d()(input_of("x", (2, 3, 2), -3, 4), rows(1, 1, 2, 3), name="point")
    return AdderConv2d()(y, rows(2, 3, 3, 2), const(1, 2), name="whole")


def _flattened():
    y = Transpose((2, 0, 1))(MaxPool((2, 2), (2, 2))(input_of("x", (4, 4, 2), -3, 4)))
    return AdderMatMul()(Threshold()(Reshape((8,))(y), const([0, 2])), rows(8, 2), name="fc")


EXAMPLES = {
    absorb_add_into_linear: lambda: Add()(dense(), const(5), name="add"),
    absorb_bias_into_threshold: lambda: Threshold()(dense(), const([-1, 2]), name="act"),
    conv_to_matmul: _pointwise,
    absorb_transpose_into_matmul: _flattened,
}


@pytest.mark.parametrize("step", EXAMPLES, ids=lambda s: s.__name__)
def test_pass_golden(step, golden):
    """The passes of products do the same for adder layers."""
    graph = graph_of(EXAMPLES[step]())
    after = checked(graph, step)
    assert step(after) is after
    golden(f"passes/adder_{step.__name__}.gw", f"# before\n{to_text(graph)}\n# after\n{to_text(after)}")


def test_signs_stay_outside():
    """No weights give the negative of a distance."""
    graph = graph_of(Mul()(dense(), const(1, -1)))
    assert absorb_sign_into_weights(graph) is graph
    assert ops(run(graph)) == ["adder_matmul", "mul"]


def test_windows_with_pads_or_strides_stay():
    """A padded tap is a distance from 0, and a stride leaves pixels out."""
    x = input_of("x", (3, 3, 2), 0, 3)
    for op in (AdderConv2d(pads=(0, 1, 0, 0)), AdderConv2d((1, 2))):
        graph = graph_of(op(x, rows(1, 1, 2, 2)))
        assert conv_to_matmul(graph) is graph


def test_shared_sums_stay_single():
    """Nothing is absorbed into a layer that something else uses as well."""
    for op, operand in ((Add, const(5)), (Threshold, const([-9, 2]))):
        y = dense()
        assert ops(run(graph_of(op()(y, operand), y))).count("adder_matmul") == 1


def test_channels_first_leaves_no_transpose():
    """As an importer makes layers: transposes around each convolution, a flatten in channels-first order."""
    x = input_of("x", (2, 6, 6), 0, 15)
    y = Transpose((2, 0, 1))(AdderConv2d(pads=(1, 1, 1, 1))(Transpose((1, 2, 0))(x), rows(3, 3, 2, 4)))
    y = Transpose((2, 0, 1))(Threshold()(Transpose((1, 2, 0))(y), const([-90, -70, -50])))
    y = Transpose((2, 0, 1))(MaxPool((2, 2), (2, 2))(Transpose((1, 2, 0))(y)))
    y = AdderMatMul()(Reshape((36,))(y), rows(36, 3))
    graph = graph_of(y)
    after = checked(graph, run)
    assert "transpose" not in ops(after)


# Ranges of x: with and without 0, of one value, in steps.
RANGES = (
    Int(0, 15),
    Int(-8, 7),
    Int(3, 9),
    Int(-9, -4),
    Int(-1, 1, 2),
    Int(5, 5),
    Int(-7, 8, 3),
    Int(2, 14, 4),
)


@pytest.mark.parametrize("dtype", RANGES, ids=str)
@pytest.mark.parametrize("pads", [(0, 0, 0, 0), (1, 0, 1, 2)], ids=["plain", "padded"])
def test_clamped_weights(dtype, pads):
    """Every x against weights far beyond it on both sides, also where padding adds zeros."""
    rng = np.random.default_rng(0)
    x = input_of("x", (3, 4, 2), dtype.lo, dtype.hi, dtype.step)
    w = Const(rng.integers(-40, 41, (2, 2, 2, 30)))
    for bias in ((), (Const(rng.integers(-99, 99, 30)),)):
        after = checked(graph_of(AdderConv2d(pads=pads)(x, w, *bias)), clamp_adder_weights)
        assert clamp_adder_weights(after) is after
        (node,) = after.nodes()
        ends = (dtype.lo, dtype.hi, 0) if any(pads) else (dtype.lo, dtype.hi)
        weights = node.inputs[1].type.dtype
        assert (weights.lo, weights.hi) == (min(ends), max(ends))


def test_weights_within_range_stay():
    """Nothing to do, and no bias of zeros; a bias that becomes 0 goes."""
    x = input_of("x", (3,), 0, 7)
    graph = graph_of(AdderMatMul()(x, rows(3, 2)))
    assert clamp_adder_weights(graph) is graph
    after = clamp_adder_weights(graph_of(AdderMatMul()(x, const([9], [1], [-3]), const(5))))
    assert len(after.nodes()[0].inputs) == 2


def test_clamped_weights_need_the_bits_of_their_input():
    """Unsigned 4-bit activations: signed 8-bit weights leave the passes as unsigned 4-bit ones, and what was
    cut off is in the thresholds."""
    rng = np.random.default_rng(1)
    y = AdderMatMul()(input_of("x", (20,), 0, 15), Const(rng.integers(-128, 128, (20, 5))))
    graph = graph_of(Threshold(-4)(y, Const(np.sort(rng.integers(-1500, -900, (5, 7)), axis=1))))
    after = checked(graph, run)
    layer, _ = after.nodes()
    assert len(layer.inputs) == 2
    assert layer.inputs[1].type.dtype == Int(0, 15)
    assert layer.type.dtype.lo >= -15 * 20
