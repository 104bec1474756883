"""What each of torch.export's operators is as a layer, or as one of the few functions that stay."""

from __future__ import annotations

import operator
from collections.abc import Callable

import torch
from torch import Tensor, nn

from ...errors import InputError
from .build import Builder, Made
from .layers import Erf, batch_norm, convolution, enlarged, linear, zero_pad


class Batch:
    """The size of the batch, wherever a program asks for it."""


def _source(given: dict) -> Made:
    source = given.get("input", given.get("self"))
    if not isinstance(source, Made):
        raise InputError("its input must be computed from the model's input")
    return source


def _conv(transposed: bool = False):
    def build(builder: Builder, node: dict, given: dict) -> Made:
        source, turned = _source(given), given.get("transposed", transposed)
        dims = source.example.dim() - 2
        window = {
            "stride": _wide(given.get("stride", 1), dims),
            "padding": _wide(given.get("padding", 0), dims),
            "dilation": _wide(given.get("dilation", 1), dims),
            "groups": given.get("groups", 1),
        }
        if turned:
            window["output_padding"] = _wide(given.get("output_padding", 0), dims)
        return builder.layer(
            _own(node), convolution(given["weight"], given.get("bias"), window, turned), source
        )

    return build


def _wide(value, dims: int):
    """A window's numbers, one an axis; or the name of a padding."""
    if isinstance(value, str):
        return value
    numbers = list(value) if isinstance(value, list | tuple) else [value]
    return tuple(numbers * dims if len(numbers) == 1 else numbers)


def _own(node: dict) -> str:
    """The layer's name in the program it comes from."""
    stack = (node.get("metadata") or {}).get("nn_module_stack", "")
    path = stack.split(";")[-1].split(",")[1] if stack.count(",") >= 2 else ""
    return path or node.get("name") or "node"


def _linear(builder: Builder, node: dict, given: dict) -> Made:
    return builder.layer(_own(node), linear(given["weight"], given.get("bias")), _source(given))


def _addmm(builder: Builder, node: dict, given: dict) -> Made:
    if not isinstance(given["mat1"], Made) or not isinstance(given["mat2"], Tensor):
        raise InputError("its first matrix must be computed, its second constant")
    return builder.layer(_own(node), linear(given["mat2"].t(), given["self"]), given["mat1"])


def _norm(builder: Builder, node: dict, given: dict):
    if given.get("training"):
        raise InputError("it must be in evaluation mode: export after model.eval()")
    source = _source(given)
    stats = [given.get(k) for k in ("weight", "bias", "running_mean", "running_var")]
    return builder.layer(_own(node), batch_norm(source.example.dim(), *stats, given["eps"]), source)


def _simple(kind: type[nn.Module], **names: str) -> Callable:
    """A layer without parameters, its arguments under the operator's names."""

    def build(builder: Builder, node: dict, given: dict) -> Made:
        options = {ours: given[theirs] for ours, theirs in names.items() if given.get(theirs) is not None}
        options = {k: tuple(v) if isinstance(v, list) else v for k, v in options.items() if v != []}
        return builder.layer(_own(node), kind(**options), _source(given))

    return build


def _prelu(builder: Builder, node: dict, given: dict) -> Made:
    slope = given["weight"]
    layer = nn.PReLU(slope.numel())
    layer.weight.data.copy_(slope.reshape(-1))
    return builder.layer(_own(node), layer, _source(given))


def _pair(function: Callable) -> Callable:
    def build(builder: Builder, node: dict, given: dict) -> Made:
        if given.get("alpha", 1) != 1:
            raise InputError(f"alpha must be 1, not {given['alpha']}")
        return builder.pair(function, given["self"], given["other"])

    return build


def _cat(builder: Builder, node: dict, given: dict) -> Made:
    tensors = given["tensors"]
    if not all(isinstance(t, Made) for t in tensors):
        raise InputError("all that it joins must be computed from the model's input")
    return builder.call(torch.cat, tuple(tensors), given.get("dim", 0))


def _same(builder: Builder, node: dict, given: dict) -> object:
    return given.get("input", given.get("self"))


def _reshape(builder: Builder, node: dict, given: dict) -> Made:
    source = given["self"]
    sizes = given.get("size", given.get("shape"))
    if isinstance(source, Tensor):
        return source.reshape([int(s) for s in sizes])
    if not isinstance(sizes[0], Batch) and sizes[0] == -1 and -1 not in sizes[1:]:
        sizes = [Batch(), *sizes[1:]]
    if any(isinstance(s, Batch) for s in sizes[1:]):
        raise InputError("it must keep the batch as its first axis")
    return builder.reshape(source, tuple(sizes[1:]))


def _flatten(builder: Builder, node: dict, given: dict) -> Made:
    source, first, last = _source(given), given.get("start_dim", 0), given.get("end_dim", -1)
    if first % source.example.dim() == 0:
        raise InputError("it must keep the batch as its first axis")
    return builder.reshape(source, tuple(source.example.flatten(first, last).shape[1:]))


def _squeezed(builder: Builder, node: dict, given: dict) -> Made:
    source, dims = _source(given), given["dim"]
    dims = [d % source.example.dim() for d in (dims if isinstance(dims, list) else [dims])]
    shape = source.example.shape
    return builder.reshape(source, tuple(s for a, s in enumerate(shape) if a and not (a in dims and s == 1)))


