"""Brevitas modules in memory: the graph of their file, and their own numbers."""

import brevitas.nn as qnn
import numpy as np
import onnx
import pytest
import torch
from brevitas.export import export_qonnx
from brevitas.quant.fixed_point import Int8WeightPerTensorFixedPoint, Uint8ActPerTensorFixedPoint
from brevitas.quant.scaled_int import Int8WeightPerChannelFloat
from torch import nn

import gatewright
from gatewright.compiler.frontends import load_model
from gatewright.compiler.ir.ops import Concat, Conv2d, ReduceSum, Slice, SumPool, Threshold, Upsample
from gatewright.compiler.ir.text import to_text
from gatewright.errors import GraphError, InputError
from qonnx_models import run

IMAGE = (1, 2, 8, 8)


def fixed(bits: int) -> dict:
    """A ReLU whose scale is a power of two, so that float sums are exact."""
    return {"act_quant": Uint8ActPerTensorFixedPoint, "bit_width": bits}


def conv(inputs: int, outputs: int, size: int, quantizer=Int8WeightPerTensorFixedPoint, **more) -> nn.Module:
    """A convolution of 4-bit weights."""
    return qnn.QuantConv2d(inputs, outputs, size, weight_quant=quantizer, weight_bit_width=4, **more)


def plain_network(quantizer) -> nn.Module:
    """Convolution, batch norm, pool, product."""
    return nn.Sequential(
        qnn.QuantReLU(**fixed(4)), conv(2, 4, 3, quantizer, bias=False), nn.BatchNorm2d(4),
        qnn.QuantReLU(**fixed(4)), nn.MaxPool2d(2), nn.Flatten(),
        qnn.QuantLinear(36, 5, bias=True, weight_quant=quantizer, weight_bit_width=3),
    )  # fmt: skip


