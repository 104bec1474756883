"""3x3 convolutions on ARM by Winograd's algorithm equal the reference, however a layer is cut."""

import numpy as np
import pytest

from arm_bench import Batch, Case
from gatewright.compiler.ir.graph import Const, Graph, Node, input_of
from gatewright.compiler.ir.ops import Add, Conv2d, Mul, Threshold
from gatewright.compiler.neon.context import Context
from gatewright.compiler.neon.groups import group
from gatewright.compiler.neon.isa import CORES
from gatewright.compiler.neon.lower import lower
from gatewright.compiler.neon.rules import winograd
from gatewright.compiler.neon.rules.room import room_beside
from gatewright.sim.qemu import by_function

# (height, width, channels), outputs, pads, range of inputs, range of weights
LAYERS = [
    ((16, 12, 16), 16, (1, 1, 1, 1), (0, 255), (-128, 127)),
    ((9, 15, 32), 16, (0, 0, 0, 0), (-128, 127), (-128, 127)),
    ((7, 10, 8), 40, (2, 0, 0, 1), (0, 255), (-30, 127)),
    ((5, 6, 24), 48, (1, 1, 1, 1), (-100, 27), (-128, 90)),
]


def _layer(rng, size, m, pads, values, weights, sign: int = 0):
    """Input and convolution; ``sign`` makes all weights extreme, so that sums are."""
    x = input_of("x", size, *values)
    w = rng.integers(weights[0], weights[1] + 1, (3, 3, size[2], m))
    if sign:
        w = np.where(rng.random(w.shape) < 0.9, weights[sign < 0], weights[sign > 0])
    conv = Conv2d((1, 1), pads, (1, 1))
    return x, Node(conv, (x, Const(w), Const(rng.integers(-5000, 5000, m))))


def _frames(rng, type_) -> np.ndarray:
    """Random frames, both extremes everywhere, and extremes side by side."""
    lo, hi = type_.dtype.lo, type_.dtype.hi
    frames = rng.integers(lo, hi + 1, (5, *type_.shape))
    frames[1], frames[2] = lo, hi
    frames[3] = np.where(rng.random(type_.shape) < 0.5, lo, hi)
    return frames


