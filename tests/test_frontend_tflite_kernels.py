"""Every operator, with random shapes, scales and zero points, equals LiteRT's reference kernel."""

import numpy as np
import pytest

from gatewright.compiler.ir.evaluate import evaluate
from tflite_nets import (
    NONE,
    RELU,
    RELU6,
    RELU_N1_TO_1,
    SAME,
    VALID,
    Net,
    check,
    frames,
    imported,
    litert,
    run,
    scale_of,
    zero_of,
)

SEEDS = range(12)
ACTIVATIONS = (NONE, RELU, RELU_N1_TO_1, RELU6)


def pick(rng: np.random.Generator, *values):
    """One of the values."""
    return values[int(rng.integers(len(values)))]


def bias_of(net: Net, rng, count: int, reach: int) -> int:
    """A bias, or none."""
    if rng.random() < 0.2:
        return -1
    return net.constant(rng.integers(-reach, reach, count), "i4", np.full(1, 1e-4))


def window(rng, **more) -> dict:
    """Options of a sliding window."""
    return {
        "padding": pick(rng, SAME, VALID),
        "strideH": int(rng.integers(1, 4)),
        "strideW": int(rng.integers(1, 4)),
        "fusedActivationFunction": pick(rng, *ACTIVATIONS),
        **more,
    }


