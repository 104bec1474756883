"""Elementwise nodes: each becomes a step of its tensor's float chain."""

from dataclasses import replace

import numpy as np
from onnx import TensorProto

from ...errors import GraphError
from ..ir.graph import Const
from ..ir.ops import Add
from .chain import AddStep, ClipStep, DivStep, LeakyStep, MulStep, compress
from .function_ops import quantized
from .function_steps import FunctionStep
from .product_ops import lower_pair, lower_product, lower_sum
from .source import SourceNode, aligned, along_channels, parameter
from .staircase import MAX_THRESHOLDS
from .tensors import Constant, Tensor, on_channels, rows, threshold

_INTEGER_TYPES = (
    TensorProto.INT8, TensorProto.UINT8, TensorProto.INT16, TensorProto.UINT16,
    TensorProto.INT32, TensorProto.UINT32, TensorProto.INT64, TensorProto.UINT64,
)  # fmt: skip


def _all_computed(node: SourceNode) -> bool:
    return len(node.operands) == 2 and all(isinstance(o, Tensor) for o in node.operands)


def _operands(node: SourceNode) -> tuple[Tensor, Constant, bool]:
    """The computed operand, the constant one, and whether the constant comes first."""
    first = isinstance(node.operands[0], Constant)
    return node.tensor(int(first)), node.constant(int(not first), "the constant"), first


def add_constant(tensor: Tensor, constant: Constant, what: str) -> Tensor:
    """``tensor + constant``: an integer sum where the constant is quantized with the tensor's own scale,
    else a float step."""
    constant = aligned(constant, tensor, what)
    codes = integer_bias(tensor, constant)
    if codes is not None:
        if not codes.any():
            return tensor
        axes, table = rows(codes, tensor.shape, 0)
        value = on_channels(tensor.value, axes, lambda v: Add()(v, Const(table)))
        return replace(tensor, value=value, zero_point=0)
    return stepped(tensor, AddStep, compress(constant.values), 0)


def integer_bias(tensor: Tensor, constant: Constant) -> np.ndarray | None:
    """Codes of an aligned constant that is quantized with exactly the scale of the tensor, else None."""
    if constant.codes is None or tensor.pending or not tensor.chain.only_scale():
        return None
    scale = tensor.chain.steps[0].params[0]
    if not np.array_equal(*np.broadcast_arrays(scale, constant.scale.astype(np.float64), constant.codes)[:2]):
        return None
    return compress(constant.codes)


def stepped(tensor: Tensor, step: type, param: np.ndarray, neutral: float) -> Tensor:
    """One step on top; nothing where the parameter changes no value."""
    return tensor if (param == neutral).all() else tensor.then(step((param,)))


def lower_add(node: SourceNode) -> tuple[Tensor]:
    """x + c, or the sum of two computed tensors."""
    if _all_computed(node):
        return (lower_sum(node, 1),)
    tensor, constant, _ = _operands(node)
    return (add_constant(tensor, constant, "the summand"),)


def lower_sub(node: SourceNode) -> tuple[Tensor]:
    """x - c is x + (-c), and c - x is (-x) + c, also in float32; or the difference of two computed."""
    if _all_computed(node):
        return (lower_sum(node, -1),)
    tensor, constant, first = _operands(node)
    if first:
        minus = np.full((1,) * tensor.rank, -1, dtype=np.float32)
        return (add_constant(tensor.then(MulStep((minus,))), Constant(constant.values), "the minuend"),)
    constant = aligned(constant, tensor, "the subtrahend")
    codes = None if constant.codes is None else -constant.codes
    return (add_constant(tensor, Constant(-constant.values, codes, constant.scale), "the subtrahend"),)


def lower_mul(node: SourceNode) -> tuple[Tensor]:
    """x * c, or the product of two computed tensors."""
    if _all_computed(node):
        return (lower_product(node),)
    tensor, constant, _ = _operands(node)
    return (stepped(tensor, MulStep, parameter(constant, tensor, "the factor"), 1),)


def lower_div(node: SourceNode) -> tuple[Tensor]:
    """x / c, c / x, or the quotient of two computed tensors."""
    if _all_computed(node):
        return (lower_pair(node, np.divide),)
    tensor, constant, first = _operands(node)
    if first:
        dividend = parameter(constant, tensor, "the dividend")
        return (quantized(tensor).then(FunctionStep((dividend,), lambda x, c: c / x, "Div")),)
    divisor = parameter(constant, tensor, "the divisor")
    if not divisor.all():
        raise GraphError("the divisor must not be 0")
    return (stepped(tensor, DivStep, divisor, 1),)


def lower_neg(node: SourceNode) -> tuple[Tensor]:
    """-x."""
    tensor = node.tensor()
    return (tensor.then(MulStep((np.full((1,) * tensor.rank, -1, dtype=np.float32),))),)


def lower_batch_normalization(node: SourceNode) -> tuple[Tensor]:
    """x * f + o with ONNX Runtime's f = gamma * (1 / sqrt(var + eps)) and o = beta - mean * f."""
    tensor = node.tensor()
    if node.attribute("training_mode", 0) or not node.attribute("spatial", 1):
        raise GraphError("batch norm must be in inference mode, per channel. Export after model.eval().")
    names = ("gamma", "beta", "mean", "variance")
    gamma, beta, mean, variance = (
        along_channels(aligned_free(node.constant(i + 1, n), n), tensor, n) for i, n in enumerate(names)
    )
    variance = variance + np.float32(node.attribute("epsilon", 1e-5))
    if not (variance > 0).all():
        raise GraphError("variance plus epsilon must be above 0")
    factor = (np.float32(1) / np.sqrt(variance)) * gamma
    offset = beta - mean * factor
    tensor = stepped(tensor, MulStep, compress(factor), 1)
    return (stepped(tensor, AddStep, compress(offset), 0),)


