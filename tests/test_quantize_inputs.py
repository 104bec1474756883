"""What users may give ``gatewright quantize``: what does not fit is told in one line."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper
from torch import nn

import gatewright
from cli_calls import refused
from gatewright.errors import InputError
from quant_networks import frames

SHAPE = (1, 8, 8)


def small(classes=4):
    """Two layers and a norm, of a fixed seed."""
    torch.manual_seed(2)
    layers = (nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.AvgPool2d(6), nn.Flatten())
    return nn.Sequential(*layers, nn.Linear(4, classes)).eval()


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    """The network as a file."""
    path = tmp_path_factory.mktemp("small") / "small.pt2"
    batch = ({0: torch.export.Dim("n")},)
    torch.export.save(torch.export.export(small(), (frames(2, SHAPE),), dynamic_shapes=batch), path)
    return path


def arguments(program, folder, arrays, *more):
    """A call of the command on these arrays."""
    np.savez(folder / "data.npz", **arrays)
    return ["quantize", program, "--data", folder / "data.npz", "--out", folder / "q.onnx", *more]


@pytest.mark.parametrize("method", ["mse", "lsq"])
@pytest.mark.parametrize(
    ("given", "tested", "told"),
    [
        ([0, 4], [0, 1], "images must be .*, not 0 to 4"),
        ([0, 1], [-1, 3], "test images must be .*, not -1 to 3"),
    ],
)
def test_labels_beyond_the_outputs(program, tmp_path, capsys, method, given, tested, told):
    """Those of training and those of tests, whether the method reads them or only the report does."""
    x = frames(2, SHAPE).numpy()
    arrays = {"inputs": x, "labels": given, "test_inputs": x, "test_labels": tested}
    message = rf"quantize: labels of the {told}\."
    refused(capsys, arguments(program, tmp_path, arrays, "--method", method), message)
    assert not (tmp_path / "q.onnx").exists()


X = frames(4, SHAPE).numpy()
ARRAYS = {
    "strings": ({"inputs": np.array([["a"]])}, r"quantize: images must be floats or integers, not <U1\."),
    "complex": ({"inputs": X * 1j}, r"quantize: images must be floats or integers, not complex64\."),
    "test shape": ({"inputs": X, "test_inputs": X[:, :, 1:]},
                   r"quantize: test images must have the shape of images, \(1, 8, 8\), not \(1, 7, 8\)\."),
    "only test labels": ({"inputs": X, "test_labels": [0] * 4},
                         r"data: .*data\.npz must hold 'test_inputs' where it holds 'test_labels'"),
    "shape": ({"inputs": X[:, :, 3:]},
              r"network: .*small\.pt2: node .*: it must fit what comes before it, but torch says .*"),
}  # fmt: skip


@pytest.mark.parametrize(("arrays", "message"), ARRAYS.values(), ids=ARRAYS)
def test_arrays_that_do_not_fit(program, tmp_path, capsys, arrays, message):
    refused(capsys, arguments(program, tmp_path, arrays), message)


OPTIONS = {
    "seed": (("--seed", 2**63), r"quantize: the seed must be 0 to 2\*\*63 - 1, not 9223372036854775808\."),
    "negative": (("--seed", -1), r"quantize: the seed must be 0 to 2\*\*63 - 1, not -1\."),
    "one bit": (("--layer-bits", "x=1,4"), r"quantize: layer 'x' must have 2 to 8 bits, not 1 and 4\."),
    "nine bits": (("--layer-bits", "x=4,9"), r"quantize: layer 'x' must have 2 to 8 bits, not 4 and 9\."),
    "checkpoint": (("--method", "lsq", "--resume", "no/state"),
                   r"training: checkpoint no/state cannot be written: its folder does not exist\."),
}  # fmt: skip


@pytest.mark.parametrize(("more", "message"), OPTIONS.values(), ids=OPTIONS)
def test_options_that_do_not_fit(program, tmp_path, capsys, more, message):
    refused(capsys, arguments(program, tmp_path, {"inputs": X}, *more), message)


NODES = {
    "no output": (helper.make_node("Relu", ["x"], []), r"node '' \(Relu\): it must have an output\."),
    "no value": (helper.make_node("Constant", [], ["y"]),
                 r"node 'y' \(Constant\): it must be a valid node, but StopIteration: \."),
}  # fmt: skip


@pytest.mark.parametrize(("node", "message"), NODES.values(), ids=NODES)
def test_onnx_nodes_that_lack_something(node, message, tmp_path, capsys):
    x, y = (helper.make_tensor_value_info(n, TensorProto.FLOAT, ("n", *SHAPE)) for n in "xy")
    graph = helper.make_graph([node], "lacking", [x], [y])
    onnx.save(helper.make_model(graph, ir_version=10), tmp_path / "lacking.onnx")
    call = arguments(tmp_path / "lacking.onnx", tmp_path, {"inputs": X})
    refused(capsys, call, rf"network: .*lacking\.onnx: {message}")


def test_outputs_that_cannot_be_written(program, tmp_path, capsys):
    """Before the work, as it would be lost."""
    call = arguments(program, tmp_path, {"inputs": X})
    refused(capsys, [*call, "--html", tmp_path], r"output: .* must be a file, not a folder\.")
    message = r"output: --html must be another file than --out, not .*q\.onnx too\."
    refused(capsys, [*call, "--html", tmp_path / "q.onnx"], message)
    (tmp_path / "q.onnx").mkdir()
    refused(capsys, call, r"output: .*q\.onnx must be a file, not a folder\.")


def test_labels_of_what_is_no_classifier():
    """A frame of several axes has no greatest class."""
    message = (
        r"^quantize: labels must be of a network that gives one number for each class, not frames of shape "
        r"\(4, 8, 8\)\. Leave them out of the data\.$"
    )
    net = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 4, 1))
    with pytest.raises(InputError, match=message):
        gatewright.quantize(net, "lsq", (4, 4), frames(8, SHAPE), torch.zeros(8, dtype=torch.int64))


def test_classes_may_stand_along_an_image_of_one_pixel():
    """Training methods take their labels too."""
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.AvgPool2d(6), nn.Conv2d(4, 10, 1))
    for method in ("lsq", "unitwise"):
        found = gatewright.quantize(net, method, (4, 4), frames(64, SHAPE), torch.arange(64) % 10, epochs=1)
        assert found.report["graph"]["output"]["shape"] == [10, 1, 1]
        assert found.report["accuracy"] is not None


def test_sums_that_a_bias_cancels_are_equal():
    """What float32 rounds off a large bias is more than a thousandth of a small step, and no difference."""
    net = nn.Sequential(nn.Conv2d(1, 3, 1))
    with torch.no_grad():
        net[0].weight.copy_(torch.tensor([1.0, 0.9, 1.1]).reshape(3, 1, 1, 1))
        net[0].bias.fill_(-1.0)
    found = gatewright.quantize(net, "minmax", (8, 8), 1 + 1e-3 * frames(64, SHAPE))
    assert found.report["equal_frames"] == 64


@pytest.mark.parametrize(
    ("method", "what", "given"),
    [("mse", "epochs", 3), ("mse", "checkpoint", Path("x.pt")), ("unitwise", "teacher", nn.Identity())],
)
def test_what_a_method_has_no_use_for_is_refused(method, what, given):
    """Rather than left aside without a word."""
    message = rf"^quantize: method {method} must be given no {what}, as it has no use for it\.$"
    with pytest.raises(InputError, match=message):
        gatewright.quantize(
            nn.Sequential(nn.Conv2d(1, 3, 1)), method, (8, 8), frames(8, SHAPE), **{what: given}
        )
