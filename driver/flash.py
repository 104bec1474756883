"""A compiled folder's bitstream onto its board, by openFPGALoader."""

from pathlib import Path

from ..errors import BoardError, InputError
from ..hw.flow import tools
from .link_file import read_link
from .project import Project

# As the packers of the three families name what they write.
_SUFFIXES = (".bit", ".bin", ".fs")
_SECONDS = 600


def flash(folder: Path | str, persistent: bool = False) -> dict:
    """Write the bitstream of ``folder`` to the board that is connected.

    Args:
        persistent: into the board's flash memory, so that it is there after power was off; else into the
            FPGA alone (boards that cannot do that take it into flash all the same).
    Returns:
        What was done: the board, the bitstream's path, whether it stays.
    Raises:
        InputError: the folder holds no bitstream.
        BoardError: openFPGALoader's name of the board is not known.
        ToolError: openFPGALoader is missing, or finds no board.
    """
    project = Project(Path(folder))
    link = read_link(project)
    bitstream = _bitstream(project)
    if not link.loader:
        raise BoardError(
            f"flash: the board file of {link.board} must name its board for openFPGALoader (io.loader), but "
            f"does not. Write {bitstream} with the board's own tool."
        )
    loader = tools.on_path("openFPGALoader", "openfpgaloader")
    options = ["-f"] if persistent else []
    log = project.root / "build" / "openfpgaloader.log"
    log.parent.mkdir(exist_ok=True)
    arguments = ["-b", link.loader, *options, str(bitstream.resolve())]
    tools.run(loader, arguments, project.root, log=log, timeout=_SECONDS)
    return {"board": link.board, "bitstream": str(bitstream), "persistent": persistent}


def _bitstream(project: Project) -> Path:
    for suffix in _SUFFIXES:
        path = project.root / f"accelerator{suffix}"
        if path.is_file():
            return path
    raise InputError(
        f"flash: {project.root} must hold a bitstream, but there is none. Compile with --until bitstream."
    )
