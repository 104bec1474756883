"""What a survey says of each node of a source model, whether it can be imported or not."""

import numpy as np
import pytest

from gatewright.compiler.frontends import load_model, survey
from gatewright.compiler.frontends.importer import BLOCKED, CONSTANT, NOT_NEEDED, REFUSED, TAKEN
from gatewright.compiler.frontends.qonnx import OnnxImporter
from gatewright.compiler.ir.graph import Const, Graph, input_of
from gatewright.compiler.ir.io import save
from gatewright.compiler.ir.ops import Lookup
from gatewright.errors import GraphError, InputError
from qdq_models import QdqNet
from qonnx_models import Net
from tflite_nets import Net as TfliteNet


def written(model, folder):
    """The model as a file."""
    path = folder / "net.onnx"
    path.write_bytes(model.SerializeToString())
    return path


def mixed_net() -> tuple[QdqNet, str]:
    """Nodes of every outcome."""
    net = QdqNet((1, 6))
    x = net.pair("x", 0.25, 128)
    net.node("Relu", x, name="unused")
    weights = net.stored_weights(np.eye(6, dtype=int), 0.5)
    y = net.node("MatMul", x, weights, name="dense")
    z = net.node("Relu", net.node("NonZero", y, name="odd"), name="behind")
    return net, net.node("Det", z, name="odd too")


def test_every_outcome(tmp_path):
    """Each node leaves its outcome, the refused ones their advice, and the taken ones their nodes."""
    net, y = mixed_net()
    path = written(net.build(y), tmp_path)
    found = survey(path)
    assert (found.format, found.name, found.graph) == ("onnx", "net", None)
    outcomes = {r.name: r.outcome for r in found.records}
    assert outcomes == {
        "quantizelinear0": TAKEN, "dequantizelinear1": TAKEN, "unused": NOT_NEEDED,
        "dequantizelinear3": CONSTANT, "dense": TAKEN, "odd": REFUSED, "behind": BLOCKED, "odd too": REFUSED,
    }  # fmt: skip
    records = {r.name: r for r in found.records}
    assert [n.op.name for n in records["dense"].nodes] == ["matmul"]
    assert records["odd"].problem.startswith("this operator is not supported. ")
    assert records["dense"].op_type == "MatMul"
    assert not records["dense"].problem
    with pytest.raises(GraphError) as caught:
        load_model(path)
    assert str(caught.value) == found.problem
    assert not found.faults


def test_graph_of_a_survey(tmp_path):
    """Where all is taken, the graph is there, and each of its nodes belongs to one record."""
    net = QdqNet((1, 6))
    x = net.node("MatMul", net.pair("x", 0.25, 128), net.stored_weights(np.eye(6, dtype=int), 0.5))
    found = survey(written(net.build(net.quantize(net.node("Relu", x), 0.3)), tmp_path))
    made = [n for r in found.records for n in r.nodes]
    assert found.problem == ""
    assert len(made) == len({id(n) for n in made})
    assert {id(n) for n in found.graph.nodes()} <= {id(n) for n in made}
    assert [r.nodes for r in found.records if r.op_type == "Relu"] == [()]


@pytest.mark.parametrize(
    ("net", "fault"),
    [
        (Net((1,)), ("qonnx: input 'x' must have a batch axis and known sizes behind it, not shape [1]. "
         "Export with a fixed input shape.")),
        (Net((1, 6)), "qonnx: output 't0_0': must pass a quantizer on its way from the input"),
    ],
)  # fmt: skip
def test_faults_of_no_node(tmp_path, net, fault):
    """Inputs and outputs that break a rule leave the nodes' records as they are."""
    found = survey(written(net.build(net.node("Identity", "x")), tmp_path))
    assert found.faults == (fault,)
    assert found.problem == fault
    assert [r.outcome for r in found.records] == [BLOCKED if "input" in fault[:12] else TAKEN]


def test_model_declared_wrongly(tmp_path):
    """A model whose nodes cannot even be met has no records."""
    net = Net((1, 6))
    found = survey(written(net.build("x"), tmp_path))
    assert found.records == ()
    assert found.faults[0].endswith("names of their own, but two are 'x'")


def test_own_graphs(tmp_path):
    """Each node of a saved graph is itself."""
    x = input_of("x", (3,), 0, 1)
    save(Graph((x,), (Lookup()(x, Const(np.array([5, 7])), name="table"),), "mine"), tmp_path / "mine.onnx")
    found = survey(tmp_path / "mine.onnx")
    assert [(r.op_type, r.name, r.outcome) for r in found.records] == [("lookup", "table", TAKEN)]
    assert found.format == "gatewright"
    assert found.graph.name == "mine"


def test_unreadable_file(tmp_path):
    """Only what cannot be read raises."""
    (tmp_path / "bad.onnx").write_bytes(b"junk")
    with pytest.raises(InputError, match=r"bad\.onnx: must be an ONNX model, but is none"):
        survey(tmp_path / "bad.onnx")


def test_tflite_operators(tmp_path):
    """TFLite's operators, the refused one with its advice."""
    net = TfliteNet()
    x = net.input((1, 6), 0.5)
    y = net.add("RELU", [x], net.tensor((1, 6), 0.5, name="first"))
    z = net.add("NON_MAX_SUPPRESSION_V4", [y], net.tensor((1, 6), 0.5, name="second"))
    (tmp_path / "net.tflite").write_bytes(net.bytes(z))
    found = survey(tmp_path / "net.tflite")
    assert found.format == "tflite"
    assert [(r.op_type, r.name, r.outcome) for r in found.records] == [
        ("RELU", "first", TAKEN), ("NON_MAX_SUPPRESSION_V4", "second", REFUSED),
    ]  # fmt: skip


def test_names_stay_unique():
    """Numbers behind a name skip names in use, and thousands of equal names cost no search."""
    net = Net((1, 6))
    names = OnnxImporter(net.build(net.node("Identity", "x")), "net")
    assert [names.unique(n) for n in ("a", "a_2", "a", "a", "a_2", "b")] == [
        "a", "a_2", "a_3", "a_4", "a_2_2", "b",
    ]  # fmt: skip
    many = [names.unique("c") for _ in range(50_000)]
    assert len(set(many)) == 50_000
