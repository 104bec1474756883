"""Unified Normalization folded into the layers behind it, down to the integers of a vision transformer."""

import brevitas.nn as qnn
import numpy as np
import onnx
import pytest
import torch
from brevitas.export import export_qonnx
from brevitas.quant.fixed_point import (
    Int8ActPerTensorFixedPoint,
    Int8WeightPerTensorFixedPoint,
    Uint8ActPerTensorFixedPoint,
)
from sklearn.datasets import load_digits
from torch import nn

import gatewright
from gatewright.compiler.ir.ops import BatchMatMul
from gatewright.errors import InputError
from gatewright.quant.fold_unified import fold_unified
from gatewright.quant.unified_norm import UnifiedNorm
from qonnx_models import run

WIDTH, HEADS, TOKENS = 16, 2, 4
NORMALIZING = {
    "BatchNormalization", "Div", "InstanceNormalization", "LayerNormalization", "Pow", "ReduceMean",
    "Reciprocal", "RMSNormalization", "Sqrt",
}  # fmt: skip


class Block(nn.Module):
    """A pre-norm transformer block; the same code serves floats and Brevitas' layers."""

    def __init__(self):
        super().__init__()
        self.norm1, self.norm2 = UnifiedNorm(WIDTH, warmup=20), UnifiedNorm(WIDTH, warmup=20)
        self.q, self.k, self.v = (nn.Linear(WIDTH, WIDTH, bias=b) for b in (True, False, True))
        self.proj = nn.Linear(WIDTH, WIDTH)
        self.fc1, self.fc2, self.gelu = nn.Linear(WIDTH, 2 * WIDTH), nn.Linear(2 * WIDTH, WIDTH), nn.GELU()
        self.quant = nn.ModuleDict(
            {n: nn.Identity() for n in ("q", "k", "v", "logit", "mixed", "proj", "fc1", "gelu", "fc2")}
        )
        self.enter, self.middle = nn.Identity(), nn.Identity()
        self.soften = nn.Softmax(-1)
        self.softened, self.leave = nn.Identity(), nn.Identity()

    def forward(self, x):
        x = self.enter(x)
        y = self.norm1(x)
        q, k, v = (
            self._heads(self.quant[n](layer(y))) for n, layer in (("q", self.q), ("k", self.k), ("v", self.v))
        )
        share = self.softened(self.soften(self.quant["logit"](q @ k.transpose(-2, -1) * 0.25)))
        mixed = self.quant["mixed"]((share @ v).transpose(1, 2).reshape(-1, TOKENS, WIDTH))
        x = self.middle(x + self.quant["proj"](self.proj(mixed)))
        y = self.quant["gelu"](self.gelu(self.quant["fc1"](self.fc1(self.norm2(x)))))
        return self.leave(x + self.quant["fc2"](self.fc2(y)))

    def _heads(self, x):
        return x.reshape(-1, TOKENS, HEADS, WIDTH // HEADS).transpose(1, 2)


class Transformer(nn.Module):
    """Four patches of a digit, one block, a norm, the tokens' mean, a head behind dropout."""

    def __init__(self):
        super().__init__()
        self.given = nn.Identity()
        self.patches = nn.Conv2d(1, WIDTH, 4, 4)
        self.block, self.norm = Block(), UnifiedNorm(WIDTH, warmup=20)
        self.drop, self.head = nn.Dropout(0.1), nn.Linear(WIDTH, 10)
        self.last = nn.Identity()

    def forward(self, x):
        y = self.block(self.patches(self.given(x)).flatten(2).transpose(1, 2))
        return self.last(self.head(self.drop(self.norm(y).mean(1))))


@pytest.fixture(scope="module")
def digits():
    """Images in sixteenths, and labels."""
    data = load_digits()
    return torch.tensor(data.images, dtype=torch.float32)[:, None] / 16, torch.tensor(data.target)


@pytest.fixture(scope="module")
def trained(digits):
    """A transformer that tells most digits apart, in evaluation mode."""
    images, labels = digits
    torch.manual_seed(1)
    torch.set_num_threads(1)
    net = Transformer()
    optimizer = torch.optim.Adam(net.parameters(), 4e-3)
    for _ in range(250):
        index = torch.randint(1400, (64,))
        loss = nn.functional.cross_entropy(net(images[index]), labels[index])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return net.eval()


def test_transformer_folds(trained, digits):
    """No norm is left, outputs are equal to 1e-5, and the given network stays as it is."""
    images, labels = digits
    before = {k: v.clone() for k, v in trained.state_dict().items()}
    folded = fold_unified(trained)
    with torch.no_grad():
        expected, y = trained(images), folded(images)
    assert (expected.argmax(1) == labels)[1400:].double().mean() > 0.8
    assert (y - expected).abs().max() < 1e-5 * expected.abs().max()
    assert expected.abs().max() > 2
    assert not any(isinstance(m, UnifiedNorm) for m in folded.modules())
    assert not any("norm" in str(n.target) for n in folded.graph.nodes)
    assert any(isinstance(m, UnifiedNorm) for m in trained.modules())
    assert all(torch.equal(v, trained.state_dict()[k]) for k, v in before.items())
    assert folded.get_submodule("block.k").bias is not None


def quantized(folded: nn.Module) -> nn.Module:
    """The folded network with Brevitas' layers in place of its own, in powers of two."""
    weights = {"weight_quant": Int8WeightPerTensorFixedPoint, "return_quant_tensor": False}
    signed = {"act_quant": Int8ActPerTensorFixedPoint, "return_quant_tensor": False}
    for name, layer in list(folded.named_modules()):
        if isinstance(layer, nn.Linear):
            new = qnn.QuantLinear(layer.in_features, layer.out_features, bias=True, **weights)
        elif isinstance(layer, nn.Conv2d):
            new = qnn.QuantConv2d(1, WIDTH, 4, 4, **weights)
        elif isinstance(layer, nn.Identity):
            unsigned = {**signed, "act_quant": Uint8ActPerTensorFixedPoint}
            new = qnn.QuantIdentity(**(unsigned if "softened" in name else signed))
        else:
            continue
        new.load_state_dict(layer.state_dict(), strict=False)
        parent, _, own = name.rpartition(".")
        setattr(folded.get_submodule(parent), own, new)
    return folded


def test_transformer_becomes_integers(trained, digits, tmp_path):
    """Attention's products, softmax, GELU and sums: the graph's numbers are the module's own."""
    images, labels = digits
    net = quantized(fold_unified(trained))
    for index in range(0, 1400, 200):
        net.train()(images[index : index + 200])
    net.eval()
    held = images[1400:]
    with torch.no_grad():
        expected = net(held).numpy()
    graph = gatewright.from_brevitas(net, held[:1])
    np.testing.assert_array_equal(run(graph, held.numpy()).astype(np.float32), expected)
    assert (expected.argmax(1) == labels[1400:].numpy()).mean() > 0.8
    assert np.unique(expected).size > 50
    assert sum(isinstance(n.op, BatchMatMul) for n in graph.nodes()) == 2
    file = str(tmp_path / "vit.onnx")
    export_qonnx(net, args=held[:1], export_path=file, opset_version=13, dynamo=False)
    kinds = {n.op_type for n in onnx.load(file).graph.node}
    # GELU divides by the root of two, and the head takes the tokens' mean.
    assert kinds & NORMALIZING <= {"Div", "ReduceMean"}


class Consumers(nn.Module):
    """Self-attention, grouped and plain convolutions, a class token, each behind a norm."""

    def __init__(self):
        super().__init__()
        self.image, self.grouped = UnifiedNorm(4, axis=1), nn.Conv2d(4, 6, 3, groups=2, bias=False)
        self.mirrored = nn.Conv2d(4, 6, 3, padding=1, padding_mode="replicate")
        self.tokens, self.attend = UnifiedNorm(6), nn.MultiheadAttention(6, 2, batch_first=True)
        self.row, self.along = UnifiedNorm(6, axis=1), nn.Conv1d(6, 5, 2)
        self.token, self.head = UnifiedNorm(6), nn.Linear(6, 3)

    def forward(self, x):
        x = self.image(x)
        y = self.grouped(x).flatten(2)
        y = y + self.mirrored(x).flatten(2)[:, :, : y.shape[2]]
        tokens = self.tokens(y.transpose(1, 2))
        mixed = self.attend(tokens, tokens, tokens, need_weights=False)[0]
        return self.head(self.token(mixed)[:, 0]), self.along(self.row(mixed.transpose(1, 2)))


def drawn(net: nn.Module) -> nn.Module:
    """The network with norms of random statistics and parameters."""
    torch.manual_seed(6)
    for norm in net.modules():
        if isinstance(norm, UnifiedNorm):
            for values in (norm.weight, norm.bias, norm.running_var):
                values.data = torch.rand(norm.channels) * 3 + 0.1
            norm.weight.data[0] *= -1
    return net.double().eval()


def test_consumers_of_all_kinds():
    """In float64, where a wrong rule cannot hide in rounding."""
    net = drawn(Consumers())
    folded = fold_unified(net)
    x = torch.randn(3, 4, 7, 6, dtype=torch.float64)
    with torch.no_grad():
        for a, b in zip(net(x), folded(x), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)
    assert not any(isinstance(m, UnifiedNorm) for m in folded.modules())


def test_norm_and_layer_called_twice():
    """One norm and its layer on two inputs are folded once."""

    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm, self.layer = UnifiedNorm(3), nn.Linear(3, 2)

        def forward(self, x):
            return self.layer(self.norm(x)) - self.layer(self.norm(2 * x))

    net = drawn(Twice())
    x = torch.randn(5, 3, dtype=torch.float64)
    torch.testing.assert_close(fold_unified(net)(x), net(x))


class Wrong(nn.Module):
    """A norm with ``use`` made of it."""

    def __init__(self, norm, layer, use):
        super().__init__()
        self.norm, self.layer, self.use = norm, layer, use

    def forward(self, x):
        return self.use(self, x)


def to_sum(m, x):
    """The norm's output also goes to a sum."""
    return m.layer(m.norm(x)) + m.norm(x)


def plainly(m, x):
    """The layer behind the norm."""
    return m.layer(m.norm(x))


def to_itself(m, x):
    """Attention among the norm's rows."""
    y = m.norm(x)
    return m.layer(y, y, y)


NORM = r"unified norm 'norm': "
CONSUMER = NORM + r"its output must go to linear layers alone, not to '{}'\. Put the norm before Linear, "
CONSUMER += r"Conv1d, Conv2d or self-attention, and fold before quantizing\."
AXIS = NORM + r"must have the channels of layer 'layer', 3 along axis -1, not 3 along axis 1\."
ELSEWHERE = NORM + r"layer 'layer' must serve this norm alone, but is called elsewhere too\. Give each place "
ELSEWHERE += r"a layer of its own\."
VALUES = r"unified norm: torch\.fx must trace the network, but TraceError: .*\. Keep what depends on values "
VALUES += r"out of its forward\."
PADDING = r"unified norm: convolution 'layer' must not pad what a norm with a summand gives: its zeros come "
PADDING += r"behind the norm\. Use padding 0, or padding_mode 'replicate'\."
BIAS = r"unified norm: attention 'layer' must have one projection with a bias\. Use "
BIAS += r"nn\.MultiheadAttention\(bias=True\) without kdim and vdim, or Linear layers\."
REFUSED = {
    "sum": (nn.Linear(3, 3), to_sum, -1, CONSUMER.format("add")),
    "relu": (nn.ReLU(), plainly, -1, CONSUMER.format("layer")),
    "quantized": (qnn.QuantLinear(3, 3), plainly, -1, CONSUMER.format(".*")),
    "channels": (nn.Linear(3, 3), lambda m, x: m.layer(m.norm(x)[..., :3]), -1, CONSUMER.format("getitem")),
    "axis": (nn.Linear(3, 3), plainly, 1, AXIS),
    "elsewhere": (nn.Linear(3, 3), lambda m, x: m.layer(m.norm(x)) + m.layer(x), -1, ELSEWHERE),
    "values": (nn.Linear(3, 3), lambda m, x: plainly(m, x) if x.sum() > 0 else x, -1, VALUES),
    "padding": (nn.Conv1d(3, 3, 3, padding=1), plainly, 1, PADDING),
    "cross": (
        nn.MultiheadAttention(3, 1),
        lambda m, x: m.layer(m.norm(x), x, x),
        -1,
        CONSUMER.format("layer"),
    ),
    "bias": (nn.MultiheadAttention(3, 1, bias=False), to_itself, -1, BIAS),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals(name):
    """Each says what the rule is, and what to do."""
    layer, use, axis, message = REFUSED[name]
    norm = UnifiedNorm(3, axis=axis)
    norm.bias.data += 1
    with pytest.raises(InputError, match=rf"^{message}$"):
        fold_unified(Wrong(norm, layer, use))


def test_a_summand_of_zero_may_be_padded():
    """Nothing then differs between the zeros before and behind the norm."""
    norm = UnifiedNorm(3, axis=1)
    norm.weight.data *= 3
    net = nn.Sequential(norm, nn.Conv1d(3, 2, 3, padding=1)).eval()
    x = torch.randn(2, 3, 6)
    torch.testing.assert_close(fold_unified(net)(x), net(x))
