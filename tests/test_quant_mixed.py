"""Mixed precision: the program against all choices, designs that keep their budget, errors."""

import json
from itertools import product

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch import nn

from gatewright.boards import load as load_board
from gatewright.driver.mixed import Budget, mixed_precision, pricing
from gatewright.errors import BoardError, FitError, InputError
from gatewright.quant import ptq
from gatewright.quant.mixed import Search
from gatewright.quant.mixed_program import Slot, choose
from gatewright.quant.mixed_search import Known
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
    search = Search(network, Request(4, 4, images[:32]), ptq.mse, products, WIDTHS)
    known = search.known
    assert known.inner == known.all[1:-1]
    assert len(known.inner) == 3
    pairs = list(product(WIDTHS, WIDTHS))
    places = [known.all.index(n) for n in known.inner]
    ends = sum(part["lut"] for i, part in enumerate(known.costs[2, 2]) if i not in places)
    for limit in (15_000, 18_000, 21_000):
        all_choices = []
        for choice in product(pairs, repeat=3):
            cost = ends + sum(known.costs[p][i]["lut"] for p, i in zip(choice, places, strict=True))
            sensitivity = (known.sensitivity[n] for n in known.inner)
            error = sum(s[0][w] + s[1][a] for s, (w, a) in zip(sensitivity, choice, strict=True))
            if cost <= limit:
                all_choices.append(error)
        chosen = search.program({"lut": limit})
        found = sum(known.sensitivity[n][0][w] + known.sensitivity[n][1][a] for n, (w, a) in chosen.items())
        assert found == pytest.approx(min(all_choices), abs=1e-12)
    assert search.program({"lut": 100}) is None


def test_program_of_groups_against_all_choices():
    """Slots of one group choose options of one label; two kinds of cost have limits of their own."""
    draw = np.random.default_rng(5)
    groups, labels = ["a", "", "a", "b", "b"], [(2, 2, 4, 4), (), (2, 4, 2, 4), (2, 4, 4, 4), (4, 2, 2, 2)]
    for _ in range(20):
        slots = [
            Slot(draw.random(4), {k: draw.integers(1, 9, 4) for k in ("lut", "bram")}, label, group)
            for group, label in zip(groups, labels, strict=True)
        ]
        limits = {"lut": 22, "bram": 24}
        fitting = [
            sum(s.errors[i] for s, i in zip(slots, picks, strict=True))
            for picks in product(range(4), repeat=5)
            if labels[0][picks[0]] == labels[2][picks[2]] and labels[3][picks[3]] == labels[4][picks[4]]
            and all(sum(s.costs[k][i] for s, i in zip(slots, picks, strict=True)) <= most
                    for k, most in limits.items())
        ]  # fmt: skip
        picks = choose(slots, limits)
        assert sum(s.errors[i] for s, i in zip(slots, picks, strict=True)) == pytest.approx(min(fitting))
        assert labels[0][picks[0]] == labels[2][picks[2]]
        assert labels[3][picks[3]] == labels[4][picks[4]]


class Branches(nn.Module):
    """Two convolutions that read one value, as a block and its shortcut do."""

    def __init__(self):
        super().__init__()
        self.first, self.left = nn.Conv2d(1, 6, 3, padding=1), nn.Conv2d(6, 6, 3, padding=1)
        self.right, self.last = nn.Conv2d(6, 6, 1), nn.Linear(6 * 64, 10)

    def forward(self, x):
        """x (N, 1, 8, 8) -> (N, 10)."""
        x = torch.relu(self.first(x))
        return self.last(torch.relu(self.left(x) + self.right(x)).flatten(1))


