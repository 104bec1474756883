"""Sums of products: matrix products and convolutions with quantized constant weights."""

import numpy as np

from ...errors import GraphError
from ..ir.graph import Const, Value
from ..ir.ops import Conv2d, MatMul
from .chain import compress
from .elementwise_ops import add_constant, integer_bias
from .source import SourceNode, aligned
from .tensors import Constant, Tensor, plain, rescaled, transpose

# Larger weights would overflow the 62 bits of a sum in any real layer.
_MAX_WEIGHT = 2**31


def _weights(constant: Constant) -> tuple[np.ndarray, np.ndarray]:
    """Integer weights, and their float32 scale as it broadcasts against them.

    Raises:
        GraphError: the weights are neither quantized nor integers.
    """
    if constant.codes is not None:
        return constant.codes, np.broadcast_to(constant.scale, constant.values.shape)
    values = constant.values
    if values.dtype.kind not in "fiu" or not np.isfinite(values).all():
        raise GraphError("the weights must be finite numbers")
    if (values != np.rint(values)).any() or np.abs(values).max(initial=0) > _MAX_WEIGHT:
        raise GraphError(
            "the weights must come from a quantizer (a Quant or BipolarQuant node), or be integers, "
            "but are other floats. Give the layer a weight_quant and export again."
        )
    return values.astype(np.int64), np.ones_like(values, dtype=np.float32)


def _column_scale(scale: np.ndarray, columns: int) -> np.ndarray:
    """One scale per output channel from scales of shape (..., M)."""
    flat = scale.reshape(-1, columns)
    if (flat != flat[0]).any():
        raise GraphError(
            "weights must have one scale, or one per output channel, but theirs vary within a channel. "
            "Use a per-tensor or per-channel weight quantizer."
        )
    return flat[0].astype(np.float64)


def lower_matmul(node: SourceNode) -> tuple[Tensor]:
    """x @ w."""
    if isinstance(node.operands[0], Constant):
        raise GraphError("the weights must be the second operand. Export x @ w, not w @ x.")
    if len(node.operands) > 1 and isinstance(node.operands[1], Tensor):
        raise GraphError("the weights must be constant, but are computed (an attention product)")
    return (_product(node, node.constant(1, "the weights"), None),)


def lower_gemm(node: SourceNode) -> tuple[Tensor]:
    """x @ w + b, with w as (M, K) where transB is set."""
    if node.attribute("transA", 0) or node.attribute("alpha", 1.0) != 1 or node.attribute("beta", 1.0) != 1:
        raise GraphError("Gemm must have transA 0, alpha 1 and beta 1")
    weights = node.constant(1, "the weights")
    if weights.values.ndim != 2:
        raise GraphError(f"the weights must have 2 axes, not shape {weights.values.shape}")
    if node.attribute("transB", 0):
        weights = weights.mapped(np.transpose)
    return (_product(node, weights, node.optional(2, "the bias")),)


def _product(node: SourceNode, weights: Constant, bias: Constant | None) -> Tensor:
    """x @ w + b for w of shape (K, M)."""
    value, scale = plain(node.tensor())
    codes, weight_scale = _weights(weights)
    if codes.ndim != 2:
        raise GraphError(f"the weights must have 2 axes, not shape {codes.shape}")
    columns = codes.shape[1]
    scales = scale * _column_scale(weight_scale, columns)
    rank = len(value.type.shape)
    meaning = scales.reshape((1,) * (rank - 1) + (-1,))

    def build(*extra: Const) -> Value:
        return MatMul()(value, Const(codes), *extra, name=node.name)

    return _with_bias(build, meaning, bias, columns)


