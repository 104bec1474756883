"""Models, compiled folders and boards for people, in the terminal."""

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ..compiler.frontends.importer import BLOCKED, CONSTANT, NOT_NEEDED, REFUSED, TAKEN
from ..report import show
from .coverage import COLUMNS, COLUMNS_OF

_PIPE_COLUMNS = 160
# What stands for a node that has no layer of its own.
_NOTHING = {
    TAKEN: "(within its neighbours)", CONSTANT: "(constant)", NOT_NEEDED: "(not needed)",
    BLOCKED: "? (behind a refused node)", REFUSED: "refused",
}  # fmt: skip


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
    where = f" on {found['board']['title']}" if found["board"] else ""
    console.print(f"[bold]{escape(found['file'])}[/] ({found['format']}){escape(where)}", highlight=False)
    targets = [*COLUMNS, *COLUMNS_OF[found["target"]]]
    console.print(_sources(found["nodes"], targets))
    refused = sum(1 for n in found["nodes"] if n["refusals"])
    if refused and not found["board"]:
        console.print(f"{refused} of the nodes are not for an FPGA; with --board BOARD it is told why.")
    if found["model"]:
        _print_graph(console, found["model"], found["output"])
    if found.get("split"):
        _print_cuts(console, found["split"], found["model"])


def _sources(nodes: list[dict], targets: list[str]) -> Table:
    """One line per node of the source: what it becomes, and which targets take it."""
    table = Table("node", "op", "becomes", *targets)
    for n in nodes:
        becomes = " + ".join(n["becomes"]) if n["becomes"] else _NOTHING[n["outcome"]]
        taken = (
            ["yes" if t in n["targets"] else "no" for t in targets] if n["becomes"] else ["-"] * len(targets)
        )
        table.add_row(*map(escape, (n["name"], n["op"], becomes, *taken)))
    return table


def _print_graph(console: Console, model: dict, output: dict) -> None:
    source = model["input"]
    console.print(
        f"[bold]{escape(model['name'])}[/]: input {_shape(source['shape'])} in {_range(source['range'])}, "
        f"output {_shape(output['shape'])} in {_range(output['range'])}, "
        f"{model['macs']:,} MAC, {model['adds']:,} additions, {model['parameters']:,} weights",
        highlight=False,
    )
    arm = any(layer["kernels"] is not None for layer in model["layers"])
    columns = ["layer", "op", "result", "weights", "MAC", "additions", "targets"]
    table = Table("", *columns, *(["kernels"] if arm else []))
    for number, layer in enumerate(model["layers"]):
        bits = f"{layer['weight_bits']} bit" if layer["weight_bits"] else ""
        work, targets = (f"{layer[k]:,}" for k in ("macs", "adds")), ", ".join(layer["targets"])
        name = layer["name"] or f"({layer['node']})"
        kernels = [", ".join(layer["kernels"] or ())] if arm else []
        cells = (str(number), name, layer["op"], layer["type"], bits, *work, targets, *kernels)
        table.add_row(*map(escape, cells))
    console.print(table)


def _print_cuts(console: Console, cuts: list[dict], model: dict) -> None:
    """Where the network may be cut between processor and FPGA, in µs of a frame."""
    columns = ("--split", "from", "to", "MAC on FPGA", "bytes in", "bytes out")
    table = Table(*columns, "before", "FPGA", "behind", "transfers", "µs in all", "FPGA's by")
    for c in cuts:
        ends = [model["layers"][c[k]]["name"] or model["layers"][c[k]]["op"] for k in ("first", "last")]
        sizes = (f"{c[k]:,}" for k in ("macs", "bytes_in", "bytes_out"))
        times = (f"{c[k]:,.1f}" for k in ("before_us", "fpga_us", "after_us", "transfers_us", "latency_us"))
        source = "folding" if c["folded"] else "its layers"
        table.add_row(*map(escape, (f"{c['first']},{c['last']}", *ends, *sizes, *times, source)))
    console.print(table)


def _shape(shape: list[int]) -> str:
    return "x".join(map(str, shape)) or "scalar"


def _range(r: list[int]) -> str:
    return f"{r[0]}..{r[1]}" + (f" by {r[2]}" if r[2] != 1 else "")


def print_boards(table: list[dict]) -> None:
    """The boards for people."""
    shown = Table("name", "board", "part", "LUT", "BRAM", "DSP", "bitstream", "processor")
    for b in table:
        shown.add_row(b["name"], b["title"], *_fpga(b), _processor(b["processor"]))
    _console().print(shown)


def _fpga(b: dict) -> tuple[str, ...]:
    c = b["capacity"]
    if c is None:
        return ("", "", "", "", "no FPGA")
    can = "yes" if b["bitstream"] else "no (resources only)"
    return (b["part"], f"{c['lut']:,}", f"{c['bram']}", f"{c['dsp']}", can)


def _processor(p: dict | None) -> str:
    return f"{p['cores']} x {p['core']}, {p['clock_mhz']:g} MHz" if p else ""


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
