"""Adder layers on the FPGA: units at several foldings, weights beyond x, thresholds, whole networks."""

from collections import Counter

import numpy as np
import pytest

from dag_bench import check as check_design
from gatewright.compiler.ir.graph import Const, Graph, Node, Value, input_of
from gatewright.compiler.ir.ops import AdderConv2d, AdderMatMul, MaxPool, Reshape, Threshold
from gatewright.compiler.ir.types import Int
from gatewright.hw.build import assemble
from gatewright.hw.layers import layers
from gatewright.hw.rules.adder import ADDER_CONV2D, ADDER_MATMUL
from random_nets import random_folds
from test_unit_rules import check, chosen, layer_of

BIPOLAR, NIBBLE, SIGNED = Int(-1, 1, 2), Int(0, 15), Int(-8, 7)


def adder(x: Value, w: Int, outputs: int, bias: bool = False, kernel=(3, 3), **attributes) -> Node:
    """A convolution of an image, or a dense layer of anything else, with random weights."""
    random = np.random.default_rng([outputs, w.hi, bias])
    image = len(x.type.shape) == 3
    shape = (*kernel, x.type.shape[-1], outputs) if image else (x.type.shape[-1], outputs)
    operands = [Const(random.integers(w.lo, w.hi + 1, shape))]
    if bias:
        operands.append(Const(random.integers(-40, 40, outputs)))
    op = AdderConv2d(**attributes) if image else AdderMatMul()
    return op(x, *operands, name=f"adder{outputs}")


def stream(t: Int, *shape: int) -> Value:
    """The input."""
    return input_of("x", shape, t.lo, t.hi, t.step)


LAYERS = {
    "unsigned": lambda: adder(stream(NIBBLE, 4, 5, 3), NIBBLE, 4, pads=(1, 1, 1, 1)),
    "signed": lambda: adder(stream(SIGNED, 4, 4, 4), SIGNED, 3, True, strides=(2, 1), pads=(0, 1, 1, 0)),
    "weights beyond x": lambda: adder(stream(NIBBLE, 4, 4, 2), Int(-40, 60), 6, kernel=(2, 3)),
    "all weights beyond x": lambda: adder(stream(NIBBLE, 4, 4, 2), Int(20, 30), 4, True, kernel=(1, 1)),
    "dilated": lambda: adder(stream(Int(0, 7), 6, 5, 2), Int(0, 3), 4, dilations=(2, 1), pads=(2, 0, 2, 1)),
    "step of two": lambda: adder(stream(Int(-3, 3, 2), 4, 4, 2), Int(-5, 5), 4, kernel=(2, 2)),
    "dense": lambda: adder(stream(NIBBLE, 12), NIBBLE, 6, True),
    "rows": lambda: adder(stream(SIGNED, 3, 6), Int(-9, 9), 4),
    "one of each": lambda: adder(stream(NIBBLE, 1), NIBBLE, 1),
}


@pytest.mark.parametrize("name", LAYERS)
def test_layers(name):
    """Units of several foldings give the node's integers, with and without gaps and stalls."""
    node = LAYERS[name]()
    rule = ADDER_CONV2D if isinstance(node.op, AdderConv2d) else ADDER_MATMUL
    for fold in chosen(rule, layer_of(node, rule), 3):
        check(node, rule, fold)


@pytest.mark.parametrize("t", [NIBBLE, SIGNED], ids=str)
def test_weights_take_the_bits_of_x(t):
    """However far they are from x: what lies beyond its range is part of the bias."""
    node = adder(stream(t, 4), Int(-1000, 1000), 8)
    layer = layer_of(node, ADDER_MATMUL)
    (unit,) = ADDER_MATMUL.lower(layer, next(iter(ADDER_MATMUL.folds(layer))))
    assert (unit.p.W_BITS, unit.p.HAS_BIAS) == (4, 1)
    near = layer_of(adder(stream(t, 4), Int(max(t.lo, 0), 3), 8), ADDER_MATMUL)
    (unit,) = ADDER_MATMUL.lower(near, next(iter(ADDER_MATMUL.folds(near))))
    assert unit.params["W_BITS"] == 2 + t.signed
    assert unit.params["HAS_BIAS"] == 0


def sign(sums: Value) -> Value:
    """Whether sums reach limits from their range."""
    t = sums.type.dtype
    limits = np.linspace(t.lo, t.hi, sums.type.shape[-1] + 2)[1:-1].astype(int)[:, None]
    return Threshold(-1, 2)(sums, Const(limits), name=f"{sums.name} sign")


TAKEN = {
    "bits": lambda: sign(adder(stream(NIBBLE, 4, 4, 2), NIBBLE, 5)),
    "bits, padded, weights beyond x": lambda: sign(
        adder(stream(SIGNED, 4, 4, 2), Int(-30, 30), 4, True, pads=(1, 1, 1, 1))
    ),
    "bits, then distances of bits": lambda: sign(
        adder(sign(adder(stream(NIBBLE, 4, 4, 2), NIBBLE, 4)), Int(-2, 2), 3, kernel=(2, 2))
    ),
    "dense bits": lambda: sign(adder(stream(Int(0, 255), 20), Int(-50, 300), 6, True)),
}


def graph_of(result: Value) -> Graph:
    """All that it needs, from the input on."""
    value = result
    while isinstance(value, Node):
        value = value.inputs[0]
    return Graph((value,), (result,), "adder")


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("name", TAKEN)
def test_layers_give_bits(name, seed):
    """The unit compares its own sums with limits, in random foldings."""
    graph = graph_of(TAKEN[name]())
    chain = layers(graph)
    design = assemble("limits", chain, random_folds(seed, chain))
    kinds = Counter(i.unit.module for i in design.instances)
    assert kinds["gw_threshold"] == kinds["gw_requantize"] == 0
    assert all(i.p.TOP_BIT for i in design.instances if i.unit.module == "gw_matrix_vector")
    check_design(graph, design, 6, gap=0.3, stall=0.3, seed=seed)


def small_net() -> Graph:
    """Two convolutions, a pool and two dense layers, every one an adder layer."""
    random = np.random.default_rng(3)
    x = value = stream(Int(0, 255), 8, 8, 1)
    for outputs, steps in ((4, 15), (6, 15)):
        value = adder(value, Int(0, 255), outputs, True, pads=(1, 1, 1, 1))
        t = value.type.dtype
        table = np.sort(random.integers(t.lo, t.hi + 1, (outputs, steps)), axis=1)
        value = MaxPool((2, 2), (2, 2))(Threshold()(value, Const(table)))
    value = Reshape((value.type.size,))(value)
    value = sign(adder(value, NIBBLE, 8))
    return Graph((x,), (adder(value, Int(-1, 1), 3),), "adder net")


@pytest.mark.parametrize("seed", range(4))
def test_small_network(seed):
    """Under gaps and stalls, in random foldings."""
    graph = small_net()
    chain = layers(graph)
    design = assemble("net", chain, random_folds(seed, chain))
    check_design(graph, design, 3, gap=0.2, stall=0.2, seed=seed)
