"""Progress on standard error: a spinner on a terminal, plain lines elsewhere."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape


@contextmanager
def counting(quiet: bool, what: str) -> Iterator[Callable[[int], None]]:
    """Gives a function that is told how many of ``what`` are done; shown on a terminal only."""
    console = Console(file=sys.stderr, highlight=False)
    if quiet or not console.is_terminal:
        yield lambda done: None
        return
    with console.status(f"0 {what}") as status:
        yield lambda done: status.update(f"{done:,} {what}")


@contextmanager
def progress(quiet: bool) -> Iterator[Callable[[str], None]]:
    """Gives a function that announces the next step; each step is left on screen with its seconds."""
    if quiet:
        yield lambda text: None
        return
    console = Console(file=sys.stderr, highlight=False)
    if not console.is_terminal:
        yield lambda text: console.print(escape(text), soft_wrap=True)
        return
    current: list[tuple[str, float]] = []

    def finish() -> None:
        if current:
            text, start = current.pop()
            console.print(f"  [green]done[/] {escape(text)} [dim]{time.monotonic() - start:.1f} s[/]")

    with console.status("starting") as status:

        def say(text: str) -> None:
            finish()
            current.append((text, time.monotonic()))
            status.update(escape(text))

        yield say
        finish()
