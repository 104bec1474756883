"""The hand-written RTL library: which files a design needs, and their twins for single families."""

import re
from collections.abc import Iterable
from pathlib import Path

RTL = Path(__file__).parent / "rtl"
# Where families have twins: modules that equal those of the same name, in cells of the family. They are for
# synthesis; simulators take the portable ones.
_TWINS = {"ecp5": RTL / "ecp5", "xc7": RTL / "xilinx", "xcup": RTL / "xilinx"}
_MODULE = re.compile(r"\bgw_[a-z0-9_]+\b")


def closure(texts: Iterable[str]) -> dict[str, Path]:
    """Library files that Verilog ``texts`` instantiate, directly or through each other, by file name.

    A module ``gw_x`` lives in ``gw_x.v``, also in ``vendor`` and ``xls``; what is named without such a
    file is not a module.
    """
    folders = (".", "vendor", "xls")
    known = {path.stem: path for folder in folders for path in RTL.glob(f"{folder}/gw_*.v")}
    found: dict[str, Path] = {}
    pending = list(texts)
    while pending:
        for name in _MODULE.findall(pending.pop()):
            if name in known and f"{name}.v" not in found:
                found[f"{name}.v"] = known[name]
                pending.append(known[name].read_text())
    return dict(sorted(found.items()))


def twin(name: str, family: str) -> Path | None:
    """The family's own form of a library file, by its name; None where the portable one is all there is."""
    folder = _TWINS.get(family)
    path = folder / name if folder else None
    return path if path and path.is_file() else None
