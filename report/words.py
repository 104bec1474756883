"""Numbers and names as people read them; the same words on the page and in the terminal."""

import math

UNKNOWN = "not known yet"


def clean(name: str) -> str:
    """A name without control, bidirectional or unpaired characters, which could forge output.

    Each is shown as its escape:

    >>> clean("conv\\x1b[2J")
    'conv\\\\x1b[2J'
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in name)


def cut(text: str, width: int) -> str:
    """``text`` in at most ``width`` characters, its middle left out: the ends tell names apart.

    >>> cut("features.0.conv.weight_quant", 16)
    'features…t_quant'
    """
    if len(text) <= width:
        return text
    head = width // 2
    return f"{text[:head]}…{text[head + 1 - width :]}"


def count(n: float) -> str:
    """A number with thousands separated; a half (of a block memory) keeps its decimal.

    >>> count(83640), count(12.5)
    ('83,640', '12.5')
    """
    return f"{n:,.0f}" if float(n).is_integer() else f"{n:,.1f}"


def figure(x: float) -> str:
    """A measured number to four significant digits, thousands separated.

    >>> figure(10850.69), figure(61.2), figure(0.0123456)
    ('10,851', '61.2', '0.01235')
    """
    if x == 0:
        return "0"
    decimals = max(3 - math.floor(math.log10(abs(x))), 0)
    text = f"{x:,.{decimals}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def share(x: float) -> str:
    """A fraction as a percentage; never 100 % or 0 % by rounding alone.

    >>> share(0.4932), share(0.99996), share(1), share(0.00001)
    ('49.3 %', 'over 99.9 %', '100 %', 'under 0.1 %')
    """
    if 0 < x < 0.001:
        return "under 0.1 %"
    if 0.999 < x < 1:
        return "over 99.9 %"
    return f"{100 * x:.1f}".removesuffix(".0") + " %"


def duration(clocks: int, clock_mhz: float) -> tuple[str, str]:
    """Number and unit of ``clocks`` at ``clock_mhz``.

    >>> duration(12345, 50)
    ('246.9', 'µs')
    """
    us = clocks / clock_mhz
    for unit, factor in (("ns", 1e-3), ("µs", 1), ("ms", 1e3)):
        if us < 1000 * factor:
            return figure(us / factor), unit
    return figure(us / 1e6), "s"


def shape(dims: list[int]) -> str:
    """Dimensions as ``28 × 28 × 1``; a shape without any is a scalar."""
    return " × ".join(map(str, dims)) or "scalar"


def values(bounds: list[int]) -> str:
    """A range ``[lo, hi, step]`` in words."""
    lo, hi, step = bounds
    if (lo, hi, step) == (-1, 1, 2):
        return "−1 or +1"
    return f"{lo:,} to {hi:,}".replace("-", "−") + (f" in steps of {step:,}" if step != 1 else "")


def kib(n: int) -> str:
    """Bytes as KiB, without the unit.

    >>> kib(1536), kib(140 * 1024)
    ('1.5', '140')
    """
    return figure(n / 1024)


def plural(n: int, noun: str) -> str:
    """``1 input``, ``2,000 inputs``."""
    return f"{count(n)} {noun}" if n == 1 else f"{count(n)} {noun}s"
