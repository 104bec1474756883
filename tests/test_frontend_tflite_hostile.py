"""TFLite files that are damaged, or something else: only our errors, quickly."""

import subprocess
import sys
import time

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from gatewright.compiler.frontends import load_model, load_tflite
from gatewright.compiler.frontends.tflite_file import parse_tflite
from gatewright.errors import GraphError, InputError
from tflite_nets import NONE, SAME, Net, frames, imported, mutated, run

WINDOW = {"padding": SAME, "strideH": 1, "strideW": 1, "fusedActivationFunction": NONE}


def small() -> bytes:
    """A model with a bit of everything that files are made of."""
    net = Net()
    x = net.input((1, 4, 4, 2), 0.5, 3)
    w = net.constant(np.ones((3, 2, 2, 2)), scale=[0.1, 0.2, 0.3])
    b = net.constant([1, 2, 3], "i4")
    y = net.tensor((1, 4, 4, 3), 0.9, -4)
    net.add("CONV_2D", [x, w, b], y, "Conv2DOptions", **WINDOW)
    axes = net.constant([1, 2], "i4")
    z = net.add("MEAN", [y, axes], net.tensor((1, 3), 0.8, 2), "ReducerOptions", keepDims=False)
    out = net.add("SOFTMAX", [z], net.tensor((1, 3), 1 / 256, -128), "SoftmaxOptions", beta=1.0)
    return net.bytes(out)


def test_files_are_refused(tmp_path):
    """Missing files, other formats, and flatbuffers that break their own rules."""
    with pytest.raises(
        InputError, match=r"none\.tflite: the model must be a readable file \(No such file.*\)$"
    ):
        load_tflite(tmp_path / "none.tflite")
    path = tmp_path / "m.tflite"
    path.write_bytes(b"hello, this is text")
    with pytest.raises(InputError, match=r"m\.tflite: must be a TFLite model, but is none$"):
        load_tflite(path)
    path.write_bytes(small()[:100])
    with pytest.raises(InputError, match=r"m\.tflite: must be a whole TFLite model, but is damaged$"):
        load_model(path)
    for change, message in (
        (lambda n: setattr(n.tensors[0], "shape", [1, 2**13, 2**13]),
         r"tensor 'in0' must have at most 16777216 elements, not shape \(1, 8192, 8192\)"),
        (lambda n: setattr(n.tensors[0], "shape", [1] * 9), r"a model must have at most 8 axes of .*, not 9"),
        (lambda n: setattr(n.tensors[0], "buffer", 99),
         r"tensor 'in0' must have a buffer of the model, not number 99"),
        (lambda n: setattr(n.buffers[1], "data", np.ones(5, np.uint8)),
         r"tensor 't1' of shape \(6,\) must have 6 bytes, not 5"),
        (lambda n: setattr(n.operators[0], "inputs", [0, 77]),
         r"tensors must be numbered -1\.\.2, not \[0, 77\]"),
        (lambda n: setattr(n.buffers[0], "offset", 2**20),
         r"tensor 'in0': constants must lie inside the flatbuffer, not behind it"),
        (lambda n: setattr(n.operators[0], "opcodeIndex", 5),
         r"operator 0 must be of a kind that the model lists, not number 5"),
        (lambda n: setattr(n.operators[0], "builtinOptionsType", 1),
         r"ADD must come with AddOptions, but has none"),
    ):  # fmt: skip
        net = Net()
        operands = [net.input((1, 6), 0.5), net.constant(np.ones(6), scale=0.5)]
        out = net.add("ADD", operands, net.tensor((1, 6), 0.5), "AddOptions")
        change(net)
        with pytest.raises(InputError, match=f"^{message}$"):
            parse_tflite(net.bytes(out))


def test_many_tensors_may_not_share_one_large_buffer():
    """Else a small file would ask for much memory."""
    net = Net()
    x = net.input((1, 6), 0.5)
    shared = net.tensors[net.constant(np.ones(10000), scale=0.5)].buffer
    for _ in range(10):
        net.tensors[net.tensor((10000,), 0.5)].buffer = shared
    with pytest.raises(InputError, match=r"^must be a whole TFLite model, but its parts overlap$"):
        parse_tflite(net.bytes(net.add("RELU", [x], net.tensor((1, 6), 0.5))))


def test_a_model_without_a_graph_is_refused():
    """As flatbuffers that are only a header are."""
    builder = flatbuffers.Builder(64)
    builder.Finish(schema.ModelT().Pack(builder), b"TFL3")
    with pytest.raises(InputError, match=r"^a model must have a subgraph, but has none$"):
        parse_tflite(bytes(builder.Output()))


def test_formats_are_told_apart_by_content(tmp_path):
    """Whatever the file is called; the name becomes the graph's."""
    path = tmp_path / "mine.onnx"
    path.write_bytes(small())
    graph = load_model(path)
    assert graph.name == "mine"
    x = frames(np.random.default_rng(0), 3, 4, 4, 2)
    np.testing.assert_array_equal(run(graph, x)[0], run(imported(small()), x)[0])


@pytest.mark.parametrize("seed", range(4))
def test_damaged_files_only_give_our_errors(seed):
    """Cut, flipped and overwritten bytes: a graph or one of our errors, quickly."""
    rng, good = np.random.default_rng(seed), small()
    outcomes = {"graph": 0, "error": 0}
    for _ in range(100):
        data = mutated(rng, good)
        started = time.perf_counter()
        try:
            imported(data)
            outcomes["graph"] += 1
        except (GraphError, InputError):
            outcomes["error"] += 1
        assert time.perf_counter() - started < 5
    assert outcomes["graph"] > 0
    assert outcomes["error"] > 20


def test_import_loads_neither_torch_nor_tvm():
    """Nor LiteRT, which only tests and benchmarks need."""
    code = (
        "import sys, gatewright.compiler.frontends.tflite; "
        "print({'torch', 'brevitas', 'tvm', 'ai_edge_litert'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_scales_without_a_ratio():
    """The largest float over the smallest."""
    net = Net()
    out = net.add("RELU", [net.input((1, 6), 3e38)], net.tensor((1, 6), 1e-45))
    with pytest.raises(GraphError, match=r"the scales' ratio must be finite\. Convert the model again\.$"):
        imported(net.bytes(out))
