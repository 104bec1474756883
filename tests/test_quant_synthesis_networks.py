"""Images made for a small network: their statistics, and what quantized networks learn from them."""

import copy
import functools

import numpy as np
import pytest
import torch
from torch import fx, nn
from torch.nn import functional

import gatewright
from gatewright.errors import InputError
from gatewright.quant.methods import METHODS
from gatewright.quant.request import Request
from gatewright.quant.synthesis import generator, images, methods
from gatewright.quant.synthesis.images import Centres, Margins, synthesize
from gatewright.quant.synthesis.losses import moments_loss
from gatewright.quant.synthesis.statistics import Observed
from qonnx_models import run
from synthesis_digits import accuracy, classifier, digits

SMALL = {"images": 96, "batch": 48, "iterations": 60}


@pytest.mark.parametrize("intra", [None, Margins(0.95, 0.05, 0.8)], ids=["bns", "intraq"])
def test_images_have_the_statistics(intra):
    """Far nearer than noise, within the range, the same for a seed, and of the classes that they are for."""
    observed = Observed(classifier())
    made, labels = synthesize(observed, (1, 8, 8), (0.0, 1.0), images.Recipe(**SMALL), intra)
    again, _ = synthesize(observed, (1, 8, 8), (0.0, 1.0), images.Recipe(**SMALL), intra)
    assert torch.equal(made, again)
    assert made.shape == (96, 1, 8, 8)
    assert 0 <= made.min() <= made.max() <= 1
    noise = torch.rand(96, 1, 8, 8, generator=torch.Generator().manual_seed(2))
    with observed, torch.no_grad():
        logits = observed(made)
        loss = moments_loss(observed.moments, observed.remembered)
        observed(noise)
        before = moments_loss(observed.moments, observed.remembered)
    # IntraQ's other losses pull as well, and weigh more in a network of so small numbers.
    assert loss < (0.7 if intra else 0.01) * before
    assert (logits.argmax(1) == labels).double().mean() > 0.9
    assert labels.unique().numel() >= (10 if intra else 4)


def test_margins_keep_images_off_their_centre():
    """A lower margin of 0.3 leaves later batches further from it than none does."""
    found = []
    for lower in (0.0, 0.3):
        observed = Observed(classifier())
        made, labels = synthesize(
            observed, (1, 8, 8), (0.0, 1.0), images.Recipe(**SMALL), Margins(0.95, lower, 2.0)
        )
        centres = Centres()
        with observed, torch.no_grad():
            observed(made[:48])
            centres.add(observed.features, labels[:48])
            observed(made[48:])
            centre, known = centres.of(labels[48:], observed.features)
            distance = 1 - functional.cosine_similarity(observed.features, centre)
        found.append(float(distance[known > 0].mean()))
    assert found[1] > 1.5 * found[0]


def test_generated_images_are_told_apart():
    """After a short warm-up, by the network that the generator learned from."""
    x, y = digits()
    observed = Observed(classifier())
    recipe = generator.Recipe(warmup=250, kept=4, width=16, rate=4e-3)
    made, labels = generator.generate(observed, x[:200], y[:200], (0.0, 1.0), recipe)
    assert made.shape == (64, 1, 8, 8)
    assert not made.requires_grad
    with torch.no_grad():
        right = (observed.network(made).argmax(1) == labels).double().mean()
    assert right > 0.5
    again, _ = generator.generate(observed, x[:200], y[:200], (0.0, 1.0), recipe)
    assert torch.equal(made, again)


@pytest.mark.parametrize("name", ["bns", "intraq", "fdda"])
def test_methods_end_in_equal_integers(name, monkeypatch):
    """Better than calibration alone at 2 bits; the integer graph is the network on every held-out image."""
    monkeypatch.setattr(images, "Recipe", functools.partial(images.Recipe, **SMALL))
    monkeypatch.setattr(
        generator, "Recipe", functools.partial(generator.Recipe, warmup=250, kept=6, width=16)
    )
    x, y = digits()
    network = classifier()
    before = copy.deepcopy(network.state_dict())
    request = Request(2, 2, x[:400], y[:400] if name == "fdda" else None, epochs=50)
    plain = METHODS["mse"].load()(network, request)
    net = METHODS[name].load()(network, request)
    assert not net.training
    assert accuracy(net) > accuracy(plain)
    assert all(torch.equal(v, network.state_dict()[k]) for k, v in before.items())
    graph = gatewright.from_brevitas(net, x[:1])
    with torch.no_grad():
        expected = net(x[1400:]).numpy()
    np.testing.assert_array_equal(run(graph, x[1400:].numpy()).astype(np.float32), expected)


