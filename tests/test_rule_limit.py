"""Thresholds of one step behind products: bits that the products' units give, or units of their own."""

from collections import Counter

import numpy as np
import pytest

from dag_bench import check, compiled
from gatewright.compiler.ir.graph import Const, Graph, Node, Value, input_of
from gatewright.compiler.ir.ops import Add, Conv2d, MatMul, MaxPool, Reshape, Threshold
from gatewright.compiler.ir.types import Int
from gatewright.hw.build import assemble
from gatewright.hw.layers import layer_alone, layers
from gatewright.hw.lower import FPGA
from random_nets import random_folds

BIPOLAR, NIBBLE, WEIGHT = Int(-1, 1, 2), Int(0, 15), Int(-8, 7)
PADS = (1, 1, 1, 1)


def draw(random, t: Int, shape) -> np.ndarray:
    """Any of its values."""
    return t.lo + t.step * random.integers(0, t.levels, shape)


def product(x: Value, w: Int, outputs: int, bias: bool = False, groups: int = 1, **attributes) -> Value:
    """A 2x2 convolution of an image or the product of a vector with random weights."""
    random = np.random.default_rng([outputs, groups, bias])
    shape = x.type.shape
    kernel = (2, 2, shape[-1] // groups) if len(shape) == 3 else shape
    operands = [Const(draw(random, w, (*kernel, outputs)))]
    if bias:
        operands.append(Const(random.integers(-20, 20, outputs)))
    op = Conv2d(groups=groups, **attributes) if len(shape) == 3 else MatMul()
    return op(x, *operands, name=f"product{outputs}")


def limits(sums: Value, rows: int | None = None, far: bool = False) -> Const:
    """A limit for each channel somewhere in the middle of its range; the first two ``far`` beyond it."""
    random = np.random.default_rng(5)
    t = random.integers(
        sums.type.dtype.lo // 4, sums.type.dtype.hi // 4 + 1, (rows or sums.type.shape[-1], 1)
    )
    if far:
        t[:2, 0] = -(2**40), 2**40
    return Const(t)


def sign(sums: Value, bias: int = -1, step: int = 2, **where) -> Value:
    """Whether sums reach ``limits``."""
    return Threshold(bias, step)(sums, limits(sums, **where), name=f"{sums.name} sign")


def image(t: Int, channels: int = 4) -> Value:
    """A small input."""
    return input_of("x", (4, 4, channels), t.lo, t.hi, t.step)


def _two_layers() -> Value:
    """Zeros around signs are a third value, so the first layer's bits become codes of two bits."""
    first = sign(product(image(NIBBLE), WEIGHT, 4))
    return sign(product(first, BIPOLAR, 6, pads=PADS))


def _pooled() -> Value:
    pooled = MaxPool((2, 2), (1, 1))(sign(product(image(BIPOLAR), BIPOLAR, 4)), name="pool")
    flat = Reshape((pooled.type.size,))(pooled, name="flat")
    return sign(product(flat, BIPOLAR, 6))


TAKEN = {
    "bits and bits": lambda: sign(product(image(BIPOLAR), BIPOLAR, 6)),
    "signs as weights": lambda: sign(product(image(NIBBLE), BIPOLAR, 6, bias=True)),
    "signs as inputs": lambda: sign(product(image(BIPOLAR), WEIGHT, 6)),
    "padded, with a bias": lambda: sign(product(image(NIBBLE), WEIGHT, 6, bias=True, pads=PADS)),
    "signed input": lambda: sign(product(image(WEIGHT), WEIGHT, 5, bias=True)),
    "0 and 1": lambda: sign(product(image(NIBBLE), WEIGHT, 6), 0, 1),
    "-7 and 6": lambda: sign(product(image(NIBBLE), WEIGHT, 4), -7, 13),
    "groups": lambda: sign(product(image(WEIGHT), WEIGHT, 6, bias=True, groups=2)),
    "groups of bits": lambda: sign(product(image(BIPOLAR, 8), BIPOLAR, 4, groups=2)),
    "one limit for all": lambda: sign(product(image(NIBBLE), WEIGHT, 6, bias=True), rows=1),
    "never and always": lambda: sign(product(image(BIPOLAR), BIPOLAR, 6), far=True),
    "a vector": lambda: sign(product(input_of("x", (12,), 0, 15), WEIGHT, 6, bias=True)),
    "two layers": _two_layers,
    "through a pool": _pooled,
}


def graph_of(result: Value) -> Graph:
    """All that it needs, from the input on."""
    value = result
    while isinstance(value, Node):
        value = value.inputs[0]
    return Graph((value,), (result,), "limits")


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("name", TAKEN)
def test_products_give_bits(name, seed):
    """Random foldings, with and without gaps and stalls; no threshold is left to a unit of its own."""
    graph = graph_of(TAKEN[name]())
    chain = layers(graph)
    design = assemble("limits", chain, random_folds(seed, chain))
    kinds = Counter(i.unit.module for i in design.instances)
    assert kinds["gw_threshold"] == kinds["gw_requantize"] == 0
    assert all(i.p.TOP_BIT for i in design.instances if i.unit.module == "gw_matrix_vector")
    assert kinds["gw_lookup"] == (name in ("-7 and 6", "two layers"))
    simulation = compiled(design)
    check(graph, design, 6, simulation)
    check(graph, design, 6, simulation, gap=0.3, stall=0.3, seed=seed)


def _two_readers() -> Value:
    """Sums that two thresholds compare."""
    sums = product(image(NIBBLE), WEIGHT, 4)
    return Add()(sign(sums), Threshold(0, 1)(sums, Const(np.array([[0], [3], [5], [9]]))), name="sum")


LEFT = {
    "two readers": _two_readers,
    "depthwise": lambda: sign(product(image(NIBBLE), WEIGHT, 8, groups=4)),
    "two steps": lambda: Threshold()(
        product(image(NIBBLE), WEIGHT, 4), Const(np.array([[-9, 4]] * 4)), name="count"
    ),
}


@pytest.mark.parametrize("name", LEFT)
def test_others_keep_units_of_their_own(name):
    """Sums that somebody else reads too, those of depthwise units, and more steps than one."""
    graph = graph_of(LEFT[name]())
    chain = layers(graph)
    design = assemble("limits", chain, random_folds(1, chain))
    modules = [i.unit.module for i in design.instances]
    assert "gw_threshold" in modules or "gw_requantize" in modules
    assert not any(i.params.get("TOP_BIT") for i in design.instances)
    check(graph, design, 4, gap=0.2, stall=0.2, seed=3)


def test_alone_it_takes_nothing_in():
    """A node by itself, as lists of what is supported ask, reads sums."""
    node = sign(product(image(NIBBLE), WEIGHT, 4))
    layer = layer_alone(node)
    assert layer.operands[0].value is node.inputs[0]
    units = FPGA.rule(node).lower(layer, next(iter(FPGA.rule(node).folds(layer))))
    assert [u.unit.module for u in units] == ["gw_threshold"]


def test_bits_of_counts_are_fewer():
    """Equal pairs are counted, not doubled: one bit less than sums of as many signs, or two."""
    node = sign(product(image(BIPOLAR), BIPOLAR, 6))
    chain = layers(graph_of(node))
    (unit,) = (u for u in FPGA.rule(node).lower(chain[0], random_folds(0, chain)[0]) if "LANE" in u.params)
    sums = node.inputs[0].type.dtype
    assert sums.bits > unit.p.ACC_BITS
    assert unit.output.bits == unit.p.PE
