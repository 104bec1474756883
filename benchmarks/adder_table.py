"""What the training benches share: the methods that they compare, and results that outlive a stopped run."""

import json
import os
import textwrap
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from torch import nn

from gatewright.quant.adder_ptq import adder_quant, shared_scale, unsigned

WIDTHS = (8, 6, 5, 4, 3)
# Rows of the tables; each gives the quantized network of (float network, ranges, bits).
METHODS: dict[str, Callable[[nn.Module, dict, int], nn.Module]] = {
    "shared scale of the input": lambda m, r, b: shared_scale(m, r, b, "input"),
    "shared scale of the weights": lambda m, r, b: shared_scale(m, r, b, "weights"),
    "AdderQuant": adder_quant,
    "AdderQuant, unsigned": lambda m, r, b: adder_quant(m, r, b, weight_signed=False),
    "unsigned form": unsigned,
}
TUNED = "unsigned form, tuned"
TWIN = "multiplying twin"


class Results:
    """Measurements in ``results.json`` of a work folder, each made once."""

    def __init__(self, work: Path, console: Console):
        work.mkdir(parents=True, exist_ok=True)
        self.file, self.console = work / "results.json", console
        self.values: dict = json.loads(self.file.read_text()) if self.file.exists() else {}

    def once(self, name: str, measure: Callable[[], object]):
        """A result that is kept, or is measured now."""
        if name not in self.values:
            self.values[name] = measure()
            partial = self.file.with_suffix(".part")
            partial.write_text(json.dumps(self.values, indent=1))
            os.replace(partial, self.file)
            self.console.print(f"{name}: {self.values[name]}")
        return self.values[name]


def table(values: dict, names: tuple[str, ...]) -> list[str]:
    """Markdown lines: a row for each method that was measured, a column for each width."""
    lines = ["| | " + " | ".join(f"{b} bit" for b in WIDTHS) + " |", "|---|" + "---:|" * len(WIDTHS)]
    for name in names:
        cells = [values.get(f"{name} {b}") for b in WIDTHS]
        if any(c is not None for c in cells):
            lines.append(f"| {name} | " + " | ".join("" if c is None else f"{c:.2f}" for c in cells) + " |")
    return lines


def paragraph(text: str) -> str:
    """Text in lines of a page."""
    return textwrap.fill(text, 108, break_long_words=False, break_on_hyphens=False)