def length(size: int, kernel: int, stride: int, padding: int, dilation: int = 1) -> int:
    """Windows along one axis."""
    span = (kernel - 1) * dilation + 1
    return -(-size // stride) if padding == SAME else (size - span) // stride + 1


def convolution(net: Net, rng, depthwise: bool) -> tuple[int, tuple[int, ...]]:
    """A convolution with random everything."""
    h, w, c = rng.integers(5, 10), rng.integers(5, 10), int(rng.integers(1, 5))
    kh, kw, m = rng.integers(1, 4), rng.integers(1, 4), int(rng.integers(1, 4))
    o = window(rng)
    dilation = int(rng.integers(1, 3))
    if dilation > 1:
        o["strideH"] = o["strideW"] = 1
    x = net.input((1, h, w, c), scale_of(rng), zero_of(rng))
    per = rng.random() < 0.7
    channels = c * m if depthwise else m
    scales = [scale_of(rng) for _ in range(channels if per else 1)]
    shape = (1, kh, kw, channels) if depthwise else (m, kh, kw, c)
    weights = net.constant(rng.integers(-127, 128, shape), scale=scales, axis=3 if depthwise and per else 0)
    bias = bias_of(net, rng, channels, 20000)
    if bias < 0 and not depthwise:
        # LiteRT's kernel insists on one.
        bias = net.constant(np.zeros(channels), "i4", np.full(1, 1e-4))
    size = [
        length(s, k, st, o["padding"], dilation)
        for s, k, st in zip((h, w), (kh, kw), (o["strideH"], o["strideW"]), strict=True)
    ]
    out = net.tensor((1, *size, channels), scale_of(rng, 0.05, 5), zero_of(rng))
    kind, table = (
        ("DEPTHWISE_CONV_2D", "DepthwiseConv2DOptions") if depthwise else ("CONV_2D", "Conv2DOptions")
    )
    o |= {"dilationHFactor": dilation, "dilationWFactor": dilation}
    operands = [x, weights] + ([bias] if bias >= 0 else [])
    net.add(kind, operands, out, table, **o, **({"depthMultiplier": m} if depthwise else {}))
    return out, (h, w, c)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("depthwise", [False, True])
def test_convolutions(seed, depthwise):
    """Strides, dilation, paddings, depth multipliers, per tensor and per channel, all activations."""
    rng, net = np.random.default_rng(seed), Net()
    out, shape = convolution(net, rng, depthwise)
    check(net.bytes(out), frames(rng, 8, *shape))


@pytest.mark.parametrize("seed", SEEDS)
def test_fully_connected(seed):
    """Per tensor with weights' zero points, per channel, with and without bias, after several axes."""
    rng, net = np.random.default_rng(seed), Net()
    shape = pick(rng, (30,), (3, 10), (2, 3, 5))
    x = net.input((1, *shape), scale_of(rng), zero_of(rng))
    per = rng.random() < 0.5
    units, depth = 7, pick(rng, 30, shape[-1])
    zero = 0 if per else zero_of(rng)
    scales = [scale_of(rng) for _ in range(units if per else 1)]
    w = net.constant(rng.integers(-127, 128, (units, depth)), scale=scales, zero=zero)
    out_shape = (1, units) if depth == 30 else (1, *shape[:-1], units)
    out = net.tensor(out_shape, scale_of(rng, 0.1, 10), zero_of(rng))
    operands = [x, w, bias_of(net, rng, units, 20000)]
    net.add(
        "FULLY_CONNECTED", operands, out, "FullyConnectedOptions",
        fusedActivationFunction=pick(rng, *ACTIVATIONS), keepNumDims=len(out_shape) > 2,
    )  # fmt: skip
    check(net.bytes(out), frames(rng, 200, *shape))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("kind", ["ADD", "SUB", "MUL"])
def test_two_streams(seed, kind):
    """Every pair of codes, with scales near and far apart."""
    rng, net = np.random.default_rng(seed), Net()
    shape, scale = (1, 16, 16, 256), scale_of(rng)
    far = pick(rng, 1, 1, 3, 50) * float(rng.uniform(0.9, 1.1))
    a = net.input(shape, scale, zero_of(rng))
    b = net.input(shape, scale * far, zero_of(rng))
    product = scale * scale * far * 64 if kind == "MUL" else scale * max(far, 1)
    out = net.tensor(shape, product * float(rng.uniform(0.5, 2)), zero_of(rng))
    table = f"{kind.title()}Options"
    net.add(kind, [a, b], out, table, fusedActivationFunction=pick(rng, *ACTIVATIONS))
    codes = np.arange(-128, 128).astype(np.int8)
    left = np.repeat(codes, 256).reshape(1, *shape[1:])
    right = np.tile(codes, 256).reshape(1, *shape[1:])
    check(net.bytes(out), left, right)


@pytest.mark.parametrize("kind", ["ADD", "SUB", "MUL"])
@pytest.mark.parametrize("shape", [(), (1,), (4,), (1, 1, 1, 4), (1, 3, 2, 4), (3, 1, 4)])
@pytest.mark.parametrize("first", [False, True])
def test_a_stream_and_a_constant(kind, shape, first):
    """Constants on either side, of every shape that broadcasts."""
    rng, net = np.random.default_rng(len(shape)), Net()
    x = net.input((1, 3, 2, 4), 0.05, 3)
    c = net.constant(rng.integers(-128, 128, shape), scale=0.07, zero=-9)
    out = net.tensor((1, 3, 2, 4), 0.13, 11)
    net.add(kind, [c, x] if first else [x, c], out, f"{kind.title()}Options")
    check(net.bytes(out), frames(rng, 50, 3, 2, 4))


@pytest.mark.parametrize("kind", ["ADD", "SUB", "MUL"])
@pytest.mark.parametrize("first", [False, True])
def test_one_value_per_channel_meets_an_image(kind, first):
    """As squeeze-and-excitation blocks do."""
    rng, net = np.random.default_rng(5), Net()
    x, s = net.input((1, 3, 2, 4), 0.05, 3), net.input((1, 1, 1, 4), 0.02, -9)
    out = net.tensor((1, 3, 2, 4), 0.06, 11)
    net.add(kind, [s, x] if first else [x, s], out, f"{kind.title()}Options")
    check(net.bytes(out), frames(rng, 50, 3, 2, 4), frames(rng, 50, 1, 1, 4))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("kind", ["AVERAGE_POOL_2D", "MAX_POOL_2D"])
def test_pools(seed, kind):
    """Windows inside and across the border, whose averages count only what lies inside."""
    rng, net = np.random.default_rng(seed), Net()
    h, w, c = int(rng.integers(4, 9)), int(rng.integers(4, 9)), 3
    kh, kw = int(rng.integers(1, 5)), int(rng.integers(1, 5))
    o = window(rng)
    scale, zero = scale_of(rng), zero_of(rng)
    x = net.input((1, h, w, c), scale, zero)
    size = length(h, kh, o["strideH"], o["padding"]), length(w, kw, o["strideW"], o["padding"])
    out = net.tensor((1, *size, c), scale, zero)
    net.add(kind, [x], out, "Pool2DOptions", filterHeight=kh, filterWidth=kw, **o)
    check(net.bytes(out), frames(rng, 50, h, w, c))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("axes", [(1, 2), (-1,), (3, 1), (2,), (1, 2, 3)])
def test_means(seed, axes):
    """Over any axes, kept or not, between different codings or in one."""
    rng, net = np.random.default_rng(seed), Net()
    shape = (1, int(rng.integers(1, 8)), int(rng.integers(1, 8)), 3)
    scale, zero = scale_of(rng), zero_of(rng)
    x, axis = net.input(shape, scale, zero), net.constant(axes, "i4")
    keep = bool(rng.integers(2)) or len(axes) == 3
    out_shape = [1 if i in [a % 4 for a in axes] else d for i, d in enumerate(shape)]
    if not keep:
        out_shape = [d for i, d in enumerate(shape) if i not in [a % 4 for a in axes]]
    same = rng.random() < 0.3
    out = net.tensor(out_shape, scale if same else scale_of(rng), zero if same else zero_of(rng))
    net.add("MEAN", [x, axis], out, "ReducerOptions", keepDims=keep)
    check(net.bytes(out), frames(rng, 50, *shape[1:]))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("classes", [1, 2, 10, 37, 200])
def test_softmax(seed, classes):
    """Random, equal and lone logits; scales from nearly flat to nearly one-hot, and beta."""
    rng, net = np.random.default_rng(seed), Net()
    x = net.input((1, 2, classes), scale_of(rng, 0.001, 2), zero_of(rng))
    out = net.tensor((1, 2, classes), 1 / 256, -128)
    net.add("SOFTMAX", [x], out, "SoftmaxOptions", beta=pick(rng, 1.0, 1.0, 0.5, 3.0))
    data = frames(rng, 60, 2, classes)
    close = np.clip(data // 16 + rng.integers(-100, 100, (60, 2, 1)), -128, 127).astype(np.int8)
    same = np.repeat(data[..., :1], classes, axis=-1)
    check(net.bytes(out), np.concatenate([data, close, same[:5]]))


@pytest.mark.parametrize("classes", [300, 1000])
def test_softmax_over_many_classes(classes):
    """Where the reciprocal's last bits rise; LiteRT aborts at sums of 512 or more, so none is that flat."""
    for seed in range(4):
        rng, net = np.random.default_rng(seed), Net()
        x = net.input((1, classes), scale_of(rng, 0.03, 0.3), zero_of(rng))
        out = net.tensor((1, classes), 1 / 256, -128)
        net.add("SOFTMAX", [x], out, "SoftmaxOptions", beta=1.0)
        check(net.bytes(out), frames(rng, 60, classes))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("kind", ["RELU", "RELU6", "RELU_N1_TO_1", "QUANTIZE"])
def test_one_operand(seed, kind):
    """Every code, between any two codings."""
    rng, net = np.random.default_rng(seed), Net()
    x = net.input((1, 256), scale_of(rng), zero_of(rng))
    same = rng.random() < 0.3
    out = net.tensor((1, 256), net.tensors[x].quantization.scale if same else scale_of(rng), zero_of(rng))
    net.add(kind, [x], out)
    check(net.bytes(out), np.arange(-128, 128).astype(np.int8)[None])


def test_unsigned_codes_at_the_edges():
    """uint8 in, int8 inside, uint8 out."""
    rng, net = np.random.default_rng(3), Net()
    x = net.input((1, 40), 0.03, 131, "u1")
    inner = net.add("QUANTIZE", [x], net.tensor((1, 40), 0.03, 3))
    inner = net.add("RELU", [inner], net.tensor((1, 40), 0.04, -7))
    out = net.add("QUANTIZE", [inner], net.tensor((1, 40), 0.05, 100, "u1"))
    graph = check(net.bytes(out), rng.integers(0, 256, (50, 40)).astype(np.uint8))
    assert str(graph.encodings[0].codes(graph.inputs[0].type)) == "[0..255]"


def test_float_edges():
    """Floats quantize as LiteRT does, halves away from zero, and codes come back as its floats."""
    net = Net()
    x = net.input((1, 500), dtype="f4")
    q = net.add("QUANTIZE", [x], net.tensor((1, 500), 0.5, 7))
    r = net.add("RELU", [q], net.tensor((1, 500), 0.5, 7))
    out = net.add("DEQUANTIZE", [r], net.tensor((1, 500), dtype="f4"))
    data, rng = net.bytes(out, r), np.random.default_rng(0)
    halves = np.arange(-250, 250, dtype=np.float32) * np.float32(0.25)
    x = np.stack([
        halves, np.nextafter(halves, np.float32(np.inf)), np.nextafter(halves, np.float32(-np.inf)),
        rng.normal(0, 40, 500).astype(np.float32), np.full(500, 1e9, np.float32), halves * np.float32(1e-40),
    ])  # fmt: skip
    graph, (floats, codes) = imported(data), litert(data, x)
    np.testing.assert_array_equal(run(graph, x)[1], codes)
    inside = graph.encodings[0].apply(x, graph.inputs[0].type)
    np.testing.assert_array_equal(graph.decodings[0].apply(evaluate(graph, inside)[0]), floats)


def test_moves():
    """Pads with both values, joins, reshapes: codes arrive where LiteRT puts them."""
    rng, net = np.random.default_rng(1), Net()
    x = net.input((1, 3, 4, 2), 0.1, -5)
    pads = net.constant([[0, 0], [1, 2], [0, 3], [0, 0]], "i4")
    p = net.add("PAD", [x, pads], net.tensor((1, 6, 7, 2), 0.1, -5), "PadOptions")
    value = net.constant([77], scale=0.1, zero=-5)
    v = net.add("PADV2", [x, pads, value], net.tensor((1, 6, 7, 2), 0.1, -5), "PadV2Options")
    o = {"axis": -1, "fusedActivationFunction": NONE}
    c = net.add("CONCATENATION", [p, v, p], net.tensor((1, 6, 7, 6), 0.1, -5), "ConcatenationOptions", **o)
    shape = net.constant([1, 12, 21], "i4")
    r = net.add("RESHAPE", [c, shape], net.tensor((1, 12, 21), 0.1, -5), "ReshapeOptions")
    wide = net.constant([2], "i4")
    e = net.add("EXPAND_DIMS", [r, wide], net.tensor((1, 12, 1, 21), 0.1, -5))
    s = net.add("SQUEEZE", [e], net.tensor((1, 12, 21), 0.1, -5), "SqueezeOptions", squeezeDims=[2])
    check(net.bytes(s), frames(rng, 20, 3, 4, 2))
