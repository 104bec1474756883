"""Fits the delays of the kinds of slowest paths to the rates of routed designs."""

from collections.abc import Mapping, Sequence

import numpy as np

from gatewright.hw.estimates.fmax import Slow, period

# Where the search begins, ns: from the data sheets' delays of blocks, and halves of it are its first steps.
_FIRST = {
    "logic": 4.5, "block": 6.2, "compared_block": 8.0, "multiplier": 6.5,
    "paired_multiplier": 6.7, "carry": 0.04, "doubling": 0.5,
}  # fmt: skip
_STEPS = 60
# A little is paid for leaving the first guess, so that what no design tells stays there.
_PRIOR = 0.02


def delays(slowed: Sequence[Slow], mhz: Sequence[float]) -> dict[str, float]:
    """The delays, in ns, with the least mean of |log(period / period found)|; by a search along the axes."""
    found = np.log(1000 / np.array(mhz))
    best = dict(_FIRST)

    def cost(ns: Mapping[str, float]) -> float:
        if min(ns.values()) < 0:
            return np.inf
        told = np.log([period(s, ns) for s in slowed])
        away = sum(abs(np.log((ns[k] + 0.01) / (_FIRST[k] + 0.01))) for k in ns)
        return float(
            np.abs(told - found).mean() + 0.2 * ((told - found) ** 2).mean() + _PRIOR * away / len(ns)
        )

    steps = {name: value / 2 for name, value in best.items()}
    for _ in range(_STEPS):
        for name, step in steps.items():
            tries = [best, *({**best, name: best[name] + s} for s in (step, -step))]
            costs = [cost(t) for t in tries]
            at = int(np.argmin(costs))
            best = tries[at]
            steps[name] = step * (0.7 if at == 0 else 1.2)
    return {name: round(value, 4) for name, value in best.items()}


def band(slowed: Sequence[Slow], mhz: Sequence[float], ns: Mapping[str, float]) -> dict[str, float]:
    """The logarithms of period found / period told between which 80 % of designs lie."""
    off = np.log(1000 / np.array(mhz)) - np.log([period(s, ns) for s in slowed])
    fast, slow = np.percentile(off, (10, 90))
    return {"slow": round(float(slow), 4), "fast": round(float(fast), 4)}
