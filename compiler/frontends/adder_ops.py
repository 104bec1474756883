"""Adder layers (AdderNet): nodes of the domain ``gatewright.adder``, version 1, as quant/ exports them.

``AdderConv2d`` takes X (N, C, H, W) and W (M, C, KH, KW), or both without the W axis, with Conv's attributes
but ``group``; ``AdderLinear`` takes X (N, ..., K) and W (M, K). Each gives ``-sum |x - w|`` without a bias;
padding is x = 0. Differences need both operands in units of one step, so their scales must be equal, or
whole multiples of the smallest among them: codes are multiplied by these.
"""

import numpy as np

from ...errors import GraphError
from ..ir.graph import Const, Value
from ..ir.ops import AdderConv2d, AdderMatMul, Mul
from .linear_ops import filtered, frame, image, integer_weights, window
from .source import SourceNode
from .tensors import Constant, Tensor, plain, rescaled

DOMAIN = "gatewright.adder"
# A greater one would add bits to the codes that no trained layer can use.
_MOST_RATIO = 2**12


def lower_adder_linear(node: SourceNode) -> tuple[Tensor]:
    """-sum abs(x - w) of each row and each row of weights; scales equal, or one 2 to 4096 times the other."""
    _check_operands(node)
    tensor, weights = node.tensor(), node.constant(1, "the weights")
    if weights.values.ndim != 2:
        raise GraphError(f"the weights must have 2 axes, not shape {weights.values.shape}")
    value, codes, step = _in_one_step(tensor, weights.mapped(np.transpose))
    return (rescaled(AdderMatMul()(value, Const(codes), name=node.name), np.full((1,) * tensor.rank, step)),)


def lower_adder_conv(node: SourceNode) -> tuple[Tensor]:
    """-sum abs(x - w) of windows, 1-D or 2-D, padded by 0; scales as of AdderLinear."""
    _check_operands(node)
    tensor, weights = filtered(node)
    kernel = weights.values.shape[2:]
    if node.attribute("group", 1) != 1:
        raise GraphError(f"adder convolutions must have 1 group, not {node.attribute('group', 1)}")
    if node.attribute("kernel_shape", kernel) != kernel:
        raise GraphError(f"kernel_shape must be the weights' own, {kernel}")
    op = AdderConv2d(*window(node, tensor.shape[1:], kernel))
    # (M, C, ...) to (KH, KW, C, M)
    value, codes, step = _in_one_step(tensor, weights.mapped(lambda a: np.moveaxis(a, (0, 1), (-1, -2))))
    w = Const(codes.reshape((1,) * (4 - codes.ndim) + codes.shape))
    y = frame(op(image(value), w, name=node.name), tensor.rank)
    return (rescaled(y, np.full((1,) * tensor.rank, step)),)


def _check_operands(node: SourceNode) -> None:
    if len(node.operands) != 2:
        raise GraphError(
            f"adder layers must have two inputs, X and W, not {len(node.operands)}. Add a bias behind them."
        )


def _in_one_step(tensor: Tensor, weights: Constant) -> tuple[Value, np.ndarray, float]:
    """The operand's and the weights' integers in units of one step, and that step.

    A scale counts as n steps where float32 rounds n times the step to it.

    Raises:
        GraphError: no common step, or operands that are not quantized.
    """
    value, scale = plain(tensor)
    codes, weight_scale = integer_weights(weights)
    weight_scale = weight_scale.astype(np.float64)
    step = min(scale, float(weight_scale.min()))
    if not step > 0:
        raise GraphError(f"the scales of adder layers must be above 0, not {step:g}")
    ratio, ratios = (np.rint(s / step) for s in (np.float64(scale), weight_scale))
    largest = max(ratio, ratios.max())
    same = np.float32(ratio * step) == np.float32(scale)
    same &= (np.float32(ratios * step) == np.float32(weight_scale)).all()
    if not same or largest > _MOST_RATIO:
        unlike = weight_scale.flat[np.argmax(np.abs(weight_scale / scale - 1))]
        raise GraphError(
            f"input and weights must have one scale, or one that is 2 to {_MOST_RATIO} times the other, not "
            f"{scale:.9g} and {unlike:.9g}. Share one quantizer's scale, as QuantAdderConv2d does."
        )
    if ratio != 1:
        value = Mul()(value, Const(np.array([int(ratio)])))
    return value, codes * ratios.astype(np.int64), step
