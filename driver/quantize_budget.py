"""`quantize --budget`: the bits of each layer, chosen against a board."""

from __future__ import annotations

from collections.abc import Callable

from ..errors import InputError


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


def budgeted_bits(args, arrays: dict, bits: tuple[int, int], say: Callable[[str], None]) -> dict:
    """Bits of the inner layers within ``--budget``; none where there is no budget.

    Raises:
        InputError: options that contradict or do not suffice.
        FitError: no choice of bits keeps the budget, or no folding the interval.
    """
    if not args.budget:
        given = [name for name in ("board", "interval", "fps") if getattr(args, name) is not None]
        if given:
            raise InputError(f"quantize: --{given[0]} must come with --budget KIND=N.")
        return {}
    if args.layer_bits:
        raise InputError("quantize: bits of layers must come from --layer-bits or from --budget, not both.")
    if args.board is None or (args.interval is None and args.fps is None):
        raise InputError("quantize: --budget must come with --board, and with --interval or --fps.")
    from ..boards import load as load_board
    from ..quant.request import Request
    from .hardware import made_clock
    from .mixed import Budget, mixed_precision
    from .quantize_files import check_images, source_network

    board, interval = load_board(args.board), args.interval
    if interval is None:
        interval = int(made_clock(board, board.default_clock_mhz, "quantize") * 1e6 // args.fps)
    images, _ = check_images(arrays["inputs"], None, "images")
    network, _ = source_network(args.model, images)
    budget = Budget(board, interval, dict(_limit(text) for text in args.budget))
    found = mixed_precision(network, Request(*bits, images), budget, args.method, say=say)
    costs = ", ".join(f"{found.best.cost[kind]:.0f} {kind.upper()}" for kind in budget.limits)
    say(f"chosen within the budget: {costs}")
    return found.best.layer_bits


def _limit(text: str) -> tuple[str, float]:
    kind, _, amount = text.partition("=")
    if not amount.isdecimal() or len(amount) > 9:
        raise InputError(f"quantize: --budget must be KIND=N such as lut=5000, not {text!r}.")
    return kind, float(amount)
