"""One form for each thing in a captured graph: functions as layers, reshapes as constants."""

from __future__ import annotations

import copy
import operator
from collections.abc import Callable

import torch
from torch import Tensor, fx, nn
from torch.nn import functional as F

from .constant import Constant

_SUM, _PRODUCT, _DIFFERENCE = operator.add, operator.mul, operator.sub
# Functions and methods of two operands, in the one form that the rest knows.
_PAIRS: dict[object, Callable] = {
    **dict.fromkeys((operator.add, operator.iadd, torch.add, "add", "add_"), _SUM),
    **dict.fromkeys((operator.mul, operator.imul, torch.mul, "mul", "mul_"), _PRODUCT),
    **dict.fromkeys((operator.sub, operator.isub, torch.sub, "sub", "sub_"), _DIFFERENCE),
}
_RESHAPES = {torch.flatten, torch.reshape, "flatten", "reshape", "view", "squeeze", torch.squeeze,
             "unsqueeze", torch.unsqueeze, "contiguous"}  # fmt: skip
_MEANS = {torch.mean, "mean"}
_PERMUTATIONS = {torch.permute, torch.transpose, "permute", "transpose"}
# Functions and methods that are layers without parameters, with how their arguments are called.
_LAYERS: dict[object, tuple[type[nn.Module], tuple[str, ...]]] = {
    **dict.fromkeys((F.relu, F.relu_, torch.relu, torch.relu_, "relu", "relu_"), (nn.ReLU, ("inplace",))),
    F.relu6: (nn.ReLU6, ("inplace",)),
    **dict.fromkeys((F.sigmoid, torch.sigmoid, "sigmoid"), (nn.Sigmoid, ())),
    **dict.fromkeys((F.tanh, torch.tanh, "tanh"), (nn.Tanh, ())),
    F.leaky_relu: (nn.LeakyReLU, ("negative_slope", "inplace")),
    F.hardtanh: (nn.Hardtanh, ("min_val", "max_val", "inplace")),
    F.silu: (nn.SiLU, ("inplace",)),
    F.gelu: (nn.GELU, ("approximate",)),
    F.elu: (nn.ELU, ("alpha", "inplace")),
    F.hardswish: (nn.Hardswish, ("inplace",)),
    F.hardsigmoid: (nn.Hardsigmoid, ("inplace",)),
    F.softmax: (nn.Softmax, ("dim",)),
    torch.softmax: (nn.Softmax, ("dim",)),
    "softmax": (nn.Softmax, ("dim",)),
    F.max_pool1d: (nn.MaxPool1d, ("kernel_size", "stride", "padding", "dilation", "ceil_mode")),
    F.max_pool2d: (nn.MaxPool2d, ("kernel_size", "stride", "padding", "dilation", "ceil_mode")),
    F.avg_pool2d: (nn.AvgPool2d, ("kernel_size", "stride", "padding", "ceil_mode", "count_include_pad")),
    F.adaptive_avg_pool2d: (nn.AdaptiveAvgPool2d, ("output_size",)),
    F.pixel_shuffle: (nn.PixelShuffle, ("upscale_factor",)),
    torch.pixel_shuffle: (nn.PixelShuffle, ("upscale_factor",)),
    F.interpolate: (nn.Upsample, ("size", "scale_factor", "mode")),
    F.dropout: (nn.Dropout, ("p", "training", "inplace")),
}
_DROPPED = (nn.Dropout, nn.Dropout2d, nn.Dropout1d, nn.AlphaDropout, nn.Identity)
# Arguments that functions take and layers do not.
_IGNORED = ("antialias", "inplace", "training", "dtype", "_stacklevel", "return_indices")


def normalize(network: fx.GraphModule) -> fx.GraphModule:
    """The same graph in the one form, changed in place; its nodes carry the example's shapes."""
    for node in list(network.graph.nodes):
        _normalized(network, node)
    network.graph.eliminate_dead_code()
    _make_layers_unique(network)
    network.delete_all_unused_submodules()
    network.graph.lint()
    network.recompile()
    return network


def _normalized(network: fx.GraphModule, node: fx.Node) -> None:
    """One node in its one form."""
    if node.op == "call_module":
        if isinstance(network.get_submodule(node.target), _DROPPED):
            _replaced(node, node.args[0])
        elif isinstance(network.get_submodule(node.target), nn.Flatten | nn.Unflatten):
            _reshaped(node)
        return
    if node.op not in ("call_function", "call_method"):
        return
    if node.target in _PAIRS:
        _paired(network, node, _PAIRS[node.target])
    elif node.target in _PERMUTATIONS:
        _permuted(node)
    elif node.target is F.pad:
        _padded(network, node)
    elif node.target in _RESHAPES:
        _reshaped(node)
    elif node.target in _MEANS:
        _averaged(network, node)
    elif _known(node.target) in _LAYERS:
        _layered(network, node, *_LAYERS[_known(node.target)])


def _paired(network: fx.GraphModule, node: fx.Node, function: Callable) -> None:
    """A sum, difference or product in its one form; with a parameter or a buffer as a layer."""
    if node.kwargs.get("alpha", 1) != 1 or len(node.args) < 2:
        return
    stored = [isinstance(a, fx.Node) and a.op == "get_attr" for a in node.args[:2]]
    if any(stored) and not all(stored):
        value = _stored(network, node.args[stored.index(True)].target)
        layer = Constant(function, value.detach().clone(), stored[1])
        _replaced(node, inserted(network, node, layer, node.args[stored.index(False)]))
        return
    with node.graph.inserting_before(node):
        _replaced(node, _like(node, function, tuple(node.args[:2])))


def _stored(network: fx.GraphModule, target: str) -> Tensor:
    parent, _, own = target.rpartition(".")
    return getattr(network.get_submodule(parent), own)


