"""Nodes that quantize, as quantizers."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from ...errors import GraphError
from .chain import compress
from .qdq_ops import lower_quantize_linear
from .quantizers import (
    BipolarQuantizer,
    Quantizer,
    TruncQuantizer,
    bit_width,
    code_bounds,
    integer_quantizer,
    known_rounding,
    threshold_quantizer,
    truncating,
    whole_points,
)
from .source import SourceNode, aligned
from .tensors import Constant, Tensor, float_table

# Of tensors with this many axes; others have their channels first.
_LAYOUTS = {2: "NC", 3: "NWC", 4: "NCHW"}


def _scale(node: SourceNode, index: int = 1, what: str = "the scale") -> np.ndarray:
    """A scale as it broadcasts against the operand: a frame, or a constant in its own shape."""
    scale = node.constant(index, what).values
    if scale.dtype == np.float32 and isinstance(node.operands[0], Tensor):
        # Scales that are not finite have the message of those that are not positive.
        scale = np.where(np.isfinite(scale), scale, np.float32(-1))
    return _fitted(node, scale, what)


def _point(node: SourceNode) -> np.ndarray:
    """The zero points, as they broadcast against the operand."""
    point = node.constant(2, "the zero point").values
    return _fitted(node, point if point.any() else point.astype(np.float32), "the zero point")


def _fitted(node: SourceNode, values: np.ndarray, what: str) -> np.ndarray:
    if values.dtype != np.float32:
        raise GraphError(f"{what} must be float32, not {values.dtype}")
    operand = node.operands[0]
    if isinstance(operand, Tensor):
        return compress(aligned(Constant(values), operand, what).values)
    if not isinstance(operand, Constant):
        raise GraphError("input 0 must be given")
    return values


def lower_quant(node: SourceNode) -> Quantizer:
    """Quant, or IntQuant in newer files."""
    scale, point = _scale(node), _point(node)
    return integer_quantizer(
        _together(scale, point), point, node.constant(3, "the bit width").values,
        bool(node.attribute("signed", 1)), bool(node.attribute("narrow", 1)),
        node.attribute("rounding_mode", "ROUND"),
    )  # fmt: skip


def _together(scale: np.ndarray, point: np.ndarray) -> np.ndarray:
    """The scale along the axes of both; raises GraphError where they do not broadcast."""
    if point.size == 1:
        return scale
    try:
        return np.broadcast_to(scale, np.broadcast_shapes(scale.shape, point.shape))
    except ValueError:
        raise GraphError(
            f"scale and zero point must broadcast, but have shapes {scale.shape} and {point.shape}"
        ) from None


def lower_bipolar_quant(node: SourceNode) -> Quantizer:
    """BipolarQuant."""
    return BipolarQuantizer(_scale(node), -1, 1, 2)


def lower_multi_threshold(node: SourceNode) -> Quantizer:
    """MultiThreshold of FINN; thresholds (C or 1, N) along the channel axis that data_layout names."""
    tensor = node.operands[0]
    thresholds = node.constant(1, "the thresholds").values
    if not isinstance(tensor, Tensor):
        raise GraphError("input 0 must be computed from the model's input")
    if thresholds.ndim != 2 or thresholds.dtype != np.float32 or not thresholds.shape[1]:
        found = f"{thresholds.dtype} of shape {thresholds.shape}"
        raise GraphError(f"the thresholds must be float32 of shape (C, N), not {found}")
    # What qonnx's executor takes for granted where the file says nothing.
    layout = node.attribute("data_layout", "") or _LAYOUTS.get(tensor.rank + 1, "")
    axis = layout.index("C") - 1 if "C" in layout else 0
    if layout and (len(layout) != tensor.rank + 1 or axis < 0):
        raise GraphError(
            f"data_layout must name {tensor.rank + 1} axes, not first the channels, not {layout!r}"
        )
    if thresholds.shape[0] not in (1, tensor.shape[axis]):
        rows = thresholds.shape[0]
        raise GraphError(f"the thresholds must have 1 or {tensor.shape[axis]} rows, not {rows}")
    shape = [1] * tensor.rank
    shape[axis] = thresholds.shape[0]
    quantizer = threshold_quantizer(
        thresholds.reshape(*shape, -1), node.attribute("out_scale", 1.0), node.attribute("out_bias", 0.0)
    )
    return replace(quantizer, scale=np.full((1,) * tensor.rank, quantizer.scale.item(), dtype=np.float32))


def lower_trunc(node: SourceNode) -> Quantizer:
    """Trunc: with the output's scale and width, or as before with the output's width alone."""
    scale, point = _scale(node), whole_points(_point(node)).astype(np.float32)
    rounding = known_rounding(node.attribute("rounding_mode", "FLOOR"))
    if len(node.operands) > 5:
        output_scale = _scale(node, 4, "the output scale")
        with np.errstate(all="ignore"):
            divisor = np.exp2(np.round(np.log2(output_scale / scale)))
            output_point = point / divisor
        width = bit_width(node.constant(5, "the output bit width").values)
        bounds = code_bounds(bool(node.attribute("signed", 1)), bool(node.attribute("narrow", 0)), width)
    else:
        widths = (node.constant(i, "the bit width").values for i in (3, 4))
        before, after = (bit_width(w) for w in widths)
        output_scale, divisor = scale, np.full_like(scale, 2.0 ** (before - after))
        bounds, output_point = (-np.inf, np.inf), point
    if not (np.isfinite(divisor).all() and (divisor > 0).all() and (scale > 0).all()):
        raise GraphError(f"scales must be finite and above 0, not {scale.min()} and {output_scale.min()}")
    return truncating(
        TruncQuantizer(
            output_scale, 0, 0, input_scale=scale, zero_point=point, divisor=divisor,
            output_zero_point=whole_points(output_point).astype(np.float32), bounds=bounds, rounding=rounding,
        ),
        _reach(node.any_tensor()),
    )  # fmt: skip


def _reach(operand: Tensor) -> np.ndarray:
    """The floats of the least and the greatest integer, or of all: the parameters' shape plus one axis.

    Raises:
        GraphError: the model's float input, which has no bounds.
    """
    if operand.pending:
        raise GraphError(
            "its input must be quantized, but is the model's float input. Quantize the input first."
        )
    if not operand.chain.monotone:
        return float_table(operand)
    ends = np.array([operand.value.type.dtype.lo, operand.value.type.dtype.hi])
    return operand.chain.moved(lambda p: p[..., None]).apply(ends.reshape((1,) * operand.rank + (2,)))


QUANTIZERS: dict[str, Callable[[SourceNode], Quantizer]] = {
    "Quant": lower_quant,
    "IntQuant": lower_quant,
    "BipolarQuant": lower_bipolar_quant,
    "MultiThreshold": lower_multi_threshold,
    "Trunc": lower_trunc,
    "QuantizeLinear": lower_quantize_linear,
}
