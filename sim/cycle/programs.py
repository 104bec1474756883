"""What each unit does with its beats, as its RTL has it: all that the recurrences know of a unit."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType, SimpleNamespace

import numpy as np

from ...errors import LoweringError
from ...hw.design import Instance, Unit
from ...hw.timing import needed_beats, releases
from ...hw.units.slice import AXES
from ...hw.units.sliding_window import ring_beats


@dataclass(frozen=True)
class Register:
    """One beat, which each output has ``ratio`` times before the next takes its place in the same clock."""

    ratio: int = 1


@dataclass(frozen=True, eq=False)
class Buffer:
    """An input whose beats come into a memory before a step needs them.

    Attributes:
        needed: for each step of a piece, the piece's beat that must be there the clock before; -1: none.
        freed: for each of a piece's beats the freeing step that makes room for it, counted from the piece's
            first one; negative ones are earlier pieces'.
        lag: clocks from that step until the beat may come.
    """

    needed: np.ndarray
    freed: np.ndarray
    lag: int


@dataclass(frozen=True, eq=False)
class Program:
    """A pipeline that stalls as a whole, and the steps of one piece of work at its entrance, over and over.

    Attributes:
        results: for each step, how many beats out follow.
        latency: enabled clocks from a step until its first result may leave.
        spacing: enabled clocks between results of one step.
        apart: for each step, the least enabled clocks since the one before; None: 1.
        takes: for each step, 1 + the input that it takes a beat from in its own clock, 0: none.
        frees: for each step, whether it makes room in the buffers.
        buffers: for each input its buffer, None: steps take from it.
    """

    results: np.ndarray
    latency: int
    spacing: int = 1
    apart: np.ndarray | None = None
    takes: np.ndarray | None = None
    frees: np.ndarray | None = None
    buffers: tuple[Buffer | None, ...] = (None,)


def program_of(instance: Instance) -> Program | Register:
    """The unit's program with its parameters.

    Raises:
        LoweringError: no program for such a unit.
    """
    unit = instance.unit
    make = PROGRAMS.get(unit.module.removesuffix("_fed"))
    if make is None:
        raise LoweringError(
            f"cycle model: no program for {unit.module!r} (instance {instance.name}); it knows "
            f"{', '.join(PROGRAMS)}. Simulate the design in RTL."
        )
    return make(instance.p, unit)


def _taking(results: np.ndarray, latency: int, **rest) -> Program:
    """A step for each beat of the only input; ``latency`` counts from the first of a piece."""
    return Program(
        results, latency - int(np.flatnonzero(results)[0]), takes=np.ones(len(results), int), **rest
    )


def _each(p: SimpleNamespace, unit: Unit) -> Program:
    return _taking(np.ones(1, int), unit.latency(p))


def _width_converter(p: SimpleNamespace, unit: Unit) -> Program | Register:
    if p.IN >= p.OUT:
        return Register(p.IN // p.OUT)
    return _taking(np.arange(p.OUT // p.IN) == p.OUT // p.IN - 1, unit.latency(p))


def _fork(p: SimpleNamespace, unit: Unit) -> Register:
    return Register()


def _pool(p: SimpleNamespace, unit: Unit) -> Program:
    fold = p.C // p.PE
    return _taking(np.arange(p.TAPS * fold) >= (p.TAPS - 1) * fold, unit.latency(p))


def _arg_max(p: SimpleNamespace, unit: Unit) -> Program:
    fold = p.C // p.PE
    return _taking(np.arange(fold) == fold - 1, unit.latency(p))


def _chosen(p: SimpleNamespace, unit: Unit) -> Program:
    """Some of the beats lead to one out."""
    return _taking(np.bincount(unit.needs(p), minlength=unit.interval(p)), unit.latency(p))


def _matrix_vector(p: SimpleNamespace, unit: Unit) -> Program:
    """The buffer is read for all but the first rows, a slot in each enabled clock."""
    slots, folds = p.MW // p.SIMD, p.MH // p.PE
    first, last = np.arange(slots) == 0, np.arange(slots) == slots - 1
    return _taking(folds * last, unit.latency(p), spacing=slots, apart=1 + first * (folds - 1) * slots)


def _concat(p: SimpleNamespace, unit: Unit) -> Program:
    beats = [vars(p)[f"B{i}"] for i in range(p.N)]
    takes = np.repeat(np.arange(p.N) + 1, beats)
    return Program(np.ones(len(takes), int), unit.latency(p), takes=takes, buffers=(None,) * p.N)


def _binary(p: SimpleNamespace, unit: Unit) -> Program:
    """Each operand has a register, which the step empties that reads both."""
    one = np.ones(1, int)
    return Program(one, unit.latency(p) - 1, frees=one, buffers=(Buffer(one - 1, -one, 0),) * 2)


def _pad(p: SimpleNamespace, unit: Unit) -> Program:
    """A step for each beat out; a real one empties the register that its beat came into."""
    borders = [(vars(p)[f"BEFORE{k}"], vars(p)[f"AFTER{k}"]) for k in reversed(AXES)]
    real = np.pad(np.ones((p.N2, p.N1, p.N0), int), borders).reshape(-1)
    register = Buffer(unit.needs(p), np.arange(p.N0 * p.N1 * p.N2) - 1, 0)
    return Program(np.ones(len(real), int), unit.latency(p) - 1, frees=real, buffers=(register,))


def _gather(p: SimpleNamespace, unit: Unit) -> Program:
    """A block is read once it is whole, and the block after next takes its place."""
    needed = unit.needs(p)
    halves = Buffer(needed, np.full(p.IN, -2), 1)
    last = np.arange(len(needed)) == len(needed) - 1
    return Program(np.ones(len(needed), int), unit.latency(p) - p.IN, frees=last, buffers=(halves,))


def _matrix_product(p: SimpleNamespace, unit: Unit) -> Program:
    """Steps that take A row by row, and behind each row one for the last slot of its other columns."""
    slots, folds, load = p.K // p.SIMD, p.N // p.PE, p.K * (p.N // p.PE)
    rest = [0] * (folds > 1)
    takes = np.tile([1] * slots + rest, p.M)
    results = np.tile([0] * (slots - 1) + [folds] + rest, p.M)
    apart = np.tile([1] * slots + [(folds - 1) * slots] * (folds > 1), p.M)
    last = np.arange(len(takes)) == len(takes) - 1
    halves = Buffer(np.full(len(takes), load - 1), np.full(load, -2), 1)
    latency = unit.latency(p) - load - slots + 1
    return Program(results, latency, slots, apart, takes, last, (None, halves))


def _sliding_window(p: SimpleNamespace, unit: Unit) -> Program:
    """A step for each beat of a window; the last of a window makes room in the ring."""
    needed = needed_beats(p)
    needed[0] = 0  # a frame's first waits for the frame, even if it is padding
    last, sizes, lead = releases(p)
    frees = np.zeros(len(needed), int)
    frees[last] = 1
    total = p.H * p.W * (p.C // p.SIMD)
    before = np.arange(total) - (ring_beats(p) - 1 - lead)  # what must have been released
    frames = (before - 1) // total
    freed = frames * len(sizes) + np.searchsorted(np.cumsum(sizes), before - frames * total)
    ring = Buffer(needed, freed, 1)
    return Program(np.ones(len(needed), int), unit.latency(p) - 1, frees=frees, buffers=(ring,))


PROGRAMS: Mapping[str, Callable[[SimpleNamespace, Unit], Program | Register]] = MappingProxyType(
    {
        "gw_width_converter": _width_converter,
        "gw_fork": _fork,
        "gw_threshold": _each,
        "gw_lookup": _each,
        "gw_requantize": _each,
        "gw_constant_matrix": _each,
        "gw_matrix_vector": _matrix_vector,
        "gw_depthwise": _pool,
        "gw_max_pool": _pool,
        "gw_sum_pool": _pool,
        "gw_arg_max": _arg_max,
        "gw_slice": _chosen,
        "gw_whole_window": _chosen,
        "gw_concat": _concat,
        "gw_binary": _binary,
        "gw_pad": _pad,
        "gw_gather": _gather,
        "gw_matrix_product": _matrix_product,
        "gw_sliding_window": _sliding_window,
    }
)
"""By module; that of a unit whose ROMs stand outside of it is the same."""
