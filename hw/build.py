"""From layers to Design: units, forks where a stream has several readers, width converters and FIFOs."""

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from math import lcm

from ..compiler.ir.graph import Input, Value
from ..errors import LoweringError
from .buffering import depths
from .design import Design, Edge, Instance, Port, Stream
from .lower import FPGA
from .rules.constant import joined
from .rules.rule import Fold, Layer
from .units.fifo import FIFO
from .units.fork import FORK
from .units.width_converter import WIDTH_CONVERTER

# FIFOs up to this depth stay in registers or LUT RAM; deeper ones may take a block RAM.
SHALLOW = 32
_LEAST = 2


def assemble(name: str, chain: Sequence[Layer], folds: Sequence[Fold], buffered: bool = True) -> Design:
    """The Design for one folding per layer: units, forks, width converters, and a FIFO on every edge.

    Args:
        chain: as ``layers`` gives them.
        buffered: whether FIFOs get the depth that keeps the interval; without, all have the least (quicker,
            for comparing foldings).
    Raises:
        LoweringError: no layer needs hardware.
    """
    pairs = zip(chain, folds, strict=True)
    units = joined(chain, [FPGA.rule(layer.node).lower(layer, fold) for layer, fold in pairs])
    if not any(units):
        raise LoweringError(f"fpga: {name!r} must hold at least one layer that computes")
    bare = _joined(name, chain, units)
    return _with_fifos(bare, depths(bare) if buffered else [_LEAST] * len(bare.edges))


def _joined(name: str, chain: Sequence[Layer], units: Sequence[Sequence[Instance]]) -> Design:
    """The units of all layers with edges, forks and converters between them, but without FIFOs."""
    origin = origins(chain, [bool(own) for own in units])
    work = [(layer, own) for layer, own in zip(chain, units, strict=True) if own]
    readers = Counter(origin[o.value] for layer, _ in work for o in layer.operands)
    readers[origin[chain[-1].node]] += 1
    joining = _Joining()
    for layer, own in work:
        wanted = own[0].inputs
        for o, stream in zip(layer.operands, wanted, strict=True):
            source = origin[o.value]
            if isinstance(source, Input) and source not in joining.offered:
                joining.offer(source, "in", None, stream, readers[source])
        sources = [
            joining.take(origin[o.value], stream, f"{own[0].name}{tail}")
            for o, stream, tail in zip(layer.operands, wanted, _tails(len(wanted)), strict=True)
        ]
        for unit in own:
            last = joining.add(unit, sources)
            sources = [last]
        joining.offer(layer.node, own[-1].name, last, own[-1].output, readers[layer.node])
    joining.edges.append(Edge(joining.offered[origin[chain[-1].node]].pop()[0], None))
    return Design(name, tuple(joining.instances), tuple(joining.edges))


def _tails(ports: int) -> list[str]:
    """What tells the names of several ports apart."""
    return [""] if ports == 1 else [f"_{k}" for k in range(ports)]


def origins(chain: Sequence[Layer], computes: Sequence[bool]) -> dict[Value, Value]:
    """For each tensor the one whose stream it shares: its own, or what a layer without units reads."""
    found: dict[Value, Value] = {}
    for layer, own in zip(chain, computes, strict=True):
        for o in layer.operands:
            found.setdefault(o.value, o.value)
        found[layer.node] = layer.node if own else found[layer.operands[0].value]
    return found


class _Joining:
    """Instances and edges so far, and the streams that nobody has taken yet: one for each reader."""

    def __init__(self):
        self.instances: list[Instance] = []
        self.edges: list[Edge] = []
        self.offered: dict[Value, list[tuple[Port | None, Stream]]] = {}

    def add(self, instance: Instance, sources: Sequence[Port | None]) -> Port:
        """The first output of ``instance``, which reads ``sources``."""
        place = len(self.instances)
        self.instances.append(instance)
        self.edges += [Edge(source, Port(place, k)) for k, source in enumerate(sources)]
        return Port(place)

    def offer(self, value: Value, name: str, port: Port | None, stream: Stream, readers: int) -> None:
        """Note that ``port`` gives ``value``, to ``readers`` readers."""
        ports = [port]
        if readers > 1:
            params = {"BITS": stream.bits, "N": readers}
            fork = Instance(FORK, f"{name}_fork", params, stream.beats, stream, (stream,) * readers)
            first = self.add(fork, [port])
            ports = [Port(first.place, k) for k in range(readers)]
        # The last is taken first.
        self.offered[value] = [(p, stream) for p in reversed(ports)]

    def take(self, value: Value, wanted: Stream, name: str) -> Port | None:
        """The next free stream of ``value``, converted to as many elements a beat as ``wanted`` has."""
        port, stream = self.offered[value].pop()
        for converter in converters(stream, wanted.lanes, name):
            port = self.add(converter, [port])
        return port


def _with_fifos(bare: Design, entries: Sequence[int]) -> Design:
    """``bare`` with a FIFO of as many entries on each of its edges."""
    feeding = {edge.sink: (edge, depth) for edge, depth in zip(bare.edges, entries, strict=True)}
    joining = _Joining()
    moved: list[int] = []

    def behind_fifo(sink: Port | None, stream: Stream, name: str) -> Port:
        edge, depth = feeding[sink]
        source = edge.source and Port(moved[edge.source.place], edge.source.index)
        return joining.add(fifo(stream, name, depth), [source])

    for place, unit in enumerate(bare.instances):
        sources = [
            behind_fifo(Port(place, k), stream, f"{unit.name}_fifo{tail}")
            for k, (stream, tail) in enumerate(zip(unit.inputs, _tails(len(unit.inputs)), strict=True))
        ]
        moved.append(joining.add(unit, sources).place)
    joining.edges.append(Edge(behind_fifo(None, bare.output, "out_fifo"), None))
    return Design(bare.name, tuple(joining.instances), tuple(joining.edges))


def converters(stream: Stream, lanes: int, name: str) -> list[Instance]:
    """Width converters from a stream to ``lanes`` elements a beat, through the least common multiple
    where neither width divides the other."""
    steps = [stream.lanes, lcm(stream.lanes, lanes), lanes]
    result, total = [], stream.lanes * stream.beats
    for n, (a, b) in enumerate(pairwise(steps)):
        if a != b:
            params = {"BITS": stream.element.bits, "IN": a, "OUT": b}
            result.append(
                Instance(
                    WIDTH_CONVERTER,
                    f"{name}_width{n}",
                    params,
                    total // max(a, b),
                    Stream(stream.element, a, total // a),
                    Stream(stream.element, b, total // b),
                    "",
                )
            )
    return result


def fifo(stream: Stream, name: str, depth: int) -> Instance:
    """A FIFO of ``depth`` entries on ``stream``."""
    params = {"BITS": stream.bits, "DEPTH": depth, "RAM_STYLE": 2 if depth <= SHALLOW else 0}
    return Instance(FIFO, name, params, stream.beats, stream, stream)
