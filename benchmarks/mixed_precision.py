"""Mixed precision against uniform widths within the same LUTs, for docs/quant-mixed.md.

    python benchmarks/mixed_precision.py --data DIR --work DIR [--cases NAME...] [--write docs/quant-mixed.md]

DIR is a folder with ``cifar10/`` as benchmarks/accuracy.py says. The float networks of the CIFAR-10 slice are
those of benchmarks/accuracy.py, trained here where the work folder has none of its checkpoints. All that is
measured, each trial of a search too, is kept in the work folder: a run that was stopped goes on where it was.
"""

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from rich.console import Console
from torch import Tensor, fx, nn

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import gatewright
from accuracy_networks import CASES as CIFAR
from adder_table import Results
from gatewright.driver.mixed import Budget, search
from gatewright.driver.quantize import proved
from gatewright.quant.methods import METHODS
from gatewright.quant.mixed_search import Trial
from gatewright.quant.network import of_module
from gatewright.quant.request import Request
from gatewright.quant.training import Recipe, accuracy, train
from mixed_precision_page import page
from trained_nets import digits, residual_net

BOARD = "tul_pynq_z2"
WIDTHS = (2, 3, 4, 6, 8)
# What the search sees, of which the first 256 tell errors.
DECIDED, CALIBRATION = 1024, 256
# Budgets lie at these places between designs of uniform widths: 0 is W2A2, 1 W3A3, 2 W4A4, 3 W6A6.
PLACES = (0.5, 1.0, 1.5, 2.0)
# Of the uniform designs within a budget, how many of the least error are tested.
RIVALS = 3
_UNIFORM = (2, 3, 4, 6)
_COMPARED = 16


@dataclass(frozen=True)
class Case:
    """A network on a data set.

    Attributes:
        interval: clocks a frame.
        make: the untrained network.
        load: training images and labels, then those of the test.
    """

    title: str
    interval: int
    make: Callable[[], nn.Module]
    load: Callable[[Path], tuple[Tensor, Tensor, Tensor, Tensor]]
    recipe: Recipe
    augment: Callable[[Tensor, torch.Generator], Tensor] | None = None


CASES = {
    **{
        "digits" + f"-{seed}" * (seed > 1): Case(
            f"Residual network of width 4, digits, seed {seed}",
            1600,
            lambda seed=seed: residual_net(seed, 4),
            lambda data: sum(digits(), ()),
            Recipe(30, 64, 5e-3, optimizer="adam", schedule="linear"),
        )
        for seed in (1, 2, 3)
    },
    **{
        name: Case(case.title, interval, case.make, case.load, case.recipe, case.augment)
        for name, interval in (("cifar-resnet", 65536), ("cifar-mobilenet", 65536))
        for case in [CIFAR[name]]
    },
}


def main(arguments: list[str]) -> int:
    """Search, measure, write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with cifar10/")
    parser.add_argument("--work", type=Path, required=True, help="folder for checkpoints and results")
    parser.add_argument("--cases", nargs="*", choices=CASES, default=list(CASES))
    parser.add_argument("--learn", action="store_true", help="unitwise of the chosen bits too: hours")
    parser.add_argument("--write", type=Path, help="docs page to write")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    console = Console()
    results = Results(options.work, console)
    for name in options.cases:
        _Measured(name, CASES[name], options, results, console).all()
    if options.write:
        cases = {name: (case.title, case.interval) for name, case in CASES.items()}
        options.write.write_text(page(results.values, cases, BOARD, WIDTHS, PLACES))
        console.print(f"written: {options.write}")
    return 0


class _Measured:
    """One case: its float network, search and results."""

    def __init__(self, name: str, case: Case, options: argparse.Namespace, results: Results, console):
        self.name, self.case, self.results, self.learn = name, case, results, options.learn
        images, labels, *self.test = case.load(options.data)
        torch.manual_seed(1)
        model = case.make()
        train(model, images, labels, case.recipe, options.work / f"{name}.pt", case.augment, console)
        self.network: fx.GraphModule = of_module(model.eval(), images[:1])
        self.images, self.labels = images, labels

    def all(self) -> None:
        """Each budget's best and best uniform widths, and what they reach."""
        results, name = self.results, self.name
        results.once(f"{name} float", lambda: self._percent(self.network))
        trials = Results(results.file.parent / f"{name} trials", Console(quiet=True))
        found = search(
            self.network,
            Request(4, 4, self.images[:DECIDED], self.labels[:DECIDED]),
            Budget(BOARD, self.case.interval, {"lut": 1}),
            widths=WIDTHS,
            once=trials.once,
        )
        known = found.known
        at = [known.trial(dict.fromkeys(known.inner, (w, w))).cost["lut"] for w in _UNIFORM]
        for place in PLACES:
            limit = at[int(place)] + (place % 1) * (at[int(place) + 1] - at[int(place)])
            if f"{name} {place}" not in results.values:
                chosen = found.within({"lut": limit})
                fitting = [t for t in known.trials if t.uniform and t.keeps({"lut": limit})]
                rivals = [self._row(t) for t in sorted(fitting, key=lambda t: t.error)[:RIVALS]]
                rows = {
                    "limit": limit,
                    "mixed": self._row(chosen.best),
                    "uniform": max(rivals, key=lambda row: row["mse"]),
                }
                results.once(f"{name} {place}", lambda rows=rows: rows)

    def _row(self, trial: Trial) -> dict:
        """What stands in the table for one choice of bits."""
        pairs = list(trial.layer_bits.values())
        shown = " ".join(f"{w}/{a}" for w, a in (pairs[:1] if trial.uniform else pairs))
        row = {"bits": shown, "lut": trial.cost["lut"], "error": trial.error}
        for method in ("mse", "unitwise") if self.learn else ("mse",):
            row[method] = self.results.once(
                f"{self.name} {method} {shown}", lambda m=method: self._reached(m, trial)
            )
        return row

    def _reached(self, method: str, trial: Trial) -> float:
        count = 1000 if METHODS[method].trains or method == "unitwise" else CALIBRATION
        request = Request(
            4, 4, self.images[:count], self.labels[:count] if count > CALIBRATION else None,
            layer_bits=trial.layer_bits,
        )  # fmt: skip
        quantized = METHODS[method].load()(self.network, request)
        proved(gatewright.from_brevitas(quantized, self.images[:1]), quantized, self.test[0][:_COMPARED])
        return self._percent(quantized)

    def _percent(self, network) -> float:
        return round(100 * accuracy(network, *self.test), 2)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
