"""PLL dividers: the nearest frequency a family's PLL can make, at or below the wanted one."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from types import MappingProxyType

from ..errors import BoardError


@dataclass(frozen=True)
class PllSettings:
    """Parameters of ``hw/rtl/vendor/gw_pll_<family>.v`` and the frequency that they make, in MHz.

    No parameters: the clock is used as it is, without a PLL.
    """

    params: Mapping[str, int]
    achieved_mhz: float

    @property
    def uses_pll(self) -> bool:
        """Whether a PLL is needed at all."""
        return bool(self.params)


@dataclass(frozen=True)
class _Limits:
    """Frequencies in MHz: phase detector, oscillator, output."""

    pfd: tuple[float, float]
    vco: tuple[float, float]
    out: tuple[float, float]


# ecppll of Project Trellis 1.4 (Lattice FPGA-TN-02200).
_ECP5 = _Limits(pfd=(3.125, 400), vco=(400, 800), out=(3.125, 400))
# icepll of Project IceStorm (Lattice FPGA-TN-02052).
_ICE40 = _Limits(pfd=(10, 133), vco=(533, 1066), out=(16, 275))
# gowin_pll of apycula 0.32, GW2AR-18 C8/I7 (Gowin DS226).
_GOWIN = _Limits(pfd=(3, 500), vco=(500, 1250), out=(3.90625, 625))
_GOWIN_ODIV = (2, 4, 8, 16, 32, 48, 64, 80, 96, 112, 128)

# A candidate: output, oscillator and phase detector in MHz, then the parameters.
_Candidate = tuple[Fraction, Fraction, Fraction, dict[str, int]]


def settings(family: str, input_mhz: float, wanted_mhz: float) -> PllSettings:
    """The PLL settings that come nearest to ``wanted_mhz`` without going above it.

    Among settings of the same frequency the fastest phase detector wins (least jitter), then the
    oscillator nearest the middle of its range.

    Args:
        family: ecp5, ice40 or gowin.
        input_mhz: the oscillator on the board.
        wanted_mhz: the clock of the design; equal to ``input_mhz``, no PLL is used.

    Raises:
        BoardError: a family without a PLL here, or nothing at or below ``wanted_mhz`` can be made.
    """
    if family not in _FAMILIES:
        raise BoardError(f"pll: the family must be one of {', '.join(_FAMILIES)}, not {family!r}")
    source, wanted = _exact("input", input_mhz), _exact("wanted", wanted_mhz)
    if source == wanted:
        return PllSettings(MappingProxyType({}), float(source))
    limits, candidates = _FAMILIES[family]
    legal = [c for c in candidates(source) if _within(c, limits)]
    if not legal:
        raise BoardError(f"pll: the {family} PLL must have an input it can lock to, not {input_mhz:g} MHz")
    best = min((c for c in legal if c[0] <= wanted), key=lambda c: _badness(c, limits), default=None)
    if best is None:
        raise BoardError(
            f"pll: the wanted frequency must be at least {float(min(c[0] for c in legal)):g} MHz "
            f"({family} PLL from {input_mhz:g} MHz), not {wanted_mhz:g} MHz. "
            f"Ask for {input_mhz:g} MHz, which needs no PLL, or for more."
        )
    return PllSettings(MappingProxyType(best[3]), float(best[0]))


def _exact(name: str, mhz: float) -> Fraction:
    """MHz to the Hz, so that equal frequencies compare equal."""
    if not 0 < mhz < 10_000:
        raise BoardError(f"pll: the {name} frequency must be between 0 and 10000 MHz, not {mhz:g} MHz")
    return Fraction(round(mhz * 1_000_000), 1_000_000)


def _within(candidate: _Candidate, limits: _Limits) -> bool:
    ranges = zip(candidate[:3], (limits.out, limits.vco, limits.pfd), strict=True)
    return all(low <= value <= high for value, (low, high) in ranges)


def _badness(candidate: _Candidate, limits: _Limits) -> tuple[Fraction, Fraction, Fraction]:
    out, vco, pfd, _ = candidate
    return -out, -pfd, abs(vco - Fraction(sum(limits.vco)) / 2)


def _ecp5(source: Fraction) -> Iterator[_Candidate]:
    """Feedback from the output: out = in * CLKFB / CLKI, oscillator = out * CLKOP."""
    for clki in range(1, 129):
        if source / clki < Fraction(_ECP5.pfd[0]):
            return
        for clkfb in range(1, 81):
            out = source * clkfb / clki
            for clkop in range(int(_ECP5.vco[0] / out) or 1, min(int(_ECP5.vco[1] / out), 128) + 1):
                dividers = {"CLKI_DIV": clki, "CLKFB_DIV": clkfb, "CLKOP_DIV": clkop}
                yield out, out * clkop, source / clki, {**dividers, "CLKOP_CPHASE": clkop // 2}


def _ice40(source: Fraction) -> Iterator[_Candidate]:
    """Simple feedback: oscillator = in * (DIVF + 1) / (DIVR + 1), out = oscillator / 2**DIVQ."""
    for divr in range(16):
        pfd = source / (divr + 1)
        if pfd < Fraction(_ICE40.pfd[0]):
            return
        for divf in range(128):
            for divq in range(1, 7):
                vco = pfd * (divf + 1)
                params = {"DIVR": divr, "DIVF": divf, "DIVQ": divq, "FILTER_RANGE": _ice40_filter(pfd)}
                yield vco / 2**divq, vco, pfd, params


def _ice40_filter(pfd: Fraction) -> int:
    """The loop filter for a phase detector frequency, as icepll chooses it."""
    return next((i for i, limit in enumerate((17, 26, 44, 66, 101), start=1) if pfd < limit), 6)


def _gowin(source: Fraction) -> Iterator[_Candidate]:
    """out = in * (FBDIV + 1) / (IDIV + 1), oscillator = out * ODIV."""
    for idiv in range(64):
        if source / (idiv + 1) < Fraction(_GOWIN.pfd[0]):
            return
        for fbdiv in range(64):
            out = source * (fbdiv + 1) / (idiv + 1)
            for odiv in _GOWIN_ODIV:
                params = {"IDIV_SEL": idiv, "FBDIV_SEL": fbdiv, "ODIV_SEL": odiv}
                yield out, out * odiv, source / (idiv + 1), params


_FAMILIES: dict[str, tuple[_Limits, Callable[[Fraction], Iterator[_Candidate]]]] = {
    "ecp5": (_ECP5, _ecp5),
    "ice40": (_ICE40, _ice40),
    "gowin": (_GOWIN, _gowin),
}
