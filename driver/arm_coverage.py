"""What the ARM target makes of a graph's nodes: which kernels compute each, or why it does not take one."""

from __future__ import annotations

from dataclasses import dataclass

from ..compiler.ir.graph import Graph, Node
from ..errors import LoweringError


@dataclass(frozen=True, eq=False)
class ArmCoverage:
    """By ``id(node)``: the kinds of kernels that compute it, and why it is refused and what to do.

    ``faults``: what belongs to no node.
    """

    kernels: dict[int, tuple[str, ...]]
    refused: dict[int, str]
    faults: tuple[str, ...] = ()

    def kinds(self, nodes: list[Node]) -> list[str]:
        """The kernels of some nodes, each once."""
        return list(dict.fromkeys(kind for n in nodes for kind in self.kernels.get(id(n), ())))


def arm_coverage(graph: Graph, core: str) -> ArmCoverage:
    """Every node asked, and the graph lowered where all are taken; nothing is compiled.

    Args:
        core: such as "cortex-a72".
    """
    # Loading TVM takes seconds.
    from ..compiler.neon.isa import CORES
    from ..compiler.neon.lower import NEON, kernels_of

    refused = {}
    for node in graph.nodes():
        try:
            NEON.rule(node)
        except LoweringError as error:
            refused[id(node)] = str(error)
    kernels = {} if refused else kernels_of(graph, CORES[core])
    inputs, outputs = len(graph.inputs), len(graph.outputs)
    if (inputs, outputs) == (1, 1):
        return ArmCoverage(kernels, refused)
    fault = (
        f"arm: a compile is for 1 input and 1 output, not {inputs} and {outputs}. "
        "Cut the model where one tensor enters and one leaves."
    )
    return ArmCoverage(kernels, refused, (fault,))
