"""A report as one self-contained HTML page, readable without scripts or a network."""

from urllib.parse import quote

from .facts import FAILED, OPEN, PASSED, STAGES, Check, checks, fullest
from .html_arm import arm_figures, arm_section
from .html_cycle import sections as cycle_sections
from .html_hardware import clocks_section, resources_section, timing_section
from .html_model import executors_section, layers_section, values_section
from .html_split import split_figures, split_section
from .markup import Markup, element, fill_in, join, name, table
from .page import page
from .schema import validate
from .words import UNKNOWN, clean, count, cut, duration, figure, shape, share

_SIGNS = {PASSED: ("✓", "passed"), FAILED: ("✗", "failed"), OPEN: ("–", "open")}


def render(report: dict) -> str:
    """The page of a report; equal reports give equal pages (``seconds`` is left out for that).

    Raises:
        InputError: the report breaks the schema.
    """
    validate(report)
    title = f"{clean(cut(report['model']['name'], 60))} – gatewright report"
    sections = [
        _checks_section(report),
        split_section(report),
        resources_section(report),
        clocks_section(report),
        cycle_sections(report) or None,
        arm_section(report),
        executors_section(report),
        timing_section(report),
        layers_section(report),
        values_section(report),
        _provenance_section(report),
    ]
    return page(title, _headline(report), sections, _footer(report))


def _headline(report: dict) -> Markup:
    model, board = report["model"], report["board"]
    target = [element("span", " on ", class_="on"), name(board["title"], 60)] if board else []
    facts = [
        join(shape(model["input"]["shape"]), " input"),
        f"{count(model['macs'])} multiply-accumulates a frame",
        *([f"{count(model['adds'])} additions"] if model.get("adds") else []),
        f"{count(model['parameters'])} parameters",
    ]
    if board and (report.get("arm") or board["part"] is None):
        cpu = board["processor"]
        facts.insert(0, join(name(cpu["chip"]), f" ({cpu['cores']} × ", name(cpu["core"]), ")"))
    elif board:
        facts.insert(0, join(name(board["part"]), " (", name(board["family"]), ")"))
    return element(
        "header",
        element("p", f"gatewright report · {STAGES[report['stage']]}", class_="eyebrow"),
        element("h1", name(model["name"], 60), *target),
        element("p", join(*facts, between=" · "), class_="facts"),
        element("dl", *_figures(report), class_="figures"),
    )


def _figures(report: dict) -> list[Markup]:
    if report.get("arm"):
        return [_figure(*figures) for figures in arm_figures(report)]
    if report.get("split"):
        return [*(_figure(*figures) for figures in split_figures(report)), _clock(report), _fullest(report)]
    return [_rate(report), _latency(report), _clock(report), _fullest(report)]


def _figure(label: str, value: str | None, unit: str, more: str | None) -> Markup:
    """One large number; ``more`` is the small print below it."""
    shown = [element("b", value), " ", element("span", unit)] if value else [element("i", UNKNOWN)]
    return element(
        "div",
        element("dt", label),
        element("dd", *shown, class_="value"),
        element("dd", more, class_="more") if more else None,
    )


def _rate(report: dict) -> Markup:
    rate, clocks = report["frames_per_second"], report["interval_clocks"]
    more = f"a frame every {count(clocks)} clocks{_source(report['interval_source'])}" if clocks else None
    return _figure("Rate", None if rate is None else figure(rate), "frames/s", more)


def _latency(report: dict) -> Markup:
    clocks, mhz = report["latency_clocks"], report["clock_mhz"]
    if clocks is None:
        return _figure("Latency", None, "", None)
    more = f"{count(clocks)} clocks{_source(report['latency_source'])}"
    return (
        _figure("Latency", *duration(clocks, mhz), more)
        if mhz
        else _figure("Latency", count(clocks), "clocks", None)
    )


def _source(source: str | None) -> str:
    return f", {source}" if source else ""


def _clock(report: dict) -> Markup:
    t, mhz = report["timing"], report["clock_mhz"]
    if t:
        asked = f"{figure(t['fmax_mhz'])} MHz reached, {figure(t['asked_mhz'])} MHz asked"
    else:
        asked = "as asked; not placed and routed yet" if mhz else None
    return _figure("Clock", figure(mhz) if mhz else None, "MHz", asked)


def _fullest(report: dict) -> Markup:
    full = fullest(report)
    if full is None:
        return _figure("Fullest resource", None, "", None)
    kind = full[0].lower()
    need, have = report["resources"]["total"][kind], report["board"]["capacity"][kind]
    more = f"{count(need)} of {count(have)}, {report['resources']['source']}"
    return _figure("Fullest resource", share(full[1]) if have else "over 100 %", full[0], more)


def _checks_section(report: dict) -> Markup:
    rows = [_check(c) for c in checks(report)]
    return element("section", element("h2", "Checks"), element("ul", *rows, class_="checks"))


def _check(check: Check) -> Markup:
    sign, class_ = _SIGNS[check.verdict]
    verdict = element("span", element("span", sign, aria_hidden="true"), f" {check.verdict}", class_=class_)
    return element(
        "li", verdict, element("b", check.title), element("span", fill_in(check.finding, check.names))
    )


def _provenance_section(report: dict) -> Markup | None:
    parts = []
    if report["files"]:
        rows = [
            [name(role), element("a", name(path, 60), href=quote(clean(path)))]
            for role, path in sorted(report["files"].items())
        ]
        parts.append(table("Files written", ["File", "Path"], rows))
    if report["tools"]:
        rows = [[name(tool), name(version)] for tool, version in sorted(report["tools"].items())]
        parts.append(table("Tools and their versions", ["Tool", "Version"], rows))
    return (
        element("section", element("h2", "Files and tools"), element("div", *parts, class_="pair"))
        if parts
        else None
    )


def _footer(report: dict) -> Markup:
    model = report["model"]
    machines = join("report.json, schema ", element("code", report["schema"]))
    if report["stage"] == "estimate":
        machines = element("code", "gatewright estimate --json")
    return element(
        "footer",
        element("p", "Model ", name(model["file"], 60), ", SHA-256 ", element("code", model["sha256"])),
        element("p", "The same figures for machines: ", machines),
    )
