"""Transitions inside units that only move beats, for whole pieces of work in a row.

Each function takes the tally, the instance and the codes of its inputs (beats, lanes), and adds what moves.
"""

from collections.abc import Sequence

import numpy as np

from ...hw.design import Instance
from ...hw.units.ram import clog2
from .moving import gather_order, gathered, joined, padded, windows
from .tally import Tally
from .window_control import control
from .words import flips, mask


def fifo(t: Tally, unit: Instance, x: np.ndarray) -> None:
    """gw_fifo: all entries take what comes while they are free; beyond three a RAM and two stages."""
    bits = unit.input.element.bits
    moved = flips(x, bits)
    depth = unit.p.DEPTH
    if depth < 4:
        t.register += depth * moved
        t.local += (depth - 1) * moved
    else:
        t.register += 2 * moved
    if depth >= 4:
        t.counted(2 * len(x), depth - 2)
    t.steps += len(x)


def fork(t: Tally, unit: Instance, x: np.ndarray) -> None:
    """gw_fork: one register."""
    t.kept(x, unit.input.element.bits)
    t.steps += len(x)


def width_converter(t: Tally, unit: Instance, x: np.ndarray) -> None:
    """gw_width_converter: a register as wide as the wide side, which the narrow side shifts."""
    p, stream = unit.p, unit.input
    bits = stream.element.bits
    if p.IN <= p.OUT:
        ratio = p.OUT // p.IN
        t.shown += ratio * flips(x, bits)
        t.register += ratio * flips(x, bits) + 2 * len(x) / ratio
        t.counted(len(x), ratio)
        t.steps += len(x) / ratio
        return
    ratio, lanes = p.IN // p.OUT, unit.output.lanes
    parts = x.reshape(len(x), ratio, lanes)
    held = np.zeros((len(x), ratio, ratio, lanes), np.int64)
    for shift in range(ratio):
        held[:, shift, : ratio - shift] = parts[:, shift:]
    held = held.reshape(-1, ratio * lanes)
    t.kept(held[:, -lanes:], bits)
    t.made(held[:, :-lanes], bits)
    t.counted(len(held), ratio)
    t.steps += len(x)


def gather(t: Tally, unit: Instance, x: np.ndarray) -> None:
    """gw_gather: a RAM's read register and one more; five loops and two addresses."""
    out = gathered(unit, x)[0]
    p = unit.p
    t.register += 2 * flips(out, unit.output.element.bits)
    t.counted(len(x), p.IN)
    t.counted(len(x), 2 * p.IN)
    _nested(t, len(out), [getattr(p, f"N{k}") for k in range(5)])
    order = gather_order(p)
    blocks = len(x) // p.IN
    addresses = (np.arange(blocks)[:, None] % 2 * p.IN + order).reshape(-1)
    t.made(addresses, clog2(2 * p.IN))
    t.chain(addresses[:-1], np.diff(addresses) & mask(clog2(2 * p.IN)), clog2(2 * p.IN))
    t.steps += len(out)


def slice_(t: Tally, unit: Instance, x: np.ndarray) -> None:
    """gw_slice: a register that takes all beats."""
    t.kept(x, unit.input.element.bits)
    t.shown += flips(x, unit.input.element.bits)
    _nested(t, len(x), [getattr(unit.p, f"N{k}") for k in range(3)])
    t.steps += len(x)


def pad(t: Tally, unit: Instance, x: np.ndarray) -> None:
    """gw_pad: a register in, one out."""
    bits = unit.input.element.bits
    out = padded(unit, x)[0]
    t.kept(x, bits)
    t.made(out, bits)
    p = unit.p
    _nested(
        t, len(out), [sum(getattr(p, f"{name}{k}") for name in ("BEFORE", "N", "AFTER")) for k in range(3)]
    )
    t.steps += len(out)


def concat(t: Tally, unit: Instance, *parts: np.ndarray) -> None:
    """gw_concat: a multiplexer and a register."""
    out = joined(unit, *parts)[0]
    t.made(out, unit.output.element.bits)
    p = unit.p
    turns = [(len(part) / getattr(p, f"B{k}"), getattr(p, f"B{k}")) for k, part in enumerate(parts)]
    for times, beats in turns:
        t.counted(times * beats, beats)
    steps = sum(times for times, _ in turns)
    t.counted(steps, p.N)
    t.register += 2 * steps
    t.steps += steps


def sliding_window(t: Tally, unit: Instance, x: np.ndarray) -> None:
    """gw_sliding_window: a RAM's read register, one more, and the indices that each read beat moves."""
    p = unit.p
    out = windows(unit, x)[0]
    t.kept(out, p.BITS)
    t.made(out, p.BITS)
    control(t, p, len(x), len(out))


def whole_window(t: Tally, unit: Instance, x: np.ndarray) -> None:
    """gw_whole_window: each row's pixels move through registers; the rows above come from a RAM."""
    p = unit.p
    bits = unit.input.element.bits
    span = p.DW * (p.KW - 1) + 1
    moved = flips(x, bits)
    t.register += moved * (p.KH * span + (p.KH - 1))
    t.shown += moved * p.KH * p.KW
    _nested(t, len(x), [p.W, p.H])
    if p.KH > 1 and p.DH * p.W > 1:
        t.counted(len(x), p.DH * p.W)
        t.counted(len(x), p.DH * p.W)
    t.steps += len(x)


def _nested(t: Tally, steps: int, counts: Sequence[int]) -> None:
    """Counters of nested loops, the innermost first."""
    for count in counts:
        t.counted(steps, count)
        steps //= count
