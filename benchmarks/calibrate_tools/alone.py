"""Synthesizes the units of a design one by one, where no cell can be taken for a neighbour's."""

import json
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from gatewright.errors import ToolError
from gatewright.hw.design import Design, Resources
from gatewright.hw.flow import tools
from gatewright.hw.flow.families import Flow, cost, flow_for
from gatewright.hw.library import closure, twin
from gatewright.hw.verilog import memory_files, top_level

from .designs import Case
from .measure import KINDS, load, store

_TOP = "accelerator"
# Seconds for the units of a design; where they take longer, none is told.
_TIMEOUT = 400


def run(cases: Iterable[Case], family: str, folder: Path) -> None:
    """Measures the units of those designs that factors are fitted to, where ``folder`` does not hold them."""
    path = folder / f"{family}_alone.json"
    for case in cases:
        if case.held or case.name in load(path):
            continue
        store(path, load(path) | {case.name: measure(case.build(), family)})


def measure(design: Design, family: str) -> list[list[float] | None]:
    """LUT, FF, BRAM and DSP of each instance by itself; None where the tool fails on it."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        text = top_level(design, _TOP)
        files = {name: (twin(name, family) or path).read_text() for name, path in closure([text]).items()}
        for name, content in (files | memory_files(design) | {f"{_TOP}.v": text}).items():
            (folder / name).write_text(content)
        sources = [*files, f"{_TOP}.v"]
        kinds = _kinds(folder, sources)
        wanted = sorted({kinds[instance.name] for instance in design.instances})
        found = dict(zip(wanted, _synthesize(folder, sources, wanted, family), strict=True))
        return [found[kinds[instance.name]] for instance in design.instances]


def _kinds(folder: Path, sources: Sequence[str]) -> dict[str, str]:
    """The module of each instance, as Yosys names it with its parameters."""
    lines = [*_read(sources), "proc A:top", "blackbox * A:top %d", "write_json hierarchy.json"]
    _yosys(folder, lines)
    cells = json.loads((folder / "hierarchy.json").read_text())["modules"][_TOP]["cells"]
    return {name: cell["type"] for name, cell in cells.items()}


def _synthesize(folder: Path, sources: Sequence[str], wanted: Sequence[str], family: str) -> list:
    """All in one process; where that fails, each in its own."""
    flow = flow_for(family)
    try:
        return _at_once(folder, sources, wanted, flow)
    except ToolError:
        if len(wanted) == 1:
            return [None]
        return [_synthesize(folder, sources, [kind], family)[0] for kind in wanted]


def _at_once(folder: Path, sources: Sequence[str], wanted: Sequence[str], flow: Flow) -> list[list[float]]:
    command = f"{flow.synth} {flow.dsp}"
    lines = _read(sources)
    lines += [f"rename {kind} unit_{number}" for number, kind in enumerate(wanted)]
    lines.append("design -save read")
    for number in range(len(wanted)):
        begin = f"{command} -top unit_{number} -run"
        lines += ["design -load read", f"hierarchy -top unit_{number}"]
        if flow.late_flatten:
            lines += [f"{begin} begin:coarse", "flatten", f"{begin} coarse:check"]
        else:
            lines.append(f"{begin} begin:check")
        lines.append(f"tee -q -o unit_{number}.json stat -json")
    _yosys(folder, lines)
    return [_counted(folder / f"unit_{number}.json", flow) for number in range(len(wanted))]


def _read(sources: Sequence[str]) -> list[str]:
    return [f"read_verilog -defer {' '.join(sources)}", f"hierarchy -top {_TOP}"]


def _yosys(folder: Path, lines: Sequence[str]) -> None:
    (folder / "alone.ys").write_text("\n".join(lines) + "\n")
    tools.run(tools.find("yosys"), ["-q", "-s", "alone.ys"], folder, timeout=_TIMEOUT)


def _counted(path: Path, flow: Flow) -> list[float]:
    cells = json.loads(path.read_text())["design"]["num_cells_by_type"]
    total = sum(
        (price.times(count) for name, count in cells.items() if (price := cost(flow, name))), Resources()
    )
    return [getattr(total, kind) for kind in KINDS]
