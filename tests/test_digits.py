"""Brevitas to integers: a short training run, exported and imported, equals Brevitas' own numbers."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from gatewright.compiler.frontends import load_model
from gatewright.compiler.ir.ops import Add, Conv2d, MatMul, MaxPool, Threshold
from qonnx_models import run

EXAMPLE = Path(__file__).parents[1] / "examples" / "digits.py"


def train(folder: Path, scales: str, epochs: int) -> str:
    """Run the example; returns what it prints."""
    command = [sys.executable, str(EXAMPLE), str(folder), "--scales", scales, "--epochs", str(epochs)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module", params=["po2", "float"])
def short(request, tmp_path_factory):
    """Scales, graph, test data and printed report of two epochs."""
    folder = tmp_path_factory.mktemp(request.param)
    report = train(folder, request.param, 2)
    data = np.load(folder / "digits_test.npz", allow_pickle=False)
    return request.param, load_model(folder / "digits.onnx"), data, report


def test_integer_graph_equals_brevitas(short):
    """All logits of all test images: equal floats with power-of-two scales, equal codes with float ones."""
    scales, graph, data, _ = short
    logits = run(graph, data["inputs"])
    assert data["inputs"].shape == (360, 1, 8, 8)
    if scales == "po2":
        np.testing.assert_array_equal(logits, data["expected"])
    else:
        codes = np.rint(data["expected"] / graph.decodings[0].scale)
        np.testing.assert_array_equal(np.rint(logits / graph.decodings[0].scale), codes)
        np.testing.assert_allclose(logits, data["expected"], rtol=0, atol=1e-5)


def test_reported_accuracy_is_the_integer_graphs(short):
    """What the example prints is what Brevitas' logits reach, and the integers too but for equal logits."""
    _, graph, data, report = short
    hits = data["expected"].argmax(1) == data["labels"]
    assert f"{hits.mean():.2%} of 360" in report
    codes = np.sort(np.rint(run(graph, data["inputs"]) / graph.decodings[0].scale), axis=1)
    clear = codes[:, -1] > codes[:, -2]
    ours = run(graph, data["inputs"]).argmax(1) == data["labels"]
    assert clear.mean() > 0.9
    np.testing.assert_array_equal(ours[clear], hits[clear])


def test_graph_is_small_and_integer(short):
    """Convolutions, thresholds, pools and one product; biases are inside the layers."""
    scales, graph, _, _ = short
    ops = [n.op for n in graph.nodes()]
    assert sum(isinstance(o, Conv2d) for o in ops) == 2
    assert sum(isinstance(o, MaxPool) for o in ops) == 2
    assert sum(isinstance(o, Threshold) for o in ops) == 2
    assert not any(isinstance(o, Add) for o in ops)
    layers = [n for n in graph.nodes() if isinstance(n.op, Conv2d | MatMul)]
    assert [len(n.inputs) for n in layers] == [3 if scales == "po2" else 2] * 3
    assert all(n.inputs[1].type.dtype.bits <= 4 for n in layers)
    assert graph.inputs[0].type.dtype.bits == 4


def test_random_inputs_equal_brevitas(tmp_path):
    """Inputs far outside the data's range, of both scale kinds, through the model object itself."""
    code = """
import sys, numpy as np, torch
sys.path.insert(0, sys.argv[1])
import digits
from pathlib import Path
for scales in ("po2", "float"):
    torch.manual_seed(3)
    model, data = digits.build(scales), digits.load_split()
    for start in range(0, 192, 64):
        model(data.train_images[start : start + 64])
    images = torch.from_numpy(np.random.default_rng(0).normal(0.4, 0.6, (200, 1, 8, 8)).astype(np.float32))
    probe = digits.Digits(images, data.train_labels[:200], images, data.train_labels[:200])
    model.eval()
    digits.export(model, probe, Path(sys.argv[2]) / scales)
"""
    command = [sys.executable, "-c", code, str(EXAMPLE.parent), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    for scales in ("po2", "float"):
        graph = load_model(tmp_path / scales / "digits.onnx")
        data = np.load(tmp_path / scales / "digits_test.npz", allow_pickle=False)
        ours, theirs = run(graph, data["inputs"]), data["expected"]
        if scales == "po2":
            np.testing.assert_array_equal(ours, theirs)
        np.testing.assert_array_equal(*(np.rint(v / graph.decodings[0].scale) for v in (ours, theirs)))


@pytest.mark.slow
@pytest.mark.parametrize("scales", ["po2", "float"])
def test_full_training_reaches_the_published_accuracy(tmp_path, scales):
    """At least 97 % of the 360 test images."""
    report = train(tmp_path, scales, 100)
    assert float(re.search(r"test accuracy ([\d.]+)%", report)[1]) >= 97.0


@pytest.mark.parametrize("scales", ["po2", "float"])
def test_every_hidden_activation_code_equals_brevitas(scales, tmp_path):
    """The codes of both hidden quantizers on all test images, in the lowered graph."""
    script = Path(__file__).with_name("hidden_codes.py")
    command = [sys.executable, "-W", "ignore", str(script), str(EXAMPLE.parent), str(tmp_path), scales]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n")[:2] == ["0 of 368640", "0 of 92160"]
