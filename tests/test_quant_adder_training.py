"""The recipe: networks learn, runs repeat and resume, and files that do not fit are refused."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console
from sklearn.datasets import load_digits
from torch import nn

from gatewright.compiler.ir.evaluate import evaluate
from gatewright.errors import InputError
from gatewright.quant.adder import AdderConv2d, AdderLinear
from gatewright.quant.adder_ptq import input_ranges, unsigned
from gatewright.quant.adder_training import Recipe, accuracy, load_weights, predictions, train
from gatewright.quant.frozen_norm import freeze_norms


def digits():
    """Digits as uint8 images (1797, 1, 8, 8) and labels, in an order that mixes the writers."""
    data = load_digits()
    order = np.random.default_rng(0).permutation(len(data.images))
    images = (data.images[order] * 15.9).astype(np.uint8)[:, None]
    return torch.from_numpy(images), torch.from_numpy(data.target[order].astype(np.int64))


def network() -> nn.Sequential:
    """Adder layers throughout, the first and the last too."""
    torch.manual_seed(0)
    return nn.Sequential(
        AdderConv2d(1, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        AdderLinear(72, 10), nn.BatchNorm1d(10),
    )  # fmt: skip


def test_float_and_quantized_networks_learn():
    """Trained on 1,500 digits; 3 bits lose little once they are tuned."""
    images, labels = digits()
    training, test = (images[:1500], labels[:1500]), (images[1500:], labels[1500:])
    net = network()
    losses = train(net, *training, Recipe(6, batch=50))
    assert losses[-1] < losses[0] / 3
    assert accuracy(net, *test) > 0.93
    ranges = input_ranges(net, [training[0][:500].float() / 255])
    tuned = unsigned(net, ranges, 3, learned=True)
    scales = [p.item() for n, p in tuned.named_parameters() if "scaling" in n]
    train(tuned, *training, Recipe(2, batch=50, learning_rate=0.01))
    assert accuracy(tuned, *test) > 0.90
    assert [p.item() for n, p in tuned.named_parameters() if "scaling" in n] != scales


def test_runs_repeat_and_resume(tmp_path):
    """One seed gives one network, also when the run was stopped between epochs; another seed another."""
    images, labels = (t[:120] for t in digits())
    recipe, moved = Recipe(3, batch=32, learning_rate=0.05), lambda x, g: x + torch.rand(x.shape, generator=g)
    nets = [network() for _ in range(3)]
    whole = train(nets[0], images, labels, recipe, augment=moved)
    calls = []

    def stopping(x, g):
        calls.append(1)
        if len(calls) == 7:  # in the third epoch
            raise KeyboardInterrupt
        return moved(x, g)

    file = tmp_path / "run.pt"
    with pytest.raises(KeyboardInterrupt):
        train(nets[1], images, labels, recipe, file, stopping)
    assert len(calls) == 7
    assert train(nets[2], images, labels, recipe, file, moved) == whole
    for a, b in zip(nets[0].state_dict().values(), nets[2].state_dict().values(), strict=True):
        assert torch.equal(a, b)
    assert train(nets[1], images, labels, recipe, file, moved) == whole  # finished: nothing is left to do
    assert torch.equal(load_weights(network(), file)[0].weight, nets[0][0].weight)
    other = train(network(), images, labels, Recipe(3, batch=32, learning_rate=0.05, seed=2), augment=moved)
    assert other != whole


def test_decay_spares_vectors():
    """Weights decay; batch norms and scales do not."""
    images, labels = (t[:64] for t in digits())
    nets = [network() for _ in range(2)]
    for net, decay in zip(nets, (0, 1), strict=True):
        for p in net.parameters():
            p.register_hook(torch.zeros_like)
        train(net, images, labels, Recipe(1, batch=32, weight_decay=decay))
    assert torch.equal(nets[0][1].weight, nets[1][1].weight)
    assert nets[1][0].weight.norm() < 0.95 * nets[0][0].weight.norm()


def test_images_of_either_type():
    """uint8 counts as [0, 1]; floats are taken as they are."""
    images, _ = (t[:600] for t in digits())
    net = network()
    assert torch.equal(predictions(net, images), predictions(net, images.float() / 255))
    assert len(predictions(net, images)) == 600


def test_progress_is_shown():
    """The console names the loss of the epoch."""
    console = Console(record=True, width=100, force_terminal=True, file=open("/dev/null", "w"))  # noqa: SIM115
    images, labels = (t[:64] for t in digits())
    losses = train(network(), images, labels, Recipe(1, batch=32), console=console)
    assert f"loss {losses[0]:.4f}" in console.export_text()


def refused(message: str, call) -> None:
    """The whole message of an InputError."""
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        call()


def test_recipes_that_cannot_be():
    """Each rule's message."""
    refused(
        "training: needs 1 epoch or more and batches of 2 images or more, not 0 and 128.", lambda: Recipe(0)
    )
    refused(
        "training: needs 1 epoch or more and batches of 2 images or more, not 1 and 1.", lambda: Recipe(1, 1)
    )
    images, labels = (t[:8] for t in digits())
    refused(
        "training: needs at least 128 images, not 8. Use a smaller batch.",
        lambda: train(network(), images, labels, Recipe(1)),
    )


def test_checkpoints_that_do_not_fit(tmp_path):
    """Another recipe, another network, another file, a damaged one, and one with pickled code."""
    images, labels = (t[:64] for t in digits())
    file, recipe = tmp_path / "run.pt", Recipe(1, batch=32)
    train(network(), images, labels, recipe, file)
    with pytest.raises(
        InputError, match=r"^training: checkpoint run.pt must be of this recipe, .* Delete it"
    ):
        train(network(), images, labels, Recipe(2, batch=32), file)
    with pytest.raises(
        InputError, match=r"^training: checkpoint run.pt must be of this network, but .* Delete"
    ):
        train(nn.Sequential(nn.Flatten(), AdderLinear(64, 10)), images, labels, recipe, file)
    data = file.read_bytes()
    start = "^training: run.pt must be a checkpoint that train wrote, but "
    for content in (b"", b"no checkpoint", data[: len(data) // 2]):
        file.write_bytes(content)
        with pytest.raises(InputError, match=start):
            train(network(), images, labels, recipe, file)
    for state in ({"model": {}}, {"model": Recipe(1)}, [1]):
        torch.save(state, file)
        with pytest.raises(InputError, match=start):
            load_weights(network(), file)


def test_example_of_the_page():
    """The code in docs/addernet-training.md runs, and its graph gives the network's own integers."""
    page = (Path(__file__).parents[1] / "docs" / "addernet-training.md").read_text()
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    torch.manual_seed(1)
    names = {"images": torch.randint(0, 256, (256, 1, 28, 28), dtype=torch.uint8)}
    names["labels"] = names["images"].flatten(1)[:, :10].argmax(1)
    assert "Recipe(epochs=14)" in code
    exec(code.replace("epochs=14", "epochs=3, batch=16"), names)
    floats = names["images"][:50].float() / 255
    graph, network = names["graph"], freeze_norms(names["network"])
    sums = evaluate(graph, graph.encodings[0].apply(floats.numpy(), graph.inputs[0].type))[0]
    with torch.no_grad():
        want = network(floats).numpy()
    np.testing.assert_allclose(graph.decodings[0].apply(sums), want, rtol=1e-5, atol=1e-5)
    assert len(np.unique(sums)) > 100
