"""``gatewright quantize`` and ``gatewright.quantize`` on digits: files whole or none, true figures."""

import json
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch import nn

import gatewright
from cli_calls import refused
from gatewright.__main__ import main
from gatewright.compiler.ir.evaluate import evaluate
from gatewright.errors import GraphError, InputError
from gatewright.quant.methods import METHODS
from gatewright.quant.ptq import minmax
from gatewright.report.formats import QUANTIZE
from gatewright.report.html_quantize import render_quantize, worst_layers

DOCS = Path(__file__).resolve().parents[1] / "docs"
TRAINED = 1200


class Digits(nn.Module):
    """A sum and a depthwise layer, for images of 8 x 8."""

    def __init__(self):
        super().__init__()
        self.stem, self.norm = nn.Conv2d(1, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8)
        self.body, self.body_norm = nn.Conv2d(8, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8)
        self.depth, self.point = nn.Conv2d(8, 8, 3, padding=1, groups=8), nn.Conv2d(8, 16, 1)
        self.head = nn.Linear(16, 10)

    def forward(self, x):
        x = torch.relu(self.norm(self.stem(x)))
        x = nn.functional.max_pool2d(torch.relu(x + self.body_norm(self.body(x))), 2)
        x = torch.relu(self.point(torch.relu(self.depth(x))))
        return self.head(x.mean((2, 3)))


@pytest.fixture(scope="module")
def data():
    """Images (N, 1, 8, 8) in [0, 1] and labels, shuffled."""
    source = load_digits()
    order = np.random.default_rng(0).permutation(len(source.target))
    images = (source.images / 16).astype(np.float32)[order, None]
    return torch.from_numpy(images), torch.from_numpy(source.target.astype(np.int64)[order])


@pytest.fixture(scope="module")
def network(data):
    """A float network, trained for ten epochs."""
    torch.set_num_threads(1)
    torch.manual_seed(1)
    images, labels = data
    net = Digits()
    optimizer = torch.optim.Adam(net.parameters(), 1e-2)
    for _ in range(10):
        for part in torch.randperm(TRAINED).split(40):
            optimizer.zero_grad()
            nn.functional.cross_entropy(net(images[part]), labels[part]).backward()
            optimizer.step()
    return net.eval()


@pytest.fixture(scope="module")
def folder(network, data, tmp_path_factory):
    """The network as a program, and the data as an archive."""
    path = tmp_path_factory.mktemp("digits")
    images, labels = (part.numpy() for part in data)
    program = torch.export.export(network, (data[0][:2],), dynamic_shapes=({0: torch.export.Dim("n")},))
    torch.export.save(program, path / "digits.pt2")
    tested = slice(TRAINED, TRAINED + 200)
    np.savez(path / "tested.npz", inputs=images[:128], labels=labels[:128],
             test_inputs=images[tested], test_labels=labels[tested])  # fmt: skip
    np.savez(path / "plain.npz", inputs=images[:96])
    return path


def arguments(folder, out, *more, data="tested.npz"):
    """A call of the command."""
    return ["quantize", str(folder / "digits.pt2"), "--bits", "4,4", "--data", str(folder / data),
            "--out", str(out), *map(str, more)]  # fmt: skip


def right(outputs, labels):
    return float((outputs.reshape(len(outputs), -1).argmax(1) == np.asarray(labels)).mean())


def test_a_program_becomes_a_graph_and_a_report(folder, network, data, tmp_path, capsys):
    """The graph computes what the report says of it; accuracy is that of the test frames."""
    out, page = tmp_path / "q.onnx", tmp_path / "q.html"
    more = ("--html", page, "--json", "--equalize", "--bias-correction", "--layer-bits", "body=6,5")
    assert main(arguments(folder, out, *more)) == 0
    told = capsys.readouterr()
    report = json.loads(told.out)
    QUANTIZE.validate(report)
    assert "quantizing by mse, 4 bits of weights and 4 of activations" in told.err
    images, labels = (part[TRAINED : TRAINED + 200] for part in data)
    graph = gatewright.load_model(out)
    (q,) = evaluate(graph, graph.encodings[0].apply(images.numpy(), graph.inputs[0].type))
    with torch.no_grad():
        wanted = network(images).double().numpy()
    assert report["accuracy"] == {"float": right(wanted, labels), "integer": right(q, labels)}
    assert report["accuracy"]["integer"] > 0.8
    noise = ((graph.decodings[0].apply(q) - wanted) ** 2).sum()
    assert report["sqnr_db"] == pytest.approx(10 * np.log10((wanted**2).sum() / noise), abs=0.006)
    assert (report["tested_on"], report["equal_frames"]) == ("test", 200)
    bits = {layer["name"]: (layer["weight_bits"], layer["input_bits"]) for layer in report["layers"]}
    assert bits == {"stem": (8, 8), "body": (6, 5), "depth": (4, 4), "point": (4, 4), "head": (8, 8)}
    assert report["options"] == ["equalize", "bias-correction"]
    assert report["layers"][-1]["sqnr_db"] == pytest.approx(report["sqnr_db"], abs=2)
    assert page.read_text("utf-8") == render_quantize(report)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["q.html", "q.onnx"]


