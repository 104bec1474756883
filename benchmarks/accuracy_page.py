"""What ``accuracy.py`` writes into a page."""

from collections.abc import Collection

from accuracy_baselines import BASELINES
from accuracy_networks import CASES
from adder_table import paragraph
from gatewright.quant.methods import METHODS

# What the papers lead one to expect: the first method above the second at these widths.
EXPECTED = (
    ("unitwise", "layerwise", ("W4A4", "W3A3")),
    ("n2uq", "lsq", ("W3A3", "W2A2")),
    ("fda-bnn", "ste-bnn", ("W1A1",)),
    ("adam-bnn", "ste-bnn", ("W1A1",)),
)


def section(values: dict, widths: Collection[str]) -> str:
    """The page's measured part from the results of the work folder; what was not measured stays blank."""
    lines = [
        paragraph(
            "Percent of test images right; WxAy are bits of weights and activations of all layers but the "
            "first and the last, which have 8. Both networks of CIFAR-10 train on a slice of 20,000 images "
            "and are tested on 1,000 (one image is 0.10), MNIST's on 20,000 and 10,000. Methods that train "
            "have the few epochs that a CPU can give: **far fewer than their papers', so this compares "
            "methods at equal effort and reproduces none of the papers' figures**. A blank was not measured, "
            "or is not for these widths. Each of our networks' integer graphs gave the module's outputs on "
            "16 test images."
        ),
    ]
    found = [name for name in CASES if f"{name} float" in values]
    for name in found:
        lines += ["", *_table(name, CASES[name].title, values, widths)]
    return "\n".join([*lines, "", *_expected(found, values), ""])


def _expected(names: list[str], values: dict) -> list[str]:
    """Differences in points where both were measured."""
    lines = ["### The first above the second?", ""]
    lines += ["| | " + " | ".join(CASES[n].title for n in names) + " |", "|---|" + "---:|" * len(names)]
    for better, other, widths in EXPECTED:
        for width in widths:
            cells = []
            for name in names:
                pair = [values.get(f"{name} {method} {width}") for method in (better, other)]
                cells.append("" if None in pair else f"{pair[0] - pair[1]:+.2f}")
            lines.append(f"| {better} over {other}, {width} | " + " | ".join(cells) + " |")
    return lines


def _table(name: str, title: str, values: dict, widths: Collection[str]) -> list[str]:
    lines = [f"### {title}", "", f"Float: {values[f'{name} float']:.2f} %{_effort(values, name)}", ""]
    lines += ["| | " + " | ".join(widths) + " |", "|---|" + "---:|" * len(widths)]
    for method in (*BASELINES, *METHODS):
        cells = [values.get(f"{name} {method} {width}") for width in widths]
        if any(c is not None for c in cells):
            lines.append(f"| {method} | " + " | ".join("" if c is None else f"{c:.2f}" for c in cells) + " |")
    return lines


def _effort(values: dict, name: str) -> str:
    epochs = values.get(f"{name} epochs")
    if epochs is None:
        return ""
    return (
        f"; methods that train have {epochs} epoch{'s' * (epochs > 1)} (adam-bnn twice as many, in two steps)"
    )
