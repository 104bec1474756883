"""How often float32 sums of ONNX Runtime move a code: a residual network with random weights, all codes.

    python benchmarks/qdq_residual.py

The network (nine convolutions, 32 to 128 channels, 32x32 inputs) is quantized by ONNX Runtime's static
quantizer and run without graph optimisation; every quantizer's codes are compared.
"""

import io
import logging
import time

import numpy as np
import onnx
import onnxruntime
from onnx import ModelProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, quantize_static

from gatewright.compiler.frontends import import_model
from gatewright.compiler.ir.evaluate import evaluate

FRAMES, SIZE = 8, 32


class Network:
    """A float network in the making, its weights normal numbers."""

    def __init__(self):
        self.rng = np.random.default_rng(0)
        self.nodes, self.stored = [], []

    def weights(self, name: str, *shape: int) -> str:
        """A stored tensor."""
        spread = 1 / np.sqrt(np.prod(shape[1:])) if len(shape) > 1 else 0.1
        values = (self.rng.normal(size=shape) * spread).astype(np.float32)
        self.stored.append(numpy_helper.from_array(values, name))
        return name

    def node(self, op: str, *inputs: str, **attributes) -> str:
        """A node; returns its output."""
        name = f"n{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, list(inputs), [name], name=f"{op}_{name}", **attributes))
        return name

    def conv(self, x: str, inputs: int, outputs: int, size: int = 3, stride: int = 1) -> str:
        """A convolution with bias that keeps the image's size but for its stride."""
        count = len(self.nodes)
        w, b = self.weights(f"w{count}", outputs, inputs, size, size), self.weights(f"b{count}", outputs)
        return self.node("Conv", x, w, b, pads=[size // 2] * 4, strides=[stride] * 2)


def network(channels: int = 32, blocks: int = 3) -> ModelProto:
    """A stem, residual blocks of which the later ones halve the image, max pooling, a dense layer."""
    net = Network()
    x = net.node("Relu", net.conv("x", 3, channels))
    for block in range(blocks):
        stride = 2 if block else 1
        wide = channels * stride
        y = net.conv(net.node("Relu", net.conv(x, channels, wide, 3, stride)), wide, wide)
        x = net.conv(x, channels, wide, 1, stride) if block else x
        x, channels = net.node("Relu", net.node("Add", y, x)), wide
    x = net.node("Flatten", net.node("MaxPool", x, kernel_shape=[8, 8], strides=[8, 8]))
    y = net.node("Gemm", x, net.weights("w", 10, channels), net.weights("b", 10), transB=1)
    ends = (
        [helper.make_tensor_value_info("x", 1, (1, 3, SIZE, SIZE))],
        [helper.make_tensor_value_info(y, 1, (1, 10))],
    )
    graph = helper.make_graph(net.nodes, "residual", *ends, net.stored)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)


class Samples(CalibrationDataReader):
    """Frames for the quantizer's ranges."""

    def __init__(self, frames: np.ndarray):
        self.rest = iter([{"x": f[None]} for f in frames])

    def get_next(self):
        """The next frame, or None."""
        return next(self.rest, None)


def quantized(frames: np.ndarray, per_channel: bool, symmetric: bool) -> ModelProto:
    """The network in QDQ form, the floats of all codes its outputs."""
    target = io.BytesIO()
    quantize_static(
        network(), target, Samples(frames), QuantFormat.QDQ, per_channel=per_channel,
        extra_options={"ActivationSymmetric": symmetric},
    )  # fmt: skip
    model = onnx.load_model_from_string(target.getvalue())
    codes = {n.output[0] for n in model.graph.node if n.op_type == "QuantizeLinear"}
    known = {o.name for o in model.graph.output}
    for node in model.graph.node:
        if node.op_type == "DequantizeLinear" and node.input[0] in codes and node.output[0] not in known:
            model.graph.output.append(helper.make_tensor_value_info(node.output[0], 1, None))
    return model


def compare(frames: np.ndarray, per_channel: bool, symmetric: bool) -> str:
    """One line of results."""
    model = quantized(frames, per_channel, symmetric)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    theirs = [session.run(None, {"x": f[None]}) for f in frames]
    start = time.perf_counter()
    graph = import_model(model, "residual")
    seconds = time.perf_counter() - start
    codes = evaluate(graph, graph.encodings[0].apply(frames, graph.inputs[0].type))
    off = [
        np.abs(np.rint((d.apply(q) - np.concatenate([t[i] for t in theirs])) / d.scale))
        for i, (q, d) in enumerate(zip(codes, graph.decodings, strict=True))
    ]
    count, total = sum(np.count_nonzero(o) for o in off), sum(o.size for o in off)
    most = max(map(np.max, off))
    last = f"{np.count_nonzero(off[0])} of {off[0].size} at the output"
    kind = f"per {'channel' if per_channel else 'tensor'}, {'' if symmetric else 'a'}symmetric"
    return f"{kind}: {count} of {total} codes differ, by {most:.0f} at most; {last}; import {seconds:.1f} s"


def main() -> None:
    """Both ways of quantizing."""
    logging.disable(logging.WARNING)
    frames = np.random.default_rng(1).normal(size=(FRAMES, 3, SIZE, SIZE)).astype(np.float32)
    for per_channel in (False, True):
        for symmetric in (False, True):
            print(compare(frames, per_channel, symmetric))


if __name__ == "__main__":
    main()