def test_layers_that_read_one_value_have_one_width_of_it(trained):
    """Few bits of it show, though each layer alone could leave it 8; what is chosen agrees."""
    torch.manual_seed(2)
    images = trained[1][:32]
    network = of_module(Branches().eval(), images[:1])
    search = Search(network, Request(4, 4, images), ptq.mse, products, WIDTHS)
    ((site, together),) = search.known.readers.items()
    assert len(together) == 2, site
    first, second = (search.known.sensitivity[name][1] for name in together)
    assert first[2] > 10 * abs(first[4]) > 0
    assert second == {2: 0.0, 4: 0.0}
    # Widths of inputs cost nothing here, so that the second layer alone would take any.
    for limit in (32_000, 32_300):
        found = search.within({"lut": limit})
        assert len({a for _, a in found.best.layer_bits.values()}) == 1
        assert found.best.layer_bits[together[0]][1] == 4


def crowded(network, request):
    """Quantizes as asked; errors stand for themselves: see ``test_search_mends_what_does_not_add_up``."""
    made = ptq.mse(network, request)
    made.asked = dict(request.layer_bits)
    return made


def test_search_mends_what_does_not_add_up(trained, monkeypatch):
    """Where two layers err much more together than each alone, trials show what the program misses."""
    network, images, _, _ = trained
    names = Search(network, Request(4, 4, images[:16]), ptq.mse, products, (2, 4)).known.inner

    def error(self, module):
        few = [module.asked[name][0] == 2 for name in names]
        # The first two are cheap to lose alone, and dear together.
        return 0.01 + 0.1 * few[0] + 0.1 * few[1] + 0.3 * few[2] + 2.0 * (few[0] and few[1])

    monkeypatch.setattr(Known, "_error", error)
    search = Search(network, Request(4, 4, images[:16]), crowded, products, (2, 4))
    full = search.known.trial(dict.fromkeys(names, (4, 4))).cost["lut"]
    sizes = [search.known.costs[4, 4][search.known.all.index(n)]["lut"] for n in names]
    budget = {"lut": full - (sizes[0] + sizes[1]) / 2}
    alone = search.program(budget)
    assert [alone[n][0] for n in names] == [2, 2, 4]
    best = search.within(budget).best
    assert best.keeps(budget)
    # Of all choices: the third's 2 bits make enough room.
    assert [best.layer_bits[n][0] for n in names] == [4, 4, 2]
    assert best.error == pytest.approx(0.31)


def test_stopped_searches_go_on(trained):
    """What ``once`` keeps is not measured again, survives JSON, and gives the same choice."""
    network, images, _, _ = trained
    kept, made = {}, []

    def once(name, measure):
        if name not in kept:
            made.append(name)
            kept[name] = json.loads(json.dumps(measure()))
        return kept[name]

    def ran():
        search = Search(network, Request(4, 4, images[:32]), ptq.mse, products, WIDTHS,
                        decided=images[:64], once=once)  # fmt: skip
        return search.within({"lut": 18_000})

    found = ran()
    count = len(made)
    assert count > 20
    assert len(set(made)) == count
    again = ran()
    assert len(made) == count
    assert again == found
    for name in list(kept)[::2]:
        del kept[name]
    assert ran() == found


def test_classes_have_a_say_among_nearly_equals(trained):
    """Of trials within half more error than the least, the one that tells most of the float's classes."""
    network, images, _, _ = trained
    plain = Search(network, Request(4, 4, images[:32]), ptq.mse, products, WIDTHS)
    search = Search(network, Request(4, 4, images[:32]), ptq.mse, products, WIDTHS, decided=images[:200])
    wanted = network(images[:200]).argmax(1)
    for limit in (15_000, 18_000, 21_000):
        least, found = plain.within({"lut": limit}).best, search.within({"lut": limit}).best
        assert found.error <= 1.5 * least.error
        share = {}
        for trial in (least, found):
            module = ptq.mse(network, Request(4, 4, images[:32], layer_bits=trial.layer_bits))
            share[trial.error] = float((module(images[:200]).argmax(1) != wanted).double().mean())
        assert search.known.differs(found.layer_bits, images[:200]) == pytest.approx(
            share[found.error], abs=0.01
        )
        assert share[found.error] <= share[least.error]


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
        Search(network, Request(4, 4, images[:16]), ptq.mse, products, WIDTHS).within({"lut": 50})


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
        Search(network, Request(4, 4, torch.rand(8, 4)), ptq.mse, products, WIDTHS).within({"lut": 1.0})
