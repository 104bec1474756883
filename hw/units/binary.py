"""gw_binary: cycles and resources, and what a constant factor costs there."""

from types import SimpleNamespace

from ..design import Contents, Parts, Resources, Unit
from .fabric import adder, product

SUM, PRODUCT = 0, 1


def digits(factor: int) -> int:
    """Signed digits of the non-adjacent form: shifted summands of a product with this constant."""
    return (factor ^ 3 * factor).bit_count()


def _plain(p: SimpleNamespace) -> bool:
    return (p.A_FACTOR, p.B_FACTOR, p.A_OFFSET, p.B_OFFSET) == (1, 1, 0, 0)


def _interval(p: SimpleNamespace) -> int:
    return 1


def _latency(p: SimpleNamespace) -> int:
    return 2 if _plain(p) else 3


def _term(bits: int, factor: int, offset: int, family: str) -> Resources:
    """One operand's product with its constant, and the register behind it."""
    adders, low = digits(factor) - (factor > 0) + (offset != 0), _zeros(factor, offset)
    return Resources(lut=max(adders, 0) * adder(bits - low, family), ff=bits - low)


def _zeros(factor: int, offset: int) -> int:
    """Lowest bits of a term that are always 0."""
    both = factor | offset
    return (both & -both).bit_length() - 1 if both else 0


def _parts(p: SimpleNamespace, family: str, contents: Contents) -> Parts:
    parts = {
        "operands": Resources(ff=p.A_BITS + p.B_BITS).times(p.PE),
        "control": Resources(lut=5, ff=3 + (not _plain(p))),
    }
    if p.OP == PRODUCT:
        parts["products"] = product(p.A_TERM, p.B_TERM, family).times(p.PE)
    else:
        # Below the higher operand's lowest bit the other is the sum.
        low = max(_zeros(p.A_FACTOR, p.A_OFFSET), _zeros(p.B_FACTOR, p.B_OFFSET))
        bits = max(p.OUT_BITS - low, 0)
        parts["sums"] = Resources(lut=adder(bits, family), ff=p.OUT_BITS).times(p.PE)
    if not _plain(p):
        a = _term(p.A_TERM, p.A_FACTOR, p.A_OFFSET, family)
        b = _term(p.B_TERM, p.B_FACTOR, p.B_OFFSET, family)
        parts["terms"] = (a + b).times(p.PE)
    return parts


BINARY = Unit(
    module="gw_binary",
    params=(
        "OP", "PE", "A_BITS", "A_SIGNED", "A_FACTOR", "A_OFFSET", "A_TERM",
        "B_BITS", "B_SIGNED", "B_FACTOR", "B_OFFSET", "B_TERM", "OUT_BITS",
    ),
    files=("gw_binary.v", "gw_constant_multiply.v", "gw_delay.v", "gw_extend.v"),
    interval=_interval,
    latency=_latency,
    parts=_parts,
)  # fmt: skip
