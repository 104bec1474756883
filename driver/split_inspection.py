"""Where a model may be cut between a board's processor and its FPGA, beside what ``inspect`` tells of it."""

from pathlib import Path

from ..boards import load as load_board
from ..compiler.frontends import load_model
from ..compiler.passes.pipeline import run as run_passes
from ..errors import FitError, InputError, LoweringError
from .inspection import inspect
from .split_choice import AUTO, check_board, chosen
from .split_report import LISTED, candidate_row


def inspect_split(target: Path | str, board: str | None = None, kind: str | None = None) -> dict:
    """What ``inspect`` tells, with ``split``: the best cuts at the board's own clock, by estimated time.

    ``problems`` holds what makes a split impossible: what cannot be imported, or why nothing can be cut.

    Raises:
        GatewrightError: no readable model, or a board without an FPGA or without a processor.
    """
    if board is None or kind is not None:
        raise InputError("inspect: --split must come with --board, and without --target: it is of both")
    loaded = load_board(board)
    check_board(loaded, "inspect")
    found = inspect(target, board)
    if found["model"] is None:
        return found
    found |= {"split": [], "problems": []}
    graph = run_passes(load_model(target))
    try:
        _, rated = chosen(graph, loaded, AUTO, loaded.default_clock_mhz, None, None)
    except (FitError, LoweringError) as error:
        return found | {"problems": [str(error)]}
    return found | {"split": [candidate_row(r) for r in rated[:LISTED]]}
