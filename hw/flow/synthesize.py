"""Synthesis with Yosys: a netlist for place-and-route, and resources per instance of the top."""

import json
import re
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...errors import ToolError
from ..design import Resources
from ..library import twin
from . import tools
from .attribute import OTHER, owners
from .families import cost, flow_for

_PLAIN_PATH = re.compile(r"[A-Za-z0-9_./+-]+")
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_OPTION = re.compile(r"-[a-z0-9][a-z0-9_-]*")
_NETLIST = "netlist.json"


@dataclass(frozen=True)
class Synthesis:
    """A mapped design.

    Attributes:
        total: resources of the whole netlist; LUTs include those under carries and in LUT RAM.
        instances: the same per instance of the top, and "other"; they sum to ``total``.
        cells: mapped cells by type.
        uncounted: cells of types that the family's table does not know (none, as a rule).
        netlist: JSON for place-and-route.
        log: what Yosys printed.
    """

    family: str
    top: str
    total: Resources
    instances: Mapping[str, Resources]
    cells: Mapping[str, int]
    uncounted: Mapping[str, int]
    netlist: Path
    log: Path


def synthesize(
    workdir: Path | str,
    top: str,
    files: Sequence[Path | str],
    family: str,
    *,
    dsp: bool = True,
    options: Sequence[str] = (),
    portable: bool = False,
    native: bool | None = None,
    timeout: float | None = None,
) -> Synthesis:
    """Maps module ``top`` to a family; everything is read and written in ``workdir``.

    Args:
        files: Verilog sources; those outside ``workdir`` are copied to ``workdir/src``. $readmemh names
            are relative to ``workdir``.
        family: one of ``hw.design.FAMILIES``; xc7 and xcup give resource figures only.
        dsp: whether multiplications may use DSP blocks.
        options: more switches of the synthesis command, such as "-nobram".
        portable: leave library modules as they are, where the family has twins of its own cells for them.
        timeout: seconds.

    Raises:
        ToolError: an unknown family, a name that a script cannot hold, or Yosys failed.
    """
    workdir = Path(workdir).resolve()
    flow = flow_for(family)
    _check("top module", top, _IDENTIFIER)
    for option in options:
        _check("synthesis option", option, _OPTION)
    given = [Path(file) for file in files]
    taken = given if portable else [twin(file.name, family) or file for file in given]
    sources = [_bring(workdir, file) for file in taken]
    command = " ".join(filter(None, [flow.synth, flow.dsp if dsp else flow.no_dsp, *options]))
    script = workdir / "synth.ys"
    script.write_text(_script(command, top, sources, flow.late_flatten))
    log = workdir / "yosys.log"
    tools.run(tools.find("yosys", native), ["-s", script.name], workdir, log, timeout)
    return _read_back(workdir, family, top, log)


def _read_back(workdir: Path, family: str, top: str, log: Path) -> Synthesis:
    """What the script left in ``workdir``, with each mapped cell given to its instance of the top."""
    hierarchy = json.loads((workdir / "hierarchy.json").read_text())["modules"][top]
    flat = json.loads((workdir / "mapped.json").read_text())["modules"][top]
    parts, uncounted = _count(flow_for(family), flat, owners(hierarchy, flat))
    return Synthesis(
        family=family,
        top=top,
        total=sum(parts.values(), Resources()),
        instances={
            n: parts.get(n, Resources()) for n in [*hierarchy["cells"], OTHER] if not n.startswith("$")
        },
        cells=dict(sorted(Counter(cell["type"] for cell in flat["cells"].values()).items())),
        uncounted=uncounted,
        netlist=workdir / _NETLIST,
        log=log,
    )


def _script(command: str, top: str, sources: Sequence[str], late_flatten: bool) -> str:
    """The Yosys script; it writes hierarchy.json, mapped.json and netlist.json.

    Cells are counted before the ``check`` step, whose ``autoname`` would rename them across instances.
    """
    middle = (
        f"{command} -top {top} -run begin:coarse\nflatten\n{command} -top {top} -run coarse:check"
        if late_flatten
        else f"{command} -top {top} -run begin:check"
    )
    # -defer: the memory files of a default parameterisation need not exist.
    return f"""read_verilog -defer {" ".join(sources)}
hierarchy -top {top}
design -save whole
proc A:top
blackbox * A:top %d
write_json hierarchy.json
design -load whole
{middle}
select -module {top}
write_json -selected mapped.json
select -clear
{command} -top {top} -run check:
write_json {_NETLIST}
"""


def _count(flow, flat: Mapping, owner: Mapping[str, str]) -> tuple[dict[str, Resources], dict[str, int]]:
    parts: dict[str, Resources] = {}
    uncounted: Counter[str] = Counter()
    for name, cell in flat["cells"].items():
        price = cost(flow, cell["type"])
        if price is None:
            uncounted[cell["type"]] += 1
        else:
            part = owner.get(name, OTHER)
            parts[part] = parts.get(part, Resources()) + price
    return parts, dict(uncounted)


def _check(what: str, text: str, rule: re.Pattern) -> None:
    if not rule.fullmatch(text):
        raise ToolError(f"synthesize: a {what} must match {rule.pattern}, not {text!r}")


def _bring(workdir: Path, file: Path) -> str:
    """The source's path relative to ``workdir``, where WebAssembly Yosys sees it; copied if outside."""
    file = file if file.is_absolute() or not (workdir / file).exists() else workdir / file
    file = file.resolve()
    if not file.is_file():
        raise ToolError(f"synthesize: a source must be a file, not {str(file)!r}")
    if not file.is_relative_to(workdir):
        copy = workdir / "src" / file.name
        if copy.exists() and copy.read_bytes() != file.read_bytes():
            raise ToolError(f"synthesize: sources must have different names, not {file.name!r} twice")
        copy.parent.mkdir(exist_ok=True)
        shutil.copyfile(file, copy)
        file = copy
    name = str(file.relative_to(workdir))
    _check("source path", name, _PLAIN_PATH)
    return name
