"""A number that depends on a whole map changes each of its pixels: in RTL, cycle by cycle, and on ARM."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import gatewright
from arm_bench import Batch, Case
from dag_bench import compiled
from driver_models import ULX3S
from gate_nets import moving_bounds, squeeze_excite
from gatewright import boards
from gatewright.compiler.export_onnx import export_onnx
from gatewright.compiler.ir.evaluate import evaluate, trace
from gatewright.compiler.ir.graph import Graph, input_of
from gatewright.compiler.ir.ops import Upsample
from gatewright.compiler.passes.pipeline import run as run_passes
from gatewright.errors import DeadlockError, FitError
from gatewright.hw.build import assemble
from gatewright.hw.design import Design, Instance, Port
from gatewright.hw.folding import fold
from gatewright.hw.layers import layers
from gatewright.hw.repeating import copies_held, repeats
from gatewright.hw.rules.rule import Fold
from gatewright.hw.units.fifo import FIFO
from gatewright.hw.units.fork import FORK
from gatewright.hw.units.width_converter import WIDTH_CONVERTER
from gatewright.quant.ddtb.convert import deployed, trainable
from gatewright.quant.ddtb.training import Recipe, train
from gatewright.quant.edsr import Edsr
from gatewright.quant.network import of_module
from gatewright.sim.cycle.simulate import simulate
from onnx_executor import run_onnx
from random_dags import quick_folds
from sr_digits import images
from test_folding import clocks_between

FRAMES = 4
SETTLED = 8
MAKERS = {"squeeze and excite": lambda size, channels, seed: squeeze_excite(size, channels, 3, seed=seed),
          "moving bounds": lambda size, channels, seed: moving_bounds(size, channels, seed=seed)}  # fmt: skip


def frames_of(graph: Graph, count: int = FRAMES) -> np.ndarray:
    """Frames of different spread and brightness, so that gates see different maps."""
    rng, (x,) = np.random.default_rng(7), graph.inputs
    low, high = x.type.dtype.lo, x.type.dtype.hi
    noise = rng.integers(low, high + 1, (count, *x.type.shape))
    spread, middle = np.linspace(0.1, 1, count), np.linspace(low, high, count) / 2
    along = (slice(None), *[None] * len(x.type.shape))
    return (noise * spread[along] + middle[along]).astype(np.int64).clip(low, high)


def moving(graph: Graph, frames: np.ndarray) -> int:
    """How many of the numbers that are repeated for each pixel differ between frames."""
    found = trace(graph, frames)
    repeated = [n.inputs[0] for n in graph.nodes() if isinstance(n.op, Upsample)]
    return sum(len(np.unique(found[id(value)], axis=0)) > 1 for value in repeated)


def check(graph: Graph, design: Design, frames: np.ndarray) -> None:
    """RTL gives the reference's integers, free-running and under gaps and stalls."""
    (want,) = evaluate(graph, frames)
    simulation = compiled(design)
    for pattern in ({}, {"gap": 0.4, "stall": 0.4, "seed": 3}):
        words = simulation.run(design.input.pack(frames), design.output.beats * len(frames), **pattern).words
        np.testing.assert_array_equal(design.output.unpack(words).reshape(want.shape), want)


@pytest.mark.parametrize("folding", [0, 1])
@pytest.mark.parametrize("kind", MAKERS)
def test_rtl(kind, folding):
    """Several frames follow each other, and none takes the number of another."""
    graph = run_passes(MAKERS[kind]((3, 4), 3, 0))
    frames = frames_of(graph)
    assert moving(graph, frames) >= 1
    chain = layers(graph)
    check(graph, assemble(kind, chain, quick_folds(folding, chain, 200)), frames)


@pytest.mark.slow
def test_verilator():
    """The same integers, and no clock lost."""
    graph = run_passes(moving_bounds((2, 3), 2))
    chain = layers(graph)
    design = assemble("bounds", chain, quick_folds(2, chain, 200))
    assert set(clocks_between(graph, design, "verilator")) == {design.interval}


