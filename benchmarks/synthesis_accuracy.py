"""Plain batch-norm statistics, IntraQ and FDDA beside each other, on digits of 8x8 pixels and on CIFAR-10.

    python benchmarks/synthesis_accuracy.py --work DIR [--data DIR] [--bits N...] [--seeds N...]
        [--variants NAME...] [--images N ...]

Without ``--data`` a small network on scikit-learn's digits, trained in seconds; with it the ResNet-8 of
benchmarks/accuracy.py on the slice of CIFAR-10 in that folder, whose float weights are taken from the work
folder's cifar-resnet.pt where that benchmark has left them. Images are made once for each variant and seed,
and serve all widths. All that was made, trained and measured stays in the work folder, so that a stopped run
goes on; a table is printed at the end (docs/quant-synthesis.md).
"""

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from rich.console import Console
from sklearn.datasets import load_digits
from torch import Tensor, fx, nn
from torch.nn import functional

from accuracy_networks import CASES
from adder_table import Results
from gatewright.errors import InputError
from gatewright.quant.adder_training import train
from gatewright.quant.methods import METHODS
from gatewright.quant.network import of_module
from gatewright.quant.request import Request
from gatewright.quant.synthesis import generator, methods
from gatewright.quant.synthesis.images import Margins, Recipe, synthesize
from gatewright.quant.synthesis.losses import crops, moments_loss
from gatewright.quant.synthesis.statistics import Observed
from gatewright.quant.training import accuracy, predictions

SEEN, STEPS = 1400, 300
# Real images that calibration takes.
CALIBRATION = 1000
_SETTINGS = {
    "images": (Recipe.images, "made by each method"),
    "batch": (Recipe.batch, "of them at a time"),
    "iterations": (Recipe.iterations, "of a batch"),
    "rate": (Recipe.rate, "of its first steps"),
    "warmup": (generator.Recipe.warmup, "steps of FDDA's generator before its images are kept"),
    "epochs": (20, "of fine-tuning"),
}
_EVERY, _SOFT, _HARD = Margins(0.95, 0.05, 0.8), Margins(0.95, 0.0, 2.0), Margins(1.0, 0.0, 2.0)


@dataclass(frozen=True)
class Variant:
    """How images are made, and whether fine-tuning sees crops of them.

    Attributes:
        title: in the table.
        intra: IntraQ's numbers; margins of 0 and 2 never count, a least probability of 1 is not soft.
        crop_chance: that a step of synthesis works on crops.
        mirror: whether crops are mirrored.
        tuned_on_crops: whether fine-tuning is.
    """

    title: str
    intra: Margins | None = None
    crop_chance: float = 0.0
    mirror: bool = True
    tuned_on_crops: bool = True


VARIANTS = {
    "bns": Variant("bns"),
    "intraq": Variant("IntraQ", _EVERY, 0.5),
    "fdda": Variant("FDDA", tuned_on_crops=False),
    "hard": Variant("bns, classes", _HARD),
    "soft": Variant("bns, soft classes", _SOFT),
    "margins": Variant("bns, soft classes, margins", _EVERY),
    "crops": Variant("bns, soft classes, crops", _SOFT, 0.5),
    "bns-whole": Variant("bns, tuned on whole images", tuned_on_crops=False),
    "intraq-whole": Variant("IntraQ, tuned on whole images", _EVERY, 0.5, tuned_on_crops=False),
    "bns-unmirrored": Variant("bns, unmirrored", mirror=False),
    "intraq-unmirrored": Variant("IntraQ, unmirrored", _EVERY, 0.5, mirror=False),
}


@dataclass(frozen=True)
class Case:
    """A trained network, with images and labels of training and of test."""

    name: str
    network: fx.GraphModule
    images: Tensor
    labels: Tensor
    test_images: Tensor
    test_labels: Tensor

    def request(self, bits: int, seed: int, options: argparse.Namespace, **more: object) -> Request:
        """For both widths alike."""
        return Request(bits, bits, self.images, self.labels, seed=seed, epochs=options.epochs, **more)

    def percent(self, network: nn.Module) -> float:
        """Of the test images right."""
        return round(100 * accuracy(network, self.test_images, self.test_labels), 2)


