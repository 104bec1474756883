"""Quantizer nodes: the end of a float chain, of the model's float input, or of float weights."""

from dataclasses import replace
from math import prod

import numpy as np

from ...errors import GraphError
from ..ir.boundary import InputEncoding
from ..ir.graph import Const, Input, Node, Value
from ..ir.ops import MaxPool, Mul, Reshape, Transpose
from ..ir.types import Int, TensorType
from .chain import Chain
from .function_steps import DeferredStep
from .quantizers import LinearQuantizer, Quantizer
from .staircase import input_staircase, staircase
from .tabulate import tabulated
from .tensors import Constant, Tensor, oriented, pending_path, rescaled, reshape_param, threshold

# The largest code of a 32-bit quantizer in float32.
_MAX_CODE = 2**31


def quantize_constant(constant: Constant, quantizer: Quantizer) -> Constant:
    """Weights or a bias through their quantizer.

    Raises:
        GraphError: NaN, or codes that float32 cannot carry.
    """
    values = constant.values
    if values.dtype != np.float32 or not np.isfinite(values).all():
        raise GraphError(f"the weights must be finite float32 numbers, not {_describe(values)}")
    scale = quantizer.scale
    aligned_shape = (1,) * (values.ndim - scale.ndim) + scale.shape
    if len(aligned_shape) > values.ndim or any(
        s not in (1, v) for s, v in zip(aligned_shape, values.shape, strict=True)
    ):
        raise GraphError(f"the scale of shape {scale.shape} must broadcast to the weights' {values.shape}")
    codes = quantizer.codes(values)
    with np.errstate(over="ignore"):
        scaled_values = (codes * quantizer.scale.astype(np.float64)).astype(np.float32)
    if np.abs(codes).max(initial=0) > _MAX_CODE or not np.isfinite(scaled_values).all():
        raise GraphError("the weights must be whole multiples of their scale within float32's range")
    return Constant(scaled_values, codes, quantizer.scale)


def quantize_tensor(tensor: Tensor, quantizer: Quantizer, name: str) -> Tensor:
    """A computed tensor through a quantizer: thresholds on its integers, or a table where its chain may
    rise and fall.

    Raises:
        GraphError: too large a range, or a chain with values that no quantizer defines.
    """
    first, *rest = tensor.chain.steps
    if isinstance(first, DeferredStep):
        return rescaled(first.quantized(Chain(tuple(rest)), quantizer, name), quantizer.scale)
    if not tensor.chain.monotone:
        return rescaled(tabulated(tensor, quantizer, name), quantizer.scale)
    tensor = oriented(tensor)
    dtype = tensor.value.type.dtype
    thresholds = staircase(tensor.chain, quantizer, dtype.lo, dtype.hi, tensor.rank)
    if _is_identity(thresholds, quantizer, dtype):
        return rescaled(tensor.value, quantizer.scale)
    value = threshold(tensor.value, thresholds, quantizer.lo, quantizer.step, name)
    return rescaled(value, quantizer.scale)


def _is_identity(thresholds: np.ndarray, quantizer: Quantizer, dtype: Int) -> bool:
    """Whether the codes are the integers themselves, as after a second, equal quantizer."""
    if quantizer.step != 1 or not quantizer.lo <= dtype.lo <= dtype.hi <= quantizer.hi:
        return False
    codes = np.arange(quantizer.lo + 1, quantizer.hi + 1)
    return bool((thresholds == np.clip(codes, dtype.lo, dtype.hi + 1)).all())


def encode_input(tensor: Tensor, quantizer: Quantizer) -> tuple[Input, InputEncoding, np.ndarray]:
    """The model's float input as integers, for the quantizer that ``tensor`` (still pending) meets.

    Returns:
        The integer input, its encoding, and -1 for channels whose integers are the negated codes.
    Raises:
        GraphError: the chain is not monotone or varies along another axis than the first.
    """
    placeholder, path = pending_path(tensor.value)
    chain, there = tensor.chain, quantizer
    for node in reversed(path):
        chain, there = chain.moved(_undo(node)), there.moved(_undo(node))
    shape = placeholder.type.shape
    sign = _input_sign(chain, there, len(shape))
    lo, hi, table = input_staircase(chain, there, sign, len(shape))
    if any(d > 1 for d in table.shape[1:-1]):
        raise GraphError("the input's scaling must be one for all or one per channel (its first axis)")
    source = Input(placeholder.name, TensorType(shape, Int(lo, hi, quantizer.step if hi > lo else 1)))
    rows_ = table.reshape(prod(table.shape[:-1]), table.shape[-1])
    scale = _report_scale(chain, quantizer)
    zero = quantizer.zero_point if isinstance(quantizer, LinearQuantizer) and (sign > 0).all() else 0
    return source, InputEncoding(shape, tuple(range(len(shape))), rows_, scale, zero), sign


