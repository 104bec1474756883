"""The designs that estimates are fitted to, and those kept back to tell their error: all seeded."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from gatewright.compiler.ir.graph import Const, Graph, Value, input_of
from gatewright.compiler.ir.ops import AdderConv2d, AdderMatMul, Conv2d, MatMul, MaxPool, Reshape, Threshold
from gatewright.hw.build import assemble
from gatewright.hw.design import Design
from gatewright.hw.layers import layers
from gatewright.hw.lower import FPGA

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))
from random_dags import quick_folds, random_dag
from random_nets import random_folds, random_net

# Products at once of a layer of a wide network: fewer are quick to synthesize, as many are common.
_PRODUCTS = (6, 32)
_WIDTHS = (6, 8, 12, 16, 24, 32)
_EACH = 16  # designs of a kind in the fit; half as many are kept back


@dataclass(frozen=True)
class Case:
    """A design by its kind and seed; ``held`` is kept from the fit."""

    kind: str
    seed: int
    held: bool

    @property
    def name(self) -> str:
        """What files call it."""
        return f"{self.kind} {self.seed}"

    def build(self) -> Design:
        """The design, the same whenever it is built by the same rules."""
        graph, folds = _KINDS[self.kind](self.seed)
        chain = layers(graph)
        return assemble("net", chain, folds(chain))


def cases() -> Iterator[Case]:
    """All designs, those for the fit and those kept back in turn, so that any first part has both."""
    for n in range(_EACH):
        for kind in _KINDS:
            yield Case(kind, 3000 + n, False)
            if n % 2 == 0:
                yield Case(kind, 4000 + n // 2, True)


def _net(seed: int):
    return random_net(seed), partial(random_folds, seed)


def _dag(seed: int):
    return random_dag(seed), partial(quick_folds, seed)


def _wide(seed: int):
    return wide_net(seed), partial(wide_folds, seed)


_KINDS = {"net": _net, "dag": _dag, "wide": _wide}


def wide_net(seed: int) -> Graph:
    """Two or three layers of 6 to 32 channels, products or distances, each with thresholds behind it."""
    rng = np.random.default_rng(seed)
    bits, signed = int(rng.choice([1, 2, 4, 8])), bool(rng.random() < 0.5)
    low = -(1 << bits - 1) if signed and bits > 1 else 0
    width = int(rng.choice(_WIDTHS))
    if rng.random() < 0.6:
        side = int(rng.integers(5, 12))
        x = input_of("x", (side, side, int(rng.choice([1, 3, 4, 8]))), low, low + (1 << bits) - 1, 1)
        value = _layer(rng, x, int(rng.choice(_WIDTHS[:4])))
        if rng.random() < 0.5:
            value = MaxPool((2, 2), (2, 2), (0, 0, 0, 0))(value, name="pool")
        value = _layer(rng, value, int(rng.choice(_WIDTHS[:4])))
        value = Reshape((value.type.size,))(value)
    else:
        x = input_of("x", (width,), low, low + (1 << bits) - 1, 1)
        value = _layer(rng, x, int(rng.choice(_WIDTHS)))
    value = _layer(rng, value, int(rng.choice([4, 10, 16])))
    return Graph((x,), (value,), f"wide {seed}")


def _layer(rng, x: Value, m: int) -> Value:
    """Products or distances with random weights, and thresholds to 1 to 6 bits."""
    image, distances = len(x.type.shape) == 3, rng.random() < 0.25
    bits = int(rng.choice([1, 2, 3, 4, 8]))
    if bits == 1 and not distances:
        draw = partial(rng.choice, [-1, 1])
    else:
        bits = max(bits, 2)
        draw = partial(rng.integers, -(1 << bits - 1), 1 << bits - 1)
    if image:
        k = min(int(rng.choice([1, 3])), *x.type.shape[:2])
        op = AdderConv2d((1, 1)) if distances else Conv2d((1, 1))
        value = op(x, Const(draw((k, k, x.type.shape[-1], m))))
    else:
        value = (AdderMatMul() if distances else MatMul())(x, Const(draw((x.type.shape[-1], m))))
    count = (1 << int(rng.choice([1, 1, 2, 3, 4]))) - 1
    t = value.type.dtype
    middle, spread = (t.lo + t.hi) // 2, max((t.hi - t.lo) // 6, 2)
    found = np.sort(middle + rng.integers(-spread, spread + 1, (m, count)), axis=1)
    return Threshold(0, 1)(value, Const(found))


def wide_folds(seed: int, chain) -> list:
    """One folding per layer: of those that make 8 to 160 products at once one, else one of few lanes."""
    rng = np.random.default_rng(seed)
    picks = []
    for layer in chain:
        options = list(FPGA.rule(layer.node).folds(layer))
        low, high = _PRODUCTS
        some = [f for f in options if low <= f.pe * f.simd <= high] or sorted(
            options, key=lambda f: f.pe * f.simd
        )[:4]
        picks.append(some[int(rng.integers(len(some)))])
    return picks
