"""Let the output leave in the layout that the graph computes in."""

from dataclasses import replace

from ..ir.boundary import plain_output
from ..ir.graph import Graph
from .layout import compose, is_identity, permutation_of


def absorb_transpose_into_output(graph: Graph) -> Graph:
    """transpose(x, p) -> output  ->  x -> output whose decoding permutes by p as well. Exact.

    A Reshape that only moves axes of size 1 counts as a Transpose. A graph without decodings is given
    plain ones first, so that the caller's layout stays on record.
    """
    outputs = list(graph.outputs)
    decodings = list(graph.decodings or (plain_output(v.type.shape) for v in outputs))
    for i, value in enumerate(outputs):
        while (perm := permutation_of(value)) is not None:
            value = value.inputs[0]
            if not is_identity(perm):
                decodings[i] = replace(decodings[i], perm=compose(perm, decodings[i].perm))
        outputs[i] = value
    if all(a is b for a, b in zip(outputs, graph.outputs, strict=True)):
        return graph
    return replace(graph, outputs=tuple(outputs), decodings=tuple(decodings))
