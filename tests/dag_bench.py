"""How random networks are compared with the reference in RTL: designs, their simulations, what they hold."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from gatewright.compiler.ir.evaluate import evaluate
from gatewright.compiler.ir.graph import Graph
from gatewright.hw.build import assemble
from gatewright.hw.design import Design
from gatewright.hw.layers import layers
from gatewright.hw.library import closure
from gatewright.hw.rules.rule import Fold, Layer
from gatewright.hw.sharing import TWO_PORTS, share_roms
from gatewright.hw.units import UNITS
from gatewright.hw.verilog import memory_files, top_level
from gatewright.sim.rtl import Simulation, Trace, compile_rtl
from random_dags import quick_folds, random_dag
from random_nets import frames_for
from unit_bench import reset_shell

FRAMES = 10
# CI runs networks 0 to NETWORKS - 1, each in FOLDINGS foldings, a part of them in each file of its own.
NETWORKS, FOLDINGS, FILES = 300, 2, 6
# Layers are folded to take about so many clocks a frame.
CLOCKS = 50
# What parameters choose inside a unit, and all values that differ; larger ones are like the last.
CHOICES = {
    "gw_matrix_vector": {"LANE": range(9), "TOP_BIT": range(2)},
    "gw_depthwise": {"LANE": range(5)},
    "gw_requantize": {"LANE": range(2), "D_BITS": range(2)},
    "gw_binary": {"OP": range(2)},
    "gw_matrix_product": {"LANE": range(2), "A_KIND": range(3), "B_KIND": range(3)},
}
# So many frames are in the design at once at most, in networks of this size.
_SETTLED = 5


def seeds_of_file(number: int) -> range:
    """The networks that file ``number`` of FILES simulates."""
    return range(number, NETWORKS, FILES)


def designed(seed: int, folding: int = 0, graph: Graph | None = None) -> tuple[Graph, Design]:
    """A random network and one of its quick foldings."""
    graph = graph or random_dag(seed)
    return graph, assembled(graph.name, seed, folding, *folded(seed, folding, graph))


def folded(seed: int, folding: int, graph: Graph) -> tuple[list[Layer], list[Fold]]:
    """The graph's layers and one of their quick foldings."""
    chain = layers(graph)
    return chain, quick_folds(1000 * folding + seed, chain, CLOCKS)


def assembled(name: str, seed: int, folding: int, chain: Sequence[Layer], folds: Sequence[Fold]) -> Design:
    """The design of layers and folds; in odd foldings ROMs share block RAM, as on one of the families."""
    design = assemble(name, chain, folds)
    return share_roms(design, TWO_PORTS[seed % len(TWO_PORTS)]) if folding % 2 else design


def compiled(design: Design, reset: int | None = None, forgets: bool = True) -> Simulation:
    """The design in Icarus; with ``reset``, one that was fed with noise for as many clocks and then reset,
    or with not ``forgets`` left as it was."""
    text = top_level(design, "accelerator")
    bits = design.input.bits, design.output.bits
    with tempfile.TemporaryDirectory(prefix="gatewright_") as name:
        files = [Path(name) / "accelerator.v"]
        files[0].write_text(text)
        if reset is not None:
            shell = reset_shell("accelerator", {}, *bits, reset)
            files.append(Path(name) / "shell.v")
            files[1].write_text(shell if forgets else shell.replace(".rst(rst || pulse)", ".rst(rst)"))
        top = "accelerator" if reset is None else "reset_shell"
        sources = [*files, *closure([text]).values()]
        return compile_rtl(top, sources, {}, *bits, memories=memory_files(design))


def check(
    graph: Graph, design: Design, frames: int, simulation: Simulation | None = None, **pattern
) -> Trace:
    """Random frames through the design give the reference's integers."""
    data = frames_for(frames, graph, frames)
    count = design.output.beats * frames
    trace = (simulation or compiled(design)).run(design.input.pack(data), count, **pattern)
    got = design.output.unpack(trace.words).reshape(frames, *graph.outputs[0].type.shape)
    np.testing.assert_array_equal(got, evaluate(graph, data)[0], err_msg=graph.name)
    return trace


def check_interval(graph: Graph, design: Design, simulation: Simulation) -> None:
    """Free-running, no clock is lost to a FIFO."""
    frames = 2 * _SETTLED
    trace = check(graph, design, frames, simulation)
    ends = np.array(trace.out_clocks[design.output.beats - 1 :: design.output.beats])
    assert set(np.diff(ends)[_SETTLED:].tolist()) == {design.interval}, graph.name


def check_network(seed: int, folding: int, interval: bool) -> None:
    """A random network gives the reference's integers under random gaps and stalls, and with ``interval``
    takes the clocks told when free-running."""
    graph, design = designed(seed, folding)
    simulation = compiled(design)
    gap, stall = np.random.default_rng((seed, folding)).uniform(0, 0.5, 2)
    check(graph, design, FRAMES, simulation, gap=gap, stall=stall, seed=seed)
    if interval:
        check_interval(graph, design, simulation)


def kinds(design: Design) -> set[tuple]:
    """The units of a design, what their parameters choose inside, and ROMs outside of units."""
    found = {(store.module,) for store in design.stores}
    for i in design.instances:
        module = i.unit.module.removesuffix("_fed")
        values = {name: min(i.params[name], last) for name, (*_, last) in CHOICES.get(module, {}).items()}
        found |= {(module,), *((module, *value) for value in values.items())}
    return found


def all_kinds() -> set[tuple]:
    """All that ``kinds`` may give."""
    modules = {(unit.module,) for unit in UNITS} | {("gw_rom",), ("gw_rom_pair",)}
    return modules | {
        (module, name, value)
        for module, names in CHOICES.items()
        for name, values in names.items()
        for value in values
    }
