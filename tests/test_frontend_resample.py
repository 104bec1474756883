"""Resizing to nearest neighbours gives ONNX Runtime's elements, in each of its modes that only repeat."""

import numpy as np
import pytest
from onnx import TensorProto

from gatewright.compiler.ir.ops import Concat, Upsample
from gatewright.errors import GraphError
from layout_cases import assert_equal_to_ort, code_net, float_net, plain_net
from qdq_models import imported
from qonnx_models import Net, execute, run

IMAGE = (1, 4, 3, 5)
COORDINATES = ("half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners", "asymmetric")
NEAREST = ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil")


def resize(scales=None, sizes=None, **attributes):
    """A Resize node's builder."""

    def build(net, x):
        empty = net.const(np.zeros(0))
        operands = [empty, empty if scales is None else net.const(scales)]
        if sizes is not None:
            operands = ["", "", net.const(sizes, np.int64)]
        return net.node("Resize", x, *operands, mode="nearest", **attributes)

    return build


@pytest.mark.parametrize("nearest", NEAREST)
@pytest.mark.parametrize("coordinates", COORDINATES)
@pytest.mark.parametrize(
    ("scales", "sizes"), [([1, 1, 2, 3], None), ([1, 1, 1.7, 0.6], None), (None, [1, 4, 7, 4])]
)  # fmt: skip
def test_every_mode(coordinates, nearest, scales, sizes):
    """Whole factors, broken ones, and given sizes."""
    attributes = {"coordinate_transformation_mode": coordinates, "nearest_mode": nearest}
    assert_equal_to_ort(*float_net(IMAGE, resize(scales, sizes, **attributes)))


@pytest.mark.parametrize("kind", [TensorProto.UINT8, TensorProto.INT8])
def test_codes(kind):
    """Codes are repeated as they are."""
    assert_equal_to_ort(*code_net(IMAGE, resize([1, 1, 2, 2]), kind))


def test_channels_and_other_ranks():
    """Channels are an axis as any, and frames need not be images."""
    assert_equal_to_ort(*float_net((1, 4, 3), resize([1, 2, 2])))
    assert_equal_to_ort(*float_net((1, 2, 3, 2, 2), resize([1, 1, 2, 1.5, 3])))
    assert_equal_to_ort(*plain_net(IMAGE, resize(None, [1, 2, 6, 5])))


def test_axes_and_ratio():
    """Attributes of opset 18."""
    build = resize(None, [6, 7], axes=[2, 3], keep_aspect_ratio_policy="not_larger")
    assert_equal_to_ort(*float_net(IMAGE, build))


def test_older_resize():
    """Resize of opset 10 has no region, and its factors are whole or not."""
    for scales in ([1.0, 1.0, 2.0, 3.0], [1.0, 1.0, 1.5, 0.7]):
        build = lambda net, x, s=scales: net.node("Resize", x, net.const(s), mode="nearest")  # noqa: E731
        assert_equal_to_ort(*plain_net(IMAGE, build, opset=10))


@pytest.mark.parametrize("opset", [7, 9])
def test_upsample(opset):
    """Its scales are an attribute up to opset 8, and an operand then."""
    net = Net(IMAGE, opset)
    x, scales = net.quant("x", 0.25), [1.0, 1.0, 2.0, 3.0]
    if opset == 7:
        out = net.node("Upsample", x, mode="nearest", scales=scales)
    else:
        out = net.node("Upsample", x, net.const(scales), mode="nearest")
    model, frames = net.build(out), np.random.default_rng(0).normal(size=IMAGE).astype(np.float32)
    np.testing.assert_array_equal(run(imported(model), frames), execute(model, frames))


def test_whole_factors_are_one_node():
    """An image with whole factors is one Upsample; others are slices, joined."""
    net, outputs = plain_net(IMAGE, resize([1, 1, 2, 3]))
    ops = [n.op for n in imported(net.build(*outputs)).nodes()]
    assert [o for o in ops if isinstance(o, Upsample)] == [Upsample((2, 3))]
    assert not any(isinstance(o, Concat) for o in ops)
    net, outputs = plain_net(IMAGE, resize([1, 1, 1.7, 1]))
    assert any(isinstance(n.op, Concat) for n in imported(net.build(*outputs)).nodes())


ERRORS = {
    "linear": (resize([1, 1, 2, 2]), {"mode": "linear"},
        (r"resizing must be of mode 'nearest', without cropping, not 'linear': other modes compute new "
        r"values\. Use mode='nearest', or a transposed convolution with constant weights\.")),
    "crop": (resize([1, 1, 2, 2], coordinate_transformation_mode="tf_crop_and_resize"), {},
        r"resizing must be of mode 'nearest', without cropping, not 'nearest' with cropping: other .*"),
    "size": (resize([1, 1, 2e4, 2e4]), {},
        r"the result must have at most 67108864 elements, not up to 24000000000"),
    "sizes": (resize(None, [1, 4, 2**20, 2**20]), {},
        r"the result must have at most 67108864 elements, not up to 4398046511104"),
    "batch": (resize([2, 1, 1, 1]), {},
        r"the result must keep the batch axis of 1, not have shape \(2, 4, 3, 5\)"),
    "expand": (lambda n, x: n.node("Expand", x, n.const([1, 8, 3, 5], np.int64)), {},
        r"the shape must repeat axes of size 1 of \(1, 4, 3, 5\) behind the batch, not \(1, 8, 3, 5\)"),
    "tile": (lambda n, x: n.node("Tile", x, n.const([2, 1, 1, 1], np.int64)), {},
        r"repeats must be 4 numbers above 0, 1 for the batch, not \[2, 1, 1, 1\]"),
    "tiles": (lambda n, x: n.node("Tile", x, n.const([1, 1, 2**30, 1], np.int64)), {},
        r"the result must have at most 67108864 elements, not \[1, 1, 1073741824, 1\] times more"),
    "blocks": (lambda n, x: n.node("DepthToSpace", x, blocksize=2, mode="XYZ"), {},
        r"mode must be DCR or CRD, not 'XYZ'"),
    "block size": (lambda n, x: n.node("DepthToSpace", x, blocksize=3), {},
        r".*depth_to_space: blocks must be at least 1x1 and divide the 4 channels, not 3x3"),
    "rank": (lambda n, x: n.node("SpaceToDepth", n.node("Flatten", x), blocksize=2), {},
        r"frames must be images \(C, H, W\), not \(60,\)"),
}  # fmt: skip


@pytest.mark.parametrize("case", ERRORS)
def test_refused(case):
    """The message says what the rule is, and what the node has."""
    build, changed, message = ERRORS[case]
    net, outputs = plain_net(IMAGE, build)
    for name, value in changed.items():
        for attribute in net.nodes[-1].attribute:
            if attribute.name == name:
                attribute.s = value.encode()
    with pytest.raises(GraphError, match=rf"\n  \w+ '\w+': {message}$"):
        imported(net.build(*outputs))
