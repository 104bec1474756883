"""gw_slice and gw_pad: cycles and resources."""

from types import SimpleNamespace

import numpy as np

from ..design import Contents, Parts, Resources, Unit
from .ram import clog2

AXES = range(3)


def axis_cost(n: int, first: int, count: int, step: int) -> Resources:
    """gw_axis_range: a counter, and where some elements are left out the comparisons."""
    bits = clog2(n)
    compares = 0 if count == n else 1 if count == 1 else (first > 0) + (first + (count - 1) * step < n - 1)
    used = Resources(lut=2 * bits + compares * bits * 0.7, ff=bits)
    if step > 1 and count > 1:
        used += Resources(lut=2 * clog2(step), ff=clog2(step))
    return used


def _slice_interval(p: SimpleNamespace) -> int:
    return p.N0 * p.N1 * p.N2


def _slice_latency(p: SimpleNamespace) -> int:
    return (p.FIRST2 * p.N1 + p.FIRST1) * p.N0 + p.FIRST0 + 1


def _slice_needs(p: SimpleNamespace) -> np.ndarray:
    v = vars(p)
    places = np.arange(p.N0 * p.N1 * p.N2).reshape(p.N2, p.N1, p.N0)
    for axis, k in enumerate(reversed(AXES)):
        chosen = v[f"FIRST{k}"] + v[f"STEP{k}"] * np.arange(v[f"COUNT{k}"])
        places = places.take(chosen, axis=axis)
    return places.ravel()


def _slice_parts(p: SimpleNamespace, family: str, contents: Contents) -> Parts:
    v = vars(p)
    axes = [axis_cost(*(v[f"{name}{k}"] for name in ("N", "FIRST", "COUNT", "STEP"))) for k in AXES]
    return {
        "out": Resources(ff=p.BITS),
        "control": Resources(lut=4, ff=1),
        "axes": sum(axes, Resources()),
    }


def _padded(p: SimpleNamespace) -> list[int]:
    v = vars(p)
    return [v[f"BEFORE{k}"] + v[f"N{k}"] + v[f"AFTER{k}"] for k in AXES]


def _pad_interval(p: SimpleNamespace) -> int:
    a, b, c = _padded(p)
    return a * b * c


def _pad_latency(p: SimpleNamespace) -> int:
    return 2


def _pad_needs(p: SimpleNamespace) -> np.ndarray:
    """Border goes out behind the beat before it, a tensor's first behind its first beat."""
    v = vars(p)
    places = np.arange(p.N0 * p.N1 * p.N2).reshape(p.N2, p.N1, p.N0)
    borders = [(v[f"BEFORE{k}"], v[f"AFTER{k}"]) for k in reversed(AXES)]
    return np.maximum.accumulate(np.pad(places, borders).ravel())


def _pad_parts(p: SimpleNamespace, family: str, contents: Contents) -> Parts:
    v, totals = vars(p), _padded(p)
    axes = [axis_cost(n, v[f"BEFORE{k}"], v[f"N{k}"], 1) for k, n in zip(AXES, totals, strict=True)]
    return {
        # The border's code is what the registers are set to.
        "registers": Resources(ff=2 * p.LANES * p.BITS),
        "control": Resources(lut=8, ff=3),
        "axes": sum(axes, Resources()),
    }


_FILES = ("gw_axis_range.v", "gw_counter.v")

SLICE = Unit(
    module="gw_slice",
    params=("BITS", *(f"{name}{k}" for k in AXES for name in ("N", "FIRST", "COUNT", "STEP"))),
    files=("gw_slice.v", *_FILES),
    interval=_slice_interval,
    latency=_slice_latency,
    parts=_slice_parts,
    needs=_slice_needs,
)

PAD = Unit(
    module="gw_pad",
    params=("BITS", "LANES", "PAD_CODE", *(f"{name}{k}" for k in AXES for name in ("N", "BEFORE", "AFTER"))),
    files=("gw_pad.v", *_FILES),
    interval=_pad_interval,
    latency=_pad_latency,
    parts=_pad_parts,
    needs=_pad_needs,
)
