"""Tuning for ARM: of the ways to lower each layer, the one that executes the fewest instructions.

Counted under qemu, layer by layer; counts are kept, so that a layer is counted once for a compiler and core.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import json
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..compiler.ir.graph import Graph
from ..compiler.ir.text import to_text
from ..errors import InputError
from ..sim.qemu import MARK, run_arm
from .cross import Cross

if TYPE_CHECKING:
    from ..compiler.neon.tuning import Layer, Trial
    from ..compiler.neon.ways import Way

_SCHEMA = "gatewright-tuning/1"
_SECONDS = 600
# What makes code: a change in any of these makes other counts.
_MAKERS = ("compiler/neon", "compiler/ir")

Counter = Callable[[Sequence["Trial"]], list[int]]


@dataclass(frozen=True)
class Row:
    """What was found of a layer: ``tried`` ways, instructions of the rules' own choice and of the best way.

    ``way`` is empty where nothing was better than the rules' own choice.
    """

    layer: str
    way: str
    tried: int
    default: int
    instructions: int


@dataclass(frozen=True)
class Tuned:
    """The ways chosen by the ids of groups' outputs, and what that gains.

    Attributes:
        default, instructions: of an inference without tuning, and with it, which is less; None where no other
            way was chosen.
        counted: layers that were not in the cache.
    """

    ways: Mapping[int, Way] = field(default_factory=dict)
    rows: tuple[Row, ...] = ()
    default: int | None = None
    instructions: int | None = None
    counted: int = 0


def cache_folder(given: Path | None) -> Path:
    """Where counts are kept: the folder given, else gatewright's part of the user's cache.

    Raises:
        InputError: a file stands where the folder should be.
    """
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gatewright"
    folder = given or base / "tuning"
    if folder.exists() and not folder.is_dir():
        raise InputError(f"compile: --cache must be a folder, not {folder}, which is a file")
    return folder


def tune(
    graph: Graph, core: str, counter: Counter, folder: Path, say: Callable[[str], None] = lambda text: None
) -> Tuned:
    """Counts each layer's ways, then the whole network with the best of them against the default.

    Args:
        core: such as "cortex-a72".
        counter: instructions of each trial; ``count_trials`` in use.
        folder: of kept counts.
        say: called with one line at the start of each layer.

    Raises:
        ToolError: a tool is missing, or counting failed.
    """
    # Loading TVM takes seconds.
    from ..compiler.neon.isa import CORES
    from ..compiler.neon.tuning import Tuning

    tuning, kept = Tuning(graph, CORES[core]), _Kept(folder, counter)
    layers, ways, rows = tuning.layers(), {}, []
    for number, layer in enumerate(layers, 1):
        say(f"tuning {number} of {len(layers)}: {layer.name}, {len(layer.ways)} ways")
        counts = kept.counts(layer.key, layer.ways, functools.partial(tuning.trials, layer))
        row = _row(layer, counts)
        rows.append(row)
        if row.way:
            ways[id(layer.output)] = next(way for way in layer.ways if str(way) == row.way)
    say("tuning: the whole network without and with it")
    if not ways:
        return Tuned({}, tuple(rows), counted=kept.counted)
    default, best = _whole(kept, graph, core, ways, lambda: tuning.whole(ways))
    if best >= default:
        # What neighbours lose by other borders or offsets can be more than what layers gain.
        rows = [replace(row, way="", instructions=row.default) for row in rows]
        return Tuned({}, tuple(rows), counted=kept.counted)
    return Tuned(ways, tuple(rows), default, best, kept.counted)


def _row(layer: Layer, counts: Mapping[str, int]) -> Row:
    """The best of a layer's ways; the rules' own choice where none is better."""
    best = min(counts, key=lambda way: (counts[way], way))
    return Row(layer.name, best, len(counts), counts[""], counts[best])


def _whole(kept: _Kept, graph: Graph, core: str, ways: Mapping[int, Way], trials) -> tuple[int, int]:
    """Instructions of the network without ways and with them."""
    at = {id(node): number for number, node in enumerate(graph.nodes())}
    chosen = sorted(f"{at[output]} {way}" for output, way in ways.items())
    key = _digest(core, to_text(graph), *chosen)
    counts = kept.counts(key, ("tuned",), trials)
    return counts[""], counts["tuned"]


class _Kept:
    """Counts by key, in a folder of one small file each."""

    def __init__(self, folder: Path, counter: Counter):
        self._folder, self._counter = folder, counter
        self.counted = 0

    def counts(
        self, key: str, ways: Sequence[object], trials: Callable[[], Sequence[Trial]]
    ) -> dict[str, int]:
        """Instructions by way, "" for the rules' own choice; those of equal calls are left out."""
        path = self._folder / f"{_digest(_compiler(), key)}.json"
        found = _read(path, {"", *map(str, ways)})
        if found is None:
            made = trials()
            found = dict(zip((t.name for t in made), self._counter(made), strict=True))
            self.counted += 1
            _write(path, found)
        return found


def _read(path: Path, ways: set[str]) -> dict[str, int] | None:
    """The counts in a file; None where there is none, or it is damaged, as it is written anew then."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        counts = data["counts"]
        fine = data["schema"] == _SCHEMA and "" in counts and ways.issuperset(counts)
        fine = fine and all(type(n) is int and n > 0 for n in counts.values())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return counts if fine else None


def _write(path: Path, counts: Mapping[str, int]) -> None:
    """Whole or not at all, so that compiles at the same time may share the folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False, encoding="utf-8") as file:
        json.dump({"schema": _SCHEMA, "counts": dict(counts)}, file)
    os.replace(file.name, path)


def _digest(*texts: str) -> str:
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()


@functools.cache
def _compiler() -> str:
    """Tells one state of the compiler from another: its sources, and TVM's version."""
    root = Path(__file__).parents[1]
    said = hashlib.sha256(importlib.metadata.version("apache-tvm").encode())
    for path in sorted(p for folder in _MAKERS for p in (root / folder).rglob("*.py")):
        said.update(path.read_bytes())
    return said.hexdigest()


def count_trials(trials: Sequence[Trial], compiler: Cross) -> list[int]:
    """Instructions of each trial under qemu, data random but the same each time.

    Args:
        trials: made together.

    Raises:
        ToolError: a tool failed; NoPluginError where qemu cannot count.
    """
    from ..compiler.neon.c_trials import NAME, trial_files, trial_kernels
    from ..compiler.neon.objects import compile_kernels

    core = trials[-1].program.core
    with tempfile.TemporaryDirectory(prefix="gatewright_") as scratch:
        folder = Path(scratch)
        for name, content in trial_files(trials, MARK).items():
            (folder / name).write_bytes(content)
        compile_kernels(trial_kernels(trials), core).write_to_file(str(folder / f"{NAME}_kernels.o"), "o")
        sources = [f"{NAME}.c", f"{NAME}_constants.S", f"{NAME}_kernels.o"]
        # For any core: zig would build its C library anew for this one.
        flags = ["-std=gnu11", "-O1", "-static"]
        compiler.run(compiler.cc, [*flags, *sources, "-o", NAME], folder, NAME)
        data = str(folder / f"{NAME}.bin")
        run = run_arm(folder / NAME, [data], cpu=core.name, counted=True, timeout=_SECONDS)
    return [after - before for before, after in zip(run.marks[::2], run.marks[1::2], strict=True)]
