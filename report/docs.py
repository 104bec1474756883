"""The pages of our JSON: ``python -m gatewright.report.docs docs/report.md docs/inspect.md ...``."""

import json
import sys
from pathlib import Path

from .formats import BASELINE, CHECK, ESTIMATE, QUANTIZE
from .schema import inspection_schema, schema

_REPORT = """\
# report.json

<!-- Written by `python -m gatewright.report.docs docs/report.md` from report/schema.json: edit that. -->

{description}

`gatewright.report` reads (`read`), checks (`validate`) and writes (`write`) it, and shows it as a page
(`render`) and in the terminal (`show`).
Every key below is required unless marked optional; unknown keys are let through.
"""


_INSPECTION = """\
# gatewright inspect --json

<!-- Written by `python -m gatewright.report.docs docs/inspect.md` from report/inspection.json: edit that. -->

{description}

Every key below is required unless marked optional.
"""


_ESTIMATE = """\
# gatewright estimate --json

<!-- Written by `python -m gatewright.report.docs docs/estimate.md` from report/estimate.json: edit that. -->

{description}

How far the estimates are off is told in each (`fpga.errors`), and in [estimates.md](estimates.md) and
[energy.md](energy.md).
`--html`, `--trace` and `--vcd` show the same clocks as a page and in Perfetto and GTKWave
([traces.md](traces.md)).
Every key below is required unless marked optional.
"""


_CHECK = """\
# gatewright check --json

<!-- Written by `python -m gatewright.report.docs docs/check.md` from report/check.json and
report/baseline.json: edit these. -->

{description}

The budget file, exit codes and the other outputs are in [ci.md](ci.md).
Every key below is required unless marked optional.
"""


_QUANTIZE = """\
# gatewright quantize --json

<!-- Written by `python -m gatewright.report.docs docs/quantize-report.md` from report/quantize.json: edit
that. -->

{description}

`--html` writes the same as a page with pictures.
Which method is for what is in [quantize.md](quantize.md).
Every key below is required unless marked optional.
"""


_BASELINE = """\

# The baseline file

{description}
"""


def estimate_markdown() -> str:
    """docs/estimate.md, in the same form."""
    return _page(_ESTIMATE, "The estimate", ESTIMATE.schema())


def check_markdown() -> str:
    """docs/check.md: the result of a check, then the baseline."""
    return _page(_CHECK, "The result", CHECK.schema()) + _page(_BASELINE, "The baseline", BASELINE.schema())


def quantize_markdown() -> str:
    """docs/quantize-report.md, in the same form."""
    return _page(_QUANTIZE, "The report", QUANTIZE.schema())


def markdown() -> str:
    """docs/report.md: one table per kind of object, each key with its type, unit and meaning."""
    return _page(_REPORT, "The report", schema())


def inspection_markdown() -> str:
    """docs/inspect.md, in the same form."""
    return _page(_INSPECTION, "The inspection", inspection_schema())


def _page(introduction: str, title: str, root: dict) -> str:
    parts = [introduction.format(description=root["description"]), f"## {title}\n", _table(root, root)]
    for key, definition in root["$defs"].items():
        fields = _fields(definition, root)
        if fields:
            parts += [f"\n## {_title(key)}\n", definition["description"] + "\n", _table(definition, root)]
    return "\n".join(parts) + "\n"


def _title(key: str) -> str:
    return key.replace("_", " ")


def _fields(definition: dict, root: dict) -> dict:
    """Properties of an object, those of the definitions that it takes in included."""
    fields = dict(definition.get("properties", {}))
    for part in definition.get("allOf", []):
        if "$ref" in part:
            fields |= _target(part["$ref"], root)["properties"]
    return fields


def _required(definition: dict, root: dict) -> set[str]:
    parts = [_target(part["$ref"], root) for part in definition.get("allOf", []) if "$ref" in part]
    return {key for part in (definition, *parts) for key in part.get("required", [])}


def _target(reference: str, root: dict) -> dict:
    return root["$defs"][reference.removeprefix("#/$defs/")]


def _table(definition: dict, root: dict) -> str:
    rows = ["| key | type | unit | meaning |", "|---|---|---|---|"]
    needed = _required(definition, root)
    for key, field in _fields(definition, root).items():
        cells = (
            f"`{key}`",
            ("" if key in needed else "optional ") + _type(field, root),
            field.get("unit", ""),
            field["description"],
        )
        rows.append("| " + " | ".join(c.replace("|", "\\|") for c in cells) + " |")
    return "\n".join(rows)


def _type(field: dict, root: dict) -> str:
    """The type of a property in a few words, linked where it has a table of its own."""
    if "$ref" in field:
        target = _target(field["$ref"], root)
        key = field["$ref"].rpartition("/")[2]
        return f"[{_title(key)}](#{key.replace('_', '-')})" if _fields(target, root) else _type(target, root)
    if "anyOf" in field:
        return " or ".join(_type(part, root) for part in field["anyOf"])
    if "const" in field:
        return f"`{json.dumps(field['const'])}`"
    if "enum" in field:
        return ", ".join(f"`{json.dumps(v)}`" for v in field["enum"])
    if isinstance(field["type"], list):
        return " or ".join(field["type"]) + _bounds(field)
    if field["type"] == "array":
        return f"list of {_type(field['items'], root)}"
    if isinstance(field.get("additionalProperties"), dict):
        return f"object of {_type(field['additionalProperties'], root)}"
    return field["type"] + _bounds(field)


def _bounds(field: dict) -> str:
    words = {"exclusiveMinimum": "> {}", "minimum": "≥ {}", "maximum": "≤ {}"}
    given = [text.format(field[key]) for key, text in words.items() if key in field]
    return ", " + ", ".join(given) if given else ""


if __name__ == "__main__":
    pages = {
        "report.md": markdown,
        "inspect.md": inspection_markdown,
        "estimate.md": estimate_markdown,
        "check.md": check_markdown,
        "quantize-report.md": quantize_markdown,
    }
    for path in map(Path, sys.argv[1:]):
        path.write_text(pages[path.name](), "utf-8")
