"""What bounds each layer's rate: its lanes, the memory that it reads its operands from, or its streams."""

from collections.abc import Mapping
from types import MappingProxyType

from ..compiler.ir.graph import Graph, Node
from ..hw.design import Design, Instance

COMPUTE, MEMORY, STREAM = "compute", "memory", "stream"
KINDS: Mapping[str, str] = MappingProxyType(
    {
        "gw_matrix_vector": COMPUTE,
        "gw_matrix_product": COMPUTE,
        "gw_depthwise": COMPUTE,
        "gw_constant_matrix": COMPUTE,
        "gw_threshold": COMPUTE,
        "gw_requantize": COMPUTE,
        "gw_lookup": COMPUTE,
        "gw_max_pool": COMPUTE,
        "gw_sum_pool": COMPUTE,
        "gw_arg_max": COMPUTE,
        "gw_binary": COMPUTE,
        "gw_sliding_window": MEMORY,
        "gw_gather": MEMORY,
        "gw_width_converter": STREAM,
        "gw_fork": STREAM,
        "gw_slice": STREAM,
        "gw_whole_window": STREAM,
        "gw_concat": STREAM,
        "gw_pad": STREAM,
        "gw_fifo": STREAM,
    }
)
"""What a unit does for its layer, by module; one whose ROMs stand outside of it does the same."""


def roofline(design: Design, graph: Graph, interval: float, clock_mhz: float | None) -> dict:
    """The report's key ``roofline``: each layer that calculates, in stream order.

    Args:
        interval: clocks a frame.
        clock_mhz: of the rate in operations a second; None leaves it out.
    """
    nodes = {node.name: node for node in graph.nodes()}
    units: dict[str, list[Instance]] = {}
    for instance in design.instances:
        units.setdefault(instance.layer, []).append(instance)
    bits = _bits(design)
    rows = [
        _layer(nodes[layer], own, bits[layer])
        for layer, own in units.items()
        if layer and layer in nodes and operations(nodes[layer])
    ]
    for row in rows:
        row["bottleneck"] = _most(row) == design.interval
    total = sum(operations(node) for node in graph.nodes())
    return {
        "interval_clocks": round(float(interval), 3),
        "operations_per_second": round(total / float(interval) * clock_mhz * 1e6) if clock_mhz else None,
        "layers": rows,
    }


def operations(node: Node) -> int:
    """Multiplications, additions and comparisons of a frame; a multiply-accumulate is one of each."""
    work = node.op.work(*node.inputs)
    return 2 * work.macs + work.adds + work.compares


def _most(row: dict) -> int:
    """Clocks a frame of what bounds a layer."""
    return max(row[f"{kind}_clocks"] or 0 for kind in (COMPUTE, MEMORY, STREAM))


def _layer(node: Node, units: list[Instance], bits: int) -> dict:
    clocks: dict[str, int | None] = {COMPUTE: None, MEMORY: None}
    for unit in units:
        kind = KINDS[unit.unit.module.removesuffix("_fed")]
        if kind in clocks:
            clocks[kind] = max(clocks[kind] or 0, unit.interval)
    clocks[STREAM] = max(stream.beats for unit in units for stream in (*unit.inputs, *unit.outputs))
    return {
        "name": node.name,
        "op": node.op.name,
        "operations": operations(node),
        "bits": bits,
        **{f"{kind}_clocks": clocks[kind] for kind in (COMPUTE, MEMORY, STREAM)},
        "bound": max(clocks, key=lambda kind: clocks[kind] or 0),
    }


def _bits(design: Design) -> dict[str, int]:
    """Bits a frame that come into and out of each layer; what stands between layers belongs to none."""
    edges, instances = design.edges, design.instances
    # The layers next to each unit on either side, beyond what belongs to none; None is the outside.
    before, after = ([_own(instance) for instance in instances] for _ in range(2))
    for edge in sorted(edges, key=lambda e: -1 if e.source is None else e.source.place):
        if edge.sink and not instances[edge.sink.place].layer:
            before[edge.sink.place] |= before[edge.source.place] if edge.source else {None}
    for edge in sorted(edges, key=lambda e: -len(instances) if e.sink is None else -e.sink.place):
        if edge.source and not instances[edge.source.place].layer:
            after[edge.source.place] |= after[edge.sink.place] if edge.sink else {None}
    totals = dict.fromkeys((i.layer for i in instances), 0)
    for edge in edges:
        for port, other, side, streams in (
            (edge.sink, edge.source, before, "inputs"),
            (edge.source, edge.sink, after, "outputs"),
        ):
            layer = instances[port.place].layer if port else ""
            if layer and (side[other.place] if other else {None}) != {layer}:
                stream = getattr(instances[port.place], streams)[port.index]
                totals[layer] += stream.bits * stream.beats
    return totals


def _own(instance: Instance) -> set[str | None]:
    return {instance.layer} if instance.layer else set()
