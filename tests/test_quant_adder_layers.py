"""Quantized adder layers: their integers, their gradients, their errors, and the graphs made of them."""

import re

import brevitas.nn as qnn
import numpy as np
import pytest
import torch
from brevitas.graph.calibrate import calibration_mode
from brevitas.quant.scaled_int import (
    Int8ActPerTensorFloat,
    Int8WeightPerTensorFloat,
    Uint8ActPerTensorFloat,
)
from torch import nn

import gatewright
from gatewright.compiler.ir.evaluate import evaluate
from gatewright.compiler.ir.ops import AdderConv2d as AdderConv2dOp
from gatewright.compiler.ir.ops import AdderMatMul
from gatewright.compiler.passes.pipeline import run as run_passes
from gatewright.errors import InputError
from gatewright.quant.frozen_norm import FrozenNorm, freeze_norms
from gatewright.quant.quant_adder import QuantAdderConv2d, QuantAdderLinear


def quantizer(limit: float, bits: int = 8, signed: bool = False) -> dict:
    """Arguments of a Brevitas activation quantizer of a constant range."""
    return {
        "act_quant": Int8ActPerTensorFloat if signed else Uint8ActPerTensorFloat,
        "bit_width": bits,
        "scaling_impl_type": "const",
        "scaling_init": limit,
        "return_quant_tensor": True,
    }


def codes(values: torch.Tensor, scale: float) -> np.ndarray:
    """Whole steps, int64."""
    return np.rint(values.detach().numpy().astype(np.float64) / scale).astype(np.int64)


FORMS = {
    # bits, signed input, weight's arguments, ends of the weights' codes in steps of the input
    "unsigned": (8, False, {}, (0, 255)),
    "few bits": (3, False, {"weight_bit_width": 3}, (0, 7)),
    "signed": (5, True, {"weight_bit_width": 5, "weight_signed": True}, (-16, 15)),
    "twice the step": (
        4,
        False,
        {"weight_bit_width": 4, "weight_signed": True, "weight_ratio": 2},
        (-16, 14),
    ),
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("bias", [False, True])
def test_layer_is_its_integers(form, bias):
    """Clamped weights and their constant give the distances of integers, bias included."""
    bits, signed, more, (low, high) = form
    torch.manual_seed(3)
    quant = qnn.QuantIdentity(**quantizer(1.5, bits, signed)).eval()
    layer = QuantAdderLinear(40, 6, bias=bias, **more).eval()
    if bias:
        nn.init.normal_(layer.bias, std=3)
    x = quant(torch.randn(50, 40) * 1.5)
    step = float(x.scale)
    w, ratio = layer.weight.detach().numpy().astype(np.float32), more.get("weight_ratio", 1)
    whole = np.rint(w / np.float32(step * ratio)).astype(np.int64) * ratio
    clamped = np.clip(whole, low, high)
    assert (whole != clamped).any()
    sums = -np.abs(codes(x.value, step)[:, None] - clamped).sum(2) - np.abs(whole - clamped).sum(1)
    if bias:
        sums += codes(layer.bias, step)
    assert np.array_equal(codes(layer(x), step), sums)


@pytest.mark.parametrize("signed", [False, True])
def test_clamping_costs_nothing(signed):
    """Where the weights' range is the input's, the layer equals distances to the unclamped integers."""
    torch.manual_seed(4)
    quant = qnn.QuantIdentity(**quantizer(2.0, 6, signed)).eval()
    layer = QuantAdderConv2d(3, 5, 3, padding=1, weight_bit_width=6, weight_signed=signed).eval()
    x = quant(torch.randn(4, 3, 6, 6) * 2)
    step = float(x.scale)
    image = np.pad(codes(x.value, step), ((0, 0), (0, 0), (1, 1), (1, 1)))
    whole = codes(layer.weight, step)
    want = np.zeros((4, 5, 6, 6), np.int64)
    for i, j in np.ndindex(3, 3):
        tap = image[:, :, i : i + 6, j : j + 6]
        want -= np.abs(tap[:, None] - whole[:, :, i, j][:, :, None, None]).sum(2)
    assert np.array_equal(codes(layer(x), step), want)
    assert layer.quant_weight().value.abs().max() < layer.weight.abs().max()


def test_training_gradients_are_those_of_the_float_layer():
    """AdderNet's gradients at the quantized values pass rounding and clamp; the input's scale learns."""
    torch.manual_seed(5)
    options = quantizer(1.0) | {"scaling_impl_type": "parameter"}
    quant = qnn.QuantIdentity(**options)
    layer = QuantAdderLinear(6, 3, bias=True)
    x = torch.rand(7, 6, requires_grad=True)
    quantized = quant(x)
    y = layer(quantized)
    grad = torch.randn(7, 3)
    y.backward(grad)
    values, w = quantized.value.detach().double(), layer.quant_weight(quantized).value.detach().double()
    difference = values[:, None] - w
    want = (grad.double()[..., None] * difference).sum(0)
    torch.testing.assert_close(layer.weight.grad.double(), want, rtol=1e-4, atol=1e-5)
    want = (grad.double()[..., None] * (-difference).clamp(-1, 1)).sum(1)
    torch.testing.assert_close(x.grad.double(), want, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(layer.bias.grad, grad.sum(0))
    assert all(p.grad is not None for p in quant.parameters())
    scale = quantized.scale.item()
    assert np.array_equal(codes(layer.eval()(quant.eval()(x)), scale), codes(y, scale))


def test_sums_beyond_float32():
    """Sums over 2**24 stay exact."""
    layer = QuantAdderLinear(4, 1, weight_bit_width=24, input_bit_width=24,
                             input_quant=Uint8ActPerTensorFloat, input_scaling_impl_type="const",
                             input_scaling_init=float(2**24 - 1)).eval()  # fmt: skip
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[0.0, 0, 0, 1]]))
    x = torch.tensor([[2.0**24 - 1, 2.0**24 - 1, 5, 0]])
    assert layer(x).item() == np.float32(-(2 * (2**24 - 1) + 6))


