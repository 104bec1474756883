"""Sums of products in ONNX, exact by the type they are summed in.

MatMulInteger and ConvInteger are integer arithmetic by definition; both operands are uint8 with a zero
point, for ONNX Runtime's kernels with an int8 operand saturate on x86 processors without VNNI. Wider
operands are multiplied as float64 where no partial sum, in whatever order, reaches 2^53, else as int64.
ONNX Runtime convolves neither, so their windows are gathered first.
"""

import numpy as np

from ..ir.graph import Node
from ..ir.ops import AdderConv2d, Conv2d, ConvTranspose2d
from ..ir.ops.linear import window_counts
from ..ir.types import Int, range_of
from .emitter import EXACT_FLOAT64, Emitter, fits_byte

_INT32 = 2**31


def _product(e: Emitter, x: str, z: str, x_type: Int, z_type: Int, largest_sum: int) -> str:
    """numpy's matmul of int64 tensors; no sum of absolute products exceeds ``largest_sum``."""
    if fits_byte(x_type) and fits_byte(z_type) and largest_sum < _INT32:
        (a, a_zero), (b, b_zero) = e.codes(x, x_type), e.codes(z, z_type)
        return e.cast(e.op("MatMulInteger", a, b, a_zero, b_zero), "int64")
    if largest_sum < EXACT_FLOAT64:
        y = e.op("MatMul", e.cast(x, "float64"), e.cast(z, "float64"))
        return e.cast(y, "int64")
    return e.op("MatMul", x, z)


def _weighted(e: Emitter, x: str, x_type: Int, w: np.ndarray) -> str:
    """``x @ w`` for constant weights (..., K, M)."""
    w_type, largest = range_of(w), x_type.magnitude * int(np.abs(w).sum(-2).max())
    if fits_byte(x_type) and fits_byte(w_type) and largest < _INT32:
        a, a_zero = e.codes(x, x_type)
        b, b_zero = _weight_codes(e, w)
        return e.cast(e.op("MatMulInteger", a, b, a_zero, b_zero), "int64")
    if largest < EXACT_FLOAT64:
        return e.cast(e.op("MatMul", e.cast(x, "float64"), e.constant(w, "float64")), "int64")
    return e.op("MatMul", x, e.constant(w))


def _weight_codes(e: Emitter, w: np.ndarray) -> tuple[str, str]:
    zero = -min(int(w.min()), 0)
    return e.constant(w + zero, "uint8"), e.constant(zero, "uint8")


def matmul(e: Emitter, node: Node, x: str) -> str:
    """MatMul."""
    data, w, *bias = node.inputs
    y = _weighted(e, x, data.type.dtype, w.value)
    return e.add(y, bias[0].value) if bias else y


def batch_matmul(e: Emitter, node: Node, x: str, z: str) -> str:
    """BatchMatMul."""
    p, q = (v.type.dtype for v in node.inputs)
    terms = node.inputs[0].type.shape[-1]
    return _product(e, x, z, p, q, terms * p.magnitude * q.magnitude)


def conv2d(e: Emitter, node: Node, x: str) -> str:
    """Conv2d."""
    data, w, *bias = node.inputs
    y = _convolve(e, node.op, x, data.type.shape, data.type.dtype, w.value)
    return e.add(y, bias[0].value) if bias else y


def _convolve(e: Emitter, op: Conv2d, x: str, shape: tuple[int, ...], x_type: Int, w: np.ndarray) -> str:
    largest = x_type.magnitude * int(np.abs(w).sum((0, 1, 2)).max())
    if not (fits_byte(x_type) and fits_byte(range_of(w)) and largest < _INT32):
        return _convolve_gathered(e, op, x, shape, x_type, w)
    a, a_zero = e.codes(e.transpose(x, (0, 3, 1, 2)), x_type)
    b, b_zero = _weight_codes(e, w.transpose(3, 2, 0, 1))
    y = e.op(
        "ConvInteger", a, b, a_zero, b_zero,
        kernel_shape=w.shape[:2], strides=op.strides, pads=op.pads, dilations=op.dilations, group=op.groups,
    )  # fmt: skip
    return e.transpose(e.cast(y, "int64"), (0, 2, 3, 1))


def taps(
    e: Emitter, op: Conv2d | AdderConv2d, x: str, shape, kernel: tuple[int, int]
) -> tuple[str, int, int]:
    """All windows of an image, (N, OH, OW, KH, KW, C), with their numbers OH and OW; padding adds zeros."""
    (kh, kw), (top, left, bottom, right) = kernel, op.pads
    x = e.pad(x, (top, left, 0, bottom, right, 0))
    oh, ow = window_counts("export", shape[:2], kernel, op.strides, op.pads, op.dilations)
    x = e.windows(x, 2, ow, kw, op.strides[1], op.dilations[1])
    x = e.windows(x, 1, oh, kh, op.strides[0], op.dilations[0])
    return e.transpose(x, (0, 1, 3, 2, 4, 5)), oh, ow


def _convolve_gathered(e: Emitter, op: Conv2d, x: str, shape, x_type: Int, w: np.ndarray) -> str:
    (kh, kw, cg, m), g = w.shape, op.groups
    x, oh, ow = taps(e, op, x, shape, (kh, kw))
    x = e.transpose(e.reshape(x, (oh * ow, kh * kw, g, cg)), (0, 3, 1, 2, 4))
    x = e.reshape(x, (g, oh * ow, kh * kw * cg))
    rows = w.reshape(kh * kw * cg, g, m // g).transpose(1, 0, 2)
    y = e.transpose(_weighted(e, x, x_type, rows), (0, 2, 1, 3))
    return e.reshape(y, (oh, ow, m))


def conv_transpose2d(e: Emitter, node: Node, x: str) -> str:
    """ConvTranspose2d: the convolution of the image, zeros between its pixels, with the kernel turned."""
    data, w, *bias = node.inputs
    op: ConvTranspose2d = node.op
    (h, wd, c), (sh, sw) = data.type.shape, op.strides
    x = e.reshape(x, (h, 1, wd, 1, c))
    x = e.pad(x, (0, 0, 0, 0, 0, 0, sh - 1, 0, sw - 1, 0))
    x = e.reshape(x, (h * sh, wd * sw, c))
    reach = [(k - 1) * d for k, d in zip(w.type.shape[:2], op.dilations, strict=True)]
    wanted = [n + r for n, r in zip(node.type.shape[:2], reach, strict=True)]
    before = [r - p for r, p in zip(reach, op.pads[:2], strict=True)]
    after = [n - b - size for n, b, size in zip(wanted, before, (h * sh, wd * sw), strict=True)]
    x = e.pad(x, (*(max(b, 0) for b in before), 0, *(max(a, 0) for a in after), 0))
    if min(*before, *after) < 0:  # the pads cut off more than the kernel reaches beyond the image
        starts = [max(-b, 0) for b in before]
        x = e.slice(x, starts, [a + n for a, n in zip(starts, wanted, strict=True)], (1, 1))
    turned = Conv2d(dilations=op.dilations, groups=op.groups)
    y = _convolve(e, turned, x, (*wanted, c), data.type.dtype, w.value[::-1, ::-1])
    return e.add(y, bias[0].value) if bias else y


def add(e: Emitter, node: Node, x: str, z: str) -> str:
    """Add."""
    return e.op("Add", x, z)


def mul(e: Emitter, node: Node, x: str, z: str) -> str:
    """Mul."""
    return e.op("Mul", x, z)
