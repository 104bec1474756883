"""Rules of the new units: what a node becomes computes what the node computes, at several foldings."""

import re
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gatewright.compiler.ir.graph import Const, Node, input_of
from gatewright.compiler.ir.ops import (
    Concat,
    Conv2d,
    DepthToSpace,
    Lookup,
    Pad,
    ReduceSum,
    Slice,
    SpaceToDepth,
    SumPool,
    Threshold,
    Transpose,
    Upsample,
)
from gatewright.compiler.ir.types import Int
from gatewright.errors import LoweringError
from gatewright.hw import library
from gatewright.hw.design import Design, chained
from gatewright.hw.rules import grouped, lookup, movement, requantize, sums
from gatewright.hw.rules.rule import Fold, Layer, Rule, computed
from gatewright.hw.verilog import memory_files, top_level
from gatewright.sim.rtl import Simulation, compile_rtl

FRAMES = 6


def layer_of(node: Node, rule: Rule) -> Layer:
    """The node as a layer of its own."""
    own = node.type.dtype
    y = Int(own.lo, own.hi) if rule.sums else own
    operands = computed(node, lambda value: False)
    same = y if rule.keeps_codes else None
    return Layer(node, "layer", tuple(replace(o, type=same or o.type) for o in operands), y)


def check(node: Node, rule: Rule, fold: Fold, seed: int = 0) -> None:
    """Random frames through the units of one folding, with gaps and stalls, against the node."""
    layer = layer_of(node, rule)
    units = rule.lower(layer, fold)
    design = Design("rule", units, chained(len(units)))
    random = np.random.default_rng([seed, fold.pe, fold.simd])
    x = node.inputs[0].type
    frames = x.dtype.lo + x.dtype.step * random.integers(0, x.dtype.levels, (FRAMES, *x.shape))
    constants = [v.value for v in node.inputs[1:]]
    wanted = node.op.evaluate(frames, *constants)
    simulation = compiled(design)
    expected = design.output.pack(wanted)
    words = design.input.pack(frames)
    assert (len(words), len(expected)) == (FRAMES * design.input.beats, FRAMES * design.output.beats)
    for gap, stall in ((0.0, 0.0), (0.3, 0.3)):
        assert simulation.run(words, len(expected), gap=gap, stall=stall, seed=seed).words == expected


def compiled(design: Design) -> Simulation:
    """The design in Icarus; what it reads goes when it is compiled."""
    text = top_level(design, "top")
    with tempfile.TemporaryDirectory(prefix="gatewright_rule_") as folder:
        top = Path(folder) / "top.v"
        top.write_text(text)
        files = [top, *library.closure([text]).values()]
        return compile_rtl(
            "top", files, {}, design.input.bits, design.output.bits, memories=memory_files(design)
        )


def chosen(rule: Rule, layer: Layer, most: int) -> list[Fold]:
    """Some of the foldings, from the first to the last."""
    folds = list(rule.folds(layer))
    return [folds[i] for i in sorted({round(i) for i in np.linspace(0, len(folds) - 1, most)})]