@pytest.mark.parametrize("seed", range(12))
def test_interval_of_any_shape(seed):
    """Cycle by cycle, with maps of 4 to 150 pixels."""
    rng = np.random.default_rng(seed)
    size, channels = tuple(int(n) for n in rng.integers(2, 13, 2)), int(rng.integers(2, 9))
    graph = run_passes(list(MAKERS.values())[seed % 2](size, channels, seed))
    chain = layers(graph)
    for folding in range(3):
        design = assemble("any", chain, quick_folds(folding, chain, int(rng.integers(50, 2000))))
        ends = simulate(design, 2 * SETTLED).out_clocks[:, -1]
        assert set(np.diff(ends)[SETTLED:].tolist()) == {design.interval}


def waiting(design: Design) -> dict[str, int]:
    """The FIFOs that hold copies of a repeated beat, by name, and how many entries each has."""
    into = {edge.source: edge.sink for edge in design.edges}
    found, behind = {}, [n for n, i in enumerate(design.instances) if repeats(i)]
    while behind:
        place = behind.pop()
        for port in range(len(design.instances[place].outputs)):
            sink = into[Port(place, port)]
            reader = design.instances[sink.place]
            if reader.unit is FIFO:
                found[reader.name] = reader.p.DEPTH
            if reader.unit in (FIFO, FORK, WIDTH_CONVERTER):
                behind.append(sink.place)
    return found


def test_the_map_waits_once_and_no_copies_do():
    """A 16x16 map of codes is held for the gate; the gate's numbers are repeated when pixels meet them."""
    graph = run_passes(squeeze_excite((16, 16), 4, 3))
    chain = layers(graph)
    design = assemble("excite", chain, quick_folds(3, chain, 2500))
    deepest = max((i for i in design.instances if i.unit is FIFO), key=lambda i: i.p.DEPTH * i.p.BITS)
    assert deepest.input.element.bits == 4
    assert deepest.input.beats <= deepest.p.DEPTH < 1.3 * deepest.input.beats
    copies = waiting(design)
    assert copies
    assert max(copies.values()) <= 8
    with pytest.raises(DeadlockError, match=r"after 0 of \d+ beats out .* waits for room in .*_fifo"):
        simulate(assemble("excite", chain, quick_folds(3, chain, 2500), buffered=False), 2)


def test_what_meets_copies_late_waits_as_codes():
    """Past the convolution go codes of 3 and 4 bits, not their products with the frame's step."""
    graph = run_passes(moving_bounds((12, 12), 4))
    chain = layers(graph)
    for folding in range(3):
        design = assemble("bounds", chain, quick_folds(folding, chain, 6000))
        deep = [i for i in design.instances if i.unit is FIFO and i.p.DEPTH > 40]
        # x for the gate, x's codes for the step, pixels before windows.
        assert {i.input.element.bits for i in deep} <= {8, 4, 3}
        assert max(waiting(design).values()) <= 16


def repeated(count: int) -> Instance:
    """A unit that gives the 2 beats of a frame ``count`` times."""
    x = input_of("x", (1, 1, 2), 0, 7)
    chain = layers(Graph((x,), (Upsample((1, count))(x),), "repeated"))
    (unit,) = (i for i in assemble("repeated", chain, [Fold(1, 1)], buffered=False).instances if repeats(i))
    return unit


def test_a_repeating_unit_takes_what_its_two_halves_hold():
    """A frame in each half, and the others in the FIFO before it; where that is too late, it is not held."""
    unit, interval = repeated(5), 100
    beats = unit.input.beats
    came = np.arange(beats)
    wanted = 250 + 3 * np.arange(unit.output.beats)
    held = copies_held(unit, [came], wanted, interval)
    # Frames 0 and 1 lie in the halves when frame 2 comes, at 200, as copies of frame 0 start to leave at 250.
    np.testing.assert_array_equal(held.taken[0], came + wanted[-1] - 2 * interval)
    assert held.entries == [beats]
    np.testing.assert_array_equal(held.leaving, wanted)
    assert copies_held(unit, [came], wanted - 250 + unit.latency - 1, interval) is None


