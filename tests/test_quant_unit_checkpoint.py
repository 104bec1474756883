"""Unit-wise methods that were stopped go on behind their last unit, and end as if they had not been."""

import re

import pytest
import torch

from gatewright.errors import InputError
from gatewright.quant import unit_learning, unitwise
from gatewright.quant.network import of_module
from gatewright.quant.request import Request
from unit_nets import chain, residual

CALLS = {
    "layerwise": (unitwise.layerwise, ()),
    "brecq": (unitwise.brecq, ()),
    "unitwise": (unitwise.unitwise, ()),
    "triples": (unitwise.unitwise, ("triples",)),
}


class StoppedError(Exception):
    """What a test stops a run with."""


@pytest.fixture
def fits(monkeypatch):
    """Fits as they are made, and how many may be: ``{"made": 0, "most": None}``."""
    state, fit = {"made": 0, "most": None}, unit_learning.fit

    def counted(*given):
        if state["made"] == state["most"]:
            raise StoppedError
        state["made"] += 1
        fit(*given)

    monkeypatch.setattr(unit_learning, "fit", counted)
    return state


@pytest.fixture(scope="module")
def images():
    """Frames as the networks take them."""
    return torch.rand(64, 1, 8, 8, generator=torch.Generator().manual_seed(2))


def float_network(make, images):
    torch.manual_seed(3)
    return of_module(make().eval(), images[:2])


def request(images, checkpoint=None, labels=True, **more):
    told = torch.arange(len(images)) % 10 if labels else None
    return Request(3, 4, images, told, epochs=2, checkpoint=checkpoint, **more)


def weights(module):
    """All of the quantized network, by name."""
    return module.state_dict()


@pytest.mark.parametrize(
    ("name", "make", "share"),
    [
        ("layerwise", chain, 0.3),
        ("brecq", residual, 0.8),
        ("unitwise", residual, 0.5),
        ("triples", chain, 0.1),
    ],
)
def test_the_same_stopped_or_not(name, make, share, images, fits, tmp_path):
    """In the first pass, in the second, and between windows; to the bit."""
    call, options = CALLS[name]
    network, path = float_network(make, images), tmp_path / "state.pt"
    whole = weights(call(network, request(images, options=options)))
    total = fits["made"]
    most = max(round(share * total), 1)
    assert 0 < most < total
    fits |= {"made": 0, "most": most}
    with pytest.raises(StoppedError):
        call(network, request(images, path, options=options))
    fits |= {"made": 0, "most": total - most}
    found = weights(call(network, request(images, path, options=options)))
    assert fits["made"] == total - most
    assert found.keys() == whole.keys()
    assert all(torch.equal(found[key], whole[key]) for key in whole)
    fits |= {"made": 0, "most": 0}
    again = weights(call(network, request(images, path, options=options)))
    assert all(torch.equal(again[key], whole[key]) for key in whole)
    assert not list(tmp_path.glob("*.part"))


def test_other_runs_are_refused(images, fits, tmp_path):
    """Of another seed, method, images, bits, network, or without labels."""
    network, path = float_network(chain, images), tmp_path / "state.pt"
    unitwise.unitwise(network, request(images, path))
    before = path.read_bytes()
    others = [
        (unitwise.unitwise, network, request(images, path, seed=2)),
        (unitwise.layerwise, network, request(images, path)),
        (unitwise.unitwise, network, request(images.flip(0), path)),
        (unitwise.unitwise, network, request(images, path, first_last_bits=7)),
        (unitwise.unitwise, float_network(residual, images), request(images, path)),
        (unitwise.unitwise, network, request(images, path, labels=False)),
    ]
    message = r"^quantize: checkpoint state\.pt must be of this network, images and request, not of others\. "
    for call, net, asked in others:
        with pytest.raises(InputError, match=message):
            call(net, asked)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "content", [b"", b"no checkpoint", {"fits": 2}, [1, 2], {"x": re.compile("objects")}]
)
def test_files_that_are_no_checkpoints_are_refused(content, images, tmp_path):
    """Also what would need unpickling of objects."""
    path = tmp_path / "state.pt"
    path.write_bytes(content) if isinstance(content, bytes) else torch.save(content, path)
    message = r"^quantize: state\.pt must be a checkpoint of this method, but .*\. Delete it\.$"
    with pytest.raises(InputError, match=message):
        unitwise.unitwise(float_network(chain, images), request(images, path))


def test_a_file_in_no_folder_is_refused_before_the_work(images, fits, tmp_path):
    """Rather than when the first unit is done."""
    path = tmp_path / "no" / "state.pt"
    message = r"^quantize: checkpoint .*state\.pt cannot be written: its folder does not exist\.$"
    with pytest.raises(InputError, match=message):
        unitwise.unitwise(float_network(chain, images), request(images, path))
    assert fits["made"] == 0
