"""Unified Normalization: its statistics and gradients against float64 formulas, and its training."""

import math

import pytest
import torch
from torch import nn

from gatewright.errors import InputError
from gatewright.quant.unified_norm import UnifiedNorm

CHANNELS = 3


class Reference:
    """The published rule, one channel and one list of floats at a time."""

    def __init__(self, window, warmup, settled, momentum, filtration, eps=1e-5):
        self.window, self.warmup, self.settled, self.eps = window, warmup, settled, eps
        self.momentum, self.filtration = momentum, filtration
        self.squares = [[0.0] * CHANNELS for _ in range(window)]
        self.psis = [[0.0] * CHANNELS for _ in range(window)]
        self.variance, self.psi = [1.0] * CHANNELS, [0.0] * CHANNELS
        self.step = self.skipped = 0

    def start(self, x):
        """Variance, ratio and whether the batch is left out, for x as lists of rows."""
        self.step += 1
        mean = [sum(row[c] ** 2 for row in x) / len(x) for c in range(CHANNELS)]
        roots = [math.sqrt(v) for row in self.squares for v in row]
        centre = sum(roots) / len(roots)
        spread = sum((r - centre) ** 2 for r in roots) / (len(roots) - 1)
        slot = self.step % self.window
        self.squares[slot] = mean
        columns = list(zip(*self.squares, strict=True))
        geometric = [math.prod(c) ** (1 / self.window) for c in columns]
        left_out = self.window == 1
        if self.filtration and self.step >= self.warmup:
            gaps = [sum(c) / self.window - g for c, g in zip(columns, geometric, strict=True)]
            if max(gaps) > self.window * spread:
                self.squares[slot], left_out = list(self.variance), True
                self.skipped += 1
        own = self.step <= self.window or self.step < self.warmup or left_out
        used = mean if own else geometric
        ratio = [math.sqrt((u + self.eps) / (v + self.eps)) for u, v in zip(used, self.variance, strict=True)]
        ratio = [min(max(r, 0.2), 5.0) for r in ratio]
        if self.step <= self.settled or left_out:
            ratio = [1.0] * CHANNELS
        m = self.momentum
        self.variance = [m * v + (1 - m) * u for v, u in zip(self.variance, used, strict=True)]
        return used, ratio, left_out

    def gradients(self, x, dy, gamma, used, ratio, left_out):
        """dx and dgamma."""
        deviation = [math.sqrt(u + self.eps) for u in used]
        z = [[row[c] / deviation[c] for c in range(CHANNELS)] for row in x]
        g = [[ratio[c] * gamma[c] * row[c] for c in range(CHANNELS)] for row in dy]
        psi = [sum(a[c] * b[c] for a, b in zip(g, z, strict=True)) / len(x) for c in range(CHANNELS)]
        self.psis[self.step % self.window] = list(self.psi) if left_out else psi
        own = self.step <= self.window or self.step < self.warmup or left_out
        smooth = psi if own else [sum(c) / self.window for c in zip(*self.psis, strict=True)]
        m = self.momentum
        self.psi = [m * p + (1 - m) * s for p, s in zip(self.psi, smooth, strict=True)]
        take = smooth if left_out else self.psi
        dx = [[(g[i][c] - take[c] * z[i][c]) / deviation[c] for c in range(CHANNELS)] for i in range(len(x))]
        dgamma = [sum(dy[i][c] * ratio[c] * z[i][c] for i in range(len(x))) for c in range(CHANNELS)]
        return dx, dgamma


def norm_of(**more) -> UnifiedNorm:
    """A norm in float64 with gamma and beta that are not 1 and 0."""
    norm = UnifiedNorm(CHANNELS, **more).double()
    with torch.no_grad():
        norm.weight.copy_(torch.tensor([0.5, -1.25, 2.0]))
        norm.bias.copy_(torch.tensor([0.1, 0.0, -3.0]))
    return norm


@pytest.mark.parametrize("filtration", [False, True])
@pytest.mark.parametrize(("warmup", "settled"), [(0, 0), (6, 8), (30, 30)])
def test_training_follows_the_published_rule(warmup, settled, filtration):
    """Outputs, both gradients and the state over 24 steps, with outliers among the batches."""
    torch.manual_seed(1)
    options = {"window": 4, "warmup": warmup, "settled": settled, "momentum": 0.9, "filtration": filtration}
    norm, reference = norm_of(**options), Reference(**options)
    seen = set()
    for step in range(24):
        x = torch.randn(2, 5, CHANNELS, dtype=torch.float64) * (9.0 if step % 7 == 5 else 0.6)
        dy = torch.randn_like(x)
        x.requires_grad_()
        norm.zero_grad()
        y = norm(x)
        y.backward(dy)
        rows, slopes = (t.detach().reshape(-1, CHANNELS).tolist() for t in (x, dy))
        used, ratio, left_out = reference.start(rows)
        seen.add((left_out, ratio != [1.0] * CHANNELS))
        dx, dgamma = reference.gradients(rows, slopes, norm.weight.tolist(), used, ratio, left_out)
        expected = (
            x.detach() / torch.tensor(used, dtype=torch.float64).add(1e-5).sqrt() * norm.weight + norm.bias
        )
        torch.testing.assert_close(y, expected)
        torch.testing.assert_close(x.grad.reshape(-1, CHANNELS), torch.tensor(dx, dtype=torch.float64))
        torch.testing.assert_close(norm.weight.grad, torch.tensor(dgamma, dtype=torch.float64))
        torch.testing.assert_close(norm.bias.grad, dy.sum((0, 1)))
        torch.testing.assert_close(norm.running_var, torch.tensor(reference.variance, dtype=torch.float64))
        torch.testing.assert_close(norm.running_psi, torch.tensor(reference.psi, dtype=torch.float64))
    assert int(norm.skipped) == reference.skipped
    if warmup < 24:
        assert (False, True) in seen
        assert ((True, False) in seen) == filtration


