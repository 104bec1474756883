"""Adder layers on ARM cores equal the reference: every way that distances add up, at every extreme."""

from functools import partial

import numpy as np
import pytest

import arm_bench
from arm_bench import Batch, Case
from gatewright.compiler.ir.graph import Const, Graph, Node, input_of
from gatewright.compiler.ir.ops import Add, AdderConv2d, AdderMatMul, Threshold
from gatewright.compiler.neon.isa import CORES
from gatewright.compiler.neon.lower import lower
from gatewright.compiler.neon.rules.adder_plan import Bounds, Plan, best_plan, count_passes, spans
from gatewright.compiler.neon.rules.shapes import Shape
from gatewright.compiler.neon.tuning import Tuning
from gatewright.sim.qemu import by_function

# bits, (height, width, channels), kernel, outputs, strides: runs with tails of 0, 3, 8, 9 and 11 bytes,
# gathered and in place, written out and in loops, one pass and several
CONVOLUTIONS = [
    (8, (6, 9, 16), 1, 8, (2, 2)),
    (8, (5, 6, 3), 3, 5, (1, 1)),
    (8, (7, 7, 35), 3, 12, (1, 1)),
    (8, (6, 5, 8), 3, 13, (2, 1)),
    (8, (6, 6, 64), 3, 4, (1, 1)),
    (7, (5, 5, 32), 3, 8, (1, 1)),
    (7, (5, 5, 25), 3, 4, (1, 1)),
    (6, (5, 7, 41), 3, 8, (1, 1)),
    (4, (5, 5, 96), 3, 16, (1, 1)),
    (4, (4, 5, 99), 3, 7, (1, 2)),
    (2, (5, 5, 17), 3, 4, (1, 1)),
    (10, (5, 5, 13), 3, 8, (1, 1)),
    (16, (5, 5, 13), 3, 5, (1, 1)),
    (12, (4, 4, 40), 3, 4, (1, 1)),
]
# bits, inputs, outputs: sums of bytes that leave 16 bits, and narrow ones in several passes of one run
MATRICES = [
    (8, 2600, 5), (8, 500, 40), (8, 7, 3), (4, 700, 20), (6, 333, 9), (16, 300, 8), (1, 64, 4), (7, 4600, 4),
]  # fmt: skip


def _frames(rng, type_) -> np.ndarray:
    """Random frames, both extremes everywhere, and extremes side by side."""
    lo, hi = type_.dtype.lo, type_.dtype.hi
    frames = rng.integers(lo, hi + 1, (4, *type_.shape))
    frames[1], frames[2] = lo, hi
    frames[3] = np.where(rng.random(type_.shape) < 0.5, lo, hi)
    return frames


