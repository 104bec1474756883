"""The page of addernet_paper.py."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib.metadata import version
from statistics import median

from . import energy
from .arrays import Array
from .cases import BITS, CASES, Case
from .flow import ASKED_MHZ
from .operands import FRAMES, INPUTS, OUTPUTS
from .power import counted
from .text import BESIDE, ENERGY, HEAD, LIMITS, METHOD, POWER, SMALL, UNITS

DIGITS, BOOTH = "multiply_lut", "multiply_booth"
# Of LeNet-5's five layers: 28 x 28 x 25 x 6, 10 x 10 x 150 x 16, 400 x 120, 120 x 84, 84 x 10.
TAPS = 416_520


def page(records: Mapping[str, dict], old: Sequence[str], sections: Mapping[str, dict]) -> str:
    """The results as Markdown.

    Args:
        records: what was measured, by the case's name.
        old: names of cases whose sources have changed since.
        sections: "lenet" and "arm": each with "text", "columns" and "rows".
    """
    tools = {name: version(f"yowasp-{name}") for name in ("yosys", "nextpnr-ecp5")}
    parts = [
        HEAD.format(yosys=tools["yosys"], nextpnr=tools["nextpnr-ecp5"]),
        METHOD.format(asked=ASKED_MHZ),
        f"Measured on earlier sources: {', '.join(old)}.\n" if old else "",
        _bars(records),
        "## Arrays on xc7, Yosys\n\n" + _mapped(records, False),
        "## Arrays on ECP5, routed\n\n" + _routed(_found(records, "ecp5", False)),
        SMALL + _routed(_found(records, "ecp5", False, True)),
        POWER.format(frames=FRAMES, inputs=INPUTS, outputs=OUTPUTS) + _toggles(records),
        ENERGY.format(taps=TAPS) + _energy(records),
        UNITS
        + "### xc7, Yosys\n\n"
        + _mapped(records, True)
        + "\n### ECP5, routed\n\n"
        + _routed(_found(records, "ecp5", True)),
        "## LeNet-5 on MNIST\n\n" + _section(sections.get("lenet")),
        "## ARM\n\n" + _section(sections.get("arm")),
        BESIDE,
        LIMITS,
    ]
    return "\n".join(part.rstrip("\n") + "\n" for part in parts if part)


def _section(given: dict | None) -> str:
    """A section that others measured."""
    if given is None:
        return "Not part of this run.\n"
    text = "".join(f"{paragraph}\n\n" for paragraph in given.get("text", ()))
    return text + _table(given["columns"], given["rows"])


def _table(columns, rows) -> str:
    if not rows:
        return "Not part of this run.\n"
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    lines += ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def _found(
    records: Mapping[str, dict], family: str, whole: bool, small: bool = False
) -> list[tuple[Case, dict]]:
    """Cases that were measured, in order of width."""
    cases = [c for bits in BITS for c in CASES if c.array.bits == bits]
    wanted = [c for c in cases if (c.family, c.whole, c.small) == (family, whole, small)]
    return [(c, records[c.name]) for c in wanted if c.name in records]


def _lanes(a: Array) -> int:
    return a.pe * a.simd


def _against(
    found: list[tuple[Case, dict]],
    case: Case,
    figure: Callable[[Case, dict], float | None],
    lane: str = DIGITS,
) -> str:
    """By how much a case's figure per lane differs from that of a multiplier of its width."""
    own = figure(*next((c, r) for c, r in found if c is case))
    wanted = (lane, case.array.bits)
    other = next((figure(c, r) for c, r in found if (c.array.lane, c.array.bits) == wanted), None)
    if case.array.lane == lane or not own or not other:
        return ""
    return f"{100 * (own / other - 1):+.1f} %"


def _lut(case: Case, record: dict) -> float:
    """LUTs per lane."""
    return record["mapped"]["lut"] / _lanes(case.array)


