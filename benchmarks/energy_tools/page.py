"""docs/energy.md: what an estimate counts, whose figures it multiplies by, and how well it tells netlists."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from gatewright.boards import load, names
from gatewright.sim.energy.inside import CLASSES

from .fit import NOISE, Row, energy, error, inversions, predicted, spearman

BAR = 0.15
ROOT = Path(__file__).resolve().parents[2]

_HEAD = """# Power and energy

Written by `benchmarks/energy.py --write`; do not edit.

An estimate needs no synthesis. The words on every stream of a design follow from its input frames by
integer arithmetic, unit by unit, exactly as in RTL (`sim/energy/streams.py`; tests compare them with RTL
simulation). Inside each unit the words in its registers and adders follow from those on its streams
(`sim/energy/inside*.py`, `lanes.py`): operands, partial products, the trees' sums, partial sums,
thresholds read, windows, counters. What changes from clock to clock is counted in three classes: outputs
of registers, nets inside a logic cell (a LUT that only its own register reads, a carry), and other
outputs of LUTs and multipliers. Netlists say what synthesis makes of that: a factor for each class, and
transitions a step for control, by kind of unit (`sim/energy/coefficients.json`, fitted below).

    E(frame) = sum over units of (registers' and LUTs' transitions x net_pj + nets in cells x local_pj
             + FF x clocks x register_pj + accesses of block RAM x bram_pj + multiplier clocks x dsp_pj)
             + clocks x tree_pj
    P = static_mw + E(frame) x frames/s

Not in it: glitches of their own (those of the measured multiplier are in `net_pj`), routing of one net
against another's, pins and the link to the host, temperature. Absolute values are uncertain by the figure
given with each part; between two designs on one part most of that is the same, and what differs is what
the table below measures.
"""

_FIGURES = """
## Figures of the parts

pJ of an event and static mW, from `boards/parts/*.toml`. One measurement stands behind all: core currents
of an iCE40UP5K on its breakout board, published for a few small designs (github.com/tinyvision-ai-
inc/ice40_power). The registers' clock follows from counters of 28 and 224 bits, whose higher bits do not
move; the clock's network from a design with its clock and with it halted; a net from an 8 x 8 multiplier
in LUTs, of which `benchmarks/energy_tools/published.py` counts the transitions in Yosys's netlist; a
multiplier block from the same design with one. Nets inside a cell are taken as a tenth of a net: an
assumption. Other parts have these values times the square of their voltage and their process. A part
without a table has no estimate.

| part | static mW | net | in a cell | register, clock | clock's network | block RAM | multiplier | error |
|---|---|---|---|---|---|---|---|---|
"""

_CORES = """
Energy of an inference on a processor is its time on one core times the core's published power; memory and
idle power are not in it.

| board | mW a core | uncertainty | source |
|---|---|---|---|
"""

_MEASURED = """
## Against netlists

Each unit alone, mapped by Yosys and simulated clock by clock without delays on real data: scikit-learn's
digits, and a trained layer's activations and weights; its outputs are compared with the integers, beat by
beat. Block RAM and streams' RAM are cells of their own whose outputs count. Transitions a clock by class;
the error is that of the energy at ECP5's figures of a net and a net in a cell. "Held" cases are no part
of the fit.

| case | | LUT | FF | registers | in cells | others | said: registers | in cells | others | error |
|---|---|---|---|---|---|---|---|---|---|---|
"""


_WHOLE = """
## Whole networks

Digits through a convolution, thresholds, a pool and a dense layer, all in one netlist, frames back to
back. No part of the fit. Between beats some wires change as well: partial sums in an accumulator, words
that are put together, windows that are passed over; pipelines and short FIFOs move with them, and an
estimate counts that (`sim/energy/restless.py`).

| network | LUT | FF | registers | in cells | others | said: registers | in cells | others | error |
|---|---|---|---|---|---|---|---|---|---|
"""


def page(
    found: Sequence[Row], made: Mapping, whole: Sequence[tuple[str, dict, dict[str, float]]]
) -> tuple[str, bool]:
    """The page, and whether the bars are met: held cases within BAR, none in the wrong order."""
    fit = [abs(error(row, made)) for row in found if not row.held]
    held = [abs(error(row, made)) for row in found if row.held]
    wrong = inversions(found, made)
    order = spearman(
        [energy(row.measured) / row.clocks for row in found],
        [energy(vars(predicted(row, made))) / row.clocks for row in found],
    )
    good = len(found) >= 20 and max(held) <= BAR and not wrong
    summary = (
        f"\n{len(found)} units of {len({row.kind for row in found})} kinds. Energy, fitted: median error "
        f"{100 * np.median(fit):.1f} %, worst {100 * max(fit):.1f} %, of {len(fit)}. Held out: median "
        f"{100 * np.median(held):.1f} %, worst {100 * max(held):.1f} %, of {len(held)}. Rank correlation of "
        f"energy a clock {order:.4f}; of {len(found) * (len(found) - 1) // 2} pairs {len(wrong)} "
        f"further apart than {100 * NOISE:.0f} % come in the wrong order"
        + (f": {', '.join(' and '.join(pair) for pair in wrong)}.\n" if wrong else ".\n")
    )
    rows = "".join(_row(row, made) for row in sorted(found, key=lambda row: row.name))
    ends = _WHOLE + "".join(_whole(*each) for each in whole)
    return _HEAD + _FIGURES + _parts() + _CORES + _cores() + _MEASURED + rows + summary + ends, good


def _whole(name: str, record: Mapping, said: Mapping[str, float]) -> str:
    counted, clocks = record["transitions"], record["clocks"]
    cells = [f"{each.get(kind, 0) / clocks:.1f}" for each in (counted, said) for kind in CLASSES]
    return (
        f"| {name} | {record['lut']:.0f} | {record['ff']:.0f} | {' | '.join(cells)} | "
        f"{100 * (energy(said) / energy(counted) - 1):+.1f} % |\n"
    )


def _parts() -> str:
    lines = {}
    for name in names():
        part = load(name).part
        if part and part.power:
            p = part.power
            cells = (p.static_mw, p.net_pj, p.local_pj, p.register_pj, p.tree_pj, p.bram_pj, p.dsp_pj)
            text = " | ".join(f"{value:g}" for value in cells)
            lines[part.name] = f"| {part.name} | {text} | ±{100 * p.uncertainty:.0f} % |\n"
    sources = "".join(
        f"- {part.name}: {part.power.source}\n"
        for part in {load(name).part.name: load(name).part for name in names() if load(name).part}.values()
        if part.power
    )
    return "".join(lines.values()) + "\n" + sources


def _cores() -> str:
    lines = []
    for name in names():
        board = load(name)
        core = board.processor.power if board.processor else None
        if core:
            lines.append(
                f"| {board.title} | {core.mw_per_core:g} | ±{100 * core.uncertainty:.0f} % | "
                f"{core.source} |\n"
            )
    return "".join(lines)


def _row(row: Row, made: Mapping) -> str:
    measured = [row.measured[name] / row.clocks for name in CLASSES]
    said = [getattr(predicted(row, made), name) / row.clocks for name in CLASSES]
    cells = [f"{value:.1f}" for value in (*measured, *said)]
    kind = "held" if row.held else "fit"
    return (
        f"| {row.name} | {kind} | {row.lut:.0f} | {row.ff:.0f} | {' | '.join(cells)} | "
        f"{100 * error(row, made):+.1f} % |\n"
    )