def _mean(builder: Builder, node: dict, given: dict) -> Made:
    return builder.call(torch.mean, _source(given), tuple(given["dim"]), bool(given.get("keepdim", False)))


def _permuted(builder: Builder, node: dict, given: dict) -> object:
    source = given.get("self", given.get("input"))
    rank = (source.example if isinstance(source, Made) else source).dim()
    if "dims" in given:
        dims = given["dims"]
    else:
        dims = list(range(rank))
        a, b = given.get("dim0", 0), given.get("dim1", 1)
        dims[a], dims[b] = dims[b], dims[a]
    if isinstance(source, Tensor):
        return source.permute(*dims)
    return builder.call(torch.permute, source, tuple(dims))


def _padded(builder: Builder, node: dict, given: dict) -> Made:
    if given.get("mode", "constant") != "constant" or given.get("value") not in (None, 0, 0.0):
        raise InputError("padding must be with zeros")
    return builder.layer(_own(node), zero_pad(tuple(given["pad"])), _source(given))


def _nearest(builder: Builder, node: dict, given: dict) -> Made:
    source = _source(given)
    before = source.example.shape[2:]
    factors = given.get("scale_factors") or [n / b for n, b in zip(given["output_size"], before, strict=True)]
    return builder.layer(_own(node), enlarged(tuple(factors)), source)


def _size(builder: Builder, node: dict, given: dict) -> object:
    source, dim = _source(given), given["dim"]
    return Batch() if dim % source.example.dim() == 0 else source.example.shape[dim]


def _nothing(builder: Builder, node: dict, given: dict) -> None:
    return None


_LAYERS: dict[str, Callable] = {
    "relu": _simple(nn.ReLU),
    "relu6": _simple(nn.ReLU6),
    "sigmoid": _simple(nn.Sigmoid),
    "tanh": _simple(nn.Tanh),
    "silu": _simple(nn.SiLU),
    "hardswish": _simple(nn.Hardswish),
    "hardsigmoid": _simple(nn.Hardsigmoid),
    "gelu": _simple(nn.GELU, approximate="approximate"),
    "elu": _simple(nn.ELU, alpha="alpha"),
    "leaky_relu": _simple(nn.LeakyReLU, negative_slope="negative_slope"),
    "hardtanh": _simple(nn.Hardtanh, min_val="min_val", max_val="max_val"),
    "dropout": _same,
}
_WINDOW = {"kernel_size": "kernel_size", "stride": "stride", "padding": "padding", "ceil_mode": "ceil_mode"}
OPERATORS: dict[str, Callable] = {
    **{f"{name}.default": build for name, build in _LAYERS.items()},
    **{f"{name}_.default": build for name, build in _LAYERS.items()},
    "conv1d.default": _conv(), "conv2d.default": _conv(), "convolution.default": _conv(),
    "conv1d.padding": _conv(), "conv2d.padding": _conv(), "conv_transpose2d.input": _conv(True),
    "linear.default": _linear, "addmm.default": _addmm, "prelu.default": _prelu,
    "batch_norm.default": _norm, "_native_batch_norm_legit_no_training.default": _norm,
    "softmax.int": _simple(nn.Softmax, dim="dim"), "_softmax.default": _simple(nn.Softmax, dim="dim"),
    "max_pool1d.default": _simple(nn.MaxPool1d, dilation="dilation", **_WINDOW),
    "max_pool2d.default": _simple(nn.MaxPool2d, dilation="dilation", **_WINDOW),
    "max_pool2d_with_indices.default": _simple(nn.MaxPool2d, dilation="dilation", **_WINDOW),
    "avg_pool2d.default": _simple(nn.AvgPool2d, count_include_pad="count_include_pad", **_WINDOW),
    "adaptive_avg_pool2d.default": _simple(nn.AdaptiveAvgPool2d, output_size="output_size"),
    "_adaptive_avg_pool2d.default": _simple(nn.AdaptiveAvgPool2d, output_size="output_size"),
    "pixel_shuffle.default": _simple(nn.PixelShuffle, upscale_factor="upscale_factor"),
    "upsample_nearest2d.vec": _nearest,
    "erf.default": _simple(Erf), "mean.dim": _mean,
    "cat.default": _cat, "permute.default": _permuted, "transpose.int": _permuted,
    "t.default": _permuted, "flatten.using_ints": _flatten, "view.default": _reshape,
    "reshape.default": _reshape, "_unsafe_view.default": _reshape, "squeeze.dim": _squeezed,
    "squeeze.dims": _squeezed, "sym_size.int": _size, "_assert_tensor_metadata.default": _nothing,
    "clone.default": _same, "contiguous.default": _same, "alias.default": _same, "detach.default": _same,
    "detach_.default": _same, "pad.default": _padded, "constant_pad_nd.default": _padded,
    **{f"{name}{end}": _pair(function)
       for name, function in (("add", operator.add), ("mul", operator.mul), ("sub", operator.sub))
       for end in (".Tensor", "_.Tensor", ".Scalar")},
}  # fmt: skip