def _thresholds(rng, node) -> Const:
    top, m = node.type.dtype.magnitude, node.type.shape[-1]
    steps = np.arange(1, 256)[None, :] * rng.integers(top // 400 + 1, top // 150 + 2, (m, 1))
    return Const(steps - rng.integers(0, top + 1, (m, 1)))


def _residual(rng, size, m, pads, values, weights) -> Case:
    """A convolution, quantized, added to its input in its own scale and quantized again."""
    x, conv = _layer(rng, size, m, pads, values, weights)
    byte = Node(Threshold(-128), (conv, _thresholds(rng, conv)))
    skip = Node(Threshold(0), (Node(Mul(), (x, Const(np.array([3])))), Const(np.arange(1, 256)[None, :] * 3)))
    both = Node(Add(), (Node(Mul(), (byte, Const(np.array([5])))), Node(Mul(), (skip, Const(np.array([7]))))))
    out = Node(Threshold(0), (both, Const(np.arange(1, 256)[None, :] * 9 - 700)))
    return Case(Graph((x,), (out,)), (_frames(rng, x.type),))


@pytest.mark.parametrize("core", ["cortex-a9", "cortex-a72"])
def test_layers_equal_the_reference(core, tmp_path, monkeypatch):
    """Sizes that tiles do not fill, uneven borders, sums as they are, quantized, and behind a skip."""
    # However little a layer gains, and whatever memory it takes.
    monkeypatch.setattr(winograd, "PLAIN", 10.0)
    _roomy(monkeypatch)
    rng = np.random.default_rng(21)
    cases = []
    for number, layer in enumerate(LAYERS):
        x, conv = _layer(rng, *layer, sign=(0, 1, -1)[number % 3])
        out = Node(Threshold(0), (conv, _thresholds(rng, conv))) if number % 2 == 0 else conv
        cases.append(Case(Graph((x,), (out,)), (_frames(rng, x.type),)))
    cases.append(_residual(rng, (8, 11, 16), 16, (1, 1, 1, 1), (0, 255), (-128, 127)))
    batch = Batch(cases, core, tmp_path)
    assert all(any("winograd" in name for name in program.functions) for program in batch.programs)
    assert batch.differences() == {}


def test_every_cut_equals_the_reference(tmp_path, monkeypatch):
    """Groups of channels, bands of one row of tiles and more, tiles transformed once or for each group."""
    rng = np.random.default_rng(22)
    x, conv = _layer(rng, (14, 9, 16), 32, (1, 1, 1, 1), (0, 255), (-128, 127))
    out = Node(Threshold(0), (conv, _thresholds(rng, conv)))
    frames = (_frames(rng, x.type),)
    choices = _all_choices(conv)
    assert {c.kept for c in choices} == {False, True}
    assert {c.width for c in choices} == {8, 16}
    assert {c.group for c in choices} == {8, 16, 32}
    assert {c.rows for c in choices} == {1, 2, 3, 4}
    picked = choices[:: len(choices) // 7]
    cases = [Case(Graph((x,), (out,), name=f"g{i}"), frames) for i in range(len(picked))]
    monkeypatch.setattr(winograd, "_choice", lambda context, group: picked[int(context.graph.name[1:])])
    assert Batch(cases, "cortex-a72", tmp_path).differences() == {}


def _all_choices(conv):
    class Given:
        core = CORES["cortex-a72"]

    return list(winograd._choices(Given, conv))


def _roomy(monkeypatch) -> None:
    monkeypatch.setattr(winograd, "room_beside", lambda context, group: 1 << 30)


def _used(size, m, core="cortex-a72", strides=(1, 1), groups=1, weights=(-128, 127)) -> bool:
    x = input_of("x", size, -128, 127)
    w = np.random.default_rng(3).integers(weights[0], weights[1] + 1, (3, 3, size[2] // groups, m))
    before = Node(Threshold(-128), (x, Const(np.arange(-127, 128)[None, :])))
    conv = Node(Conv2d(strides, (1, 1, 1, 1), (1, 1), groups), (before, Const(w)))
    names = lower(Graph((x,), (conv,)), CORES[core]).functions
    return any("winograd" in name for name in names)


def test_it_is_used_where_it_gains(monkeypatch):
    """Not with SDOT, strides, groups, channels that fill no vector, or less than a tile."""
    _roomy(monkeypatch)
    assert _used((32, 32, 16), 16)
    assert _used((16, 16, 32), 32)
    assert _used((32, 32, 16), 16, "cortex-a53")
    assert not _used((32, 32, 16), 16, "cortex-a76")
    assert not _used((32, 32, 16), 16, strides=(2, 2))
    assert not _used((32, 32, 16), 16, groups=2)
    assert not _used((32, 32, 12), 16)
    assert not _used((32, 32, 16), 12)
    assert not _used((3, 32, 16), 16)
    assert not _used((32, 32, 16), 16, weights=(-1, 1))
    monkeypatch.undo()
    assert not _used((8, 8, 64), 64)


def _block(rng) -> Graph:
    """A residual block of ResNet: 32x32x16 bytes, two convolutions, and the sum with what came in."""
    x, conv = _layer(rng, (32, 32, 16), 16, (1, 1, 1, 1), (0, 255), (-128, 127))
    start = Node(Threshold(0), (x, Const(np.arange(1, 256)[None, :])))
    value = start
    for _ in range(2):
        conv = Node(conv.op, (value, *conv.inputs[1:]))
        value = Node(Threshold(0), (conv, _thresholds(rng, conv)))
    both = Node(Add(), (value, start))
    return Graph((x,), (Node(Threshold(0), (both, Const(np.arange(1, 256)[None, :] * 2))), start))


def test_memory_stays_below_twice_the_tensors(tmp_path):
    """What is transformed lies beside three images; weights with much memory of their own grant a share."""
    graph = _block(np.random.default_rng(24))
    program = lower(graph, CORES["cortex-a72"])
    assert any("winograd" in name for name in program.functions)
    assert program.arena < 2 * 3 * 32 * 32 * 16
    assert len(program.constants) < 12000
    context = Context(graph, CORES["cortex-a72"])
    first = next(g for g in group(graph) if g.anchor is not None and isinstance(g.anchor.op, Conv2d))
    assert room_beside(context, first) == 3 * 2**14 * 7 // 4 - 2 * 2**14


def test_a_layer_of_resnet_takes_few_instructions(tmp_path, monkeypatch):
    """32x32x16 to 16 channels: 0.14 a product, where products as they are take 0.25."""
    _roomy(monkeypatch)
    rng = np.random.default_rng(23)
    x, conv = _layer(rng, (32, 32, 16), 16, (1, 1, 1, 1), (0, 255), (-128, 127))
    before = Node(Threshold(0), (x, Const(np.arange(1, 256)[None, :])))
    conv = Node(conv.op, (before, *conv.inputs[1:]))
    graph = Graph((x,), (Node(Threshold(0), (conv, _thresholds(rng, conv))),))
    batch = Batch([Case(graph, (_frames(rng, x.type),))], "cortex-a72", tmp_path)
    assert batch.differences() == {}
    counts = by_function(tmp_path / "all", batch.run(blocks=True, frames=2))
    taken = sum(n for name, n in counts.items() if "winograd" in name) / 2
    assert 0 < taken < 0.145 * conv.op.work(*conv.inputs).macs