class Net(nn.Sequential):
    """Two convolutions and a product, batch norms of both signs, pool; one scale of logits."""

    def __init__(self):
        super().__init__(
            qnn.QuantIdentity(**quantizer(1.0)),
            QuantAdderConv2d(1, 6, 3, padding=1), nn.BatchNorm2d(6), qnn.QuantReLU(**quantizer(2.0)),
            nn.MaxPool2d(2), QuantAdderConv2d(6, 8, 3, stride=(2, 1), bias=True), nn.BatchNorm2d(8),
            nn.ReLU(), nn.Flatten(),
            QuantAdderLinear(16, 5, input_quant=Uint8ActPerTensorFloat, input_bit_width=4,
                             input_scaling_impl_type="const", input_scaling_init=1.5),
            nn.BatchNorm1d(5), qnn.QuantIdentity(**quantizer(3.0, 8, True) | {"return_quant_tensor": False}),
        )  # fmt: skip

    @staticmethod
    def trained() -> nn.Sequential:
        """The network after its batch norms have seen images; gammas of both signs."""
        torch.manual_seed(6)
        net = Net()
        for layer in net:
            if isinstance(layer, (nn.BatchNorm1d, nn.BatchNorm2d)):
                nn.init.normal_(layer.weight)
                nn.init.normal_(layer.bias)
        with torch.no_grad():
            for _ in range(30):
                net(torch.rand(32, 1, 8, 8))
        return net.eval()


def test_graph_is_the_module():
    """from_brevitas takes the network; every integer of the result is the module's own."""
    net = Net.trained()
    gammas = torch.cat([m.weight for m in net if isinstance(m, (nn.BatchNorm1d, nn.BatchNorm2d))])
    assert (gammas < 0).any()
    frozen = freeze_norms(net)
    images = torch.rand(500, 1, 8, 8)
    with torch.no_grad():
        want = codes(frozen(images), float(frozen[-1].act_quant.scale()))
    graph = gatewright.from_brevitas(frozen, images[:1])
    assert [type(n.op) for n in graph.nodes() if isinstance(n.op, (AdderConv2dOp, AdderMatMul))] == [
        AdderConv2dOp, AdderConv2dOp, AdderMatMul,
    ]  # fmt: skip
    for each in (graph, run_passes(graph)):
        inputs = each.encodings[0].apply(images.numpy(), each.inputs[0].type)
        assert np.array_equal(evaluate(each, inputs)[0], want)
    assert len(np.unique(want)) > 50


def test_frozen_norms_are_the_batch_norms():
    """The same function as torch's, to float32's last digits; the trained network is left alone."""
    net = Net.trained()
    frozen = freeze_norms(net)
    assert isinstance(net[2], nn.BatchNorm2d)
    assert isinstance(frozen[2], FrozenNorm)
    x = torch.randn(3, 6, 4, 4) * 9
    torch.testing.assert_close(frozen[2](x), net[2](x), rtol=1e-5, atol=1e-5)
    plain = nn.BatchNorm1d(4, affine=False)
    plain(torch.randn(99, 4) * 3 + 1)
    x = torch.randn(5, 4)
    torch.testing.assert_close(freeze_norms(plain)(x), plain.eval()(x), rtol=1e-5, atol=1e-5)


