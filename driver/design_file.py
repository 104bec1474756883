"""design.json back to a Design, without what memories hold: clocks do not depend on it."""

from collections.abc import Callable

from ..hw.design import Design, Edge, Instance, Port, Stream, Unit
from ..hw.units import UNITS
from ..hw.units.fed import FED

_OUTSIDE = "input"
_KNOWN: dict[str, Unit] = {u.module: u for u in (*UNITS, *(fed.unit for fed in FED.values()))}
# Of a parameter or a count; what a design has is far below, and tables as long are made of them.
_MOST = 1 << 31


def read_design(data: dict, stream: Callable[[dict], Stream]) -> Design:
    """The design that ``describe_design`` described, with the parameters that are about clocks.

    Args:
        data: design.json.
        stream: reads one of its streams.
    Raises:
        ValueError, KeyError, TypeError, AttributeError: the description is damaged.
        LoweringError: its edges join no design.
    """
    rows = data["instances"]
    instances = tuple(_instance(row, stream) for row in rows)
    places = {i.name: n for n, i in enumerate(instances)}
    if len(places) != len(rows):
        raise ValueError("two instances have one name")
    edges, free = [], {Port(n, k) for n, i in enumerate(instances) for k in range(len(i.outputs))}
    for n, row in enumerate(rows):
        for k, name in enumerate(row["reads"]):
            source = None if name == _OUTSIDE else _port(name, places)
            edges.append(Edge(source, Port(n, k)))
            free.discard(source)
    edges += [Edge(port, None) for port in sorted(free, key=lambda p: (p.place, p.index))]
    return Design(str(data["top"]), instances, tuple(edges))


def _instance(row: dict, stream: Callable[[dict], Stream]) -> Instance:
    unit, params = _KNOWN[row["module"]], {k: _whole(v) for k, v in row["params"].items()}
    made = Instance(
        unit, str(row["name"]), params, _whole(row["repeats"]),
        tuple(map(stream, row["inputs"])), tuple(map(stream, row["outputs"])), str(row["layer"]),
    )  # fmt: skip
    for each in (*made.inputs, *made.outputs):
        if not 0 < each.beats < _MOST or each.lanes < 1:
            raise ValueError(f"a stream of {made.name}")
    if made.repeats < 1 or made.interval != row["interval_clocks"]:
        raise ValueError(f"the interval of {made.name}")
    return made


def _port(name: str, places: dict[str, int]) -> Port:
    owner, _, index = name.partition(".")
    return Port(places[owner], int(index or 0))


def _whole(value: int | str) -> int:
    """A number, or its hexadecimal digits where JSON's readers could lose some."""
    if isinstance(value, str):
        return int(value, 16)
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(value)
    return value
