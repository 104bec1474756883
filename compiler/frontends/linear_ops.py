"""Sums of products with quantized constant weights: Gemm and convolutions, and what others need of them."""

import numpy as np

from ...errors import GraphError
from ..ir.graph import Const, Value
from ..ir.ops import Conv2d, ConvTranspose2d, MatMul, Reshape
from .chain import compress
from .elementwise_ops import add_constant, integer_bias
from .source import SourceNode, aligned
from .tensors import Constant, Tensor, plain, rescaled, transpose

# Larger weights would overflow the 62 bits of a sum in any real layer.
_MAX_WEIGHT = 2**31
# No layer needs more, and files may claim anything.
_MOST_SPATIAL = 2**16


def integer_weights(constant: Constant) -> tuple[np.ndarray, np.ndarray]:
    """Integer weights, and their float32 scale as it broadcasts against them.

    Raises:
        GraphError: the weights are neither quantized nor integers, or there are none.
    """
    if not constant.values.size:
        raise GraphError(f"the weights must have elements, but are of shape {constant.values.shape}")
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


def column_scale(scale: np.ndarray, columns: int) -> np.ndarray:
    """One scale per output channel from scales of shape (..., M)."""
    flat = scale.reshape(-1, columns)
    if (flat != flat[0]).any():
        raise uneven_scale()
    return flat[0].astype(np.float64)


def uneven_scale() -> GraphError:
    """What to say of scales that vary among the weights of one sum."""
    return GraphError(
        "weights must have one scale, or one per output channel, but theirs vary within a channel. "
        "Use a per-tensor or per-channel weight quantizer."
    )


def lower_gemm(node: SourceNode) -> tuple[Tensor]:
    """x @ w + b, with w as (M, K) where transB is set."""
    if node.attribute("transA", 0) or node.attribute("alpha", 1.0) != 1 or node.attribute("beta", 1.0) != 1:
        raise GraphError("Gemm must have transA 0, alpha 1 and beta 1")
    weights = node.constant(1, "the weights")
    if weights.values.ndim != 2:
        raise GraphError(f"the weights must have 2 axes, not shape {weights.values.shape}")
    if node.attribute("transB", 0):
        weights = weights.mapped(np.transpose)
    return (product(node, node.tensor(), weights, node.optional(2, "the bias")),)


def product(node: SourceNode, tensor: Tensor, weights: Constant, bias: Constant | None) -> Tensor:
    """x @ w + b for x of shape (..., K) and w of shape (K, M)."""
    value, scale = plain(tensor)
    codes, weight_scale = integer_weights(weights)
    if codes.ndim != 2:
        raise GraphError(f"the weights must have 2 axes, not shape {codes.shape}")
    columns = codes.shape[1]
    scales = scale * column_scale(weight_scale, columns)
    rank = len(value.type.shape)
    meaning = scales.reshape((1,) * (rank - 1) + (-1,))

    def build(*extra: Const) -> Value:
        return MatMul()(value, Const(codes), *extra, name=node.name)

    return with_bias(build, meaning, bias, columns)


def with_bias(build, meaning: np.ndarray, bias: Constant | None, columns: int) -> Tensor:
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
    """A convolution, 1-D or 2-D, emitted between two transposes as the graph's images are (H, W, C)."""
    tensor, weights = filtered(node)
    channels, *kernel = weights.values.shape[:1] + weights.values.shape[2:]
    if node.attribute("kernel_shape", tuple(kernel)) != tuple(kernel):
        raise GraphError(f"kernel_shape must be the weights' own, {tuple(kernel)}")
    strides, pads, dilations = window(node, tensor.shape[1:], tuple(kernel))
    # (M, C/groups, ...) to (KH, KW, C/groups, M)
    weights = weights.mapped(lambda a: np.moveaxis(a, (0, 1), (-1, -2)))
    op = Conv2d(strides, pads, dilations, node.attribute("group", 1))
    return (convolved(node, tensor, weights, op, channels),)


def filtered(node: SourceNode) -> tuple[Tensor, Constant]:
    """The frames and the weights of a convolution, 1-D or 2-D alike."""
    tensor, weights = node.tensor(), node.constant(1, "the weights")
    if tensor.rank not in (2, 3) or weights.values.ndim != tensor.rank + 1 or not weights.values.size:
        raise GraphError(
            f"convolutions must be 1-D or 2-D, with frames (C, L) or (C, H, W), not {tensor.shape} "
            f"with weights {weights.values.shape}"
        )
    return tensor, weights


