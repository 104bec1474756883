"""Builds small QONNX models node by node, and runs them with qonnx's own executor."""

import warnings
from unittest.mock import patch

import numpy as np
import onnx
from onnx import ModelProto, helper, numpy_helper
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.core.onnx_exec import execute_onnx
from qonnx.transformation.infer_shapes import InferShapes

from gatewright.compiler.frontends import import_model
from gatewright.compiler.ir.evaluate import evaluate
from gatewright.compiler.ir.graph import Graph

DOMAIN = "qonnx.custom_op.general"


class Net:
    """A model in the making; every method adds a node and returns its output's name."""

    def __init__(self, shape: tuple[int, ...], opset: int = 13, kind: int = 1):
        self.shape, self.opset, self.kind = shape, opset, kind
        self.nodes, self.stored = [], []

    def const(self, values, dtype=np.float32) -> str:
        """A stored tensor."""
        name = f"c{len(self.stored)}"
        self.stored.append(numpy_helper.from_array(np.array(values, dtype=dtype), name))
        return name

    def node(
        self, op: str, *inputs: str, domain: str = "", outputs: int = 1, name: str = "", **attributes
    ) -> str:
        """Any node; returns its first output."""
        names = [f"t{len(self.nodes)}_{i}" for i in range(outputs)]
        name = name or f"{op.lower()}{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, list(inputs), names, name=name, domain=domain, **attributes))
        return names[0]

    def quant(self, x: str, scale, bits=4, signed=1, narrow=0, zero=0.0, rounding="ROUND", **more) -> str:
        """A Quant node."""
        return self.node(
            "Quant", x, self.const(scale), self.const(zero), self.const(float(bits)),
            domain=DOMAIN, signed=signed, narrow=narrow, rounding_mode=rounding, **more,
        )  # fmt: skip

    def weights(self, values, scale, bits=4) -> str:
        """Float weights behind a signed narrow quantizer."""
        return self.quant(self.const(values), scale, bits, 1, 1)

    def build(self, *outputs: str) -> ModelProto:
        """The model with these outputs."""
        integer = {o for n in self.nodes if n.op_type in ("ArgMax", "TopK") for o in n.output}
        graph = helper.make_graph(
            self.nodes, "net", [helper.make_tensor_value_info("x", self.kind, self.shape)],
            [helper.make_tensor_value_info(o, 7 if o in integer else 1, None) for o in outputs], self.stored,
        )  # fmt: skip
        opsets = [helper.make_opsetid("", self.opset), helper.make_opsetid(DOMAIN, 2)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def execute(model: ModelProto, x: np.ndarray) -> np.ndarray:
    """The first output, from qonnx's executor; ``x`` has the model's own batch."""
    # qonnx wraps each node in a model of onnx's newest IR version, which ONNX Runtime refuses.
    with warnings.catch_warnings(), patch.object(onnx, "IR_VERSION", 10):
        warnings.simplefilter("ignore")
        wrapper = ModelWrapper(model, make_deepcopy=True).transform(InferShapes())
        return next(iter(execute_onnx(wrapper, {"x": x}).values()))


def run(graph: Graph, x: np.ndarray) -> np.ndarray:
    """The first output in the source's floats, from the integer graph."""
    codes = graph.encodings[0].apply(x, graph.inputs[0].type)
    return graph.decodings[0].apply(evaluate(graph, codes)[0])


def imported(model: ModelProto) -> Graph:
    """The integer graph of a copy of the model."""
    copy = ModelProto()
    copy.CopyFrom(model)
    return import_model(copy, "net")
