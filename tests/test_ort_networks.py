"""Small versions of the benchmark's networks, quantized by ONNX Runtime: its integers all through."""

from dataclasses import replace

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import numpy_helper

from gatewright.compiler.frontends import import_model, load_model
from gatewright.compiler.ir.evaluate import evaluate
from gatewright.compiler.passes.pipeline import run as run_passes
from gatewright.errors import GraphError
from ort_models.compare import compared, inner_codes, results_of
from ort_models.files import NETWORKS, Way, inputs, quantized_file
from ort_models.report import page
from ort_models.segments import codes_of, differing_alone

SMALL = {n.name: replace(n, size=32) for n in NETWORKS}
SHAPES = {"unet": {"depth": 3}, "unet_transposed": {"depth": 3}, "yolo": {"depth": 4}}
# ONNX Runtime's QOperator form has no transposed convolution.
QOPERATOR = [name for name in SMALL if name != "unet_transposed"]


@pytest.fixture(scope="module")
def model_of(tmp_path_factory):
    """Path and inputs of a small network quantized in some way; made once."""
    folder = tmp_path_factory.mktemp("networks")

    def make(name: str, way: Way, dynamo: bool = False):
        shape = {"width": 1 / 8, "depth": 1, "classes": 10} | SHAPES.get(name, {})
        return quantized_file(SMALL[name], way, folder, dynamo, **shape), inputs(SMALL[name], 4)

    return make


def whole(path, x, codes: bool):
    """The difference of the outputs behind all passes, or of all codes inside."""
    model = onnx.load(path)
    own = len(model.graph.output)
    graph = load_model(path)
    if codes:
        inner_codes(model)
        graph = import_model(onnx.ModelProto.FromString(model.SerializeToString()), "codes")
    else:
        graph = run_passes(graph)
    ours = evaluate(graph, graph.encodings[0].apply(x, graph.inputs[0].type))
    theirs = results_of(model, x)
    return compared(graph, ours, list(theirs.values()), list(theirs), own)


@pytest.mark.parametrize(
    ("name", "symmetric"), [*((n, False) for n in QOPERATOR), ("resnet18", True), ("yolo", True)]
)
def test_qoperator_codes_are_onnx_runtimes(model_of, name, symmetric):
    """Integers of every operator, and the outputs behind all passes."""
    path, x = model_of(name, Way("qoperator", symmetric, not symmetric))
    inner, outer = whole(path, x, True), whole(path, x, False)
    assert inner.tensors > 5
    assert inner.total > outer.total > 0
    assert inner.differ == outer.differ == 0, inner.first


@pytest.mark.parametrize("name", SMALL)
def test_qdq_codes_with_powers_of_two_are_onnx_runtimes(model_of, name):
    """Where no float32 sum rounds, the codes of the exact sums are the source's."""
    found = whole(*model_of(name, Way("powers", False, True)), True)
    assert found.tensors > 5
    assert found.total > 10_000
    assert found.differ == 0, found.first


@pytest.mark.parametrize("name", SMALL)
def test_qdq_layers_differ_on_ties_only(model_of, name):
    """Float scales: each layer, given the source's codes, is off by one where float32 noise decides."""
    path, x = model_of(name, Way("qdq", True, True))
    model = onnx.load(path)
    inner_codes(model)
    found = differing_alone(model, codes_of(model, x))
    assert found.total > 10_000
    assert found.most <= 1
    assert found.differ <= 2 + found.total // 100_000


def test_what_the_newer_exporter_writes_imports(model_of):
    """torch.export's graphs: means and shuffles are other nodes than the classic exporter's."""
    path, x = model_of("shufflenet_v2", Way("powers", False, True), dynamo=True)
    assert "ReduceMean" in {n.op_type for n in onnx.load(path).graph.node}
    found = whole(path, x, True)
    assert found.tensors > 5
    assert found.differ == 0, found.first


@pytest.mark.parametrize("name", ["resnet18", "unet"])
def test_fused_models_are_what_onnx_runtime_runs_by_default(model_of, name):
    """A QDQ file as ONNX Runtime's optimiser saves it: the integers of its default run of the file itself."""
    path, x = model_of(name, Way("fused", False, True))
    plain, _ = model_of(name, Way("qdq", False, True))
    assert "Conv" not in {n.op_type for n in onnx.load(path).graph.node}
    session = onnxruntime.InferenceSession(plain, providers=["CPUExecutionProvider"])
    default = np.concatenate([session.run(None, {"x": frame[None]})[0] for frame in x])
    assert (next(iter(results_of(onnx.load(path), x).values())) == default).all()
    assert whole(path, x, False).differ == whole(path, x, True).differ == 0


def test_transposed_convolutions_stay_float_in_qoperator_form(model_of):
    """ONNX Runtime leaves their weights floats there, so that they are refused."""
    path, _ = model_of("unet_transposed", Way("qoperator", True, False))
    with pytest.raises(GraphError, match=r"ConvTranspose '.*': the weights must come from a quantizer"):
        load_model(path)


def test_powers_of_two_keep_the_weights_codes(model_of):
    """All scales become powers of two, none smaller than it was; weights keep their codes."""
    plain, powers = (onnx.load(model_of("yolo", Way(form, True, True))[0]) for form in ("qdq", "powers"))
    old = {t.name: numpy_helper.to_array(t) for t in plain.graph.initializer}
    new = {t.name: numpy_helper.to_array(t) for t in powers.graph.initializer}
    scales = {n.input[1] for n in plain.graph.node if n.op_type == "QuantizeLinear"}
    assert scales
    for name in scales:
        assert (np.frexp(new[name])[0] == 0.5).all()
        assert (new[name] >= old[name]).all()
        assert (new[name] < 2 * old[name]).all()
    weights = [n for n, v in old.items() if v.dtype == np.int8 and v.ndim == 4]
    assert weights
    assert all((old[n] == new[n]).all() for n in weights)


def test_the_page_has_a_row_per_result():
    """Counts with thousands apart; a refused network gives the first reason."""
    difference = {"differ": 1200, "total": 34567, "most": 3, "first": "a", "tensors": 1, "frames": 8}
    good = {
        "network": "net", "way": "qdq", "exporter": "classic", "refused": [], "load_s": 1.0, "passes_s": 0.25,
        "outputs": difference, "codes": difference, "alone": {},
    }  # fmt: skip
    bad = good | {"network": "other", "refused": ["heading", "node a: why", "node b: why"]}
    text = page([good, bad])
    assert "## qdq, classic exporter" in text
    assert "| net | 1.2 | 1,200 of 34,567 | 1,200 of 34,567 | 3 | not compared |  |" in text
    assert "| other | refused: node a: why | | | | | |" in text
    assert "Alone" not in page([good | {"codes": {}}])
