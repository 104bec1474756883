"""Networks in the QOperator form of ONNX Runtime's static quantizer: every output integer is its own."""

import numpy as np
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantFormat, QuantType

from qdq_models import imported, run, session_of, statically_quantized

SHAPE = (1, 4, 12, 12)


class FloatNet:
    """A float model in the making."""

    def __init__(self, rng: np.random.Generator):
        self.rng, self.nodes, self.stored = rng, [], []

    def weights(self, *shape: int) -> str:
        """A stored tensor of normal numbers."""
        values = self.rng.normal(size=shape) / np.sqrt(max(np.prod(shape[1:]), 1))
        return self.const(values.astype(np.float32))

    def const(self, values) -> str:
        """A stored tensor."""
        self.stored.append(numpy_helper.from_array(np.asarray(values), f"c{len(self.stored)}"))
        return self.stored[-1].name

    def node(self, op: str, *inputs: str, outputs: int = 1, **attributes):
        """A node; its output, or its outputs."""
        names = [f"t{len(self.nodes)}_{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(op, list(inputs), names, f"n{len(self.nodes)}", **attributes))
        return names[0] if outputs == 1 else names

    def conv(self, x: str, channels: int, filters: int, size: int = 3, group: int = 1, **more) -> str:
        """A convolution with a bias that keeps the image's size."""
        w, b = self.weights(filters, channels // group, size, size), self.weights(filters)
        return self.node("Conv", x, w, b, pads=[size // 2] * 4, group=group, **more)

    def build(self, *outputs: str) -> ModelProto:
        """The model."""
        results = [helper.make_tensor_value_info(o, TensorProto.FLOAT, None) for o in outputs]
        inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, SHAPE)]
        graph = helper.make_graph(self.nodes, "net", inputs, results, self.stored)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)


def residual(net: FloatNet) -> list[str]:
    """Depthwise and strided convolutions, a residual sum, a joint, pooling, a dense layer."""
    x = net.node("Relu", net.conv("x", 4, 16))
    y = net.node("Clip", net.conv(x, 16, 16, group=16), net.const(np.float32(0)), net.const(np.float32(6)))
    x = net.node("Relu", net.node("Add", net.conv(y, 16, 16, 1), x))
    y = net.node("Concat", x, net.conv(x, 16, 8), axis=1)
    y = net.node("MaxPool", y, kernel_shape=[2, 2], strides=[2, 2])
    y = net.conv(y, 24, 20, strides=[2, 2])
    y = net.node("GlobalAveragePool", net.node("LeakyRelu", y, alpha=0.1))
    y = net.node("Flatten", y)
    return [net.node("Gemm", y, net.weights(20, 10), net.weights(10))]


def gated(net: FloatNet) -> list[str]:
    """Squeeze and excite, swish, a matrix product of tokens."""
    x = net.conv("x", 4, 12)
    x = net.node("Mul", x, net.node("Sigmoid", x))
    gate = net.conv(net.node("GlobalAveragePool", x), 12, 4, 1)
    gate = net.node("Sigmoid", net.conv(net.node("Relu", gate), 4, 12, 1))
    x = net.node("Mul", x, gate)
    x = net.node("Transpose", net.node("Reshape", x, net.const(np.int64([0, 12, 144]))), perm=[0, 2, 1])
    return [net.node("MatMul", x, net.weights(12, 6))]


def moving(net: FloatNet) -> list[str]:
    """Padding, splitting, shuffling, resizing."""
    x = net.node("Relu", net.conv("x", 4, 8))
    x = net.node("Pad", x, net.const(np.int64([0, 0, 1, 2, 0, 0, 1, 0])), net.const(np.float32(0)))
    a, b = net.node("Split", x, outputs=2, axis=1)
    a = net.node("Relu", net.conv(a, 4, 4))
    x = net.node("Concat", a, b, axis=1)
    x = net.node("Reshape", x, net.const(np.int64([0, 2, 4, 14, 14])))
    x = net.node(
        "Reshape", net.node("Transpose", x, perm=[0, 2, 1, 3, 4]), net.const(np.int64([0, 8, 14, 14]))
    )
    x = net.node(
        "Resize", x, "", net.const(np.float32([1, 1, 2, 2])), mode="nearest", nearest_mode="floor",
        coordinate_transformation_mode="asymmetric",
    )  # fmt: skip
    x = net.node("AveragePool", net.conv(x, 8, 6, strides=[2, 2]), kernel_shape=[2, 2], strides=[2, 2])
    x = net.node("Squeeze", net.node("Unsqueeze", x, net.const(np.int64([1]))), net.const(np.int64([1])))
    return [x]


NETWORKS = {"residual": residual, "gated": gated, "moving": moving}
TYPES = {"u8s8": (QuantType.QUInt8, QuantType.QInt8), "s8s8": (QuantType.QInt8, QuantType.QInt8),
         "u8u8": (QuantType.QUInt8, QuantType.QUInt8)}  # fmt: skip


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("types", TYPES)
@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("symmetric", [False, True])
def test_network(name, types, per_channel, symmetric):
    """All outputs of eight frames."""
    rng = np.random.default_rng(len(name))
    net = FloatNet(rng)
    outputs = NETWORKS[name](net)
    samples = rng.normal(size=(8, *SHAPE[1:])).astype(np.float32)
    activations, weights = TYPES[types]
    model = statically_quantized(
        net.build(*outputs), samples, per_channel, symmetric, activations, weights, QuantFormat.QOperator
    )
    kinds = {n.op_type for n in model.graph.node}
    assert any(k.startswith(("QLinear", "QGemm")) for k in kinds)
    graph = imported(model)
    ours = run(graph, samples)[0].astype(np.float32)
    session = session_of(model)
    theirs = np.concatenate([session.run(None, {"x": s[None]})[0] for s in samples])
    np.testing.assert_array_equal(ours, theirs)
