"""Operators that pool, average, move or join elements."""

from math import prod

import numpy as np

from ...errors import GraphError
from ..ir.graph import Const, Value
from ..ir.ops import Concat, MaxPool, Pad, ReduceSum, Reshape, SumPool, Threshold
from .tflite_file import constant
from .tflite_fixed import quantize_multiplier
from .tflite_requantize import fixed, stepped
from .tflite_source import Activation, Coding, OperatorView, coding_of, window


def lower_average_pool(view: OperatorView) -> Activation:
    """AVERAGE_POOL_2D: the sum of the codes inside the image, divided by their count, halves away from 0."""
    x = view.image(0)
    coding = view.kept_coding(x)
    pool, counts = _sum_pool(view, x)
    codes, sums = view.clamp(coding), pool(x.value)
    if (counts == counts.flat[0]).all():
        return view.result(stepped(sums, _average(coding, counts[:1, :1], codes), codes), coding)
    # Windows differ in size, so each element of the result gets thresholds of its own.
    shape = sums.type.shape
    rows = np.broadcast_to(counts[..., None], shape).reshape(-1, 1)
    flat = Reshape((len(rows),))(sums)
    value = stepped(flat, _average(coding, rows, codes), codes, len(rows))
    return view.result(value, coding)


def _average(coding: Coding, count: np.ndarray, codes: tuple[int, int]):
    """Sums (rows, n) of integers without zero point to codes, for counts (rows, 1)."""

    def code_of(sums: np.ndarray) -> np.ndarray:
        total = sums + count * coding.zero_point
        size = (np.abs(total) + count // 2) // count
        return np.clip(np.where(total > 0, size, -size) - coding.zero_point, *codes)

    return code_of


def _sum_pool(view: OperatorView, x: Activation) -> tuple[SumPool, np.ndarray]:
    """The pool of a window's elements, and how many of them lie inside the image, (OH, OW)."""
    kernel = view.option("FilterHeight"), view.option("FilterWidth")
    strides, pads, _ = window(view, x.shape[:2], kernel)
    pool = SumPool(kernel, strides, pads)
    shape = pool(x.value).type.shape
    inside = []
    for axis in (0, 1):
        start = np.arange(shape[axis]) * strides[axis] - pads[axis]
        inside.append(np.minimum(start + kernel[axis], x.shape[axis]) - np.maximum(start, 0))
    return pool, inside[0][:, None] * inside[1][None, :]


def lower_max_pool(view: OperatorView) -> Activation:
    """MAX_POOL_2D."""
    x = view.image(0)
    coding = view.kept_coding(x)
    kernel = view.option("FilterHeight"), view.option("FilterWidth")
    strides, pads, _ = window(view, x.shape[:2], kernel)
    return view.result(_clip(MaxPool(kernel, strides, pads)(x.value), view.clamp(coding)), coding)


def _clip(value: Value, codes: tuple[int, int]) -> Value:
    """The value within ``codes``; as it is where it lies there already."""
    d = value.type.dtype
    lo, hi = max(d.lo, codes[0]), min(d.hi, codes[1])
    if (lo, hi) == (d.lo, d.hi):
        return value
    if lo >= hi:
        lo, hi = codes[0], codes[0] + 1
    return Threshold(lo)(value, Const(np.arange(lo + 1, hi + 1)[None]))


def lower_mean(view: OperatorView) -> Activation:
    """MEAN: the sum over some axes, times scale ratio and 1/count in one fixed-point factor."""
    x, coding = view.activation(0), view.coding()
    axes = constant(view.source(1, "the axes"), "INT32", "the axes").ravel().tolist()
    rank = len(x.shape) + 1
    if not axes or any(not -rank <= a < rank for a in axes) or any(a % rank == 0 for a in axes):
        raise GraphError(f"the axes must be some of 1..{rank - 1}, not {axes}")
    axes = sorted({a % rank - 1 for a in axes})
    count = prod(x.shape[a] for a in axes)
    real = np.float64(x.coding.scale) / np.float64(coding.scale)
    multiplier, shift = quantize_multiplier(float(real))
    # As LiteRT does: count's bits go into the shift as far as that keeps above -31.
    more = min(count.bit_length() - 1, 32, 31 + shift)
    factor = np.array([(multiplier << more) // count]), np.array([shift - more])
    sums = ReduceSum(tuple(axes))(x.value)
    if not sums.type.shape:
        sums = Reshape((1,))(sums)
    return view.result(fixed(sums, *factor, coding.range), coding)


def lower_reshape(view: OperatorView) -> Activation:
    """RESHAPE, SQUEEZE and EXPAND_DIMS: the shape is that which the file declares."""
    x = view.activation(0, ("INT8", "UINT8"))
    return view.result(x.value, view.kept_coding(x))


def lower_pad(view: OperatorView) -> Activation:
    """PAD with the code of 0.0, PADV2 with a constant."""
    x = view.activation(0)
    coding = view.kept_coding(x)
    stored = view.source(1, "the paddings")
    pads = constant(stored, stored.kind if stored.kind in ("INT32", "INT64") else "INT32", "the paddings")
    if pads.shape != (len(x.shape) + 1, 2) or pads.min() < 0 or pads[0].any() or pads.max() > 2**16:
        raise GraphError(
            f"the paddings must be pairs from 0 to 65536 for {len(x.shape) + 1} axes, none for the batch, "
            f"not {pads.tolist()}"
        )
    value = 0
    if view.op.kind == "PADV2":
        stored = view.source(2, "the padding value")
        if coding_of(stored, "the padding value") != coding or stored.shape not in ((), (1,)):
            raise GraphError("the padding value must be one integer in the operand's coding")
        value = int(constant(stored, "INT8", "the padding value").item()) - coding.zero_point
    _check_declared(view, tuple(s + int(p) for s, p in zip(x.shape, pads[1:].sum(1), strict=True)))
    return view.result(Pad((*map(int, pads[1:, 0]), *map(int, pads[1:, 1])), value)(x.value), coding)


def lower_concat(view: OperatorView) -> Activation:
    """CONCATENATION of tensors of one coding."""
    parts = [view.activation(i) for i in range(len(view.operands))]
    coding = view.coding()
    for part in parts:
        view.kept_coding(part)
    if view.option("FusedActivationFunction"):
        raise GraphError("its fused activation must be none")
    rank = len(parts[0].shape) + 1
    axis = view.option("Axis")
    if not -rank <= axis < rank or axis % rank == 0:
        raise GraphError(f"the axis must be one of 1..{rank - 1}, not {axis}")
    value = Concat(axis % rank - 1)(*(p.value for p in parts)) if len(parts) > 1 else parts[0].value
    return view.result(value, coding)


def _check_declared(view: OperatorView, shape: tuple[int, ...]) -> None:
    """Raise GraphError before anything of the wrong size is made."""
    if shape != view.shape():
        raise GraphError(f"the result must have shape {(1, *shape)}, not {(1, *view.shape())}")
