"""Graphs as text, one value a line; reading gives back exactly the graph that was written.

    gatewright 1 "digits"
    %0 = input : [0..3][2] "x"
    %1 = const [1, -1] : bipolar[2, 1] "w"
    %2 = matmul %0 %1 : [-3..3][1] "fc"
    encode from (2,) perm (0,) scale 0.5 thresholds f32 (1, 3) [0.25, 0.75, 1.25]
    output %2
    decode from (1,) perm (0,) scale f64 (1,) [0.5] offset f64 (1,) [0.0]

Types are written for the reader and checked against inference. ``encode`` and ``decode`` lines belong
to the inputs and outputs in order; empty lines and lines that start with ``#`` mean nothing.
"""

import json

from ...errors import GraphError
from .graph import Const, Graph, Input, Node, Value
from .literal import (
    Scanner,
    array_text,
    check_size,
    decoding_text,
    encoding_text,
    integers_text,
    make_op,
    parse_decoding,
    parse_encoding,
)
from .op import Op, require
from .ops import OPS

_VERSION = 1
_ELEMENT = "<i8"


def to_text(graph: Graph) -> str:
    """The graph as text; equal graphs give equal text."""
    values = graph.values()
    number = {id(v): i for i, v in enumerate(values)}
    lines = [f"gatewright {_VERSION} {json.dumps(graph.name)}"]
    for i, value in enumerate(values):
        name = f" {json.dumps(value.name)}" if value.name else ""
        lines.append(f"%{i} = {_definition(value, number)} : {value.type}{name}")
    lines += [f"encode {encoding_text(e)}" for e in graph.encodings]
    lines += [f"output %{number[id(v)]}" for v in graph.outputs]
    lines += [f"decode {decoding_text(d)}" for d in graph.decodings]
    return "\n".join(lines) + "\n"


def _definition(value: Value, number: dict[int, int]) -> str:
    if isinstance(value, Input):
        return "input"
    if isinstance(value, Const):
        return f"const {array_text(value.value, _ELEMENT)}"
    operands = " ".join(f"%{number[id(v)]}" for v in value.inputs)
    return f"{value.op.name}{_attributes_text(value.op)} {operands}"


def _attributes_text(op: Op) -> str:
    texts = [
        f"{k}={integers_text(v) if isinstance(v, tuple) else int(v)}" for k, v in op.attributes().items()
    ]
    return f"({', '.join(texts)})" if texts else ""


def from_text(text: str) -> Graph:
    """The graph that ``text`` describes.

    Raises:
        GraphError: a line breaks the form, or describes a graph that breaks a rule; names the line.
    """
    reader = _Reader()
    last = 1
    for last, line in enumerate(text.split("\n"), 1):
        if line.strip() and not line.startswith("#"):
            _located(last, reader.line, line)
    return _located(last, reader.finish)


def _located(number: int, call, *args):
    try:
        return call(*args)
    except GraphError as error:
        raise GraphError(f"text: line {number}: {error}") from None


class _Reader:
    """What the lines so far have said."""

    def __init__(self):
        self.name: str | None = None
        self.values: dict[str, Value] = {}
        self.inputs: list[Input] = []
        self.outputs: list[Value] = []
        self.encodings: list = []
        self.decodings: list = []

    def line(self, line: str) -> None:
        """Take one line; raises GraphError."""
        scan = Scanner(line)
        if self.name is None:
            version = scan.take(r"gatewright (\d{1,9})", "'gatewright' and a version in the first line")[1]
            require(int(version) == _VERSION, f"the version must be {_VERSION}, not {version}")
            self.name = scan.string()
            scan.end()
            return
        kind = scan.take(r"%\d{1,9}|output|encode|decode", "%number, output, encode or decode")[0]
        if kind == "output":
            self.outputs.append(self._operand(scan))
            scan.end()
        elif kind == "encode":
            self._codec(self.encodings, self.inputs, parse_encoding(scan))
        elif kind == "decode":
            self._codec(self.decodings, self.outputs, parse_decoding(scan))
        else:
            self._define(kind, scan)

    def _codec(self, codecs: list, values: list, codec) -> None:
        require(len(codecs) < len(values), f"there are only {len(values)} values to encode or decode")
        codec.check(values[len(codecs)].type)
        codecs.append(codec)

    def _operand(self, scan: Scanner) -> Value:
        key = scan.take(r"%\d{1,9}", "a value such as %3")[0]
        require(key in self.values, f"{key} must be defined above its use")
        return self.values[key]

    def _define(self, key: str, scan: Scanner) -> None:
        require(key not in self.values, f"{key} must be defined once, not again")
        scan.take("=", "'='")
        kind = scan.take("[a-z_0-9]+", "an op, input or const")[0]
        if kind == "const":
            value = self._const(scan)
        elif kind == "input":
            declared, name = _ending(scan)
            value = Input(name, declared)
            self.inputs.append(value)
        else:
            value = self._node(kind, scan)
        self.values[key] = value

    def _const(self, scan: Scanner) -> Const:
        # The shape stands behind the elements.
        elements = scan.take(r"(?:zlib:\S*|\[[^\]]*\])", "the elements of the constant")[0]
        declared, name = _ending(scan)
        inner = Scanner(elements)
        value = Const(inner.array(_ELEMENT, declared.shape), name)
        inner.end()
        _same(declared, value)
        return value

    def _node(self, kind: str, scan: Scanner) -> Node:
        cls = next((op for op in OPS if op.name == kind), None)
        require(cls is not None, f"an op must be one of {', '.join(op.name for op in OPS)}, not {kind}")
        op = make_op(cls, _attributes(scan))
        operands = []
        while not scan.accept("(?=:)"):
            operands.append(self._operand(scan))
        declared, name = _ending(scan)
        value = Node(op, tuple(operands), name)
        check_size(value.type)
        _same(declared, value)
        return value

    def finish(self) -> Graph:
        """The whole graph, verified."""
        require(self.name is not None, "a graph must begin with 'gatewright 1 \"name\"'")
        graph = Graph(
            tuple(self.inputs), tuple(self.outputs), self.name, tuple(self.encodings), tuple(self.decodings)
        )
        graph.verify()
        return graph


def _ending(scan: Scanner):
    """The type and the name that end the line of a value."""
    scan.take(":", "':' and a type")
    declared = scan.type()
    name = "" if scan.accept("$") else scan.string()
    scan.end()
    return declared, name


def _attributes(scan: Scanner) -> dict[str, object]:
    found: dict[str, object] = {}
    if not scan.accept(r"\("):
        return found
    while not scan.accept(r"\)"):
        if found:
            scan.take(",", "',' or ')'")
        key = scan.take("([a-z_]+)=", "an attribute")[1]
        require(key not in found, f"attribute {key} must be given once")
        if scan.accept(r"(?=\()"):
            found[key] = scan.integers()
        else:
            found[key] = int(scan.take(r"-?\d{1,20}", "an integer")[0])
    return found


def _same(declared, value: Value) -> None:
    require(declared == value.type, f"the type must be {value.type} by inference, not {declared}")
