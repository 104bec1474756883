"""A report in the terminal: a summary, resources by layer, executors."""

from rich import box
from rich.console import Console, Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from .facts import FAILED, KINDS, OPEN, PASSED, STAGES, Check, bottleneck, by_layer, checks, filling, fullest
from .html_split import split_line
from .schema import validate
from .words import UNKNOWN, clean, count, cut, duration, figure, kib, plural, shape, share

_STYLES = {PASSED: "bold green", FAILED: "bold red", OPEN: "dim"}
# Columns for a name in a table, so that five numbers fit beside it in 80.
_NAME = 26


def show(report: dict, console: Console) -> None:
    """Print a report; at 80 columns and up nothing wraps but sentences, and no colour is needed.

    Raises:
        InputError: the report breaks the schema.
    """
    validate(report)
    speak = Speaker(console)
    parts = [_title(report, speak), _summary(report, speak), *_verdicts(report, speak)]
    if fullest(report):
        parts.append(_resources(report, speak))
    if report["executors"]:
        parts.append(_executors(report, speak))
    if report["files"]:
        parts.append(_files(report, speak))
    console.print(
        Group(*(Padding(p, (0, 0, 1, 0), expand=False) for p in parts[:-1]), parts[-1]), soft_wrap=False
    )


class Speaker:
    """Puts text into what the console's encoding can write; a pipe may be ASCII only.

    Everything is ``Text``: a name is never read as rich's own markup.
    """

    def __init__(self, console: Console):
        self._encoding = console.encoding

    def text(self, words: str, style: str = "") -> Text:
        """Words of ours."""
        plain = words.replace("…", "...").replace("×", "x").replace("µ", "u") if not self.unicode else words
        return Text(plain.encode(self._encoding, "backslashreplace").decode(self._encoding), style)

    def name(self, words: str, width: int = 60) -> Text:
        """A name from outside."""
        return self.text(cut(clean(words), width))

    @property
    def unicode(self) -> bool:
        """Whether the console takes more than ASCII."""
        return self._encoding.lower().replace("-", "").startswith("utf")

    @property
    def table(self) -> Table:
        """A table with a rule below its head, and no more lines than that."""
        return Table(box=box.SIMPLE_HEAD if self.unicode else box.ASCII2, pad_edge=False, padding=(0, 1))


def _title(report: dict, speak: Speaker) -> Text:
    line = Text.assemble((speak.name(report["model"]["name"], 40).plain, "bold"))
    if report["board"]:
        line.append_text(speak.text(" on ")).append_text(speak.name(report["board"]["title"], 30))
    return line


def _summary(report: dict, speak: Speaker) -> Table:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column()
    for label, words in _facts(report):
        grid.add_row(speak.text(label), speak.text(words))
    return grid


def _facts(report: dict) -> list[tuple[str, str]]:
    model, mhz = report["model"], report["clock_mhz"]
    adds = f"{count(model['adds'])} additions, " if model.get("adds") else ""
    work = f"{count(model['macs'])} MACs, {adds}{count(model['parameters'])} parameters"
    facts = [
        ("Stage", STAGES[report["stage"]]),
        ("Network", f"{shape(model['input']['shape'])} input, {work}"),
    ]
    if report.get("arm"):
        facts += _arm_facts(report["arm"])
        return facts + _seconds(report)
    if report.get("split"):
        rate = f"{figure(report['frames_per_second'])} frames/s, one after the other"
        facts += [("A frame", split_line(report["split"])), ("Rate", rate)]
        return facts + _seconds(report)
    facts += [
        ("Rate", _rate(report)),
        ("Latency", _latency(report)),
        ("Clock", f"{figure(mhz)} MHz" if mhz else UNKNOWN),
    ]
    return facts + _seconds(report)


def _seconds(report: dict) -> list[tuple[str, str]]:
    seconds = ", ".join(f"{clean(k)} {figure(s)}" for k, s in report["seconds"].items())
    return [("Seconds", seconds)] if seconds else []


def _arm_facts(arm: dict) -> list[tuple[str, str]]:
    """A library's size, memory and instructions."""
    counted = arm["instructions"]
    code = UNKNOWN if arm["code_bytes"] is None else f"{kib(arm['code_bytes'])} KiB"
    arena = f"{kib(arm['arena_bytes'])} KiB, at least {kib(arm['arena_bound_bytes'])} KiB needed"
    threads = f", {plural(arm['threads'], 'thread')}" if arm["threads"] > 1 else ""
    cycles = arm["cycles"]
    time = f"{figure(cycles['milliseconds'])} ms, {count(cycles['estimate'])} cycles" if cycles else UNKNOWN
    source = f" by llvm-mca's {clean(cycles['model'])}" if cycles else ""
    return [
        ("Library", f"lib{arm['library']} for {clean(arm['core'])}{threads}"),
        (
            "Work",
            UNKNOWN if counted is None else f"{count(counted)} instructions an inference{_longest(arm)}",
        ),
        ("Estimate", f"{time}{source}"),
        ("Code", f"{code}, and {kib(arm['constant_bytes'])} KiB of constants"),
        ("Arena", arena),
        *_tuning_facts(arm.get("tuning")),
    ]