def test_crops_do_not_lower_the_rate(monkeypatch):
    """The schedule hears of whole images' losses alone, in which there is something to compare."""
    heard, cropped = [], []
    plateau, crops = torch.optim.lr_scheduler.ReduceLROnPlateau, images.crops
    monkeypatch.setattr(plateau, "step", lambda self, loss: heard.append(loss))
    monkeypatch.setattr(images, "crops", lambda x, *more: cropped.append(len(heard)) or crops(x, *more))
    recipe = images.Recipe(16, 16, 40)
    synthesize(Observed(classifier()), (1, 8, 8), (0.0, 1.0), recipe, Margins(0.95, 0.05, 0.8))
    assert 8 < len(cropped) < 32
    assert len(heard) == 40 - len(cropped)
    synthesize(Observed(classifier()), (1, 8, 8), (0.0, 1.0), recipe, None)
    assert len(heard) == 80 - len(cropped)


@pytest.mark.parametrize(("name", "cropped"), [("bns", True), ("intraq", True), ("fdda", False)])
def test_what_fine_tuning_sees(name, cropped, monkeypatch):
    """Other crops of made images at each step; FDDA's images as they are, its real ones being crops."""
    monkeypatch.setattr(images, "Recipe", functools.partial(images.Recipe, 32, 32, 2))
    monkeypatch.setattr(generator, "Recipe", functools.partial(generator.Recipe, warmup=2, kept=2, width=4))
    x, y = digits()
    given, seen = [], []
    train = methods.training.train

    def watched(model, data, *more):
        given.append(data)
        model.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
        return train(model, data, *more)

    monkeypatch.setattr(methods.training, "train", watched)
    METHODS[name].load()(classifier(), Request(3, 3, x[:60], y[:60], epochs=2))
    (made,) = given
    steps = len(made) // 32
    assert len(seen) == 2 * steps
    known = [(batch[:, None] == made[None]).flatten(2).all(2).any(1) for batch in seen]
    assert all(bool(found.all()) != cropped for found in known)
    first = torch.cat(seen[:steps]).sort(0).values
    again = torch.cat(seen[steps:]).sort(0).values
    assert torch.equal(first, again) != cropped


def test_zero_shot_uses_no_image(monkeypatch):
    """Other images of the same shape and range give the same network."""
    monkeypatch.setattr(images, "Recipe", functools.partial(images.Recipe, **SMALL))
    x, _ = digits()
    found = []
    for seed in (1, 2):
        other = torch.rand(8, 1, 8, 8, generator=torch.Generator().manual_seed(seed))
        other[0, 0, 0, :2] = torch.tensor([0.0, 1.0])
        net = METHODS["intraq"].load()(classifier(), Request(3, 3, other, epochs=1))
        with torch.no_grad():
            found.append(net(x[1400:1500]))
    assert torch.equal(*found)


def test_refusals():
    """Each says what the rule is, and what to do."""
    x, _ = digits()
    bare = fx.symbolic_trace(nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(72, 10)))
    with pytest.raises(InputError, match=(
        r"^synthesis: the network must have batch norms, whose statistics images are made from, but has "
        r"none\. Give it unfolded, as a torch program \(\.pt2\)\.$"
    )):  # fmt: skip
        METHODS["bns"].load()(bare, Request(4, 4, x[:4]))
    with pytest.raises(InputError, match=(
        r"^fdda: needs labels, of one image per class at least\. Give --data with labels\.$"
    )):  # fmt: skip
        METHODS["fdda"].load()(classifier(), Request(4, 4, x[:4]))
    with pytest.raises(InputError, match=(
        r"^intraq: the network must take images \(N, C, H, W\), not shape \(4, 64\)\.$"
    )):  # fmt: skip
        METHODS["intraq"].load()(classifier(), Request(4, 4, x[:4].flatten(1)))
    with pytest.raises(InputError, match=(
        r"^synthesis: images must span a range, but all their numbers are 0\.0\.$"
    )):  # fmt: skip
        METHODS["bns"].load()(classifier(), Request(4, 4, 0 * x[:4]))
    with pytest.raises(
        InputError, match=r"^synthesis: needs batches of 2 images or more, .*, not 1, 512 and 300\.$"
    ):
        images.Recipe(batch=1)
    with pytest.raises(
        InputError, match=r"^synthesis: needs a warm-up of 0 steps or more, .*, not -1, 32 and 16\.$"
    ):
        generator.Recipe(warmup=-1)
