"""Quantized adder layers as Brevitas modules: activations and weights in steps of one size.

``|x - w|`` of integers is a difference of floats only where both stand for multiples of one step, so that
the weights take the scale of the layer's input. After a ReLU both are unsigned: a weight outside the range
``[lo, A]`` of the input differs from every input by what it differs from the range's end, plus a constant,
so that ``-sum |x - w| = -sum |x - clamp(w, lo, A)| - sum |w - clamp(w, lo, A)|`` holds exactly, and the
constant joins the bias.
"""

from __future__ import annotations

import torch
from brevitas.core.function_wrapper import Identity, RoundSte, TensorClampSte
from brevitas.core.quant import IntQuant
from brevitas.inject import ExtendedInjector
from brevitas.nn.quant_layer import QuantWeightBiasInputOutputLayer
from brevitas.proxy import WeightQuantProxyFromInjector
from brevitas.quant_tensor import IntQuantTensor
from torch import Tensor, nn

from ..errors import InputError
from .adder import AdderConv2d, AdderLinear

# Integers up to here are exact in float32.
_EXACT = 2**24


class SharedScaleQuant(nn.Module):
    """Quantizes weights in ``ratio`` steps of the layer's input, whose scale the layer hands on.

    Args:
        int_quant: Brevitas' rounding and clamping.
        bit_width: of the weights' integers.
        ratio: steps of the input in one step of the weights; AdderQuant takes 2 with signed weights.
    """

    def __init__(self, int_quant: nn.Module, bit_width: int, ratio: int = 1):
        super().__init__()
        if ratio < 1 or ratio != int(ratio):
            raise InputError(f"adder: a weight's step must be a whole number of the input's, not {ratio}.")
        self.int_quant, self.ratio = int_quant, ratio
        # The scale of the input that came last: an export asks for the weights without an input.
        self.register_buffer("scale", torch.tensor(1.0))
        self.register_buffer("zero_point", torch.tensor(0.0), persistent=False)
        self.register_buffer("bit_width", torch.tensor(float(bit_width)), persistent=False)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Brevitas' (values, scale, zero point, bit width) of weights x."""
        y = self.int_quant(self.scale, self.zero_point, self.bit_width, x)
        return y, self.scale, self.zero_point, self.bit_width


class AdderWeightQuant(ExtendedInjector):
    """Brevitas quantizer of adder layers' weights; as keyword arguments of a layer its fields are
    ``weight_bit_width``, ``weight_signed`` and ``weight_ratio``. Gradients pass its clamp."""

    proxy_class = WeightQuantProxyFromInjector
    tensor_quant = SharedScaleQuant
    int_quant = IntQuant
    float_to_int_impl = RoundSte
    tensor_clamp_impl = TensorClampSte
    input_view_impl = Identity
    bit_width = 8
    ratio = 1
    signed = False
    narrow_range = False