def test_without_smoothing_it_is_the_true_gradient():
    """With a batch's own statistics and no momentum, finite differences agree."""
    torch.manual_seed(2)
    norm = norm_of(warmup=100, momentum=0.0)
    x = torch.randn(4, CHANNELS, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(norm, x)
    parameters = [norm.weight, norm.bias]
    assert torch.autograd.gradcheck(lambda *_: norm(x.detach()), parameters)


def test_inference_is_one_factor_and_one_summand():
    """Of the running variance; images have their channels in front."""
    norm = norm_of(axis=1).eval()
    norm.running_var.copy_(torch.tensor([4.0, 1.0, 0.25]))
    x = torch.randn(2, CHANNELS, 5, 4, dtype=torch.float64)
    y = norm(x)
    for c, (gamma, beta, v) in enumerate(
        zip((0.5, -1.25, 2.0), (0.1, 0.0, -3.0), (4.0, 1.0, 0.25), strict=True)
    ):
        torch.testing.assert_close(y[:, c], x[:, c] * gamma / math.sqrt(v + 1e-5) + beta)
    assert "3, axis=1, window=4, warmup=4000" in repr(norm)


def test_images_train_as_tokens_do():
    """The axis only says where the channels are."""
    torch.manual_seed(3)
    image, token = norm_of(axis=1, warmup=2, settled=2), norm_of(warmup=2, settled=2)
    for _ in range(8):
        x = torch.randn(2, CHANNELS, 3, 3, dtype=torch.float64, requires_grad=True)
        z = x.detach().movedim(1, -1).requires_grad_()
        dy = torch.randn_like(x)
        y = image(x)
        y.backward(dy)
        w = token(z)
        w.backward(dy.movedim(1, -1))
        assert torch.equal(y, w.movedim(-1, 1))
        torch.testing.assert_close(x.grad, z.grad.movedim(-1, 1))


def test_state_survives_saving(tmp_path):
    """A resumed training goes on as it was."""
    torch.manual_seed(4)
    first, second = norm_of(warmup=0, settled=0), norm_of(warmup=0, settled=0)
    for _ in range(6):
        first(torch.randn(8, CHANNELS, dtype=torch.float64)).sum().backward()
    torch.save(first.state_dict(), tmp_path / "norm.pt")
    second.load_state_dict(torch.load(tmp_path / "norm.pt", weights_only=True))
    x = torch.randn(8, CHANNELS, dtype=torch.float64)
    assert torch.equal(first(x), second(x))
    assert int(second.steps) == 7


def test_a_network_learns_with_it():
    """Blobs that a linear layer alone cannot tell apart because their scales differ."""
    torch.manual_seed(5)
    x = torch.randn(512, 8) * torch.logspace(-2, 2, 8)
    labels = ((x / torch.logspace(-2, 2, 8)).prod(1) > 0).long()
    net = nn.Sequential(
        UnifiedNorm(8, warmup=20), nn.Linear(8, 64), nn.ReLU(), UnifiedNorm(64, warmup=20), nn.Linear(64, 2)
    )
    optimizer = torch.optim.Adam(net.parameters(), 5e-3)
    losses = []
    for _ in range(400):
        index = torch.randint(512, (128,))
        loss = nn.functional.cross_entropy(net(x[index]), labels[index])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert sum(losses[-20:]) / 20 < 0.6 * sum(losses[:20]) / 20
    assert (net.eval()(x).argmax(1) == labels).double().mean() > 0.8


def test_refusals():
    """Each says what the rule is."""
    with pytest.raises(InputError, match=(
        r"^unified norm: needs channels and window of 1 or more, warmup of 0 or more, momentum in \[0, 1\) "
        r"and axis -1 or 1, not 3, 0, 4000, 0\.9 and -1\.$"
    )):  # fmt: skip
        UnifiedNorm(3, window=0)
    with pytest.raises(InputError, match=(
        r"^unified norm: x must have 3 channels along axis -1, not shape \(2, 4\)\.$"
    )):  # fmt: skip
        UnifiedNorm(3)(torch.zeros(2, 4))
