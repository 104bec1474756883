"""gw_sliding_window: cycles, the size of its ring, and resources."""

from types import SimpleNamespace

from ..design import Contents, Parts, Resources, Unit
from .ram import clog2, ram_resources


def out_size(p: SimpleNamespace) -> tuple[int, int]:
    """Rows and columns of the output, (OH, OW)."""
    rows = (p.H + p.PT + p.PB - p.DH * (p.KH - 1) - 1) // p.SH + 1
    cols = (p.W + p.PL + p.PR - p.DW * (p.KW - 1) - 1) // p.SW + 1
    return rows, cols


def _interval(p: SimpleNamespace) -> int:
    rows, cols = out_size(p)
    return max(p.H * p.W, rows * cols * p.KH * p.KW) * (p.C // p.SIMD)


def _latency(p: SimpleNamespace) -> int:
    return 3


def _releases(p: SimpleNamespace) -> tuple[tuple[int, int, int], int]:
    """Pixels that a finished window, row of windows and frame release, and what large padding keeps."""
    rows, cols = out_size(p)
    free_cols = min(cols, min(p.SH, p.H) * p.W // p.SW + 1)
    free_rows = min(rows, (p.H * p.W - (free_cols - 1) * p.SW) // (p.SH * p.W) + 1)
    row = p.SH * p.W - (free_cols - 1) * p.SW
    frame = p.H * p.W - (free_rows - 1) * p.SH * p.W - (free_cols - 1) * p.SW
    lag = (cols - free_cols) * p.SW + (rows - free_rows) * p.SH * p.W
    return (p.SW if cols > 1 else 0, row if rows > 1 else 0, frame), lag


def ring_beats(p: SimpleNamespace) -> int:
    """RING of gw_sliding_window.v, which explains it: beats that its line buffer holds."""
    rows, cols = out_size(p)
    releases, lag = _releases(p)
    lead = p.PT * p.W + p.PL
    chunks = p.C // p.SIMD
    window = (p.KH - 1) * p.DH * p.W + (p.KW - 1) * p.DW + 1
    span = max(window * chunks, lead * chunks + 1)
    across = (p.KH - 1) * max(0, p.DH * p.W - p.KW) + (p.KW - 1) * (p.DW - 1)
    pixel_read = p.KH * p.KW
    row_read = cols * pixel_read
    last_col = p.SH * p.W - (cols - 1) * p.SW
    last_row = p.H * p.W - (rows - 1) * p.SH * p.W
    if pixel_read <= min(p.SW, last_col) and row_read <= min(p.SH * p.W, last_row):
        return span + (pixel_read + lag) * chunks + 4
    mixed = max(0, pixel_read - last_col) if pixel_read < p.SW else 0
    mixed += max(0, row_read - last_row) if row_read < p.SH * p.W else 0
    quick = (max(across, lead) + max(releases)) * chunks
    return max(quick, span) + (mixed + lag) * chunks + 4


def _parts(p: SimpleNamespace, family: str, contents: Contents) -> Parts:
    rows, cols = out_size(p)
    ring, chunks, bits = ring_beats(p), p.C // p.SIMD, p.SIMD * p.BITS
    reach = ring + (p.H + p.PT + p.PB + 1) * p.W * chunks + (p.PL + p.PR + 1) * chunks
    index, address = clog2(reach + 1) + 1, clog2(ring)
    loops = sum(clog2(n) for n in (chunks, p.KW, p.KH, cols, rows))
    padded = (clog2(p.H + p.PT + p.PB + 1) + 1) * (p.PT + p.PB > 0)
    padded += (clog2(p.W + p.PL + p.PR + 1) + 1) * (p.PL + p.PR > 0)
    return {
        "out": Resources(ff=bits),
        "index": Resources(lut=2.5 * index, ff=1.85 * index),
        "address": Resources(lut=7 * address, ff=3.3 * address),
        "loops": Resources(lut=3 * loops, ff=1.3 * loops),
        "coordinates": Resources(lut=1.5 * padded, ff=1.7 * padded),
        "ram": ram_resources(ring, bits, p.RAM_STYLE, family),
    }


SLIDING_WINDOW = Unit(
    module="gw_sliding_window",
    params=(
        "H", "W", "C", "SIMD", "BITS", "KH", "KW", "SH", "SW", "DH", "DW", "PT", "PL", "PB", "PR", "PAD_CODE",
        "RAM_STYLE",
    ),
    files=("gw_sliding_window.v", "gw_ram.v", "gw_window_loops.v"),
    interval=_interval,
    latency=_latency,
    parts=_parts,
)  # fmt: skip