class _QuantAdderLayer(QuantWeightBiasInputOutputLayer):
    """What the two layers have in common; ``distances(x, w)`` is theirs."""

    def __init__(self, weight_quant, input_quant, output_quant, return_quant_tensor, **kwargs):
        QuantWeightBiasInputOutputLayer.__init__(
            self,
            weight_quant=weight_quant,
            bias_quant=None,
            input_quant=input_quant,
            output_quant=output_quant,
            return_quant_tensor=return_quant_tensor,
            **kwargs,
        )
        quant = self.weight_quant.tensor_quant
        if not isinstance(quant, SharedScaleQuant):
            raise InputError(
                f"adder: weight_quant must give SharedScaleQuant, not {type(quant).__name__}: weights take "
                "the input's scale. Use AdderWeightQuant or a subclass."
            )
        # Set by every forward, so that an export finds a constant instead of what makes it.
        self.register_buffer("offset", torch.zeros(len(self.weight)), persistent=False)
        self.has_offset = False

    @property
    def output_channel_dim(self) -> int:
        """The weight's axis of outputs."""
        return 0

    @property
    def channelwise_separable(self) -> bool:
        """False: every output sees all inputs."""
        return False

    def forward(self, x: Tensor | IntQuantTensor) -> Tensor | IntQuantTensor:
        """The layer of a quantized x, in the shapes of the float layer."""
        return self.forward_impl(x)

    def quant_weight(self, quant_input: IntQuantTensor | None = None, subtensor_slice_list=None):
        """The weights in steps of ``quant_input``, or of the input that came last."""
        proxy = self.weight_quant
        if quant_input is not None and proxy.is_quant_enabled and not proxy.export_mode:
            self._check_input(quant_input)
            quant = proxy.tensor_quant
            # Detached: a gradient over all weights would drown the activations' own for their scale.
            quant.scale = (quant_input.scale.detach() * quant.ratio).reshape(())
        return super().quant_weight(subtensor_slice_list=subtensor_slice_list)

    def inner_forward_impl(self, x: IntQuantTensor, w: IntQuantTensor, bias: Tensor | None):
        """``-sum |x - w| + offset``, in integers but for training, where gradients are those of floats."""
        if not isinstance(w, IntQuantTensor):
            # Brevitas has switched its quantizers off, to calibrate them.
            y = self.distances(getattr(x, "value", x), w)
            return y if bias is None else y + self._along_channels(bias)
        if self.weight_quant.export_mode:
            y = self.distances(x.value, w.value)
        else:
            step = x.scale.reshape(())
            self._set_offset(w.value, bias, step)
            if self.training:
                y = self.distances(x.value, w.value)
                if bias is not None:
                    y = y + self._along_channels(bias - bias.detach())
            else:
                y = self._integer_distances(x.value, w.value, step) * step
        if self.has_offset:
            y = y + self._along_channels(self.offset)
        return self._with_scale(y, x) if self.return_quant_tensor else y

    def max_acc_bit_width(self, input_bit_width: Tensor, weight_bit_width: Tensor) -> Tensor:
        """Bits of a signed sum of differences of both operands."""
        widest = 2 ** (torch.maximum(input_bit_width, weight_bit_width) + 1)
        return torch.ceil(torch.log2(widest * self.weight[0].numel())) + 1

    def _along_channels(self, values: Tensor) -> Tensor:
        return values[:, None, None] if self.weight.dim() == 4 else values

    def _check_input(self, x: Tensor | IntQuantTensor) -> None:
        if not isinstance(x, IntQuantTensor):
            raise InputError(
                "adder: the input must be quantized, not floats. Give the layer an input_quant, or put a "
                "quantizer with return_quant_tensor=True before it."
            )
        if x.scale.numel() != 1:
            raise InputError(f"adder: the input must have one scale, not {x.scale.numel()}.")
        if x.zero_point.any():
            raise InputError("adder: the input's zero point must be 0. Use a symmetric quantizer.")
        quant = self.weight_quant.tensor_quant
        if x.signed and not quant.int_quant.signed:
            raise InputError(
                "adder: unsigned weights need an unsigned input, not a signed one. Set weight_signed=True."
            )
        if 2**quant.bit_width * quant.ratio < 2**x.bit_width:
            raise InputError(
                f"adder: weights must span the input's {x.bit_width:.0f} bits, not {quant.bit_width:.0f}. "
                f"Set weight_bit_width={x.bit_width:.0f}."
            )

    def _integer_distances(self, x: Tensor, w: Tensor, step: Tensor) -> Tensor:
        """The negative distances of integers, exact, in x's type."""
        x, w = torch.round(x / step), torch.round(w / step)
        longest = w[0].numel() * (x.detach().abs().max() + w.detach().abs().max()).item()
        wide = torch.float64 if longest >= _EXACT else x.dtype
        return self.distances(x.to(wide), w.to(wide)).to(step.dtype)

    @torch.no_grad()
    def _set_offset(self, w: Tensor, bias: Tensor | None, step: Tensor) -> None:
        """The clamped weights' constants and the bias as float values of whole steps, (M,)."""
        ratio = self.weight_quant.tensor_quant.ratio
        whole = torch.round(self.weight / (step * ratio)).double() * ratio
        codes = -(whole - torch.round(w / step)).abs().flatten(1).sum(1)
        if bias is not None:
            codes += torch.round(bias / step)
        self.offset = (codes * step).to(step.dtype)
        self.has_offset = bool(codes.any())

    def _with_scale(self, y: Tensor, x: IntQuantTensor) -> IntQuantTensor:
        bits = self.max_acc_bit_width(x.bit_width, self.weight_quant.tensor_quant.bit_width)
        return IntQuantTensor(y, x.scale, x.zero_point, bits, True, self.training)


class QuantAdderLinear(_QuantAdderLayer, AdderLinear):
    """Brevitas' form of ``AdderLinear``: weights take the scale of the input.

    The bias, and what clamping the weights costs, are rounded to whole steps and added.

    Args:
        in_features, out_features, bias, chunk: as in ``AdderLinear``.
        weight_quant: ``AdderWeightQuant`` or a subclass; its fields may be given as ``weight_bit_width``
            (at least the input's), ``weight_signed`` (for signed inputs) and ``weight_ratio``.
        input_quant, output_quant: Brevitas activation quantizers; their fields likewise as ``input_...``.
        return_quant_tensor: give sums with their scale, for layers that take them so.
    Raises:
        InputError: an input without a quantizer, with several scales, with a zero point, of more bits than
            the weights, or signed where the weights are not.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = False,
        weight_quant=AdderWeightQuant,
        input_quant=None,
        output_quant=None,
        return_quant_tensor: bool = False,
        chunk: int | None = None,
        **kwargs,
    ):
        AdderLinear.__init__(self, in_features, out_features, bias, chunk)
        _QuantAdderLayer.__init__(
            self, weight_quant, input_quant, output_quant, return_quant_tensor, **kwargs
        )

    @property
    def out_channels(self) -> int:
        """M."""
        return len(self.weight)


class QuantAdderConv2d(_QuantAdderLayer, AdderConv2d):
    """Brevitas' form of ``AdderConv2d``; arguments and errors as in ``QuantAdderLinear``."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int],
        stride: int | tuple[int, int] = 1,
        padding: int | tuple[int, int] = 0,
        dilation: int | tuple[int, int] = 1,
        bias: bool = False,
        weight_quant=AdderWeightQuant,
        input_quant=None,
        output_quant=None,
        return_quant_tensor: bool = False,
        chunk: int | None = None,
        **kwargs,
    ):
        AdderConv2d.__init__(
            self, in_channels, out_channels, kernel_size, stride, padding, dilation, bias, chunk
        )
        _QuantAdderLayer.__init__(
            self, weight_quant, input_quant, output_quant, return_quant_tensor, **kwargs
        )
