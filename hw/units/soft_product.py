"""Yosys's own multiplier in LUTs, as measured by itself."""

# Per bit of the longer operand: LUTs by the bits of the shorter one, and of one bit, two's complement.
_SLOPE = {4: (3.2, -3.4), 6: (2.6, -3.9)}
_SHORT = {4: (2.0, 3.0), 6: (1.0, 2.0)}
# What of that is left where one operand is unsigned and neither short.
_UNSIGNED = 0.9
# Gowin's adders take a cell for the carry in and, beside the LUTs before them, one for each bit.
_GOWIN = 1.1


def soft_product(a: int, b: int, a_signed: bool, inputs: int, gowin: bool) -> float:
    """LUTs of ``inputs`` inputs of a product of a (two's complement or not) and b signed bits."""
    if a == 1 and not a_signed:
        return b
    short, long = min(a, b), max(a, b)
    if short <= 2:
        return _SHORT[inputs][short - 1] * long + short * gowin
    if inputs == 6 and short == long == 3:  # each bit is a function of six inputs
        return 8 if a_signed else 6
    slope, start = _SLOPE[inputs]
    luts = (slope * short + start) * long * (1 if a_signed else _UNSIGNED)
    return luts * _GOWIN + 1 if gowin else luts
