"""TOML tables read key by key, so that nothing unknown or wrong in them is passed over."""

import math
import re
from collections.abc import Callable
from typing import Any

from ..errors import BoardError

PIN = re.compile(r"[A-Z]{0,4}[0-9]{1,3}")


class Table:
    """A TOML table whose keys are taken one by one; errors name file, key, rule and value."""

    def __init__(self, where: str, data: dict, path: str = ""):
        self.where, self.data, self.path = where, dict(data), path

    def fail(self, key: str, rule: str, value: Any) -> BoardError:
        return BoardError(f"{self.where}: {self.path}{key} must be {rule}, not {value!r}")

    def take(self, key: str, rule: str, accept: Callable[[Any], bool]) -> Any:
        """The value of ``key``, removed, once ``accept`` agrees."""
        if key not in self.data:
            raise BoardError(f"{self.where}: {self.path}{key} must be {rule}, not absent")
        value = self.data.pop(key)
        if not accept(value):
            raise self.fail(key, rule, value)
        return value

    def text(self, key: str) -> str:
        return self.take(key, "a text", lambda v: isinstance(v, str) and v.strip() != "")

    def matching(self, key: str, rule: str, pattern: re.Pattern) -> str:
        return self.take(key, rule, lambda v: isinstance(v, str) and pattern.fullmatch(v) is not None)

    def one_of(self, key: str, choices: tuple[str, ...]) -> str:
        return self.take(key, f"one of {', '.join(choices)}", lambda v: v in choices)

    def pin(self, key: str) -> str:
        return self.matching(key, "a pin such as 'G2' or '35'", PIN)

    def whole(self, key: str, least: int = 1) -> int:
        def accept(v: Any) -> bool:
            return isinstance(v, int) and not isinstance(v, bool) and v >= least

        return self.take(key, f"a whole number of at least {least}", accept)

    def number(self, key: str) -> float:
        def accept(v: Any) -> bool:
            return isinstance(v, int | float) and not isinstance(v, bool) and 0 < v < math.inf

        return self.take(key, "a positive number", accept)

    def flag(self, key: str) -> bool:
        return self.take(key, "true or false", lambda v: isinstance(v, bool))

    def texts(self, key: str, pattern: re.Pattern | None = None, least: int = 0) -> tuple[str, ...]:
        def accept(v: Any) -> bool:
            whole = isinstance(v, list) and len(v) >= least and all(isinstance(i, str) for i in v)
            return whole and (pattern is None or all(pattern.fullmatch(i) for i in v))

        kind = "texts" if pattern is None else "pins"
        return tuple(self.take(key, f"a list of at least {least} {kind}", accept))

    def table(self, key: str) -> "Table":
        value = self.take(key, "a table", lambda v: isinstance(v, dict))
        return Table(self.where, value, f"{self.path}{key}.")

    def done(self) -> None:
        """Everything must have been taken."""
        for key in self.data:
            raise BoardError(f"{self.where}: {self.path}{key} must not be there: no such key")