class Shuffled(nn.Module):
    """Two branches over halves of the channels, joined, shuffled, enlarged and padded."""

    def __init__(self):
        super().__init__()
        self.first = qnn.QuantReLU(**fixed(5))
        self.left, self.right = conv(2, 4, 3, padding=1), conv(2, 4, 1)
        self.middle = qnn.QuantReLU(**fixed(4))
        self.last = conv(8, 3, 3, groups=1)

    def forward(self, x):
        x = self.first(x)
        x = torch.cat([x, x.flip(2)], dim=1)
        left, right = x.chunk(2, dim=1)
        y = self.middle(torch.cat([self.left(left), self.right(right)], dim=1))
        n, c, h, w = y.shape
        y = y.view(n, 2, c // 2, h, w).transpose(1, 2).reshape(n, c, h, w)
        y = nn.functional.interpolate(y, scale_factor=2, mode="nearest")
        return self.last(nn.functional.pad(y[:, :, 1:-2, ::2], (1, 0, 2, 1)))


class Tokens(nn.Module):
    """Products of two computed tensors, and a sum over the tokens."""

    def __init__(self):
        super().__init__()
        self.first, self.mixed = qnn.QuantReLU(**fixed(4)), qnn.QuantReLU(**fixed(4))
        self.keys = qnn.QuantLinear(8, 8, bias=False, weight_quant=Int8WeightPerTensorFixedPoint)
        self.quantized = qnn.QuantReLU(**fixed(4))

    def forward(self, x):
        x = self.first(x.flatten(2).transpose(1, 2)[:, :10, :1].expand(-1, -1, 8) + 0.0)
        keys = self.quantized(self.keys(x))
        return (self.mixed(x @ keys.transpose(1, 2)) @ x).sum(dim=1)


def averaged() -> nn.Module:
    """An average whose low bits are cut off, as Brevitas' own layer does it."""
    return nn.Sequential(
        qnn.QuantReLU(**fixed(4), return_quant_tensor=True),
        qnn.TruncAvgPool2d(2, bit_width=4),
        conv(2, 3, 1, bias=False),
    )


def prepared(module: nn.Module, shape=IMAGE) -> nn.Module:
    """The module with scales and statistics of some random batches."""
    torch.manual_seed(1)
    torch.set_num_threads(1)
    for _ in range(3):
        module(torch.randn(8, *shape[1:]))
    return module.eval()


def inputs(count: int = 16) -> torch.Tensor:
    """Frames in eighths, which all scales here represent."""
    return torch.randint(-24, 64, (count, *IMAGE[1:])) / 8


NETWORKS = {
    "plain": lambda: plain_network(Int8WeightPerTensorFixedPoint),
    "shuffled": Shuffled,
    "averaged": averaged,
}
OPS = {"plain": (Conv2d, Threshold), "shuffled": (Slice, Concat, Upsample), "averaged": (SumPool, Threshold)}


@pytest.mark.parametrize("name", NETWORKS)
def test_numbers_are_the_modules_own(name):
    """With power-of-two scales all floats are exact in both."""
    module = prepared(NETWORKS[name]())
    graph, x = gatewright.from_brevitas(module, inputs(1), name), inputs()
    with torch.no_grad():
        expected = module(x)
    expected = getattr(expected, "value", expected).numpy()
    np.testing.assert_array_equal(run(graph, x.numpy()).astype(np.float32), expected)
    assert graph.name == name
    assert np.unique(expected).size > 10
    for op in OPS[name]:
        assert any(isinstance(n.op, op) for n in graph.nodes()), op


def test_products_of_computed_tensors():
    """Queries times keys, and a sum."""
    module = prepared(Tokens())
    graph, x = gatewright.from_brevitas(module, inputs(1)), inputs()
    with torch.no_grad():
        np.testing.assert_array_equal(run(graph, x.numpy()), module(x).numpy())
    assert any(isinstance(n.op, ReduceSum) for n in graph.nodes())


@pytest.mark.parametrize("quantizer", [Int8WeightPerTensorFixedPoint, Int8WeightPerChannelFloat])
def test_file_and_module_give_one_graph(quantizer, tmp_path, monkeypatch):
    """The same text, and the same encoding of input and output; also from a numpy example."""
    module = prepared(plain_network(quantizer))
    ours = gatewright.from_brevitas(module, inputs(1).numpy(), "net")
    monkeypatch.setattr(onnx, "IR_VERSION", 10)
    export_qonnx(
        module, args=inputs(1), export_path=str(tmp_path / "net.onnx"), opset_version=13, dynamo=False
    )
    theirs = load_model(tmp_path / "net.onnx")
    assert to_text(ours) == to_text(theirs)
    for a, b in zip(ours.encodings, theirs.encodings, strict=True):
        np.testing.assert_array_equal(a.thresholds, b.thresholds)
    for a, b in zip(ours.decodings, theirs.decodings, strict=True):
        np.testing.assert_array_equal(a.scale, b.scale)
        np.testing.assert_array_equal(a.offset, b.offset)


def test_module_stays_as_it_is():
    """Modes of single layers, parameters and results; also where the export fails."""
    module = prepared(plain_network(Int8WeightPerChannelFloat)).train()
    module[2].eval()
    modes, state = (
        [m.training for m in module.modules()],
        {k: v.clone() for k, v in module.state_dict().items()},
    )
    gatewright.from_brevitas(module, inputs(1))
    with pytest.raises(InputError):
        gatewright.from_brevitas(module, torch.zeros(1, 7))
    assert [m.training for m in module.modules()] == modes
    assert all(torch.equal(v, module.state_dict()[k]) for k, v in state.items())
    assert module.eval()(inputs(2)).shape == (2, 5)


class Broken(nn.Module):
    """Raises what torch does not expect."""

    def forward(self, x):
        raise LookupError("no\nsuch thing")


def refused(module, message: str, error: type = InputError, example=None) -> None:
    """The import raises this."""
    with pytest.raises(error, match=rf"^{message}$"):
        gatewright.from_brevitas(module, inputs(1) if example is None else example)


def test_refusals():
    """Each says what the rule is, and what to do."""
    refused(
        "net.onnx",
        r"brevitas: the network must be a torch\.nn\.Module, not str\. Load files with load_model\.",
    )
    refused(Broken(), r"brevitas: the module must export as QONNX, but LookupError: no\. Try "
            r"brevitas\.export\.export_qonnx on it, with this example\.")  # fmt: skip
    refused(prepared(NETWORKS["plain"]()), r"brevitas: the module must export as QONNX, but .*conv2d.*",
            example=torch.zeros(1, 7))  # fmt: skip
    refused(
        nn.Sequential(nn.Sigmoid(), nn.Softmax(1)),
        r"onnx: every node must [^\n]+ cannot:\n(.|\n)*",
        GraphError,
    )


def test_unsigned_single_bit():
    """Its export says another quantizer than Brevitas computes; a signed one is what it says."""
    module = nn.Sequential(qnn.QuantIdentity(bit_width=4), qnn.QuantReLU(bit_width=1))
    message = (
        r"brevitas: quantizer '1\.act_quant' must have 2 bits or a sign, not 1 bit without: Brevitas "
        r"computes \{0, s\} with it, but exports \{-s, \+s\}\. Use 2 bits, or a signed quantizer\."
    )
    refused(prepared(module), message)
