"""Reading, writing and checking report.json against ``schema.json``."""

import json
import math
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from pathlib import Path

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError, best_match

from ..errors import InputError

_ARTICLES = {"array": "an array", "object": "an object", "integer": "an integer", "null": "null"}
_HINT = "docs/report.md lists every key."
# What inspections and reports tell in the same words.
_SHARED = ("range", "shape", "amounts", "input", "board", "processor", "output", "cut")


@cache
def schema() -> dict:
    """The JSON Schema (draft 2020-12) of a report; not to be changed by the caller."""
    return json.loads(files(__package__).joinpath("schema.json").read_text("utf-8"))


@cache
def inspection_schema() -> dict:
    """The JSON Schema of what ``inspect`` prints for a model; shares some definitions with the report's."""
    own = json.loads(files(__package__).joinpath("inspection.json").read_text("utf-8"))
    shared = {key: schema()["$defs"][key] for key in _SHARED}
    return own | {"$defs": own["$defs"] | shared}


@cache
def _validator() -> Draft202012Validator:
    return Draft202012Validator(schema())


def validate(report: dict) -> None:
    """Check a report against the schema, and that its counts and ranges make sense.

    Unknown keys pass: later versions add some.

    Raises:
        InputError: the report breaks the schema, naming the place and the rule.
    """
    conform(report, _validator(), "report", _HINT)
    _check_counts(report)
    _check_ranges(report)


def conform(data: object, validator: Draft202012Validator, root: str, hint: str) -> None:
    """Check data against a schema, and that its numbers are finite.

    Args:
        root: what errors call the data.
        hint: what they say last: where its keys are listed.
    Raises:
        InputError: the data break the schema, naming the place and the rule.
    """
    error = best_match(validator.iter_errors(data))
    if error is not None:
        raise InputError(f"{_where(error.absolute_path, root)}: {_rule(error, hint)}")
    for where, value in _leaves(data, ()):
        # JSON has no NaN or infinity, and comparisons with NaN pass every bound of a schema.
        if isinstance(value, float) and not math.isfinite(value):
            raise InputError(f"{_where(where, root)}: must be a finite number, not {value}. {hint}")


def read(path: str | Path) -> dict:
    """A checked report from a file.

    Raises:
        InputError: the file cannot be read, is not JSON, or breaks the schema.
    """
    try:
        text = Path(path).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as e:
        raise InputError(f"{path}: must be a readable report, not {e}. Give a report.json.") from None
    try:
        report = json.loads(text)
    except ValueError as e:
        raise InputError(f"{path}: must be JSON, not text with an error ({e}). Give a report.json.") from None
    validate(report)
    return report


def write(report: dict, path: str | Path) -> None:
    """Write a checked report as indented UTF-8 JSON; equal reports give equal bytes.

    Raises:
        InputError: the report breaks the schema.
    """
    validate(report)
    Path(path).write_text(text_of(report), "utf-8", newline="\n")


def text_of(data: object) -> str:
    """Indented JSON that UTF-8 can hold; equal data give equal text."""
    text = json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False)
    # A name may hold half of a surrogate pair, which UTF-8 cannot; JSON's own escape can.
    return "".join(f"\\u{ord(c):04x}" if "\ud800" <= c <= "\udfff" else c for c in text) + "\n"


def _where(path, root: str = "report") -> str:
    """``report.clocks[3].busy`` from a path of keys and indices."""
    return root + "".join(f"[{k}]" if isinstance(k, int) else f".{k}" for k in path)


def _rule(error: ValidationError, hint: str) -> str:
    """Rule, value and advice of a schema error, in our wording."""
    limit, value = error.validator_value, error.instance
    if error.validator == "required":
        missing = next(k for k in limit if k not in value)
        return f"must have the key '{missing}', not only {_short(', '.join(value))}. {hint}"
    if error.validator == "const" and error.absolute_path and error.absolute_path[-1] == "schema":
        return f"must be {limit!r}, not {_short(repr(value))}. Read it with the gatewright that wrote it."
    rules = {
        "type": lambda: "must be " + _types(limit),
        "enum": lambda: "must be one of " + ", ".join(json.dumps(v) for v in limit),
        "minimum": lambda: f"must be at least {limit}",
        "exclusiveMinimum": lambda: f"must be above {limit}",
        "maximum": lambda: f"must be at most {limit}",
        "minItems": lambda: f"must have at least {limit} entries",
        "maxItems": lambda: f"must have at most {limit} entries",
        "pattern": lambda: f"must be {_described(error)}",
    }
    rule = rules[error.validator]() if error.validator in rules else f"must keep to {error.validator}"
    return f"{rule}, not {_short(repr(value))}. {hint}"


def _types(limit: str | list[str]) -> str:
    kinds = [limit] if isinstance(limit, str) else limit
    return " or ".join(_ARTICLES.get(k, f"a {k}") for k in kinds)


def _described(error: ValidationError) -> str:
    """The description of what a pattern stands for, as the middle of a sentence."""
    text = error.schema["description"].rstrip(".")
    return text[0].lower() + text[1:] if text[1:2].islower() or text[1:2] == " " else text


def _short(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "..."


def _leaves(value, path: tuple) -> Iterator[tuple[tuple, object]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _leaves(item, (*path, key))
    elif isinstance(value, list):
        for i, item in enumerate(value):
            yield from _leaves(item, (*path, i))
    else:
        yield path, value


def _check_counts(report: dict) -> None:
    """No comparison may agree more often than it was made."""
    for i, e in enumerate(report["executors"]):
        for part, whole in (("equal", "inputs"), ("values_equal", "values")):
            _check_part(("executors", i, part), e[part], whole, e[whole])
    model = report.get("cycle_model")
    if model:
        _check_part(("cycle_model", "frames_equal"), model["frames_equal"], "frames", model["frames"])


def _check_part(where: tuple, part: int, whole: str, most: int) -> None:
    if part > most:
        raise InputError(f"{_where(where)}: must be at most {whole}, {most}, not {part}. {_HINT}")


def _check_ranges(report: dict) -> None:
    """Ranges run upward in whole steps, as ``compiler.ir.types.Int`` has them."""
    ends = [(("model", "input", "range"), report["model"]["input"]["range"])]
    if report["output"]:
        ends.append((("output", "range"), report["output"]["range"]))
    for where, (lo, hi, step) in ends:
        if step < 1 or lo > hi or (hi - lo) % step:
            raise InputError(
                f"{_where(where)}: must run upward in whole steps, not {lo}..{hi} by {step}. {_HINT}"
            )
