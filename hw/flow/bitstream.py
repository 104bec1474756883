"""From a routed design to the file that configures the FPGA."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ...errors import ToolError
from . import tools
from .place import Routed


@dataclass(frozen=True)
class Packer:
    """How a family's packer is called; ``{routed}`` and ``{bitstream}`` stand for the two files."""

    tool: str
    args: tuple[str, ...]
    suffix: str


PACKERS: dict[str, Packer] = {
    "ecp5": Packer("ecppack", ("--compress", "{routed}", "{bitstream}"), ".bit"),
    "ice40": Packer("icepack", ("{routed}", "{bitstream}"), ".bin"),
    "gowin": Packer("gowin_pack", ("-o", "{bitstream}", "{routed}"), ".fs"),
}


def pack(
    routed: Routed,
    name: str = "bitstream",
    *,
    options: Sequence[str] = (),
    native: bool | None = None,
    timeout: float | None = None,
) -> Path:
    """Writes the bitstream beside the routed design and returns its path (.bit, .bin or .fs).

    Args:
        name: file name without suffix.
        options: more switches; Gowin's packer needs the device, e.g. ("-d", "GW2A-18C").

    Raises:
        ToolError: a bad name, or the packer failed or wrote nothing.
    """
    if Path(name).name != name or name.startswith("-") or not name:
        raise ToolError(f"bitstream: name must be a plain file name, not {name!r}")
    packer = PACKERS[routed.family]
    folder = routed.output.parent
    target = folder / f"{name}{packer.suffix}"
    target.unlink(missing_ok=True)
    args = [part.format(routed=routed.output.name, bitstream=target.name) for part in packer.args]
    log = folder / f"{packer.tool}.log"
    tools.run(tools.find(packer.tool, native), [*options, *args], folder, log, timeout)
    if not target.is_file() or not target.stat().st_size:
        raise ToolError(f"{packer.tool}: must write {target.name}, not nothing (log: {log})")
    return target