def test_for_people(folder, tmp_path, capsys):
    """Without test frames the report says on what accuracy was measured; quiet says nothing."""
    assert main(arguments(folder, tmp_path / "q.onnx", data="plain.npz")) == 0
    told = capsys.readouterr().out
    assert "digits by mse  4 bits of weights, 4 of activations, 8 first and last" in told
    assert "accuracy" not in told
    assert "integer graph = quantized module on all 96 frames" in told
    assert "hurt most when quantized alone: " in told
    assert main(arguments(folder, tmp_path / "r.onnx", "--quiet", "--method", "kl", data="plain.npz")) == 0
    assert capsys.readouterr() == ("", "")
    assert gatewright.load_model(tmp_path / "r.onnx").nodes()


def test_a_module_in_memory(network, data):
    """The same from Python; on the frames that were given, as there are no others."""
    images, labels = data
    steps = []
    found = gatewright.quantize(network, "percentile", (8, 8), images[:100], labels[:100], say=steps.append)
    assert found.report["tested_on"] == "data"
    assert found.report["model"]["name"] == found.graph.name == "digits"
    assert len(steps) == 4
    assert found.report["sqnr_db"] > 25
    with torch.no_grad():
        assert found.report["accuracy"]["integer"] == right(found.module(images[:100]).numpy(), labels[:100])


def test_a_training_method_with_a_teacher(folder, tmp_path, capsys):
    """It takes epochs, a seed, a teacher from a file, and a file of its state."""
    state = tmp_path / "state.pt"
    more = ("--method", "lsq", "--epochs", 1, "--seed", 3, "--resume", state, "--json",
            "--teacher", folder / "digits.pt2")  # fmt: skip
    assert main(arguments(folder, tmp_path / "q.onnx", *more)) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["method"]["trains"], report["seed"], report["epochs"]) == (True, 3, 1)
    assert state.exists()
    assert report["accuracy"]["integer"] > 0.5


class Liar(nn.Module):
    """Says something else than it exports."""

    def __init__(self, honest):
        super().__init__()
        self.honest = honest

    def forward(self, x):
        return self.honest(x) + (0.0 if torch.onnx.is_in_onnx_export() else 1.0)


def test_a_module_that_differs_writes_nothing(folder, tmp_path, monkeypatch, capsys):
    """The proof comes before the files."""
    monkeypatch.setattr("gatewright.quant.methods.Method.load", lambda self: lambda *a: Liar(minmax(*a)))
    message = (
        r"quantize: the integer graph must equal the quantized module, but differs on 200 of 200 frames\. "
        r"This is a defect of the method: please report it\."
    )
    refused(capsys, arguments(folder, tmp_path / "q.onnx", "--html", tmp_path / "q.html"), message)
    assert list(tmp_path.iterdir()) == []


def test_refusals(folder, tmp_path, capsys):
    """Bits, methods, options, files: each in one line, before anything is written."""
    out = tmp_path / "q.onnx"

    def told(message, *more, out=out, data="tested.npz"):
        refused(capsys, arguments(folder, out, *more, data=data), message)

    names = ", ".join(METHODS)
    told(rf"quantize: the method must be one of {names}, not 'best'\.", "--method", "best")
    told(r"quantize: --bits must be W,A such as 4,4, not '4;4'\.", "--bits", "4;4")
    told(r"quantize: weights of method mse must have 2 to 8 bits, not 9\.", "--bits", "9,4")
    told(r"quantize: --layer-bits must be LAYER=W,A, not '4,4'\.", "--layer-bits", "4,4")
    told(r"quantize: layers must be among stem, .*, not 'x'\.", "--layer-bits", "x=4,4")
    told(r"quantize: options of method lsq must be among none, not 'equalize'\.",
         "--method", "lsq", "--equalize")  # fmt: skip
    told(r"quantize: method lsq must have one width for all layers\. Use mse\.",
         "--method", "lsq", "--layer-bits", "stem=4,4")  # fmt: skip
    told(r"output: .*q\.bin must end in \.onnx, as compile takes it\.", out=tmp_path / "q.bin")
    told(r"output: .*q\.onnx cannot be written: its folder does not exist\.", out=tmp_path / "no" / "q.onnx")
    told(r"data: .*none\.npz does not exist", data="none.npz")
    np.savez(folder / "other.npz", images=np.zeros((2, 1, 8, 8)))
    told(r"data: .*other\.npz must hold an array 'inputs', not only \['images'\]", data="other.npz")
    np.savez(folder / "bad.npz", inputs=np.full((2, 1, 8, 8), np.nan))
    told(r"quantize: images must be at least one frame .* of finite numbers, not shape .*", data="bad.npz")
    np.savez(folder / "odd.npz", inputs=np.zeros((2, 1, 8, 8)), labels=np.zeros(3, int))
    told(r"quantize: labels must be one whole number for each of 2 images, not 3 of .*", data="odd.npz")
    assert list(tmp_path.iterdir()) == []


