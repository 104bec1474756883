"""Synthesizes designs and keeps what each of their units took, to go on where it stopped."""

import json
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from gatewright.hw.design import Design, Instance, Memory, Resources
from gatewright.hw.flow.synthesize import Synthesis, synthesize
from gatewright.hw.library import closure
from gatewright.hw.verilog import memory_files, top_level

from .designs import Case

KINDS = ("lut", "ff", "bram", "dsp")
_TOP = "accelerator"
# Contents of larger memories are in block RAM, or too many to tell one by one.
_MOST_BITS = 1 << 14


def measure(case: Case, family: str, work: Path | None = None) -> tuple[Design, Synthesis]:
    """The design of a case, synthesized as a compile does it; files are kept in ``work``."""
    design = case.build()
    text = top_level(design, _TOP)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) if work is None else work
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in memory_files(design).items():
            (folder / name).write_text(content)
        (folder / f"{_TOP}.v").write_text(text)
        files = [*closure([text]).values(), folder / f"{_TOP}.v"]
        return design, synthesize(folder, _TOP, files, family)


def record(instance: Instance) -> list:
    """An instance's module, parameters in the unit's order, and memories that are small."""
    memories = {name: contents(make()) for name, make in instance.memories.items()}
    values = [_text(instance.params[p]) for p in instance.unit.params if p in instance.params]
    return [instance.unit.module, values, {n: m for n, m in memories.items() if m is not None}]


def contents(memory: Memory) -> list | None:
    """A memory as JSON: bits, whether one a lane, words in hexadecimal; None for a large one."""
    words = memory.words if memory.per_lane else (memory.words,)
    if sum(map(len, words)) * memory.bits > _MOST_BITS:
        return None
    return [memory.bits, int(memory.per_lane), [" ".join(f"{w:x}" for w in lane) for lane in words]]


def _text(value: int) -> int | str:
    return value if abs(value) < 1 << 31 else hex(value)


def found(design: Design, synthesis: Synthesis) -> list[list[float]]:
    """LUT, FF, BRAM and DSP of each instance, and of what belongs to none."""
    parts = [synthesis.instances[i.name] for i in design.instances]
    rest = [r for n, r in synthesis.instances.items() if n not in {i.name for i in design.instances}]
    return [[getattr(r, kind) for kind in KINDS] for r in [*parts, sum(rest, Resources())]]


def run(cases: Iterable[Case], family: str, folder: Path, work: Path | None = None) -> None:
    """Measures what ``folder`` does not hold yet, one design after the other."""
    for case in cases:
        designs, results = load(folder / "designs.json"), load(folder / f"{family}.json")
        if case.name in results:
            continue
        place = None if work is None else work / f"{family}_{case.kind}_{case.seed}"
        design, synthesis = measure(case, family, place)
        designs[case.name] = {"held": case.held, "units": [record(i) for i in design.instances]}
        results[case.name] = found(design, synthesis)
        store(folder / "designs.json", designs)
        store(folder / f"{family}.json", results)


def load(path: Path) -> dict:
    """What is there already."""
    return json.loads(path.read_text()) if path.exists() else {}


def store(path: Path, data: Mapping) -> None:
    """One line a design."""
    lines = [f"{json.dumps(name)}: {json.dumps(data[name], separators=(',', ':'))}" for name in sorted(data)]
    fresh = path.with_suffix(".new")
    fresh.write_text("{\n" + ",\n".join(lines) + "\n}\n")
    fresh.replace(path)
