"""The page of ``accuracy.py``."""

from collections.abc import Collection

from accuracy_baselines import BASELINES
from accuracy_networks import CASES
from adder_table import paragraph
from gatewright.quant.methods import METHODS


def page(values: dict, widths: Collection[str]) -> str:
    """The page's Markdown from the results of the work folder; what was not measured stays blank."""
    lines = [
        "# Accuracy of the quantization methods",
        "",
        paragraph(
            "Written by `python benchmarks/accuracy.py --data DIR --work DIR --write docs/accuracy.md`; do "
            "not edit it by hand. What each method is and when to take it: [quantize.md](quantize.md)."
        ),
        "",
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
    for name, case in CASES.items():
        if f"{name} float" in values:
            lines += ["", *_table(name, case.title, values, widths)]
    return "\n".join([*lines, ""])


def _table(name: str, title: str, values: dict, widths: Collection[str]) -> list[str]:
    lines = [f"## {title}", "", f"Float: {values[f'{name} float']:.2f} %{_effort(values, name)}", ""]
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
