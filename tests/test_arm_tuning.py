"""Tuning for ARM: the way with the fewest instructions is taken, counts are kept, integers stay the same."""

import json
import os

import numpy as np
import pytest

import arm_bench
from arm_bench import Batch, Case
from cli_calls import refused
from driver_models import PYNQ, image_net, saved
from gatewright.__main__ import main
from gatewright.compiler.ir.graph import Const, Graph, input_of
from gatewright.compiler.ir.ops import Conv2d, MatMul, Threshold
from gatewright.compiler.neon.isa import CORES
from gatewright.compiler.neon.lower import lower
from gatewright.compiler.neon.tuning import Tuning
from gatewright.driver import arm_tuning
from gatewright.driver.arm_tuning import tune

PI = "raspberrypi_4b"


def layer(kind: str, seed: int = 0) -> Graph:
    """A network of one layer, its result in bytes behind thresholds."""
    rng = np.random.default_rng(seed)
    values, size = {"bits": ((-1, 1, 2), (5, 6, 16)), "low": ((0, 3), (6, 7, 8))}.get(
        kind, ((-128, 127), (6, 7, 8))
    )
    x = input_of("x", size, *values)
    edge = (0, 0, 0, 0) if kind == "flat" else (1, 1, 1, 1)
    shape, groups = ((3, 3, size[2], 8), 1) if kind != "depthwise" else ((3, 3, 1, 8), 8)
    weights = {"bits": rng.choice([-1, 1], shape), "low": rng.integers(-2, 2, shape)}
    w = weights.get(kind, rng.integers(-128, 128, shape))
    if kind == "flat":
        w = rng.integers(-128, 128, (1, 1, 8, 24))
    conv = Conv2d((1, 1), edge, (1, 1), groups)(x, Const(w), name="conv")
    top = conv.type.dtype.magnitude // 2 + 8
    out = Threshold(-8)(conv, Const(np.sort(rng.integers(-top, top, (conv.type.shape[-1], 15)))), name="act")
    if kind == "flat":
        # Its reader wants a border.
        out = Conv2d((1, 1), (1, 1, 1, 1), (1, 1))(
            out, Const(rng.integers(-8, 8, (3, 3, 24, 4))), name="last"
        )
    return Graph((x,), (out,), kind)


def frames(graph: Graph) -> np.ndarray:
    """Random frames, the least and the greatest."""
    d, shape = graph.inputs[0].type.dtype, graph.inputs[0].type.shape
    made = d.lo + d.step * np.random.default_rng(1).integers(0, d.levels, (4, *shape))
    made[0], made[1] = d.lo, d.hi
    return made


def layers_net() -> Graph:
    """Two convolutions and a matrix product, ways in all of them."""
    rng = np.random.default_rng(2)
    x = input_of("x", (6, 8, 16), -128, 127)
    value = x
    for n in range(2):
        conv = Conv2d((1, 1), (1, 1, 1, 1))(
            value, Const(rng.integers(-9, 10, (3, 3, 16, 16))), name=f"conv {n}"
        )
        value = Threshold(-64)(conv, Const(np.arange(-640, 640, 10)[None]), name=f"act {n}")
    return Graph((x,), (MatMul()(value, Const(rng.integers(-9, 10, (16, 5))), name="fc"),))


class Fake:
    """A counter that knows what it is to say: by default, later trials need fewer."""

    def __init__(self, whole=(9000, 8000)):
        self.asked, self._whole = [], whole

    def __call__(self, trials):
        names = [t.name for t in trials]
        self.asked.append(names)
        return list(self._whole) if names[-1] == "tuned" else [1000 - i for i in range(len(trials))]


