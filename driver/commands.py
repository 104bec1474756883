"""The commands `estimate` and `check`: their options, and what they print."""

from __future__ import annotations

import os
from pathlib import Path

_STDOUT_COLUMNS = 160


def add_asked(p) -> None:
    """What `compile` and `estimate` both take of the hardware that is wanted."""
    rate = p.add_mutually_exclusive_group()
    rate.add_argument("--fps", type=float, metavar="N", help="wanted frames per second")
    rate.add_argument("--interval", type=int, metavar="N", help="wanted clocks per frame")
    p.add_argument("--clock", type=float, metavar="MHZ", help="clock (default: the board's)")
    p.add_argument("--multipliers", metavar="KIND", help="FPGA: products in lut or dsp only (default: any)")
    p.add_argument("--target", metavar="TARGET", help="fpga or arm (default: fpga where the board has one)")


def add_split(p) -> None:
    """``--split`` of a compile."""
    p.add_argument(
        "--split",
        metavar="CUT",
        help="auto, or FROM,TO: these nodes on the FPGA, the others on the board's processor",
    )


def add_estimate(commands) -> None:
    """``gatewright estimate``."""
    p = commands.add_parser("estimate", help="what a model costs on a board, without synthesis")
    p.add_argument("model", metavar="MODEL", type=Path, help="model file, as of compile")
    p.add_argument("--board", required=True, help="board name (see 'gatewright boards') or a .toml file")
    add_asked(p)
    p.add_argument("--threads", type=int, default=1, metavar="N", help="ARM: threads of an inference, 1 to 4")
    p.add_argument(
        "--data", type=Path, metavar="FILE", help=".npz (inputs, labels) or .npy, for activity and accuracy"
    )
    p.add_argument("--frames", type=int, metavar="N", help="its first N frames only")
    p.add_argument("--json", action="store_true", help="print the estimate as JSON (docs/estimate.md)")
    p.add_argument("--html", type=Path, metavar="FILE", help="FPGA: write a page with pictures")
    p.add_argument("--trace", type=Path, metavar="FILE.json", help="FPGA: write a trace for Perfetto")
    p.add_argument("--vcd", type=Path, metavar="FILE.vcd", help="FPGA: write the streams for GTKWave")
    p.add_argument("--quiet", action="store_true", help="print nothing but errors: the exit code tells")
    p.set_defaults(command=_estimate)


def _estimate(args) -> int:
    from ..report.progress import progress
    from .estimate import Options, estimated, read_model
    from .estimate_files import check_wanted, write_files

    wanted = {kind: getattr(args, kind) for kind in ("html", "trace", "vcd")}
    options = Options(
        fps=args.fps,
        interval=args.interval,
        clock_mhz=args.clock,
        multipliers=args.multipliers,
        target=args.target,
        threads=args.threads,
        data=args.data,
        frames=args.frames,
    )
    check_wanted(wanted, args.board, options)
    with progress(args.quiet) as say:
        say(f"importing {args.model.name}")
        found = estimated(read_model(args.model), args.board, options, say)
    write_files(found, wanted)
    _print_estimate(found.content, args)
    return 0 if found.fitting is None or found.fitting.fits else 1


def _print_estimate(content: dict, args) -> None:
    if args.json:
        from ..report.formats import ESTIMATE

        print(ESTIMATE.text(content), end="")
    elif not args.quiet:
        from rich.console import Console

        from ..report.estimate_terminal import show_estimate

        console = Console()
        show_estimate(content, console if console.is_terminal else Console(width=_STDOUT_COLUMNS))


def add_check(commands) -> None:
    """``gatewright check``."""
    p = commands.add_parser("check", help="models on boards against a budget, for CI (docs/ci.md)")
    p.add_argument(
        "--budget",
        type=Path,
        default=Path("gatewright.toml"),
        metavar="FILE",
        help="default: gatewright.toml",
    )
    p.add_argument("--baseline", type=Path, metavar="FILE", help="figures before the change")
    p.add_argument("--update-baseline", type=Path, metavar="FILE", help="write the figures as a baseline")
    p.add_argument("--json", type=Path, metavar="FILE", help="write the result as JSON (docs/check.md)")
    p.add_argument("--junit", type=Path, metavar="FILE", help="write it as JUnit XML")
    p.add_argument("--markdown", type=Path, metavar="FILE", help="write it as Markdown")
    p.add_argument("--github", action="store_true", help="annotate (default where GITHUB_ACTIONS is true)")
    p.add_argument("--jobs", type=int, metavar="N", help="processes (default: one a core)")
    p.add_argument("--quiet", action="store_true", help="print nothing but errors: the exit code tells")
    p.set_defaults(command=_check)


def _check(args) -> int:
    if args.jobs != 1:
        from .pool import prepare

        prepare()
    from .check_files import check_and_write

    wanted = {kind: getattr(args, kind) for kind in ("json", "junit", "markdown")}
    github = args.github or os.environ.get("GITHUB_ACTIONS") == "true"
    return check_and_write(
        args.budget, args.baseline, args.update_baseline, wanted, github, args.jobs, args.quiet
    )
