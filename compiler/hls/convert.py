"""From an integer graph to a model of hls4ml."""

from dataclasses import dataclass

from hls4ml.model.graph import ModelGraph

from ...errors import LoweringError
from ..ir.graph import Const, Graph, Value
from .config import IO_TYPES, Settings
from .custom import BACKEND, backend, with_product
from .rules import HLS, Piece
from .types import precision

PROJECT = "accelerator"
# hls4ml's C simulation takes and gives doubles.
_EXACT = 2**53


@dataclass(frozen=True)
class _Named:
    name: str
    piece: Piece
    inputs: list[str]


def check(graph: Graph) -> str:
    """Why a graph whose nodes can all become layers of hls4ml cannot as a whole; empty where it can."""
    try:
        _named(graph, IO_TYPES[0])
    except LoweringError as error:
        return str(error)
    return ""


def model_of(graph: Graph, settings: Settings, folder: str) -> ModelGraph:
    """The graph as a model of hls4ml's Vitis back end, to be written to ``folder``.

    Raises:
        LoweringError: an op without a rule or not of this kind, several inputs or outputs, or values beyond
            53 bits.
    """
    layers = _named(graph, settings.io_type)
    config = backend().create_initial_config(
        part=settings.part, clock_period=settings.clock_ns, io_type=settings.io_type
    )
    names = {"x": {"result": precision(graph.inputs[0].type.dtype)}}
    names |= {layer.name: layer.piece.precisions for layer in layers}
    config |= {"OutputDir": folder, "ProjectName": PROJECT, "Backend": BACKEND}
    config["HLSConfig"] = settings.hls_config(names)
    described = [{"class_name": "InputLayer", "name": "x", "input_shape": list(graph.inputs[0].type.shape)}]
    described += [
        {**layer.piece.attributes, "name": layer.name, "inputs": layer.inputs, "outputs": [layer.name]}
        for layer in layers
    ]
    try:
        model = ModelGraph.from_layer_list(config, described)
    except Exception as error:  # hls4ml raises bare ones
        raise LoweringError(
            f"hls: hls4ml must take the layers of {graph.name!r}, but says: {error}. Try another IOType or "
            "Strategy, or compile without --via hls."
        ) from error
    products = {layer.name: layer.piece.product for layer in layers if layer.piece.product}
    for node in model.get_layers():
        if node.name in products:
            with_product(node, products.pop(node.name))
    if products:
        raise LoweringError(f"hls: hls4ml must keep layers {', '.join(products)}, but has rewritten them")
    return model


def _named(graph: Graph, io_type: str) -> list[_Named]:
    if len(graph.inputs) != 1 or len(graph.outputs) != 1:
        raise LoweringError(
            f"hls: a design has 1 input and 1 output, not {len(graph.inputs)} and {len(graph.outputs)}. "
            "Cut the model where one tensor enters and one leaves."
        )
    names: dict[Value, str] = {graph.inputs[0]: "x"}
    layers = []
    for node in graph.nodes():
        piece = HLS.rule(node)(node, io_type)
        if node.type.dtype.magnitude >= _EXACT:
            raise LoweringError(
                f"hls: node {node.name!r} must stay below 2^53, not reach {node.type.dtype.magnitude}"
            )
        names[node] = f"n{len(layers)}_{node.op.name}"
        read = piece.inputs or tuple(v for v in node.inputs if not isinstance(v, Const))
        layers.append(_Named(names[node], piece, [names[v] for v in read]))
    if not layers or graph.outputs[0] is not graph.nodes()[-1]:
        raise LoweringError(f"hls: graph {graph.name!r} must compute something, and its output last")
    return layers
