"""Our JSON besides reports: schemas are whole, pages are theirs, files are checked when read."""

import json
import math
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from gatewright.errors import InputError
from gatewright.report.docs import check_markdown, estimate_markdown, quantize_markdown
from gatewright.report.formats import BASELINE, CHECK, ESTIMATE, QUANTIZE

DOCS = Path(__file__).resolve().parents[1] / "docs"


@pytest.mark.parametrize("kind", [ESTIMATE, CHECK, BASELINE, QUANTIZE], ids=lambda k: k.name)
def test_a_schema_is_one_and_refers_to_nothing_that_is_not_there(kind):
    whole = kind.schema()
    Draft202012Validator.check_schema(whole)
    text = json.dumps(whole)
    for reference in {part.split('"')[0] for part in text.split('"#/$defs/')[1:]}:
        assert reference in whole["$defs"]
    assert whole["properties"]["schema"]["const"] == whole["$id"] == f"gatewright-{kind.name}/1"


@pytest.mark.parametrize(
    ("name", "page"),
    [("estimate", estimate_markdown), ("check", check_markdown), ("quantize-report", quantize_markdown)],
)
def test_pages_are_written_from_the_schemas(name, page):
    text = (DOCS / f"{name}.md").read_text("utf-8")
    assert text == page(), f"run: python -m gatewright.report.docs docs/{name}.md"


def baseline(**changes):
    return {"schema": "gatewright-baseline/1", "gatewright": "0.1.0", "cases": [], **changes}


def test_what_is_written_is_read(tmp_path):
    """Names of any kind, also halves of a surrogate pair."""
    case = {"model": "größer \ud800|\n", "board": "b", "target": "arm", "values": {"fps": 0.5}}
    path = tmp_path / "base.json"
    path.write_text(BASELINE.text(baseline(cases=[case])), "utf-8")
    assert BASELINE.read(path)["cases"] == [case]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", r"^baseline: .*base\.json must be JSON, not this: .*\.$"),
        ("[" * 100_000, r"^baseline: .*base\.json must be JSON, not this: .*\.$"),
        ("\udcff", r"^baseline: .*base\.json must be JSON, not this: .*\.$"),
        ("[]", r"^baseline: must be an object, not \[\]\. docs/check\.md lists every key\.$"),
        (
            json.dumps(baseline(schema="x/2")),
            r"^baseline\.schema: must be 'gatewright-baseline/1', not 'x/2'\. Read it with the .*",
        ),
        (
            json.dumps(
                baseline(cases=[{"model": "a", "board": "b", "target": "arm", "values": {"lut": math.nan}}])
            ),
            r"^baseline\.cases\[0\]\.values\.lut: must be a finite number, not nan\. docs/check\.md lists .*",
        ),
        (json.dumps(baseline(cases=[{"model": 1}])), r"^baseline\.cases\[0\].*"),
    ],
)
def test_a_file_that_breaks_it(tmp_path, text, message):
    path = tmp_path / "base.json"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(InputError, match=message):
        BASELINE.read(path)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(
        InputError, match=r"^baseline: .*none must be a readable file, not this: No such file"
    ):
        BASELINE.read(tmp_path / "none")
