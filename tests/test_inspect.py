"""``gatewright inspect``: every node of the source, what it becomes, which targets take it, or why not."""

import json
import re
import time
from dataclasses import replace

import numpy as np
import pytest
from jsonschema import Draft202012Validator

from cli_calls import refused
from driver_models import ULX3S, image_net, saved
from gatewright.__main__ import main
from gatewright.compiler.frontends import survey
from gatewright.compiler.ir.graph import Const, Graph, input_of
from gatewright.compiler.ir.ops import Conv2d, MatMul, MaxPool, ReduceSum, Reshape, Threshold
from gatewright.compiler.passes.pipeline import run as run_passes
from gatewright.compiler.target import Target
from gatewright.driver import coverage as coverage_module
from gatewright.driver.coverage import coverage
from gatewright.driver.inspection import inspect, require_taken
from gatewright.driver.sources import owners, partial_graph
from gatewright.errors import BoardError, InputError, LoweringError
from gatewright.hw.lower import FPGA
from gatewright.report.docs import inspection_markdown
from gatewright.report.schema import inspection_schema
from mutation_models import qdq, qonnx, tflite
from qonnx_models import Net
from test_architecture import ROOT


def written(folder, data: bytes, name="m.onnx"):
    """A model's bytes as a file."""
    (folder / name).write_bytes(data)
    return folder / name


def rows(found) -> dict:
    """The source's nodes by name."""
    return {n["name"]: n for n in found["nodes"]}


def valid(found) -> dict:
    """What was found, after a check against the documented schema."""
    Draft202012Validator(inspection_schema()).validate(json.loads(json.dumps(found)))
    return found


def test_every_node_of_a_qonnx_model(tmp_path):
    """Layers of its own, arithmetic that goes into others, constants; all on the board."""
    found = valid(inspect(written(tmp_path, qonnx()[0]), ULX3S))
    assert (found["format"], found["board"]["name"], found["problems"]) == ("qonnx", ULX3S, [])
    assert {n["name"]: (n["op"], n["outcome"], n["becomes"]) for n in found["nodes"]} == {
        "quant0": ("Quant", "taken", []),
        "quant1": ("Quant", "constant", []),
        "conv2": ("Conv", "taken", ["conv2d"]),
        "batchnormalization3": ("BatchNormalization", "taken", []),
        "relu4": ("Relu", "taken", []),
        "quant5": ("Quant", "taken", ["threshold"]),
        "maxpool6": ("MaxPool", "taken", ["maxpool"]),
        "reshape7": ("Reshape", "taken", ["reshape"]),
        "quant8": ("Quant", "constant", []),
        "matmul9": ("MatMul", "taken", ["matmul"]),
    }
    assert all(n["targets"] == ["reference", "onnx", "fpga"] for n in found["nodes"])
    require_taken(found)


@pytest.mark.parametrize(
    "data",
    [*qonnx(), *qdq(), *tflite()[2:]],
    ids=["cnn", "mlp", "residual", "static", "tflite", "sum", "softmax"],
)
def test_each_layer_belongs_to_one_node(tmp_path, data):
    """Layers that passes made or moved included; together they are the graph, in its order."""
    path = written(tmp_path, data)
    found = valid(inspect(path))
    layers = found["model"]["layers"]
    assert all(layer["node"] in rows(found) for layer in layers)
    assert sum(len(n["becomes"]) for n in found["nodes"]) == len(layers)
    for node in found["nodes"]:
        own = [layer for layer in layers if layer["node"] == node["name"]]
        assert [layer["op"] for layer in own] == node["becomes"]
        assert set(node["targets"]) == set.intersection(
            {"reference", "onnx", "fpga"}, *(set(layer["targets"]) for layer in own)
        )


def grouped_net() -> Graph:
    """Layers that the FPGA takes, and behind them a sum over axes that lie apart, which it does not."""
    x = input_of("x", (4, 4, 2), 0, 3)
    y = Conv2d()(x, Const(np.ones((1, 1, 2, 2), dtype=int) * np.array([1, 2])), name="dense")
    y = Conv2d(groups=2)(y, Const(np.full((2, 2, 1, 2), 3)), name="grouped")
    y = Threshold()(y, Const(np.array([[5, 9, 11]])), name="fine")
    y = MatMul()(y, Const(np.array([[-3, 70], [2, -5]])), name="sum")
    return Graph((x,), (ReduceSum((0, 2))(y, name="wide"),), "g")