@pytest.mark.parametrize(
    ("core", "kinds"),
    [("cortex-a9", "bytes low"), ("cortex-a72", "flat bits"), ("cortex-a76", "bytes depthwise")],
)
def test_ways_equal_the_reference(core, kinds, tmp_path, monkeypatch):
    """Every fourth way that leads to other calls, as part of the whole network."""
    cases, chosen = [], []
    for kind in kinds.split():
        graph = layer(kind)
        tuning = Tuning(graph, CORES[core])
        first = tuning.layers()[0]
        names = {t.name for t in tuning.trials(first)} - {""}
        for way in [w for w in first.ways if str(w) in names][::4]:
            cases.append(Case(graph, (frames(graph),)))
            chosen.append({id(first.output): way})
    assert len(cases) >= 4
    assert {way.rule for ways in chosen for way in ways.values()} >= set(kinds.split()) & {
        "bits",
        "depthwise",
    }
    given = iter(chosen)
    monkeypatch.setattr(arm_bench, "lower", lambda graph, core: lower(graph, core, next(given)))
    assert Batch(cases, core, tmp_path).differences() == {}


def test_the_best_way_of_each_layer_is_taken(tmp_path):
    """By count; layers, ways and gain are told, and lowering goes that way."""
    counter, graph = Fake(), layers_net()
    found = tune(graph, "cortex-a72", counter, tmp_path)
    assert (found.default, found.instructions, found.counted) == (9000, 8000, 4)
    assert [row.layer for row in found.rows] == ["conv 0", "conv 1", "fc"]
    assert [row.way for row in found.rows] == [names[-1] for names in counter.asked[:3]]
    assert all(row.instructions == 1001 - row.tried < row.default == 1000 for row in found.rows)
    assert counter.asked[3] == ["", "tuned"]
    core = CORES["cortex-a72"]
    assert lower(graph, core, found.ways).calls != lower(graph, core).calls


def test_the_default_stays_where_the_whole_gains_nothing(tmp_path):
    """Whatever layers by themselves seem to gain."""
    found = tune(layers_net(), "cortex-a72", Fake((8000, 8000)), tmp_path)
    assert (found.ways, found.default, found.instructions) == ({}, None, None)
    assert all(row.way == "" and row.instructions == row.default for row in found.rows)


def test_the_default_stays_where_it_is_as_good(tmp_path):
    """Then the whole is not counted."""
    found = tune(layers_net(), "cortex-a9", lambda trials: [7] * len(trials), tmp_path)
    assert (found.ways, found.default, found.counted) == ({}, None, 3)


def test_counts_are_kept(tmp_path, monkeypatch):
    """The same layers are not counted again, for other weights, cores or compilers they are."""
    first = tune(layer("depthwise"), "cortex-a72", Fake(), tmp_path)
    again = Fake()
    second = tune(layer("depthwise"), "cortex-a72", again, tmp_path)
    assert (again.asked, second.rows, second.instructions) == ([], first.rows, first.instructions)
    tune(layer("depthwise"), "cortex-a53", again, tmp_path)
    assert len(again.asked) == 2
    tune(layer("depthwise", 1), "cortex-a72", again, tmp_path)
    assert len(again.asked) == 4
    monkeypatch.setattr(arm_tuning, "_compiler", lambda: "another")
    tune(layer("depthwise"), "cortex-a72", again, tmp_path)
    assert len(again.asked) == 6


DAMAGE = [
    "", "[]", "{}", "\0\1", '{"schema": "gatewright-tuning/1"}',
    '{"schema": "gatewright-tuning/0", "counts": {"": 1}}',
    '{"schema": "gatewright-tuning/1", "counts": {"product pixels=9": 1}}',
    '{"schema": "gatewright-tuning/1", "counts": {"": 5, "rm -rf": 1}}',
    '{"schema": "gatewright-tuning/1", "counts": {"": -5}}',
    '{"schema": "gatewright-tuning/1", "counts": {"": true}}',
    '{"schema": "gatewright-tuning/1", "counts": [1]}',
]  # fmt: skip