def convolved(
    node: SourceNode, tensor: Tensor, weights: Constant, op: Conv2d | ConvTranspose2d, channels: int
) -> Tensor:
    """A convolution's op applied to a frame, for weights of shape (..., C/groups, M), with its bias."""
    value, scale = plain(tensor)
    codes, weight_scale = integer_weights(weights)
    scales = scale * column_scale(weight_scale, channels)
    given = image(value)
    w = Const(codes.reshape((1,) * (4 - codes.ndim) + codes.shape))
    along = (-1,) + (1,) * (tensor.rank - 1)

    def build(*extra: Const) -> Value:
        return frame(op(given, w, *extra, name=node.name), tensor.rank)

    bias = node.optional(2, "the bias")
    if bias is not None:
        if bias.values.shape != (channels,):
            raise GraphError(f"the bias must have shape ({channels},), not {bias.values.shape}")
        bias = bias.mapped(lambda a: a.reshape(along))
    return with_bias(build, scales.reshape(along), bias, channels)


def image(value: Value) -> Value:
    """A frame (C, H, W) or (C, L) as the graph's image (H, W, C), of height 1 where it is 1-D."""
    if len(value.type.shape) == 3:
        return transpose(value, (1, 2, 0))
    turned = transpose(value, (1, 0))
    return Reshape((1, *turned.type.shape))(turned)


def frame(value: Value, rank: int) -> Value:
    """The graph's image (H, W, C) as a frame (C, H, W), or (C, L) of rank 2."""
    if rank == 3:
        return transpose(value, (2, 0, 1))
    return transpose(Reshape(value.type.shape[1:])(value), (1, 0))


def window(
    node: SourceNode, size: tuple[int, ...], kernel: tuple[int, ...]
) -> tuple[tuple[int, int], tuple[int, int, int, int], tuple[int, int]]:
    """Strides, pads (top, left, bottom, right) and dilations of a window over an image of ``size``.

    A 1-D window is one of height 1.
    """
    axes = len(size)
    strides = node.attribute("strides", (1,) * axes)
    dilations = node.attribute("dilations", (1,) * axes)
    if any(len(v) != axes for v in (strides, dilations, kernel)) or min(*strides, *dilations, *kernel) < 1:
        raise GraphError(
            f"windows must be {axes}-D with positive sizes, not kernel {kernel}, strides {strides}, "
            f"dilations {dilations}"
        )
    mode = node.attribute("auto_pad", "NOTSET")
    if mode in ("SAME_UPPER", "SAME_LOWER"):
        pads = _same_pads(size, kernel, strides, dilations, mode == "SAME_LOWER")
    elif mode in ("NOTSET", "VALID"):
        pads = node.attribute("pads", (0,) * 2 * axes) if mode == "NOTSET" else (0,) * 2 * axes
    else:
        raise GraphError(f"auto_pad must be NOTSET, VALID, SAME_UPPER or SAME_LOWER, not {mode!r}")
    if len(pads) != 2 * axes:
        raise GraphError(f"pads must be {('two', 'four')[axes - 1]} numbers, not {pads}")
    if max(*kernel, *strides, *dilations, *pads) > _MOST_SPATIAL:
        raise GraphError(
            f"kernel, strides, pads and dilations must be at most {_MOST_SPATIAL}, not {kernel}, {strides}, "
            f"{pads} and {dilations}"
        )
    if axes == 1:
        return (1, *strides), (0, pads[0], 0, pads[1]), (1, *dilations)
    return strides, pads, dilations


def _same_pads(size, kernel, strides, dilations, lower: bool) -> tuple[int, ...]:
    """Padding that gives ceil(size / stride) outputs; the odd element goes to the end unless ``lower``."""
    before, after = [], []
    for s, k, st, d in zip(size, kernel, strides, dilations, strict=True):
        total = max((-(-s // st) - 1) * st + (k - 1) * d + 1 - s, 0)
        small, large = total // 2, total - total // 2
        before.append(large if lower else small)
        after.append(small if lower else large)
    return (*before, *after)
