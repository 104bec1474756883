"""Our JSON besides reports: estimates, checks of budgets and their baselines, each with its schema."""

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path

from jsonschema import Draft202012Validator

from ..errors import InputError
from .schema import conform, schema, text_of

# What the report's schema defines as well.
_SHARED = (
    "range",
    "shape",
    "amounts",
    "model",
    "input",
    "layer",
    "board",
    "processor",
    "block_memory",
    "output",
)


@dataclass(frozen=True)
class Format:
    """One kind of JSON: the name of its schema's file, and the page that lists its keys."""

    name: str
    page: str

    def schema(self) -> dict:
        """The JSON Schema (draft 2020-12), definitions shared with reports included; not to be changed."""
        return _whole(self.name)

    def validate(self, data: object) -> None:
        """Raise InputError, naming the place and the rule, unless data keep to the schema."""
        conform(data, _validator(self.name), self.name, f"{self.page} lists every key.")

    def text(self, data: object) -> str:
        """The JSON of checked data; equal data give equal text.

        Raises:
            InputError: the data break the schema.
        """
        self.validate(data)
        return text_of(data)

    def read(self, path: Path | str) -> dict:
        """Checked data from a file.

        Raises:
            InputError: the file cannot be read, is not JSON, or breaks the schema.
        """
        try:
            data = json.loads(Path(path).read_text("utf-8"))
        except OSError as error:
            reason = error.strerror or error
            raise InputError(f"{self.name}: {path} must be a readable file, not this: {reason}.") from None
        except (ValueError, RecursionError) as error:
            raise InputError(f"{self.name}: {path} must be JSON, not this: {error}.") from None
        self.validate(data)
        return data


@cache
def _whole(name: str) -> dict:
    own = json.loads(files(__package__).joinpath(f"{name}.json").read_text("utf-8"))
    used, wanted = own.get("$defs", {}), _referred(own)
    shared = {key: schema()["$defs"][key] for key in _SHARED if key not in used and key in wanted}
    return own | {"$defs": used | shared}


@cache
def _validator(name: str) -> Draft202012Validator:
    return Draft202012Validator(_whole(name))


def _referred(own: dict) -> set[str]:
    """The report's definitions that a schema refers to, and those that they refer to."""
    wanted: set[str] = set()
    new = _names(own)
    while new - wanted:
        wanted |= new
        new = {name for key in wanted & set(_SHARED) for name in _names(schema()["$defs"][key])}
    return wanted


def _names(part: object) -> set[str]:
    if isinstance(part, dict):
        own = {part["$ref"].rpartition("/")[2]} if isinstance(part.get("$ref"), str) else set()
        return own.union(*map(_names, part.values()))
    return set().union(*map(_names, part)) if isinstance(part, list) else set()


ESTIMATE = Format("estimate", "docs/estimate.md")
CHECK = Format("check", "docs/check.md")
BASELINE = Format("baseline", "docs/check.md")
QUANTIZE = Format("quantize", "docs/quantize-report.md")
