"""Image synthesis: every loss against float64 formulas."""

import copy
import math

import numpy as np
import torch

from gatewright.quant.synthesis import generator
from gatewright.quant.synthesis.images import Centres, Margins, margins
from gatewright.quant.synthesis.losses import (
    crops,
    distillation,
    marginal_distance,
    moments_loss,
    soft_inception,
)
from gatewright.quant.synthesis.statistics import Observed
from synthesis_digits import classifier, digits


def drawn(*shape: int, seed: int = 1) -> torch.Tensor:
    """Normal float64 numbers."""
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def test_moments_and_features():
    """Of what each batch norm takes, biased; of what the last layer takes."""
    net = classifier()
    x, _ = digits()
    with Observed(net) as observed, torch.no_grad():
        logits = observed(x[:20])
        first = net.get_submodule("0.0")(x[:20]).double().numpy()
        mean, variance = observed.moments[0]
        np.testing.assert_allclose(mean, first.mean((0, 2, 3)), rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(variance, first.var((0, 2, 3)), rtol=1e-4, atol=1e-6)
        last = net.get_submodule("5")
        np.testing.assert_allclose(last(observed.features), logits, rtol=1e-5, atol=1e-6)
        assert len(observed.moments) == len(observed.remembered) == 3
        assert torch.equal(observed.remembered[1][0], net.get_submodule("1.1").running_mean)
        observed(x[:5])
        assert len(observed.moments) == 3
    assert not observed.norms[0]._forward_pre_hooks
    assert all(not p.requires_grad for p in observed.network.parameters())


def test_moments_loss():
    """Squared distances, averaged over channels and over norms; a true gradient."""
    found = [(drawn(3, seed=i), drawn(3, seed=i + 9)) for i in range(2)]
    wanted = [(drawn(3, seed=i + 20), drawn(3, seed=i + 29)) for i in range(2)]
    expected = np.mean([
        ((a - m) ** 2).mean() + ((b - v) ** 2).mean()
        for (a, b), (m, v) in zip(
            [[t.numpy() for t in p] for p in found], [[t.numpy() for t in p] for p in wanted], strict=True
        )
    ])  # fmt: skip
    np.testing.assert_allclose(moments_loss(found, wanted).item(), expected)
    mean = found[0][0].clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda m: moments_loss([(m, found[0][1]), found[1]], wanted), mean)


def test_marginal_distance():
    """Only known classes count; inside the margins nothing does."""
    f, c = drawn(6, 4), drawn(6, 4, seed=2)
    c[2] = 2 * f[2]
    known = torch.tensor([1.0, 0, 1, 1, 0, 1], dtype=torch.float64)
    total = 0.0
    for i in (0, 2, 3, 5):
        a, b = f[i].numpy(), c[i].numpy()
        d = 1 - a @ b / np.linalg.norm(a) / np.linalg.norm(b)
        total += max(0.3 - d, 0) + max(d - 0.8, 0)
    expected = total / (4 + 1e-6)
    np.testing.assert_allclose(marginal_distance(f, c, known, 0.3, 0.8).item(), expected)
    assert expected > 0.1
    assert marginal_distance(f, c, known, 0.0, 2.0) == 0
    assert marginal_distance(f, c, 0 * known, 0.3, 0.8) == 0
    f.requires_grad_()
    assert torch.autograd.gradcheck(lambda v: marginal_distance(v, c, known, 0.3, 0.8), f)


def test_soft_inception():
    """The own class's probability against its target."""
    logits, labels = drawn(3, 4), torch.tensor([0, 3, 1])
    targets = torch.tensor([1.0, 0.95, 0.97], dtype=torch.float64)
    p = np.exp(logits.numpy())
    p = p / p.sum(1, keepdims=True)
    expected = np.mean(
        [(p[i, label] - t) ** 2 for i, (label, t) in enumerate(zip((0, 3, 1), targets, strict=True))]
    )
    np.testing.assert_allclose(soft_inception(logits, labels, targets).item(), expected)
    logits.requires_grad_()
    assert torch.autograd.gradcheck(lambda v: soft_inception(v, labels, targets), logits)


