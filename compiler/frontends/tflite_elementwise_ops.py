"""Operators that work element by element: sums, products, clamps, changes of coding."""

from math import prod

import numpy as np

from ...errors import GraphError
from ..ir.graph import Const, Value
from ..ir.ops import Add, Lookup, Mul, Upsample
from .tflite_file import SourceTensor, constant
from .tflite_fixed import multiply, quantize_multiplier
from .tflite_requantize import fixed, rescaled
from .tflite_source import Activation, Coding, OperatorView, clamped, coding_of

# Bits that LiteRT's addition puts behind the point before it rescales its operands.
_LEFT_SHIFT = 20


def lower_add(view: OperatorView) -> Activation:
    """ADD: both operands are rescaled to twice the larger scale, summed, and rescaled again."""
    return _sum(view, 1)


def lower_sub(view: OperatorView) -> Activation:
    """SUB: as ADD, the second operand's rescaled value negated."""
    return _sum(view, -1)


def _sum(view: OperatorView, sign: int) -> Activation:
    first, second = _operand(view, 0), _operand(view, 1)
    coding = view.coding()
    twice = 2 * np.float64(max(first[1].scale, second[1].scale))
    multiplier, shift = quantize_multiplier(twice / (2**_LEFT_SHIFT * np.float64(coding.scale)))
    if shift > 0 or not multiplier:
        raise GraphError(
            f"the result's scale must be between 2^-20 and 2^11 times twice its operands', not "
            f"{coding.scale} for {twice}, which LiteRT refuses"
        )
    parts = [_scaled(first, twice, 1), _scaled(second, twice, sign)]
    total = Add()(*_matched(*parts))
    value = fixed(total, np.array([multiplier]), np.array([shift]), view.clamp(coding))
    return view.result(value, coding)


def _scaled(operand: tuple[Value | np.ndarray, Coding], twice: float, sign: int) -> Value | np.ndarray:
    """An operand as a fixed-point number of the sum's own scale; computed ones through a table."""
    value, coding = operand
    multiplier, shift = quantize_multiplier(np.float64(coding.scale) / twice)

    def scale(q: np.ndarray) -> np.ndarray:
        return sign * multiply(q << _LEFT_SHIFT, multiplier, shift)

    if isinstance(value, np.ndarray):
        return scale(value)
    d = value.type.dtype
    return Lookup(d.lo)(value, Const(scale(np.arange(d.lo, d.hi + 1))))


def lower_mul(view: OperatorView) -> Activation:
    """MUL: the product of the integers, rescaled."""
    (a, first), (b, second) = _operand(view, 0), _operand(view, 1)
    coding = view.coding()
    # The kernel works in float32 up to here.
    with np.errstate(over="ignore"):
        real = np.float64(first.scale * second.scale / coding.scale)
    if not np.isfinite(real):
        raise GraphError("the operands' scales must fit float32 when multiplied and divided by the result's")
    return view.result(rescaled(Mul()(*_matched(a, b)), np.array([real]), view.clamp(coding)), coding)


def _operand(view: OperatorView, index: int) -> tuple[Value | np.ndarray, Coding]:
    """A computed operand, or a constant's integers with the zero point taken off."""
    operand = view.operands[index] if index < len(view.operands) else None
    if isinstance(operand, SourceTensor):
        coding = coding_of(operand, f"operand {index}")
        codes = constant(operand, "INT8", f"operand {index}")
        return np.atleast_1d(codes) - coding.zero_point, coding
    x = view.activation(index)
    return x.value, x.coding


def _matched(a: Value | np.ndarray, b: Value | np.ndarray) -> tuple[Value, Value]:
    """Two operands as an elementwise op takes them: the computed or larger one first, the other to match."""
    if isinstance(a, np.ndarray):
        a, b = b, a
    if isinstance(a, np.ndarray):
        raise GraphError("one of its operands must be computed from the input, but both are constant")
    if isinstance(b, np.ndarray):
        return a, Const(_broadcast(b, a.type.shape))
    if a.type.shape == b.type.shape:
        return a, b
    if a.type.size < b.type.size:
        a, b = b, a
    size, small = a.type.shape, b.type.shape
    if len(size) != 3 or small != (1, 1, size[2]):
        raise GraphError(
            f"its operands must have one shape, or one (1, 1, 1, C), not {(1, *size)}, {(1, *small)}"
        )
    return a, Upsample(size[:2])(b)


def _broadcast(values: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """A constant of any shape that broadcasts: one element, one per channel, or all of them."""
    try:
        whole = np.broadcast_to(values, (1, *shape))
    except ValueError:
        raise GraphError(
            f"its constant of shape {values.shape} must broadcast to the operand's {(1, *shape)}"
        ) from None
    if values.size in (1, shape[-1]) and prod(values.shape[:-1]) == 1:
        return values.reshape(-1)
    return np.array(whole[0])


def lower_relu(view: OperatorView) -> Activation:
    """RELU, RELU6, RELU_N1_TO_1 and RELU_0_TO_1 as operators of their own."""
    x, coding = view.activation(0), view.coding()
    with np.errstate(over="ignore"):
        real = np.float64(x.coding.scale / coding.scale)
    codes = clamped(coding, *_RELUS[view.op.kind])
    return view.result(rescaled(x.value, np.array([real]), codes), coding)


_RELUS = {"RELU": (0.0, None), "RELU6": (0.0, 6.0), "RELU_N1_TO_1": (-1.0, 1.0), "RELU_0_TO_1": (0.0, 1.0)}


def lower_requantize(view: OperatorView) -> Activation:
    """QUANTIZE between two integer codings; the same scale only moves the zero point, which is not ours."""
    kinds = ("INT8", "UINT8")
    x, coding = view.activation(0, kinds), view.coding(kinds)
    if x.coding.scale == coding.scale and x.coding.range == coding.range:
        return Activation(x.value, coding)
    real = np.float64(x.coding.scale) / np.float64(coding.scale)
    return view.result(rescaled(x.value, np.array([real]), coding.range), coding)


def lower_dequantize(view: OperatorView) -> Activation:
    """DEQUANTIZE, which the graph's boundary does: only outputs may follow."""
    x = view.activation(0, ("INT8", "UINT8"))
    if view.output.kind != "FLOAT32":
        raise GraphError(f"the result must be FLOAT32, not {view.output.kind}")
    if view.shape() != x.shape:
        raise GraphError(f"the result must have shape {(1, *x.shape)}, not {(1, *view.shape())}")
    return Activation(x.value, x.coding, floats=True)
