"""Functions of one code, moves and transposed convolutions of TFLite equal LiteRT's reference kernels."""

import numpy as np
import pytest

from gatewright.errors import GraphError
from tflite_nets import SAME, VALID, Net, check, frames, imported, litert, run, scale_of, zero_of

SEEDS = range(12)
CODES = np.arange(-128, 128).astype(np.int8)
# Operator, its options, and the result's coding where LiteRT fixes it.
FUNCTIONS = [
    ("LOGISTIC", {}, (1 / 256, -128)),
    ("TANH", {}, (1 / 128, 0)),
    ("EXP", {"table": "ExpOptions"}, None),
    ("GELU", {"table": "GeluOptions", "approximate": False}, None),
    ("GELU", {"table": "GeluOptions", "approximate": True}, None),
    ("HARD_SWISH", {"table": "HardSwishOptions"}, None),
    ("LEAKY_RELU", {"table": "LeakyReluOptions", "alpha": 0.1}, None),
    ("LEAKY_RELU", {"table": "LeakyReluOptions", "alpha": -0.7}, None),
    ("ABS", {"table": "AbsOptions"}, None),
    ("RELU_0_TO_1", {}, None),
]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("kind", "options", "fixed"), FUNCTIONS)
def test_every_code_of_a_function(kind, options, fixed, seed):
    """All 256 codes, for random scales and zero points."""
    rng, net = np.random.default_rng(seed), Net()
    x = net.input((1, 256), scale_of(rng, 0.005, 1), zero_of(rng))
    # Hard swish wants a result's scale of 1/128 of the operand's or more, which this always is.
    out = net.tensor((1, 256), *(fixed or (scale_of(rng, 0.01, 1), zero_of(rng))))
    net.add(kind, [x], out, **options)
    check(net.bytes(out), CODES[None])


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("per_channel", [False, True])
def test_prelu(seed, per_channel):
    """One slope or one per channel, negative ones among them."""
    rng, net = np.random.default_rng(seed), Net()
    channels = 5
    x = net.input((1, 16, 16, channels), scale_of(rng), zero_of(rng))
    slopes = rng.integers(-128, 128, (1, 1, channels if per_channel else 1))
    alpha = net.constant(slopes, scale=scale_of(rng, 0.001, 0.02), zero=zero_of(rng))
    out = net.tensor((1, 16, 16, channels), scale_of(rng), zero_of(rng))
    net.add("PRELU", [x, alpha], out)
    every = np.repeat(CODES, channels).reshape(1, 16, 16, channels)
    check(net.bytes(out), every)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("padding", [SAME, VALID])
@pytest.mark.parametrize("biased", [False, True])
def test_transposed_convolutions(seed, padding, biased):
    """Strides, kernels smaller and larger than these, per tensor and per channel."""
    rng, net = np.random.default_rng(seed), Net()
    h, w, c, m = (int(v) for v in rng.integers(2, 5, 4))
    kernel, stride = rng.integers(1, 5, 2), rng.integers(1, 4, 2)
    size = [
        n * s - (int(rng.integers(0, s)) if n > 1 else 0) if padding == SAME else (n - 1) * s + k
        for n, k, s in zip((h, w), kernel, stride, strict=True)
    ]
    size = [int(s) for s in size]
    x = net.input((1, h, w, c), scale_of(rng), zero_of(rng))
    scales = [scale_of(rng) for _ in range(m if seed % 2 else 1)]
    weights = net.constant(rng.integers(-127, 128, (m, *kernel, c)), scale=scales)
    shape = net.constant([1, *size, m], "i4")
    out = net.tensor((1, *size, m), scale_of(rng, 0.05, 5), zero_of(rng))
    operands = [shape, weights, x]
    if biased:
        operands.append(net.constant(rng.integers(-5000, 5000, m), "i4", np.full(1, 1e-4)))
    o = {"padding": padding, "strideH": int(stride[0]), "strideW": int(stride[1])}
    net.add("TRANSPOSE_CONV", operands, out, "TransposeConvOptions", version=3 if biased else 1, **o)
    check(net.bytes(out), frames(rng, 20, h, w, c))


def test_orders_parts_and_blocks():
    """Transposes, slices, strided slices, splits, blocks and repetitions, one behind the other."""
    rng, net = np.random.default_rng(4), Net()
    q = (0.1, -5)
    x = net.input((1, 4, 6, 8), *q)
    perm = net.constant([0, 2, 1, 3], "i4")
    t = net.add("TRANSPOSE", [x, perm], net.tensor((1, 6, 4, 8), *q), "TransposeOptions")
    begin, size = net.constant([0, 2, 0, 4], "i4"), net.constant([1, 4, -1, 4], "i4")
    s = net.add("SLICE", [t, begin, size], net.tensor((1, 4, 4, 4), *q), "SliceOptions")
    ends = [net.constant(v, "i4") for v in ([0, 1, 0, -4], [0, -1, 4, 0], [1, 1, 2, 1])]
    options = {"beginMask": 1, "endMask": 9, "shrinkAxisMask": 0}
    r = net.add("STRIDED_SLICE", [s, *ends], net.tensor((1, 2, 2, 4), *q), "StridedSliceOptions", **options)
    d = net.add("DEPTH_TO_SPACE", [r], net.tensor((1, 4, 4, 1), *q), "DepthToSpaceOptions", blockSize=2)
    p = net.add("SPACE_TO_DEPTH", [d], net.tensor((1, 2, 2, 4), *q), "SpaceToDepthOptions", blockSize=2)
    wide = net.constant([4, 6], "i4")
    n = net.add(
        "RESIZE_NEAREST_NEIGHBOR", [p, wide], net.tensor((1, 4, 6, 4), *q),
        "ResizeNearestNeighborOptions", alignCorners=False, halfPixelCenters=True,
    )  # fmt: skip
    check(net.bytes(n, r), frames(rng, 20, 4, 6, 8))


