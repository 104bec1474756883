"""What a rule is."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from ...ir.graph import Value
from ..context import Border, Context
from ..groups import Group


def everything(context: Context, group: Group) -> bool:
    """Takes any group."""
    return True


def nothing(context: Context, group: Group) -> Iterable[tuple[Value, Border]]:
    """Wants no borders."""
    return ()


@dataclass(frozen=True)
class Rule:
    """One way to lower a group by its anchor's op (or its output's, where it is elementwise alone).

    Attributes:
        emit: writes the calls.
        takes: whether it can.
        wishes: borders that it would like its operands to have.
        fuses: whether it also does the elementwise part behind an anchor.
    """

    emit: Callable[[Context, Group], None]
    takes: Callable[[Context, Group], bool] = everything
    wishes: Callable[[Context, Group], Iterable[tuple[Value, Border]]] = nothing
    fuses: bool = False
