"""Transposed convolutions with quantized constant weights."""

import numpy as np

from ...errors import GraphError
from ..ir.ops import ConvTranspose2d
from .linear_ops import convolved, filtered
from .source import SourceNode
from .tensors import Constant, Tensor


def lower_conv_transpose(node: SourceNode) -> tuple[Tensor]:
    """A transposed convolution, 1-D or 2-D."""
    tensor, weights = filtered(node)
    inputs, per_group, *kernel = weights.values.shape
    groups = node.attribute("group", 1)
    if groups < 1 or inputs % groups:
        raise GraphError(f"groups must divide the {inputs} channels of the weights, not be {groups}")
    if node.attribute("kernel_shape", tuple(kernel)) != tuple(kernel):
        raise GraphError(f"kernel_shape must be the weights' own, {tuple(kernel)}")
    op = _op(node, tensor.shape[1:], tuple(kernel), groups)
    return (convolved(node, tensor, _by_group(weights, groups), op, groups * per_group),)


def _by_group(weights: Constant, groups: int) -> Constant:
    """(C, M/groups, ...) to (..., C/groups, M), the output channels of all groups one behind the other."""

    def move(a: np.ndarray) -> np.ndarray:
        a = a.reshape(groups, -1, *a.shape[1:])
        a = np.moveaxis(a, (1, 0, 2), (-3, -2, -1))
        return a.reshape(*a.shape[:-2], -1)

    return weights.mapped(move)


def _op(node: SourceNode, size: tuple[int, ...], kernel: tuple[int, ...], groups: int) -> ConvTranspose2d:
    """The op with the node's window, of height 1 where it is 1-D."""
    axes = len(size)
    ones = (1,) * axes
    strides, dilations = node.attribute("strides", ones), node.attribute("dilations", ones)
    extra = node.attribute("output_padding", (0,) * axes)
    if any(len(v) != axes for v in (strides, dilations, extra)) or min(*strides, *dilations) < 1:
        raise GraphError(
            f"windows must be {axes}-D with positive sizes, not strides {strides}, dilations {dilations}, "
            f"output_padding {extra}"
        )
    full = [(d - 1) * s + (k - 1) * g + 1 + e
            for d, s, k, g, e in zip(size, strides, kernel, dilations, extra, strict=True)]  # fmt: skip
    pads = _pads(node, size, strides, full)
    if axes == 1:
        pads = (0, pads[0], 0, pads[1])
    two_d = ((v0,) * (2 - axes) + v for v, v0 in ((strides, 1), (extra, 0), (dilations, 1)))
    strides, extra, dilations = two_d
    return ConvTranspose2d(strides, pads, extra, dilations, groups)


def _pads(node: SourceNode, size, strides, full: list[int]) -> tuple[int, ...]:
    """What is cut off: given, or what leads from the full size to the wanted one."""
    axes, mode = len(size), node.attribute("auto_pad", "NOTSET")
    wanted = node.attribute("output_shape", ())
    if mode not in ("NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"):
        raise GraphError(f"auto_pad must be NOTSET, VALID, SAME_UPPER or SAME_LOWER, not {mode!r}")
    same = mode.startswith("SAME")
    if not wanted and not same:
        pads = node.attribute("pads", (0,) * 2 * axes) if mode == "NOTSET" else (0,) * 2 * axes
        if len(pads) != 2 * axes:
            raise GraphError(f"pads must be {('two', 'four')[axes - 1]} numbers, not {pads}")
        return pads
    goal = wanted[-axes:] or tuple(d * s for d, s in zip(size, strides, strict=True))
    total = [f - g for f, g in zip(full, goal, strict=True)]
    if len(wanted) not in (0, axes, axes + 2) or min(total) < 0:
        raise GraphError(f"the result must be at most {tuple(full)}, not {goal}. Set output_padding.")
    small, large = [t // 2 for t in total], [t - t // 2 for t in total]
    return (*small, *large) if mode == "SAME_UPPER" else (*large, *small)
