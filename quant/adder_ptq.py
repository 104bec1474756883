"""Adder networks quantized after training: one shared scale, AdderQuant's groups, or the unsigned form.

Each method replaces every ``AdderConv2d`` and ``AdderLinear`` of a trained network by its quantized twin,
which quantizes its own input; all that lies between the layers stays as it is.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable

import numpy as np
import torch
from brevitas.quant.scaled_int import Int8ActPerTensorFloat, Uint8ActPerTensorFloat
from torch import Tensor, nn

from ..errors import InputError
from .adder import ADDER_LAYERS, AdderConv2d
from .quant_adder import QuantAdderConv2d, QuantAdderLinear

# Of the magnitudes of a batch's activations; the rest is clipped (AdderQuant, NeurIPS 2022).
PERCENTILE = 0.9997
GROUPS = 4
_ROUNDS = 100


def input_ranges(
    model: nn.Module,
    batches: Iterable[Tensor],
    percentile: float = PERCENTILE,
    kinds: tuple[type, ...] = ADDER_LAYERS,
) -> dict[str, float]:
    """The range A of each layer's input: its magnitudes' percentile, at most over all calibration batches.

    Args:
        model: the float network; it is left in evaluation mode.
        batches: float inputs (N, ...) as the network takes them.
        percentile: in (0, 1]; 1 gives the maximum.
        kinds: the classes of the layers.
    Returns:
        A by the layer's name in ``model.named_modules()``.
    """
    if not 0 < percentile <= 1:
        raise InputError(
            f"adder: the percentile must lie in (0, 1], not {percentile}. AdderQuant takes 0.9997."
        )
    ranges: dict[str, float] = {}
    hooks = [
        layer.register_forward_pre_hook(_observer(ranges, name, percentile))
        for name, layer in model.named_modules()
        if isinstance(layer, kinds)
    ]
    model.eval()
    try:
        with torch.no_grad():
            for batch in batches:
                model(batch)
    finally:
        for hook in hooks:
            hook.remove()
    return ranges


def _observer(ranges: dict[str, float], name: str, percentile: float) -> Callable:
    """A hook that keeps the range of a layer's input."""

    def hook(_, inputs: tuple[Tensor]) -> None:
        sizes = inputs[0].detach().abs().flatten()
        rank = max(math.ceil(percentile * sizes.numel()), 1)
        ranges[name] = max(ranges.get(name, 0.0), torch.kthvalue(sizes, rank).values.item())

    return hook


def shared_scale(model: nn.Module, ranges: dict[str, float], bits: int, of: str = "input") -> nn.Module:
    """The network with one scale for signed inputs and signed weights of a layer, both clipped to its range.

    This is the quantization of arXiv 2101.10015 as far as it is published: ``scale = R / (2**(bits-1) - 1)``.

    Args:
        model: the float network; it is not changed.
        ranges: what ``input_ranges`` gave.
        bits: of inputs and weights.
        of: "input" takes R from the layer's input, "weights" from its largest weight.
    """
    if of not in ("input", "weights"):
        raise InputError(f"adder: the scale must be that of 'input' or 'weights', not {of!r}.")

    def convert(layer: nn.Module, limit: float) -> nn.Module:
        bound = limit if of == "input" else layer.weight.detach().abs().max().item()
        # Clipped beforehand, so that clipping is a loss here, as in the paper, and no constant.
        weight = layer.weight.detach().clamp(-bound, bound)
        act = {"input_quant": Int8ActPerTensorFloat, "input_narrow_range": True}
        return _twin(layer, weight, bound, bits, act, weight_signed=True, weight_narrow_range=True)

    return _converted(model, ranges, convert)


def unsigned(model: nn.Module, ranges: dict[str, float], bits: int, learned: bool = False) -> nn.Module:
    """The network in the unsigned form: inputs and weights in [0, A], in equal steps of A / (2**bits - 1).

    Weights outside lose nothing: the constant that they differ by joins the bias. Inputs must not be
    negative, as behind a ReLU.

    Args:
        model, ranges, bits: as in ``shared_scale``.
        learned: whether the scales are parameters, for quantization-aware training.
    """

    def convert(layer: nn.Module, limit: float) -> nn.Module:
        kind = "parameter" if learned else "const"
        act = {"input_quant": Uint8ActPerTensorFloat, "input_scaling_impl_type": kind}
        return _twin(layer, layer.weight.detach(), limit, bits, act)

    return _converted(model, ranges, convert)


