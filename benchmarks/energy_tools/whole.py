"""Whole small networks: all units in one netlist, with FIFOs between them and clocks without beats."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gatewright.compiler.ir.graph import Const, Graph, Node
from gatewright.compiler.ir.ops import Conv2d, MatMul, MaxPool, Reshape, Threshold
from gatewright.compiler.passes.pipeline import run as run_passes
from gatewright.hw.build import assemble
from gatewright.hw.design import Design
from gatewright.hw.flow.synthesize import synthesize
from gatewright.hw.layers import layers
from gatewright.hw.library import closure
from gatewright.hw.rules.rule import BLOCK
from gatewright.hw.verilog import memory_files, top_level
from gatewright.sim.energy.inside import CLASSES, activity
from gatewright.sim.energy.restless import Restless
from gatewright.sim.energy.streams import Traffic, outputs_of

from .cells import Netlist
from .data import chosen, image, kernels, operands
from .measure import library_with_memories, stream_through
from .settled import Settled

TOP = "measured_network"
FRAMES = 3


@dataclass(frozen=True)
class Network:
    """A design, and frames of real data for it."""

    name: str
    design: Design
    frames: np.ndarray

    def files(self) -> dict[str, str]:
        """Verilog and memory files by name."""
        text = top_level(self.design, TOP)
        library = {name: path.read_text() for name, path in closure([text]).items()}
        return {**library_with_memories(library), f"{TOP}.v": text, **memory_files(self.design)}

    def digest(self) -> str:
        """Changes with whatever decides the netlist or its operands."""
        return hashlib.sha256(repr((self.files(), self.frames.tobytes())).encode()).hexdigest()


def _network(bits: int, pe: int, simd: int) -> Network:
    """Digits through a convolution, a pool and a dense layer."""
    x, frames = image(1, bits)
    conv = Node(Conv2d((1, 1), (1, 1, 1, 1)), (x, kernels((3, 3, 1, 4), 4)))
    sums = conv.op.evaluate(frames, conv.inputs[1].value).reshape(-1, 4)
    cuts = np.rint(np.quantile(sums, np.arange(1, 1 << bits) / (1 << bits), axis=0).T).astype(np.int64)
    act = Node(Threshold(), (conv, Const(cuts)))
    pool = Node(Reshape((64,)), (Node(MaxPool((2, 2), (2, 2)), (act,)),))
    w = np.clip(operands()["product_w"][:64, :10] >> 4, -7, 7)
    graph = run_passes(Graph((x,), (Node(MatMul(), (pool, Const(w))),)))
    chain = layers(graph)
    folds = [chosen(pe, simd, rom=BLOCK, dsp=False)(layer) for layer in chain]
    return Network(f"ecp5-network-{bits}-{pe}x{simd}", assemble("network", chain, folds), frames[:FRAMES])


def networks() -> Iterator[Network]:
    """Those that are measured."""
    for bits, pe, simd in ((4, 2, 3), (3, 1, 9)):
        yield _network(bits, pe, simd)


def measured_network(network: Network, folder: Path) -> dict:
    """Transitions by class in the netlist of a whole network while it works on all frames, and its clocks."""
    design, files = network.design, network.files()
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_text(content)
    verilog = [folder / name for name in files if name.endswith(".v")]
    made = synthesize(folder, TOP, verilog, "ecp5", dsp=False, options=("-nobram",), timeout=900)
    module = json.loads(made.netlist.read_text())["modules"][TOP]
    roms = {n: [int(v, 16) for v in c.split()] for n, c in files.items() if n.endswith(".mem")}
    run = Settled(Netlist(module), roms)
    traffic = list(Traffic(design, network.frames))
    first, last = traffic[0], traffic[-1]
    clocks = stream_through(
        run, module, network.name, ([design.input], first[1]), ([design.output], outputs_of(last[0], last[1]))
    )
    return {"transitions": run.counts(), "clocks": clocks, "lut": made.total.lut, "ff": made.total.ff}


def whole_rows(folder: Path) -> list[tuple[str, dict, dict[str, float]]]:
    """Name, record and what is said of each network that is measured."""
    found = []
    for network in networks():
        record = folder / f"{network.name}.json"
        if record.exists():
            found.append((network.name, json.loads(record.read_text()), said_of(network)))
    return found


def said_of(network: Network) -> dict[str, float]:
    """The sum of what is said of its units."""
    found, restless = dict.fromkeys(CLASSES, 0.0), Restless(network.design)
    for place, (instance, inputs, outputs) in enumerate(Traffic(network.design, network.frames)):
        moved = activity(instance, inputs, "ecp5", restless.at(place))
        restless.note(place, moved.shown, outputs)
        for name in CLASSES:
            found[name] += getattr(moved, name)
    return found