def test_result_with_its_scale():
    """return_quant_tensor gives sums as integers of the input's scale, in bits that hold them."""
    layer = QuantAdderConv2d(2, 3, 3, return_quant_tensor=True).eval()
    x = qnn.QuantIdentity(**quantizer(1.0)).eval()(torch.rand(2, 2, 5, 5))
    y = layer(x)
    assert y.scale == x.scale
    assert y.signed
    assert y.is_valid
    # 18 differences of up to 255, and a sign.
    assert y.bit_width == 15
    assert np.array_equal(y.int().numpy(), codes(y.value, float(x.scale)))


def test_scale_survives_saving(tmp_path):
    """A network that was saved exports as it did, without an input first."""
    layer, other = QuantAdderLinear(3, 2).eval(), QuantAdderLinear(3, 2).eval()
    layer(qnn.QuantIdentity(**quantizer(0.5)).eval()(torch.rand(1, 3)))
    torch.save(layer.state_dict(), tmp_path / "layer.pt")
    other.load_state_dict(torch.load(tmp_path / "layer.pt", weights_only=True))
    assert torch.equal(other.quant_weight().value, layer.quant_weight().value)


def refused(message: str, layer, x) -> None:
    """The whole message of a layer's InputError."""
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        layer(x)


def test_inputs_that_do_not_fit():
    """Each rule's message."""
    layer, x = QuantAdderLinear(3, 2, weight_bit_width=4).eval(), torch.rand(2, 3)
    refused(
        "adder: the input must be quantized, not floats. Give the layer an input_quant, or put a quantizer "
        "with return_quant_tensor=True before it.",
        layer,
        x,
    )
    signed = qnn.QuantIdentity(**quantizer(1.0, 4, True)).eval()
    refused(
        "adder: unsigned weights need an unsigned input, not a signed one. Set weight_signed=True.",
        layer,
        signed(x),
    )
    wide = qnn.QuantIdentity(**quantizer(1.0, 6)).eval()
    refused(
        "adder: weights must span the input's 6 bits, not 4. Set weight_bit_width=6.",
        layer,
        wide(x),
    )
    refused(
        "adder: the input's zero point must be 0. Use a symmetric quantizer.",
        layer,
        wide(x).set(zero_point=torch.tensor(3.0)),
    )
    refused(
        "adder: the input must have one scale, not 3.",
        layer,
        wide(x).set(scale=torch.ones(3)),
    )


@pytest.mark.parametrize("ratio", [0, 1.5])
def test_ratio_that_is_no_number_of_steps(ratio):
    """A step of the weights is one or more of the input's."""
    message = f"adder: a weight's step must be a whole number of the input's, not {ratio}."
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        QuantAdderLinear(3, 2, weight_ratio=ratio)


def test_weight_quantizers_of_other_kinds():
    """Brevitas' own have scales of their own."""
    message = (
        "adder: weight_quant must give SharedScaleQuant, not {}: weights take the input's scale. Use "
        "AdderWeightQuant or a subclass."
    )
    for quant, kind in ((None, "NoneType"), (Int8WeightPerTensorFloat, "RescalingIntQuant")):
        with pytest.raises(InputError, match=f"^{re.escape(message.format(kind))}$"):
            QuantAdderLinear(3, 2, weight_quant=quant)


def test_brevitas_calibration():
    """While Brevitas calibrates, layers compute in floats; then they take the scales that were found."""
    torch.manual_seed(9)
    quant = qnn.QuantIdentity(act_quant=Uint8ActPerTensorFloat, return_quant_tensor=True)
    layer = QuantAdderLinear(5, 3, bias=True)
    with torch.no_grad():
        layer.bias.copy_(torch.arange(3))
    net, x = nn.Sequential(quant, layer).eval(), torch.rand(400, 5) * 3
    with torch.no_grad(), calibration_mode(net):
        y = net(x)
    want = -(x[:, None] - layer.weight.detach()).abs().sum(2) + torch.arange(3)
    torch.testing.assert_close(y, want)
    assert float(net[0](x).scale) == pytest.approx(3 / 255, rel=0.02)
    assert 0 < (net.eval()(x) - want).abs().max() < 0.1
