"""An estimate in the terminal."""

from collections.abc import Callable

from rich.console import Console, Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from .facts import KINDS, by_layer, filling
from .formats import ESTIMATE
from .terminal import Speaker
from .words import clean, count, duration, figure, kib, shape, share

_NAME = 26
_LABELS = {**dict(KINDS), "fmax": "clock"}
# How far such estimates were from synthesis, on designs that they were not fitted to.
_ERRORS = {"median": "median error", "worst": "worst error", "exact": "designs exactly right"}
_FMAX = {"likely": "within reach", "open": "may be within reach", "unlikely": "hardly within reach"}


def show_estimate(content: dict, console: Console) -> None:
    """Print an estimate; names are never read as markup, and no colour is needed.

    Raises:
        InputError: it breaks the schema.
    """
    ESTIMATE.validate(content)
    speak = Speaker(console)
    title = Text.assemble((speak.name(content["model"]["name"], 40).plain, "bold"))
    title.append_text(speak.text(" on ")).append_text(speak.name(content["board"]["title"], 30))
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column()
    for label, words in _facts(content):
        grid.add_row(speak.text(label), speak.text(words))
    parts = [title, grid]
    if content["fpga"]:
        parts += [_resources(content, speak), _verdict(content, speak)]
    console.print(
        Group(*(Padding(p, (0, 0, 1, 0), expand=False) for p in parts[:-1]), parts[-1]), soft_wrap=False
    )


def _facts(content: dict) -> list[tuple[str, str]]:
    model = content["model"]
    work = f"{count(model['macs'])} MACs, {count(model['parameters'])} parameters"
    facts = [("Network", f"{shape(model['input']['shape'])} input, {work}")]
    facts += _hardware(content) if content["fpga"] else _library(content)
    facts.append(("Energy", _energy(content)))
    right = content["accuracy"]
    if right:
        facts.append(("Accuracy", f"{share(right['share'])} of {count(right['frames'])} frames"))
    return facts


def _hardware(content: dict) -> list[tuple[str, str]]:
    fpga, mhz = content["fpga"], content["clock_mhz"]
    every = fpga["interval_clocks"]
    latency = f"{' '.join(duration(fpga['latency_clocks'], mhz))}, {count(fpga['latency_clocks'])} clocks"
    return [
        ("Rate", f"{figure(content['frames_per_second'])} frames/s, a frame every {count(every)} clocks"),
        ("Latency", latency),
        ("Clock", f"{figure(mhz)} MHz{_reach(fpga['fmax'], fpga['errors'].get('fmax', {}))}"),
        ("FIFOs", _fifos(fpga["fifos"])),
    ]


def _reach(fmax: dict | None, errors: dict) -> str:
    if fmax is None:
        return "; how fast it can be clocked is not known for this family"
    band = f"{figure(fmax['low'])} to {figure(fmax['high'])}"
    off = f"; median error {share(errors['median'])}" if "median" in errors else ""
    return f", {_FMAX[fmax['met']]}: {figure(fmax['mhz'])} MHz expected, {band} in 4 of 5 designs{off}"


def _fifos(fifos: list[dict]) -> str:
    bits, held = (sum(f[key] * f["bits"] for f in fifos) for key in ("depth", "held"))
    full = sum(f["held"] == f["depth"] for f in fifos)
    return f"{count(len(fifos))} of {count(bits)} bits, at most {count(held)} in use, {count(full)} run full"


def _library(content: dict) -> list[tuple[str, str]]:
    arm = content["arm"]
    counted, cycles = arm["instructions"], arm["cycles"]
    time = "unknown: no model of its pipeline"
    if cycles is not None:
        ms = figure(content["latency_us"] / 1e3)
        time = f"{ms} ms, {count(cycles)} cycles by llvm-mca's {clean(arm['model'])}"
    code = "" if arm["code_bytes"] is None else f"{kib(arm['code_bytes'])} KiB of code, "
    memory = f"{kib(arm['constant_bytes'])} KiB of constants, arena of {kib(arm['arena_bytes'])} KiB"
    return [
        ("Work", "not counted" if counted is None else f"{count(counted)} instructions an inference"),
        ("Time", time),
        ("Memory", code + memory),
    ]


def _energy(content: dict) -> str:
    found = content["energy"]
    if found is None:
        return "not known for this family or core"
    power = "" if found["mw"] is None else f"{figure(found['mw'])} mW, "
    off = "" if found["uncertainty"] is None else f", {share(found['uncertainty'])} up or down"
    return f"{power}{figure(found['uj'])} µJ an inference{off}"


def _resources(content: dict, speak: Speaker) -> Table:
    """By layer: what it takes of the board and, where that is known, what switching in it takes."""
    resources, capacity = content["fpga"]["resources"], content["board"]["capacity"]
    switching = _switching(content["energy"])
    table = speak.table
    table.add_column("Resources, estimated", no_wrap=True)
    for label in [label for _, label in KINDS] + ["nJ/frame"] * bool(switching):
        table.add_column(label, justify="right", no_wrap=True)

    def row(label: Text, amounts: dict, shown: Callable[[float], str], nj: float | None = None) -> None:
        cells = ["-" if amounts.get(k) is None else shown(amounts[k]) for k, _ in KINDS]
        table.add_row(label, *map(speak.text, [*cells, "" if nj is None else figure(nj)]))

    for layer in by_layer(resources):
        nj = switching.get(layer.label if layer.named else "")
        row(speak.name(layer.label, _NAME), layer.amounts, count, nj)
    table.add_section()
    row(speak.text("whole design"), resources["total"], count, sum(switching.values()) if switching else None)
    row(speak.text("board"), capacity, count)
    row(speak.text("share of the board"), resources["share"], share)
    if filled := filling(resources):
        table.add_row(speak.text("block bits in use"), "", "", speak.text(filled), "")
    for key, label in _ERRORS.items():
        errors = {kind: stated[key] for kind, stated in content["fpga"]["errors"].items() if key in stated}
        if any(kind in errors for kind, _ in KINDS):
            row(speak.text(label), errors, share)
    return table


def _switching(energy: dict | None) -> dict[str, float]:
    """Dynamic nJ of a frame by layer; what is of none is under an empty name, as is the clock's own."""
    found: dict[str, float] = {}
    for unit in energy["units"] if energy else []:
        found[unit["layer"]] = found.get(unit["layer"], 0.0) + unit["dynamic_nj"]
    return found


def _verdict(content: dict, speak: Speaker) -> Text:
    over = [_LABELS[k] for k in content["fpga"]["over"]]
    if not over:
        return speak.text("It fits.", "bold green")
    return speak.text(f"It does not fit: too much {', '.join(over)}.", "bold red")
