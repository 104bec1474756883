"""What a model, a compiled folder or a board holds, as a dict and as text."""

from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ..boards import load as load_board
from ..boards import names as board_names
from ..compiler.frontends import load_model
from ..compiler.ir.graph import Node
from ..compiler.passes.pipeline import run as run_passes
from ..errors import InputError, LoweringError
from ..hw.lower import FPGA, Layer
from ..report import read, show
from . import describe
from .output import MARK

_PIPE_COLUMNS = 160


def inspect(target: Path | str) -> dict:
    """A model's graph after the passes, or a compiled folder's report.

    Raises:
        GatewrightError: neither a model nor a folder of ours.
    """
    target = Path(target)
    if target.is_dir():
        return {"kind": "folder", "report": _report(target / MARK)}
    graph = run_passes(load_model(target))
    model = describe.model(graph)
    for layer, node in zip(model["layers"], graph.nodes(), strict=True):
        layer["targets"] = ["reference", *([FPGA.name] if _lowers(node) else [])]
    return {"kind": "model", "file": target.name, "model": model, "output": describe.output(graph)}


def _lowers(node: Node) -> bool:
    """Whether the FPGA takes this node: rules refuse some shapes and types of the ops that they are for."""
    try:
        rule = FPGA.rule(node)
        layer = Layer(node, "layer", node.inputs[0].type.dtype, node.type.dtype)
        rule.lower(layer, next(rule.folds(layer)))
    except LoweringError:
        return False
    return True


def _report(path: Path) -> dict:
    if not path.is_file():
        raise InputError(f"inspect: {path.parent} must hold {path.name} from 'gatewright compile'")
    return read(path)


def _console() -> Console:
    """Standard output; a pipe or a file has no width to break tables at."""
    console = Console()
    return console if console.is_terminal else Console(width=_PIPE_COLUMNS)


def print_inspection(found: dict) -> None:
    """The same for people."""
    console = _console()
    if found["kind"] == "folder":
        show(found["report"], console)
        return
    model, output = found["model"], found["output"]
    source = model["input"]
    console.print(
        f"[bold]{escape(model['name'])}[/]: input {_shape(source['shape'])} in {_range(source['range'])}, "
        f"output {_shape(output['shape'])} in {_range(output['range'])}, "
        f"{model['macs']:,} MAC, {model['parameters']:,} weights",
        highlight=False,
    )
    table = Table("layer", "op", "result", "weights", "MAC", "targets")
    for layer in model["layers"]:
        bits = f"{layer['weight_bits']} bit" if layer["weight_bits"] else ""
        macs, targets = f"{layer['macs']:,}", ", ".join(layer["targets"])
        table.add_row(*map(escape, (layer["name"], layer["op"], layer["type"], bits, macs, targets)))
    console.print(table)


def _shape(shape: list[int]) -> str:
    return "x".join(map(str, shape)) or "scalar"


def _range(r: list[int]) -> str:
    return f"{r[0]}..{r[1]}" + (f" by {r[2]}" if r[2] != 1 else "")


def boards_table() -> list[dict]:
    """Every known board in a line."""
    return [_board_row(name) for name in board_names()]


def _board_row(name: str) -> dict:
    board = load_board(name)
    return {
        **describe.board(board),
        "default_clock_mhz": board.default_clock_mhz,
        "bitstream": board.has_bitstream,
    }


def describe_board(name: str) -> dict:
    """Everything known of a board, each figure with its source."""
    return asdict(load_board(name))


def print_boards(table: list[dict]) -> None:
    """The boards for people."""
    shown = Table("name", "board", "part", "LUT", "BRAM", "DSP", "bitstream")
    for b in table:
        c = b["capacity"]
        can = "yes" if b["bitstream"] else "no (resources only)"
        shown.add_row(b["name"], b["title"], b["part"], f"{c['lut']:,}", f"{c['bram']}", f"{c['dsp']}", can)
    _console().print(shown)


def print_board(board: dict) -> None:
    """One board for people: keys and values, tables indented."""
    console = Console(highlight=False)
    for line in _lines(board, ""):
        console.print(escape(line), soft_wrap=True)


def _lines(data: dict, indent: str):
    for key, value in data.items():
        if isinstance(value, dict):
            yield f"{indent}{key}:"
            yield from _lines(value, indent + "  ")
        elif value not in (None, "", (), []):
            shown = ", ".join(map(str, value)) if isinstance(value, list | tuple) else value
            yield f"{indent}{key}: {shown}"
