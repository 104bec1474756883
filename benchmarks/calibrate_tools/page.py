"""docs/estimates.md: how far estimates are off, family by family and design by design."""

from collections.abc import Mapping, Sequence

import numpy as np

from .evaluate import Told

_HEAD = """# How far estimates are off

Made by `python benchmarks/calibrate.py --fit`. {count} seeded random designs were synthesized with yosys
{version} by the flow of a compile; {held} of them are held back: factors (`hw/estimates/<family>.json`) are
fitted to the others, and errors are those of the designs held back. Error = (estimate - tool) / tool.

Kinds of designs: `net` and `dag` are the random networks that the RTL is tested with (`tests/random_nets.py`,
`tests/random_dags.py`), `wide` have layers of 6 to 32 channels and up to 32 products at once.
Measurements are kept in `benchmarks/calibration/`.

## Designs held back

| family | fitted to | held back | LUT median | LUT worst | FF median | FF worst | BRAM exact | DSP exact |
|---|---|---|---|---|---|---|---|---|
"""

_RATES = """
## Clock rates

| family | designs fitted to | held back | median | worst |
|---|---|---|---|---|
"""

_METHOD = """
## How it is done

A unit's LUTs and registers are sums over its structural parts (adders, multiplexers, registers, ROMs,
counters; `parts` in `hw/units/*.py`), which follow from its parameters and the family, and each part has a
factor per family: non-negative least squares of relative errors, reweighted so that single outliers count
little, drawn towards 1 (xcup: towards xc7's). Block RAM and DSP blocks follow from rules and have no factors.
What memories hold is looked into where they are small: ROMs in LUTs share equal columns, constant columns
cost nothing, and lanes of at most four words share equal terms and sums.

A clock's period is that of the slowest kind of path that a design has (from a block RAM, through a
multiplier, or through logic, by its longest carry chain) and as much more for each doubling of its LUTs.
Rates are of designs by themselves on an LFE5U-25F, speed grade 6, by nextpnr, one seed. xc7 and xcup have no
place-and-route here, and iCE40 and Gowin no fit yet: `fmax` tells nothing there.

Names in a flattened netlist give some cells to a neighbour, so that for Gowin and iCE40 units of designs that
are fitted to were also synthesized one by one (`<family>_alone.json`), which counts more. Multipliers, ROMs
and LUT RAM follow what Yosys made of them alone.

The bar is a LUT median of 5 %, a worst of 15 %, an FF median of 5 %, exact BRAM and DSP, and a 10 % median
for clock rates. All families meet its medians and exact counts; the worst of iCE40 and of xc7 are beyond it,
by 0.2 and 4 %. xc7's is a small design of which tools take many constant bits out (`dag 4004`).

What estimates do not know: bits of a stream that are constant or equal because of what a unit before makes of
its table or weights; tools prune them, and the FIFOs and converters behind are smaller then.

## Every design held back

| family | design | LUT | estimate | error | FF | estimate | error |
|---|---|---|---|---|---|---|---|
"""

_UNITS = """
## Units of the designs held back

Sums of |error| over sums, per module; cells between units are given to one of them by their names, so single
units err more than designs.

| family | module | units | LUT | off | FF | off |
|---|---|---|---|---|---|---|
"""


def page(
    told: Mapping[str, Sequence[Told]], fits: Mapping[str, Mapping], rates: Mapping, version: str
) -> str:
    """The page.

    Args:
        told: for each family its designs.
        fits: for each family what its file says.
        rates: for each family the counts of designs routed, (fitted to, held back).
    """
    names = {t.name: t.held for own in told.values() for t in own}
    text = _HEAD.format(count=len(names), held=sum(names.values()), version=version)
    for family, own in told.items():
        errors, held = fits[family]["errors"], [t for t in own if t.held]
        cells = [family, str(len(own) - len(held)), str(len(held))]
        cells += [_percent(errors[kind][way]) for kind in ("lut", "ff") for way in ("median", "worst")]
        cells += [f"{sum(t.exact(kind) for t in held)} of {len(held)}" for kind in ("bram", "dsp")]
        text += _row(cells)
    text += _RATES
    for family, (fitted, held) in rates.items():
        errors = fits[family]["errors"]["fmax"]
        text += _row([family, str(fitted), str(held), _percent(errors["median"]), _percent(errors["worst"])])
    text += _METHOD
    for family, own in told.items():
        for t in (t for t in own if t.held):
            cells = [family, t.name]
            for kind in ("lut", "ff"):
                found, said = getattr(t.found, kind), getattr(t.estimate, kind)
                cells += [f"{found:.0f}", f"{said:.0f}", f"{100 * (said - found) / found:+.1f} %"]
            text += _row(cells)
    text += _UNITS
    for family, own in told.items():
        text += "".join(_row([family, *cells]) for cells in _modules([t for t in own if t.held]))
    return text


def _modules(held: Sequence[Told]) -> list[list[str]]:
    rows = []
    for module in sorted({u.module for t in held for u in t.units}):
        units = [u for t in held for u in t.units if u.module == module]
        cells = [module, str(len(units))]
        for kind in ("lut", "ff"):
            found = np.array([getattr(u.found, kind) for u in units])
            said = np.array([getattr(u.estimate, kind) for u in units])
            cells += [f"{found.sum():.0f}", f"{100 * np.abs(said - found).sum() / max(found.sum(), 1):.0f} %"]
        rows.append(cells)
    return rows


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |\n"