def test_distillation():
    """Cross-entropy, and 20 T^2 times the divergence of softened classes, T = 20."""
    outputs, teacher, labels = drawn(5, 3), drawn(5, 3, seed=2) * 4, torch.tensor([0, 1, 2, 0, 2])

    def softmax(z):
        e = np.exp(z - z.max(1, keepdims=True))
        return e / e.sum(1, keepdims=True)

    p, q = softmax(teacher.numpy() / 20), softmax(outputs.numpy() / 20)
    own = softmax(outputs.numpy())[np.arange(5), labels.numpy()]
    expected = -np.log(own).mean() + 20 * 400 * (p * np.log(p / q)).sum(1).mean()
    np.testing.assert_allclose(distillation(outputs, teacher, labels).item(), expected)
    outputs.requires_grad_()
    assert torch.autograd.gradcheck(lambda v: distillation(v, teacher, labels), outputs)


def test_crops_are_parts_of_the_right_size():
    """On two ramps, across and down: their slopes are the crop's sides, and half of them are mirrored."""
    size, count, least = 33, 200, 0.5
    ramp = (torch.arange(size, dtype=torch.float64) + 0.5) / size
    across = ramp.expand(count, size, size)
    pictures = torch.stack([across, across.transpose(1, 2)], 1)
    made = crops(pictures, least, torch.Generator().manual_seed(3))
    middle = slice(10, 23)
    width = (made[:, 0, 16, middle].diff(dim=1).mean(1) * size).numpy()
    height = (made[:, 1, middle, 16].diff(dim=1).mean(1) * size).numpy()
    area, ratio = np.abs(width) * height, np.abs(width) / height
    assert (height > 0).all()
    # Sides stop at the image's, so that the most drawn-out crops lose some area.
    assert least * 0.86 < area.min() < 0.6
    assert 0.9 < area.max() <= 1 + 1e-9
    assert 0.74 < ratio.min() < 0.8
    assert 1.25 < ratio.max() < 1.35
    assert 0.35 < (width < 0).mean() < 0.65
    assert made.min() >= ramp[0] - 1e-9
    assert made.max() <= ramp[-1] + 1e-9
    plain = crops(pictures, least, torch.Generator().manual_seed(3), mirror=False)
    np.testing.assert_allclose(
        (plain[:, 0, 16, middle].diff(dim=1).mean(1) * size).numpy(), np.abs(width), rtol=1e-9
    )
    whole = crops(torch.full((4, 1, 5, 6), 0.3), 1.0, torch.Generator().manual_seed(3))
    torch.testing.assert_close(whole, torch.full((4, 1, 5, 6), 0.3))


def test_centres_are_means_over_all_batches():
    """Of the classes that came so far."""
    centres = Centres()
    f, g = drawn(3, 4), drawn(2, 4, seed=2)
    centres.add(f, torch.tensor([1, 0, 1]))
    centres.add(g, torch.tensor([1, 2]))
    found, known = centres.of(torch.tensor([1, 3, 2]), torch.zeros(3, 4, dtype=torch.float64))
    torch.testing.assert_close(found[0], (f[0] + f[2] + g[0]) / 3)
    torch.testing.assert_close(found[2], g[1])
    assert known.tolist() == [1, 0, 1]
    assert found[1].abs().sum() == 0


def test_published_margins():
    """By the number of classes."""
    assert [margins(n) for n in (10, 100, 1000)] == [
        Margins(0.95, 0.05, 0.8), Margins(0.6, 0.02, 1.0), Margins(0.9, 0.3, 0.8)
    ]  # fmt: skip