def test_all_nodes_are_asked(tmp_path):
    """Not only up to the first that is refused; shapes and types of known ops count."""
    found = valid(inspect(saved(tmp_path, grouped_net()), ULX3S))
    refusals = {n["name"]: n["refusals"] for n in found["nodes"]}
    assert [bool(r) for r in refusals.values()] == [not taken(n) for n in found["nodes"]]
    assert not refusals["dense"] + refusals["fine"] + refusals["sum"]
    assert re.match(r"fpga: reduce_sum must be over neighbouring axes", refusals["wide"][0])
    with pytest.raises(LoweringError) as caught:
        require_taken(found)
    first, *reasons = str(caught.value).splitlines()
    assert reasons == [f"  {p}" for p in found["problems"]]
    assert re.fullmatch(
        rf"inspect: every node of model\.onnx must be taken on {ULX3S}, but not all are "
        rf"\(({len(reasons)} reasons|1 reason)\):", first,
    )  # fmt: skip


def taken(node) -> bool:
    """Whether the FPGA takes a node."""
    return "fpga" in node["targets"]


def test_without_a_board_the_fpga_may_refuse(tmp_path, capsys):
    """Then only what cannot be imported is a problem."""
    path = saved(tmp_path, grouped_net())
    found = valid(inspect(path))
    assert (found["board"], found["problems"]) == (None, [])
    assert not taken(rows(found)["wide"])
    assert main(["inspect", str(path)]) == 0
    assert main(["inspect", str(path), "--board", ULX3S]) == 2
    told = capsys.readouterr()
    assert told.err.startswith(f"gatewright: inspect: every node of model.onnx must be taken on {ULX3S}")
    assert told.out.count("of the nodes are not for an FPGA; with --board BOARD it is told why.") == 1
    # Once in each of two tables, for each of two calls.
    assert told.out.count("wide") == 4


def refused_net() -> Net:
    """Two operators that none lowers, beside layers of others."""
    rng = np.random.default_rng(0)
    net = Net((1, 2, 4, 4))
    x = net.quant("x", 0.25, 8, 0)
    y = net.node("Conv", x, net.weights(rng.normal(size=(2, 2, 3, 3)), 0.5), name="conv")
    y = net.quant(y, 0.5, 3, 0, name="act")
    net.node("NonZero", y, name="odd")
    net.node("Det", y, name="odd too")
    net.node("Conv", y, net.weights(rng.normal(size=(3, 2, 1, 1)), 0.1), name="last")
    return net


def without(*ops):
    """The FPGA target as it would be without rules for these ops."""
    return Target(FPGA.name, {op: rule for op, rule in FPGA.rules.items() if op not in ops})


def test_what_cannot_be_imported(tmp_path, capsys, monkeypatch):
    """All such nodes are listed; what targets make of the others is told all the same."""
    monkeypatch.setattr(coverage_module, "FPGA", without(MatMul))
    net = refused_net()
    names = {n.name: n.output[0] for n in net.nodes}
    outputs = [names[n] for n in ("odd", "odd too", "last")]
    path = written(tmp_path, net.build(*outputs).SerializeToString())
    found = valid(inspect(path, ULX3S))
    by_name = rows(found)
    assert (found["model"], found["output"]) == (None, None)
    assert {n: by_name[n]["outcome"] for n in ("conv", "act", "odd", "odd too", "last")} == {
        "conv": "taken", "act": "taken", "odd": "refused", "odd too": "refused", "last": "taken",
    }  # fmt: skip
    assert by_name["conv"]["becomes"] == ["conv2d"]
    assert taken(by_name["conv"])
    assert taken(by_name["act"])
    assert by_name["odd"]["targets"] == []
    kinds = [p.split(":")[0] for p in found["problems"]]
    assert kinds[:2] == ["NonZero 'odd'", "Det 'odd too'"]
    assert found["problems"][2].startswith("Conv 'last': fpga: no rule for 'matmul' (node 'last': ")
    assert len(found["problems"]) == 3
    assert main(["inspect", str(path), "--json"]) == 2
    told = capsys.readouterr()
    assert json.loads(told.out)["problems"] == found["problems"][:2]
    assert told.err.splitlines()[1].startswith("  NonZero 'odd': this operator is not supported.")


def test_faults_of_the_model_itself(tmp_path):
    """Inputs and outputs that break a rule are problems of no node."""
    net = Net((1, 6))
    path = written(tmp_path, net.build(net.node("Identity", "x")).SerializeToString())
    found = valid(inspect(path))
    assert found["problems"] == ["qonnx: output 't0_0': must pass a quantizer on its way from the input"]
    with pytest.raises(LoweringError, match=r"not all are \(1 reason\):\n  qonnx: output 't0_0': must pass"):
        require_taken(found)


