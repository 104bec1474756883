"""A back end is a value: a name, and one rule per op class that it lowers."""

from collections.abc import Mapping
from dataclasses import dataclass

from ..errors import LoweringError
from .ir.graph import Graph, Node
from .ir.op import Op


@dataclass(frozen=True)
class Target:
    """A back end; ``rules`` is keyed by the exact op class, without inheritance."""

    name: str
    rules: Mapping[type[Op], object]

    def rule(self, node: Node):
        """The rule for ``node``.

        Raises:
            LoweringError: there is none.
        """
        try:
            return self.rules[type(node.op)]
        except KeyError:
            known = ", ".join(sorted(op.name for op in self.rules))
            raise LoweringError(
                f"{self.name}: no rule for {node.op.name!r} (node {node.name!r}: {node.type}); "
                f"it lowers {known}. Leave the op out of the model, or compile with --until graph."
            ) from None

    def missing(self, graph: Graph) -> list[Node]:
        """Nodes of ``graph`` that this target has no rule for."""
        return [n for n in graph.nodes() if type(n.op) not in self.rules]