def _mapped(records: Mapping[str, dict], whole: bool) -> str:
    """Yosys's figures for xc7."""
    found = _found(records, "xc7", whole)
    rows = []
    for case, record in found:
        got, a = record["mapped"], case.array
        rows.append(
            (a.bits, a.kind.title, _lanes(a), f"{got['lut']:,.0f}", f"{_lut(case, record):.1f}",
             f"{got['ff']:,.0f}", f"{got['carry']:,}", f"{got['dsp']:g}", f"{got['bram']:g}",
             _against(found, case, _lut), _against(found, case, _lut, BOOTH))
        )  # fmt: skip
    columns = (
        "Bits", "Lanes", "Number", "LUT", "LUT a lane", "FF", "CARRY4", "DSP48", "BRAM36",
        "LUT against LUT multiplier", "LUT against Booth",
    )  # fmt: skip
    return _table(columns, rows)


def _cells(record: dict) -> int:
    """TRELLIS_COMB of what is measured: as packed, less the LUTs of the shift registers around it."""
    return record["used"]["TRELLIS_COMB"] - round(record["mapped"]["around"]["lut"])


def _comb(case: Case, record: dict) -> float:
    """Logic cells per lane."""
    return _cells(record) / _lanes(case.array)


def _mhz(case: Case, record: dict) -> float | None:
    return median(r["mhz"] for r in record["routes"]) if record.get("routes") else None


def _routed(found: list[tuple[Case, dict]]) -> str:
    """nextpnr's figures."""
    rows = []
    for case, record in found:
        got, a = record["mapped"], case.array
        rates = sorted(r["mhz"] for r in record.get("routes", ()))
        rate = "too large" if record.get("too_large") else "-"
        if rates:
            spread = f" ({rates[0]:.1f}-{rates[-1]:.1f}, {len(rates)})" if len(rates) > 1 else " (1)"
            rate = f"{median(rates):.1f}{spread}"
        rows.append(
            (a.bits, a.kind.title, _lanes(a), f"{got['lut']:,.0f}", f"{_cells(record):,}",
             f"{_comb(case, record):.1f}", f"{got['ff']:,.0f}", f"{got['carry']:,}",
             f"{got['dsp']:g}", f"{got['bram']:g}", rate,
             _against(found, case, _comb), _against(found, case, _mhz))
        )  # fmt: skip
    columns = (
        "Bits", "Lanes", "Number", "LUT4 (Yosys)", "COMB", "COMB a lane", "FF", "CCU2C", "MULT18", "DP16K",
        "MHz: median (spread, seeds)", "COMB against LUT multiplier", "MHz against it",
    )  # fmt: skip
    return _table(columns, rows)


def _moving(record: dict, data: str, field: str) -> float | None:
    """Transitions per clock of registers and LUTs; None if not counted."""
    nets = record.get("toggles", {}).get(data, {}).get(field)
    return counted(nets) if nets else None


def _toggles(records: Mapping[str, dict]) -> str:
    """Transitions per tap, of all arrays whose netlists were simulated."""
    rows = []
    for family, small in (("ecp5", False), ("ecp5", True), ("xc7", False)):
        found = [(c, r) for c, r in _found(records, family, False, small) if r.get("toggles")]
        for case, record in found:
            for data in record["toggles"]:
                a, once = case.array, record["toggles"][data]
                figures = [_moving(record, data, f) for f in ("nets", "all_nets", "pins", "all_pins")]
                shown = [f"{v / _lanes(a):.1f}" if v is not None else "-" for v in figures]
                changes = [
                    _against(found, case, partial(_per_lane, data, f))
                    for f in ("nets", "all_nets", "all_pins" if figures[3] is not None else "pins")
                ]
                own = (family, a.bits, a.kind.title, _lanes(a), data)
                rows.append((*own, *shown, f"{once['clock_pins'] / _lanes(a):.1f}", *changes))
    columns = (
        "Family", "Bits", "Lanes", "Number", "Data", "Settled", "All", "Settled, by pins", "All, by pins",
        "Clocked FF", "Settled against LUT multiplier", "All against it", "By pins against it",
    )  # fmt: skip
    return _table(columns, rows)


