"""A quantized model cut at its tensors of codes: each layer alone, fed with the source's own codes.

In a network one code that differs moves others behind it; layer by layer only the layers' own differences
are left.
"""

from collections.abc import Iterator

import numpy as np
from onnx import ModelProto, NodeProto, helper

from gatewright.compiler.frontends import import_model
from gatewright.compiler.ir.evaluate import evaluate

from .compare import CODED, Difference, compared, results_of


def codes_of(model: ModelProto, x: np.ndarray) -> dict[str, np.ndarray]:
    """The codes that ONNX Runtime computes for a model whose inner codes are outputs, by name."""
    return {name: array for name, array in results_of(model, x).items() if array.dtype.kind in "iu"}


def segments(model: ModelProto, codes: dict[str, np.ndarray]) -> Iterator[tuple[ModelProto, list[str]]]:
    """Each computation between tensors of codes as a model, and the names of its inputs.

    Args:
        codes: integers (N, *shape) of all such tensors, by name; they give types and shapes.
    """
    makers = {o: n for n in model.graph.node for o in n.output}
    stored = {t.name: t for t in model.graph.initializer}
    for node in model.graph.node:
        target = node.output[0]
        if node.op_type not in CODED:
            continue
        nodes, starts = _behind(node, makers, codes)
        if not starts:
            continue
        inputs = [_declared(name, codes[name]) for name in starts]
        constants = dict.fromkeys(i for n in nodes for i in n.input if i in stored)
        graph = helper.make_graph(
            nodes, "segment", inputs, [_declared(target, codes[target])], [stored[c] for c in constants]
        )
        yield helper.make_model(graph, opset_imports=model.opset_import, ir_version=model.ir_version), starts


def _behind(
    last: NodeProto, makers: dict[str, NodeProto], codes: dict[str, np.ndarray]
) -> tuple[list[NodeProto], list[str]]:
    """The nodes from the nearest tensors of codes to ``last``, in order, and those tensors."""
    nodes: dict[str, NodeProto] = {last.output[0]: last}
    starts: dict[str, None] = {}
    waiting = [last]
    while waiting:
        for name in waiting.pop().input:
            if name in codes:
                starts[name] = None
            elif name in makers and makers[name].output[0] not in nodes:
                nodes[makers[name].output[0]] = makers[name]
                waiting.append(makers[name])
    # ``makers`` has the model's order, which is topological.
    return [nodes[name] for name in makers if name in nodes], list(starts)


def _declared(name: str, codes: np.ndarray):
    kind = helper.np_dtype_to_tensor_dtype(codes.dtype)
    return helper.make_tensor_value_info(name, kind, (1, *codes.shape[1:]))


def differing_alone(model: ModelProto, codes: dict[str, np.ndarray]) -> Difference:
    """What differs in all segments together, each fed with the source's codes."""
    parts = []
    for segment, starts in segments(model, codes):
        name = segment.graph.output[0].name
        graph = import_model(segment, "segment")
        given = [
            e.apply(codes[s], i.type) for e, i, s in zip(graph.encodings, graph.inputs, starts, strict=True)
        ]
        parts.append(compared(graph, evaluate(graph, *given), [codes[name]], [name], 0))
    first = next((p.first for p in parts if p.differ), "")
    return Difference(
        sum(p.differ for p in parts), sum(p.total for p in parts), max(p.most for p in parts), first,
        len(parts), len(next(iter(codes.values()))),
    )  # fmt: skip