def _longest(arm: dict) -> str:
    """What of several threads' work is executed one after another."""
    longest = arm.get("longest_instructions")
    return "" if arm["threads"] == 1 or longest is None else f", {count(longest)} one after another"


def _tuning_facts(tuning: dict | None) -> list[tuple[str, str]]:
    """How many layers tuning changed, and what that gained."""
    if tuning is None:
        return []
    changed = sum(bool(layer["way"]) for layer in tuning["layers"])
    layers = f"{changed} of {plural(len(tuning['layers']), 'layer')} changed"
    if tuning["instructions"] is None:
        return [("Tuning", layers)]
    before, after = tuning["default_instructions"], tuning["instructions"]
    return [("Tuning", f"{layers}, {count(before)} instructions before and {count(after)} after")]


def _rate(report: dict) -> str:
    rate, interval = report["frames_per_second"], report["interval_clocks"]
    if rate is None:
        return UNKNOWN
    every = (
        f", a frame every {count(interval)} clocks{_source(report['interval_source'])}" if interval else ""
    )
    return f"{figure(rate)} frames/s{every}"


def _latency(report: dict) -> str:
    clocks, mhz = report["latency_clocks"], report["clock_mhz"]
    if clocks is None:
        return UNKNOWN
    time = f"{' '.join(duration(clocks, mhz))}, " if mhz else ""
    return f"{time}{count(clocks)} clocks{_source(report['latency_source'])}"


def _source(source: str | None) -> str:
    return f" ({source})" if source else ""


def _verdicts(report: dict, speak: Speaker) -> list[Table | Text]:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True)
    grid.add_column()
    for check in checks(report):
        grid.add_row(speak.text(check.verdict, _STYLES[check.verdict]), _sentence(check, speak))
    limit = bottleneck(report)
    return [grid, _sentence(limit, speak)] if limit else [grid]


def _sentence(check: Check, speak: Speaker) -> Text:
    first, *rest = check.finding.split("{}")
    line = speak.text(first)
    for given, words in zip(check.names, rest, strict=True):
        line.append_text(speak.name(given, 40)).append_text(speak.text(words))
    return line


def _resources(report: dict, speak: Speaker) -> Table:
    resources, capacity = report["resources"], report["board"]["capacity"]
    table = speak.table
    table.add_column(f"Resources, {resources['source']}", no_wrap=True)
    for _, label in KINDS:
        table.add_column(label, justify="right", no_wrap=True)
    for layer in by_layer(resources):
        numbers = [speak.text(count(layer.amounts[k])) for k, _ in KINDS]
        table.add_row(speak.name(layer.label, _NAME), *numbers)
    table.add_section()
    table.add_row(
        speak.text("whole design", "bold"),
        *[speak.text(count(resources["total"][k]), "bold") for k, _ in KINDS],
    )
    table.add_row(speak.text("board"), *[speak.text(count(capacity[k])) for k, _ in KINDS])
    full = fullest(report)[0]
    shares = []
    for kind, label in KINDS:
        part = share(resources["total"][kind] / capacity[kind]) if capacity[kind] else "-"
        shares.append(speak.text(part, "bold" if label == full else ""))
    table.add_row(speak.text("share of the board"), *shares)
    if filled := filling(resources):
        table.add_row(speak.text("block bits in use"), "", "", speak.text(filled), "")
    return table


def _executors(report: dict, speak: Speaker) -> Table:
    table = speak.table
    table.add_column("Executor", no_wrap=True)
    table.add_column("Against", no_wrap=True)
    for label in ("Equal inputs", "Accuracy"):
        table.add_column(label, justify="right", no_wrap=True)
    for e in report["executors"]:
        compared = e["against"] is not None and e["inputs"]
        equal = f"{count(e['equal'])} of {count(e['inputs'])}" if compared else "-"
        accuracy = "-" if e["accuracy"] is None else share(e["accuracy"])
        against = speak.name(e["against"], 20) if e["against"] is not None else speak.text("-")
        table.add_row(speak.name(e["name"], _NAME), against, speak.text(equal), speak.text(accuracy))
    return table


def _files(report: dict, speak: Speaker) -> Text:
    names = [speak.name(path) for _, path in sorted(report["files"].items())]
    return speak.text(f"{plural(len(names), 'file')} written: ").append_text(speak.text(", ").join(names))
