"""The command line: arguments in, report out."""

import argparse
import json
import os
import signal
import sys
import threading
from contextlib import contextmanager
from pathlib import Path

from . import __version__
from .driver.commands import add_asked, add_check, add_estimate, add_split
from .driver.quantize_command import add_quantize
from .errors import GatewrightError

_STAGES = (
    "graph, rtl, simulate, synthesize, bitstream; for ARM graph, lower, objects, library, verify; "
    "for HLS graph, hls, csim; for XLS graph, dslx, pipeline, simulate, synthesize, "
    "bitstream; with --split graph, cut, parts, cosimulate"
)


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns 0 done, 1 a check failed, 2 bad input or an unusable tool, 130 interrupted."""
    args = _parser().parse_args(argv)
    try:
        with _terminable():
            code = args.command(args)
            sys.stdout.flush()
            return code
    except GatewrightError as error:
        _complain(str(error))
        return 2
    except BrokenPipeError:
        # Who read our output has gone; without this, Python would complain once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except OSError as error:
        _complain(f"system: {error.filename or 'a file'} cannot be used: {error.strerror or error}")
        return 2
    except KeyboardInterrupt:
        _complain("interrupted; nothing was written")
        return 130


def _complain(text: str) -> None:
    """An error on standard error; control characters in a name must not reach the terminal."""
    clean = "".join(c if c.isprintable() or c == "\n" else "?" for c in text)
    print(f"gatewright: {clean}", file=sys.stderr)


@contextmanager
def _terminable():
    """A terminated or hung-up command cleans up like an interrupted one."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(number, frame):
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="gatewright",
        description="Trained networks to integer graphs, bitstreams and ARM libraries.",
    )
    parser.add_argument("--version", action="version", version=f"gatewright {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_compile(commands)
    add_estimate(commands)
    add_check(commands)
    add_quantize(commands)
    _add_run(commands)
    _add_flash(commands)
    _add_export(commands)
    _add_inspect(commands)
    _add_boards(commands)
    return parser


def _add_compile(commands) -> None:
    p = commands.add_parser("compile", help="model file to RTL and bitstream or ARM library, and report")
    p.add_argument(
        "model", metavar="MODEL", type=Path, help="QONNX, ONNX QDQ or TFLite file, or a saved integer graph"
    )
    p.add_argument("--board", required=True, help="board name (see 'gatewright boards') or a .toml file")
    p.add_argument("--out", required=True, type=Path, metavar="DIR", help="new folder for the result")
    add_asked(p)
    p.add_argument("--via", metavar="WAY", help="hls: hls4ml's project for Vitis; xls: RTL by Google's XLS")
    p.add_argument("--xls-stages", type=int, metavar="N", help="xls: stages (default: as the clock needs)")
    add_split(p)
    p.add_argument("--hls-config", type=Path, metavar="FILE", help="hls: hls4ml's YAML (IOType, ...)")
    p.add_argument("--until", metavar="STAGE", help="last stage: " + _STAGES)
    p.add_argument("--threads", type=int, default=1, metavar="N", help="ARM: threads of an inference, 1 to 4")
    p.add_argument("--cross", default="zig", metavar="CC", help="ARM: cross compiler, zig or gcc (from PATH)")
    p.add_argument(
        "--tune", action="store_true", help="ARM: choose each layer's code by counted instructions"
    )
    p.add_argument("--cache", type=Path, metavar="DIR", help="ARM: where --tune keeps its counts")
    p.add_argument(
        "--data", type=Path, metavar="FILE", help=".npz (inputs, labels, expected) or .npy to verify on"
    )
    p.add_argument("--frames", type=int, metavar="N", help="verify on the first N frames only")
    p.add_argument("--seed", type=int, default=1, help="place-and-route seed")
    p.add_argument("--dump", action="store_true", help="keep the graph after each pass")
    p.add_argument("--native-tools", action="store_true", help="take yosys, nextpnr, verilator from PATH")
    p.add_argument("--json", action="store_true", help="print report.json instead of a summary")
    p.add_argument("--quiet", action="store_true", help="print nothing but errors: the exit code tells")
    p.set_defaults(command=_compile)


def _add_run(commands) -> None:
    p = commands.add_parser("run", help="run a compiled network on an array")
    p.add_argument("folder", metavar="DIR", type=Path, help="what 'gatewright compile' wrote")
    p.add_argument(
        "--input",
        required=True,
        type=Path,
        metavar="X.npy",
        help="(N, ...) floats or integers; or .npz with labels",
    )
    p.add_argument("--output", required=True, type=Path, metavar="Y.npy", help="int64 (N, ...)")
    p.add_argument(
        "--on",
        default="reference",
        metavar="EXECUTOR",
        help="reference, onnxruntime, rtl, icarus, cycle, arm, hls, xls, split or device",
    )
    p.add_argument("--port", metavar="PORT", help="device: the board's serial port, such as /dev/ttyUSB0")
    p.add_argument("--baud", type=int, metavar="N", help="device: bits per second (default: as compiled)")
    p.add_argument("--json", action="store_true", help="print what was done as JSON")
    p.add_argument("--quiet", action="store_true", help="print nothing")
    p.set_defaults(command=_run)


def _add_flash(commands) -> None:
    p = commands.add_parser("flash", help="write a compiled bitstream to the board, by openFPGALoader")
    p.add_argument("folder", metavar="DIR", type=Path, help="what 'gatewright compile' wrote")
    p.add_argument("--persistent", action="store_true", help="into flash memory, to stay when power goes")
    p.add_argument("--json", action="store_true", help="print what was done as JSON")
    p.set_defaults(command=_flash)


def _add_export(commands) -> None:
    p = commands.add_parser("export", help="the integer graph as a plain ONNX model")
    p.add_argument("target", metavar="MODEL|DIR", type=Path, help="model file, or a compiled folder")
    p.add_argument("--out", required=True, type=Path, metavar="FILE.onnx")
    p.add_argument("--json", action="store_true", help="print what was written as JSON")
    p.set_defaults(command=_export)


def _add_inspect(commands) -> None:
    p = commands.add_parser("inspect", help="what becomes of each node of a model; what a folder holds")
    p.add_argument("model", metavar="MODEL|DIR", type=Path, help="model file, or a compiled folder")
    p.add_argument("--board", metavar="BOARD", help="also fail where this board does not take a node")
    p.add_argument("--target", metavar="TARGET", help="fpga, arm, hls or xls (default: fpga where it is)")
    p.add_argument("--split", action="store_true", help="list cuts between the board's processor and FPGA")
    p.add_argument("--json", action="store_true", help="print what was found as JSON (docs/inspect.md)")
    p.set_defaults(command=_inspect)


def _add_boards(commands) -> None:
    p = commands.add_parser("boards", help="known boards, or one in detail")
    p.add_argument("name", nargs="?", metavar="NAME")
    p.add_argument("--json", action="store_true")
    p.set_defaults(command=_boards)


def _compile(args) -> int:
    from .driver.compile import Options, compile_model, passed
    from .report.terminal import show

    options = Options(
        fps=args.fps,
        interval=args.interval,
        clock_mhz=args.clock,
        until=args.until,
        data=args.data,
        frames=args.frames,
        dump=args.dump,
        native=True if args.native_tools else None,
        seed=args.seed,
        multipliers=args.multipliers,
        target=args.target,
        threads=args.threads,
        cross=args.cross,
        tune=args.tune,
        cache=args.cache,
        via=args.via,
        hls_config=args.hls_config,
        xls_stages=args.xls_stages,
        split=args.split,
    )
    with _progress(args.quiet) as say:
        report = compile_model(args.model, args.board, args.out, options, say)
    if args.json:
        print(json.dumps(report, indent=1))
    elif not args.quiet:
        from rich.console import Console

        show(report, Console())
        print(f"\nwrote {args.out}")
    return 0 if passed(report) else 1


def _progress(quiet: bool):
    from .report.progress import progress

    return progress(quiet)


def _run(args) -> int:
    from .driver.run import run_folder, told
    from .report.progress import counting

    with counting(args.quiet or args.json, "frames") as say:
        done = run_folder(
            args.folder, args.input, args.output, args.on, port=args.port, baud=args.baud, say=say
        )
    if args.json:
        print(json.dumps(done, indent=1))
    elif not args.quiet:
        print(told(done))
    return 0


def _flash(args) -> int:
    from .driver.flash import flash

    done = flash(args.folder, args.persistent)
    if args.json:
        print(json.dumps(done, indent=1))
    else:
        print(f"{done['board']} runs {done['bitstream']}")
    return 0


def _export(args) -> int:
    from .driver.export import export_file

    done = export_file(args.target, args.out)
    if args.json:
        print(json.dumps(done, indent=1))
    else:
        print(f"{done['output']}: {done['nodes']} ONNX nodes, {done['bytes']} bytes")
        for kind in ("inputs", "outputs"):
            for t in done[kind]:
                shape = ", ".join(["N", *map(str, t["shape"])])
                print(f"  {kind[:-1]} {t['name']}: int64 ({shape}) in {t['range']}")
    return 0


def _inspect(args) -> int:
    from .driver.inspection import inspect, require_taken
    from .driver.split_inspection import inspect_split
    from .driver.terminal import print_inspection

    found = (inspect_split if args.split else inspect)(args.model, args.board, args.target)
    if args.json:
        print(json.dumps(found, indent=1))
    else:
        print_inspection(found)
    require_taken(found)
    return 0


def _boards(args) -> int:
    from .driver.inspection import boards_table, describe_board
    from .driver.terminal import print_board, print_boards

    if args.name is None:
        table = boards_table()
        print(json.dumps(table, indent=1)) if args.json else print_boards(table)
    else:
        board = describe_board(args.name)
        print(json.dumps(board, indent=1)) if args.json else print_board(board)
    return 0


if __name__ == "__main__":
    sys.exit(main())
