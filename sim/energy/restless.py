"""Wires that change while no beat is on them, and the units that follow them.

Some units show what they work on: partial sums in an accumulator, a word that is being put together, windows
that are passed over. Pipelines move with whatever is at their input, valid or not, so that such changes go on
until something takes beats alone: a RAM, a window, a register that waits.
"""

import numpy as np

from ...hw.design import Design, Instance, Port
from .words import flips

# Units whose registers take what is at their input in every clock in which they are not held up.
_PIPELINES = frozenset(
    {
        "gw_arg_max", "gw_binary", "gw_constant_matrix", "gw_depthwise", "gw_fork", "gw_lookup",
        "gw_max_pool", "gw_requantize", "gw_requantize_fed", "gw_slice", "gw_sum_pool", "gw_threshold",
    }
)  # fmt: skip
# Of these the output follows the input, beat for beat.
_FOLLOWERS = _PIPELINES - {"gw_arg_max", "gw_depthwise", "gw_max_pool", "gw_sum_pool", "gw_slice"}
# A reader that is busy for a larger part of a frame than this keeps the FIFO before it full.
_BUSY = 0.9


def takes_all(instance: Instance) -> bool:
    """Whether a unit's registers follow its input also between beats."""
    p, module = instance.p, instance.unit.module
    if module == "gw_fifo":
        return p.DEPTH < 4
    if module.startswith("gw_matrix_vector"):
        return p.MH == p.PE
    return module in _PIPELINES


class Restless:
    """For each edge of a design how often its wires change for each change from beat to beat, at least 1."""

    def __init__(self, design: Design):
        self._design = design
        self._of: dict[Port | None, float] = {}
        self._reader = {edge.source: edge.sink for edge in design.edges}
        self._source = {edge.sink: edge.source for edge in design.edges}

    def at(self, place: int) -> float:
        """At the first input of the instance at ``place``."""
        return self._of.get(self._source[Port(place)], 1.0)

    def note(self, place: int, shown: float, outputs: list[np.ndarray]) -> None:
        """What the instance at ``place`` shows on its outputs: so many changes, and these beats."""
        instance, before = self._design.instances[place], self.at(place)
        for index, (codes, stream) in enumerate(zip(outputs, instance.outputs, strict=True)):
            ratio = 1.0
            if shown:
                ratio = max(1.0, shown / max(flips(codes, stream.element.bits), 1))
            elif instance.unit.module in _FOLLOWERS or self._lets_through(instance, Port(place, index)):
                ratio = before
            self._of[Port(place, index)] = ratio

    def _lets_through(self, instance: Instance, port: Port) -> bool:
        """Whether a FIFO of registers stands empty before its reader most of the time."""
        if instance.unit.module != "gw_fifo" or instance.p.DEPTH >= 4:
            return False
        sink = self._reader[port]
        return sink is None or self._design.instances[sink.place].busy < _BUSY * self._design.interval