def test_methods_that_need_labels(network, data):
    for name, way in METHODS.items():
        if way.needs_labels:
            message = rf"^quantize: method {name} must have labels\. Put an array 'labels' into the data\.$"
            bits = (way.weights[0], way.activations[0])
            with pytest.raises(InputError, match=message):
                gatewright.quantize(network, name, bits, data[0][:64])
    with pytest.raises((InputError, GraphError), match=r"^quantize: images must be at least one frame"):
        gatewright.quantize(network, "mse", (4, 4), data[0][:0])


def test_the_page_of_methods_has_all_of_them():
    """With the bits that each takes."""
    lines = (DOCS / "quant-methods.md").read_text("utf-8").splitlines()
    rows = [line.split("|") for line in lines if line.startswith("| `")]
    found = {row[1].strip(" `"): tuple(cell.strip() for cell in row[3:5]) for row in rows}

    def told(bits):
        return str(bits[0]) if bits[0] == bits[1] else f"{bits[0]}-{bits[1]}"

    assert found == {name: (told(m.weights), told(m.activations)) for name, m in METHODS.items()}
    text = (DOCS / "quantize.md").read_text("utf-8")
    assert all(f"--{option}" in text for m in METHODS.values() for option in m.options)


# The page of a report.


def example(**changes):
    """A report as it might be, its names chosen to break a page."""
    layer = {"name": "<b>&", "kind": "Conv2d", "weights": 9, "weight_bits": 4, "input_bits": 4,
             "sqnr_db": None, "alone_db": 12.5}  # fmt: skip
    tensor = {"shape": [1], "range": [0, 1, 1], "scale": [1.0], "offset": [0.0]}
    return {
        "schema": "gatewright-quantize/1", "gatewright": "0.1.0",
        "model": {"name": "<script>", "file": "<i>.onnx", "sha256": "0" * 64, "shape": [3, 8, 8], "macs": 10,
                  "parameters": 9},
        "method": {"name": "mse", "title": "t", "paper": "", "trains": False}, "options": [],
        "bits": {"weights": 4, "activations": 4, "first_last": 8}, "seed": 1, "epochs": None,
        "frames": {"given": 2, "tested": 2}, "tested_on": "data", "accuracy": None, "sqnr_db": 20.0,
        "equal_frames": 2, "layers": [layer, layer | {"name": "b", "sqnr_db": -3.0, "alone_db": 90.0}],
        "graph": {"nodes": 3, "input": {"shape": [1], "range": [0, 1, 1], "scale": None}, "output": tensor},
        "seconds": 1.0, **changes,
    }  # fmt: skip


class Tags(HTMLParser):
    """Names of elements."""

    def __init__(self):
        super().__init__()
        self.names = set()

    def handle_starttag(self, tag, attrs):
        self.names.add(tag)
        assert not any(key.startswith("on") or key in ("src", "srcset") for key, _ in attrs)


def test_the_page_is_whole_and_safe():
    """Nothing runs or loads, whatever a name holds; equal reports give equal pages."""
    page = render_quantize(example())
    tags = Tags()
    tags.feed(page)
    assert not tags.names & {"script", "b><", "img", "link", "iframe", "object"}
    assert "&lt;script&gt;" in page
    assert page == render_quantize(example(seconds=9.0))
    shown = render_quantize(example(accuracy={"float": 0.5, "integer": 0.25}))
    assert "Accuracy before and after" in shown
    assert "25 %" in shown
    assert [layer["name"] for layer in worst_layers(example())] == ["<b>&", "b"]


def test_reports_that_break_the_schema():
    with pytest.raises(
        InputError, match=r"^quantize\.tested_on: must be one of .*docs/quantize-report\.md lists"
    ):
        render_quantize(example(tested_on="elsewhere"))
