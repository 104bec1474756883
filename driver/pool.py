"""Processes that have imported everything before they start: quick, and without this process's threads."""

from __future__ import annotations

import multiprocessing
from multiprocessing import forkserver
from multiprocessing.context import BaseContext

# What the server of processes imports, once for all of them.
_PRELOADED = [f"{__package__}.estimate"]


def context() -> BaseContext:
    """How such processes are started."""
    made = multiprocessing.get_context("forkserver")
    made.set_forkserver_preload(_PRELOADED)
    return made


def prepare() -> None:
    """Have the server begin its imports, beside our own."""
    context()
    forkserver.ensure_running()


def end_all() -> None:
    """End the processes that are at work."""
    for child in multiprocessing.active_children():
        child.terminate()