def test_a_board_too_small_for_a_map_says_what_waits():
    """Fewer frames would not help."""
    tiny = boards.load(ULX3S)
    tiny = replace(tiny, part=replace(tiny.part, bram=12))
    chain = layers(run_passes(squeeze_excite((64, 64), 8, 3, padded=False)))
    message = (
        r"^folding: 'excite' for \d+ clocks a frame needs \d+ BRAM, LFE5U-85F-6BG381C has 12 \(largest "
        r"users: .*\)\. A branch waits for one that must see the whole map first: u\d+_\w+_fifo_\d holds \d+ "
        r"beats of \d+ bits, of \d+ a frame, and without the deep FIFOs the design would fit\. Ask for "
        r"smaller images, fewer bits, or a larger board\.$"
    )
    with pytest.raises(FitError, match=message):
        fold("excite", chain, tiny, 100_000)
    assert fold("excite", chain, boards.load(ULX3S), 100_000).interval <= 100_000


def test_onnx_runtime():
    """The exported graphs give the reference's integers."""
    for make in MAKERS.values():
        graph = run_passes(make((5, 4), 4, 2))
        frames = frames_of(graph)
        (got,) = run_onnx(export_onnx(graph), (frames,), True)
        np.testing.assert_array_equal(got, evaluate(graph, frames)[0])


# What DDTB trains.


@pytest.fixture(scope="module")
def enlarger() -> tuple[Graph, np.ndarray]:
    """An EDSR of one block that enlarges digits, its three quantizers dynamic, and frames for it."""
    low, high = images()
    torch.manual_seed(1)
    torch.set_num_threads(1)
    net = Edsr(2, features=3, blocks=1, colors=1)
    # Means that follow an image's brightness, and not constants, so that a few steps teach gates to differ.
    for layer in (net.head, net.blocks[0].first, net.blocks[0].second):
        torch.nn.init.zeros_(layer.bias)
        layer.weight.data *= 4
    network = of_module(net.eval(), low[:2])
    student = trainable(network, 2, 2)
    scale = torch.linspace(0.05, 1, 64)[:, None, None, None]
    recipe = Recipe(epochs=5, batch=4, dynamic=1.0, rate=1e-2)
    train(student, network, low[:64] * scale, high[:64] * scale, recipe)
    for name, weight in student.named_parameters():
        if "gate.second" in name:
            weight.data *= 20
    graph = run_passes(gatewright.from_brevitas(deployed(student), low[:1]))
    with torch.no_grad():
        wanted = deployed(student)(low[:FRAMES] * scale[::21]).numpy()
    codes = graph.encodings[0].apply((low[:FRAMES] * scale[::21]).numpy(), graph.inputs[0].type)
    found = graph.decodings[0].apply(evaluate(graph, codes)[0]).astype(np.float32)
    np.testing.assert_array_equal(found, wanted)
    assert moving(graph, codes) >= 6
    return graph, codes


@pytest.mark.slow
def test_ddtb_in_rtl(enlarger):
    """Gates, tables, whole maps and the pixel shuffle."""
    graph, frames = enlarger
    chain = layers(graph)
    design = assemble("ddtb", chain, quick_folds(0, chain, 2000))
    assert simulate(design, 8).interval == design.interval
    check(graph, design, frames)
    (got,) = run_onnx(export_onnx(graph), (frames,), True)
    np.testing.assert_array_equal(got, evaluate(graph, frames)[0])


@pytest.mark.slow
def test_arm(enlarger, tmp_path):
    """All in one program under qemu."""
    graphs = [run_passes(make((3, 4), 3, 0)) for make in MAKERS.values()]
    cases = [Case(g, (frames_of(g),)) for g in graphs] + [Case(enlarger[0], (enlarger[1],))]
    assert Batch(cases, "cortex-a53", tmp_path).differences() == {}
