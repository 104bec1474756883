"""The rule of thresholds: one of a single step behind a product is that product's last bit; others have
units of their own."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import lru_cache, partial

import numpy as np

from ...compiler.ir.graph import Const, Node, Value
from ...compiler.ir.ops import AdderConv2d, AdderMatMul, Conv2d, MatMul
from ...compiler.ir.ops.linear import sum_bounds
from ...compiler.ir.types import Int
from ..design import Instance, Stream
from ..units.lanes import COUNTING
from ..units.matrix_vector import bias_memory, limit_start
from . import requantize
from .activation import spread
from .adder import ADDER_CONV2D, ADDER_MATMUL, distances, reachable, unit_start
from .constant import ConstantFold
from .grouped import CONV2D
from .linear import MATMUL
from .rule import LUTS, Fold, Layer, Operand, Rule

_RULES = {MatMul: MATMUL, Conv2d: CONV2D, AdderMatMul: ADDER_MATMUL, AdderConv2d: ADDER_CONV2D}
_BIT = Int(0, 1)


def _limited(node: Node) -> Node | None:
    """The product whose unit can compare its own sums with the node's thresholds, one for each channel."""
    product, table = node.inputs
    if table.type.shape[1] != 1 or not isinstance(product, Node) or type(product.op) not in _RULES:
        return None
    weights = product.inputs[1]
    depthwise = isinstance(product.op, Conv2d) and product.op.groups > 1 and weights.type.shape[2] == 1
    return product if isinstance(weights, Const) and not depthwise else None


def _operands(node: Node, alone: Callable[[Value], bool]) -> tuple[Operand, ...]:
    """What the product reads where nobody else wants its sums, else the sums."""
    product = _limited(node)
    if product is None or not alone(product):
        return requantize.THRESHOLDS.operands(node, alone)
    return _RULES[type(product.op)].operands(product, alone)


def _product(layer: Layer) -> Layer | None:
    """The product that the layer took in, as a layer."""
    sums = layer.node.inputs[0]
    if layer.operands[0].value is sums:
        return None
    return Layer(sums, layer.name, layer.operands, Int(sums.type.dtype.lo, sums.type.dtype.hi))


def _folds(layer: Layer) -> Iterator[Fold]:
    product = _product(layer)
    if product is None:
        return requantize.THRESHOLDS.folds(layer)
    folds = _RULES[type(product.node.op)].folds(product)
    return (fold for fold in folds if not isinstance(fold, ConstantFold))


def _lower(layer: Layer, fold: Fold) -> tuple[Instance, ...]:
    product = _product(layer)
    if product is None:
        return requantize.THRESHOLDS.lower(layer, fold)
    *before, sums = _RULES[type(product.node.op)].lower(product, fold)
    start, bits = limit_start(
        *_limits(product.node, product.x, layer.node.inputs[1]), sums.p.LANE in COUNTING, sums.p.MW
    )
    if isinstance(product.node.op, AdderMatMul | AdderConv2d):
        start = start + unit_start(product.x, distances(product.node, product.x).w, fold)
    told = layer.y if layer.y.bipolar else _BIT
    bit = replace(
        sums,
        params=dict(sums.params) | {"ACC_BITS": bits, "HAS_BIAS": 1, "TOP_BIT": 1},
        outputs=Stream(told, fold.pe, sums.output.beats),
        memories=dict(sums.memories) | {"BIAS": partial(bias_memory, start, fold.pe, bits)},
    )
    if layer.y in (told, _BIT):
        return *before, bit
    return *before, bit, spread(layer, replace(fold, rom=LUTS), _BIT)


@lru_cache(maxsize=512)
def _limits(product: Node, stream: Int, table: Const) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For each channel what its sums without bias must reach, and the least and greatest that they can be,
    where the product reads codes of ``stream``; worked out once, since foldings are compared by the hundred.
    """
    x, weights, *bias = product.inputs
    matrix = weights.value.reshape(-1, weights.value.shape[-1])
    limits = np.broadcast_to(table.value[:, 0], matrix.shape[1:])
    if isinstance(product.op, AdderMatMul | AdderConv2d):
        start, low, high = reachable(product, stream)
        return limits - start, low, high
    if bias:
        limits = limits - bias[0].value
    return limits, *sum_bounds(x.type.dtype, matrix, None, any(getattr(product.op, "pads", ())))


def _padded(node: Node) -> bool:
    """Also where its sums have other readers: then they hold a 0 nobody asked for, which costs a bit at
    most."""
    product = _limited(node)
    return product is not None and _RULES[type(product.op)].writes_zero(product)


THRESHOLDS = Rule(_folds, _lower, _operands, writes_zero=_padded)
