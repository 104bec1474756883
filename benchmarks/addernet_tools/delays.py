"""Delays of a routed design from nextpnr's SDF file, in ps, typical."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

_TRIPLE = r"\((\d+):(\d+):(\d+)\)"
_INTERCONNECT = re.compile(rf"\(INTERCONNECT (\S+)/(\w+) (\S+)/(\w+) {_TRIPLE}")
_IOPATH = re.compile(rf"\(IOPATH (\w+) (\w+) {_TRIPLE}")
_INSTANCE = re.compile(r"\(INSTANCE (\S+)\)")


@dataclass
class Delays:
    """Delays by cell and pin: ``wires`` to an input pin, ``paths`` from an input to an output pin."""

    wires: dict[tuple[str, str], int] = field(default_factory=dict)
    paths: dict[tuple[str, str, str], int] = field(default_factory=dict)

    def wire(self, cell: str, pin: str) -> int:
        """Of the wire that ends at a pin; 0 where the file has none, as between a carry and its LUT."""
        return self.wires.get((cell, pin), 0)

    def path(self, cell: str, source: str, sink: str) -> int:
        """Through a cell; 0 where the file has none: such an input never changes the output."""
        return self.paths.get((cell, source, sink), 0)


def read_sdf(lines: Iterable[str]) -> Delays:
    """The delays in an SDF file as nextpnr writes it, an entry a line."""
    found, cell = Delays(), ""
    for line in lines:
        if "INTERCONNECT" in line:
            match = _INTERCONNECT.search(line)
            if match:
                _, _, sink, pin, _, typical, _ = match.groups()
                found.wires[_plain(sink), pin] = int(typical)
        elif "IOPATH" in line:
            match = _IOPATH.search(line)
            if match:
                found.paths[cell, match.group(1), match.group(2)] = int(match.group(4))
        elif "(INSTANCE" in line:
            match = _INSTANCE.search(line)
            cell = _plain(match.group(1)) if match else ""
    return found


def _plain(name: str) -> str:
    """A cell's name without SDF's escapes."""
    return name.replace("\\", "")
