"""Baselines: the figures of each case before a change, as a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from ..errors import InputError
from ..report.formats import BASELINE
from .output import write_whole

SCHEMA = "gatewright-baseline/1"
Key = tuple[str, str, str]


@dataclass(frozen=True)
class Baseline:
    """Figures by model, board and target, then by the names of METRICS."""

    cases: Mapping[Key, Mapping[str, float]]

    def value(self, key: Key, metric: str) -> float | None:
        """A figure; None where the baseline has none."""
        return self.cases.get(key, {}).get(metric)


def read_baseline(path: Path | str) -> Baseline:
    """A baseline from a file.

    Raises:
        InputError: no such file, or no baseline.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(
            f"baseline: {path} must be there, not absent. Write it with check --update-baseline {path}."
        )
    rows = BASELINE.read(path)["cases"]
    cases = {(r["model"], r["board"], r["target"]): r["values"] for r in rows}
    if len(cases) != len(rows):
        raise InputError(f"baseline: {path} must hold each model on a board once, not twice. Write it anew.")
    return Baseline(cases)


def write_baseline(content: dict, path: Path | str) -> None:
    """The figures of a check as a baseline.

    Raises:
        InputError: the file cannot be written, or a case of the check has failed.
    """
    failed = [f"{c['model']!r} on {c['board']}" for c in content["cases"] if c["verdict"] == "error"]
    if failed:
        raise InputError(
            f"baseline: every case must have its figures, but {', '.join(failed)} could not be estimated. "
            f"{path} is as it was."
        )
    rows = [
        {
            "model": c["model"],
            "board": c["board"],
            "target": c["target"],
            "values": {r["metric"]: r["value"] for r in c["rows"] if r["value"] is not None},
        }
        for c in content["cases"]
    ]
    data = {"schema": SCHEMA, "gatewright": version("gatewright"), "cases": rows}
    write_whole(Path(path), BASELINE.text(data))
