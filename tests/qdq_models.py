"""Builds small ONNX QDQ models node by node, or with ONNX Runtime's static quantizer, and runs them."""

import io

import numpy as np
import onnx
import onnxruntime
from onnx import ModelProto, TensorProto, helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

from gatewright.compiler.frontends import import_model
from gatewright.compiler.ir.evaluate import evaluate
from gatewright.compiler.ir.graph import Graph
from qonnx_models import Net

RANGES = {
    TensorProto.UINT8: (0, 255), TensorProto.INT8: (-128, 127),
    TensorProto.UINT16: (0, 65535), TensorProto.INT16: (-32768, 32767),
    TensorProto.UINT4: (0, 15), TensorProto.INT4: (-8, 7),
}  # fmt: skip


class QdqNet(Net):
    """A model of standard operators with QuantizeLinear and DequantizeLinear nodes."""

    def __init__(self, shape: tuple[int, ...], opset: int = 21, kind: int = 1):
        super().__init__(shape, opset, kind)
        self.integer: dict[str, int] = {}

    def codes(self, values, kind: int) -> str:
        """A stored tensor of any integer type."""
        name, values = f"c{len(self.stored)}", np.asarray(values)
        self.stored.append(helper.make_tensor(name, kind, values.shape, values.ravel().tolist()))
        return name

    def quantize(self, x: str, scale, zero=0, kind: int = TensorProto.UINT8, **more) -> str:
        """A QuantizeLinear node."""
        out = self.node(
            "QuantizeLinear", x, self.const(scale), self.codes(np.full(np.shape(scale), zero), kind), **more
        )
        self.integer[out] = kind
        return out

    def dequantize(self, q: str, scale, zero=0, kind: int = TensorProto.UINT8, **more) -> str:
        """A DequantizeLinear node."""
        zero = np.broadcast_to(zero, np.shape(scale))
        return self.node("DequantizeLinear", q, self.const(scale), self.codes(zero, kind), **more)

    def pair(self, x: str, scale, zero=0, kind: int = TensorProto.UINT8, **more) -> str:
        """Both nodes with the same scale and zero point."""
        return self.dequantize(self.quantize(x, scale, zero, kind, **more), scale, zero, kind, **more)

    def stored_weights(self, codes, scale, zero=0, kind: int = TensorProto.INT8, axis: int = 0) -> str:
        """Constant codes behind a DequantizeLinear node; one scale per element of ``axis``, or one."""
        return self.dequantize(self.codes(codes, kind), scale, zero, kind, axis=axis)

    def build(self, *outputs: str) -> ModelProto:
        """The model with these outputs."""
        inputs = [helper.make_tensor_value_info("x", self.kind, self.shape)]
        results = [helper.make_tensor_value_info(o, self.integer.get(o, 1), None) for o in outputs]
        graph = helper.make_graph(self.nodes, "net", inputs, results, self.stored)
        opsets = [helper.make_opsetid("", self.opset), helper.make_opsetid("com.microsoft", 1)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=10)


def execute(model: ModelProto, x: np.ndarray) -> np.ndarray:
    """The first output, from ONNX Runtime without graph optimisation."""
    return execute_all(model, x)[0]


def execute_all(model: ModelProto, x: np.ndarray) -> list[np.ndarray]:
    """All outputs, in the model's order."""
    session = session_of(model)
    return session.run(None, {session.get_inputs()[0].name: x})


def session_of(model: ModelProto) -> onnxruntime.InferenceSession:
    """The model in ONNX Runtime, without graph optimisation."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


def imported(model: ModelProto) -> Graph:
    """The integer graph of a copy of the model."""
    copy = ModelProto()
    copy.CopyFrom(model)
    return import_model(copy, "net")


def run(graph: Graph, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The first output in the source's floats and in the source's integers."""
    q = evaluate(graph, graph.encodings[0].apply(x, graph.inputs[0].type))[0]
    return graph.decodings[0].apply(q), graph.decodings[0].integers(q)


class _Samples(CalibrationDataReader):
    def __init__(self, name: str, samples: np.ndarray):
        self.rest = iter([{name: s[None]} for s in samples])

    def get_next(self):
        return next(self.rest, None)


def statically_quantized(
    model: ModelProto, samples: np.ndarray, per_channel: bool, symmetric: bool,
    activations: QuantType = QuantType.QUInt8, weights: QuantType = QuantType.QInt8,
    form: QuantFormat = QuantFormat.QDQ, **options,
) -> ModelProto:  # fmt: skip
    """A float model as ONNX Runtime's static quantizer writes it, in QDQ form or another."""
    target = io.BytesIO()
    quantize_static(
        model, target, _Samples(model.graph.input[0].name, samples), form, per_channel=per_channel,
        activation_type=activations, weight_type=weights,
        extra_options={"ActivationSymmetric": symmetric, "WeightSymmetric": True, **options},
    )  # fmt: skip
    return onnx.load_model_from_string(target.getvalue())
