"""Nodes that quantize, as quantizers."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from ...errors import GraphError
from .chain import compress
from .qdq_ops import lower_quantize_linear
from .quantizers import BipolarQuantizer, Quantizer, integer_quantizer, threshold_quantizer
from .source import SourceNode, aligned
from .tensors import Constant, Tensor


def _scale(node: SourceNode) -> np.ndarray:
    """The scale as it broadcasts against the operand: a frame, or a constant in its own shape."""
    scale = node.constant(1, "the scale")
    if scale.values.dtype != np.float32:
        raise GraphError(f"the scale must be float32, not {scale.values.dtype}")
    operand = node.operands[0]
    if isinstance(operand, Tensor):
        # Not finite and not positive scales have a message of their own.
        finite = Constant(np.where(np.isfinite(scale.values), scale.values, np.float32(-1)))
        return compress(aligned(finite, operand, "the scale").values)
    if not isinstance(operand, Constant):
        raise GraphError("input 0 must be given")
    return scale.values


def lower_quant(node: SourceNode) -> Quantizer:
    """Quant, or IntQuant in newer files."""
    scale = _scale(node)
    point = node.constant(2, "the zero point").values
    bits = node.constant(3, "the bit width").values
    quantizer = integer_quantizer(
        scale, point, bits, bool(node.attribute("signed", 1)), bool(node.attribute("narrow", 1)),
        node.attribute("rounding_mode", "ROUND"),
    )  # fmt: skip
    if point.dtype != np.float32 and point.any():
        raise GraphError(f"the zero point must be float32, not {point.dtype}")
    return quantizer


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
    layout = node.attribute("data_layout", "")
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


QUANTIZERS: dict[str, Callable[[SourceNode], Quantizer]] = {
    "Quant": lower_quant,
    "IntQuant": lower_quant,
    "BipolarQuant": lower_bipolar_quant,
    "MultiThreshold": lower_multi_threshold,
    "QuantizeLinear": lower_quantize_linear,
}
