"""Small whole models of each format, damaged in every way that we know, and what is tried with them."""

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from onnx import ModelProto, TensorProto
from onnxruntime.quantization import QuantFormat

from driver_models import image_net
from gatewright.compiler.export_onnx import export_onnx
from gatewright.compiler.frontends import import_model, load_model, survey
from gatewright.compiler.frontends.adder_ops import DOMAIN as ADDER
from gatewright.compiler.ir.graph import Graph
from gatewright.compiler.ir.io import save
from gatewright.compiler.ir.text import from_text, to_text
from gatewright.compiler.passes.pipeline import run as run_passes
from gatewright.errors import GraphError
from mutators import Rng, of_bytes, of_fields, of_lines
from mutators_onnx import of_meaning
from mutators_tflite import of_objects
from qdq_models import QdqNet, statically_quantized
from qonnx_models import DOMAIN, Net
from support_onnx import OPERATOR_EXAMPLES, QUANTIZER_EXAMPLES
from support_qoperator import QOPERATOR_EXAMPLES
from support_tflite import TFLITE_EXAMPLES
from tflite_nets import NONE, SAME
from tflite_nets import Net as TFLiteNet


def qonnx() -> list[bytes]:
    """Quant, batch norm, pooling and a dense layer; MultiThreshold and BipolarQuant."""
    rng = np.random.default_rng(1)
    net = Net((1, 2, 5, 4))
    x = net.quant("x", 0.25, 3, 0)
    y = net.node("Conv", x, net.weights(rng.normal(size=(3, 2, 2, 2)), np.full((3, 1, 1, 1), 0.3)),
                 kernel_shape=[2, 2], pads=[0, 0, 1, 1])  # fmt: skip
    norms = (net.const(rng.normal(size=3)) for _ in range(3))
    y = net.node("BatchNormalization", y, *norms, net.const([0.5, 1, 2]))
    y = net.node("MaxPool", net.quant(net.node("Relu", y), 0.3, 2, 0), kernel_shape=[2, 2], strides=[2, 2])
    flat = net.node("Reshape", y, net.const([1, 12], np.int64))
    net_one = net.build(net.node("MatMul", flat, net.weights(rng.normal(size=(12, 2)), 0.2, 3)))
    net = Net((1, 6))
    x = net.node("BipolarQuant", "x", net.const(1.0), domain=DOMAIN)
    y = net.node("MatMul", x, net.weights(rng.normal(size=(6, 4)), 1.0, 1 + 1))
    y = net.node("MultiThreshold", y, net.const(np.sort(rng.normal(size=(4, 3)))), domain=DOMAIN,
                 out_scale=1.0, out_bias=-2.0, out_dtype="INT2")  # fmt: skip
    y = net.node("Mul", net.node("Add", y, net.const(np.ones((1, 4)))), net.const(0.5))
    net_two = net.build(net.node("TopK", y, net.const([1], np.int64), outputs=2).replace("_0", "_1"))
    return [net_one.SerializeToString(), net_two.SerializeToString()]


def adder() -> list[bytes]:
    """Adder layers as quant/ exports them, with batch norm, pooling and scales of which one is a multiple."""
    rng = np.random.default_rng(6)
    net = Net((1, 2, 6, 5))
    w = net.weights(rng.normal(size=(3, 2, 3, 3)), 0.25, 5)
    y = net.node("AdderConv2d", net.quant("x", 0.25, 4, 0), w, domain=ADDER, strides=[2, 1],
                 pads=[1, 1, 1, 1], dilations=[1, 2])  # fmt: skip
    norms = (net.const(rng.normal(size=3)) for _ in range(3))
    y = net.node("BatchNormalization", y, *norms, net.const([9, 10, 20]))
    y = net.node("MaxPool", net.quant(y, 0.5, 4), kernel_shape=[2, 2], strides=[1, 1])
    w = net.weights(rng.normal(size=(4, 12)), np.full((4, 1), 0.25), 5)
    y = net.node("AdderLinear", net.node("Flatten", y), w, domain=ADDER)
    return [net.build(net.node("Add", y, net.const([1, 2, 3, 4]))).SerializeToString()]


def qdq() -> list[bytes]:
    """A residual block node by node, and a network of the static quantizer."""
    rng = np.random.default_rng(2)
    net = QdqNet((1, 2, 4, 4))
    x, kind = net.pair("x", np.float32(0.1), 3), TensorProto.UINT4
    w = net.stored_weights(rng.integers(-99, 99, (2, 2, 3, 3)), np.float32([0.01, 0.02]), [0, 0])
    y = net.pair(net.node("Relu", net.node("Conv", x, w, pads=[1, 1, 1, 1])), np.float32(3.2), 0, kind)
    y = net.pair(net.node("Add", net.pair(x, np.float32(1.7), 3, kind), y), np.float32(0.3), 9)
    y = net.node("Concat", y, y, axis=1)
    pooled = net.pair(net.node("MaxPool", y, kernel_shape=[2, 2]), np.float32(0.3), 9)
    residual = net.build(net.quantize(pooled, np.float32(0.25), 1))
    return [residual.SerializeToString(), _static(QuantFormat.QDQ, False)]


def qoperator() -> list[bytes]:
    """Networks of the static quantizer, mostly without a residual connection, which takes long to import."""
    return [*[_static(QuantFormat.QOperator, False)] * 3, _static(QuantFormat.QOperator, True)]


