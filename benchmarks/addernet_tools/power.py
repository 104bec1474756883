"""Transitions in an array's netlist while it computes a layer, checked against the layer's integers."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gatewright.errors import ToolError
from gatewright.hw.flow import tools

from .arrays import ARRAY, ROUTABLE, Array
from .buses import buses, chain
from .delays import read_sdf
from .netlist import CARRY, LOCAL, LOGIC, OPERAND, REGISTER, Circuit, circuit, text
from .operands import Operands

_PROGRAM = Path(__file__).parent / "toggles.cpp"
_CONTROL = ("ce", "valid", "first")
# Clocks before counting starts, until every register has seen data; fewer in short runs.
_WARM = 32


@dataclass(frozen=True)
class Toggles:
    """Transitions per clock. "Settled" ones differ from clock to clock; "all" has glitches too.

    Attributes:
        nets: transitions of nets by what drives them, settled.
        all_nets: the same with glitches, by the routed design's delays; empty without them.
        pins, all_pins: the same, each transition counted once for each input pin on its net.
        clock_pins: registers, whose clock pins move whatever the data.
        equal: sums that were right, of ``sums``.
        slowest_ps: until the last transition of a clock.
    """

    nets: dict[str, float]
    all_nets: dict[str, float]
    pins: dict[str, float]
    all_pins: dict[str, float]
    clock_pins: int
    equal: int
    sums: int
    slowest_ps: int


def counted(nets: Mapping[str, float]) -> float:
    """Transitions of registers and of whatever LUTs give, from counts by what drives a net.

    Earlier records have local nets under LOGIC.
    """
    return nets[REGISTER] + nets[LOGIC] + nets.get(LOCAL, 0.0)


@dataclass(frozen=True)
class Schedule:
    """Bits of the operand buses (clocks, bits), and which clock shows which sums, mod 2**acc_bits."""

    bits: np.ndarray
    shown: list[tuple[int, np.ndarray]]


def schedule(a: Array, operands: Operands) -> Schedule:
    """The order of gw_matrix_vector: per vector, rows PE by PE; per PE rows, columns SIMD by SIMD."""
    frames, columns = operands.x.shape
    slots, folds = columns // a.simd, operands.w.shape[1] // a.pe
    beats = frames * folds * slots
    late = a.kind.early + a.kind.latency(a.simd, a.w_bits)
    clocks = beats + late + 1
    x = np.zeros((clocks, a.simd), np.int64)
    w = np.zeros((clocks, a.pe, a.simd), np.int64)
    control = np.zeros((clocks, 3), np.uint8)
    control[:, 0] = 1
    # (slots, simd, folds, pe) -> (folds, slots, pe, simd)
    words = operands.w.reshape(slots, a.simd, folds, a.pe).transpose(2, 0, 3, 1)
    shown = []
    for beat in range(beats):
        frame, (fold, slot) = beat // (folds * slots), divmod(beat % (folds * slots), slots)
        x[beat] = operands.x[frame, slot * a.simd : (slot + 1) * a.simd]
        w[beat + a.kind.early] = words[fold, slot]
        control[beat + late, 1] = 1
        control[beat + late - 1, 2] = slot == 0
        if slot == slots - 1:
            rows = operands.w[:, fold * a.pe : (fold + 1) * a.pe]
            shown.append((beat + late + 1, _sums(a, operands.x[frame], rows)))
    bits = [control, _bits(x, a.bits), _bits(w.reshape(clocks, -1), a.w_bits)]
    return Schedule(np.concatenate(bits, axis=1), [s for s in shown if s[0] < clocks])


def _sums(a: Array, x: np.ndarray, w: np.ndarray) -> np.ndarray:
    values = -np.abs(x[:, None] - w).sum(0) if a.kind.adds else x @ w
    return (values - a.kind.start(w, a.simd, a.bits)) % (1 << a.acc_bits)


def _bits(values: np.ndarray, bits: int) -> np.ndarray:
    """(clocks, n) integers as (clocks, n * bits) bits, the lowest first."""
    planes = (values[:, :, None] >> np.arange(bits)) & 1
    return planes.reshape(len(values), -1).astype(np.uint8)


def measure(a: Array, folder: Path, operands: Operands, sdf: Path | None) -> Toggles:
    """Transitions of the array in the netlist in ``folder``.

    Args:
        folder: with the netlist of ARRAY, or on ECP5 of ROUTABLE.
        sdf: delays of the routed netlist; without them glitches are not counted.

    Raises:
        ToolError: a sum was wrong: then the netlist, or this simulation, is.
    """
    plan = schedule(a, operands)
    modules = json.loads((folder / "netlist.json").read_text())["modules"]
    routable = ROUTABLE in modules
    part = _array(a, modules[ROUTABLE if routable else ARRAY], routable)
    delays = None
    if sdf is not None:
        with sdf.open() as lines:
            delays = read_sdf(lines)
    warm = min(_WARM, len(plan.bits) // 4)
    moves, results, slowest = transitions(part, text(part, delays), plan, folder, warm)
    weights = 1 << np.arange(a.acc_bits)
    seen = [(results[clock].reshape(a.pe, -1) @ weights == sums).sum() for clock, sums in plan.shown]
    equal, sums = int(sum(seen)), a.pe * len(plan.shown)
    if equal != sums:
        raise ToolError(
            f"toggles: the netlist's sums must be the layer's, not only {equal} of {sums} ({folder})"
        )
    clocks = len(plan.bits) - warm
    counted = [_by_kind(part, moves, column, clocks, pins) for pins in (False, True) for column in (1, 0)]
    if sdf is None:
        counted[1], counted[3] = {}, {}
    return Toggles(*counted, len(part.registers), equal, sums, slowest)


def _array(a: Array, module: dict, routable: bool) -> Circuit:
    """The array's own circuit, in the order of ``schedule``'s bits."""
    if not routable:
        return circuit(module, buses(module, [*_CONTROL, "x", "w"]), buses(module, ["acc"]))
    fed = chain(module, "d")
    wanted = len(_CONTROL) + a.x_width + a.w_width
    if len(fed) != wanted:
        raise ToolError(f"toggles: the operands' shift register must have {wanted} bits, not {len(fed)}")
    return circuit(module, fed, buses(module, ["acc"]))


def transitions(
    part: Circuit, netlist: str, plan: Schedule, folder: Path, warm: int
) -> tuple[dict[int, tuple[int, int]], np.ndarray, int]:
    """Run toggles.cpp in ``folder``.

    Returns:
        (all, settled) transitions by net from clock ``warm`` on, output bits (clocks, bits), and ps until the
        last transition of any clock.
    """
    program = _program(folder.parent)
    (folder / "netlist.txt").write_text(netlist)
    plan.bits.tofile(folder / "operands.bin")
    arguments = ["netlist.txt", "operands.bin", str(len(plan.bits)), str(warm), "results.bin"]
    said = tools.run(tools.Tool("toggles", (str(program),)), arguments, folder, timeout=1200)
    rows = [tuple(map(int, line.split())) for line in said.splitlines()[1:]]
    results = np.fromfile(folder / "results.bin", np.uint8).reshape(len(plan.bits), -1)
    return {net: (moved, settled) for net, moved, settled in rows}, results, int(said.split()[1])


def _program(work: Path) -> Path:
    """toggles.cpp compiled into ``work``, unless a newer one is there."""
    program = work.resolve() / "toggles"
    if not program.exists() or program.stat().st_mtime < _PROGRAM.stat().st_mtime:
        cxx = tools.find("c++")
        tools.run(cxx, ["-std=gnu++20", "-O2", str(_PROGRAM), "-o", str(program)], work.resolve())
    return program


def _by_kind(part: Circuit, moves: dict, column: int, clocks: int, pins: bool) -> dict[str, float]:
    """Transitions per clock by what drives the net, perhaps once for each pin on it."""
    found = dict.fromkeys((OPERAND, REGISTER, LOGIC, LOCAL, CARRY), 0.0)
    for net, counts in moves.items():
        found[part.kinds[net]] += counts[column] * (part.fanout.get(net, 0) if pins else 1) / clocks
    return found


def digest() -> str:
    """Changes when this measurement does."""
    here = Path(__file__).parent
    files = (_PROGRAM, *(here / f"{name}.py" for name in ("power", "netlist", "buses", "delays", "operands")))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
