"""Transitions inside each unit of a design: what its structure says, times what netlists were found to do."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from types import MappingProxyType

import numpy as np

from ...hw.design import Instance
from ...hw.units.fabric import LUT6
from . import inside_activation, inside_computing, inside_matrices, inside_moving
from .inside_matrices import MOST_ROWS
from .restless import takes_all
from .tally import Tally

MODELS: Mapping[str, Callable[..., None]] = MappingProxyType(
    {
        "gw_arg_max": inside_computing.arg_max,
        "gw_binary": inside_computing.binary,
        "gw_concat": inside_moving.concat,
        "gw_constant_matrix": inside_computing.constant_matrix,
        "gw_depthwise": inside_matrices.depthwise,
        "gw_fifo": inside_moving.fifo,
        "gw_fork": inside_moving.fork,
        "gw_gather": inside_moving.gather,
        "gw_lookup": inside_computing.lookup,
        "gw_matrix_product": inside_matrices.matrix_product,
        "gw_matrix_vector": inside_matrices.matrix_vector,
        "gw_matrix_vector_fed": inside_matrices.matrix_vector,
        "gw_max_pool": inside_computing.max_pool,
        "gw_pad": inside_moving.pad,
        "gw_requantize": inside_activation.requantize,
        "gw_requantize_fed": inside_activation.requantize,
        "gw_slice": inside_moving.slice_,
        "gw_sliding_window": inside_moving.sliding_window,
        "gw_sum_pool": inside_computing.sum_pool,
        "gw_threshold": inside_activation.threshold,
        "gw_whole_window": inside_moving.whole_window,
        "gw_width_converter": inside_moving.width_converter,
    }
)
CLASSES = ("register", "local", "logic")
# Codes that are gone through of a unit at most, in so many places of the frames, of so many clocks at least.
_MOST, _PLACES, _LEAST_CLOCKS = 100_000, 4, 64


@dataclass(frozen=True)
class Activity:
    """Transitions of a unit's own nets in the time that the words it was given take: of registers' outputs,
    of nets inside logic cells, and of those between them; ``shown`` as a Tally has it."""

    register: float
    local: float
    logic: float
    shown: float = 0

    @property
    def transitions(self) -> float:
        """All of them."""
        return self.register + self.local + self.logic


def kind_of(instance: Instance, family: str) -> str:
    """Which coefficients a unit has: its module's, by lane, and whether its weights are constants; ``6``
    before it where LUTs have six inputs."""
    module = instance.unit.module.removesuffix("_fed")
    lane = f":{instance.p.LANE}" if "LANE" in instance.params else ""
    if module == "gw_matrix_vector":
        p = instance.p
        lane += ":constant" if p.MW == p.SIMD and p.MH == p.PE and p.GROUPS == 1 else ""
    if module == "gw_fifo":
        lane = ":few" if instance.p.DEPTH < 4 else ":many"
    if module == "gw_width_converter":
        lane = ":down" if instance.p.IN > instance.p.OUT else ":up"
    return ("6:" if family in LUT6 else "") + module + lane


@cache
def coefficients() -> Mapping[str, Mapping[str, Sequence[float]]]:
    """For each kind of unit and each class the factor of what the structure says, and transitions a step."""
    text = (files(__package__) / "coefficients.json").read_text(encoding="utf-8")
    return json.loads(text)["kinds"]


def structure(instance: Instance, inputs: Sequence[np.ndarray], family: str) -> Tally:
    """What the structure of a unit says that moves in it, for whole pieces of work."""
    tally = Tally(six=family in LUT6)
    MODELS[instance.unit.module](tally, instance, *inputs)
    return tally


def activity(
    instance: Instance, inputs: Sequence[np.ndarray], family: str, restless: float = 1.0
) -> Activity:
    """Transitions inside a unit for the codes of its inputs, int64 (beats, lanes) of whole frames.

    Of long inputs some pieces of work are gone through, alike many in a few places of the frames.
    ``restless`` is how often the wires of its input change for each change from beat to beat.
    """
    pieces = _pieces(instance, inputs)
    spans = _spans(instance, pieces)
    total = sum(stop - start for start, stop in spans)
    found = dict.fromkeys((*CLASSES, "steps", "shown"), 0.0)
    for start, stop in spans:
        cut = [x[start * len(x) // pieces : stop * len(x) // pieces] for x in inputs]
        tally = structure(instance, cut, family)
        # Between n clocks' words there are n - 1 changes; the one to what follows is like them.
        clocks = (stop - start) * instance.unit.interval(instance.p)
        for name in found:
            found[name] += getattr(tally, name) * pieces / total * clocks / max(clocks - 1, 1)
    if takes_all(instance):
        found |= {name: found[name] * restless for name in CLASSES}
    return replace(calibrated(kind_of(instance, family), found), shown=found["shown"])


def calibrated(kind: str, found: Mapping[str, float]) -> Activity:
    """The structure's transitions with the coefficients of netlists."""
    own = coefficients()[_known(kind)]
    parts = {name: own[name][0] * found[name] + own[name][1] * found["steps"] for name in CLASSES}
    return Activity(**parts)


@cache
def _known(kind: str) -> str:
    """The kind whose coefficients stand in for those of one that was not measured: the same on LUTs of four
    inputs, with weights that are no constants, then of another lane, then those of any unit."""
    plain = kind.removeprefix("6:")
    module = plain.partition(":")[0]
    near = [kind, plain, plain.removesuffix(":constant"), module]
    near += [other for other in coefficients() if other.partition(":")[0] == module]
    return next((other for other in near if other in coefficients()), "any")


def _pieces(instance: Instance, inputs: Sequence[np.ndarray]) -> int:
    """Pieces of work in the inputs; all of them if matrices that take turns would come out of step."""
    frames = max(1, len(inputs[0]) // instance.inputs[0].beats)
    groups = instance.params.get("GROUPS", 1)
    return max(1, frames * instance.repeats // groups)


def _spans(instance: Instance, pieces: int) -> list[tuple[int, int]]:
    """From which piece to which, so that no more than so many codes are gone through."""
    p, interval = instance.params, instance.unit.interval(instance.p)
    lanes = min(p.get("PE", 1), MOST_ROWS) * p.get("SIMD", 1)
    cost = interval * max(lanes, *(s.lanes for s in (*instance.inputs, *instance.outputs)))
    each = max(_MOST // (cost * p.get("GROUPS", 1) * _PLACES), -(-_LEAST_CLOCKS // interval))
    if each * _PLACES >= pieces:
        return [(0, pieces)]
    starts = [n * (pieces - each) // (_PLACES - 1) for n in range(_PLACES)]
    return [(start, start + each) for start in starts]