def test_damaged_counts_are_counted_anew(tmp_path, monkeypatch):
    """Files that are not as we write them are replaced by good ones."""
    graph = layer("depthwise")
    first = tune(graph, "cortex-a72", Fake(), tmp_path)
    # Lowering takes its time, and is not what is tested.
    made = Tuning(graph, CORES["cortex-a72"])
    trials, whole = made.trials(made.layers()[0]), made.whole({})
    monkeypatch.setattr(Tuning, "trials", lambda self, layer: trials)
    monkeypatch.setattr(Tuning, "whole", lambda self, ways: whole)
    good = {path: path.read_text() for path in tmp_path.iterdir()}
    assert len(good) == 2
    for text in DAMAGE:
        for path in good:
            path.write_text(text)
        counter = Fake()
        assert tune(graph, "cortex-a72", counter, tmp_path).rows == first.rows
        assert len(counter.asked) == 2
        assert {path: path.read_text() for path in tmp_path.iterdir()} == good


def compiled(folder, *more):
    """Report of ``image`` compiled for a Raspberry Pi 4."""
    assert main([str(a) for a in ["compile", folder / "model.onnx", "--board", PI, "--quiet", *more]]) == 0
    return json.loads((folder / more[1] / "report.json").read_text())


def test_a_tuned_compile_is_never_worse(tmp_path, monkeypatch):
    """Counted in qemu: fewer instructions, the same integers; the second compile counts nothing."""
    saved(tmp_path, image_net())
    plain = compiled(tmp_path, "--out", tmp_path / "plain")
    given = ["--tune", "--cache", tmp_path / "cache"]
    tuned = compiled(tmp_path, "--out", tmp_path / "tuned", *given)
    assert plain["arm"]["tuning"] is None
    found = tuned["arm"]["tuning"]
    assert tuned["executors"][-1]["equal"] == tuned["executors"][-1]["inputs"]
    assert found["instructions"] < found["default_instructions"]
    saved_ = found["default_instructions"] - found["instructions"]
    assert plain["arm"]["instructions"] - tuned["arm"]["instructions"] == pytest.approx(saved_, abs=40)
    assert [row["layer"] for row in found["layers"]] == ["conv", "head"]
    monkeypatch.setattr(arm_tuning, "run_arm", None)
    again = compiled(tmp_path, "--out", tmp_path / "again", *given)
    assert again["arm"]["tuning"] == found
    assert again["arm"]["kernels"] == tuned["arm"]["kernels"]


def test_the_cache_is_the_users(tmp_path, monkeypatch):
    """XDG's folder, the home's, or the one that is given."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert arm_tuning.cache_folder(None) == tmp_path / "gatewright" / "tuning"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert arm_tuning.cache_folder(None) == tmp_path / "home" / ".cache" / "gatewright" / "tuning"
    assert arm_tuning.cache_folder(tmp_path / "x") == tmp_path / "x"


def test_refusals(capsys, tmp_path):
    model, file = saved(tmp_path, image_net()), tmp_path / "file"
    file.write_text("")
    start = ["compile", model, "--out", tmp_path / "out", "--board"]
    refused(capsys, [*start, PI, "--cache", file], r"compile: --cache must come with --tune, which keeps .*")
    message = rf"compile: --cache must be a folder, not {file}, which is a file"
    refused(capsys, [*start, PI, "--tune", "--cache", file], message)
    message = r"compile: --tune is for --target arm, not for fpga\. Leave it out\."
    refused(capsys, [*start, PYNQ, "--tune"], message)
    assert sorted(os.listdir(tmp_path)) == ["file", "model.onnx"]


def test_tuning_needs_qemu(capsys, tmp_path, monkeypatch):
    """Even where the compile would end before it runs anything."""
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    model = saved(tmp_path, image_net())
    arguments = ["compile", model, "--out", tmp_path / "out", "--board", PI, "--tune", "--until", "lower"]
    refused(capsys, arguments, r"tools: qemu-aarch64 must be on PATH, not absent\. .* \(qemu-user\)")