def quantized_input(tensor: Tensor, source: Input, sign: np.ndarray, quantizer: Quantizer) -> Tensor:
    """``tensor`` behind its quantizer, in its own layout, computed from the integer input."""
    value: Value = _negated(source, sign) if (sign < 0).any() else source
    for node in pending_path(tensor.value)[1]:
        value = node.op(value, name=node.name)
    return rescaled(value, quantizer.scale)


def _input_sign(chain: Chain, quantizer: Quantizer, rank: int) -> np.ndarray:
    """-1 for channels whose code falls as the input rises; all of them, or codes symmetric about 0."""
    direction = np.asarray(chain.direction())
    direction = direction.reshape((1,) * (rank - direction.ndim) + direction.shape)
    sign = np.where(direction < 0, -1, 1)
    if (sign < 0).any() and (sign > 0).any() and quantizer.lo != -quantizer.hi:
        raise GraphError(
            "before the input's quantizer either all channels must rise or all must fall, but some do each. "
            "Scale all channels by numbers of one sign."
        )
    return sign


def _negated(value: Value, sign: np.ndarray) -> Value:
    """The input times -1, for all elements or for some along its first axis."""
    shape = value.type.shape
    if sign.size == 1:
        return Mul()(value, Const(sign.reshape(1)))
    forth = (*range(1, len(shape)), 0)
    back = (len(shape) - 1, *range(len(shape) - 1))
    flat = Mul()(Transpose(forth)(value) if len(shape) > 1 else value, Const(sign.reshape(-1)))
    return Transpose(back)(flat) if len(shape) > 1 else flat


def _undo(node: Node):
    """Maps parameters from the layout behind a node to the layout before it."""
    before, after = node.inputs[0].type.shape, node.type.shape
    if isinstance(node.op, Transpose):
        inverse = np.argsort(node.op.perm)
        return lambda p: p.transpose(inverse)
    if isinstance(node.op, Reshape):
        return lambda p: reshape_param(p, after, before)
    if isinstance(node.op, MaxPool):
        # Pooling keeps the channels, which are the last axis of its layout (H, W, C).
        return _pooled_param
    return lambda p: _varying_nowhere(p, len(before))


def _varying_nowhere(param: np.ndarray, rank: int) -> np.ndarray:
    if param.size != 1:
        raise GraphError(
            "a scaling that varies must not lie between a slice of the model's float input and its "
            "quantizer. Quantize the input first."
        )
    return param.reshape((1,) * rank)


def _pooled_param(param: np.ndarray) -> np.ndarray:
    if param.ndim != 3 or param.shape[:2] != (1, 1):
        raise GraphError("a scaling that varies over the image must not come before the input's pooling")
    return param


def _report_scale(chain: Chain, quantizer: Quantizer) -> float | None:
    """Input floats per code, where that is one number."""
    parts = chain.affine()
    if parts is None or parts[0].size != 1 or quantizer.scale.size != 1 or not parts[0].item():
        return None
    return abs(quantizer.scale.item() / float(parts[0].item()))


def _describe(values: np.ndarray) -> str:
    return str(values.dtype) if values.dtype != np.float32 else "NaN or infinity"


def same_encoding(a: InputEncoding, b: InputEncoding) -> bool:
    """Whether two encodings give the same integers for every input."""
    if a.thresholds is None or b.thresholds is None:
        return a.thresholds is b.thresholds
    return a.thresholds.shape == b.thresholds.shape and bool((a.thresholds == b.thresholds).all())


def integer_input(name: str, shape: tuple[int, ...], lo: int, hi: int, step: int, zero: int) -> Tensor:
    """The tensor of an input that already holds integers ``lo..hi``; the graph's are less by ``zero``."""
    value = Input(name, TensorType(shape, Int(lo - zero, hi - zero, step)))
    return replace(rescaled(value, np.ones((1,) * len(shape))), zero_point=zero)


def pending_input(name: str, shape: tuple[int, ...]) -> Tensor:
    """The tensor of a float input that a quantizer has yet to meet."""
    return replace(Tensor(Input(name, TensorType(shape, Int(0, 0))), Chain()), pending=True)
