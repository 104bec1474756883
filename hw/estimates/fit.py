"""The files that ``benchmarks/calibrate.py`` writes, one a family."""

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

from ...errors import LoweringError

_NONE: Mapping = {}


@cache
def fit(family: str) -> Mapping:
    """The fit of a family, as its file says it; empty for a family without one.

    Raises:
        LoweringError: a file that is no JSON.
    """
    path = files(__package__) / f"{family}.json"
    if not path.is_file():
        return _NONE
    try:
        return json.loads(path.read_text())
    except json.JSONDecodeError as error:
        raise LoweringError(
            f"estimates: {family}.json must be JSON, not {error}. Run: python benchmarks/calibrate.py"
        ) from None
