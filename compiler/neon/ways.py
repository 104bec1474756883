"""Ways to lower a group: what tuning may set instead of a rule's estimate."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import product


@dataclass(frozen=True)
class Way:
    """A rule by name, and what it is to do instead of what it would take to be fastest.

    A setting is a wish: where it cannot be had, or is absent, the rule decides.
    """

    rule: str
    settings: tuple[tuple[str, int | str], ...] = ()

    def get(self, key: str) -> int | str | None:
        """A setting, or None."""
        return dict(self.settings).get(key)

    def __str__(self) -> str:
        return " ".join([self.rule, *(f"{key}={value}" for key, value in self.settings)])


def combined(rule: str, **choices: Iterable[int | str]) -> Iterator[Way]:
    """A way for each combination of settings."""
    for values in product(*choices.values()):
        yield Way(rule, tuple(zip(choices, values, strict=True)))
