"""The modelled streams as a VCD file, which GTKWave opens (docs/traces.md)."""

import os
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...errors import InputError
from ...hw.design import Port
from .handshake import Handshake, handshake
from .simulate import Timing
from .windows import distinct, ends, entered

# Changes of all signals that a file has about at most; frames that would bring more are left out.
MOST = 2_000_000
_LINES = 50_000  # that are written at a time
_FIRST, _DIGITS = 33, 94  # the characters that a signal's code is made of
_FRAME_BITS = 32
_NEVER = 2**62


@dataclass(frozen=True, eq=False)
class Signal:
    """A wire of so many bits and its values: ``values[k]`` from clock ``clocks[k]`` on, the first being 0."""

    scope: str
    name: str
    bits: int
    clocks: np.ndarray
    values: np.ndarray


def write(
    timing: Timing, path: Path | str, clock_mhz: float | None = None, frames: int | None = None
) -> None:
    """Write what FIFOs do from reset on; the file appears whole or not at all.

    Each FIFO is a scope with its own ``s_tready`` and ``m_tvalid``, the beats that come (``s_transfer``) and
    go (``m_transfer``), which frame they are of, and the beats that it holds.

    Args:
        clock_mhz: for times, in whole picoseconds; None makes a clock a nanosecond.
        frames: how many; None takes as many as there are about ``MOST`` changes in, but one at least.
    Raises:
        InputError: the file cannot be written.
    """
    path, found = Path(path), signals(timing, frames)
    try:
        with tempfile.TemporaryDirectory(prefix=f".{path.name}.partial-", dir=path.parent) as scratch:
            made = Path(scratch) / "made.vcd"
            with made.open("w", encoding="ascii", newline="\n") as file:
                file.writelines(_text(timing.design.name, found, clock_mhz))
            os.replace(made, path)
    except OSError as error:
        raise InputError(f"vcd: {path} cannot be written: {error.strerror}. Choose another file.") from None


def signals(timing: Timing, frames: int | None = None) -> list[Signal]:
    """The signals of all FIFOs until ``frames`` frames are out, in the design's order."""
    design = timing.design
    if frames is None:
        beats = sum(i.output.beats for i in design.instances if i.unit.module == "gw_fifo")
        frames = MOST // (8 * beats)
    frames = max(1, min(frames, timing.frames))
    end = int(timing.clocks(ends(design)[1], frames)[-1, -1]) + 2
    into = {e.sink.place: e for e in design.edges if e.sink is not None}
    out = {e.source: e for e in design.edges if e.source is not None}
    known, found = entered(timing, end), []
    for place, instance in enumerate(design.instances):
        if instance.unit.module == "gw_fifo":
            # What follows the last beat never comes.
            edges = into[place], out[Port(place)]
            pushed, popped = (np.append(timing.clocks(e, known).reshape(-1), _NEVER) for e in edges)
            beats = handshake(pushed, popped, instance.p.DEPTH)
            found += _fifo(instance.name, beats, instance.output.beats, instance.p.DEPTH, end)
    return found


def _fifo(name: str, beats: Handshake, per_frame: int, depth: int, end: int) -> Iterator[Signal]:
    """One FIFO's signals in the clocks before ``end``."""
    for side, flag, times, since in (
        ("s", "tready", beats.pushed, beats.room),
        ("m", "tvalid", beats.popped, beats.offered),
    ):
        after = np.concatenate([[0], times[:-1] + 1])
        broken = since > after
        yield _runs(name, f"{side}_{flag}", 1, after[broken], since[broken], end)
        first = np.concatenate([[0], np.flatnonzero(times[1:] > times[:-1] + 1) + 1])  # beats of runs
        stops = np.concatenate([times[first[1:] - 1], times[-1:]]) + 1
        yield _runs(name, f"{side}_transfer", 0, times[first], stops, end)
        frames = times[::per_frame]
        yield _signal(name, f"{side}_frame", _FRAME_BITS, 0, frames, np.arange(len(frames)), end)
    clocks = distinct(np.concatenate([beats.pushed, beats.popped])) + 1
    levels = np.searchsorted(beats.pushed, clocks) - np.searchsorted(beats.popped, clocks)
    yield _signal(name, "beats", depth.bit_length(), 0, clocks, levels, end)


def _runs(scope: str, name: str, rest: int, starts: np.ndarray, stops: np.ndarray, end: int) -> Signal:
    """A wire that is ``rest`` but from each of ``starts`` until the one of ``stops`` behind it."""
    clocks = np.stack([starts, stops], axis=1).reshape(-1)
    return _signal(scope, name, 1, rest, clocks, np.tile([1 - rest, rest], len(starts)), end)


def _signal(
    scope: str, name: str, bits: int, rest: int, clocks: np.ndarray, values: np.ndarray, end: int
) -> Signal:
    """A wire that is ``rest`` before its first value; what comes at ``end`` or later is left out."""
    inside = clocks < end
    clocks, values = clocks[inside], values[inside]
    if not len(clocks) or clocks[0] > 0:
        clocks, values = np.concatenate([[0], clocks]), np.concatenate([[rest], values])
    changed = np.concatenate([[True], values[1:] != values[:-1]])
    return Signal(scope, name, bits, clocks[changed], values[changed])


def _text(design: str, found: list[Signal], clock_mhz: float | None) -> Iterator[str]:
    """The file in pieces; only names that are Verilog's are in it as they are."""
    unit = "1 ns" if clock_mhz is None else "1 ps"
    yield f"$version gatewright cycle model $end\n$timescale {unit} $end\n"
    yield f"$scope module {re.sub('[^A-Za-z0-9_]', '_', design) or 'design'} $end\n"
    codes = [_code(n) for n in range(len(found))]
    for n, signal in enumerate(found):
        if n and signal.scope != found[n - 1].scope:
            yield "$upscope $end\n"
        if not n or signal.scope != found[n - 1].scope:
            yield f"$scope module {signal.scope} $end\n"
        yield f"$var wire {signal.bits} {codes[n]} {signal.name} $end\n"
    yield "$upscope $end\n$upscope $end\n$enddefinitions $end\n"
    yield from _changes(found, codes, clock_mhz)


def _code(n: int) -> str:
    code = chr(_FIRST + n % _DIGITS)
    return code if n < _DIGITS else _code(n // _DIGITS - 1) + code


def _changes(found: list[Signal], codes: list[str], clock_mhz: float | None) -> Iterator[str]:
    """Values in the order of their clocks; the last time is that of the last change."""
    clocks = np.concatenate([signal.clocks for signal in found])
    values = np.concatenate([signal.values for signal in found])
    owners = np.repeat(np.arange(len(found)), [len(signal.clocks) for signal in found])
    order, now, lines = np.argsort(clocks, kind="stable"), None, []
    for clock, value, n in zip(
        clocks[order].tolist(), values[order].tolist(), owners[order].tolist(), strict=True
    ):
        if clock != now:
            now = clock
            lines.append(f"#{clock if clock_mhz is None else round(clock * 1e6 / clock_mhz)}")
        lines.append(f"{value}{codes[n]}" if found[n].bits == 1 else f"b{value:b} {codes[n]}")
        if len(lines) >= _LINES:
            yield "\n".join([*lines, ""])
            lines = []
    yield "\n".join([*lines, ""])
