"""Layouts: no transpose is left inside networks that come in channels first."""

import numpy as np
import pytest

from gatewright.compiler.ir.boundary import InputEncoding
from gatewright.compiler.ir.graph import Const, Graph, input_of
from gatewright.compiler.ir.ops import (
    Add,
    AdderMatMul,
    ArgMax,
    Concat,
    Conv2d,
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
from gatewright.compiler.passes.pipeline import run
from gatewright.compiler.passes.simplify_shapes import simplify_shapes
from gatewright.compiler.passes.sink_reshape import sink_reshape
from gatewright.compiler.passes.sink_transpose import sink_transpose
from gatewright.compiler.passes.transposed_ops import SINKS, axis_groups
from graph_builder import arrays
from strategies import run_through

TO_HWC, TO_CHW = Transpose((1, 2, 0)), Transpose((2, 0, 1))


def ops(graph: Graph) -> list[str]:
    """Names of the ops in order."""
    return [n.op.name for n in graph.nodes()]


def checked(graph: Graph, step) -> Graph:
    """The graph after the pass, with the same integers in the source's layout."""
    after = step(graph)
    after.verify()
    frames = tuple(arrays(np.random.default_rng(i), v.type, 10) for i, v in enumerate(graph.inputs))
    for a, b in zip(run_through(graph, frames), run_through(after, frames), strict=True):
        assert np.array_equal(a, b)
    return after


class Net:
    """Layers as an importer of (C, H, W) models makes them."""

    def __init__(self, channels: int = 4, size: int = 8):
        self.rng = np.random.default_rng(0)
        self.image = input_of("image", (channels, size, size), -128, 127)

    def conv(self, x, m: int, kernel: int = 1):
        """A convolution, requantized to a byte."""
        pad = kernel // 2
        w = Const(self.rng.integers(-3, 4, (kernel, kernel, x.type.shape[0], m)))
        y = TO_CHW(Conv2d(pads=(pad,) * 4)(TO_HWC(x), w))
        return TO_CHW(Threshold(-128)(TO_HWC(y), Const(np.arange(-127, 128)[None] * 20)))

    def table(self, x):
        """Any function of a byte."""
        d = x.type.dtype
        return Lookup(d.lo)(x, Const(self.rng.integers(-128, 128, d.hi - d.lo + 1)))

    def requantized(self, x):
        """Bytes of a wide sum or product."""
        d = x.type.dtype
        return Threshold(-128)(x, Const(np.linspace(d.lo, d.hi, 255).astype(int)[None]))

    def graph(self, *outputs) -> Graph:
        """The network, its input in the source's layout."""
        encoding = InputEncoding(self.image.type.shape, (0, 1, 2))
        return Graph((self.image,), outputs, "net", (encoding,), ())

    def classifier(self, x):
        """Global average, flattened, and a dense layer."""
        total = ReduceSum((0, 1))(TO_HWC(x))
        mean = self.requantized(Reshape((x.type.shape[0], 1, 1))(total))
        return MatMul()(
            Reshape((x.type.shape[0],))(mean), Const(self.rng.integers(-3, 4, (x.type.shape[0], 5)))
        )


def _residual(net):
    x = net.conv(net.image, 4, 3)
    y = net.conv(net.table(net.conv(x, 4)), 4, 3)
    z = net.requantized(Add()(Mul()(x, Const(np.array([3000]))), Mul()(y, Const(np.array([-4001])))))
    return net.classifier(net.conv(z, 4))


def _gate(net):
    x = net.conv(net.image, 4, 3)
    mean = net.requantized(Reshape((4, 1, 1))(ReduceSum((0, 1))(TO_HWC(x))))
    gate = net.table(net.conv(net.table(net.conv(mean, 2)), 4))
    spread = TO_CHW(Upsample((8, 8))(TO_HWC(gate)))
    return net.conv(net.requantized(Mul()(x, spread)), 4)


def _u_net(net):
    skip = net.conv(net.image, 4, 3)
    low = net.conv(TO_CHW(MaxPool((2, 2), (2, 2))(TO_HWC(skip))), 4, 3)
    up = Pad((0, 1, 1, 0, 1, 1), -128)(Slice((0, 1, 1), (4, 7, 7), (1, 1, 1))(
        TO_CHW(Upsample((2, 2))(TO_HWC(low)))))  # fmt: skip
    return net.conv(net.table(Concat(0)(skip, up)), 3)


def _joins_the_input(net):
    return net.conv(Concat(0)(net.conv(net.image, 4, 3), net.table(net.image), net.image), 3)


def _pixel_shuffle(net):
    y = TO_CHW(DepthToSpace(2)(TO_HWC(net.conv(net.image, 4, 3))))
    z = TO_CHW(SumPool((2, 2), (2, 2))(TO_HWC(net.table(y))))
    return net.conv(net.requantized(z), 2)


@pytest.mark.parametrize("make", [_residual, _gate, _u_net, _joins_the_input, _pixel_shuffle])
def test_no_transpose_is_left(make):
    """Residual, gated, joined and resampled networks compute in (H, W, C) throughout."""
    net = Net()
    after = checked(net.graph(make(net)), run)
    assert "transpose" not in ops(after)
    assert after.encodings[0].perm == (1, 2, 0)


def test_a_channel_shuffle_moves_channels_only():
    """The shuffle itself is left; what brought the image into (C, H, W) for it is gone."""
    net = Net()
    x = Reshape((2, 2, 8, 8))(net.conv(net.image, 4, 3))
    x = Reshape((4, 8, 8))(Transpose((1, 0, 2, 3))(x))
    after = checked(net.graph(net.conv(x, 3, 3)), run)
    left = [n for n in after.nodes() if n.op.name == "transpose"]
    assert [(n.type.shape, n.op.perm) for n in left] == [((8, 8, 2, 2), (0, 1, 3, 2))]


def test_a_channel_shuffle_goes_into_the_rows_of_a_product():
    """In front of a 1x1 convolution nothing is left of it."""
    net = Net()
    x = Reshape((2, 2, 8, 8))(net.conv(net.image, 4, 3))
    x = Reshape((4, 8, 8))(Transpose((1, 0, 2, 3))(x))
    assert ops(checked(net.graph(net.conv(x, 3)), run)) == ["conv2d", "threshold", "matmul", "threshold"]


X, P = input_of("x", (2, 3, 4), -5, 9), (2, 0, 1)


def _table(*shape):
    return Const(np.random.default_rng(3).integers(-9, 9, shape))


SINGLE = {
    Add: lambda x: Add()(x, _table(4, 2, 3)),
    Mul: lambda x: Mul()(_table(4, 2, 3), x),
    Concat: lambda x: Concat(1)(x, _table(4, 5, 3), x),
    Threshold: lambda x: Threshold()(x, Const(np.array([[0, 3, 4]]))),
    Lookup: lambda x: Lookup(-5)(x, _table(15)),
    Slice: lambda x: Slice((1, 0, 0), (4, 2, 3), (2, 1, 1))(x),
    Pad: lambda x: Pad((1, 2, 3, 4, 5, 6), 7)(x),
    ReduceSum: lambda x: ReduceSum((1,))(x),
    Reshape: lambda x: Reshape((2, 2, 2, 3))(x),
}
# Those that need the last axis, or rows and columns, where they are.
LAST_AXIS = {
    MatMul: lambda x: MatMul()(x, _table(4, 2)),
    AdderMatMul: lambda x: AdderMatMul()(x, _table(4, 2)),
    ArgMax: lambda x: ArgMax()(x),
    MaxPool: lambda x: MaxPool((2, 1), (1, 2), (1, 0, 0, 0))(x),
    SumPool: lambda x: SumPool((1, 2), (2, 1), (0, 1, 0, 0), (2, 1))(x),
    Upsample: lambda x: Upsample((2, 3))(x),
    Threshold: lambda x: Threshold()(x, Const(np.sort(_table(4, 3).value))),
    Lookup: lambda x: Lookup(-5)(x, _table(4, 15)),
    Add: lambda x: Add()(x, _table(4)),
}


@pytest.mark.parametrize(
    ("perm", "make"),
    [(P, m) for m in SINGLE.values()] + [((1, 0, 2), m) for m in LAST_AXIS.values()],
    ids=[k.name for k in (*SINGLE, *LAST_AXIS)],
)
def test_a_transpose_sinks_below_the_op(perm, make):
    """The op comes first, then one transpose at the end."""
    source = MaxPool((1, 1))(X)
    graph = Graph((X,), (make(Transpose(perm)(source)),))
    after = checked(graph, sink_transpose)
    # ReduceSum and ArgMax may leave axes in an order of their own.
    assert "transpose" not in ops(after)[:-1]
    assert ops(after)[-1] == "transpose" or len(after.outputs[0].type.shape) < 3
    assert sink_transpose(after) is after


def test_every_rule_has_a_case():
    """A new rule needs a case above."""
    assert set(SINKS) == set(SINGLE) | set(LAST_AXIS)


@pytest.mark.parametrize("make", LAST_AXIS.values(), ids=[k.name for k in LAST_AXIS])
def test_ops_that_need_their_axis_keep_the_transpose(make):
    """Where channels would move, the transpose stays in front."""
    graph = Graph((image := input_of("x", (4, 3, 4), -5, 9),), (make(TO_HWC(MaxPool((1, 1))(image))),))
    assert sink_transpose(graph) is graph


def test_operands_in_different_layouts_stay():
    """Both transposes are needed, whichever comes first."""
    a, b = input_of("a", (2, 2, 2), 0, 3), input_of("b", (2, 2, 2), 0, 3)
    total = Add()(Transpose((1, 2, 0))(MaxPool((1, 1))(a)), Transpose((2, 0, 1))(MaxPool((1, 1))(b)))
    graph = Graph((a, b), (total,))
    assert sink_transpose(graph) is graph


def test_inputs_do_not_trade_transposes():
    """Of two inputs one is transposed: moving it to the other would never end."""
    a, b = input_of("a", (2, 2, 2), 0, 3), input_of("b", (2, 2, 2), 0, 3)
    graph = Graph((a, b), (Add()(Transpose((1, 2, 0))(a), b),))
    assert sink_transpose(graph) is graph


def test_what_moves_nothing_goes():
    """Whole slices, padding by nothing, factors, blocks and windows of 1."""
    x = y = input_of("x", (2, 3, 4), 0, 3)
    y = Upsample((1, 1))(Pad((0,) * 6, 9)(Slice((0, 0, 0), (2, 3, 4), (1, 1, 1))(y)))
    y = SumPool((1, 1))(MaxPool((1, 1))(SpaceToDepth(1)(DepthToSpace(1)(y))))
    assert simplify_shapes(Graph((x,), (y,))).outputs == (x,)
    kept = MaxPool((1, 1), (2, 2))(Slice((0, 0, 0), (2, 3, 4), (2, 1, 1))(Pad((0, 0, 1, 0, 0, 0))(x)))
    graph = Graph((x,), (SumPool((1, 1), (1, 1), (0, 0, 1, 0))(Upsample((1, 2))(kept)),))
    assert simplify_shapes(graph) is graph


@pytest.mark.parametrize(("shape", "perm", "target"), [((1, 1, 5), (1, 2, 0), (1, 5)),
                                                       ((2, 1, 3), (2, 1, 0), (3, 1, 1, 2))])  # fmt: skip
def test_axes_of_size_1_settle(shape, perm, target):
    """They belong to any group of axes, but do not make a transpose come back (found by Hypothesis)."""
    x = input_of("x", shape, 0, 3)
    graph = Graph((x,), (Reshape(target)(Transpose(perm)(MaxPool((1, 1))(x))),))
    after = checked(graph, sink_transpose)
    assert sink_transpose(after) is after


@pytest.mark.parametrize(
    ("source", "target", "groups"),
    [
        ((4, 8, 8), (2, 2, 8, 8), [([0], [0, 1]), ([1], [2]), ([2], [3])]),
        ((2, 2, 8, 8), (4, 64), [([0, 1], [0]), ([2, 3], [1])]),
        ((6, 4), (4, 6), None),
        ((1, 5), (5, 1), None),
        ((1, 5), (1, 5), [([0], [0]), ([1], [1])]),
        ((2, 3), (2, 3, 1), [([0], [0]), ([1], [1, 2])]),
        ((2, 3, 1, 1), (2, 3), [([0], [0]), ([1, 2, 3], [1])]),
        ((), (1,), None),
    ],
)
def test_axis_groups(source, target, groups):
    """The smallest runs of axes with as many elements on both sides."""
    assert axis_groups(source, target) == groups


# Tables of 2 x 3 pixels and 4 channels, flattened with the channels last or first.
FLATTENED = {
    Threshold: lambda x, c: Threshold()(x, Const(np.sort(c(_table(4, 5).value), axis=1))),
    Lookup: lambda x, c: Lookup(-5)(x, Const(c(_table(4, 15).value))),
    Add: lambda x, c: Add()(x, Const(c(_table(4).value))),
    Mul: lambda x, c: Mul()(x, Const(c(_table(4).value))),
}


@pytest.mark.parametrize("make", FLATTENED.values(), ids=[k.name for k in FLATTENED])
@pytest.mark.parametrize("first", [False, True], ids=["channels last", "channels first"])
def test_channels_rows_go_above_a_flatten(make, first):
    """As quantizers behind a flatten have them: a row for every element, but as many as channels differ."""
    source = MaxPool((1, 1))(X)
    moved = TO_CHW(source) if first else source
    pixels = np.repeat(np.arange(4), 6) if first else np.tile(np.arange(4), 6)
    graph = Graph((X,), (make(Reshape((24,))(moved), lambda table: table[pixels]),))
    after = checked(graph, sink_reshape)
    assert ops(after)[1] == graph.outputs[0].op.name
    assert ops(after)[-1] == "reshape"
    assert after.nodes()[1].inputs[1].type.shape[0] == 4
    assert sink_reshape(after) is after


def test_rows_of_single_pixels_stay_below_a_flatten():
    """Rows that differ along another axis, along two, or whose channels were split."""
    source = MaxPool((1, 1))(X)
    for rows in (np.tile(np.repeat(np.arange(3), 4), 2), np.arange(24), np.repeat(np.arange(2), 12)):
        graph = Graph((X,), (Threshold()(Reshape((24,))(source), Const(rows[:, None])),))
        assert sink_reshape(graph) is graph
    graph = Graph((X,), (Threshold()(Reshape((12, 2))(source), Const(np.array([[1], [2]]))),))
    assert sink_reshape(graph) is graph
