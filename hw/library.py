"""The hand-written RTL library: which files a design needs."""

import re
from collections.abc import Iterable
from pathlib import Path

RTL = Path(__file__).parent / "rtl"
_MODULE = re.compile(r"\bgw_[a-z0-9_]+\b")


def closure(texts: Iterable[str]) -> dict[str, Path]:
    """Library files that Verilog ``texts`` instantiate, directly or through each other, by file name.

    A module ``gw_x`` lives in ``gw_x.v``; what is named without such a file is not a module.
    """
    known = {path.stem: path for path in [*RTL.glob("gw_*.v"), *RTL.glob("vendor/gw_*.v")]}
    found: dict[str, Path] = {}
    pending = list(texts)
    while pending:
        for name in _MODULE.findall(pending.pop()):
            if name in known and f"{name}.v" not in found:
                found[f"{name}.v"] = known[name]
                pending.append(known[name].read_text())
    return dict(sorted(found.items()))