def test_shrunk_axes():
    """A strided slice that takes one element away from its axis."""
    rng, net = np.random.default_rng(5), Net()
    x = net.input((1, 4, 6, 3), 0.1, 2)
    ends = [net.constant(v, "i4") for v in ([0, -1, 1, 0], [0, 0, 5, 0], [1, 1, 3, 1])]
    options = {"beginMask": 9, "endMask": 9, "shrinkAxisMask": 2}
    out = net.tensor((1, 2, 3), 0.1, 2)
    net.add("STRIDED_SLICE", [x, *ends], out, "StridedSliceOptions", **options)
    check(net.bytes(out), frames(rng, 5, 4, 6, 3))


@pytest.mark.parametrize("sizes", [None, [1, -1, 3], [2, 2, 2]])
def test_splits_have_several_results(sizes):
    """Equal parts and given ones, each used on its own."""
    rng, net = np.random.default_rng(6), Net()
    x = net.input((1, 2, 6), 0.1, 2)
    axis = net.constant(-1 if sizes is None else [2], "i4")
    parts = [net.tensor((1, 2, 2 if s is None or s < 0 else s), 0.1, 2) for s in sizes or [None] * 3]
    if sizes is None:
        net.add("SPLIT", [axis, x], parts[0], "SplitOptions", numSplits=3)
    else:
        lengths = net.constant(sizes, "i4")
        net.add("SPLIT_V", [x, lengths, axis], parts[0], "SplitVOptions", numSplits=3)
    net.operators[-1].outputs = parts
    check(net.bytes(*parts), frames(rng, 5, 2, 6))


@pytest.mark.parametrize(("axis", "shape"), [(1, (1,)), (-1, (1,)), (1, (1, 3))])
def test_arg_max_takes_the_first(axis, shape):
    """Indices along an axis; equal codes are common among 4 values."""
    rng, net = np.random.default_rng(7), Net()
    x = net.input((1, 5) if shape == (1,) else (1, 5, 3), 0.1, 2)
    out = net.tensor(shape, dtype="i4")
    net.add("ARG_MAX", [x, net.constant(axis, "i4")], out, "ArgMaxOptions", outputType=2)
    data = rng.integers(0, 4, (50, *net.tensors[x].shape[1:])).astype(np.int8)
    check(net.bytes(out), data)


def _resize(align: bool, size=(4, 6)) -> Net:
    net = Net()
    x = net.input((1, 2, 3, 1), 0.1, 2)
    out = net.tensor((1, *size, 1), 0.1, 2)
    o = {"alignCorners": align, "halfPixelCenters": False}
    table = "ResizeNearestNeighborOptions"
    net.add("RESIZE_NEAREST_NEIGHBOR", [x, net.constant(size, "i4")], out, table, **o)
    return net


@pytest.mark.parametrize(("align", "size"), [(True, (4, 9)), (False, (3, 6))])
def test_uneven_repetition_is_refused(align, size):
    """Corners aligned, or a factor of 1.5."""
    net = _resize(align, size)
    message = (
        rf"RESIZE_NEAREST_NEIGHBOR 0 't1': it must repeat each pixel equally often, but 2x3 becomes "
        rf"{size[0]}x{size[1]}\. Use whole factors, without align_corners\.$"
    )
    with pytest.raises(GraphError, match=message):
        imported(net.bytes(1))


@pytest.mark.parametrize("align", [False, True])
def test_even_repetition_is_taken(align):
    """The same model with whole factors; here aligned corners give the same pixels."""
    data = _resize(align).bytes(1)
    x = frames(np.random.default_rng(0), 3, 2, 3, 1)
    np.testing.assert_array_equal(run(imported(data), x)[0], litert(data, x)[0])


@pytest.mark.parametrize(
    ("kind", "coding", "rest"),
    [
        ("LOGISTIC", (1 / 255, -128), r"scale 1/256 and zero point -128, not 0\.00392156\d* and -128$"),
        ("TANH", (1 / 128, 3), r"scale 1/128 and zero point 0, not 0\.0078125 and 3$"),
    ],
)
def test_functions_with_a_coding_of_their_own(kind, coding, rest):
    """LiteRT insists on these codings, and so do we."""
    net = Net()
    out = net.tensor((1, 4), *coding)
    net.add(kind, [net.input((1, 4), 0.1, 0)], out)
    with pytest.raises(GraphError, match=rf"{kind} 0 't0': the result must have {rest}"):
        imported(net.bytes(out))


def test_a_split_that_does_not_divide():
    """Three equal parts of seven."""
    net = Net()
    x, axis = net.input((1, 7), 0.1, 2), net.constant(1, "i4")
    parts = [net.tensor((1, 2), 0.1, 2) for _ in range(3)]
    net.add("SPLIT", [axis, x], parts[0], "SplitOptions", numSplits=3)
    net.operators[-1].outputs = parts
    with pytest.raises(GraphError, match=r"3 equal parts must make up the axis of 7, but do not$"):
        imported(net.bytes(*parts))


def test_a_slice_outside_the_tensor():
    """Begin and end beyond the length."""
    net = Net()
    x = net.input((1, 7), 0.1, 2)
    begin, size = net.constant([0, 5], "i4"), net.constant([1, 4], "i4")
    out = net.add("SLICE", [x, begin, size], net.tensor((1, 4), 0.1, 2), "SliceOptions")
    with pytest.raises(GraphError, match=r"each axis of \(1, 7\) must give 0 <= begin < end <= length"):
        imported(net.bytes(out))
