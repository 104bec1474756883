"""Graphs of two inputs and two outputs on ARM, through the C interface that users get."""

from pathlib import Path

import numpy as np
import pytest

from arm_bench import Batch, Case
from gatewright.compiler.ir.evaluate import evaluate
from gatewright.compiler.ir.graph import Const, Graph, Value, input_of
from gatewright.compiler.ir.ops import Add, BatchMatMul, Concat, Conv2d, MatMul, Mul, Reshape, Threshold
from gatewright.compiler.neon.emit_c import kernels, library_files
from gatewright.compiler.neon.isa import CORES
from gatewright.compiler.neon.lower import lower
from gatewright.compiler.neon.objects import compile_kernels
from gatewright.driver.cross import cross
from gatewright.sim.qemu import run_arm

RANGES = [(-128, 127), (0, 255), (-8, 7), (0, 3), (100, 300), (-(2**15), 2**15 - 1), (-(2**20), 2**20)]
FRAMES, COUNT = 3, 16


def _narrow(rng, value: Value) -> Value:
    """A few steps of a value, so that products stay in 32 bits."""
    d = value.type.dtype
    if d.bits <= 8:
        return value
    steps = np.unique(rng.integers(d.lo, d.hi, 15))
    return Threshold(int(rng.integers(-8, 1)))(value, Const(steps[None]))


def _conv(rng, value: Value) -> Value:
    c, m = value.type.shape[2], int(rng.choice([3, 8, 16]))
    weights = Const(rng.integers(-9, 10, (3, 3, c, m)))
    return Conv2d((1, 1), (1, 1, 1, 1))(_narrow(rng, value), weights)


def _joined(rng, a: Value, b: Value) -> Value:
    """One of the ways in which two images of one shape meet."""
    way = rng.integers(4)
    if way == 0:
        return Add()(a, b)
    if way == 1:
        return Mul()(_narrow(rng, a), _narrow(rng, b))
    if way == 2:
        return Concat(2)(a, b)
    h, w, c = a.type.shape
    left = Reshape((h * w, c))(_narrow(rng, a))
    right = MatMul()(Reshape((h * w, c))(_narrow(rng, b)), Const(rng.integers(-3, 4, (c, h * w))))
    return Reshape((h, w, h * w))(BatchMatMul()(_narrow(rng, right), left)) if c == h * w else Add()(a, b)


def two_ends(seed: int) -> Graph:
    """Two images through layers of their own, joined; outputs may be read inside, be inputs, or alike."""
    rng = np.random.default_rng(seed)
    size = (int(rng.integers(1, 6)), int(rng.integers(2, 7)), int(rng.choice([1, 3, 8, 16])))
    x, z = (input_of(n, size, *RANGES[int(rng.integers(len(RANGES)))]) for n in "xz")
    both = _joined(rng, x, z)
    a = _conv(rng, x if rng.random() < 0.5 else both)
    b = _narrow(rng, both) if rng.random() < 0.5 else _conv(rng, z)
    kind = seed % 4
    if kind == 0:
        outputs = (a, b)
    elif kind == 1:
        # One is read by the other.
        outputs = (b, MatMul()(_narrow(rng, b), Const(rng.integers(-5, 6, (b.type.shape[-1], 4)))))
    elif kind == 2:
        outputs = (z, a)
    else:
        outputs = (Reshape((a.type.size,))(a), a)
    return Graph((x, z), outputs, f"ends {seed}")


def frames_of(graph: Graph) -> tuple[np.ndarray, ...]:
    """Random frames, the least and the greatest values."""
    rng, made = np.random.default_rng(0), []
    for i in graph.inputs:
        frames = rng.integers(i.type.dtype.lo, i.type.dtype.hi + 1, (FRAMES, *i.type.shape))
        frames[1], frames[2] = i.type.dtype.lo, i.type.dtype.hi
        made.append(frames)
    return tuple(made)


@pytest.mark.parametrize("core", ["cortex-a9", "cortex-a72", "cortex-a76"])
def test_random_graphs_of_two_ends(core, tmp_path):
    """All outputs of all frames, and nothing outside of any buffer touched."""
    graphs = [two_ends(seed) for seed in range(COUNT)]
    wrong = Batch([Case(g, frames_of(g)) for g in graphs], core, tmp_path).differences()
    assert not wrong, {graphs[i].name: text for i, text in wrong.items()}


def build(folder: Path, graph: Graph, core: str, threads: int):
    """The library's example program, as the driver builds it."""
    program = lower(graph, CORES[core])
    for name, content in library_files(program, graph, "ends", threads).items():
        (folder / name).write_bytes(content)
    compile_kernels(kernels(program, "ends"), CORES[core]).write_to_file(str(folder / "ends_kernels.o"), "o")
    compiler = cross(core)
    objects = ["ends.c", "ends_constants.S", "ends_kernels.o"]
    flags = ["-std=gnu11", "-O2", "-static", "-pthread", "-Wall", "-Wextra", "-Werror"]
    compiler.run(compiler.cc, [*flags, "example.c", *objects, "-o", "example"], folder, "example")
    return program


@pytest.mark.parametrize(("core", "threads", "seed"), [("cortex-a72", 1, 4), ("cortex-a9", 3, 1)])
def test_the_example_reads_and_writes_all(core, threads, seed, tmp_path):
    """Frames hold both inputs one after the other, results both outputs; threads share the same work."""
    graph = two_ends(seed)
    program, frames = build(tmp_path, graph, core, threads), frames_of(graph)
    with open(tmp_path / "frames", "wb") as file:
        for i in range(FRAMES):
            for storage, each in zip(program.inputs, frames, strict=True):
                file.write((each[i] - storage.offset).astype(storage.dtype).tobytes())
    run_arm(tmp_path / "example", [str(tmp_path / n) for n in ("frames", "results")], cpu=core)
    got, at = (tmp_path / "results").read_bytes(), 0
    want = evaluate(graph, *frames)
    for i in range(FRAMES):
        for storage, each in zip(program.outputs, want, strict=True):
            values = (
                np.frombuffer(got, storage.dtype, storage.type.size, at).astype(np.int64) + storage.offset
            )
            np.testing.assert_array_equal(values.reshape(storage.type.shape), each[i])
            at += storage.bytes
    assert at == len(got)
    header = (tmp_path / "ends.h").read_text()
    types = [f"const {s.dtype}_t *input_{i}" for i, s in enumerate(program.inputs)]
    types += [f"{s.dtype}_t *output_{i}" for i, s in enumerate(program.outputs)]
    assert f"void ends_run(ends_context *context, {', '.join(types)});" in header
