"""TOML tables of a user read key by key; errors name the file, the place, and the nearest known name."""

from __future__ import annotations

import difflib
import math
import tomllib
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

from ..errors import InputError

_REQUIRED = object()


def nearest(name: str, known: Collection[str]) -> str:
    """Advice on a name that is not known: the one most like it, if any is, else all."""
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"Did you mean {close[0]!r}?" if close else f"Use one of {', '.join(known)}."


def read_toml(path: Path, kind: str) -> dict:
    """A TOML file's table.

    Args:
        kind: what errors call the file, such as "budget".
    Raises:
        InputError: no such file, or no TOML.
    """
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        reason = error.strerror or error
        raise InputError(f"{kind}: {path} must be a readable TOML file, not this: {reason}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"{kind}: {path} must be TOML, not text with an error: {error}.") from None


class Keys:
    """A table whose keys are taken one by one."""

    def __init__(self, file: str, data: dict, path: str = ""):
        self.file, self.path, self._data, self._known = file, path, dict(data), []

    def fail(self, key: str, rule: str, value: object, advice: str = "") -> InputError:
        """The error that ``key`` breaks ``rule``."""
        place = f"{self.path}.{key}".lstrip(".")
        return InputError(f"{self.file}: {place} must be {rule}, not {value!r}. {advice}".rstrip())

    def take(self, key: str, rule: str, accept: Callable[[object], bool], default: object = _REQUIRED):
        """The value of ``key``, once ``accept`` agrees; ``default`` where it is absent.

        Raises:
            InputError: it is absent without a default, or breaks the rule.
        """
        self._known.append(key)
        if key not in self._data:
            if default is _REQUIRED:
                place = f"{self.path}.{key}".lstrip(".")
                raise InputError(f"{self.file}: {place} must be {rule}, not absent.{self._misspelt(key)}")
            return default
        value = self._data.pop(key)
        if not accept(value):
            raise self.fail(key, rule, value)
        return value

    def _misspelt(self, key: str) -> str:
        close = difflib.get_close_matches(key, self._data, n=1, cutoff=0.5)
        return f" Is {close[0]!r} meant to be it?" if close else ""

    def text(self, key: str, default: object = _REQUIRED) -> str:
        """A text that is not empty."""
        return self.take(key, "a text", lambda v: isinstance(v, str) and v.strip() != "", default)

    def whole(self, key: str, default: object = _REQUIRED) -> int:
        """A positive whole number."""
        return self.take(
            key, "a whole number above 0", lambda v: type(v) is int and 0 < v < 1 << 53, default
        )  # fmt: skip

    def number(self, key: str, default: object = _REQUIRED) -> float:
        """A positive number."""
        return self.take(key, "a number above 0", lambda v: is_number(v) and v > 0, default)

    def table(self, key: str) -> Keys:
        """A table; an empty one where it is absent."""
        data = self.take(key, "a table", lambda v: isinstance(v, dict), {})
        return Keys(self.file, data, f"{self.path}.{key}".lstrip("."))

    def tables(self, key: str) -> list[Keys]:
        """At least one table of an array."""

        def accept(v: object) -> bool:
            return isinstance(v, list) and len(v) > 0 and all(isinstance(t, dict) for t in v)

        rows = self.take(key, f"one table or more, each under [[{_plain(self.path, key)}]]", accept)
        place = f"{self.path}.{key}".lstrip(".")
        return [Keys(self.file, row, f"{place}[{n}]") for n, row in enumerate(rows)]

    def rest(self) -> Iterator[tuple[str, object]]:
        """All keys that were not taken."""
        while self._data:
            key = next(iter(self._data))
            yield key, self._data.pop(key)

    def done(self) -> None:
        """Raise InputError unless everything was taken."""
        for key, _ in self.rest():
            where = f"{self.path} must hold" if self.path else "the file must hold"
            names = ", ".join(self._known)
            advice = nearest(key, self._known)
            raise InputError(f"{self.file}: {where} {names} only, not {key!r}. {advice}")


def _plain(path: str, key: str) -> str:
    """``model[0].on`` as TOML writes it: ``model.on``."""
    parts = f"{path}.{key}".lstrip(".").split(".")
    return ".".join(p.partition("[")[0] for p in parts)


def is_number(value: object) -> bool:
    """Whether a value is a finite number."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