def aligned_free(constant: Constant, what: str) -> np.ndarray:
    """Values that must be finite float32, in their own shape."""
    if constant.values.dtype != np.float32 or not np.isfinite(constant.values).all():
        raise GraphError(f"{what} must be finite float32 numbers")
    return constant.values


def _clipped(tensor: Tensor, low: float, high: float) -> Tensor:
    limits = (np.full((1,) * tensor.rank, v, dtype=np.float32) for v in (low, high))
    return tensor.then(ClipStep(tuple(limits)))


def lower_relu(node: SourceNode) -> tuple[Tensor]:
    """max(x, 0), also of codes."""
    tensor = node.any_tensor()
    if tensor.integer:
        return (_clipped_codes(tensor, 0.0, np.inf, node.name),)
    return (_clipped(tensor, 0.0, np.inf),)


def lower_clip(node: SourceNode) -> tuple[Tensor]:
    """min(max(x, low), high), also of codes; the limits are attributes up to opset 10."""
    tensor = node.any_tensor()
    limits = []
    for i, (name, default) in enumerate((("min", -np.inf), ("max", np.inf))):
        constant = node.optional(i + 1, name)
        value = node.attribute(name, float(default)) if constant is None else constant.values
        if np.size(value) != 1 or np.asarray(value).dtype.kind not in "fiu":
            raise GraphError(f"{name} must be one number")
        limits.append(float(np.asarray(value).item()))
    if not limits[0] <= limits[1]:
        raise GraphError(f"min must not be above max, but {limits[0]} is above {limits[1]}")
    if tensor.integer:
        return (_clipped_codes(tensor, *limits, node.name),)
    return (_clipped(tensor, *limits),)


def _clipped_codes(tensor: Tensor, low: float, high: float, name: str) -> Tensor:
    """Codes clipped, as PyTorch narrows them; the graph's integers are less by the zero point."""
    dtype, zero = tensor.value.type.dtype, tensor.zero_point
    first, last = (int(min(max(v, low - zero), high - zero)) for v in (dtype.lo, dtype.hi))
    if last - first > MAX_THRESHOLDS:
        raise GraphError(f"clipped integers must have at most {MAX_THRESHOLDS} steps, not {last - first}")
    table = np.arange(first + 1, last + 1).reshape((1,) * tensor.rank + (-1,))
    return replace(tensor, value=threshold(tensor.value, table, first, 1, name))


def lower_max(node: SourceNode) -> tuple[Tensor]:
    """The larger of two, of which one or none is a constant."""
    return (_extreme(node, np.maximum),)


def lower_min(node: SourceNode) -> tuple[Tensor]:
    """The smaller of two, of which one or none is a constant."""
    return (_extreme(node, np.minimum),)


def _extreme(node: SourceNode, function) -> Tensor:
    if len(node.operands) != 2:
        raise GraphError(f"it must have two operands, not {len(node.operands)}")
    if _all_computed(node):
        return lower_pair(node, function)
    tensor, constant, _ = _operands(node)
    limit = parameter(constant, tensor, "the limit")
    other = np.full_like(limit, np.inf if function is np.maximum else -np.inf)
    return tensor.then(ClipStep((limit, other) if function is np.maximum else (other, limit)))


def lower_leaky_relu(node: SourceNode) -> tuple[Tensor]:
    """x where x >= 0, else alpha * x."""
    tensor = node.tensor()
    alpha = np.full((1,) * tensor.rank, node.attribute("alpha", 0.01), dtype=np.float32)
    return (_leaky(tensor, alpha),)


def lower_prelu(node: SourceNode) -> tuple[Tensor]:
    """x where x >= 0, else slope * x."""
    tensor = node.tensor()
    return (_leaky(tensor, parameter(node.constant(1, "the slope"), tensor, "the slope")),)


def _leaky(tensor: Tensor, slope: np.ndarray) -> Tensor:
    if not np.isfinite(slope).all():
        raise GraphError("slopes must be finite, but hold NaN or infinity")
    if (slope >= 0).all():
        return tensor.then(LeakyStep((slope,)))
    return quantized(tensor).then(FunctionStep((slope,), lambda x, s: np.where(x >= 0, x, x * s), "PRelu"))


def lower_identity(node: SourceNode) -> tuple[Tensor]:
    """x."""
    return (node.any_tensor(),)


def lower_dropout(node: SourceNode) -> tuple[Tensor]:
    """x, as dropout is at inference."""
    training = node.optional(2, "training_mode")
    if training is not None and bool(training.values.any()):
        raise GraphError("dropout must be in inference mode. Export after model.eval().")
    return (node.any_tensor(),)


def lower_cast(node: SourceNode) -> tuple[Tensor]:
    """The same number in another type: to float32, or of whole numbers to an integer type."""
    tensor, to = node.any_tensor(), node.attribute("to", 0)
    if to == TensorProto.FLOAT:
        plain = replace(tensor, integer=False, zero_point=0)
        point = np.full((1,) * tensor.rank, tensor.zero_point if tensor.integer else 0, dtype=np.float32)
        return (stepped(plain, AddStep, point, 0),)
    whole = not tensor.pending and tensor.chain.only_scale() and (tensor.chain.steps[0].params[0] == 1).all()
    if to in _INTEGER_TYPES and whole:
        # Floats have no zero point, whatever codes they came from.
        return (replace(tensor, integer=True, zero_point=tensor.zero_point if tensor.integer else 0),)
    kind = TensorProto.DataType.Name(to) if to in TensorProto.DataType.values() else str(to)
    raise GraphError(f"casts must be to float32, or of whole numbers to an integer type, not to {kind}")
