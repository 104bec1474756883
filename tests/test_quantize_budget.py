"""``quantize --budget``: one reading of the network, designs within the budget, refusals."""

import re
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

import gatewright
from cli_calls import refused
from gatewright.__main__ import main
from gatewright.boards import load
from gatewright.driver import mixed, quantize
from gatewright.errors import InputError
from gatewright.quant import ptq, unitwise
from gatewright.quant.network import of_module
from gatewright.quant.request import Request
from quant_networks import frames

BOARD, INTERVAL, WIDTHS = "tul_pynq_z2", 2000, (2, 4)
SHAPE = (1, 8, 8)


def net():
    """Three layers, of a fixed seed."""
    torch.manual_seed(4)
    layers = (nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Conv2d(4, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(128, 3))
    return nn.Sequential(*layers).eval()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The network as a file, and frames with labels."""
    path = tmp_path_factory.mktemp("budget")
    batch = ({0: torch.export.Dim("n")},)
    torch.export.save(torch.export.export(net(), (frames(2, SHAPE),), dynamic_shapes=batch), path / "net.pt2")
    x = frames(48, SHAPE)
    np.savez(path / "data.npz", inputs=x.numpy(), labels=net()(x).argmax(1).numpy())
    return path


def arguments(folder, *more):
    """A call of the command."""
    return ["quantize", folder / "net.pt2", "--data", folder / "data.npz", "--out", folder / "q.onnx", *more]


def budget(limit, *more):
    """Its options for LUTs."""
    return ["--budget", f"lut={limit}", "--board", BOARD, "--interval", INTERVAL, *more]


def test_the_network_is_read_once_and_keeps_the_budget(folder, monkeypatch, capsys):
    """Between what 2 and 4 bits take; labels have a say in the last choice."""
    monkeypatch.setattr(mixed, "mixed_precision", partial(mixed.mixed_precision, widths=WIDTHS))
    images = frames(48, SHAPE)
    price = mixed.pricing(mixed.Budget(load(BOARD), INTERVAL, {}), images[:1])
    network, limits = of_module(net(), images[:1]), []
    for bits in WIDTHS:
        parts = price(ptq.mse(network, Request(bits, bits, images)))
        limits.append(sum(part["lut"] for part in parts))
    assert limits[0] < limits[1]
    read, source = [], quantize.source_network
    monkeypatch.setattr(quantize, "source_network", lambda *given: (read.append(given), source(*given))[1])
    limit = round(sum(limits) / 2)
    assert main([str(a) for a in arguments(folder, *budget(limit))]) == 0
    assert len(read) == 1
    (found,) = re.findall(r"chosen within the budget: (\d+) LUT", capsys.readouterr().err)
    assert limits[0] <= int(found) <= limit
    assert (folder / "q.onnx").is_file()


def test_methods_that_learn_try_by_mse(monkeypatch):
    """Minutes a network would be hours a budget."""
    monkeypatch.setattr(unitwise, "unitwise", None)
    network, images = of_module(net(), frames(1, SHAPE)), frames(32, SHAPE)
    found = [
        mixed.search(network, Request(4, 4, images), mixed.Budget(BOARD, INTERVAL, {"lut": 1}), name, (2, 4))
        for name in ("unitwise", "mse")
    ]
    assert found[0].known.trials == found[1].known.trials
    assert found[0].known.sensitivity == found[1].known.sensitivity


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--board", BOARD], r"quantize: --board must come with --budget KIND=N\."),
        (["--fps", "5"], r"quantize: --fps must come with --budget KIND=N\."),
        (budget("x"), r"quantize: --budget must be KIND=N such as lut=5000, not 'lut=x'\."),
        (budget(9)[:4], r"quantize: --budget must come with --board, and with --interval or --fps\."),
        (budget(9, "--layer-bits", "a=2,2"), "quantize: bits of layers must .*, not both\\."),
        (["--budget", "luts=5", *budget(5)[2:]], "quantize: a budget must be of lut, .*, not 'luts'\\."),
    ],
)  # fmt: skip
def test_options_that_do_not_fit_are_refused(folder, capsys, more, message):
    """In one line, before anything is written."""
    (folder / "q.onnx").unlink(missing_ok=True)
    refused(capsys, arguments(folder, *more), message)
    assert not (folder / "q.onnx").exists()


def test_layer_bits_and_a_budget_are_too_many():
    """From Python, as on the command line."""
    given = {"layer_bits": {"a": (2, 2)}, "budget": mixed.Budget(BOARD, INTERVAL, {"lut": 9000})}
    with pytest.raises(
        InputError, match=r"^quantize: bits of layers must be given or come from a budget, not b"
    ):
        gatewright.quantize(net(), "mse", (4, 4), frames(4, SHAPE), **given)