def block(inputs: int, outputs: int, stride: int = 1) -> nn.Module:
    """Convolution, batch norm, ReLU."""
    conv = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs), nn.ReLU())


def digits() -> Case:
    """Three convolutions, trained for seconds."""
    found = load_digits()
    x, y = torch.tensor(found.images, dtype=torch.float32)[:, None] / 16, torch.tensor(found.target)
    torch.manual_seed(1)
    net = nn.Sequential(
        block(1, 12),
        block(12, 16, 2),
        block(16, 24),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(24, 10),
    )
    optimizer = torch.optim.Adam(net.parameters(), 5e-3)
    for _ in range(STEPS):
        index = torch.randint(SEEN, (64,))
        loss = functional.cross_entropy(net(x[index]), y[index])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    network = of_module(net.eval(), x[:2])
    return Case("digits", network, x[:SEEN], y[:SEEN], x[SEEN:], y[SEEN:])


def cifar(data: Path, work: Path, console: Console) -> Case:
    """The ResNet-8 of benchmarks/accuracy.py, trained as there."""
    case = CASES["cifar-resnet"]
    images, labels, test_images, test_labels = case.load(data)
    torch.manual_seed(1)
    model = case.make()
    train(model, images, labels, case.recipe, work / "cifar-resnet.pt", case.augment, console)
    network = of_module(model.eval(), images[:1])
    # Neither synthesis nor calibration asks for more.
    kept = images[:CALIBRATION].clone(), labels[:CALIBRATION].clone()
    return Case("cifar", network, *kept, test_images, test_labels)