def _range(bits: int, number: int) -> tuple[int, int]:
    """Codes with a sign, or without; a few are stored with an offset."""
    return (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if number % 3 == 0 else (0, 2**bits - 1)


def _weights(rng, shape, lo: int, hi: int, number: int) -> Const:
    """Within x's range; at its ends, for the largest sums; beyond it on both sides."""
    if number % 3 == 0:
        return Const(rng.integers(lo, hi + 1, shape))
    if number % 3 == 1:
        return Const(np.where(rng.random(shape) < 0.97, *((lo, hi) if number % 2 else (hi, lo))))
    return Const(rng.integers(2 * lo - 50, 2 * hi + 50, shape))


def _quantized(rng, x, node, plain: bool) -> Case:
    """The layer alone, or requantized and with what it had read added."""
    lo, m = node.type.dtype.lo, node.type.shape[-1]
    steps = np.arange(1, 256)[None, :] * rng.integers(-lo // 400 + 1, -lo // 150 + 2, (m, 1))
    out = node if plain else Node(Threshold(-128), (node, Const(steps + lo)))
    if node.type.shape == x.type.shape:
        out = Add()(out, x)
    return Case(Graph((x,), (out,)), (_frames(rng, x.type),))


def _cases(rng) -> list[Case]:
    cases = []
    for number, (bits, size, kernel, m, strides) in enumerate(CONVOLUTIONS):
        lo, hi = _range(bits, number)
        x = input_of("x", size, lo, hi)
        pads = (kernel // 2, kernel // 2, kernel // 2, 0) if number % 5 else (0, 0, 0, 0)
        w = _weights(rng, (kernel, kernel, size[2], m), lo, hi, number)
        bias = (Const(rng.integers(-999, 1000, m)),) if number % 2 else ()
        dilations = (2, 1) if number == 3 else (1, 1)
        node = Node(AdderConv2d(strides, pads, dilations), (x, w, *bias))
        cases.append(_quantized(rng, x, node, number % 4 == 3))
    for number, (bits, k, m) in enumerate(MATRICES):
        lo, hi = _range(bits, number)
        x = input_of("x", (3, k) if number % 2 else (k,), lo, hi)
        node = Node(AdderMatMul(), (x, _weights(rng, (k, m), lo, hi, number)))
        cases.append(_quantized(rng, x, node, number == 0))
    x = input_of("x", (9, 4, 20), -128, 127)
    cases.append(_quantized(rng, x, AdderMatMul()(x, _weights(rng, (20, 20), -128, 127, 0)), False))
    return [*cases, _read_twice(rng)]


def _read_twice(rng) -> Case:
    """A dense layer on what a padded one wants a border around."""
    x = input_of("x", (5, 6, 9), -300, 299)
    codes = Threshold(0)(x, Const(np.arange(-298, 298, 40)[None]))
    conv = AdderConv2d(pads=(2, 1, 1, 2))(codes, _weights(rng, (3, 3, 9, 8), 0, 15, 0))
    dense = AdderMatMul()(codes, _weights(rng, (9, 12), 0, 15, 0))
    return Case(Graph((x,), (dense, conv)), (_frames(rng, x.type),))


@pytest.mark.parametrize("core", CORES)
def test_distances_equal_the_reference(core, tmp_path):
    """Widths, strides, borders, tails, weights in range and beyond; fused or alone; none by scalars."""
    batch = Batch(_cases(np.random.default_rng(41)), core, tmp_path)
    assert batch.differences() == {}
    kinds = [{name.split("_")[1] for name in program.functions} for program in batch.programs]
    assert all("adder" in names for names in kinds)
    assert not any("plain" in name for program in batch.programs for name in program.functions)


@pytest.mark.parametrize("core", ["cortex-a9", "cortex-a76"])
def test_any_width_and_shape(core, tmp_path):
    """What needs more than 16 bits, or has taps apart: scalars, padding with its |w| included."""
    rng, cases = np.random.default_rng(42), []
    for lo, hi in ((-(2**33), 2**33 - 1), (-100, -100), (-(2**20), 2**20), (0, 255)):
        x = input_of("x", (5, 6, 3), lo, hi)
        w = Const(rng.integers(-(2**34) if hi > 2**30 else -300, 301, (3, 2, 3, 5)))
        bias = Const(np.abs(w.value).sum((0, 1, 2)) + 1200)
        node = Node(AdderConv2d((1, 2), (1, 2, 0, 1), (1, 2)), (x, w, bias))
        cases.append(Case(Graph((x,), (node,)), (_frames(rng, x.type),)))
        y = input_of("y", (4, 9), lo - 2**20, hi)
        node = AdderMatMul()(y, Const(rng.integers(-(2**20), 2**20, (9, 5))))
        cases.append(Case(Graph((y,), (node,)), (_frames(rng, y.type),)))
    batch = Batch(cases, core, tmp_path)
    assert batch.differences() == {}
    assert all(any("adder_plain" in name for name in program.functions) for program in batch.programs)


def _plan(core: str, largest: int, runs: int, blocks: int, bits: int = 8, wraps: bool = False) -> Plan:
    """For 64 channels and rows of 8 pixels, every distance up to ``largest``."""
    lanes = 128 // bits
    shape = Shape(8, 8, 0, 64, runs, 640, blocks * lanes, 64)
    bounds = Bounds(np.full((runs, blocks, lanes, 64), largest), 2**bits - 1)
    return best_plan(CORES[core], shape, bounds, bits, wraps)


@pytest.mark.parametrize(
    ("core", "largest", "chain"),
    [
        ("cortex-a72", 255, -1), ("cortex-a72", 127, 2), ("cortex-a72", 63, 3), ("cortex-a72", 15, 0),
        ("cortex-a76", 255, 1), ("cortex-a76", 127, 2), ("cortex-a76", 15, 0),
        ("cortex-a9", 255, -1), ("cortex-a9", 127, -1), ("cortex-a9", 15, 0),
    ],
)  # fmt: skip
def test_lanes_are_as_narrow_as_distances_allow(core, largest, chain):
    """SABAL (-1), UDOT (1), UADALP of two or three (2, 3), SABA alone (0)."""
    assert _plan(core, largest, 3, 12).chain == chain


def test_passes_hold_what_their_lanes_do():
    """Three rows of 12 vectors: 17 distances of 15 fit a byte, so each row is a pass; two of 255 a lane of 16
    bits 128 times, so 200 vectors are two passes, and one where the results need no more than 16 bits."""
    narrow = _plan("cortex-a72", 15, 3, 12)
    assert (narrow.runs, narrow.blocks, count_passes(narrow, 3, 12)) == (1, 12, 3)
    assert (_plan("cortex-a72", 7, 3, 12).runs, _plan("cortex-a72", 10, 3, 12).runs) == (3, 2)
    assert _plan("cortex-a72", 15, 1, 40).blocks == 14
    assert _plan("cortex-a72", 255, 1, 200).blocks == 100
    assert _plan("cortex-a72", 255, 1, 200, wraps=True).blocks == 200
    assert _plan("cortex-a72", 2**16 - 1, 3, 50, bits=16).blocks == 50
    assert _plan("cortex-a76", 255, 1, 200).blocks == 200
    assert (_plan("cortex-a76", 127, 1, 300).chain, _plan("cortex-a76", 127, 1, 300).blocks) == (2, 150)
    assert list(spans(40, 14)) == [(0, 2, 14), (28, 1, 12)]
    assert list(spans(3, 3)) == [(0, 1, 3)]


@pytest.mark.parametrize("core", ["cortex-a9", "cortex-a72", "cortex-a76"])
def test_ways_equal_the_reference(core, tmp_path, monkeypatch):
    """Every way that tuning may take; three vectors of 6 bits add up in each."""
    rng = np.random.default_rng(44)
    x = input_of("x", (3, 5, 16), 0, 63)
    node = Node(AdderConv2d(pads=(1, 1, 1, 1)), (x, _weights(rng, (3, 3, 16, 12), 0, 63, 1)))
    case = _quantized(rng, x, node, False)
    (layer,) = Tuning(case.graph, CORES[core]).layers()
    assert len(layer.ways) == (16 if core == "cortex-a9" else 32)
    given = iter(layer.ways)
    lowered = partial(lower, core=CORES[core])
    monkeypatch.setattr(
        arm_bench, "lower", lambda graph, core: lowered(graph, ways={id(layer.output): next(given)})
    )
    batch = Batch([case] * len(layer.ways), core, tmp_path)
    assert len({frozenset(p.functions.values()) for p in batch.programs}) > len(layer.ways) // 2
    assert batch.differences() == {}


def test_chains_hold_wherever_they_begin():
    """One large distance in every third vector, of which a chain of three has one and of four two."""
    far = np.full((2, 6, 16, 4), 1)
    far[:, ::3] = 200
    assert [Bounds(far, 255).chain_fits(n) for n in (2, 3, 4, 5)] == [True, True, False, False]
    far[1] = 200
    assert not Bounds(far, 255).chain_fits(2)


def test_a_layer_takes_few_instructions(tmp_path):
    """3x3x64 to 64 channels: 0.158 instructions a tap, of which 0.125 are SABAL; 0.108 with 4 bits."""
    rng, cases = np.random.default_rng(43), []
    for lo, hi in ((-128, 127), (0, 15)):
        x = input_of("x", (8, 8, 64), lo, hi)
        w = Const(rng.integers(lo, hi + 1, (3, 3, 64, 64)))
        cases.append(_quantized(rng, x, Node(AdderConv2d(pads=(1, 1, 1, 1)), (x, w)), False))
    batch = Batch(cases, "cortex-a72", tmp_path)
    taps = [case.graph.nodes()[0].op.work(*case.graph.nodes()[0].inputs).adds // 2 for case in cases]
    assert [sum(call.macs for call in p.calls) for p in batch.programs] == taps
    counts = by_function(tmp_path / "all", batch.run(blocks=True, frames=2))
    taken = [sum(n for k, n in counts.items() if k.startswith(f"g{i}_") and "_adder_" in k) for i in (0, 1)]
    assert 0 < taken[0] / 2 < 0.165 * taps[0]
    assert 0 < taken[1] / 2 < 0.115 * taps[1]
