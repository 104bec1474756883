"""How far a quantizer reaches: the largest value, a percentile, the least squared or information loss.

All rules but the first work on a histogram of magnitudes |x| over [0, largest].
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

BINS = 4096
# Of the magnitudes that stay unclipped.
PERCENTILE = 0.9999
_CLIPS = 200
# Information loss is measured with so many bins, and at least so many of them are kept.
_KL_BINS = 2048
_FLOOR = 1e-12


@dataclass
class Observed:
    """What calibration data showed at one place.

    Attributes:
        low, high: the least and the greatest value.
        histogram: counts of |x| in BINS equal bins over [0, largest], float64.
    """

    low: float
    high: float
    histogram: np.ndarray

    @property
    def largest(self) -> float:
        """The largest magnitude; at least so much that a scale is above 0."""
        return max(abs(self.low), abs(self.high), _FLOOR)

    @property
    def signed(self) -> bool:
        """Whether there were values below 0."""
        return self.low < 0


def levels(bits: int, signed: bool) -> int:
    """Steps from 0 to the end of the range."""
    return 2 ** (bits - 1) - 1 if signed else 2**bits - 1


def minmax_range(seen: Observed, bits: int) -> float:
    """The largest magnitude itself."""
    return seen.largest


def percentile_range(seen: Observed, bits: int) -> float:
    """The upper edge of the bin up to which PERCENTILE of all magnitudes lie."""
    total = np.cumsum(seen.histogram)
    i = int(np.searchsorted(total, PERCENTILE * total[-1]))
    return seen.largest * (min(i, BINS - 1) + 1) / BINS


def mse_range(seen: Observed, bits: int) -> float:
    """The range R of least ``sum count * (x - Q(x))**2`` over the bins' centres x, R of 200 equal steps."""
    centres = (np.arange(BINS) + 0.5) / BINS
    count = levels(bits, seen.signed)
    steps = np.arange(1, _CLIPS + 1)[:, None] / _CLIPS / count
    codes = np.minimum(np.rint(centres / steps), count)
    errors = ((codes * steps - centres) ** 2 * seen.histogram).sum(1)
    return seen.largest * (int(errors.argmin()) + 1) / _CLIPS


def kl_range(seen: Observed, bits: int) -> float:
    """The range of least information loss KL(P || Q) between clipped and quantized histograms.

    P is the first i bins, what lies beyond added to the last of them; Q spreads each of the quantizer's
    levels evenly over the bins of it that are not empty (TensorRT, GTC 2017, "8-bit inference").
    """
    counts = seen.histogram.reshape(_KL_BINS, -1).sum(1)
    # Zeros of a ReLU are exact at every range, and would drown the rest.
    counts[0] = counts[1]
    groups = levels(bits, seen.signed) + 1
    best, least = _KL_BINS, np.inf
    step = max(groups // 2, _KL_BINS // 128)
    for i in range(max(groups, step), _KL_BINS + 1, step):
        loss = divergence(counts, i, groups)
        if loss < least:
            best, least = i, loss
    return seen.largest * best / _KL_BINS


def divergence(counts: np.ndarray, kept: int, groups: int) -> float:
    """KL(P || Q) of a histogram clipped to ``kept`` bins against itself in ``groups`` equal groups."""
    p = counts[:kept].astype(np.float64)
    p[-1] += counts[kept:].sum()
    group = np.arange(kept) * groups // kept
    filled = counts[:kept] > 0
    sums = np.bincount(group, weights=counts[:kept], minlength=groups)
    shares = np.bincount(group[filled], minlength=groups)
    q = np.where(filled, sums[group] / np.maximum(shares[group], 1), 0.0)
    if not q.sum() or not p.sum():
        return np.inf
    p, q = p / p.sum(), q / q.sum()
    # A bin that holds only what was clipped has no share in Q; a little keeps its loss finite.
    q = np.maximum(q, _FLOOR)
    used = p > 0
    return float((p[used] * np.log(p[used] / q[used])).sum())


RANGES = {"minmax": minmax_range, "percentile": percentile_range, "mse": mse_range, "kl": kl_range}
