"""What a check leaves: text for people, files for machines, annotations for GitHub."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from ..errors import InputError
from ..report.check_annotations import annotations
from ..report.check_junit import junit
from ..report.check_markdown import markdown
from ..report.formats import CHECK
from ..report.progress import progress
from .baseline import write_baseline
from .budget import read_budget
from .check import Checked, check_budget
from .output import write_whole


def check_and_write(
    budget: Path,
    baseline: Path | None,
    updated: Path | None,
    wanted: Mapping[str, Path | None],
    github: bool,
    jobs: int | None,
    quiet: bool,
) -> int:
    """Check a budget, write what is wanted, and return the exit code.

    Args:
        updated: file that takes the figures as a new baseline.
        wanted: where "json", "junit" and "markdown" go; None for those that are not.
        github: annotate, and add to the step's summary.
    Raises:
        InputError: budget, baseline or an option cannot be used, or a file cannot be written.
    """
    if jobs is not None and jobs < 1:
        raise InputError(f"check: --jobs must be at least 1, not {jobs}")
    read = read_budget(budget)
    with progress(quiet) as say:
        say(f"estimating {len(read.cases)} cases")
        done = check_budget(read, baseline, jobs)
    texts = _texts(done)
    for kind, path in wanted.items():
        if path is not None:
            write_whole(path, texts[kind])
    if not quiet:
        print(texts["markdown"], end="")
    if github:
        _annotate(done, budget, texts["markdown"])
    if updated is not None:
        write_baseline(done.content, updated)
    return done.exit_code


def _texts(done: Checked) -> dict[str, str]:
    return {
        "json": CHECK.text(done.content),
        "junit": junit(done.content, done.seconds),
        "markdown": markdown(done.content),
    }


def _annotate(done: Checked, budget: Path, text: str) -> None:
    """Workflow commands on standard output, which GitHub reads, and Markdown on the page of the run."""
    print(annotations(done.content, _in_repository(budget)), end="", flush=True)
    summary = os.environ.get("GITHUB_STEP_SUMMARY")
    if summary:
        with Path(summary).open("a", encoding="utf-8") as file:
            file.write(text)


def _in_repository(path: Path) -> str:
    """The path as annotations take it: from the root of what was checked out."""
    root = os.environ.get("GITHUB_WORKSPACE")
    whole = Path(os.path.abspath(path))
    if root and whole.is_relative_to(os.path.abspath(root)):
        return whole.relative_to(os.path.abspath(root)).as_posix()
    return path.as_posix()