def adder_quant(
    model: nn.Module,
    ranges: dict[str, float],
    bits: int,
    groups: int = GROUPS,
    weight_signed: bool = True,
) -> nn.Module:
    """The network by AdderQuant (Nie et al., NeurIPS 2022): filters in groups, each with its own scale.

    Filters are grouped by k-means over their largest magnitudes. A group's range is
    ``S = min(A, max |w|)``; its weights are clamped to the range with the constant that this costs, its
    inputs are clipped to it. Inputs are unsigned in steps of S / (2**bits - 1), weights signed in steps twice
    as large. The released code returns from inside its loop over the groups; this does not.

    Args:
        model, ranges, bits: as in ``shared_scale``.
        groups: at most so many a layer.
        weight_signed: with False the weights are unsigned in the input's own steps instead.
    """

    def convert(layer: nn.Module, limit: float) -> nn.Module:
        weight = layer.weight.detach()
        largest = weight.abs().flatten(1).amax(1)
        members = cluster(largest.double().cpu().numpy(), groups)
        act = {"input_quant": Uint8ActPerTensorFloat}
        more = {"weight_signed": True, "weight_ratio": 2} if weight_signed else {}
        parts = []
        for filters in members:
            bound = min(limit, largest[filters].max().item())
            bias = None if layer.bias is None else layer.bias.detach()[filters]
            parts.append(_twin(layer, weight[filters], bound, bits, act, bias=bias, **more))
        return GroupedAdder(parts, members, -1 if weight.dim() == 2 else 1)

    return _converted(model, ranges, convert)


class GroupedAdder(nn.Module):
    """Adder layers over groups of one layer's filters, each with its own scale for the common input.

    Args:
        parts: a layer of each group.
        members: the original places of each group's filters.
        axis: of the outputs in the result.
    """

    def __init__(self, parts: list[nn.Module], members: list[np.ndarray], axis: int):
        super().__init__()
        self.parts, self.axis = nn.ModuleList(parts), axis
        self.register_buffer("order", torch.from_numpy(np.argsort(np.concatenate(members))))

    def forward(self, x: Tensor) -> Tensor:
        """x as the original layer takes it -> its outputs in their original order."""
        return torch.cat([part(x) for part in self.parts], self.axis).index_select(self.axis, self.order)


def cluster(sizes: np.ndarray, groups: int) -> list[np.ndarray]:
    """k-means of numbers (M,) into at most ``groups`` groups: the indices of each, ascending, none empty."""
    if groups < 1:
        raise InputError(f"adder: there must be at least 1 group, not {groups}. AdderQuant takes 4.")
    distinct = np.unique(sizes)
    count = min(groups, len(distinct))
    # Lloyd's iteration from quantiles: in one dimension it needs no luck, so that runs repeat.
    centres = distinct[np.linspace(0, len(distinct) - 1, count).round().astype(int)]
    for _ in range(_ROUNDS):
        nearest = np.abs(sizes[:, None] - centres).argmin(1)
        found = [sizes[nearest == g] for g in range(count)]
        moved = np.array([f.mean() if f.size else c for f, c in zip(found, centres, strict=True)])
        if np.array_equal(moved, centres):
            break
        centres = moved
    return [members for g in range(count) if len(members := np.flatnonzero(nearest == g))]


def _converted(model: nn.Module, ranges: dict[str, float], convert: Callable) -> nn.Module:
    """A copy of the network with each adder layer replaced by ``convert(layer, A)``."""
    result = copy.deepcopy(model)
    for name, layer in list(result.named_modules()):
        if not isinstance(layer, ADDER_LAYERS):
            continue
        if not ranges.get(name, 0) > 0:
            raise InputError(
                f"adder: layer {name!r} must have a range above 0, not {ranges.get(name)}. Calibrate with "
                "input_ranges on real inputs."
            )
        if not name:
            return convert(layer, ranges[name])
        parent, _, own = name.rpartition(".")
        setattr(result.get_submodule(parent), own, convert(layer, ranges[name]))
    return result


def _twin(
    layer: nn.Module, weight: Tensor, bound: float, bits: int, act: dict, bias=None, **more
) -> nn.Module:
    """The quantized layer of ``weight`` whose inputs range up to ``bound``."""
    bias = layer.bias if bias is None else bias
    options = {
        "input_scaling_impl_type": "const",
        "input_scaling_init": bound,
        "input_bit_width": bits,
        "weight_bit_width": bits,
        "bias": bias is not None,
        **act,
        **more,
    }
    if isinstance(layer, AdderConv2d):
        window = (layer.kernel_size, layer.stride, layer.padding, layer.dilation)
        twin = QuantAdderConv2d(layer.in_channels, len(weight), *window, chunk=layer.chunk, **options)
    else:
        twin = QuantAdderLinear(layer.in_features, len(weight), chunk=layer.chunk, **options)
    with torch.no_grad():
        twin.weight.copy_(weight)
        if bias is not None:
            twin.bias.copy_(bias)
    return twin.to(weight.device).train(layer.training)
