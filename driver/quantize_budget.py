"""`quantize --budget`: the bits of each layer, chosen against a board."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import InputError

if TYPE_CHECKING:
    from .mixed import Budget


def add_budget(p) -> None:
    """The options of mixed precision."""
    p.add_argument(
        "--budget",
        action="append",
        default=[],
        metavar="KIND=N",
        help="choose each layer's bits so that lut, ff, bram or dsp stay within N (with --board)",
    )
    p.add_argument("--board", metavar="BOARD", help="whose estimates the budget is of")
    rate = p.add_mutually_exclusive_group()
    rate.add_argument("--interval", type=int, metavar="N", help="clocks a frame may take within the budget")
    rate.add_argument("--fps", type=float, metavar="N", help="frames a second within the budget")


def asked_budget(args) -> Budget | None:
    """What ``--budget`` asks for, if anything.

    Raises:
        InputError: options that contradict or do not suffice.
        BoardError: an unknown board.
    """
    if not args.budget:
        given = [name for name in ("board", "interval", "fps") if getattr(args, name) is not None]
        if given:
            raise InputError(f"quantize: --{given[0]} must come with --budget KIND=N.")
        return None
    if args.layer_bits:
        raise InputError("quantize: bits of layers must come from --layer-bits or from --budget, not both.")
    if args.board is None or (args.interval is None and args.fps is None):
        raise InputError("quantize: --budget must come with --board, and with --interval or --fps.")
    from ..boards import load as load_board
    from .hardware import made_clock
    from .mixed import Budget

    board, interval = load_board(args.board), args.interval
    if interval is None:
        interval = int(made_clock(board, board.default_clock_mhz, "quantize") * 1e6 // args.fps)
    return Budget(board, interval, dict(_limit(text) for text in args.budget))


def _limit(text: str) -> tuple[str, float]:
    kind, _, amount = text.partition("=")
    if not amount.isdecimal() or len(amount) > 9:
        raise InputError(f"quantize: --budget must be KIND=N such as lut=5000, not {text!r}.")
    return kind, float(amount)
