"""``gatewright inspect`` for a board with a processor: which kernels compute each node."""

import json

import numpy as np
import pytest
from jsonschema import Draft202012Validator

from cli_calls import refused
from driver_models import PYNQ, ULX3S, image_net, saved, vector_net
from gatewright.__main__ import main
from gatewright.compiler.ir.graph import Const, Graph, input_of
from gatewright.compiler.ir.ops import Add, Conv2d, MaxPool, Reshape, Threshold
from gatewright.compiler.neon import lower
from gatewright.driver.inspection import inspect, require_taken
from gatewright.errors import LoweringError
from gatewright.report.schema import inspection_schema

PI = "raspberrypi_4b"


def valid(found) -> dict:
    """What was found, after a check against the documented schema."""
    Draft202012Validator(inspection_schema()).validate(json.loads(json.dumps(found)))
    return found


def two_ends() -> Graph:
    """Two inputs and two outputs."""
    x, z = (input_of(name, (4,), -8, 7) for name in "xz")
    return Graph((x, z), (Add()(x, z, name="sum"), Threshold()(x, Const(np.array([[1]])), name="sign")))


def test_each_node_and_its_kernels(tmp_path):
    """Functions behind a product are computed with it; a reshape in memory needs nothing."""
    rng = np.random.default_rng(0)
    x = input_of("x", (8, 8, 16), -128, 127)
    conv = Conv2d(pads=(1, 1, 1, 1), groups=16)(x, Const(rng.integers(-9, 9, (3, 3, 1, 16))), name="deep")
    act = Threshold()(conv, Const(np.array([[-50, 0, 50]])), name="act")
    pool = MaxPool((2, 2), (2, 2))(act, name="pool")
    graph = Graph((x,), (Reshape((256,))(pool, name="flat"),))
    found = valid(inspect(saved(tmp_path, graph), PI))
    assert (found["target"], found["problems"], found["board"]["name"]) == ("arm", [], PI)
    require_taken(found)
    layers = {layer["name"]: layer for layer in found["model"]["layers"]}
    assert "depthwise" in layers["deep"]["kernels"]
    assert layers["act"]["kernels"] == layers["deep"]["kernels"]
    assert layers["pool"]["kernels"] == ["max_pool"]
    assert [n["kernels"] for n in found["nodes"]] == [layer["kernels"] for layer in layers.values()]
    assert all(n["targets"] == ["reference", "onnx", "fpga", "arm"] for n in found["nodes"])


def test_the_core_decides(tmp_path):
    """What has SDOT uses it; ``--target`` chooses the processor of a board that has both."""
    model = saved(tmp_path, image_net())
    kernels = {
        board: inspect(model, board, "arm")["model"]["layers"][0]["kernels"]
        for board in (PI, "raspberrypi_5", PYNQ)
    }
    assert "dot" in kernels["raspberrypi_5"]
    assert "dot" not in kernels[PI] + kernels[PYNQ]
    found = valid(inspect(model, PYNQ))
    assert found["target"] == "fpga"
    assert {n["kernels"] for n in found["nodes"]} == {None}
    assert all("arm" not in layer["targets"] for layer in found["model"]["layers"])


def test_the_terminal_names_kernels(tmp_path, capsys):
    assert main(["inspect", str(saved(tmp_path, vector_net())), "--board", PI]) == 0
    said = capsys.readouterr().out
    assert "Raspberry Pi 4" in said
    assert "kernels" in said
    assert "arm" in said
    assert main(["inspect", str(tmp_path / "model.onnx"), "--board", PYNQ]) == 0
    assert "kernels" not in capsys.readouterr().out


def test_what_the_library_cannot_be(tmp_path, monkeypatch):
    """Several inputs or outputs, and an op without a rule."""
    path = saved(tmp_path, two_ends())
    rule = (
        "arm: a compile is for 1 input and 1 output, not 2 and 2. "
        "Cut the model where one tensor enters and one leaves."
    )
    assert valid(inspect(path, PI))["problems"] == [rule]
    fewer = {op: rules for op, rules in lower.NEON.rules.items() if op is not Add}
    monkeypatch.setattr(lower, "NEON", lower.Target("neon", fewer))
    found = valid(inspect(path, PI))
    by_name = {n["name"]: n for n in found["nodes"]}
    assert by_name["sum"]["refusals"][0].startswith("neon: no rule for 'add' (node 'sum': ")
    assert ("arm" in by_name["sum"]["targets"], "arm" in by_name["sign"]["targets"]) == (False, True)
    assert by_name["sign"]["kernels"] == []
    with pytest.raises(LoweringError, match=rf"inspect: .* on {PI}, but not all are \(2 reasons\):"):
        require_taken(found)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--target", "arm"), r"inspect: --target must come with --board, of which it is a part"),
        (("--board", PI, "--target", "gpu"), r"inspect: --target must be one of fpga, arm, hls, xls, not .*"),
        (("--board", PI, "--target", "fpga"), rf"inspect: {PI} has a processor only, no FPGA\. Use .*"),
        (
            ("--board", ULX3S, "--target", "arm"),
            rf"inspect: {ULX3S} has no processor that is known\. Use --target fpga\.",
        ),
    ],
)  # fmt: skip
def test_targets_that_make_no_sense(capsys, tmp_path, arguments, message):
    refused(capsys, ["inspect", saved(tmp_path, vector_net()), *arguments], message)
