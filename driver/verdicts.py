"""The figures of one case against its limits, its board and the baseline."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from .baseline import Baseline
from .budget import Amount, Case
from .metrics import METRICS, Metric

if TYPE_CHECKING:
    from .check import Outcome

PASSED, OVER, REGRESSED, FREE, UNKNOWN = "passed", "over", "regressed", "free", "unknown"
# Of a row that lets a case pass.
GOOD = (PASSED, FREE)


def judged(case: Case, found: Outcome, before: Baseline, tolerance: Mapping[str, Amount]) -> list[dict]:
    """One row per figure that is known or limited, in the order of METRICS.

    Args:
        found: the figures, and what the board has, which is a limit as well.
        tolerance: how much worse than the baseline's a figure may be.
    """
    return [
        _row(name, case, found, before.value(case.key, name), tolerance.get(name))
        for name in METRICS
        if name in found.values or name in case.limits
    ]


def _row(name: str, case: Case, found: Outcome, old: float | None, allowed: Amount | None) -> dict:
    metric, value, room = METRICS[name], found.values.get(name), found.capacity.get(name)
    # On an iCE40 the router needs more LUTs than there are look-up tables in the design.
    limit = None if name in found.over else case.limits.get(name)
    bound, text, source = _bound(limit, room)
    change = None if value is None or old is None else value - old
    verdict = OVER if name in found.over else _verdict(metric, value, bound, old, allowed)
    return {
        "metric": name,
        "unit": metric.unit,
        "better": "higher" if metric.higher else "lower",
        "value": value,
        "limit": bound,
        "limit_text": text,
        "limit_source": source,
        "baseline": old,
        "change": change,
        "tolerance": allowed.text if allowed and change is not None else None,
        "verdict": verdict,
    }


def _bound(limit: Amount | None, room: float | None) -> tuple[float | None, str | None, str | None]:
    """The number not to be passed, how it was written, and who says so; whichever of both is less."""
    if limit is not None:
        bound = limit.of(room or 0)
        if room is None or bound <= room:
            return bound, limit.text, "budget"
    return (None, None, None) if room is None else (room, "the board", "board")


def _verdict(metric: Metric, value, bound, old, allowed: Amount | None) -> str:
    if value is None:
        return UNKNOWN
    if bound is not None and metric.worse(value, bound):
        return OVER
    if allowed is not None and old is not None and metric.worse(value, old):
        most = allowed.of(abs(old))
        # What was written in decimals is not to fail by the last bit of a sum.
        if abs(value - old) > most * (1 + 1e-9):
            return REGRESSED
    return FREE if bound is None and (allowed is None or old is None) else PASSED
