"""What each ONNX operator is as a layer, or as one of the few functions that stay."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable

import torch
from torch import Tensor, nn

from ...errors import InputError
from .build import Builder, Made
from .layers import Erf, batch_norm, check_constant, convolution, linear
from .onnx_moves import MOVES, Given, padded
from .onnx_sizes import sizes_of


def _window(given: Given, source: Made, kernel: tuple[int, ...]) -> tuple[dict, tuple[int, ...]]:
    """stride and dilation as torch has them, and pads as (begin of each axis, end of each axis)."""
    axes = len(kernel)
    strides = given.attributes.get("strides", (1,) * axes)
    dilations = given.attributes.get("dilations", (1,) * axes)
    pads = given.attributes.get("pads", (0,) * 2 * axes)
    mode = given.attributes.get("auto_pad", "NOTSET")
    if mode.startswith("SAME"):
        before, after = [], []
        for size, k, s, d in zip(source.example.shape[2:], kernel, strides, dilations, strict=True):
            total = max((-(-size // s) - 1) * s + (k - 1) * d + 1 - size, 0)
            low, high = total // 2, total - total // 2
            before.append(high if mode == "SAME_LOWER" else low)
            after.append(low if mode == "SAME_LOWER" else high)
        pads = (*before, *after)
    if len(pads) != 2 * axes or len(strides) != axes or len(dilations) != axes:
        raise InputError(f"its window must have {axes} axes")
    return {"stride": tuple(strides), "dilation": tuple(dilations)}, tuple(pads)


def _symmetric(pads: tuple[int, ...]) -> tuple[int, ...] | None:
    """The padding on both sides of each axis; None where the sides differ."""
    half = len(pads) // 2
    return pads[:half] if pads[:half] == pads[half:] else None


def _conv(builder: Builder, given: Given) -> Made:
    source, weight = given.source(), given.operands[1]
    check_constant(weight, "its weights")
    window, pads = _window(given, source, tuple(weight.shape[2:]))
    padding = _symmetric(pads)
    if padding is None:
        source, padding = padded(builder, given, source, pads), (0,) * (len(pads) // 2)
    window |= {"padding": padding, "groups": given.attributes.get("group", 1)}
    return builder.layer(given.name, convolution(weight, given.optional(2), window, False), source)


def _conv_transpose(builder: Builder, given: Given) -> Made:
    source, weight = given.source(), given.operands[1]
    check_constant(weight, "its weights")
    window, pads = _window(given, source, tuple(weight.shape[2:]))
    padding = _symmetric(pads)
    if padding is None or "output_shape" in given.attributes:
        raise InputError("it must have the same padding on both sides, and no output_shape")
    window |= {"padding": padding, "groups": given.attributes.get("group", 1)}
    window["output_padding"] = given.attributes.get("output_padding", (0,) * len(padding))
    return builder.layer(given.name, convolution(weight, given.optional(2), window, True), source)


def _gemm(builder: Builder, given: Given) -> Made:
    weight, bias, a = given.operands[1], given.optional(2), given.attributes
    check_constant(weight, "its weights")
    if a.get("transA", 0):
        raise InputError("transA must be 0")
    weight = (weight if a.get("transB", 0) else weight.t()) * a.get("alpha", 1.0)
    if bias is not None:
        check_constant(bias, "its bias")
        bias = (bias * a.get("beta", 1.0)).reshape(-1).expand(len(weight))
    return builder.layer(given.name, linear(weight, bias), given.source())


def _matmul(builder: Builder, given: Given) -> Made:
    check_constant(given.operands[1], "its second operand")
    return builder.layer(given.name, linear(given.operands[1].t(), None), given.source())


def _add(builder: Builder, given: Given) -> Made:
    """A sum; the bias of a linear layer whose result nobody else reads joins the layer."""
    a, b = given.operands if isinstance(given.operands[0], Made) else reversed(given.operands)
    layer = getattr(builder.root, str(a.node.target), None) if isinstance(a, Made) else None
    fits = isinstance(layer, nn.Linear) and layer.bias is None and given.single and isinstance(b, Tensor)
    if fits and b.numel() in (1, layer.out_features) and b.dim() < 2:
        check_constant(b, "its constant")
        layer.bias = nn.Parameter(b.reshape(-1).expand(layer.out_features).clone())
        with torch.no_grad():
            return Made(a.node, a.example + layer.bias)
    return builder.pair(operator.add, *given.operands)


def _pair(function: Callable) -> Callable:
    return lambda builder, given: builder.pair(function, *given.operands)


def _div(builder: Builder, given: Given) -> Made:
    source, divisor = given.source(), given.operands[1]
    check_constant(divisor, "its divisor")
    return builder.pair(operator.mul, source, 1 / divisor)


def _norm(builder: Builder, given: Given) -> Made:
    source = given.source()
    if given.attributes.get("training_mode", 0):
        raise InputError("it must be in inference mode: export after model.eval()")
    norm = batch_norm(source.example.dim(), *given.operands[1:5], given.attributes.get("epsilon", 1e-5))
    return builder.layer(given.name, norm, source)


def _simple(kind: type[nn.Module], **names: tuple[str, object]) -> Callable:
    """A layer without parameters; ours=(ONNX attribute, its default)."""

    def build(builder: Builder, given: Given) -> Made:
        options = {ours: given.attributes.get(name, default) for ours, (name, default) in names.items()}
        return builder.layer(given.name, kind(**options), given.source())

    return build


def _clip(builder: Builder, given: Given) -> Made:
    limits = []
    for i, name in enumerate(("min", "max")):
        bound = given.optional(i + 1)
        bound = given.attributes.get(name) if bound is None else bound.item()
        limits.append((-math.inf, math.inf)[i] if bound is None else float(bound))
    known = {(0.0, math.inf): nn.ReLU, (0.0, 6.0): nn.ReLU6}.get(tuple(limits))
    return builder.layer(given.name, known() if known else nn.Hardtanh(*limits), given.source())


def _prelu(builder: Builder, given: Given) -> Made:
    slope = given.operands[1]
    check_constant(slope, "its slope")
    layer = nn.PReLU(slope.numel())
    layer.weight.data.copy_(slope.reshape(-1))
    return builder.layer(given.name, layer, given.source())


def _hard_sigmoid(builder: Builder, given: Given) -> Made:
    alpha, beta = given.attributes.get("alpha", 0.2), given.attributes.get("beta", 0.5)
    if abs(alpha - 1 / 6) > 1e-6 or beta != 0.5:
        raise InputError(f"alpha and beta must be 1/6 and 0.5, not {alpha} and {beta}")
    return builder.layer(given.name, nn.Hardsigmoid(), given.source())


def _pool(kinds: tuple[type, type], average: bool) -> Callable:
    def build(builder: Builder, given: Given) -> Made:
        source, kernel = given.source(), given.attributes["kernel_shape"]
        window, pads = _window(given, source, kernel)
        padding, include = _symmetric(pads), bool(given.attributes.get("count_include_pad", 0))
        if average and set(window.pop("dilation")) != {1}:
            raise InputError("dilations must be 1")
        if padding is None:
            if not (average and include):
                raise InputError(f"it must have the same padding on both sides, not {pads}")
            source, padding = padded(builder, given, source, pads), (0,) * len(kernel)
        options = {"ceil_mode": bool(given.attributes.get("ceil_mode", 0)), "padding": padding, **window}
        if average:
            options["count_include_pad"] = include
        kind = kinds[len(kernel) - 1]
        options = {k: v[0] if isinstance(v, tuple) and len(kernel) == 1 else v for k, v in options.items()}
        return builder.layer(given.name, kind(kernel if len(kernel) > 1 else kernel[0], **options), source)

    return build


def _mean(builder: Builder, given: Given) -> Made:
    axes = given.attributes.get("axes")
    axes = axes if axes is not None else sizes_of(given.optional(1)).numbers
    keep = bool(given.attributes.get("keepdims", 1))
    return builder.call(torch.mean, given.source(), tuple(axes), keep)


OPERATORS: dict[str, Callable[[Builder, Given], object]] = {
    **MOVES,
    "Conv": _conv, "ConvTranspose": _conv_transpose, "Gemm": _gemm, "MatMul": _matmul, "Add": _add,
    "Sub": _pair(operator.sub), "Mul": _pair(operator.mul), "Div": _div, "BatchNormalization": _norm,
    "Relu": _simple(nn.ReLU), "Clip": _clip, "PRelu": _prelu, "Sigmoid": _simple(nn.Sigmoid),
    "Tanh": _simple(nn.Tanh), "HardSigmoid": _hard_sigmoid, "HardSwish": _simple(nn.Hardswish),
    "LeakyRelu": _simple(nn.LeakyReLU, negative_slope=("alpha", 0.01)), "Erf": _simple(Erf),
    "Elu": _simple(nn.ELU, alpha=("alpha", 1.0)), "Softmax": _simple(nn.Softmax, dim=("axis", -1)),
    "Gelu": _simple(nn.GELU, approximate=("approximate", "none")),
    "MaxPool": _pool((nn.MaxPool1d, nn.MaxPool2d), False),
    "AveragePool": _pool((nn.AvgPool1d, nn.AvgPool2d), True),
    "GlobalAveragePool": lambda builder, given: builder.layer(
        given.name, nn.AdaptiveAvgPool2d(1), given.source()),
    "ReduceMean": _mean,
}  # fmt: skip