def made(case: Case, name: str, seed: int, options: argparse.Namespace) -> tuple[Tensor, Tensor]:
    """A variant's images and labels for a seed, from their file where there is one."""
    variant = VARIANTS[name]
    file = options.work / f"{case.name}-{_source(name)}-{seed}.pt"
    if file.exists():
        return tuple(torch.load(file, weights_only=True))
    observed, span = Observed(case.network), (float(case.images.min()), float(case.images.max()))
    if name == "fdda":
        recipe = generator.Recipe(options.warmup, options.images // generator.Recipe.batch, seed=seed)
        found = generator.generate(observed, case.images, case.labels, span, recipe)
        real = methods.one_each(case.request(8, seed, options), len(found[0]))
        data = tuple(torch.cat(pair) for pair in zip(real, found, strict=True))
    else:
        recipe = Recipe(
            options.images, options.batch, options.iterations, options.rate,
            crop_chance=variant.crop_chance, mirror=variant.mirror, seed=seed,
        )  # fmt: skip
        data = synthesize(observed, tuple(case.images.shape[1:]), span, recipe, variant.intra)
    torch.save(list(data), file)
    return data


def _source(name: str) -> str:
    """The first variant that has the same images."""
    if name == "fdda":
        return name
    alike = {n: (v.intra, v.crop_chance, v.mirror or not v.crop_chance) for n, v in VARIANTS.items()}
    return next(n for n, how in alike.items() if how == alike[name])


def tuned(case: Case, name: str, bits: int, seed: int, options: argparse.Namespace) -> float:
    """Percent right of the network fine-tuned on a variant's images."""
    variant, data = VARIANTS[name], made(case, name, seed, options)
    augment = None
    if variant.tuned_on_crops:
        augment = lambda batch, random: crops(batch, 0.5, random, variant.mirror)  # noqa: E731
    # Of twice as many images, one pass is as long as two.
    epochs = options.epochs // 2 if name == "fdda" else options.epochs
    request = Request(bits, bits, case.images, case.labels, seed=seed, epochs=epochs)
    method = name if name in METHODS else "bns"
    return case.percent(methods.fine_tuned(case.network, request, method, lambda *_: data, augment))


def fit(case: Case, images: Tensor) -> float:
    """How far the images' statistics are from the network's."""
    with Observed(case.network) as observed, torch.no_grad():
        observed(images)
        return moments_loss(observed.moments, observed.remembered).item()


def kept(case: Case, changed: Callable[[Tensor], Tensor]) -> float:
    """Percent of real images that the network takes for the same class when they are changed."""
    images = case.images[:512]
    before, after = predictions(case.network, images), predictions(case.network, changed(images))
    return round(100 * float((before == after).double().mean()), 1)


def table(case: Case, results: Results, options: argparse.Namespace) -> str:
    """Markdown: a row for each width and seed and one for their mean, a column for each variant."""
    titles = [VARIANTS[name].title for name in options.variants]
    lines = ["| bits | seed | mse, real images | " + " | ".join(titles) + " |"]
    lines.append("|---|---|" + "---|" * (len(titles) + 1))
    for bits in options.bits:
        real = results.values[f"{case.name} mse W{bits}A{bits}"]
        rows = [
            [results.values[_key(case, name, bits, seed)] for name in options.variants]
            for seed in options.seeds
        ]
        named = list(zip(map(str, options.seeds), rows, strict=True))
        if len(rows) > 1:
            named.append(("mean", [sum(column) / len(rows) for column in zip(*rows, strict=True)]))
        for seed, row in named:
            cells = " | ".join(f"{v:.1f}" for v in (real, *row))
            lines.append(f"| W{bits}A{bits} | {seed} | {cells} |")
    return "\n".join(lines)


def _key(case: Case, name: str, bits: int, seed: int) -> str:
    return f"{case.name} {name} W{bits}A{bits} seed {seed}"


def _settings(options: argparse.Namespace, case: Case, results: Results) -> None:
    """Keep the settings beside what was made with them; refuse others."""
    given = {k: getattr(options, k) for k in _SETTINGS}
    kept = results.once(f"{case.name} settings", lambda: given)
    if kept != given:
        raise InputError(
            f"synthesis_accuracy: the work folder must be of these settings, {given}, not {kept}. "
            "Give another."
        )


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, required=True, help="folder for what was made and measured")
    parser.add_argument("--data", type=Path, help="folder with cifar10/; without it, digits")
    parser.add_argument("--bits", type=int, nargs="+", default=[4, 3, 2])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=["bns", "intraq", "fdda"])
    for name, (value, help_) in _SETTINGS.items():
        parser.add_argument(f"--{name}", type=type(value), default=value, help=help_)
    return parser.parse_args(arguments)


def main(arguments: list[str]) -> int:
    """Train, make, quantize, print the table."""
    options = _options(arguments)
    torch.set_num_threads(1)
    console = Console(width=200)
    results = Results(options.work, console)
    case = cifar(options.data, options.work, console) if options.data else digits()
    _settings(options, case, results)
    results.once(f"{case.name} float", lambda: case.percent(case.network))
    results.once(f"{case.name} fit, real images", lambda: fit(case, case.images[: options.images]))
    for what, changed in (
        ("mirrored", lambda x: x.flip(3)),
        ("cropped", lambda x: crops(x, 0.5, torch.Generator().manual_seed(1), mirror=False)),
    ):
        results.once(f"{case.name} class kept, {what}", lambda c=changed: kept(case, c))
    _measure(case, results, options)
    console.print(table(case, results, options), markup=False, soft_wrap=True)
    return 0


def _measure(case: Case, results: Results, options: argparse.Namespace) -> None:
    for seed in options.seeds:
        for name in options.variants:
            results.once(
                f"{case.name} fit, {name} seed {seed}",
                lambda n=name, s=seed: fit(case, made(case, n, s, options)[0]),
            )
            for bits in options.bits:
                measure: Callable = lambda n=name, b=bits, s=seed: tuned(case, n, b, s, options)  # noqa: E731
                results.once(_key(case, name, bits, seed), measure)
    for bits in options.bits:
        calibrated = lambda b=bits: METHODS["mse"].load()(case.network, case.request(b, 1, options))  # noqa: E731
        results.once(f"{case.name} mse W{bits}A{bits}", lambda c=calibrated: case.percent(c()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