def _static(form: QuantFormat, residual: bool) -> bytes:
    """Convolutions, pooling and a dense layer, with or without a sum of two computed tensors."""
    rng = np.random.default_rng(3)
    net = QdqNet((1, 2, 6, 6), 17)
    w = [net.const(rng.normal(size=s)) for s in ((3, 2, 3, 3), (3, 3, 1, 1), (27, 4))]
    y = net.node("Relu", net.node("Conv", "x", w[0], net.const(rng.normal(size=3)), pads=[1, 1, 1, 1]))
    z = net.node("Conv", y, w[1])
    y = net.node("Add", y, z) if residual else z
    y = net.node("Flatten", net.node("MaxPool", y, kernel_shape=[2, 2], strides=[2, 2]))
    model = net.build(net.node("MatMul", y, w[2]))
    samples = rng.normal(size=(3, 2, 6, 6)).astype(np.float32)
    return statically_quantized(model, samples, True, False, form=form).SerializeToString()


def tflite() -> list[bytes]:
    """A convolution, pooling and a dense layer; some with a residual sum or a softmax, which take long."""
    return [*[_tflite("")] * 3, _tflite("sum"), _tflite("softmax")]


def _tflite(more: str) -> bytes:
    rng = np.random.default_rng(4)
    net = TFLiteNet()
    window = {"padding": SAME, "strideH": 1, "strideW": 1, "fusedActivationFunction": NONE}
    x = net.input((1, 4, 4, 2), 0.5, 3)
    w = net.constant(rng.integers(-127, 127, (2, 2, 2, 2)), scale=[0.1, 0.2])
    b = net.constant([1, 2], "i4")
    y = net.add("CONV_2D", [x, w, b], net.tensor((1, 4, 4, 2), 0.9, -4), "Conv2DOptions", **window)
    if more == "sum":
        y = net.add("ADD", [x, y], net.tensor((1, 4, 4, 2), 1.1, 5), "AddOptions")
    axes = net.constant([1, 2], "i4")
    y = net.add("MEAN", [y, axes], net.tensor((1, 2), 0.8, 2), "ReducerOptions", keepDims=False)
    w = net.constant(rng.integers(-127, 127, (3, 2)), scale=0.1)
    y = net.add("FULLY_CONNECTED", [y, w], net.tensor((1, 3), 0.7, 1), "FullyConnectedOptions")
    if more == "softmax":
        y = net.add("SOFTMAX", [y], net.tensor((1, 3), 1 / 256, -128), "SoftmaxOptions", beta=1.0)
    return net.bytes(y)


def onnx_operators() -> list[bytes]:
    """An example of each operator of ONNX, QONNX and QOperator."""
    examples = (*QUANTIZER_EXAMPLES, *OPERATOR_EXAMPLES, *QOPERATOR_EXAMPLES)
    return [e.build() for e in examples]


def tflite_operators() -> list[bytes]:
    """An example of each operator of TFLite."""
    return [e.build() for e in TFLITE_EXAMPLES]


def graph() -> list[bytes]:
    """Our own files."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "graph.onnx"
        return [_saved(g, path) for g in (image_net(), _adder_graph())]


def _saved(graph: Graph, path: Path) -> bytes:
    save(graph, path)
    return path.read_bytes()


def _adder_graph() -> Graph:
    return import_model(ModelProto.FromString(adder()[0]))


def text() -> list[bytes]:
    """Our own texts."""
    return [to_text(g).encode() for g in (image_net(), _adder_graph())]


# Per format: its models, and the ways to damage them.
FORMATS: dict[str, tuple[Callable[[], list[bytes]], tuple[Callable[[Rng, bytes], bytes], ...]]] = {
    "qonnx": (qonnx, (of_bytes, of_fields, of_meaning, of_meaning)),
    "adder": (adder, (of_bytes, of_fields, of_meaning, of_meaning)),
    "qdq": (qdq, (of_bytes, of_fields, of_meaning, of_meaning)),
    "qoperator": (qoperator, (of_bytes, of_fields, of_meaning, of_meaning)),
    "tflite": (tflite, (of_bytes, of_objects, of_objects)),
    "onnx-operators": (onnx_operators, (of_bytes, of_fields, of_meaning, of_meaning)),
    "tflite-operators": (tflite_operators, (of_bytes, of_objects, of_objects)),
    "graph": (graph, (of_bytes, of_fields, of_meaning)),
    "text": (text, (of_bytes, of_lines, of_lines)),
}


def mutation(rng: Rng, kind: str, originals: list[bytes]) -> bytes:
    """One damaged file of a format."""
    changes = FORMATS[kind][1]
    good = originals[int(rng.integers(len(originals)))]
    return changes[int(rng.integers(len(changes)))](rng, good)


def treat(kind: str, path: Path) -> None:
    """All that is done with a model file before a board comes in."""
    try:
        graph = from_text(path.read_text("utf-8", "replace")) if kind == "text" else load_model(path)
    except GraphError as error:
        # What cannot be imported can still be surveyed, and says the same.
        if kind != "text" and survey(path).problem != str(error):
            raise AssertionError("survey and import must tell the same problem") from error
        raise
    graph.verify()
    graph = run_passes(graph)
    export_onnx(graph).SerializeToString(deterministic=True)
    from_text(to_text(graph))
