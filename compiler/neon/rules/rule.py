"""What a rule is."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from ...ir.graph import Value
from ..context import Border, Context
from ..groups import Group
from ..ways import Way


def everything(context: Context, group: Group) -> bool:
    """Takes any group."""
    return True


def nothing(context: Context, group: Group) -> Iterable[tuple[Value, Border]]:
    """Wants no borders."""
    return ()


def as_it_is(context: Context, group: Group) -> Iterable[Way]:
    """Has nothing to choose."""
    return ()


@dataclass(frozen=True)
class Rule:
    """One way to lower a group by its anchor's op (or its output's, where it is elementwise alone).

    Attributes:
        emit: writes the calls.
        takes: whether it can.
        wishes: borders that it would like its operands to have.
        fuses: whether it also does the elementwise part behind an anchor.
        name: what ways call it by.
        ways: those that tuning may try for a group, this rule's own choice apart; none where it cannot do it.
    """

    emit: Callable[[Context, Group], None]
    takes: Callable[[Context, Group], bool] = everything
    wishes: Callable[[Context, Group], Iterable[tuple[Value, Border]]] = nothing
    fuses: bool = False
    name: str = ""
    ways: Callable[[Context, Group], Iterable[Way]] = as_it_is
