"""gw_whole_window: cycles and resources."""

from types import SimpleNamespace

import numpy as np

from ..design import Contents, Parts, Resources, Unit
from .ram import clog2, ram_resources
from .slice import axis_cost


def _first(p: SimpleNamespace) -> tuple[int, int]:
    """Row and column of the last pixel of the first window."""
    return p.DH * (p.KH - 1), p.DW * (p.KW - 1)


def out_size(p: SimpleNamespace) -> tuple[int, int]:
    """Rows and columns of windows, (OH, OW)."""
    row, col = _first(p)
    return (p.H - row - 1) // p.SH + 1, (p.W - col - 1) // p.SW + 1


def _interval(p: SimpleNamespace) -> int:
    return p.H * p.W


def _latency(p: SimpleNamespace) -> int:
    row, col = _first(p)
    return row * p.W + col + 1


def _needs(p: SimpleNamespace) -> np.ndarray:
    (row, col), (rows, cols) = _first(p), out_size(p)
    return ((row + p.SH * np.arange(rows))[:, None] * p.W + col + p.SW * np.arange(cols)).ravel()


def _parts(p: SimpleNamespace, family: str, contents: Contents) -> Parts:
    (row, col), (rows, cols) = _first(p), out_size(p)
    parts = {
        "window": Resources(ff=p.KH * (col + 1) * p.PIXEL),
        "control": Resources(lut=4, ff=1),
        "axes": axis_cost(p.W, col, cols, p.SW) + axis_cost(p.H, row, rows, p.SH),
    }
    places, bits = p.DH * p.W, (p.KH - 1) * p.PIXEL
    if p.KH == 1:
        return parts
    if places == 1:
        return parts | {"line": Resources(ff=bits)}
    address = clog2(places)
    return parts | {
        "addresses": Resources(lut=2 * address, ff=2 * address),
        "ram": ram_resources(places, bits, p.RAM_STYLE, family),
    }


WHOLE_WINDOW = Unit(
    module="gw_whole_window",
    params=("H", "W", "PIXEL", "KH", "KW", "SH", "SW", "DH", "DW", "RAM_STYLE"),
    files=("gw_whole_window.v", "gw_line_memory.v", "gw_axis_range.v", "gw_counter.v", "gw_ram.v"),
    interval=_interval,
    latency=_latency,
    parts=_parts,
    needs=_needs,
)