def test_centres_of_one_image_each():
    """Moments of the first image of each class; classes that are told wrong are not right."""
    x, y = digits()
    relabeled = torch.where(y[:60] == 7, torch.tensor(6), y[:60])
    with Observed(classifier()) as observed:
        centres, right = generator.class_centres(observed, x[:60], relabeled)
        index = int((relabeled == 4).nonzero()[0])
        with torch.no_grad():
            observed(x[index : index + 1])
        for (m, v), (mean, variance) in zip(centres[4], observed.moments, strict=True):
            assert torch.equal(m, mean)
            assert torch.equal(v, variance)
        assert sorted(centres) == [0, 1, 2, 3, 4, 5, 6, 8, 9]
        logits = observed.network(
            torch.stack([x[int((relabeled == c).nonzero()[0])] for c in sorted(centres)])
        )
    expected = {c for c, row in zip(sorted(centres), logits, strict=True) if int(row.argmax()) == c}
    assert right == expected


def test_distorted_centres():
    """Noise of 0.5 around means, of 1 around variances, another one each time."""
    random = torch.Generator().manual_seed(1)
    centre = [(torch.full((4000,), 2.0), torch.full((4000,), -3.0))]
    (mean, variance), (other, _) = (
        generator.distorted(centre, random)[0],
        generator.distorted(centre, random)[0],
    )
    assert abs(mean.mean() - 2) < 0.05
    assert abs(mean.std() - 0.5) < 0.03
    assert abs(variance.mean() + 3) < 0.08
    assert abs(variance.std() - 1) < 0.05
    assert not torch.equal(mean, other)
    assert [generator.start_layer(n) for n in (20, 27, 52, 3, 1)] == [8, 12, 24, 0, 0]


def test_conditional_norm_and_generator():
    """Each class's own factor and summand; images of any size within the span."""
    norm = generator.ConditionalNorm(3, 2).double()
    norm.factor.weight.data = drawn(3, 2)
    norm.offset.weight.data = drawn(3, 2, seed=2)
    x, labels = drawn(4, 2, 3, 3, seed=3), torch.tensor([0, 2, 2, 1])
    z = (x.numpy() - x.numpy().mean((0, 2, 3), keepdims=True)) / np.sqrt(
        x.numpy().var((0, 2, 3), keepdims=True) + norm.norm.eps
    )
    factor, offset = (
        e.weight.detach().numpy()[labels.numpy()][:, :, None, None] for e in (norm.factor, norm.offset)
    )
    np.testing.assert_allclose(norm(x, labels).detach().numpy(), z * factor + offset)
    torch.manual_seed(1)
    made = generator.Generator(5, (3, 9, 14), (-1.0, 3.0), 8)(torch.randn(6, 100), torch.arange(6) % 5)
    assert made.shape == (6, 3, 9, 14)
    assert -1 <= made.min() < 0.5
    assert 1.5 < made.max() <= 3


def test_the_generators_loss():
    """All five terms, from the parts that a step draws."""
    x, y = digits()
    observed = Observed(classifier())
    torch.manual_seed(2)
    with observed:
        training = generator._Training(observed, x[:100], y[:100], (0.0, 1.0), generator.Recipe(width=8))
        start = copy.deepcopy(training.random.get_state())
        value = training._one_class_loss([4]).item()
        training.random.set_state(start)
        torch.randint(1, (), generator=training.random)
        label = torch.full((16,), 4)
        logits = observed(training.generator(torch.randn(16, 100, generator=training.random), label))
        first = generator.start_layer(3)
        near = far = torch.zeros(())
        moved = generator.distorted(training.centres[4][first:], training.random)
        pairs = zip(observed.moments[first:], training.centres[4][first:], moved, strict=True)
        for (a, b), (m, v), (dm, dv) in pairs:
            near = near + (((a - m) ** 2).mean() + ((b - v) ** 2).mean()) / (3 - first)
            far = far + (((a - dm) ** 2).mean() + ((b - dv) ** 2).mean()) / (3 - first)
        cross = -logits.log_softmax(1)[:, 4].mean()
    assert math.isclose(value, (0.01 * near + 0.9 * far + 0.5 * cross).item(), rel_tol=1e-4)
