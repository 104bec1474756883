"""How far estimates are off, as measured on designs that no fit has seen."""

from .fit import fit


def stated(family: str) -> dict:
    """Relative errors of a family's estimates on held-out designs, as shares of what tools found.

    Returns:
        {"lut": {"median": .., "worst": ..}, "ff": ...}, with "fmax" where designs were routed; "bram" and
        "dsp" say "exact", the share of designs with the right number. Empty for a family without a fit.
    """
    return {kind: dict(errors) for kind, errors in fit(family).get("errors", {}).items()}
