"""Unified Normalization folded into the layers behind it: ``W' = W * diag(factor)``, ``b' = b + W beta``."""

from __future__ import annotations

import copy
import operator

import torch
from torch import Tensor, fx, nn

from ..errors import InputError
from .unified_norm import UnifiedNorm

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d)
_FOLDABLE = (nn.Linear, *_CONVOLUTIONS, nn.MultiheadAttention)
# Layers between a norm and its consumer that do nothing at inference.
_NEUTRAL = (nn.Dropout, nn.Identity)
# Axes of tokens or pixels: a mean over them commutes with a factor and a summand per channel.
_TOKEN_AXES = (1, -2, (1,), (-2,), [1], (1, 2), [1, 2])


def fold_unified(module: nn.Module) -> fx.GraphModule:
    """A copy of a trained network, in evaluation mode, with each ``UnifiedNorm`` inside the layers behind it.

    Each norm may have several consumers, such as queries, keys and values: Linear, Conv1d, Conv2d or
    MultiheadAttention, also behind dropout, a token taken out, or a mean over tokens. Fold before quantizing.

    Raises:
        InputError: a network that torch.fx cannot trace; a norm with another consumer; a convolution that
            pads what is behind a norm with a summand; a layer that also serves elsewhere.
    """
    traced = _traced(copy.deepcopy(module).eval())
    norms = [n for n in traced.graph.nodes if isinstance(_layer(traced, n), UnifiedNorm)]
    consumers: dict[str, str] = {}
    for node in norms:
        for user in _consumers(traced, node, node):
            _claim(traced, consumers, user, node)
    for target, norm in consumers.items():
        _check_all_calls(traced, target, norm)
        _absorb(traced.get_submodule(target), traced.get_submodule(norm), target)
    for node in norms:
        node.replace_all_uses_with(node.args[0])
        traced.graph.erase_node(node)
    traced.delete_all_unused_submodules()
    traced.recompile()
    return traced


class _Tracer(fx.Tracer):
    """Keeps norms whole, and Brevitas' layers, which torch.fx cannot look into."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        """Also for these."""
        whole = isinstance(m, UnifiedNorm) or type(m).__module__.startswith("brevitas.")
        return whole or super().is_leaf_module(m, module_qualified_name)


def _traced(module: nn.Module) -> fx.GraphModule:
    try:
        graph = _Tracer().trace(module)
    except Exception as error:  # torch runs the user's own code here, which may raise anything
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise InputError(
            f"unified norm: torch.fx must trace the network, but {type(error).__name__}: {reason}. Keep what "
            "depends on values out of its forward."
        ) from error
    return fx.GraphModule(module, graph)


def _layer(traced: fx.GraphModule, node: fx.Node) -> nn.Module | None:
    return traced.get_submodule(node.target) if node.op == "call_module" else None


def _consumers(traced: fx.GraphModule, norm: fx.Node, node: fx.Node) -> list[fx.Node]:
    """The layers that a norm's output ends in; ``node`` is the norm or what only passes it on."""
    found = []
    for user in node.users:
        layer = _layer(traced, user)
        if type(layer) in _FOLDABLE and set(user.all_input_nodes) == {node}:
            found.append(user)
        elif isinstance(layer, _NEUTRAL) or _passes_on(user):
            found += _consumers(traced, norm, user)
        else:
            name = (
                user.target if isinstance(user.target, str) else getattr(user.target, "__name__", user.name)
            )
            raise InputError(
                f"unified norm {norm.target!r}: its output must go to linear layers alone, not to {name!r}. "
                "Put the norm before Linear, Conv1d, Conv2d or self-attention, and fold before quantizing."
            )
    return found


def _passes_on(node: fx.Node) -> bool:
    """Whether a node takes tokens out or averages them, the channels staying whole and last."""
    if node.op == "call_function" and node.target is operator.getitem:
        index = node.args[1] if isinstance(node.args[1], tuple) else (node.args[1],)
        plain = all(isinstance(i, int | slice) for i in index)
        return plain and (len(index) < 3 or index[-1] == slice(None))
    if (node.op, node.target) in (("call_method", "mean"), ("call_function", torch.mean)):
        axes = node.args[1] if len(node.args) == 2 else node.kwargs.get("dim")
        return axes in _TOKEN_AXES
    return False


