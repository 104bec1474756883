"""Transitions inside units that only move beats, for whole pieces of work in a row.

Each function takes the tally, the instance and the codes of its inputs (beats, lanes), and adds what moves.
"""

import numpy as np

from ...hw.design import Instance
from ...hw.units.ram import clog2
from ...hw.units.sliding_window import ring_beats
from .moving import gathered, joined, padded, windows
from .tally import Tally
from .words import flips


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
        t.local += moved
    t.steps += len(x) * (1 if depth < 4 else 4)


def fork(t: Tally, unit: Instance, x: np.ndarray) -> None:
    """gw_fork: one register."""
    t.kept(x, unit.input.element.bits)
    t.steps += len(x)


def width_converter(t: Tally, unit: Instance, x: np.ndarray) -> None:
    """gw_width_converter: a register as wide as the wide side, which the narrow side shifts."""
    p, stream = unit.p, unit.input
    bits = stream.element.bits
    if p.IN <= p.OUT:
        t.register += p.OUT // p.IN * flips(x, bits)
        t.steps += len(x)
        return
    ratio, lanes = p.IN // p.OUT, unit.output.lanes
    parts = x.reshape(len(x), ratio, lanes)
    held = np.zeros((len(x), ratio, ratio, lanes), np.int64)
    for shift in range(ratio):
        held[:, shift, : ratio - shift] = parts[:, shift:]
    held = held.reshape(-1, ratio * lanes)
    t.kept(held[:, -lanes:], bits)
    t.made(held[:, :-lanes], bits)
    t.steps += len(held)


def gather(t: Tally, unit: Instance, x: np.ndarray) -> None:
    """gw_gather: a RAM's read register and one more; five loops and two addresses."""
    out = gathered(unit, x)[0]
    t.register += 2 * flips(out, unit.output.element.bits)
    t.steps += (len(out) + len(x)) * (2 + clog2(2 * unit.p.IN) / 4)


def slice_(t: Tally, unit: Instance, x: np.ndarray) -> None:
    """gw_slice: a register that takes all beats."""
    t.kept(x, unit.input.element.bits)
    t.steps += len(x) * 2


def pad(t: Tally, unit: Instance, x: np.ndarray) -> None:
    """gw_pad: a register in, one out."""
    bits = unit.input.element.bits
    out = padded(unit, x)[0]
    t.kept(x, bits)
    t.made(out, bits)
    t.steps += len(out) * 2


def concat(t: Tally, unit: Instance, *parts: np.ndarray) -> None:
    """gw_concat: a multiplexer and a register."""
    out = joined(unit, *parts)[0]
    t.made(out, unit.output.element.bits)
    t.steps += len(out) * 2


def sliding_window(t: Tally, unit: Instance, x: np.ndarray) -> None:
    """gw_sliding_window: a RAM's read register, one more, and the indices that each read beat moves."""
    p = unit.p
    out = windows(unit, x)[0]
    t.kept(out, p.BITS)
    t.made(out, p.BITS)
    chunks = p.C // p.SIMD
    reach = ring_beats(p) + (p.H + p.PT + p.PB + 1) * p.W * chunks + (p.PL + p.PR + 1) * chunks
    t.steps += len(out) * (clog2(reach + 1) + clog2(ring_beats(p))) + len(x) * 2


def whole_window(t: Tally, unit: Instance, x: np.ndarray) -> None:
    """gw_whole_window: each row's pixels move through registers; the rows above come from a RAM."""
    p = unit.p
    bits = unit.input.element.bits
    span = p.DW * (p.KW - 1) + 1
    moved = flips(x, bits)
    t.register += moved * (p.KH * span + (p.KH - 1))
    t.steps += len(x) * (2 + clog2(max(p.DH * p.W, 2)) / 4)
