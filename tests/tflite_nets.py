"""TFLite models built for tests, and LiteRT's own kernels to compare with."""

from dataclasses import dataclass, field

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from gatewright.compiler.frontends.tflite import import_tflite
from gatewright.compiler.frontends.tflite_file import parse_tflite
from gatewright.compiler.ir.evaluate import evaluate
from gatewright.compiler.ir.graph import Graph

_KINDS = {np.dtype(t): k for t, k in (("i1", 9), ("u1", 3), ("i4", 2), ("i8", 4), ("f4", 0), ("i2", 7))}
NONE, RELU, RELU_N1_TO_1, RELU6, TANH = range(5)
SAME, VALID = range(2)


@dataclass
class Net:
    """A model under construction; tensors are their numbers."""

    tensors: list = field(default_factory=list)
    buffers: list = field(default_factory=lambda: [schema.BufferT()])
    operators: list = field(default_factory=list)
    codes: list = field(default_factory=list)
    inputs: list = field(default_factory=list)

    def tensor(self, shape, scale=None, zero=0, dtype="i1", values=None, axis=0, name=None) -> int:
        """A tensor; ``scale`` may be one or many, and ``values`` make it constant."""
        t = schema.TensorT()
        t.shape, t.type, t.name = list(shape), _KINDS[np.dtype(dtype)], name or f"t{len(self.tensors)}"
        if scale is not None:
            q = schema.QuantizationParametersT()
            q.scale = [float(s) for s in np.atleast_1d(scale)]
            q.zeroPoint = [int(z) for z in np.broadcast_to(zero, len(q.scale))]
            q.quantizedDimension = axis
            t.quantization = q
        if values is not None:
            buffer = schema.BufferT()
            data = np.ascontiguousarray(values, dtype=np.dtype(dtype).newbyteorder("<"))
            buffer.data = np.frombuffer(data.tobytes(), np.uint8)
            t.buffer = len(self.buffers)
            self.buffers.append(buffer)
        self.tensors.append(t)
        return len(self.tensors) - 1

    def constant(self, values, dtype="i1", scale=None, zero=0, axis=0) -> int:
        """A constant tensor."""
        values = np.asarray(values)
        return self.tensor(values.shape, scale, zero, dtype, values, axis)

    def input(self, shape, scale=None, zero=0, dtype="i1") -> int:
        """An input of the model."""
        self.inputs.append(self.tensor(shape, scale, zero, dtype, name=f"in{len(self.inputs)}"))
        return self.inputs[-1]

    def add(
        self, kind: str, inputs, output: int, table: str | None = None, custom=None, version=1, **options
    ) -> int:
        """An operator; ``table`` names its options, whose fields are in camel case."""
        code = schema.OperatorCodeT()
        code.builtinCode = getattr(schema.BuiltinOperator, kind)
        code.deprecatedBuiltinCode = min(code.builtinCode, 127)
        code.version, code.customCode = version, custom
        op = schema.OperatorT()
        op.opcodeIndex, op.inputs, op.outputs = len(self.codes), list(inputs), [output]
        if table:
            op.builtinOptions = getattr(schema, f"{table}T")()
            op.builtinOptionsType = getattr(schema.BuiltinOptions, table)
            for key, value in options.items():
                assert hasattr(op.builtinOptions, key)
                setattr(op.builtinOptions, key, value)
        self.codes.append(code)
        self.operators.append(op)
        return output

    def bytes(self, *outputs: int) -> bytes:
        """The finished flatbuffer."""
        graph = schema.SubGraphT()
        graph.tensors, graph.operators = self.tensors, self.operators
        graph.inputs, graph.outputs = self.inputs, list(outputs)
        model = schema.ModelT()
        model.version, model.subgraphs, model.operatorCodes = 3, [graph], self.codes
        model.buffers = self.buffers
        builder = flatbuffers.Builder(1024)
        builder.Finish(model.Pack(builder), b"TFL3")
        return bytes(builder.Output())


def imported(data: bytes) -> Graph:
    """The integer graph of a flatbuffer."""
    return import_tflite(parse_tflite(data), "net")


def run(graph: Graph, *inputs: np.ndarray) -> list[np.ndarray]:
    """The graph's outputs in the model's own coding, for its own inputs."""
    codes = [e.apply(x, i.type) for e, x, i in zip(graph.encodings, inputs, graph.inputs, strict=True)]
    return [d.integers(y) for d, y in zip(graph.decodings, evaluate(graph, *codes), strict=True)]


def litert(data: bytes, *inputs: np.ndarray, resolver=OpResolverType.BUILTIN_REF) -> list[np.ndarray]:
    """What LiteRT's kernels make of frames (N, ...), one after another."""
    interpreter = Interpreter(model_content=data, experimental_op_resolver_type=resolver)
    interpreter.allocate_tensors()
    into = [d["index"] for d in interpreter.get_input_details()]
    out = [d["index"] for d in interpreter.get_output_details()]
    frames = []
    for frame in zip(*inputs, strict=True):
        for index, x in zip(into, frame, strict=True):
            interpreter.set_tensor(index, x[None])
        interpreter.invoke()
        frames.append([interpreter.get_tensor(i)[0] for i in out])
    return [np.stack(outputs) for outputs in zip(*frames, strict=True)]


def check(data: bytes, *inputs: np.ndarray) -> Graph:
    """Import, run, and compare every integer with LiteRT's reference kernels."""
    graph = imported(data)
    for got, expected in zip(run(graph, *inputs), litert(data, *inputs), strict=True):
        np.testing.assert_array_equal(got, expected)
    return graph


def frames(rng: np.random.Generator, count: int, *shape: int) -> np.ndarray:
    """Random int8 codes."""
    return rng.integers(-128, 128, (count, *shape)).astype(np.int8)


def scale_of(rng: np.random.Generator, low: float = 0.002, high: float = 0.2) -> float:
    """A random scale."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def zero_of(rng: np.random.Generator) -> int:
    """A random zero point."""
    return int(rng.integers(-128, 128))


def mutated(rng: np.random.Generator, good: bytes) -> bytes:
    """A file damaged in one to three places: cut, a bit flipped, or a word overwritten."""
    data = bytearray(good)
    for _ in range(int(rng.integers(1, 4))):
        at, kind = int(rng.integers(8, len(data) - 4)), int(rng.integers(16))
        if kind == 0:
            del data[at:]
            break
        if kind < 5:
            word = (0, 1, 0x7FFFFFFF, 0xFFFFFFFF)[int(rng.integers(4))]
            data[at : at + 4] = word.to_bytes(4, "little")
        else:
            data[at] ^= 1 << int(rng.integers(8))
    return bytes(data)