def test_a_rule_without_a_folding_is_told(monkeypatch):
    """As a refusal of its node, not as an end of the program."""
    x = input_of("x", (3,), 0, 3)
    graph = Graph((x,), (MatMul()(x, Const(np.eye(3, dtype=int)), name="fc"),))
    none = replace(FPGA.rules[MatMul], folds=lambda layer: iter(()))
    monkeypatch.setattr(coverage_module, "FPGA", Target(FPGA.name, {**FPGA.rules, MatMul: none}))
    rule = "fpga: matmul must have a folding, but none is possible (node 'fc')"
    assert list(coverage(graph).refused.values()) == [rule]


def test_faults_are_told_beside_refused_nodes(tmp_path, monkeypatch):
    """The number of outputs, and a node that is refused."""
    monkeypatch.setattr(coverage_module, "FPGA", without(Threshold))
    x = input_of("x", (4, 4, 2), 0, 3)
    pool = MaxPool((2, 2))(x, name="pool")
    act = Threshold()(pool, Const(np.array([[1, 2]])), name="act")
    problems = inspect(saved(tmp_path, Graph((x,), (pool, act))), ULX3S)["problems"]
    assert [p.partition(": ")[0] for p in problems] == ["threshold 'act'", "fpga"]


def test_a_design_without_arithmetic_is_a_fault(tmp_path):
    """A reshape alone is taken, but nothing is left to build."""
    x = input_of("x", (2, 3), 0, 3)
    found = valid(inspect(saved(tmp_path, Graph((x,), (Reshape((6,))(x, name="flat"),), "r")), ULX3S))
    assert found["problems"] == ["fpga: 'r' must hold at least one layer that computes"]


def test_two_outputs_are_a_fault_of_the_graph(tmp_path):
    """Each node is taken, but the FPGA's design has one output."""
    x = input_of("x", (3,), 0, 3)
    fc = MatMul()(x, Const(np.eye(3, dtype=int) * 2), name="fc")
    found = valid(
        inspect(saved(tmp_path, Graph((x,), (fc, Threshold()(fc, Const(np.array([[2]])), name="a")))), ULX3S)
    )
    assert all(taken(n) for n in found["nodes"])
    assert len(found["problems"]) == 1
    assert re.match(r"fpga: a design has 1 input and 1 output, not 1 and 2\. ", found["problems"][0])


def test_refusals_of_inspect_itself(tmp_path, capsys):
    """A board for a folder, an unknown board, a missing file; nothing is printed then."""
    rule = r"inspect: a board goes with a model, not with .*, which is compiled for one\. Leave --board out\."
    refused(capsys, ["inspect", tmp_path, "--board", ULX3S], rule)
    model = saved(tmp_path, image_net())
    refused(capsys, ["inspect", model, "--board", "nonsense"], r".*nonsense.*")
    refused(
        capsys, ["inspect", tmp_path / "gone.onnx"], r".*gone\.onnx: the model must be a readable file .*"
    )
    with pytest.raises(BoardError):
        inspect(model, "nonsense")
    with pytest.raises(InputError):
        inspect(tmp_path, ULX3S)


def test_partial_graphs_are_whole_graphs_of_their_own(tmp_path):
    """The taken part of a model: valid, and every tensor that no taken node reads is an output."""
    found = survey(written(tmp_path, qdq()[0]))
    graph = partial_graph(found.records, "part")
    assert {id(n) for n in found.graph.nodes()} <= {id(n) for n in graph.nodes()}
    final = run_passes(graph)
    assert None not in owners(found.records, final.nodes())
    assert coverage(final).refused.keys() <= {id(n) for n in final.nodes()}
    assert partial_graph((), "none") is None


def test_large_models_in_seconds(tmp_path):
    """A chain of 400 layers takes no synthesis and no folding."""
    rng = np.random.default_rng(0)
    x = value = input_of("x", (8, 8, 16), 0, 3)
    for i in range(200):
        value = Conv2d(pads=(1, 1, 1, 1))(value, Const(rng.integers(-4, 4, (3, 3, 16, 16))), name=f"conv{i}")
        value = Threshold()(value, Const(np.array([[-20, 3, 40]])), name=f"act{i}")
    path = saved(tmp_path, Graph((x,), (value,), "deep"))
    started = time.process_time()
    found = inspect(path, ULX3S)
    assert time.process_time() - started < 5
    assert len(found["nodes"]) == 400
    assert not found["problems"]


def test_docs_are_up_to_date():
    """docs/inspect.md is the schema's page."""
    page = (ROOT / "docs" / "inspect.md").read_text("utf-8")
    assert page == inspection_markdown(), "run: python -m gatewright.report.docs docs/inspect.md"
