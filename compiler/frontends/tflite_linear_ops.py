"""Convolutions and dense layers: integer sums, then one requantization per channel."""

import numpy as np

from ...errors import GraphError
from ..ir.graph import Const
from ..ir.ops import Conv2d, ConvTranspose2d, MatMul, Reshape
from .tflite_file import SourceTensor, constant
from .tflite_fixed import INT32_MAX
from .tflite_requantize import multiplied, rescaled
from .tflite_source import Activation, Coding, OperatorView, check_scales, window

_WEIGHTS = "the weights"


def lower_conv(view: OperatorView) -> Activation:
    """CONV_2D; weights (M, KH, KW, C/groups)."""
    x, stored = view.image(0), view.source(1, _WEIGHTS)
    w = _weights(stored, 4)
    channels = x.shape[2]
    if channels % w.shape[3] or w.shape[0] % (channels // w.shape[3]):
        raise GraphError(f"{_WEIGHTS} of shape {w.shape} must fit the {channels} channels of the operand")
    return _convolution(view, x, w.transpose(1, 2, 3, 0), channels // w.shape[3], stored, 0)


def lower_depthwise(view: OperatorView) -> Activation:
    """DEPTHWISE_CONV_2D; weights (1, KH, KW, C * depth multiplier)."""
    x, stored = view.image(0), view.source(1, _WEIGHTS)
    w = _weights(stored, 4)
    channels = x.shape[2]
    if w.shape[0] != 1 or w.shape[3] != channels * view.option("DepthMultiplier"):
        raise GraphError(
            f"{_WEIGHTS} of shape {w.shape} must fit the {channels} channels of the operand, "
            f"times {view.option('DepthMultiplier')}"
        )
    return _convolution(view, x, w.transpose(1, 2, 0, 3), channels, stored, 3)


def _convolution(view, x: Activation, w: np.ndarray, groups: int, stored: SourceTensor, axis: int):
    """A convolution with weights (KH, KW, C/groups, M)."""
    if stored.zero_points.any():
        raise GraphError(f"{_WEIGHTS} must have zero points of 0, which LiteRT's kernel assumes")
    strides, pads, dilations = window(view, x.shape[:2], w.shape[:2])
    bias = view.bias(2, w.shape[3])
    _check_sums(x, w.reshape(-1, w.shape[3]), bias)
    extra = () if bias is None else (Const(bias),)
    op = Conv2d(strides, pads, dilations, groups)
    coding = view.coding()
    sums = op(x.value, Const(np.ascontiguousarray(w)), *extra, name=view.name)
    reals = _per_channel(x, stored, w.shape[3], axis, coding)
    if sums.type.shape != view.shape():
        raise GraphError(f"the result must have shape {(1, *sums.type.shape)}, not {(1, *view.shape())}")
    return view.result(rescaled(sums, reals, view.clamp(coding)), coding)


def lower_transpose_conv(view: OperatorView) -> Activation:
    """TRANSPOSE_CONV; operands: the result's shape, weights (M, KH, KW, C), the image, and perhaps a bias."""
    stored, x = view.source(1, _WEIGHTS), view.image(2)
    w = _weights(stored, 4)
    shape = constant(view.source(0, "the result's shape"), "INT32", "the result's shape").ravel().tolist()
    if w.shape[3] != x.shape[2] or stored.zero_points.any():
        raise GraphError(
            f"{_WEIGHTS} must have the {x.shape[2]} channels of the operand and zero points of 0, "
            f"not shape {w.shape}"
        )
    if tuple(shape) != (1, *view.shape()) or len(shape) != 4 or shape[3] != w.shape[0]:
        raise GraphError(f"the result must have shape {shape} and {w.shape[0]} channels, not {view.shape()}")
    strides, (top, left, bottom, right), _ = window(view, view.shape()[:2], w.shape[1:3])
    whole = [(s - 1) * t + k for s, t, k in zip(x.shape, strides, w.shape[1:3], strict=False)]
    # What the image's own windows do not reach is padding of the result, and holds the bias alone.
    extra = [
        d + a + b - f for d, a, b, f in zip(shape[1:3], (top, left), (bottom, right), whole, strict=True)
    ]
    ends = [b - min(e, 0) for b, e in zip((bottom, right), extra, strict=True)]
    bias = view.bias(3, w.shape[0])
    kernel = np.ascontiguousarray(w.transpose(1, 2, 3, 0))
    _check_sums(x, kernel.reshape(-1, w.shape[0]), bias)
    op = ConvTranspose2d(strides, (top, left, *ends), tuple(max(e, 0) for e in extra))
    coding, given = view.coding(), () if bias is None else (Const(bias),)
    sums = op(x.value, Const(kernel), *given, name=view.name)
    reals = _per_channel(x, stored, w.shape[0], 0, coding)
    return view.result(rescaled(sums, reals, view.clamp(coding)), coding)


def lower_fully_connected(view: OperatorView) -> Activation:
    """FULLY_CONNECTED; weights (M, K) over the operand's last elements."""
    x, stored = view.activation(0), view.source(1, _WEIGHTS)
    w = _weights(stored, 2)
    if view.option("WeightsFormat"):
        raise GraphError(f"{_WEIGHTS} must be in the default format, not shuffled")
    units, depth = w.shape
    rows, rest = divmod(x.value.type.size, depth)
    if rest:
        raise GraphError(f"{_WEIGHTS} of shape {w.shape} must fit the operand of shape {(1, *x.shape)}")
    if len(stored.scales) == 1 and stored.zero_points.size == 1:
        w = w - stored.zero_points[0]
    elif stored.zero_points.any():
        raise GraphError(f"{_WEIGHTS} must have zero points of 0, which LiteRT's kernel assumes")
    bias = view.bias(2, units)
    _check_sums(x, w.T, bias)
    coding = view.coding()
    reals = _per_channel(x, stored, units, 0, coding)
    flat = (depth,) if rows == 1 else (rows, depth)
    value = x.value if x.shape[-1:] == (depth,) else Reshape(flat)(x.value)
    extra = () if bias is None else (Const(bias),)
    sums = MatMul()(value, Const(np.ascontiguousarray(w.T)), *extra, name=view.name)
    # Unlike the convolutions' kernels, this one rescales in float64.
    return view.result(multiplied(sums, reals, view.clamp(coding)), coding)


def _weights(stored: SourceTensor, axes: int) -> np.ndarray:
    w = constant(stored, "INT8", _WEIGHTS)
    if w.ndim != axes or w.size == 0:
        raise GraphError(f"{_WEIGHTS} must have {axes} axes, none of them empty, not shape {w.shape}")
    return w


def _per_channel(x: Activation, stored: SourceTensor, channels: int, axis: int, coding: Coding) -> np.ndarray:
    """Sums to codes of the result, as float64 (1,) or (channels,)."""
    scales = stored.scales
    if len(scales) not in (1, channels) or (len(scales) > 1 and stored.axis != axis):
        raise GraphError(
            f"{_WEIGHTS} must have one scale, or one for each of the {channels} along axis {axis}, "
            f"not {len(scales)} along axis {stored.axis}"
        )
    check_scales(scales, _WEIGHTS)
    return np.float64(x.coding.scale) * scales.astype(np.float64) / np.float64(coding.scale)


def _check_sums(x: Activation, w: np.ndarray, bias: np.ndarray | None) -> None:
    """Raise GraphError where LiteRT's int32 sums might overflow, for weights (K, M)."""
    d = x.value.type.dtype
    # In float64: products of many files' extremes leave int64.
    most = np.abs(w).sum(0, dtype=np.float64) * max(-d.lo, d.hi)
    most += 0 if bias is None else np.abs(bias)
    if most.max() > INT32_MAX:
        raise GraphError(f"sums must stay within 32 bits, not reach {int(most.max())}. Use a smaller layer.")
