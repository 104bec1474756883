"""A pipeline that XLS made, as a design of one unit: a frame is a beat in and a beat out."""

from types import SimpleNamespace

from ..compiler.ir.graph import Graph
from .design import Contents, Design, Instance, Parts, Resources, Stream, Unit, chained
from .units.fifo import FIFO

MODULE = "gw_xls_pipeline"
# Of the FIFO, so that a beat can enter every clock: its own clocks, and one until the room is told.
_ROOM = 4
_FIFO_CLOCKS = 3


def _latency(p: SimpleNamespace) -> int:
    return p.CLOCKS + _FIFO_CLOCKS


def _parts(p: SimpleNamespace, family: str, contents: Contents) -> Parts:
    """What stands around XLS's function, of which synthesis alone tells the resources."""
    fifo = SimpleNamespace(DEPTH=p.ROOM, BITS=p.OUT_BITS, RAM_STYLE=2)
    count = p.ROOM.bit_length()
    credit = {"credit": Resources(lut=2 * count + 1, ff=p.CLOCKS + count + 1)}
    return FIFO.parts(fifo, family, contents) | credit


XLS_PIPELINE = Unit(
    module=MODULE,
    params=("IN_BITS", "OUT_BITS", "CLOCKS", "ROOM"),
    files=(f"{MODULE}.v", "gw_credit.v", "gw_fifo.v", "gw_ram.v"),
    interval=lambda p: 1,
    latency=_latency,
    parts=_parts,
)


def pipeline_design(graph: Graph, clocks: int) -> Design:
    """The design of a graph's function with ``clocks`` registers between its ports."""
    source, sink = graph.inputs[0].type, graph.outputs[0].type
    given, made = Stream(source.dtype, source.size, 1), Stream(sink.dtype, sink.size, 1)
    params = {"IN_BITS": given.bits, "OUT_BITS": made.bits, "CLOCKS": clocks, "ROOM": clocks + _ROOM}
    instance = Instance(XLS_PIPELINE, "xls", params, 1, (given,), (made,))
    return Design(graph.name, (instance,), chained(1))
