"""Nodes between quantizers, on floats with a value per channel and on codes alike, against ONNX Runtime."""

import numpy as np
from onnx import TensorProto

from gatewright.compiler.ir.evaluate import evaluate
from qdq_models import RANGES, QdqNet, execute_all, imported


def names(result) -> tuple[str, ...]:
    """Outputs of a build function."""
    return (result,) if isinstance(result, str) else tuple(result)


def frames(shape: tuple[int, ...], seed: int, kind: int = 0) -> np.ndarray:
    """One random batch: floats, or codes of a type."""
    rng = np.random.default_rng(seed)
    if not kind:
        return rng.normal(scale=3, size=shape).astype(np.float32)
    lo, hi = RANGES[kind]
    return rng.integers(lo, hi + 1, shape).astype({2: np.uint8, 3: np.int8}[kind])


def float_net(shape, build, opset: int = 21, zero: int = 117) -> tuple[QdqNet, tuple[str, ...]]:
    """Quantized floats, scaled and shifted per channel and clipped, through the node to a quantizer each."""
    net = QdqNet(shape, opset)
    channels = (shape[1],) + (1,) * (len(shape) - 2)
    rng = np.random.default_rng(sum(shape))
    x = net.pair("x", 0.061, zero)
    x = net.node("Mul", x, net.const(rng.uniform(0.3, 1.7, channels)))
    x = net.node("Add", x, net.const(rng.normal(size=channels)))
    return net, tuple(net.quantize(y, 0.053, 99) for y in names(build(net, net.node("Relu", x))))


def plain_net(shape, build, opset: int = 21, zero: int = 117) -> tuple[QdqNet, tuple[str, ...]]:
    """Quantized floats of one scale through the node, and out as they are."""
    net = QdqNet(shape, opset)
    return net, names(build(net, net.pair("x", 0.061, zero)))


def code_net(shape, build, kind: int, opset: int = 21) -> tuple[QdqNet, tuple[str, ...]]:
    """Codes between QuantizeLinear and DequantizeLinear through the node, out as codes."""
    net = QdqNet(shape, opset)
    zero = 117 if kind == TensorProto.UINT8 else -9
    outputs = names(build(net, net.quantize("x", 0.061, zero, kind)))
    net.integer.update(dict.fromkeys(outputs, kind))
    return net, outputs


def assert_equal_to_ort(net: QdqNet, outputs: tuple[str, ...], seed: int = 0, frame_count: int = 3) -> None:
    """Every output of some random frames: the source's integers, or its floats to the last bit."""
    model = net.build(*outputs)
    graph = imported(model)
    seen = [set() for _ in outputs]
    for i in range(frame_count):
        x = frames(net.shape, seed + i)
        expected = execute_all(model, x)
        found = evaluate(graph, graph.encodings[0].apply(x, graph.inputs[0].type))
        for values, y, q, decoding in zip(seen, expected, found, graph.decodings, strict=True):
            ours = decoding.apply(q).astype(np.float32) if y.dtype == np.float32 else decoding.integers(q)
            np.testing.assert_array_equal(ours, y)
            values.update(y.ravel().tolist())
    assert min(map(len, seen)) > 1, "a constant result shows nothing"