def convolution(shape, kernel, groups, outputs, w: Int, x: Int, bias=True, **attributes) -> Node:
    random = np.random.default_rng([*shape, groups])
    weights = w.lo + w.step * random.integers(0, w.levels, (*kernel, shape[2] // groups, outputs))
    consts = [Const(weights)] + [Const(random.integers(-50, 50, outputs))] * bias
    return Conv2d(groups=groups, **attributes)(input_of("x", shape, x.lo, x.hi, x.step), *consts, name="conv")


BIPOLAR, NIBBLE = Int(-1, 1, 2), Int(0, 15)
CONVOLUTIONS = {
    "depthwise": convolution((5, 6, 4), (3, 3), 4, 4, Int(-8, 7), Int(0, 15), pads=(1, 1, 1, 1)),
    "depthwise_stride": convolution(
        (6, 6, 6), (3, 3), 6, 6, BIPOLAR, Int(-8, 7), False, strides=(2, 2), pads=(0, 0, 1, 1)
    ),
    "multiplier": convolution((4, 4, 3), (2, 3), 3, 6, Int(-8, 7), Int(-8, 7), dilations=(2, 1)),
    "bipolar": convolution((4, 4, 4), (2, 2), 4, 8, BIPOLAR, BIPOLAR, False),
    "groups": convolution((5, 4, 8), (3, 3), 2, 6, Int(-8, 7), Int(0, 15), pads=(1, 1, 1, 1)),
    "groups_1x1": convolution((3, 3, 12), (1, 1), 3, 6, Int(-8, 7), Int(0, 15)),
    "groups_bipolar": convolution((3, 4, 8), (2, 2), 4, 8, BIPOLAR, Int(-4, 3), False),
    "dense": convolution((3, 4, 4), (2, 2), 1, 4, Int(-8, 7), Int(0, 15)),
}


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_convolutions(name):
    node = CONVOLUTIONS[name]
    for fold in chosen(grouped.CONV2D, layer_of(node, grouped.CONV2D), 2):
        check(node, grouped.CONV2D, fold)


def image(h: int, w: int, c: int, x: Int = NIBBLE) -> Node:
    return input_of("x", (h, w, c), x.lo, x.hi, x.step)


SUMS = {
    "sumpool": (SumPool((2, 2), (2, 2))(image(4, 6, 4)), sums.SUMPOOL),
    "sumpool_padded": (
        SumPool((3, 3), (1, 1), (1, 1, 1, 1))(image(4, 3, 2, Int(-8, 7))), sums.SUMPOOL
    ),
    "sumpool_bipolar": (SumPool((2, 3))(image(3, 4, 4, BIPOLAR)), sums.SUMPOOL),
    "global": (ReduceSum((0, 1))(image(3, 5, 4, Int(-8, 7))), sums.REDUCE_SUM),
    "global_bipolar": (ReduceSum((0, 1))(image(3, 3, 6, BIPOLAR)), sums.REDUCE_SUM),
    "columns": (ReduceSum((1,))(image(3, 5, 4)), sums.REDUCE_SUM),
    "channels": (ReduceSum((2,))(image(3, 2, 6)), sums.REDUCE_SUM),
    "all": (ReduceSum((0, 1, 2))(image(1, 3, 4)), sums.REDUCE_SUM),
    "nothing": (ReduceSum((0,))(image(1, 3, 4)), sums.REDUCE_SUM),
}  # fmt: skip


@pytest.mark.parametrize("name", SUMS)
def test_sums(name):
    node, rule = SUMS[name]
    for fold in chosen(rule, layer_of(node, rule), 2):
        check(node, rule, fold)


def test_sums_over_axes_apart_are_refused():
    layer = layer_of(ReduceSum((0, 2))(image(3, 2, 6), name="r"), sums.REDUCE_SUM)
    message = (
        r"^fpga: reduce_sum must be over neighbouring axes, not \(0, 2\) of \(3, 2, 6\) \(node 'r'\)\. "
        r"Transpose the tensor before it\.$"
    )
    with pytest.raises(LoweringError, match=message):
        list(sums.REDUCE_SUM.folds(layer))


def table(rows: int, length: int, lo: int, hi: int) -> Const:
    shape = (rows, length) if rows else (length,)
    return Const(np.random.default_rng(rows).integers(lo, hi + 1, shape))


LOOKUPS = {
    "shared": Lookup(-8)(image(2, 3, 4, Int(-8, 7)), table(0, 16, -99, 99)),
    "channels": Lookup(-10)(image(2, 3, 6, Int(-8, 5)), table(6, 20, 0, 9)),
    "bipolar": Lookup(-1)(image(2, 3, 4, BIPOLAR), table(4, 3, -3, 3)),
}


@pytest.mark.parametrize("name", LOOKUPS)
def test_lookups(name):
    for fold in chosen(lookup.LOOKUPS, layer_of(LOOKUPS[name], lookup.LOOKUPS), 3):
        check(LOOKUPS[name], lookup.LOOKUPS, fold)


MOVERS = {
    "transpose": (Transpose((1, 0, 2))(image(3, 4, 6)), movement.REORDER),
    "transpose_last": (Transpose((2, 0, 1))(image(3, 4, 6)), movement.REORDER),
    "upsample": (Upsample((2, 3))(image(3, 2, 4)), movement.REORDER),
    "depth_to_space": (DepthToSpace(2)(image(2, 3, 8)), movement.REORDER),
    "depth_to_space_crd": (DepthToSpace(2, 1)(image(2, 3, 8)), movement.REORDER),
    "space_to_depth": (SpaceToDepth(2)(image(4, 6, 3)), movement.REORDER),
    "slice": (Slice((1, 0, 2), (4, 6, 6), (1, 2, 1))(image(5, 6, 8)), movement.SLICES),
    "slice_channels": (Slice((0, 0, 4), (3, 2, 8), (1, 1, 1))(image(3, 2, 12)), movement.SLICES),
    "slice_4d": (Slice((1, 0, 0, 2), (3, 2, 3, 5), (1, 1, 1, 2))(
        input_of("x", (3, 2, 3, 6), 0, 9)), movement.SLICES),
    "slice_step_over_one": (Slice((0, 0, 0), (5, 1, 4), (2, 1, 1))(image(5, 1, 4)), movement.SLICES),
    "pad": (Pad((1, 2, 0, 0, 1, 0), -3)(image(2, 3, 4)), movement.PADS),
    "pad_channels": (Pad((0, 1, 4, 0, 0, 8))(image(2, 3, 4)), movement.PADS),
    "pad_bipolar": (Pad((1, 1, 0, 1, 1, 0), -1)(image(2, 3, 2, BIPOLAR)), movement.PADS),
}  # fmt: skip


@pytest.mark.parametrize("name", MOVERS)
def test_movers(name):
    node, rule = MOVERS[name]
    for fold in chosen(rule, layer_of(node, rule), 2):
        check(node, rule, fold)


def test_an_order_that_stays_takes_nothing():
    node = Transpose((1, 0, 2))(image(1, 4, 6))
    layer = layer_of(node, movement.REORDER)
    assert all(movement.REORDER.lower(layer, fold) == () for fold in movement.REORDER.folds(layer))


def test_slice_of_too_many_axes_is_refused():
    node = Slice((1,) * 4, (3,) * 4, (1,) * 4)(input_of("x", (4, 4, 4, 4), 0, 9), name="s")
    message = r"^fpga: slice must change at most 3 axes, not 4 \(node 's'\)\. Write it as several\.$"
    with pytest.raises(LoweringError, match=message):
        movement.SLICES.lower(layer_of(node, movement.SLICES), Fold(1, 1))


def test_concat_takes_turns_by_the_channels():
    a, b = input_of("a", (3, 2, 4), 0, 9), input_of("b", (3, 2, 6), -3, 3)
    layer = layer_of(Concat(2)(a, b), movement.CONCATS)
    assert [fold.pe for fold in movement.CONCATS.folds(layer)] == [1, 2]
    (unit,) = movement.CONCATS.lower(layer, Fold(2, 2))
    assert (unit.params["N"], unit.params["B0"], unit.params["B1"], unit.repeats) == (2, 2, 3, 6)
    assert unit.params["BITS"] == 2 * 5
    assert [s.beats for s in unit.inputs] == [12, 18]
    assert (unit.output.beats, unit.interval) == (30, 30)


def test_concat_of_a_constant_is_refused():
    node = Concat(2)(image(2, 2, 2), Const(np.zeros((2, 2, 2), int)), name="c")
    message = "fpga: concat must join 2 to 8 computed tensors, not 2 of which 1 are constants (node 'c'). "
    message = "^" + re.escape(message + "Join them in several steps.") + "$"
    with pytest.raises(LoweringError, match=message):
        list(movement.CONCATS.folds(layer_of(node, movement.CONCATS)))


def thresholds(channels: int, rows: int, count: int, x: Int, line: bool, **attributes) -> Node:
    random = np.random.default_rng([channels, count])
    reach = x.hi - x.lo
    if line:
        start, slope = random.uniform(x.lo, x.lo + reach / 4, (rows, 1)), random.uniform(1, 1.5, (rows, 1))
        t = np.ceil(start + slope * reach / 2 / count * np.arange(count)).astype(int)
    else:
        t = np.sort(random.integers(x.lo, x.hi + 1, (rows, count)), axis=1)
    return Threshold(**attributes)(image(2, 3, channels, x), Const(t), name="th")


WIDE = Int(-(2**15), 2**15 - 1)
THRESHOLDS = {
    "line": (thresholds(6, 6, 15, WIDE, True, bias=-8), {True, False}),
    "shared": (thresholds(4, 1, 200, WIDE, True), {True, False}),
    "many": (thresholds(4, 4, 700, WIDE, True, bias=-350), {True}),
    "crooked": (thresholds(4, 4, 7, WIDE, False), {False}),
    "step": (thresholds(4, 4, 1, WIDE, True, bias=-1, step=2), {True, False}),
    "bipolar": (thresholds(4, 4, 1, BIPOLAR, False), {True, False}),
}


@pytest.mark.parametrize("name", THRESHOLDS)
def test_thresholds(name):
    """Tables and products give the same; a product where there is a line, a table up to 255 steps."""
    node, kinds = THRESHOLDS[name]
    layer = layer_of(node, requantize.THRESHOLDS)
    folds = list(requantize.THRESHOLDS.folds(layer))
    assert {isinstance(f, requantize.RequantizeFold) for f in folds} == kinds
    for kind in kinds:
        some = [f for f in folds if isinstance(f, requantize.RequantizeFold) == kind]
        for fold in (some[0], some[-1]):
            check(node, requantize.THRESHOLDS, fold)


def test_a_product_costs_less_than_a_table_of_255_steps():
    """64 channels of 8 bits, 16-bit sums: the reason why there is such a unit."""
    node = thresholds(64, 64, 255, WIDE, True)
    layer = layer_of(node, requantize.THRESHOLDS)
    product, luts, table_ = (
        requantize.THRESHOLDS.lower(layer, fold)[0].resources("ecp5")
        for fold in (
            requantize.RequantizeFold(4, 4, 2, True), requantize.RequantizeFold(4, 4, 2, False), Fold(4, 4)
        )
    )  # fmt: skip
    assert product.lut < table_.lut / 10
    assert luts.lut < table_.lut / 2
