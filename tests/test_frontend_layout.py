"""Nodes that take, pad, repeat or reorder elements give ONNX Runtime's numbers, floats and codes alike."""

import numpy as np
import pytest
from onnx import TensorProto

from gatewright.errors import GraphError
from layout_cases import assert_equal_to_ort, code_net, float_net, plain_net
from qdq_models import QdqNet, imported
from qonnx_models import Net, execute, run

IMAGE, TOKENS, FLAT, BLOCKS = (1, 4, 6, 8), (1, 5, 12), (1, 12), (1, 3, 2, 4, 6)


def ints(net, *values):
    """An int64 list."""
    return net.const(values, np.int64)


def slice_(starts, ends, axes=None, steps=None):
    """A Slice node's builder."""

    def build(net, x):
        rest = [ints(net, *axes)] if axes is not None else [""] if steps else []
        return net.node(
            "Slice", x, ints(net, *starts), ints(net, *ends), *rest, *([ints(net, *steps)] if steps else [])
        )

    return build


def split(sizes=None, count=2, **attributes):
    """A Split node's builder, with all outputs."""

    def build(net, x):
        net.node("Split", x, *([ints(net, *sizes)] if sizes else []), outputs=count, **attributes)
        return tuple(net.nodes[-1].output)

    return build


def pad(pads, mode="constant", axes=None):
    """A Pad node's builder, with the default constant."""

    def build(net, x):
        rest = ["", ints(net, *axes)] if axes else []
        return net.node("Pad", x, ints(net, *pads), *rest, mode=mode)

    return build


def gather(indices, axis, shape=None):
    """A Gather node's builder."""
    return lambda net, x: net.node(
        "Gather", x, net.const(np.reshape(indices, (-1,) if shape is None else shape), np.int64), axis=axis
    )


def one(op, *operands, **attributes):
    """A node with int64 operands."""
    return lambda net, x: net.node(op, x, *(ints(net, *o) for o in operands), **attributes)


def shuffle(net, x):
    """A channel shuffle as torch exports it."""
    x = net.node("Reshape", x, ints(net, 1, 2, 2, 6, 8))
    x = net.node("Transpose", x, perm=[0, 2, 1, 3, 4])
    return net.node("Reshape", x, ints(net, 1, -1, 6, 8))


BIG = 2**63 - 1
MOVES = {
    "slice": (IMAGE, slice_([1, 2], [3, 7], [1, 3])),
    "slice steps": (IMAGE, slice_([0, 1, 2], [4, BIG, -1], [1, 2, 3], [2, 3, 2])),
    "slice from the end": (IMAGE, slice_([-3, -4], [BIG, -1], [-3, -2])),
    "slice whole": (IMAGE, slice_([0, 0, 1, 0], [BIG, BIG, BIG, BIG])),
    "slice no axes": (IMAGE, slice_([0, 1], [1, 3], None, [1, 1])),
    "slice backward": (IMAGE, slice_([-1, 3], [-BIG, 0], [2, 1], [-1, -2])),
    "slice clamped": (FLAT, slice_([-100], [100], [1], [5])),
    "split equal": (IMAGE, split(axis=1, num_outputs=2)),
    "split sizes": (IMAGE, split([1, 5, 2], 3, axis=-1)),
    "split uneven": (TOKENS, split(None, 3, axis=1, num_outputs=3)),
    "split halves": (IMAGE, split([3, 3], axis=2)),
    "pad image": (IMAGE, pad([0, 0, 1, 2, 0, 0, 3, 0])),
    "pad channels": (IMAGE, pad([0, 1, 0, 0, 0, 2, 0, 1])),
    "pad axes": (IMAGE, pad([1, 0, 2, 1], axes=[-1, 2])),
    "pad crops": (IMAGE, pad([0, -1, 2, -2, 0, 0, -3, 1])),
    "pad only crops": (IMAGE, pad([0, 0, -1, 0, 0, 0, 0, -2])),
    "pad nothing": (IMAGE, pad([0] * 8)),
    "pad tokens": (TOKENS, pad([0, 2, 0, 0, 0, 3])),
    "pad reflect": (IMAGE, pad([0, 0, 2, 3, 0, 0, 1, 7], "reflect")),
    "pad edge": (IMAGE, pad([0, 1, 2, 0, 0, 0, 9, 3], "edge")),
    "pad wrap": (IMAGE, pad([0, 0, 2, 3, 0, 0, 1, 8], "wrap")),
    "gather": (IMAGE, gather([3, 0, 0, -1, 1], 1)),
    "gather runs": (IMAGE, gather([1, 3, 5, 7, 0, 1, 2], 3)),
    "gather one": (IMAGE, gather([2], 1, ())),
    "gather pairs": (TOKENS, gather([4, 1, 0, 2], 1, (2, 2))),
    "gather repeats": (FLAT, gather([2, 2, 1, 1, 5, 5], -1)),
    "tile": (IMAGE, one("Tile", (1, 2, 1, 3))),
    "expand": ((1, 4, 1, 1), one("Expand", (1, 4, 5, 3))),
    "expand tokens": ((1, 1, 6), one("Expand", (7, 1))),
    "depth to space": ((1, 12, 3, 2), one("DepthToSpace", blocksize=2)),
    "pixel shuffle": ((1, 18, 3, 2), one("DepthToSpace", blocksize=3, mode="CRD")),
    "space to depth": (IMAGE, one("SpaceToDepth", blocksize=2)),
    "shuffle": (IMAGE, shuffle),
    "reshape keeps": (IMAGE, one("Reshape", (0, 2, -1, 8))),
    "reshape no minus": (IMAGE, one("Reshape", (1, 0, 48))),
    "flatten": (IMAGE, one("Flatten", axis=1)),
    "flatten first": (IMAGE, one("Flatten", axis=0)),
    "flatten from the end": (IMAGE, one("Flatten", axis=-3)),
    "transposed blocks": (BLOCKS, one("Transpose", perm=[0, 4, 1, 3, 2])),
}


