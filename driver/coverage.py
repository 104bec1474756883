"""Which targets take which nodes of an integer graph, and why not; every node is asked."""

from dataclasses import dataclass, replace

from ..compiler.export_onnx.model import RULES as EXPORT_RULES
from ..compiler.ir.graph import Graph, Node
from ..errors import LoweringError
from ..hw.build import assemble
from ..hw.layers import layer_alone, layers
from ..hw.lower import FPGA
from ..hw.rules.rule import Layer
from . import hls, xls, xls_run
from .arm_coverage import ArmCoverage, arm_coverage

REFERENCE, ONNX, ARM = "reference", "onnx", "arm"
# What tables tell of each node: these, and what was asked for.
COLUMNS = (REFERENCE, ONNX)
# Ways to an FPGA by other compilers, which refuse ops of their own.
_WAYS = {hls.FOLDER: hls.refusals, xls_run.FOLDER: xls.refusals}
COLUMNS_OF = {None: (FPGA.name,), FPGA.name: (FPGA.name,), ARM: (FPGA.name, ARM), **{w: (w,) for w in _WAYS}}


@dataclass(frozen=True, eq=False)
class Coverage:
    """What the FPGA target, or a way to it by another compiler, refuses of a graph, and what the ARM target
    makes of it where it was asked.

    Attributes:
        refused: by ``id(node)``, why a node is not taken and what to do.
        faults: what belongs to no node: the graph's inputs, outputs and joins.
        arm: None where only an FPGA is meant.
        way: what ``refused`` is of, the FPGA target or another way to it.
    """

    refused: dict[int, str]
    faults: tuple[str, ...] = ()
    arm: ArmCoverage | None = None
    way: str = FPGA.name

    def reasons(self, nodes: list[Node]) -> list[str]:
        """Why the target that is meant does not take some of these nodes, each reason once."""
        refused = self.refused if self.arm is None else self.arm.refused
        return list(dict.fromkeys(refused[id(n)] for n in nodes if id(n) in refused))

    def kernels(self, nodes: list[Node]) -> list[str] | None:
        """The kernels that compute these nodes on ARM."""
        return None if self.arm is None else self.arm.kinds(nodes)

    def targets(self, nodes: list[Node]) -> list[str]:
        """The targets that take all of these nodes."""
        takes = {
            REFERENCE: True,
            ONNX: all(type(n.op) in EXPORT_RULES for n in nodes),
            self.way: not any(id(n) in self.refused for n in nodes),
            ARM: self.arm is not None and not any(id(n) in self.arm.refused for n in nodes),
        }
        return [t for t, taken in takes.items() if taken]


def coverage(graph: Graph, core: str | None = None, way: str | None = None) -> Coverage:
    """What the FPGA target, and with a ``core`` the ARM target, makes of each node; nothing is built.

    Args:
        way: "hls" asks the way through hls4ml in the place of our RTL, "xls" that through XLS.
    """
    if way:
        return Coverage(*_WAYS[way](graph), way=way)
    fpga = _fpga_coverage(graph)
    if core is None:
        return fpga
    found = arm_coverage(graph, core)
    return replace(fpga, faults=found.faults, arm=found)


def _fpga_coverage(graph: Graph) -> Coverage:
    """What the FPGA target makes of each node, and of the graph as a whole."""
    try:
        found = layers(graph)
    except LoweringError as error:
        # Then no layer knows its neighbours, and each node is asked by itself.
        reasons = {id(n): _refusal_alone(n) for n in graph.nodes()}
        told = str(error) in reasons.values()
        return Coverage({k: r for k, r in reasons.items() if r}, () if told else (str(error),))
    reasons = {id(layer.node): _refusal(layer) for layer in found}
    refused = {k: r for k, r in reasons.items() if r}
    return Coverage(refused, () if refused else _faults(graph.name, found))


def _faults(name: str, found: list[Layer]) -> tuple[str, ...]:
    """What is wrong with a design of layers that are each taken, in their smallest foldings."""
    try:
        assemble(name, found, [next(FPGA.rule(layer.node).folds(layer)) for layer in found], buffered=False)
    except LoweringError as error:
        return (str(error),)
    return ()


def _refusal_alone(node: Node) -> str:
    """Why the FPGA does not take this node by itself; empty where it does."""
    try:
        return _refusal(layer_alone(node))
    except LoweringError as error:
        return str(error)


def _refusal(layer: Layer) -> str:
    """Why the FPGA does not take this layer; empty where it does.

    Rules refuse some shapes and types of the ops that they are for, some of them only when they lower.
    """
    node = layer.node
    try:
        rule = FPGA.rule(node)
        fold = next(rule.folds(layer), None)
        if fold is None:
            return f"fpga: {node.op.name} must have a folding, but none is possible (node {node.name!r})"
        rule.lower(layer, fold)
    except LoweringError as error:
        return str(error)
    return ""
