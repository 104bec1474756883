"""The support table is complete, holds for its examples, and is what the docs show."""

import pytest

import support_table
from gatewright.compiler.frontends.handlers import HANDLERS
from support_onnx import Example
from support_table import SECTIONS, conditions, examined, markdown, missing
from test_architecture import ROOT


def test_every_operator_has_an_example():
    """Of every front end; a new handler needs one."""
    assert missing() == [], "add an Example to tests/support_*.py"


def test_every_example_shows_a_handler():
    """None is left of a handler that is gone, and no two show the same form."""
    for _, handlers, examples in SECTIONS:
        assert {e.op for e in examples} <= set(handlers)
        forms = [(e.op, e.form) for e in examples]
        assert len(forms) == len(set(forms))


def test_docs_are_up_to_date():
    """Imports, runs and asks for every example."""
    page = (ROOT / "docs" / "support.md").read_text("utf-8")
    assert page == markdown(), "run: python tests/support_table.py docs/support.md"


def test_a_missing_example_is_told(monkeypatch):
    """By operator and front end, before anything is written."""
    title, handlers, examples = SECTIONS[1]
    left = tuple(e for e in examples if e.op != "Conv")
    monkeypatch.setattr(support_table, "SECTIONS", ((title, handlers, left),))
    with pytest.raises(AssertionError, match=r"add examples to tests/support_\*\.py: .*: Conv$"):
        markdown()


def test_an_example_must_hold_its_operator():
    """Else a line of the table would show another one."""
    relu = next(e for e in SECTIONS[1][2] if e.op == "Relu")
    with pytest.raises(AssertionError, match="Gemm: no such node was taken"):
        examined(Example("Gemm", relu.build), HANDLERS["Gemm"])


def test_conditions_come_from_the_handler():
    """Its first sentences, and what it raises."""

    def handler(node):
        """Sums of
        two | things.

        Raises:
            GraphError: three things, or
                none at all.
        """

    assert conditions(handler) == "Sums of two | things. Refused: three things, or none at all."
