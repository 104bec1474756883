"""The modelled clocks as a trace that ui.perfetto.dev and chrome://tracing open (docs/traces.md)."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from ...hw.design import Design
from ...report.words import clean
from .activity import STALLED, WAITING, Activity, activities
from .simulate import Timing
from .windows import Queue, Window, ends, queues, spans

# Pieces of work that overlap in more than so many rows say less than the frames they belong to.
_ROWS = 4
_FEW = 4  # frames
# Samples of a FIFO that changes more often than there is room for, and slices of pieces of a unit.
_SAMPLES = 256
_STATES = {STALLED: "no room", WAITING: "no beats"}
_UNITS, _FIFOS = 1, 2  # process ids
_LANES = 64  # thread ids of a unit
_FRAMES, _WAITS, _PIECES = 0, 32, 48  # the first thread id of each kind


@dataclass(frozen=True)
class _Scale:
    """Times in microseconds; without a clock in MHz, one clock is shown as one."""

    mhz: float | None

    def time(self, clock: int) -> float | int:
        return int(clock) if self.mhz is None else round(int(clock) / self.mhz, 6)

    @property
    def words(self) -> str:
        return "1 clock shown as 1 µs" if self.mhz is None else f"{1000 / self.mhz:g} ns a clock"


@dataclass(frozen=True)
class _Row:
    """Events that are made when there is room for ``count`` of them; ``coarse`` ones take their place."""

    name: str
    count: int
    events: Callable[[], Iterator[dict]]
    coarse: Callable[[], Iterator[dict]] = lambda: iter(())


def perfetto(timing: Timing, clock_mhz: float | None = None, most: int = 200_000) -> dict:
    """Trace events in Chrome's JSON format.

    Each unit has a slice per frame, from its first beat taken to its last given, and where they fit slices of
    its pieces of work and of the clocks in which it waits for beats or for room; each FIFO has a counter of
    the beats in it.

    Args:
        clock_mhz: for times; None shows a clock as a microsecond.
        most: about so many events. Where all would be more, rows of which there are most are coarser:
            several pieces in a slice, FIFOs sampled, waits left out; ``otherData`` names them.
    """
    design, scale = timing.design, _Scale(clock_mhz)
    units = [n for n, i in enumerate(design.instances) if i.unit.module != "gw_fifo"]
    frames = _shown(timing, most)
    window = Window(0, int(timing.clocks(ends(design)[1], frames)[-1, -1]) + 1)
    found = queues(timing, window)
    events, rows = list(_heads(design, units, scale)), []
    for place, activity in activities(timing, window, found).items():
        events += _frames(design, place, spans(timing, place, 1, frames), scale)
        rows += [_waits(design, place, activity, scale), *_pieces(timing, place, frames, scale)]
    rows += [_level(design, place, queue, window, scale) for place, queue in found.items()]
    room, coarse = most - len(events), []
    for row in sorted(rows, key=lambda r: r.count):
        room -= row.count
        events += row.events() if room >= 0 else row.coarse()
        coarse += [row.name] if room < 0 else []
    other = {"design": clean(design.name), "time": scale.words, "clock_mhz": clock_mhz, "frames": frames}
    return {"traceEvents": events, "displayTimeUnit": "ns", "otherData": other | {"coarse": sorted(coarse)}}


def _shown(timing: Timing, most: int) -> int:
    """As many frames as there are about as many beats in as events are wanted, but a few in any case."""
    beats = sum(i.output.beats for i in timing.design.instances if i.unit.module == "gw_fifo")
    return min(timing.frames, max(_FEW, most // (2 * beats)))


def _heads(design: Design, units: list[int], scale: _Scale) -> Iterator[dict]:
    """Names of processes and rows."""
    for pid, text in ((_UNITS, f"{clean(design.name)}: units, {scale.words}"), (_FIFOS, "FIFOs: beats held")):
        yield {"ph": "M", "name": "process_name", "pid": pid, "args": {"name": text}}
        yield {"ph": "M", "name": "process_sort_index", "pid": pid, "args": {"sort_index": pid}}
    for place in units:
        for first, more in ((_FRAMES, ""), (_WAITS, " waits"), (_PIECES, " pieces")):
            yield from _head(place * _LANES + first, design.instances[place].name + more)


def _head(tid: int, text: str) -> Iterator[dict]:
    common = {"ph": "M", "pid": _UNITS, "tid": tid}
    yield {**common, "name": "thread_name", "args": {"name": text}}
    yield {**common, "name": "thread_sort_index", "args": {"sort_index": tid}}


def _slice(tid: int, text: str, start: int, end: int, scale: _Scale, **more) -> dict:
    """Clocks ``start`` to ``end`` - 1 of a row."""
    begins, args = scale.time(start), {"clock": int(start), "clocks": int(end - start), **more}
    return {
        "ph": "X", "pid": _UNITS, "tid": tid, "name": text, "ts": begins,
        "dur": round(scale.time(end) - begins, 6), "args": args,
    }  # fmt: skip


def _frames(design: Design, place: int, found: np.ndarray, scale: _Scale) -> Iterator[dict]:
    """A slice for each frame; those that overlap stand in rows of their own."""
    instance, rows = design.instances[place], _rows(found, _WAITS) or _WAITS
    for lane in range(1, rows):
        yield from _head(place * _LANES + lane, f"{instance.name} ({lane + 1})")
    about = {"module": instance.unit.module, "layer": clean(instance.layer)}
    for n, (start, end) in enumerate(found):
        yield _slice(place * _LANES + n % rows, f"frame {n}", start, end, scale, **about)


def _rows(found: np.ndarray, most: int) -> int | None:
    """In how many rows slices stand in turn, so that none overlap; None if in more than ``most``."""
    fitting = (rows for rows in range(1, most + 1) if (found[rows:, 0] >= found[:-rows, 1]).all())
    return next(fitting, None)


def _pieces(timing: Timing, place: int, frames: int, scale: _Scale) -> Iterator[_Row]:
    """Pieces of work of a unit that has several a frame."""
    instance = timing.design.instances[place]
    if instance.repeats < 2:
        return
    found = spans(timing, place, instance.repeats, frames)

    def events(together: int = 1) -> Iterator[dict]:
        first = np.arange(0, instance.repeats, together)
        last = np.minimum(first + together, instance.repeats) - 1
        of_frame = found.reshape(frames, instance.repeats, 2)
        slices = np.stack([of_frame[:, first, 0], of_frame[:, last, 1]], axis=2).reshape(-1, 2)
        rows = _rows(slices, _ROWS)
        for lane in range(1, rows or 0):
            yield from _head(place * _LANES + _PIECES + lane, f"{instance.name} pieces ({lane + 1})")
        for n, (start, end) in enumerate(slices if rows else ()):
            frame, part = divmod(n, len(first))
            text = f"piece {first[part]}" if together == 1 else f"pieces {first[part]} to {last[part]}"
            tid = place * _LANES + _PIECES + n % rows
            yield _slice(tid, text, start, end, scale, frame=frame)

    some = -(-instance.repeats // max(1, _SAMPLES // frames))
    if _rows(found, _ROWS):
        yield _Row(f"{instance.name} pieces", len(found), events, lambda: events(some))


def _waits(design: Design, place: int, activity: Activity, scale: _Scale) -> _Row:
    """The clocks in which a unit waits."""
    starts, stops = activity.moments[:-1] + 1, activity.moments[1:]
    states = activity.states[1:-1]
    chosen = np.flatnonzero(np.isin(states, list(_STATES)) & (stops > starts))

    def events() -> Iterator[dict]:
        for n in chosen:
            yield _slice(place * _LANES + _WAITS, _STATES[int(states[n])], starts[n], stops[n], scale)

    return _Row(f"{design.instances[place].name} waits", len(chosen), events)


def _level(design: Design, place: int, queue: Queue, window: Window, scale: _Scale) -> _Row:
    """How many beats a FIFO holds."""
    name = design.instances[place].name

    def counter(clocks: np.ndarray, levels: np.ndarray) -> Iterator[dict]:
        for clock, level in zip(clocks, levels, strict=True):
            at, args = scale.time(clock), {"beats": int(level)}
            yield {"ph": "C", "pid": _FIFOS, "tid": 0, "name": name, "ts": at, "args": args}

    def sampled() -> Iterator[dict]:
        bounds = window.bounds(_SAMPLES)
        return counter(bounds[:-1], queue.fullest(window, bounds))

    clocks, levels = queue.steps(window)
    inside = clocks < window.end
    clocks, levels = clocks[inside], levels[inside]
    return _Row(name, len(clocks), lambda: counter(clocks, levels), sampled)
