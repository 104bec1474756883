"""Builds one-node models of quantized operators with any inputs, and compares all codes with ONNX Runtime."""

import numpy as np
from onnx import ModelProto, TensorProto, helper

from gatewright.compiler.ir.evaluate import evaluate
from gatewright.compiler.ir.graph import Graph
from qdq_models import QdqNet, imported, session_of

INT8, UINT8 = TensorProto.INT8, TensorProto.UINT8
DTYPES = {INT8: np.int8, UINT8: np.uint8}
MICROSOFT = "com.microsoft"


class QOperatorNet(QdqNet):
    """A model with several inputs of codes, each of its own shape."""

    def __init__(self, opset: int = 21):
        super().__init__((), opset)
        self.given: dict[str, tuple[tuple[int, ...], int]] = {}

    def input(self, shape: tuple[int, ...], kind: int) -> str:
        """A model input of codes."""
        name = f"in{len(self.given)}"
        self.given[name] = (tuple(shape), kind)
        return name

    def coded(self, scale, zero, kind: int) -> tuple[str, str]:
        """A stored scale and zero point."""
        return self.const(scale), self.codes(zero, kind)

    def build(self, *outputs: str, kind: int = UINT8) -> ModelProto:
        """The model with these outputs, all of one type."""
        inputs = [helper.make_tensor_value_info(n, k, s) for n, (s, k) in self.given.items()]
        results = [helper.make_tensor_value_info(o, self.integer.get(o, kind), None) for o in outputs]
        graph = helper.make_graph(self.nodes, "net", inputs, results, self.stored)
        opsets = [helper.make_opsetid("", self.opset), helper.make_opsetid(MICROSOFT, 1)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=10)


def compare(model: ModelProto, *inputs: np.ndarray) -> Graph:
    """Import, run, and compare every integer of every output with ONNX Runtime's, unoptimised."""
    graph = imported(model)
    codes = [e.apply(x, i.type) for e, x, i in zip(graph.encodings, inputs, graph.inputs, strict=True)]
    session = session_of(model)
    theirs = session.run(None, {i.name: x for i, x in zip(session.get_inputs(), inputs, strict=True)})
    for q, decoding, expected in zip(evaluate(graph, *codes), graph.decodings, theirs, strict=True):
        got = decoding.integers(q) if expected.dtype.kind in "iu" else decoding.apply(q).astype(np.float32)
        np.testing.assert_array_equal(got, expected)
    return graph


def frames(rng: np.random.Generator, shape: tuple[int, ...], kind: int) -> np.ndarray:
    """Random codes, all of them likely."""
    info = np.iinfo(DTYPES[kind])
    return rng.integers(info.min, info.max + 1, shape).astype(DTYPES[kind])


def zero_of(rng: np.random.Generator, kind: int, symmetric: bool = False) -> int:
    """A random zero point, or that of symmetric codes."""
    info = np.iinfo(DTYPES[kind])
    if symmetric:
        return 0 if kind == INT8 else 128
    return int(rng.integers(info.min, info.max + 1))


def scale_of(rng: np.random.Generator, low: float = 0.003, high: float = 0.5) -> np.float32:
    """A random scale."""
    return np.float32(np.exp(rng.uniform(np.log(low), np.log(high))))
