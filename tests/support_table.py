"""docs/support.md, from the front ends' own tables and an example of each operator.

``python tests/support_table.py docs/support.md`` writes it. Every example is imported, and its integer graph
is run both by the reference and, exported, by ONNX Runtime; the FPGA target is asked as ``inspect`` asks it.
"""

import inspect
import re
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gatewright.compiler.frontends import survey
from gatewright.compiler.frontends.constants import COMPUTED
from gatewright.compiler.frontends.handlers import HANDLERS
from gatewright.compiler.frontends.importer import CONSTANT, TAKEN
from gatewright.compiler.frontends.qoperator_handlers import QOPERATORS
from gatewright.compiler.frontends.quantizer_ops import QUANTIZERS
from gatewright.compiler.frontends.tflite_handlers import HANDLERS as TFLITE
from gatewright.compiler.ir.evaluate import evaluate
from gatewright.compiler.ir.graph import Graph
from gatewright.compiler.passes.pipeline import run as run_passes
from gatewright.driver.coverage import coverage
from gatewright.driver.export import run_in_onnxruntime
from support_onnx import OPERATOR_EXAMPLES, QUANTIZER_EXAMPLES, Example
from support_qoperator import QOPERATOR_EXAMPLES
from support_tflite import TFLITE_EXAMPLES

_FRAMES = 4
_INTRODUCTION = """\
# What is supported

<!-- Written by `python tests/support_table.py docs/support.md` from the front ends and an example of each
operator; a test compares. Edit the handlers' docstrings, or the examples in tests/support_*.py. -->

One line per operator of the source, and form of it. `gatewright inspect MODEL --board BOARD` says the same of
each node of your model.

- *Becomes*: the integer operations of an example with 8-bit quantizers around the operator, after the passes.
  Where an operator has no operation of its own, its arithmetic is in the `threshold` or `lookup` of the
  quantizer behind it.
- *Reference, ONNX Runtime*: the integer graph's own evaluation, and its export in stock ONNX Runtime; the
  example gives the same integers on both.
- *FPGA*: Verilog, alike in Verilator and Icarus. `python benchmarks/support_rtl.py` simulates every example
  with "yes" and compares it with the reference. "no" names the operations without a rule, or what a rule
  wants.
"""


@dataclass(frozen=True)
class Row:
    """What an example of an operator came to."""

    example: Example
    handler: object
    operations: tuple[str, ...]
    fpga: str


SECTIONS = (
    ("Quantizers of QONNX and ONNX QDQ", {**QUANTIZERS, "DequantizeLinear": HANDLERS["DequantizeLinear"]},
     QUANTIZER_EXAMPLES),
    ("ONNX operators between quantizers (QONNX and QDQ)",
     {k: v for k, v in HANDLERS.items() if k != "DequantizeLinear"}, OPERATOR_EXAMPLES),
    ("Quantized ONNX operators (QOperator)", QOPERATORS, QOPERATOR_EXAMPLES),
    ("TFLite (int8)", TFLITE, TFLITE_EXAMPLES),
)  # fmt: skip


def missing() -> list[str]:
    """Operators that a front end takes, but that no example shows."""
    return [
        f"{title}: {op}"
        for title, handlers, examples in SECTIONS
        for op in handlers
        if op not in {e.op for e in examples}
    ]


def examined(example: Example, handler) -> Row:
    """Import an example, run it on both executors, and ask the FPGA target.

    Raises:
        AssertionError: the operator is not taken, or the executors differ.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "example"
        path.write_bytes(example.build())
        found = survey(path)
    label = f"{example.op} {example.form}".strip()
    assert found.graph is not None, f"{label}: {found.problem}"
    op = example.op.rpartition(".")[2]
    met = {r.op_type for r in found.records if r.outcome in (TAKEN, CONSTANT)}
    assert op in met, f"{label}: no such node was taken"
    graph = run_passes(found.graph)
    _assert_alike(graph, label)
    covered = coverage(graph)
    refused = [n for n in graph.nodes() if id(n) in covered.refused]
    reasons = [_reason(n.op.name, covered.refused[id(n)]) for n in refused]
    reasons += map(_short, covered.faults)
    fpga = "no: " + ", ".join(dict.fromkeys(reasons)) if reasons else "yes"
    return Row(example, handler, tuple(dict.fromkeys(n.op.name for n in graph.nodes())), fpga)


def _assert_alike(graph: Graph, label: str) -> None:
    rng = np.random.default_rng(0)
    source = graph.inputs[0].type
    codes = rng.integers(0, source.dtype.levels, (_FRAMES, *source.shape))
    frames = source.dtype.lo + source.dtype.step * codes
    theirs = run_in_onnxruntime(graph, frames)
    np.testing.assert_array_equal(evaluate(graph, frames)[0], theirs, err_msg=label)


def _reason(op: str, refusal: str) -> str:
    """The operation alone where there is no rule for it, else the rule broken."""
    return f"`{op}`" if "no rule for" in refusal else _short(refusal)


def _short(refusal: str) -> str:
    text = re.sub(r" \(node '[^']*'[^)]*\)| \(of '[^']*'\)", "", refusal.removeprefix("fpga: "))
    return text.split(". ")[0].partition(", not ")[0].rstrip(".")


def conditions(handler) -> str:
    """What a handler does and refuses, from its docstring."""
    text = inspect.getdoc(handler)
    summary = " ".join(text.split("\n\n")[0].split())
    refused = re.search(r"GraphError: (.*?)(?:\n\S|\Z)", text, re.DOTALL)
    return summary + (f" Refused: {' '.join(refused.group(1).split())}" if refused else "")


def _table(handlers: dict, examples: tuple[Example, ...]) -> list[str]:
    """Rows by operator; operators of one handler whose examples came to the same share a line."""
    rows: dict[tuple, list[Row]] = {}
    for example in sorted(examples, key=lambda e: (e.op.rpartition(".")[2], e.op)):
        row = examined(example, handlers[example.op])
        rows.setdefault((row.handler, example.form, row.operations, row.fpga), []).append(row)
    lines = ["| operator | becomes | reference | ONNX Runtime | FPGA | what it is, and what is refused |"]
    lines.append("|---|---|---|---|---|---|")
    for (handler, form, operations, fpga), alike in rows.items():
        names = ", ".join(dict.fromkeys(f"`{r.example.op}`" for r in alike)) + (f" {form}" if form else "")
        becomes = ", ".join(f"`{o}`" for o in operations) or "nothing"
        cells = names, becomes, "yes", "yes", fpga, conditions(handler)
        lines.append("| " + " | ".join(c.replace("|", "\\|") for c in cells) + " |")
    return lines


def markdown() -> str:
    """The page; raises AssertionError where an operator has no example, or one does not hold."""
    assert not missing(), f"add examples to tests/support_*.py: {', '.join(missing())}"
    parts = [_INTRODUCTION]
    for title, handlers, examples in SECTIONS:
        parts += [f"\n## {title}\n", *_table(handlers, examples), ""]
    known = ", ".join(f"`{op}`" for op in sorted({*COMPUTED, "Constant"}))
    parts += [f"\nOf constants alone, computed at import by ONNX Runtime: {known}."]
    return "\n".join(parts).replace("\n\n\n", "\n\n") + "\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(markdown(), "utf-8")
