"""Units whose ROMs stand outside of them, so that two units may share one."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType, SimpleNamespace

from ..design import Contents, Parts, Unit
from .matrix_vector import MATRIX_VECTOR
from .requantize import REQUANTIZE


@dataclass(frozen=True)
class Fed:
    """``unit`` without some of its ROMs, and their words and width, by parameter; ports ``x_addr`` and
    ``x_data`` stand for the ROM of parameter X, and all of them move with ``rom_ce``."""

    unit: Unit
    tables: Callable[[SimpleNamespace], Mapping[str, tuple[int, int]]]


def _fed(unit: Unit, params: tuple[str, ...], inside: tuple[str, ...], tables: Callable) -> Fed:
    """``inside`` names the parts of ``unit`` that are the ROMs in ``params``."""

    def parts(p: SimpleNamespace, family: str, contents: Contents) -> Parts:
        return {name: part for name, part in unit.parts(p, family, contents).items() if name not in inside}

    without = replace(
        unit,
        module=f"{unit.module}_fed",
        params=tuple(p for p in unit.params if p not in params),
        files=tuple(f for f in unit.files if f != f"{unit.module}.v"),
        parts=parts,
        memories=tuple(m for m in unit.memories if m not in params),
    )
    return Fed(without, tables)


def _weights(p: SimpleNamespace) -> dict[str, tuple[int, int]]:
    return {"WEIGHTS": ((p.MW // p.SIMD) * (p.MH // p.PE) * p.GROUPS, p.PE * p.SIMD * p.W_BITS)}


def _line(p: SimpleNamespace) -> dict[str, tuple[int, int]]:
    folds = p.C // p.PE
    return {"FACTORS": (folds, p.PE * p.M_BITS), "OFFSETS": (folds, p.PE * p.ACC_BITS)}


FED: Mapping[str, Fed] = MappingProxyType(
    {
        MATRIX_VECTOR.module: _fed(MATRIX_VECTOR, ("WEIGHTS",), ("weights",), _weights),
        REQUANTIZE.module: _fed(REQUANTIZE, ("FACTORS", "OFFSETS"), ("factors", "offsets"), _line),
    }
)
"""By the module of the unit that has its ROMs inside."""
