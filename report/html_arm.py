"""The page's parts on a library for a processor: large figures, memory, kernels and calls."""

from .bars import share_bar
from .markup import Markup, element, join, name, table
from .words import UNKNOWN, clean, count, figure, kib, plural, share

_NUMBER = "number"
_EXTRA = "number extra"  # left out on a phone


def arm_figures(report: dict) -> list[tuple[str, str | None, str, str | None]]:
    """The page's large figures: label, value, unit and the small print below."""
    arm, macs = report["arm"], report["model"]["macs"]
    counted, cycles = arm["instructions"], arm["cycles"]
    rate = f"{macs / counted:,.2f} multiply-accumulates each" if counted and macs else None
    return [
        ("Instructions", count(counted) if counted is not None else None, "an inference", rate),
        ("Estimated time", figure(cycles["milliseconds"]) if cycles else None, "ms", _modelled(cycles)),
        ("Code and constants", *_static(arm)),
        ("Arena", kib(arm["arena_bytes"]), "KiB", f"at least {kib(arm['arena_bound_bytes'])} KiB needed"),
        ("Threads", str(arm["threads"]), arm["core"], None),
    ]


def _modelled(cycles: dict | None) -> str | None:
    if not cycles:
        return None
    clock = f"{count(cycles['estimate'])} cycles at {figure(cycles['clock_mhz'])} MHz"
    return f"{clock}, by llvm-mca with the pipeline of {clean(cycles['model'])}"


def _static(arm: dict) -> tuple[str | None, str, str]:
    constants = f"{kib(arm['constant_bytes'])} KiB of constants"
    if arm["code_bytes"] is None:
        return None, "KiB", constants
    whole = arm["code_bytes"] + arm["constant_bytes"]
    return kib(whole), "KiB", f"{kib(arm['code_bytes'])} KiB of code, {constants}"


def arm_section(report: dict) -> Markup | None:
    """Kernels and calls; None for an FPGA."""
    arm = report.get("arm")
    if not arm:
        return None
    return element(
        "section",
        element("h2", "Where the instructions go"),
        element("p", _lead(arm), class_="note"),
        element("h3", "By kernel"),
        _kernel_table(arm),
        element("h3", "By call"),
        _call_table(arm),
    )


def _lead(arm: dict) -> str:
    calls = f"{plural(len(arm['calls']), 'call')} of {plural(len(arm['kernels']), 'kernel')}."
    if arm["instructions"] is None:
        return f"{calls} Instructions were not counted."
    inside = sum(k["instructions"] or 0 for k in arm["kernels"])
    part = share(inside / arm["instructions"]) if arm["instructions"] else "0 %"
    return f"{calls} Counted in qemu, one inference: {part} of the instructions are in kernels.{_tuned(arm)}"


def _tuned(arm: dict) -> str:
    """What tuning gained, where it did."""
    tuning = arm.get("tuning")
    if not tuning or tuning["instructions"] is None:
        return ""
    saved = tuning["default_instructions"] - tuning["instructions"]
    return f" Tuning saved {count(saved)} of {count(tuning['default_instructions'])}."


def _kernel_table(arm: dict) -> Markup:
    top = max((k["instructions"] or 0 for k in arm["kernels"]), default=0)
    rows = []
    for kernel in sorted(arm["kernels"], key=lambda k: -(k["instructions"] or 0)):
        counted = kernel["instructions"]
        bar = share_bar(counted / top if counted and top else 0, None, class_="fill calm")
        shown = UNKNOWN if counted is None else count(counted)
        part = share(counted / arm["instructions"]) if counted and arm["instructions"] else ""
        rows.append([name(kernel["name"]), bar, shown, part, count(kernel["calls"])])
    heads = ["Kernel", ("Against the largest", "wide"), ("Instructions", _NUMBER), ("Share", _EXTRA)]
    return table("Instructions by kernel", [*heads, ("Calls", _EXTRA)], rows, class_="clocks")


def _call_table(arm: dict) -> Markup:
    rows = [
        [join(name(c["layer"])), name(c["kernel"]), count(c["macs"]), count(c["trips"])] for c in arm["calls"]
    ]
    heads = ["Layer", ("Kernel", "wide"), ("MACs", _NUMBER), ("Outer loop", _EXTRA)]
    return table("Calls in order", heads, rows, class_="layers")
