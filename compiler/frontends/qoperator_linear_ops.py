"""Sums of products of codes: QLinearConv, QLinearMatMul, QGemm, ConvInteger and MatMulInteger.

The sums are those of the float operators, on codes less their zero points; padding is the zero point.
"""

from dataclasses import replace

import numpy as np

from ...errors import GraphError
from .chain import MulStep
from .linear_ops import lower_conv, product
from .matmul_ops import lower_matmul
from .qoperator_codes import check_sums, coding, integers, points, ratio, requantized, scales, stored
from .source import SourceNode
from .tensors import Constant, Tensor


def lower_qlinear_conv(node: SourceNode) -> tuple[Tensor]:
    """QLinearConv: 8-bit codes in and out, weights with one scale or one per output channel."""
    x, y = coding(node, 1, "the input"), coding(node, 6, "the result")
    w_scale = _fitting(scales(node, 4, "the weights"), _filters(node, 3))
    sums = _convolved(node, (0, 3, 8), x.zero_point, 5)
    factor = ratio([x.scale, w_scale], y.scale)
    return (requantized(sums, factor.reshape((-1,) + (1,) * (sums.rank - 1)), y),)


def lower_conv_integer(node: SourceNode) -> tuple[Tensor]:
    """ConvInteger: the sums themselves, int32."""
    zero, _ = points(node, 2, "the input")
    return (_as_int32(_convolved(node, (0, 1, None), _single(zero), 3)),)


def lower_qlinear_matmul(node: SourceNode) -> tuple[Tensor]:
    """QLinearMatMul: 8-bit codes in and out; the second operand may have one scale per column."""
    a, y = coding(node, 1, "the first input"), coding(node, 6, "the result")
    sums = _multiplied(node, (0, 3), a.zero_point, 5)
    b_scale = _fitting(scales(node, 4, "the second input"), sums.shape[-1])
    return (requantized(sums, _along_columns(ratio([a.scale, b_scale], y.scale), sums), y),)


def lower_matmul_integer(node: SourceNode) -> tuple[Tensor]:
    """MatMulInteger: the sums themselves, int32."""
    zero, _ = points(node, 2, "the first input")
    return (_as_int32(_multiplied(node, (0, 1), _single(zero), 3)),)


def lower_qgemm(node: SourceNode) -> tuple[Tensor]:
    """QGemm: codes in and out, or floats out where no scale of the result is given."""
    if node.attribute("transA", 0):
        raise GraphError("transA must be 0")
    a = coding(node, 1, "the first input")
    alpha, b_scale = np.float32(node.attribute("alpha", 1.0)), scales(node, 4, "the weights")
    weights = _gemm_weights(node)
    sums = product(node, integers(node, 0, a.zero_point), weights, _bias(node, 6))
    factors = [alpha, a.scale, _fitting(b_scale, sums.shape[-1])]
    given = [node.optional(i, "the result's scale and zero point") is not None for i in (7, 8)]
    if any(given) and not all(given):
        raise GraphError("the result must have a scale and a zero point, or neither")
    if any(given):
        y = coding(node, 7, "the result")
        return (requantized(sums, _along_columns(ratio(factors, y.scale), sums), y),)
    check_sums(sums.value)
    factor = _along_columns(ratio(factors, np.float32(1)), sums)
    return (sums.then(MulStep((factor,))),)


def _gemm_weights(node: SourceNode) -> Constant:
    """The second operand as (K, M), less its zero point."""
    zero, _ = points(node, 5, "the weights")
    columns = np.ndim(node.constant(3, "the weights").values) == 2
    if not columns:
        raise GraphError("the weights must have 2 axes")
    turned = bool(node.attribute("transB", 0))
    weights = stored(node, 3, "the weights", zero[:, None] if turned else zero)
    return weights.mapped(np.transpose) if turned else weights


def _convolved(node: SourceNode, places: tuple[int, int, int | None], zero: int, weight_point: int) -> Tensor:
    """Sums of a convolution of codes; ``places`` are the indices of the input, the weights and the bias."""
    x, w, b = places
    weight_zero = _fitting(points(node, weight_point, "the weights")[0], _filters(node, w))
    axes = node.constant(w, "the weights").values.ndim
    weights = stored(node, w, "the weights", weight_zero.reshape((-1,) + (1,) * (axes - 1)))
    bias = None if b is None else _bias(node, b)
    return lower_conv(replace(node, operands=(integers(node, x, zero), weights, bias)))[0]


def _multiplied(node: SourceNode, places: tuple[int, int], zero: int, second_point: int) -> Tensor:
    """Sums of a matrix product of codes, one operand or none of them constant."""
    first, second = places
    point, _ = points(node, second_point, "the second input")
    if isinstance(node.operands[second], Tensor):
        b = integers(node, second, _single(point))
    else:
        b = stored(node, second, "the second input", point)
    constant = isinstance(node.operands[first], Constant)
    a = stored(node, first, "the first input", zero) if constant else integers(node, first, zero)
    return lower_matmul(replace(node, operands=(a, b)))[0]


def _bias(node: SourceNode, index: int) -> Constant | None:
    """A bias of int32 codes, which are added to the sums."""
    bias = node.optional(index, "the bias")
    if bias is None:
        return None
    if bias.values.dtype != np.int32:
        raise GraphError(f"the bias must be int32, not {bias.values.dtype}")
    codes = bias.values.astype(np.int64)
    return Constant(bias.values.astype(np.float32), codes, np.ones_like(codes, dtype=np.float32))


def _filters(node: SourceNode, index: int) -> int:
    """How many output channels a convolution's weights have."""
    shape = node.constant(index, "the weights").values.shape
    if not shape:
        raise GraphError("the weights must have axes, but are a number")
    return shape[0]


def _fitting(values: np.ndarray, channels: int) -> np.ndarray:
    if values.size not in (1, channels):
        raise GraphError(
            f"scales and zero points must be one for all or one for each of {channels} channels, not "
            f"{values.size}"
        )
    return values


def _along_columns(factor: np.ndarray, sums: Tensor) -> np.ndarray:
    return factor.reshape((1,) * (sums.rank - 1) + (-1,))


def _single(values: np.ndarray) -> int:
    if values.size != 1:
        raise GraphError(f"a computed input must have one zero point, not {values.size}")
    return int(values[0])


def _as_int32(sums: Tensor) -> Tensor:
    check_sums(sums.value)
    return replace(sums, integer=True)
