"""Rule of products of two computed tensors, matrix by matrix."""

from collections.abc import Iterator
from math import prod

from ...compiler.ir.graph import Const, Node
from ...errors import LoweringError
from ..design import Instance, Stream
from ..units.lanes import LANE_DIGITS, LANE_MULTIPLY
from ..units.matrix_product import MATRIX_PRODUCT, kind_of, lane_bits
from .rule import Fold, Layer, Rule, divisors

# gw_lane_digit is for these; wider operands go to the tool's own multiplier.
_DIGIT_BITS, _TIMES_BITS = 9, 16


def _check(node: Node) -> None:
    constants = sum(isinstance(v, Const) for v in node.inputs)
    if constants:
        raise LoweringError(
            f"fpga: batch_matmul must multiply two computed tensors, not {constants} constant "
            f"(node {node.name!r}). Write it as a matmul, between transposes where the constant is in front."
        )


def _folds(layer: Layer) -> Iterator[Fold]:
    """PE over the columns of the second operand and SIMD over those of the first."""
    _check(layer.node)
    first, second = (o.value.type.shape for o in layer.operands)
    a, b = (o.type for o in layer.operands)
    digits = (
        lane_bits(b.bits, kind_of(b), True) <= _DIGIT_BITS
        and lane_bits(a.bits, kind_of(a), False) <= _TIMES_BITS
    )
    for pe in divisors(second[-1]):
        for simd in divisors(first[-1]):
            yield Fold(pe, simd, dsp=True)
            if digits:
                yield Fold(pe, simd)


def _lower(layer: Layer, fold: Fold) -> tuple[Instance, ...]:
    _check(layer.node)
    *lead, m, k = layer.operands[0].value.type.shape
    n = layer.node.type.shape[-1]
    a, b = (o.type for o in layer.operands)
    params = {
        "M": m, "K": k, "N": n, "PE": fold.pe, "SIMD": fold.simd,
        "A_BITS": a.bits, "A_KIND": kind_of(a), "B_BITS": b.bits, "B_KIND": kind_of(b),
        "LANE": LANE_MULTIPLY if fold.dsp else LANE_DIGITS, "ACC_BITS": layer.y.bits, "RAM_STYLE": 0,
    }  # fmt: skip
    matrices = prod(lead)
    return (
        Instance(
            MATRIX_PRODUCT, f"{layer.name}_mm", params, matrices,
            (
                Stream(a, fold.simd, matrices * m * k // fold.simd),
                Stream(b, fold.pe, matrices * k * n // fold.pe),
            ),
            Stream(layer.y, fold.pe, matrices * m * n // fold.pe), layer.node.name,
        ),
    )  # fmt: skip


BATCH_MATMUL = Rule(_folds, _lower, sums=True)
