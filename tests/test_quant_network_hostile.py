"""Damaged and hostile .pt2 files: one InputError each; nothing is unpickled, run or read from elsewhere."""

import json
import pickle
import zipfile

import numpy as np
import pytest
import torch
from torch import nn

from gatewright.errors import InputError
from gatewright.quant.network import load
from quant_networks import frames

X = frames(2)


@pytest.fixture(scope="module")
def members(tmp_path_factory):
    """The members of a good archive, by name."""
    path = tmp_path_factory.mktemp("pt2") / "net.pt2"
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(144, 5))
    torch.export.save(torch.export.export(net.eval(), (X,)), path)
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def written(path, members):
    """An archive of these members."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def ending(members, tail):
    (name,) = (n for n in members if n.endswith(tail))
    return name


def edited(members, tail, change):
    """The members with one JSON file changed in place by ``change``."""
    name = ending(members, tail)
    content = json.loads(members[name])
    change(content)
    return members | {name: json.dumps(content).encode()}


class Bomb:
    """Leaves a mark when it is unpickled."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return open, (self.mark, "w")


def test_the_good_archive_is_read(members, tmp_path):
    assert load(written(tmp_path / "net.pt2", members), X)(X).shape == (2, 5)


def test_pickles_are_never_loaded(members, tmp_path):
    """Example inputs are pickles that torch's own loader unpickles; a weight may say that it is one."""
    mark = tmp_path / "mark"
    bomb = pickle.dumps(Bomb(str(mark)))
    samples = ending(members, "sample_inputs/model.pt")
    assert load(written(tmp_path / "a.pt2", members | {samples: bomb}), X)(X).shape == (2, 5)

    def lie(config):
        config["config"]["0.weight"]["use_pickle"] = True

    hostile = edited(members, "model_weights_config.json", lie)
    hostile[ending(members, "weights/weight_0")] = bomb
    with pytest.raises(
        InputError, match=r"tensor '0\.weight' must be stored as plain bytes, not as a pickle"
    ):
        load(written(tmp_path / "b.pt2", hostile), X)
    assert not mark.exists()


def meta(content, **changes):
    content["config"]["0.weight"]["tensor_meta"].update(changes)


WEIGHTS = {
    "larger than its bytes": lambda c: meta(c, sizes=[{"as_int": i} for i in (4, 3, 3, 9)]),
    "huge": lambda c: meta(c, sizes=[{"as_int": 2**40}], strides=[{"as_int": 0}]),
    "behind its bytes": lambda c: meta(c, storage_offset={"as_int": 10**9}),
    "negative": lambda c: meta(c, sizes=[{"as_int": -4}] * 4),
    "of another type": lambda c: meta(c, dtype=99),
    "elsewhere": lambda c: c["config"]["0.weight"].update(path_name="../../../../etc/passwd"),
    "no tensor": lambda c: c["config"].update({"0.weight": 7}),
    "gone": lambda c: c["config"].pop("0.weight"),
}  # fmt: skip


def first(content):
    """The first node of the graph."""
    return content["graph_module"]["graph"]["nodes"][0]


SECOND = {"user_input": {"arg": {"as_tensor": {"name": "z"}}}}
GRAPHS = {
    "another operator": lambda c: first(c).update(target="torch.ops.aten.fft_fft.default"),
    "a system call": lambda c: first(c).update(target="os.system"),
    "an unknown operand": lambda c: first(c)["inputs"][0]["arg"].update(as_tensor={"name": "q"}),
    "no nodes": lambda c: c["graph_module"]["graph"].update(nodes=[]),
    "two inputs": lambda c: c["graph_module"]["signature"]["input_specs"].append(SECOND),
    "no signature": lambda c: c["graph_module"].pop("signature"),
    "a list": lambda c: c["graph_module"].update(graph=[]),
}  # fmt: skip


@pytest.mark.parametrize(
    ("tail", "change"),
    [("model_weights_config.json", w) for w in WEIGHTS.values()]
    + [("models/model.json", g) for g in GRAPHS.values()],
    ids=[*WEIGHTS, *GRAPHS],
)
def test_changed_contents(members, tail, change, tmp_path):
    """One InputError that names the file."""
    path = written(tmp_path / "net.pt2", edited(members, tail, change))
    with pytest.raises(InputError, match=r"^network: .*net\.pt2"):
        load(path, X)


def test_an_unknown_operator_is_named(members, tmp_path):
    hostile = edited(members, "models/model.json", GRAPHS["another operator"])
    message = r"^network: .*: node 'conv2d': quantization does not take 'torch\.ops\.aten\.fft_.*', but .*\.$"
    with pytest.raises(InputError, match=message):
        load(written(tmp_path / "net.pt2", hostile), X)


def test_other_archives(members, tmp_path):
    """A zip of something else, two programs, none, cut off, nested too deep."""
    with pytest.raises(InputError, match=r"it must hold one models/model\.json, not 0\. Write it with .*"):
        load(written(tmp_path / "a.pt2", {"x": b""}), X)
    model = ending(members, "models/model.json")
    with pytest.raises(InputError, match=r"it must hold one models/model\.json, not 2\."):
        load(written(tmp_path / "b.pt2", members | {"other/models/model.json": b"{}"}), X)
    with pytest.raises(InputError, match=r"must be a program of torch\.export\.save, but cannot be read"):
        load(written(tmp_path / "c.pt2", members | {model: b"[" * 100_000}), X)
    whole = written(tmp_path / "d.pt2", members).read_bytes()
    (tmp_path / "e.pt2").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"^network: |^.*e\.pt2: must be an ONNX model"):
        load(tmp_path / "e.pt2", X)


@pytest.mark.parametrize("seed", range(60))
def test_flipped_bytes(members, seed, tmp_path):
    """A byte of the graph or of a table of weights changed: a network, or one InputError."""
    draw = np.random.default_rng(seed)
    name = ending(members, ("models/model.json", "model_weights_config.json")[seed % 2])
    data = bytearray(members[name])
    for _ in range(draw.integers(1, 6)):
        data[draw.integers(len(data))] = draw.integers(32, 127)
    path = written(tmp_path / "net.pt2", members | {name: bytes(data)})
    try:
        network = load(path, X)
    except InputError:
        with pytest.raises(InputError, match=r"^network: "):
            load(path, X)
    else:
        assert network(X).shape[0] == 2
