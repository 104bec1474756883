"""The words on every stream of a design for given frames, in order: what RTL simulation would show."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

from ...errors import LoweringError
from ...hw.design import Design, Edge, Instance, Port, Stream
from . import computing, matrices, moving
from .words import regrouped

Outputs = Callable[..., tuple[np.ndarray, ...]]

OUTPUTS: Mapping[str, Outputs] = MappingProxyType(
    {
        "gw_arg_max": computing.largest,
        "gw_binary": computing.joined_elements,
        "gw_concat": moving.joined,
        "gw_constant_matrix": matrices.constant_matrix_outputs,
        "gw_depthwise": matrices.depthwise,
        "gw_fifo": moving.same,
        "gw_fork": moving.same,
        "gw_gather": moving.gathered,
        "gw_lookup": computing.looked_up,
        "gw_matrix_product": matrices.matrix_product,
        "gw_matrix_vector": matrices.matrix_vector,
        "gw_matrix_vector_fed": matrices.matrix_vector,
        "gw_max_pool": computing.pooled_maxima,
        "gw_pad": moving.padded,
        "gw_requantize": computing.requantized,
        "gw_requantize_fed": computing.requantized,
        "gw_slice": moving.sliced,
        "gw_sliding_window": moving.windows,
        "gw_sum_pool": computing.pooled_sums,
        "gw_threshold": computing.thresholds,
        "gw_whole_window": moving.whole_windows,
        "gw_width_converter": moving.converted,
    }
)


def input_codes(stream: Stream, frames: np.ndarray) -> np.ndarray:
    """Frames of integers, in the graph's own layout, as codes of ``stream``: int64 (beats, lanes)."""
    return stream.element.encode(frames).astype(np.int64).reshape(-1, stream.lanes)


def outputs_of(instance: Instance, inputs: list[np.ndarray]) -> list[np.ndarray]:
    """The codes that an instance gives on each of its outputs for those on its inputs, whole frames.

    Raises:
        LoweringError: a unit that this package has no model of.
    """
    made = OUTPUTS.get(instance.unit.module)
    if made is None:
        raise LoweringError(
            f"energy: a unit must be one of {', '.join(OUTPUTS)}, not {instance.unit.module} "
            f"({instance.name}). Give sim/energy/streams.py what it computes."
        )
    return [
        codes.reshape(-1, stream.lanes)
        for codes, stream in zip(made(instance, *inputs), instance.outputs, strict=True)
    ]


class Traffic:
    """The codes on all edges of a design, instance by instance; edges that nobody reads any more are let go.

    Iterating gives ``(instance, inputs, outputs)`` in the design's order, codes as int64 (beats, lanes)
    grouped as the instance's own streams are.
    """

    def __init__(self, design: Design, frames: np.ndarray):
        self._design = design
        (self._source,) = (e for e in design.edges if e.source is None)
        self._waiting: dict[Edge, tuple[np.ndarray, Stream]] = {
            self._source: (input_codes(design.input, frames), design.input)
        }

    def __iter__(self):
        feeding = {edge.sink: edge for edge in self._design.edges}
        leaving = {edge.source: edge for edge in self._design.edges}
        for place, instance in enumerate(self._design.instances):
            inputs = []
            for index, stream in enumerate(instance.inputs):
                codes, given = self._waiting.pop(feeding[Port(place, index)])
                inputs.append(regrouped(codes, given, stream))
            outputs = outputs_of(instance, inputs)
            for index, (codes, stream) in enumerate(zip(outputs, instance.outputs, strict=True)):
                self._waiting[leaving[Port(place, index)]] = (codes, stream)
            yield instance, inputs, outputs


def words_by_edge(design: Design, frames: np.ndarray) -> dict[Edge, np.ndarray]:
    """The codes on each edge, int64 (beats, lanes), as the edge's writer groups them; all of them at once."""
    by_source = {edge.source: edge for edge in design.edges}
    found = {by_source[None]: input_codes(design.input, frames)}
    places = {id(instance): place for place, instance in enumerate(design.instances)}
    for instance, _, outputs in Traffic(design, frames):
        for source, edge in by_source.items():
            if source is not None and source.place == places[id(instance)]:
                found[edge] = outputs[source.index]
    return found