def _claim(traced: fx.GraphModule, consumers: dict[str, str], user: fx.Node, norm: fx.Node) -> None:
    """Note that a layer takes a norm in."""
    layer, own = _layer(traced, user), _layer(traced, norm)
    wanted = 1 if isinstance(layer, _CONVOLUTIONS) else -1
    channels = _channels(layer)
    if own.axis != wanted or channels != own.channels:
        raise InputError(
            f"unified norm {norm.target!r}: must have the channels of layer {user.target!r}, {channels} "
            f"along axis {wanted}, not {own.channels} along axis {own.axis}."
        )
    if consumers.setdefault(user.target, norm.target) != norm.target:
        raise _shared(norm.target, user.target)


def _check_all_calls(traced: fx.GraphModule, target: str, norm: str) -> None:
    """Raise InputError where a layer is called on something that does not come from its norm."""
    reached = {
        user
        for node in traced.graph.nodes
        if node.op == "call_module" and node.target == norm
        for user in _consumers(traced, node, node)
    }
    if any(n.op == "call_module" and n.target == target and n not in reached for n in traced.graph.nodes):
        raise _shared(norm, target)


def _shared(norm: str, target: str) -> InputError:
    return InputError(
        f"unified norm {norm!r}: layer {target!r} must serve this norm alone, but is called elsewhere too. "
        "Give each place a layer of its own."
    )


def _channels(layer: nn.Module) -> int:
    if isinstance(layer, nn.Linear):
        return layer.in_features
    return layer.embed_dim if isinstance(layer, nn.MultiheadAttention) else layer.in_channels


def _absorb(layer: nn.Module, norm: UnifiedNorm, target: str) -> None:
    """Fold the norm into a layer's weight and bias, computed in float64."""
    factor, offset = norm.affine()
    if isinstance(layer, nn.MultiheadAttention):
        _absorb_attention(layer, factor, offset, target)
        return
    if isinstance(layer, _CONVOLUTIONS):
        _check_padding(layer, offset, target)
        # Of each output channel's own group, (groups, 1, C / groups) -> (M, C / groups, 1, ...).
        shape = (layer.groups, 1, -1)
        each = layer.out_channels // layer.groups
        ones = (1,) * (layer.weight.dim() - 2)
        factor, offset = (
            v.reshape(shape).expand(-1, each, -1).reshape(layer.out_channels, -1, *ones)
            for v in (factor, offset)
        )
    layer.weight, layer.bias = _folded(layer.weight, layer.bias, factor, offset)


def _folded(
    weight: Tensor, bias: Tensor | None, factor: Tensor, offset: Tensor
) -> tuple[nn.Parameter, nn.Parameter]:
    """New weight (M, ...) and bias (M,), for factor and offset that broadcast against the weight."""
    wide = weight.detach().double()
    summand = (wide * offset).flatten(1).sum(1)
    if bias is not None:
        summand = summand + bias.detach().double()
    return nn.Parameter((wide * factor).to(weight.dtype)), nn.Parameter(summand.to(weight.dtype))


def _absorb_attention(layer: nn.MultiheadAttention, factor: Tensor, offset: Tensor, target: str) -> None:
    if layer.in_proj_weight is None or layer.in_proj_bias is None:
        raise InputError(
            f"unified norm: attention {target!r} must have one projection with a bias. Use "
            "nn.MultiheadAttention(bias=True) without kdim and vdim, or Linear layers."
        )
    layer.in_proj_weight, layer.in_proj_bias = _folded(
        layer.in_proj_weight, layer.in_proj_bias, factor, offset
    )


def _check_padding(layer: nn.Module, offset: Tensor, target: str) -> None:
    padded = layer.padding if isinstance(layer.padding, str) else any(layer.padding)
    if padded in (False, "valid") or layer.padding_mode != "zeros" or not offset.any():
        return
    raise InputError(
        f"unified norm: convolution {target!r} must not pad what a norm with a summand gives: its zeros come "
        "behind the norm. Use padding 0, or padding_mode 'replicate'."
    )
