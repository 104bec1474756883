"""Whose cell is it? Attributes the cells of a flattened, mapped netlist to the instances of its top.

Names alone do not tell: flattening joins the nets of a connection and keeps one name, so the register
behind an output may carry its reader's name. The top's own connections say who drives each of its wires.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping

OTHER = "other"
# How the library's modules name registers.
_REGISTER = "_q"

# The jump from a cell to those around it is repeated at most so often; deeper logic stays "other".
_ROUNDS = 200


def owners(top: Mapping, flat: Mapping) -> dict[str, str]:
    """Maps each cell of the flat netlist to an instance of the top, or to "other".

    A net belongs to the instance whose output drives it, or within which it lies. A cell belongs to the
    instance of the nets it drives; failing that, to that of most cells it feeds, then of most that feed it.

    Args:
        top: the unflattened top module in Yosys's JSON form, with ``port_directions`` of its instances.
        flat: the same module flattened and mapped, before ``autoname``.
    """
    instances = {name for name, cell in top["cells"].items() if not name.startswith("$")}
    bit_owner = _bit_owners(top, flat, instances)
    cells = {n: c for n, c in flat["cells"].items() if not c["type"].startswith("$")}
    drives, reads = _pins(cells)
    readers: dict[int, list[str]] = defaultdict(list)
    for name, bits in reads.items():
        for bit in bits:
            readers[bit].append(name)
    driver = {bit: name for name, bits in drives.items() for bit in bits}
    owned = {}
    for name in cells:
        owner = _most(bit_owner.get(bit) for bit in drives[name]) or _by_name(name, instances)
        if owner:
            owned[name] = owner
    feeds = {n: [r for bit in drives[n] for r in readers[bit]] for n in cells if n not in owned}
    fed_by = {n: [driver[bit] for bit in reads[n] if bit in driver] for n in cells if n not in owned}
    _spread(owned, feeds)
    _spread(owned, fed_by)
    return {name: owned.get(name, OTHER) for name in cells}


def _by_name(cell: str, instances: set[str]) -> str | None:
    """The instance in whose memory, or below which, a cell was named."""
    head = cell.split(".", 1)[0]
    return head if "." in cell and head in instances else None


def _pins(cells: Mapping) -> tuple[dict[str, list[int]], dict[str, list[int]]]:
    """The net numbers that each cell drives and reads; constants are left out."""
    drives, reads = {}, {}
    for name, cell in cells.items():
        out, into = [], []
        for port, bits in cell["connections"].items():
            pins = out if cell["port_directions"][port] == "output" else into
            pins += [bit for bit in bits if isinstance(bit, int)]
        drives[name], reads[name] = out, into
    return drives, reads


def _bit_owners(top: Mapping, flat: Mapping, instances: set[str]) -> dict[int, str]:
    """Flat net number to the instance that drives it, where names and the top's connections tell."""
    source = {}
    for name, cell in top["cells"].items():
        for port, bits in cell["connections"].items():
            if cell["port_directions"].get(port) == "output":
                part = name if name in instances else OTHER
                source.update((bit, part) for bit in bits if isinstance(bit, int))
    found: dict[int, str] = {}
    inside: dict[int, set[str]] = defaultdict(set)
    registers: dict[int, set[str]] = defaultdict(set)
    for name, net in flat["netnames"].items():
        if net.get("hide_name"):
            continue
        head, _, rest = name.partition(".")
        if name in top["netnames"]:
            wires = top["netnames"][name]["bits"]
        elif head in instances and rest in top["cells"][head]["connections"]:
            wires = top["cells"][head]["connections"][rest]
        else:
            for bit in net["bits"] if head in instances else ():
                inside[bit].add(head)
                if rest.endswith(_REGISTER):
                    registers[bit].add(head)
            continue
        found.update(
            (bit, source[wire]) for bit, wire in zip(net["bits"], wires, strict=False) if wire in source
        )
    for bit, heads in inside.items():
        # Of a connection whose own name is gone, the end where it is a register drives it.
        heads = heads if len(heads) == 1 else registers[bit]
        if len(heads) == 1:
            found.setdefault(bit, *heads)
    return found


def _spread(owned: dict[str, str], neighbours: Mapping[str, list[str]]) -> None:
    """Gives cells without an owner that of most of their neighbours, until nothing changes."""
    waiting = [name for name in neighbours if name not in owned]
    for _ in range(_ROUNDS):
        new = {n: owner for n in waiting if (owner := _most(owned.get(m) for m in neighbours[n]))}
        if not new:
            return
        owned.update(new)
        waiting = [name for name in waiting if name not in new]


def _most(names) -> str | None:
    """The commonest name, the alphabetically first among equals; None without any."""
    counts = Counter(name for name in names if name)
    return min(counts, key=lambda name: (-counts[name], name)) if counts else None