@pytest.mark.parametrize("case", MOVES)
def test_floats_with_values_per_channel(case):
    """Scale, shift and clipping of each channel follow its elements."""
    shape, build = MOVES[case]
    assert_equal_to_ort(*float_net(shape, build))


@pytest.mark.parametrize("case", MOVES)
def test_floats_of_one_scale(case):
    """No quantizer behind it: the floats themselves are equal, and the graph keeps its integers."""
    shape, build = MOVES[case]
    assert_equal_to_ort(*plain_net(shape, build))


@pytest.mark.parametrize("kind", [TensorProto.UINT8, TensorProto.INT8])
@pytest.mark.parametrize("case", MOVES)
def test_codes(case, kind):
    """Between the two nodes of QDQ, elements are integers with a zero point; padding is the source's 0."""
    if kind == TensorProto.INT8 and case in (
        "pad reflect",
        "pad wrap",
        "pad edge",
        "depth to space",
        "pixel shuffle",
    ):
        kind = TensorProto.UINT8
    shape, build = MOVES[case]
    assert_equal_to_ort(*code_net(shape, build, kind))


OLDER = {
    "slice": (9, lambda n, x: n.node("Slice", x, starts=[1, -5], ends=[3, 100], axes=[1, 3])),
    "slice no axes": (9, lambda n, x: n.node("Slice", x, starts=[0, 1], ends=[1, 4])),
    "split": (12, lambda n, x: n.node("Split", x, axis=1, split=[1, 3], outputs=2)),
    "split equal": (12, lambda n, x: n.node("Split", x, axis=2, outputs=3)),
    "pad": (10, lambda n, x: n.node("Pad", x, pads=[0, 0, 1, 2, 0, 0, 0, 1], value=-0.75)),
}


@pytest.mark.parametrize("case", OLDER)
def test_older_forms(case):
    """Attributes that later became operands; against qonnx's executor, as opset 9 has no QuantizeLinear."""
    opset, build = OLDER[case]
    net = Net(IMAGE, opset)
    model = net.build(build(net, net.quant("x", 0.25)))
    x = np.random.default_rng(0).normal(size=IMAGE).astype(np.float32)
    np.testing.assert_array_equal(run(imported(model), x), execute(model, x))


def test_slices_of_the_float_input():
    """Parts of the input with one quantizer each, all the same, before or behind other moves."""
    net = QdqNet(IMAGE)
    split([1, 3], axis=1)(net, net.node("Mul", "x", net.const(-0.5)))
    parts = [net.quantize(p, 0.043, 80) for p in net.nodes[-1].output]
    turned = net.node("Transpose", parts[1], perm=[0, 2, 3, 1])
    net.integer[turned] = TensorProto.UINT8
    assert_equal_to_ort(net, (parts[0], turned))


def test_input_shuffled_before_its_quantizer():
    """Blocks of the input become channels while it still holds floats."""
    net = QdqNet(IMAGE)
    assert_equal_to_ort(net, (net.quantize(net.node("SpaceToDepth", "x", blocksize=2), 0.043, 80),))


