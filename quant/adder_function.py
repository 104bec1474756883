"""AdderNet's layers as differentiable torch functions: negative distances with AdderNet's own gradients."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable
from torch.nn import functional

# The ONNX operators that the layers are exported as; the front end knows them by this name.
DOMAIN = "gatewright.adder"
# Elements of one buffer of the input's gradient: it stays in a CPU's cache, and keeps a GPU busy.
CPU_CHUNK = 1 << 18
GPU_CHUNK = 1 << 26
# Taps from which on a buffer of differences beats torch.cdist on a CPU.
LONG_ROW = 64


@dataclass(frozen=True)
class Window:
    """How a kernel moves over an image: all (vertical, horizontal), but pads (top, left, bottom, right)."""

    kernel: tuple[int, int]
    strides: tuple[int, int] = (1, 1)
    pads: tuple[int, int, int, int] = (0, 0, 0, 0)
    dilations: tuple[int, int] = (1, 1)

    def size(self, height: int, width: int) -> tuple[int, int]:
        """(OH, OW) over an image of this size."""
        top, left, bottom, right = self.pads
        # While torch exports a model sizes are tensors, and its exporter trips over additions of 0 to them.
        padded = (int(height) + top + bottom, int(width) + left + right)
        return tuple(
            (size - dilation * (taps - 1) - 1) // stride + 1
            for size, taps, stride, dilation in zip(
                padded, self.kernel, self.strides, self.dilations, strict=True
            )
        )


class AdderLinearFunction(Function):
    """``y[..., m] = -sum_k |x[..., k] - w[m, k]|`` with AdderNet's gradients (arXiv 1912.13200, eq. 3-7).

    The weight's gradient is the full-precision ``sum_p g[p, m] (x[p, k] - w[m, k])`` in place of a sum of
    signs, the input's is ``sum_m g[p, m] clamp(w[m, k] - x[p, k], -1, 1)``.
    """

    @staticmethod
    def symbolic(g, x, weight, chunk):
        """The ONNX node ``gatewright.adder::AdderLinear``."""
        y = g.op(f"{DOMAIN}::AdderLinear", x, weight)
        return _typed(y, x, (*_sizes(x)[:-1], _sizes(weight)[0]))

    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor, chunk: int | None) -> Tensor:
        """x (..., K), weight (M, K) -> (..., M)."""
        ctx.save_for_backward(x, weight)
        ctx.chunk = chunk
        y = negative_distances(x.reshape(-1, x.shape[-1]), weight, chunk)
        return y.reshape(*x.shape[:-1], len(weight))

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor):
        """Gradients of x and of the weight, each only where it is wanted."""
        x, weight = ctx.saved_tensors
        rows, grads = x.reshape(-1, x.shape[-1]), grad.reshape(-1, len(weight))
        dx = dw = None
        if ctx.needs_input_grad[0]:
            dx = input_gradient(grads, rows, weight, ctx.chunk).reshape(x.shape)
        if ctx.needs_input_grad[1]:
            dw = weight_gradient(grads, rows, weight)
        return dx, dw, None


class AdderConv2dFunction(Function):
    """AdderLinearFunction over the windows of images; a padded tap is x = 0 and gives ``-|0 - w|``."""

    @staticmethod
    def symbolic(g, x, weight, window, chunk):
        """The ONNX node ``gatewright.adder::AdderConv2d``."""
        y = g.op(
            f"{DOMAIN}::AdderConv2d",
            x,
            weight,
            strides_i=list(window.strides),
            pads_i=list(window.pads),
            dilations_i=list(window.dilations),
        )
        n, _, *image = _sizes(x)
        sizes = None if None in image else (n, _sizes(weight)[0], *window.size(*image))
        return _typed(y, x, sizes)

    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor, window: Window, chunk: int | None) -> Tensor:
        """x (N, C, H, W), weight (M, C, KH, KW) -> (N, M, OH, OW)."""
        ctx.save_for_backward(x, weight)
        ctx.window, ctx.chunk = window, chunk
        # Windows are made again for the gradients: keeping them would cost KH * KW times the input.
        rows = columns(x, window)
        y = negative_distances(rows, weight.permute(0, 2, 3, 1).flatten(1), chunk)
        return y.reshape(len(x), *window.size(*x.shape[2:]), len(weight)).permute(0, 3, 1, 2)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor):
        """Gradients of x and of the weight, each only where it is wanted."""
        x, weight = ctx.saved_tensors
        last = weight.permute(0, 2, 3, 1)
        flat = last.flatten(1)
        rows = columns(x, ctx.window)
        grads = grad.permute(0, 2, 3, 1).reshape(-1, len(weight))
        dx = dw = None
        if ctx.needs_input_grad[0]:
            dx = images(input_gradient(grads, rows, flat, ctx.chunk), x.shape, ctx.window)
        if ctx.needs_input_grad[1]:
            dw = weight_gradient(grads, rows, flat).reshape(last.shape).permute(0, 3, 1, 2)
        return dx, dw, None, None


def negative_distances(x: Tensor, weight: Tensor, chunk: int | None = None) -> Tensor:
    """``-sum_k |x[p, k] - w[m, k]|``: (P, K), (M, K) -> (P, M); exact where all sums are.

    Args:
        chunk: elements of the one buffer; by default as many as suit the tensors' device.
    """
    if x.device.type != "cpu" or x.shape[1] < LONG_ROW:
        return torch.cdist(x, weight, p=1.0).neg_()
    # On long rows torch's vectors are twice as fast as its cdist, as long as the differences stay cached.
    step = min(max((chunk or CPU_CHUNK) // weight.numel(), 1), len(x))
    result, buffer = x.new_empty(len(x), len(weight)), x.new_empty(step, *weight.shape)
    for start in range(0, len(x), step):
        rows = x[start : start + step]
        differences = buffer[: len(rows)]
        torch.sub(rows[:, None], weight, out=differences)
        torch.sum(differences.abs_(), -1, out=result[start : start + step])
    return result.neg_()


def weight_gradient(grad: Tensor, x: Tensor, weight: Tensor) -> Tensor:
    """``sum_p g[p, m] (x[p, k] - w[m, k])`` as one matrix product: (P, M), (P, K), (M, K) -> (M, K)."""
    return grad.t() @ x - grad.sum(0)[:, None] * weight


def input_gradient(grad: Tensor, x: Tensor, weight: Tensor, chunk: int | None = None) -> Tensor:
    """``sum_m g[p, m] clamp(w[m, k] - x[p, k], -1, 1)``: (P, M), (P, K), (M, K) -> (P, K).

    Args:
        chunk: elements of the one buffer; by default as many as suit the tensors' device.
    """
    chunk = chunk or (CPU_CHUNK if x.device.type == "cpu" else GPU_CHUNK)
    step = max(chunk // x.shape[1], 1)
    # clamp(w - x, -1, 1) = w - clamp(x, w - 1, w + 1): one pass over x for each filter, and one product.
    low, high, result = weight - 1, weight + 1, grad @ weight
    for start in range(0, len(x), step):
        rows, total = x[start : start + step], result[start : start + step]
        for m in range(len(weight)):
            clamped = torch.clamp(rows, low[m], high[m])
            total.addcmul_(clamped, grad[start : start + step, m : m + 1], value=-1)
    return result


def columns(x: Tensor, window: Window) -> Tensor:
    """The windows of images (N, C, H, W) as rows (N * OH * OW, KH * KW * C), zeros for padding.

    Channels come last, so that what is copied lies together: torch's own unfold is up to 7 times slower.
    """
    top, left, bottom, right = window.pads
    (kh, kw), (sh, sw), (dh, dw) = window.kernel, window.strides, window.dilations
    padded = functional.pad(x, (left, right, top, bottom)).permute(0, 2, 3, 1).contiguous()
    views = padded.unfold(1, dh * (kh - 1) + 1, sh).unfold(2, dw * (kw - 1) + 1, sw)
    taps = views[..., ::dh, ::dw].permute(0, 1, 2, 4, 5, 3)
    return taps.reshape(-1, kh * kw * x.shape[1])


def images(rows: Tensor, shape: torch.Size, window: Window) -> Tensor:
    """The adjoint of ``columns``: every row's elements added up where they were taken from."""
    n, channels, h, w = shape
    top, left, bottom, right = window.pads
    (kh, kw), (sh, sw), (dh, dw) = window.kernel, window.strides, window.dilations
    oh, ow = window.size(h, w)
    taps = rows.reshape(n, oh, ow, kh, kw, channels)
    padded = rows.new_zeros(n, h + top + bottom, w + left + right, channels)
    for i, j in product(range(kh), range(kw)):
        y, x = i * dh, j * dw
        padded[:, y : y + (oh - 1) * sh + 1 : sh, x : x + (ow - 1) * sw + 1 : sw] += taps[:, :, :, i, j]
    return padded[:, top : top + h, left : left + w].permute(0, 3, 1, 2)


def _sizes(value) -> list[int | None]:
    """The dimensions that the exporter knows of a value."""
    return value.type().sizes()


def _typed(result, like, sizes):
    """``result`` with the element type of ``like``, and the shape where it is known."""
    kind = like.type()
    result.setType(kind.with_sizes(list(sizes)) if sizes else kind)
    return result