def _per_lane(data: str, field: str, case: Case, record: dict) -> float | None:
    """Transitions per clock and lane."""
    moving = _moving(record, data, field)
    return moving and moving / _lanes(case.array)


def _energy(records: Mapping[str, dict]) -> str:
    """pJ of a tap and uJ of LeNet-5's, on ECP5."""
    power = energy.of_board()
    if power is None:
        return "Not part of this run.\n"
    rows = []
    for small in (False, True):
        found = [
            (c, r) for c, r in _found(records, "ecp5", False, small) if "LeNet-5" in r.get("toggles", {})
        ]
        for case, record in found:
            pj = energy.per_tap_pj(case, record, "LeNet-5", power)
            if pj is None:
                continue
            glitches = bool(record["toggles"]["LeNet-5"]["all_nets"])
            # Of what is counted alike: with glitches or without.
            alike = [(c, r) for c, r in found if bool(r["toggles"]["LeNet-5"]["all_nets"]) == glitches]
            change = _against(alike, case, lambda c, r: energy.per_tap_pj(c, r, "LeNet-5", power))
            rows.append(
                (case.array.bits, case.array.kind.title, _lanes(case.array), "yes" if glitches else "no",
                 f"{pj:.1f}", f"{pj * TAPS / 1e6:.2f}", change)
            )  # fmt: skip
    columns = ("Bits", "Lanes", "Number", "Glitches", "pJ a tap", "uJ a LeNet-5", "Against LUT multiplier")
    said = f"Uncertainty of absolute values: {100 * power.uncertainty:.0f} %. Source: {power.source}.\n"
    return f"{_table(columns, rows)}\n{said}"


def _bars(records: Mapping[str, dict]) -> str:
    """What the table says in short, at 8 bits."""
    xc7, ecp5 = _found(records, "xc7", False), _found(records, "ecp5", False)
    units, small = _found(records, "xc7", True), _found(records, "ecp5", False, True)
    rows = []
    for name, found, figure, wanted, *lane in (
        ("LUT, array, xc7", xc7, _lut, "-77 %"),
        ("LUT, array, xc7, against Booth", xc7, _lut, "-77 %", BOOTH),
        ("LUT, whole unit, xc7", units, _lut, "-75 %"),
        ("Logic cells, array, ECP5", ecp5, _comb, "-72 %"),
        ("Clock rate, array, ECP5 routed", ecp5, _mhz, "+16 %"),
        ("Clock rate, array of 4 rows, ECP5 routed", small, _mhz, "+16 %"),
        ("Transitions, LeNet-5, settled, ECP5", ecp5, partial(_per_lane, "LeNet-5", "nets"), "-60 %"),
        ("Transitions, LeNet-5, with glitches, ECP5", ecp5, partial(_per_lane, "LeNet-5", "all_nets"), ""),
        ("The same, array of 4 rows", small, partial(_per_lane, "LeNet-5", "all_nets"), ""),
        ("Transitions, LeNet-5, settled, xc7", xc7, partial(_per_lane, "LeNet-5", "nets"), "-60 %"),
        ("The same, against Booth", xc7, partial(_per_lane, "LeNet-5", "nets"), "-60 %", BOOTH),
    ):  # fmt: skip
        at8 = [(figure(c, r) or 0, c) for c, r in found if c.array.bits == 8 and c.array.kind.adds]
        best = min(at8, key=lambda one: one[0], default=None)
        rows.append((name, (best and _against(found, best[1], figure, *lane)) or "not measured", wanted))
    return "## In short: adder against LUT multiplier, 8 bits\n\n" + _table(("", "Measured", "Aim"), rows)