def _with_bias(build, meaning: np.ndarray, bias: Constant | None, columns: int) -> Tensor:
    """The layer with its bias inside where that is an integer, else as a float step."""
    tensor = rescaled(build(), compress(meaning))
    if bias is None:
        return tensor
    fitted = aligned(bias, tensor, "the bias")
    codes = integer_bias(tensor, fitted)
    if codes is None:
        return add_constant(tensor, bias, "the bias")
    if not codes.any():
        return tensor
    return rescaled(build(Const(np.broadcast_to(codes.ravel(), (columns,)))), tensor.chain.steps[0].params[0])


def lower_conv(node: SourceNode) -> tuple[Tensor]:
    """A convolution, emitted between two transposes as the graph's images are (H, W, C)."""
    tensor = node.tensor()
    weights = node.constant(1, "the weights")
    if tensor.rank != 3 or weights.values.ndim != 4:
        raise GraphError(
            f"convolutions must be 2-D, with frames (C, H, W), not {tensor.shape} "
            f"with weights {weights.values.shape}. Give 1-D data a height of 1."
        )
    value, scale = plain(tensor)
    codes, weight_scale = _weights(weights)
    channels = codes.shape[0]
    scales = scale * _column_scale(np.moveaxis(weight_scale, 0, -1), channels)
    kernel = tuple(codes.shape[2:])
    if node.attribute("kernel_shape", kernel) != kernel:
        raise GraphError(f"kernel_shape must be the weights' own, {kernel}")
    strides, pads, dilations = window(node, tensor.shape[1:], kernel)
    op = Conv2d(strides, pads, dilations, node.attribute("group", 1))
    image = transpose(value, (1, 2, 0))
    w = Const(codes.transpose(2, 3, 1, 0))

    def build(*extra: Const) -> Value:
        return transpose(op(image, w, *extra, name=node.name), (2, 0, 1))

    bias = node.optional(2, "the bias")
    if bias is not None:
        if bias.values.shape != (channels,):
            raise GraphError(f"the bias must have shape ({channels},), not {bias.values.shape}")
        bias = bias.mapped(lambda a: a.reshape(-1, 1, 1))
    return (_with_bias(build, scales.reshape(-1, 1, 1), bias, channels),)


def window(
    node: SourceNode, size: tuple[int, ...], kernel: tuple[int, ...]
) -> tuple[tuple[int, int], tuple[int, int, int, int], tuple[int, int]]:
    """Strides, pads (top, left, bottom, right) and dilations of a 2-D window over an image of ``size``."""
    strides = node.attribute("strides", (1, 1))
    dilations = node.attribute("dilations", (1, 1))
    if len(strides) != 2 or len(dilations) != 2 or len(kernel) != 2 or min(*strides, *dilations, *kernel) < 1:
        raise GraphError(
            f"windows must be 2-D with positive sizes, not kernel {kernel}, strides {strides}, "
            f"dilations {dilations}"
        )
    mode = node.attribute("auto_pad", "NOTSET")
    if mode in ("SAME_UPPER", "SAME_LOWER"):
        return strides, _same_pads(size, kernel, strides, dilations, mode == "SAME_LOWER"), dilations
    if mode not in ("NOTSET", "VALID"):
        raise GraphError(f"auto_pad must be NOTSET, VALID, SAME_UPPER or SAME_LOWER, not {mode!r}")
    pads = node.attribute("pads", (0, 0, 0, 0)) if mode == "NOTSET" else (0, 0, 0, 0)
    if len(pads) != 4:
        raise GraphError(f"pads must be four numbers, not {pads}")
    return strides, pads, dilations


def _same_pads(size, kernel, strides, dilations, lower: bool) -> tuple[int, int, int, int]:
    """Padding that gives ceil(size / stride) outputs; the odd element goes to the end unless ``lower``."""
    before, after = [], []
    for s, k, st, d in zip(size, kernel, strides, dilations, strict=True):
        total = max((-(-s // st) - 1) * st + (k - 1) * d + 1 - s, 0)
        small, large = total // 2, total - total // 2
        before.append(large if lower else small)
        after.append(small if lower else large)
    return (*before, *after)
