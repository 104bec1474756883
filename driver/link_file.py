"""link.json: what a host must know of a compiled board's serial line, beside the design's streams."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from ..boards.schema import LOADER, Board
from ..hw.board_top import divider, timeout_clocks
from .project import Project, described

if TYPE_CHECKING:
    from .compile import Job

NAME = "link.json"
_SCHEMA = "gatewright-link/1"


@dataclass(frozen=True)
class Link:
    """A compiled board's serial line.

    Attributes:
        board: its name.
        baud: bits per second.
        design_id: 32 bits that its information reply carries.
        clock_mhz: of the design.
        clocks_per_bit, timeout_clocks: of the UART, and without a byte until a packet is forgotten.
        interval_clocks: of a frame.
        button_up: level of the reset button's pin when nobody presses it.
        loader: what openFPGALoader calls the board; empty if it is not known.
    """

    board: str
    baud: int
    design_id: int
    clock_mhz: float
    clocks_per_bit: int
    timeout_clocks: int
    interval_clocks: int
    button_up: int
    loader: str = ""


def describe_link(job: Job) -> str:
    """link.json of a compile."""
    board: Board = job.board
    clocks_per_bit = divider(board, job.clock_mhz)
    link = Link(
        board.name, round(job.clock_mhz * 1e6 / clocks_per_bit), job.design_id, job.clock_mhz, clocks_per_bit,
        timeout_clocks(job.clock_mhz, clocks_per_bit), job.design.interval, int(board.button.active_low),
        board.loader,
    )  # fmt: skip
    return json.dumps({"schema": _SCHEMA, **asdict(link)}, indent=1) + "\n"


def read_link(project: Project) -> Link:
    """A compiled folder's link.json.

    Raises:
        InputError: there is none, or it is damaged.
    """
    missing = (
        f"run: {project.root} holds nothing for a board with a serial line (no {NAME}). "
        "Compile for a board with a bitstream ('gatewright boards' says which)."
    )
    return described(project.root / NAME, missing, _SCHEMA, _link)


def _link(data: dict) -> Link:
    link = Link(
        str(data["board"]), int(data["baud"]), int(data["design_id"]), float(data["clock_mhz"]),
        int(data["clocks_per_bit"]), int(data["timeout_clocks"]), int(data["interval_clocks"]),
        int(data["button_up"]), data.get("loader", ""),
    )  # fmt: skip
    if link.loader and not LOADER.fullmatch(link.loader):
        raise ValueError(link.loader)
    if min(link.baud, link.clock_mhz, link.clocks_per_bit, link.timeout_clocks, link.interval_clocks) <= 0:
        raise ValueError(link)
    return link
