"""Rules of ops that move elements without computing."""

from collections.abc import Iterator

from ..design import Instance
from .rule import Fold, Layer, Rule


def _no_folds(layer: Layer) -> Iterator[Fold]:
    yield Fold(1, 1)


def _lower_reshape(layer: Layer, fold: Fold) -> tuple[Instance, ...]:
    """Element order stays, so a stream needs nothing."""
    return ()


RESHAPE = Rule(_no_folds, _lower_reshape, keeps_codes=True)
