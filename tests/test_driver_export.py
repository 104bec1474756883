"""``gatewright export``, and ONNX Runtime as an executor."""

import json

import numpy as np
import onnx
import onnxruntime
import pytest

from driver_models import ULX3S, image_net, outputs, saved, source_frames
from gatewright.__main__ import main
from gatewright.compiler.export_onnx import export_onnx, model
from gatewright.compiler.ir.evaluate import evaluate
from gatewright.compiler.ir.graph import Const, Graph, input_of
from gatewright.compiler.ir.ops import Add
from gatewright.driver.export import run_in_onnxruntime
from gatewright.errors import GraphError

NET = image_net()


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    """A folder compiled as far as its graph."""
    folder = tmp_path_factory.mktemp("export")
    out = folder / "out"
    arguments = ["compile", saved(folder, NET), "--board", ULX3S, "--out", out, "--until", "graph", "--quiet"]
    assert main([str(a) for a in arguments]) == 0
    return out


def run_file(path, frames):
    """A file's first output in ONNX Runtime, as anyone would call it."""
    session = onnxruntime.InferenceSession(path.read_bytes())
    return session.run(None, {session.get_inputs()[0].name: frames})[0]


def test_a_model_and_a_folder(compiled, tmp_path, capsys):
    """Both give a file that runs anywhere and computes the reference's integers."""
    frames = np.random.default_rng(0).integers(0, 8, (5, 6, 5, 2))
    want = evaluate(NET, frames)[0]
    for number, target in enumerate((compiled, saved(tmp_path, NET))):
        path = tmp_path / f"{number}.onnx"
        assert main(["export", str(target), "--out", str(path), "--json"]) == 0
        told = json.loads(capsys.readouterr().out)
        assert told["bytes"] == path.stat().st_size
        assert told["inputs"] == [{"name": "x", "shape": [6, 5, 2], "range": "[0..7]"}]
        assert told["outputs"][0]["shape"] == [2, 2, 3]
        onnx.checker.check_model(onnx.load(path), full_check=True)
        assert np.array_equal(run_file(path, frames), want)


def test_what_is_printed(tmp_path, capsys):
    """Names, shapes and ranges, for whoever feeds the file."""
    path = tmp_path / "e.onnx"
    assert main(["export", str(saved(tmp_path, NET)), "--out", str(path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"{path}: ")
    assert lines[1] == "  input x: int64 (N, 6, 5, 2) in [0..7]"
    assert lines[2].startswith("  output head: int64 (N, 2, 2, 3) in [")


def test_refusals(tmp_path, capsys):
    """One line, exit code 2, and no file."""
    path = tmp_path / "e.onnx"
    assert main(["export", str(tmp_path), "--out", str(path)]) == 2
    assert "must be a folder made by 'gatewright compile'" in capsys.readouterr().err
    assert main(["export", str(tmp_path / "none.onnx"), "--out", str(path)]) == 2
    assert "none.onnx" in capsys.readouterr().err
    assert main(["export", str(saved(tmp_path / "m", NET)), "--out", str(tmp_path / "no" / "e.onnx")]) == 2
    assert "cannot be written" in capsys.readouterr().err
    assert [p.name for p in tmp_path.iterdir()] == ["m"]


def test_constants_too_large_for_a_file(monkeypatch):
    """Protobuf would fail only after writing 2 GiB."""
    monkeypatch.setattr(model, "_MOST_BYTES", 100)
    x = input_of("x", (20,), 0, 3)
    graph = Graph((x,), (Add()(x, Const(np.arange(20))),))
    message = r"^export: constants must take less than 100 bytes, not 160\. An ONNX file cannot hold more\.$"
    with pytest.raises(GraphError, match=message):
        export_onnx(graph)


def test_run_on_onnxruntime(compiled, tmp_path):
    """The executor takes floats in the source's layout, as all do."""
    frames = source_frames(NET, 70)
    np.save(tmp_path / "x.npy", frames)
    arguments = ["run", compiled, "--input", tmp_path / "x.npy", "--output", tmp_path / "y.npy"]
    assert main([str(a) for a in (*arguments, "--on", "onnxruntime", "--quiet")]) == 0
    assert np.array_equal(np.load(tmp_path / "y.npy"), outputs(NET, frames))


def test_no_frames_give_no_outputs():
    """Shape and type are kept."""
    got = run_in_onnxruntime(NET, np.zeros((0, 6, 5, 2), dtype=np.int64))
    assert got.shape == (0, 2, 2, 3)
    assert got.dtype == np.int64