ERRORS = {
    "slice batch": (slice_([0], [0], [0]), r"slices must keep some of the 1 elements, not 0:0:1"),
    "slice empty": (slice_([3], [2], [1]), r"slices must keep some of the 4 elements, not 3:2:1"),
    "slice number": (slice_([1, 2], [3], [1]),
        (r"starts, ends, axes and steps must be as many, and no step 0, not \[1, 2\], \[3\], \[1\], "
        r"\[1, 1\]")),
    "slice step": (slice_([1], [3], [1], [0]), r"starts, ends, axes and steps must be as many, .*"),
    "split sizes": (split([1, 2], axis=1), r"the 2 parts must be of at least 1 and sum to 4, not \[1, 2\]"),
    "split batch": (split([1], 1, axis=0), r"the axis must not be the batch"),
    "split number": (split(None, 2, axis=1, num_outputs=-1),
        r"num_outputs must be 1 to 4, as many as there are elements, not -1"),
    "gather range": (gather([4], 1), r"indices must lie in -4\.\.3, not \[4\]"),
    "gather batch": (gather([0], 0), r"the axis must not be the batch"),
    "gather all": (lambda n, x: gather([5], 1, ())(n, n.node("Flatten", x)),
        r"an axis besides the batch must stay\. Gather with a list of one index\."),
    "gather floats": (lambda n, x: n.node("Gather", x, n.const([1.0]), axis=1),
        r"input 1 \(the indices\) must hold integers, not float32"),
    "gather many": (lambda n, x: gather(list(range(191, -1, -1)) * 22, 1)(n, n.node("Flatten", x)),
        r"elements must come in at most 4096 runs, not 4203"),
    "flatten": (one("Flatten", axis=5), r"the axis must be one of 4, not 5"),
    "flatten behind": (one("Flatten", axis=4), r"the new shape must keep the batch axis of 1 first .*"),
}  # fmt: skip


@pytest.mark.parametrize("case", ERRORS)
def test_refused(case):
    """The message says what the rule is, and what the node has."""
    net, outputs = plain_net(IMAGE, ERRORS[case][0])
    with pytest.raises(GraphError, match=rf"\n  \w+ '\w+': {ERRORS[case][1]}$"):
        imported(net.build(*outputs))


def test_varying_scale_behind_a_slice_of_the_float_input():
    """Only a scale per channel of the whole input can be its encoding."""
    net = QdqNet(IMAGE)
    y = net.node("Mul", slice_([1], [3], [1])(net, "x"), net.const([[[1.0]], [[2.0]]]))
    message = r"a scaling that varies must not lie between a slice of the model's float input and its .*"
    with pytest.raises(GraphError, match=rf"\n  QuantizeLinear '\w+': {message}$"):
        imported(net.build(net.quantize(y, 0.1)))


@pytest.mark.parametrize("op", ["Split", "Slice", "Gather"])
def test_parts_of_quantized_weights_keep_their_codes(op):
    """Each part has the scales of its own rows, or they would be floats that no layer takes."""
    net = QdqNet((1, 6))
    codes = np.random.default_rng(0).integers(-9, 10, (6, 8))
    w = net.stored_weights(codes, 2.0 ** -np.arange(8), axis=1)
    if op == "Split":
        net.node("Split", w, ints(net, 5, 3), axis=1, outputs=2)
        parts = list(net.nodes[-1].output)
    elif op == "Slice":
        parts = [slice_([1], [6], [1], [2])(net, w)]
    else:
        parts = [gather([7, 0, 3], 1)(net, w)]
    x = net.pair("x", 0.125, 100)
    assert_equal_to_ort(net, tuple(net.node("MatMul", x, p) for p in parts))


def test_numbers_computed_from_shapes():
    """As exporters compute sizes: products of parts of a shape."""
    net = QdqNet(IMAGE)
    x = net.pair("x", 0.061, 117)
    shape = net.node("Shape", x)
    rest = net.node("ReduceProd", slice_([2], [4])(net, shape), ints(net, 0), keepdims=1)
    target = net.node("Concat", ints(net, 1, 4), rest, axis=0)
    assert_equal_to_ort(net, (net.node("Reshape", x, target),))


def test_indices_computed_from_a_range():
    """As torch exports its unfold."""
    net = QdqNet(IMAGE)
    limits = (net.const(v, np.int64) for v in (5, -1, -2))
    x = net.node("Gather", net.pair("x", 0.061, 117), net.node("Range", *limits), axis=3)
    assert_equal_to_ort(net, (x,))
    net = QdqNet(IMAGE)
    limits = (net.const(v, np.int64) for v in (0, 2**40, 1))
    x = net.node("Gather", net.pair("x", 0.061, 117), net.node("Range", *limits), axis=3)
    message = r"Range '\w+': constants must have at most 67108864 elements, not up to 1099511627776"
    with pytest.raises(GraphError, match=rf"\n  {message}$"):
        imported(net.build(x))
