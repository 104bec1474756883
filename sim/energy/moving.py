"""What units that only move beats give for what they take: codes (beats, lanes) in, codes out."""

from types import SimpleNamespace

import numpy as np

from ...hw.design import Instance
from ...hw.units.sliding_window import out_size as window_size
from ...hw.units.whole_window import out_size as whole_size

Codes = np.ndarray


def same(unit: Instance, x: Codes) -> tuple[Codes, ...]:
    """gw_fifo and gw_fork: each output what came."""
    return (x,) * len(unit.outputs)


def converted(unit: Instance, x: Codes) -> tuple[Codes]:
    """gw_width_converter."""
    return (x.reshape(-1, unit.output.lanes),)


def gathered(unit: Instance, x: Codes) -> tuple[Codes]:
    """gw_gather."""
    p = unit.p
    blocks = x.reshape(-1, p.IN, x.shape[1])
    return (blocks[:, gather_order(p)].reshape(-1, x.shape[1]),)


def gather_order(p: SimpleNamespace) -> np.ndarray:
    """Which beat of a block is at each place of gw_gather's output."""
    counts = [getattr(p, f"N{k}") for k in range(5)]
    jumps = [getattr(p, f"J{k}") for k in range(5)]
    place, moved = np.zeros(1, np.int64), 0
    for count, jump in zip(counts, jumps, strict=True):
        stride = jump + moved
        moved += stride * (count - 1)
        place = (np.arange(count)[:, None] * stride + place[None]).reshape(-1)
    return place + p.START


def sliced(unit: Instance, x: Codes) -> tuple[Codes]:
    """gw_slice."""
    p = unit.p
    tensors = x.reshape(-1, p.N0 * p.N1 * p.N2, x.shape[1])
    return (tensors[:, unit.unit.needs(p)].reshape(-1, x.shape[1]),)


def padded(unit: Instance, x: Codes) -> tuple[Codes]:
    """gw_pad."""
    p = unit.p
    tensors = x.reshape(-1, p.N2, p.N1, p.N0, x.shape[1])
    borders = [(getattr(p, f"BEFORE{k}"), getattr(p, f"AFTER{k}")) for k in (2, 1, 0)]
    wide = np.pad(tensors, [(0, 0), *borders, (0, 0)], constant_values=p.PAD_CODE)
    return (wide.reshape(-1, x.shape[1]),)


def joined(unit: Instance, *parts: Codes) -> tuple[Codes]:
    """gw_concat."""
    p, lanes = unit.p, parts[0].shape[1]
    turns = [x.reshape(-1, getattr(p, f"B{k}"), lanes) for k, x in enumerate(parts)]
    return (np.concatenate(turns, axis=1).reshape(-1, lanes),)


def windows(unit: Instance, x: Codes) -> tuple[Codes]:
    """gw_sliding_window."""
    p = unit.p
    frames = x.reshape(-1, p.H, p.W, p.C // p.SIMD, p.SIMD)
    frames = np.pad(frames, [(0, 0), (p.PT, p.PB), (p.PL, p.PR), (0, 0), (0, 0)], constant_values=p.PAD_CODE)
    found = _windows(frames, window_size(p), p)
    return (found.reshape(-1, p.SIMD),)


def whole_windows(unit: Instance, x: Codes) -> tuple[Codes]:
    """gw_whole_window."""
    p = unit.p
    frames = x.reshape(-1, p.H, p.W, 1, x.shape[1])
    return (_windows(frames, whole_size(p), p).reshape(-1, unit.output.lanes),)


def _windows(frames: np.ndarray, size: tuple[int, int], p: SimpleNamespace) -> np.ndarray:
    """(N, OH, OW, KH, KW, chunks, lanes) of frames (N, H, W, chunks, lanes)."""
    rows = np.arange(size[0])[:, None] * p.SH + np.arange(p.KH) * p.DH
    cols = np.arange(size[1])[:, None] * p.SW + np.arange(p.KW) * p.DW
    return frames[:, rows[:, None, :, None], cols[None, :, None, :]]
