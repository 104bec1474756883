"""The command `quantize`: its options, what it writes and prints."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from ..errors import InputError
from ..quant.methods import METHODS
from .quantize_budget import add_budget, asked_budget

_STDOUT_COLUMNS = 120


def add_quantize(commands) -> None:
    """``gatewright quantize``."""
    p = commands.add_parser("quantize", help="a float network in few bits, for compile (docs/quantize.md)")
    p.add_argument(
        "model", metavar="MODEL", type=Path, help="torch.export program (.pt2) or float ONNX file (.onnx)"
    )
    p.add_argument("--method", default="mse", metavar="NAME", help="one of " + ", ".join(METHODS))
    p.add_argument("--bits", default="8,8", metavar="W,A", help="bits of weights and activations")
    p.add_argument(
        "--data",
        required=True,
        type=Path,
        metavar="X.npz",
        help="inputs (floats), and labels, test_inputs, test_labels where there are any",
    )
    p.add_argument("--out", required=True, type=Path, metavar="Q.onnx", help="the integer graph")
    p.add_argument("--teacher", type=Path, metavar="FILE", help="float network to learn from")
    p.add_argument("--epochs", type=int, metavar="N", help="of methods that train or optimise")
    p.add_argument("--seed", type=int, default=1, metavar="N", help="of all that is drawn (default: 1)")
    p.add_argument(
        "--resume", type=Path, metavar="FILE", help="state of what learns: goes on from it, keeps it"
    )
    p.add_argument("--equalize", action="store_true", help="balance the weights of neighbours first")
    p.add_argument("--bias-correction", action="store_true", help="give mean errors back to biases")
    p.add_argument("--triples", action="store_true", help="windows of three layers, not two (unitwise)")
    p.add_argument(
        "--layer-bits",
        action="append",
        default=[],
        metavar="LAYER=W,A",
        help="bits of one layer; may be given several times",
    )
    add_budget(p)
    p.add_argument("--html", type=Path, metavar="FILE", help="write the report as a page with pictures")
    p.add_argument("--json", action="store_true", help="print the report as JSON (docs/quantize-report.md)")
    p.add_argument("--quiet", action="store_true", help="print nothing but errors: the exit code tells")
    p.set_defaults(command=_quantize)


def _quantize(args) -> int:
    from ..report.progress import progress
    from .quantize import quantize
    from .quantize_files import check_out, load_frames, write_quantized

    bits, layer_bits = _pair(args.bits, "--bits"), dict(_layer(text) for text in args.layer_bits)
    wanted = [
        name for name in ("equalize", "bias-correction", "triples") if getattr(args, name.replace("-", "_"))
    ]
    check_out(args.out, args.html)
    arrays = load_frames(args.data)
    test = (arrays["test_inputs"], arrays.get("test_labels")) if "test_inputs" in arrays else None
    budget = asked_budget(args)
    with progress(args.quiet) as say:
        found = quantize(
            args.model, args.method, bits, arrays["inputs"], arrays.get("labels"), test=test,
            teacher=args.teacher, epochs=args.epochs, seed=args.seed, checkpoint=args.resume,
            options=tuple(wanted), layer_bits=layer_bits, budget=budget, say=say,
            console=_console(args.quiet),
        )  # fmt: skip
    write_quantized(found, args.out, args.html)
    _print(found.report, args)
    return 0


def _console(quiet: bool):
    """Where training shows how far it is; a spinner and lines of text would fight for one terminal."""
    from rich.console import Console

    console = Console(file=sys.stderr, highlight=False)
    return None if quiet or console.is_terminal else console


def _print(report: dict, args) -> None:
    if args.json:
        print(json.dumps(report, indent=1))
    elif not args.quiet:
        from rich.console import Console

        from ..report.quantize_terminal import show_quantize

        console = Console()
        show_quantize(report, console if console.is_terminal else Console(width=_STDOUT_COLUMNS))
        console.print(f"wrote {args.out}", markup=False, highlight=False)


def _pair(text: str, option: str) -> tuple[int, int]:
    """``W,A``, or one number for both."""
    parts = text.split(",")
    if len(parts) not in (1, 2) or not all(p.strip().isdecimal() and len(p) < 4 for p in parts):
        raise InputError(f"quantize: {option} must be W,A such as 4,4, not {text!r}.")
    return int(parts[0]), int(parts[-1])


def _layer(text: str) -> tuple[str, tuple[int, int]]:
    name, _, bits = text.rpartition("=")
    if not name:
        raise InputError(f"quantize: --layer-bits must be LAYER=W,A, not {text!r}.")
    return name, _pair(bits, "--layer-bits")