def _permuted(node: fx.Node) -> None:
    """A permutation or a transposition as ``permute`` of a tuple."""
    shape, (source, *given) = _shape(node.args[0]), node.args
    if shape is None or node.kwargs:
        return
    given = list(given[0]) if len(given) == 1 and isinstance(given[0], tuple | list) else given
    axes = list(range(len(shape)))
    if node.target in ("transpose", torch.transpose):
        a, b = given
        axes[a], axes[b] = axes[b], axes[a]
    else:
        axes = [a % len(shape) for a in given]
    with node.graph.inserting_before(node):
        _replaced(node, _like(node, torch.permute, (source, tuple(axes))))


def _padded(network: fx.GraphModule, node: fx.Node) -> None:
    """Zeros around an image or a sequence as a layer."""
    source, pads, *more = node.args
    mode = node.kwargs.get("mode", more[0] if more else "constant")
    value = node.kwargs.get("value", more[1] if len(more) > 1 else 0)
    kind = {(4, 4): nn.ZeroPad2d, (2, 3): nn.ZeroPad1d}.get((len(pads), len(_shape(source) or ())))
    if kind is not None and mode == "constant" and not value and min(pads) >= 0:
        _replaced(node, inserted(network, node, kind(tuple(pads)), source))


def _known(target: object) -> object:
    """The function that torch shows for one with a choice (``F.max_pool2d`` is dispatched at run time)."""
    if target is torch.max_pool2d:
        return F.max_pool2d
    if getattr(target, "__name__", "") == "boolean_dispatch" or target is F.max_pool2d:
        return F.max_pool2d
    return target


def _layered(network: fx.GraphModule, node: fx.Node, kind: type, names: tuple[str, ...]) -> None:
    """A function as a layer of its own."""
    given = dict(zip(names, node.args[1:], strict=False)) | dict(node.kwargs)
    source = given.pop("input", node.args[0] if node.args else None)
    given = {k: v for k, v in given.items() if k not in _IGNORED and v is not None}
    if issubclass(kind, nn.Dropout):
        _replaced(node, source)
        return
    if any(isinstance(v, fx.Node) for v in given.values()):
        return
    _replaced(node, inserted(network, node, kind(**given), source))


def inserted(network: fx.GraphModule, before: fx.Node, layer: nn.Module, source: fx.Node) -> fx.Node:
    """A call of a new layer on ``source``, with the shape of ``before``."""
    name = _free_name(network, before.name)
    network.add_submodule(name, layer.eval())
    with before.graph.inserting_before(before):
        call = before.graph.call_module(name, (source,))
    call.meta = dict(before.meta)
    return call


def _free_name(network: fx.GraphModule, wanted: str) -> str:
    taken = {name for name, _ in network.named_modules()}
    name, i = wanted, 0
    while name in taken or hasattr(network, name):
        i += 1
        name = f"{wanted}_{i}"
    return name


def _reshaped(node: fx.Node) -> None:
    """A reshape that keeps the batch as ``flatten(x, 1)`` or ``reshape(x, (-1, ...))``."""
    source = node.args[0] if node.args else node.kwargs.get("input")
    before, after = _shape(source), _shape(node)
    if before is None or after is None or before[0] != after[0]:
        return
    if before == after:
        _replaced(node, source)
        return
    with node.graph.inserting_before(node):
        if len(after) == 2:
            new = _like(node, torch.flatten, (source, 1))
        else:
            new = _like(node, torch.reshape, (source, (-1, *after[1:])))
    _replaced(node, new)


def _averaged(network: fx.GraphModule, node: fx.Node) -> None:
    """A mean over an image's height and width as a pool, flattened where the axes go; others in one form."""
    given = dict(zip(("dim", "keepdim"), node.args[1:], strict=False)) | dict(node.kwargs)
    source, shape = node.args[0], _shape(node.args[0])
    dims = given.get("dim", given.get("axis"))
    if shape is None or dims is None:
        return
    dims = tuple(d % len(shape) for d in (dims if isinstance(dims, tuple | list) else (dims,)))
    keep = bool(given.get("keepdim", given.get("keepdims", False)))
    if len(shape) != 4 or sorted(dims) != [2, 3]:
        with node.graph.inserting_before(node):
            _replaced(node, _like(node, torch.mean, (source, dims, keep)))
        return
    pooled = inserted(network, node, nn.AdaptiveAvgPool2d(1), source)
    if keep:
        _replaced(node, pooled)
        return
    with node.graph.inserting_before(node):
        _replaced(node, _like(node, torch.flatten, (pooled, 1)))


def _make_layers_unique(network: fx.GraphModule) -> None:
    """A copy of a layer for each further call of it."""
    seen: set[int] = set()
    for node in network.graph.nodes:
        if node.op != "call_module":
            continue
        layer = network.get_submodule(node.target)
        if id(layer) in seen:
            layer = copy.deepcopy(layer)
            node.target = _free_name(network, node.target.replace(".", "_"))
            network.add_submodule(node.target, layer)
        seen.add(id(layer))
        # What else reads a layer's input must find it as it was.
        if getattr(layer, "inplace", False):
            layer.inplace = False


def _shape(value: object) -> tuple[int, ...] | None:
    meta = value.meta.get("tensor_meta") if isinstance(value, fx.Node) else None
    return tuple(meta.shape) if hasattr(meta, "shape") else None


def _like(node: fx.Node, function: Callable, args: tuple) -> fx.Node:
    """A call with the meta of ``node``."""
    call = node.graph.call_function(function, args)
    call.meta = dict(node.meta)
    return call


def _replaced(node: fx.Node, new: fx.Node) -> None:
    node.replace_all_uses_with(new)
    node.graph.erase_node(node)
