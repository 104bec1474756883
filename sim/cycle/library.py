"""recurrences.c, compiled when first needed and kept for later runs."""

import ctypes
import functools
import hashlib
import os
import tempfile
from pathlib import Path

import numpy as np

from ...hw.flow import tools
from .columns import Arrays, header

_SOURCE = Path(__file__).parent / "recurrences.c"
# Of the same file with any libc: it calls nothing.
_FLAGS = ("-std=c11", "-O3", "-shared", "-fPIC", "-nostdlib", "-fno-sanitize=all")


def recurrences(arrays: Arrays) -> None:
    """Works on all units of a design until none gets further; the arrays then hold all known times.

    Raises:
        ToolError: there is no C compiler, or it fails.
    """
    count = len(arrays.units)
    pointers = [field.ctypes.data for field in arrays]
    lengths = [len(arrays.gap), len(arrays.stall), count]
    packed = np.array([*pointers, *lengths], np.int64)
    waiting, queued = np.empty(count, np.int64), np.empty(count, np.int8)
    _compiled().work_out(*(ctypes.c_void_p(a.ctypes.data) for a in (packed, waiting, queued)))


@functools.cache
def _compiled() -> ctypes.CDLL:
    """The library; replaced whole, so that parallel runs agree."""
    cc = tools.find("cc")
    text = header()
    key = repr((_SOURCE.read_text(), text, cc.argv, cc.version, _FLAGS))
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gatewright"
    target = base / f"cycle-{hashlib.sha256(key.encode()).hexdigest()[:16]}" / "recurrences.so"
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
            (Path(scratch) / "columns.h").write_text(text)
            made = Path(scratch) / "made.so"
            tools.run(cc, [*_FLAGS, "-I.", str(_SOURCE), "-o", str(made)], Path(scratch))
            os.replace(made, target)
    return ctypes.CDLL(str(target))
