"""A budget file: which models on which boards, and what each may cost (docs/ci.md)."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ..boards import load as load_board
from ..boards.schema import Board
from ..errors import BoardError, InputError
from .metrics import METRICS, Metric
from .options import Options
from .toml_keys import Keys, is_number, nearest, read_toml

_PERCENT = re.compile(r"(\d{1,9}(?:\.\d{1,9})?) ?%")
_OF_TARGET = {"fpga": "an FPGA", "arm": "a processor"}


@dataclass(frozen=True)
class Amount:
    """A number, or with ``relative`` a share of something; ``text`` is how it was written."""

    value: float
    relative: bool
    text: str

    def of(self, whole: float) -> float:
        """The number meant, of that whole."""
        return self.value * whole if self.relative else self.value


@dataclass(frozen=True)
class Case:
    """A model on a board, and the limits of its figures by the names of METRICS."""

    name: str
    file: Path
    board: Board
    options: Options
    limits: Mapping[str, Amount]

    @property
    def key(self) -> tuple[str, str, str]:
        """What tells it from others, in a baseline as well."""
        return (self.name, self.board.name, self.options.target)


@dataclass(frozen=True)
class Budget:
    """All cases in the file's order, and how much worse than a baseline each figure may get."""

    path: Path
    cases: tuple[Case, ...]
    tolerance: Mapping[str, Amount]


def read_budget(path: Path | str) -> Budget:
    """A budget from a TOML file; paths in it are relative to its folder.

    Raises:
        InputError: the file cannot be read, or says something that is not known or makes no sense.
    """
    path = Path(path)
    keys = Keys(path.name, read_toml(path, "budget"))
    models = keys.tables("model")
    tolerance = _amounts(keys.table("tolerance"), _tolerance)
    keys.done()
    cases = tuple(case for table in models for case in _cases(table, path.parent))
    for n, case in enumerate(cases):
        if case.key in [c.key for c in cases[:n]]:
            raise InputError(
                f"{path.name}: a model must stand once for a board, but {case.name!r} on {case.board.name} "
                "stands twice. Give one of them another name."
            )
    return Budget(path, cases, tolerance)


def _cases(model: Keys, folder: Path) -> list[Case]:
    """The cases of one [[model]]."""
    file = folder / model.text("file")
    name = model.text("name", file.stem)
    data, frames = model.text("data", None), model.take("frames", "a whole number above 0", _counts, None)
    rows = model.tables("on")
    model.done()
    data = None if data is None else folder / data
    return [_case(row, name, file, data, frames, folder) for row in rows]


def _counts(value: object) -> bool:
    return type(value) is int and 0 < value < 1 << 53


def _case(row: Keys, name: str, file: Path, data: Path | None, frames: int | None, folder: Path) -> Case:
    board = _board(row, folder)
    wanted = Options(
        fps=row.number("fps", None),
        interval=row.whole("interval", None),
        clock_mhz=row.number("clock_mhz", None),
        multipliers=row.text("multipliers", None),
        target=row.text("target", None),
        threads=row.whole("threads", 1),
        data=data,
        frames=frames,
    )
    limits = row.table("limits")
    row.done()
    options = wanted.completed(board, f"{row.file}: {row.path}")
    found = _amounts(limits, lambda keys, key, value: _limit(keys, key, value, options.target))
    if "accuracy" in found and data is None:
        raise limits.fail(
            "accuracy", "left out where the model has no data", found["accuracy"].text,
            f"Give {name!r} 'data' with labels.",
        )  # fmt: skip
    return Case(name, file, board, options, found)


def _board(row: Keys, folder: Path) -> Board:
    name = row.text("board")
    try:
        return load_board(str(folder / name) if name.endswith(".toml") else name)
    except BoardError as error:
        raise BoardError(f"{row.file}: {row.path}: {error}") from None


def _amounts(keys: Keys, read) -> dict[str, Amount]:
    """Amounts by the names of METRICS, in their order."""
    given = {}
    for key, value in keys.rest():
        if key not in METRICS:
            raise InputError(
                f"{keys.file}: {keys.path} must hold {', '.join(METRICS)} only, not {key!r}. "
                f"{nearest(key, METRICS)}"
            )
        given[key] = read(keys, key, value)
    return {key: given[key] for key in METRICS if key in given}


def _limit(keys: Keys, key: str, value: object, target: str) -> Amount:
    metric = METRICS[key]
    if target not in metric.targets:
        of = " or ".join(_OF_TARGET[t] for t in metric.targets)
        raise keys.fail(key, f"a limit of {of}", value, f"Leave it out for {_OF_TARGET[target]}.")
    rule = _rule(metric)
    if is_number(value) and value >= 0 and (metric.parts != "all" or value <= 1):
        return Amount(value, False, f"{value:,}" if metric.parts != "all" else f"{100 * value:g}%")
    share = _share(value) if metric.parts else None
    if share is None or share > 1:
        raise keys.fail(key, rule, value)
    return Amount(share, metric.parts == "board", value)


def _rule(metric: Metric) -> str:
    """What a limit of it may be."""
    if metric.parts == "board":
        return "a number from 0, or a share of the board such as '50%'"
    if metric.parts == "all":
        return "a share from 0 to 1, or such as '95%'"
    return "a number from 0"


def _tolerance(keys: Keys, key: str, value: object) -> Amount:
    if is_number(value) and value >= 0:
        return Amount(value, False, f"{value:,}")
    share = _share(value)
    if share is None:
        raise keys.fail(key, "a number from 0, or a share of the baseline's figure such as '2%'", value)
    return Amount(share, True, value)


def _share(value: object) -> float | None:
    """``"2.5%"`` as 0.025; None for anything else."""
    found = _PERCENT.fullmatch(value) if isinstance(value, str) else None
    share = float(found[1]) / 100 if found else math.nan
    return share if math.isfinite(share) else None
