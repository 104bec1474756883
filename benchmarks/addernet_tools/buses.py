"""Where an array's operands and sums are in a flat netlist of Yosys."""

from collections.abc import Mapping, Sequence

from gatewright.errors import ToolError

from .netlist import CONSTANTS


def buses(module: Mapping, names: Sequence[str]) -> list[int]:
    """The nets of named buses, the lowest bit of the first one first.

    Raises:
        ToolError: the module has no such bus.
    """
    missing = [name for name in names if name not in module["netnames"]]
    if missing:
        raise ToolError(f"netlist: the module must have the buses {', '.join(missing)}; it has them not")
    return [CONSTANTS.get(bit, bit) for name in names for bit in module["netnames"][name]["bits"]]


def chain(module: Mapping, port: str) -> list[int]:
    """The nets of a shift register of ECP5 flip-flops without enable, from the one that reads ``port`` on.

    Flattening gives a net one of its names, so that those of a bus inside may be lost.
    """
    following = {
        cell["connections"]["DI"][0]: cell["connections"]["Q"][0]
        for cell in module["cells"].values()
        if cell["type"] == "TRELLIS_FF" and cell["parameters"]["CEMUX"].strip() == "1"
    }
    (net,) = buses(module, [port])
    found = []
    while net in following:
        net = following[net]
        found.append(net)
    return found
