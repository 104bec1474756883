"""Networks of moves, transposed convolutions and computed products, as ONNX Runtime quantizes them."""

import numpy as np
import pytest
from onnx import helper, numpy_helper

from qdq_models import execute, imported, run, statically_quantized

FRAMES = 12


class FloatNet:
    """A float model in the making, with seeded weights."""

    def __init__(self, shape: tuple[int, ...], seed: int = 1):
        self.shape, self.rng = shape, np.random.default_rng(seed)
        self.nodes, self.stored = [], []

    def const(self, values, dtype=np.float32) -> str:
        """A stored tensor."""
        name = f"c{len(self.stored)}"
        self.stored.append(numpy_helper.from_array(np.array(values, dtype=dtype), name))
        return name

    def node(self, op: str, *inputs: str, outputs: int = 1, **attributes):
        """A node; its output, or a list of several."""
        names = [f"t{len(self.nodes)}_{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(op, list(inputs), names, name=f"n{len(self.nodes)}", **attributes))
        return names if outputs > 1 else names[0]

    def weighted(self, op: str, x: str, *shape: int, **attributes) -> str:
        """A layer with its weights, and a ReLU."""
        w = self.const(self.rng.normal(size=shape) / np.sqrt(np.prod(shape[1:])))
        return self.node("Relu", self.node(op, x, w, **attributes))

    def build(self, output: str):
        """The model."""
        inputs = [helper.make_tensor_value_info("x", 1, self.shape)]
        outputs = [helper.make_tensor_value_info(output, 1, None)]
        graph = helper.make_graph(self.nodes, "net", inputs, outputs, self.stored)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def shuffle_unit(net: FloatNet) -> str:
    """ShuffleNet V2's: split, depthwise, concat, shuffle; and its padded, sliced neighbour."""
    x = net.weighted("Conv", "x", 8, 3, 3, 3, pads=[1, 1, 1, 1])
    left, right = net.node("Split", x, net.const([4, 4], np.int64), axis=1, outputs=2)
    right = net.weighted("Conv", right, 4, 4, 1, 1)
    right = net.weighted("Conv", right, 4, 1, 3, 3, group=4, pads=[1, 1, 1, 1])
    x = net.node("Concat", left, right, axis=1)
    x = net.node("Reshape", x, net.const([1, 2, 4, 8, 8], np.int64))
    x = net.node("Transpose", x, perm=[0, 2, 1, 3, 4])
    x = net.node("Reshape", x, net.const([1, 8, 8, 8], np.int64))
    x = net.node("Pad", x, net.const([0, 0, 0, 1, 0, 0, 2, 0], np.int64))
    x = net.node("Slice", x, *(net.const(v, np.int64) for v in ([1, 0], [9, 9], [2, 3], [2, 1])))
    x = net.node("GlobalMaxPool", net.weighted("Conv", x, 6, 8, 1, 1))
    return net.node("Flatten", x)


def encoder_decoder(net: FloatNet) -> str:
    """A U-Net's two ways up: transposed convolution and nearest neighbours, joined with what went down."""
    first = net.weighted("Conv", "x", 4, 3, 3, 3, pads=[1, 1, 1, 1])
    down = net.weighted("Conv", net.node("MaxPool", first, kernel_shape=[2, 2], strides=[2, 2]), 6, 4, 3, 3,
                        pads=[1, 1, 1, 1])  # fmt: skip
    up = net.weighted("ConvTranspose", down, 6, 4, 2, 2, strides=[2, 2])
    scales = net.const([1.0, 1.0, 2.0, 2.0])
    near = net.node("Resize", down, "", scales, mode="nearest", nearest_mode="floor",
                    coordinate_transformation_mode="asymmetric")  # fmt: skip
    x = net.node("Concat", first, up, near, axis=1)
    x = net.weighted("Conv", x, 12, 14, 1, 1)
    return net.node("DepthToSpace", x, blocksize=2, mode="CRD")


def attention_block(net: FloatNet) -> str:
    """Tokens, queries, keys and values without a softmax, and the mean of all tokens."""
    x = net.weighted("Conv", "x", 8, 3, 2, 2, strides=[2, 2])
    x = net.node("Transpose", net.node("Reshape", x, net.const([1, 8, -1], np.int64)), perm=[0, 2, 1])
    parts = []
    for perm in ([0, 2, 1, 3], [0, 2, 3, 1], [0, 2, 1, 3]):
        y = net.node("MatMul", x, net.const(net.rng.normal(size=(8, 8)) / 3))
        y = net.node("Reshape", y, net.const([1, -1, 2, 4], np.int64))
        parts.append(net.node("Transpose", y, perm=perm))
    scores = net.node("Relu", net.node("MatMul", parts[0], parts[1]))
    x = net.node("Transpose", net.node("MatMul", scores, parts[2]), perm=[0, 2, 1, 3])
    x = net.node("Reshape", x, net.const([0, -1, 8], np.int64))
    return net.node("MatMul", x, net.const(net.rng.normal(size=(8, 5))))


def signal_network(net: FloatNet) -> str:
    """1-D convolutions and pools."""
    x = net.node("Reshape", "x", net.const([1, 3, 64], np.int64))
    x = net.weighted("Conv", x, 6, 3, 5, pads=[2, 2], strides=[2])
    x = net.node("MaxPool", x, kernel_shape=[3], strides=[2], ceil_mode=1)
    x = net.weighted("ConvTranspose", x, 6, 4, 4, strides=[2], pads=[1, 1])
    return net.node("Flatten", net.weighted("Conv", x, 5, 4, 7, dilations=[2]))


@pytest.mark.parametrize(("per_channel", "symmetric"), [(False, False), (True, False), (True, True)])
@pytest.mark.parametrize("build", [shuffle_unit, encoder_decoder, attention_block, signal_network])
def test_statically_quantized(build, per_channel, symmetric):
    """Every output code of every frame."""
    net = FloatNet((1, 3, 8, 8))
    model = net.build(build(net))
    x = np.random.default_rng(2).normal(size=(FRAMES, 3, 8, 8)).astype(np.float32)
    quantized = statically_quantized(model, x, per_channel, symmetric)
    graph = imported(quantized)
    ours = np.concatenate([run(graph, frame[None])[0] for frame in x])
    theirs = np.concatenate([execute(quantized, frame[None]) for frame in x])
    scale = graph.decodings[0].scale
    along = (1, -1) + (1,) * (ours.ndim - 2)
    scale = scale.reshape(along) if scale.size > 1 else scale
    np.testing.assert_array_equal(np.rint(ours / scale), np.rint(theirs / scale))
    assert np.unique(np.rint(ours / scale)).size > 10
