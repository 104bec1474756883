"""Mixed precision: the program against all choices, designs that keep their budget, errors."""

from itertools import product

import pytest
import torch
from sklearn.datasets import load_digits
from torch import nn

from gatewright.boards import load as load_board
from gatewright.driver.mixed import Budget, mixed_precision, pricing
from gatewright.errors import BoardError, FitError, InputError
from gatewright.quant import ptq
from gatewright.quant.mixed import _Search, allocate
from gatewright.quant.network import of_module
from gatewright.quant.request import Request
from gatewright.quant.training import Recipe, accuracy, train

WIDTHS = (2, 4)


def small_net() -> nn.Module:
    """Four convolutions and a classifier for digits."""
    torch.manual_seed(3)
    return nn.Sequential(
        *(nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU()),
        *(nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(8, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(16, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU()),
        *(nn.Flatten(), nn.Linear(64, 10)),
    )


@pytest.fixture(scope="module")
def trained():
    """(float network, training images, test images, test labels)."""
    digits = load_digits()
    images = torch.tensor(digits.images, dtype=torch.float32)[:, None] / 16
    labels = torch.tensor(digits.target)
    model = small_net()
    train(model, images[:1200], labels[:1200], Recipe(6, batch=64, learning_rate=0.05))
    return of_module(model.eval(), images[:1]), images[:1200], images[1200:], labels[1200:]


def products(module: nn.Module) -> list[dict[str, float]]:
    """A made-up price: weights' bits times their number, by layer."""
    layers = [m for m in module.modules() if hasattr(m, "weight_quant")]
    return [{"lut": float(m.weight.numel() * m.weight_quant.bit_width())} for m in layers] + [{"lut": 7.0}]


def test_program_is_the_best_of_all_choices(trained):
    """Against every choice of 16 pairs, within the program's own figures."""
    network, images, _, _ = trained
    search = _Search(network, Request(4, 4, images[:32]), ptq.mse, products, lambda text: None)
    assert search.inner == search.all[1:-1]
    assert len(search.inner) == 3
    search.price_uniform(WIDTHS)
    search.measure(WIDTHS)
    pairs = list(product(WIDTHS, WIDTHS))
    places = [search.all.index(n) for n in search.inner]
    ends = sum(part["lut"] for i, part in enumerate(search.costs[2, 2]) if i not in places)
    for limit in (15_000, 18_000, 21_000):
        all_choices = []
        for choice in product(pairs, repeat=3):
            cost = ends + sum(search.costs[p][i]["lut"] for p, i in zip(choice, places, strict=True))
            sensitivity = (search.sensitivity[n] for n in search.inner)
            error = sum(s[0][w] + s[1][a] for s, (w, a) in zip(sensitivity, choice, strict=True))
            if cost <= limit:
                all_choices.append(error)
        chosen = search.solve({"lut": limit}, WIDTHS)
        found = sum(search.sensitivity[n][0][w] + search.sensitivity[n][1][a] for n, (w, a) in chosen.items())
        assert found == pytest.approx(min(all_choices), abs=1e-12)
    assert search.solve({"lut": 100}, WIDTHS) is None


@pytest.mark.slow
def test_designs_keep_the_budget_and_beat_uniform_ones(trained):
    """LUTs of a real folding: at no more than uniform W4A4 takes, no more error and no fewer digits right."""
    network, images, tests, labels = trained
    request = Request(4, 4, images[:64])
    parts = pricing(Budget(load_board("tul_pynq_z2"), 1600, {}), images[:1])(ptq.mse(network, request))
    limit = sum(part["lut"] for part in parts)
    found = mixed_precision(network, request, Budget("tul_pynq_z2", 1600, {"lut": limit}), widths=(2, 4, 6))
    assert found.best.cost["lut"] <= limit
    assert found.uniform is not None
    assert found.uniform.uniform
    assert found.best.error <= found.uniform.error
    assert any(t.cost["lut"] > limit for t in found.trials)

    def right(layer_bits) -> float:
        quantized = ptq.mse(network, Request(4, 4, images[:64], layer_bits=layer_bits))
        return accuracy(quantized, tests, labels)

    assert right(found.best.layer_bits) >= right(found.uniform.layer_bits)


def test_too_small_a_budget_is_reported(trained):
    """With what the fewest bits take."""
    network, images, _, _ = trained
    with pytest.raises(
        FitError, match=r"quantize: the budget must have room for the fewest bits, \d+ LUT, but is 50 LUT"
    ):
        allocate(network, Request(4, 4, images[:16]), ptq.mse, products, {"lut": 50}, WIDTHS)


@pytest.mark.parametrize(
    ("budget", "method", "error", "text"),
    [
        (Budget("tul_pynq_z2", 600, {"luts": 5}), "mse", InputError, "of lut, ff, bram, dsp, not 'luts'"),
        (Budget("tul_pynq_z2", 600, {}), "mse", InputError, "must limit something"),
        (Budget("raspberrypi_5", 600, {"lut": 5}), "mse", BoardError, "needs a board with an FPGA"),
        (Budget("tul_pynq_z2", 600, {"lut": 5}), "lsq", InputError, "lsq must have one width for all layers"),
    ],
)  # fmt: skip
def test_bad_budgets_are_reported(trained, budget, method, error, text):
    """One clear error each."""
    network, images, _, _ = trained
    with pytest.raises(error, match=text):
        mixed_precision(network, Request(4, 4, images[:16]), budget, method)


def test_networks_without_inner_layers_are_reported():
    """Two layers are the first and the last."""
    network = of_module(nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2)).eval(), torch.rand(1, 4))
    with pytest.raises(InputError, match="needs a layer between the first and the last, not 2 layer"):
        allocate(network, Request(4, 4, torch.rand(8, 4)), ptq.mse, products, {"lut": 1.0}, WIDTHS)
