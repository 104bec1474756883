"""A budget checked: each case estimated, on all cores, and held against its limits and a baseline."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from ..errors import GatewrightError, ToolError
from . import pool
from .baseline import Baseline, read_baseline
from .budget import Budget, Case, read_budget
from .estimate import Model, estimated, read_model
from .metrics import figures
from .verdicts import GOOD, UNKNOWN, judged

SCHEMA = "gatewright-check/1"
# Models whose graphs a process keeps, for their other boards.
_KEPT = 4


@dataclass(frozen=True)
class Outcome:
    """What one case came to: its figures by the names of METRICS, what the board has and where that is too
    little, or an error."""

    values: dict[str, float]
    capacity: dict[str, float]
    over: tuple[str, ...]
    error: str | None
    seconds: float


@dataclass(frozen=True)
class Checked:
    """The result of the schema ``gatewright-check/1``, and the seconds that each case took."""

    content: dict
    seconds: tuple[float, ...]

    @property
    def exit_code(self) -> int:
        """0 within the budget, 1 over it, 2 where a case could not be estimated."""
        verdicts = {case["verdict"] for case in self.content["cases"]}
        return 2 if "error" in verdicts else 1 if "over" in verdicts else 0


def check_budget(
    budget: Path | str | Budget, baseline: Path | str | None = None, jobs: int | None = None
) -> Checked:
    """Estimate every case of a budget, and hold it against limits and baseline.

    Args:
        baseline: file of figures before a change; None compares with nothing.
        jobs: processes; None takes one a core, and no more than there are cases.
    Raises:
        InputError: budget or baseline cannot be used. A case that fails is no error, but part of the result.
    """
    budget = budget if isinstance(budget, Budget) else read_budget(budget)
    before = Baseline({}) if baseline is None else read_baseline(baseline)
    outcomes = _measured(budget.cases, jobs)
    cases = [
        _case(case, outcome, before, budget) for case, outcome in zip(budget.cases, outcomes, strict=True)
    ]
    known = {case.key for case in budget.cases}
    content = {
        "schema": SCHEMA,
        "budget": budget.path.name,
        "baseline": None if baseline is None else Path(baseline).name,
        "passed": all(case["verdict"] == "passed" for case in cases),
        "cases": cases,
        "gone": [
            dict(zip(("model", "board", "target"), k, strict=True)) for k in before.cases if k not in known
        ],
    }
    return Checked(content, tuple(o.seconds for o in outcomes))


def _case(case: Case, outcome: Outcome, before: Baseline, budget: Budget) -> dict:
    rows = [] if outcome.error else judged(case, outcome, before, budget.tolerance)
    error = outcome.error or _unknown(case, rows)
    verdict = "error" if error else "passed" if all(r["verdict"] in GOOD for r in rows) else "over"
    return {
        "model": case.name,
        "file": case.file.name,
        "board": case.board.name,
        "target": case.options.target,
        "verdict": verdict,
        "error": error,
        "rows": rows,
    }


def _measured(cases: Sequence[Case], jobs: int | None) -> list[Outcome]:
    """The outcome of each case, in their order."""
    jobs = min(len(cases), jobs or len(os.sched_getaffinity(0)))
    if jobs == 1:
        return measured(cases)
    groups = shared_out(cases, jobs)
    with ProcessPoolExecutor(jobs, pool.context()) as workers:
        running = [workers.submit(measured, [cases[n] for n in group]) for group in groups]
        try:
            found = [future.result() for future in running]
        except BrokenProcessPool:
            raise ToolError(
                "check: a process must live until its case is done, but one was ended, perhaps for want of "
                "memory. Check with --jobs 1."
            ) from None
        except BaseException:
            workers.shutdown(wait=False, cancel_futures=True)
            pool.end_all()
            raise
    outcomes = {
        n: o for group, own in zip(groups, found, strict=True) for n, o in zip(group, own, strict=True)
    }
    return [outcomes[n] for n in range(len(cases))]


def shared_out(cases: Sequence[Case], jobs: int) -> list[list[int]]:
    """Which cases one process does after the other, large models first.

    A model's boards stay together, since half of the work on it is the same for all of them, unless there are
    fewer models than processes.
    """
    models: dict[Path, list[int]] = {}
    for n, case in enumerate(cases):
        models.setdefault(case.file, []).append(n)
    groups = sorted(models.values(), key=lambda own: -_size(cases[own[0]].file))
    while len(groups) < min(jobs, len(cases)):
        most = max(range(len(groups)), key=lambda g: len(groups[g]))
        own = groups[most]
        groups[most : most + 1] = [own[: len(own) // 2], own[len(own) // 2 :]]
    return groups


def measured(cases: Sequence[Case]) -> list[Outcome]:
    """Estimate some cases, one after the other."""
    return [measure(case) for case in cases]


def measure(case: Case) -> Outcome:
    """Estimate one case."""
    start = time.monotonic()
    try:
        found = estimated(_model(case.file), case.board, case.options).content
        fpga = found["fpga"]
        capacity, over = (found["board"]["capacity"], fpga["over"]) if fpga else ({}, ())
        values, error = figures(found), None
    except GatewrightError as failure:
        values, capacity, over, error = {}, {}, (), str(failure)
    return Outcome(values, capacity, tuple(over), error, time.monotonic() - start)


@lru_cache(maxsize=_KEPT)
def _model(path: Path) -> Model:
    return read_model(path)


def _unknown(case: Case, rows: list[dict]) -> str | None:
    """Why limits cannot be checked, None where all can."""
    names = [r["metric"] for r in rows if r["verdict"] == UNKNOWN]
    if not names:
        return None
    why = "its data hold no labels" if names == ["accuracy"] else "there is no such figure for this board"
    return (
        f"check: {case.name!r} on {case.board.name}: what is limited must be known, but {', '.join(names)} "
        f"cannot be: {why}. Take the limit out."
    )


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0
