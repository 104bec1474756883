"""Exported models: ONNX Runtime, optimising or not, gives the reference's integers."""

import re
from collections import Counter

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import assume, given, settings

from gatewright.compiler.export_onnx import export_onnx
from gatewright.compiler.ir.boundary import InputEncoding
from gatewright.compiler.ir.evaluate import evaluate
from gatewright.compiler.ir.graph import Const, Graph, Input, Node, input_of
from gatewright.compiler.ir.ops import (
    OPS,
    Add,
    ArgMax,
    BatchMatMul,
    Concat,
    Conv2d,
    ConvTranspose2d,
    MatMul,
    MaxPool,
    ReduceSum,
    SumPool,
    Threshold,
)
from gatewright.errors import GraphError
from graph_builder import arrays
from onnx_executor import run_onnx
from strategies import graphs_with_inputs, to_frames
from test_ops import one_node


def check(graph: Graph, *frames: np.ndarray) -> onnx.ModelProto:
    """The exported model, after comparing it with the reference on these frames."""
    model = export_onnx(graph)
    onnx.checker.check_model(model, full_check=True)
    wanted = evaluate(graph, *frames)
    for optimise in (False, True):
        for got, want in zip(run_onnx(model, frames, optimise), wanted, strict=True):
            assert got.dtype == np.int64
            assert got.shape == want.shape
            assert np.array_equal(got, want), f"optimise={optimise}"
    return model


def kinds(model: onnx.ModelProto) -> Counter:
    """How often each operator occurs."""
    return Counter(n.op_type for n in model.graph.node)


@pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)
def test_every_op(op):
    """Nodes of one op on random operands."""

    @settings(max_examples=25)
    @given(one_node(op))
    def compare(case):
        node, rng = case
        inputs = tuple(v for v in Graph((), (node,)).values() if isinstance(v, Input))
        assume(inputs)
        check(Graph(inputs, (node,)), *(arrays(rng, v.type) for v in inputs))

    compare()


@settings(max_examples=150)
@given(graphs_with_inputs())
def test_random_graphs(case):
    """Whole graphs, with odd names, several outputs and constants in any place."""
    graph, frames = case
    check(graph, *to_frames(graph, frames))


def _extremes(shape, lo, hi):
    """Frames all smallest, all largest, and at random one or the other."""
    ends = np.random.default_rng(1).choice([lo, hi], (2, *shape))
    return np.concatenate([np.full((1, *shape), lo), np.full((1, *shape), hi), ends])


# Bits of x and of the weights, how many products are summed, and the operator that is exact for that.
PRODUCTS = {
    "bytes": (0, 255, -128, 127, 512, "MatMulInteger"),
    "signed bytes": (-128, 127, -128, 127, 600, "MatMulInteger"),
    "positive": (200, 255, 100, 200, 64, "MatMulInteger"),
    "odd range": (-3, 252, -255, -1, 64, "MatMulInteger"),
    "nine bits": (-1, 255, 0, 1, 64, "MatMul"),
    "long sums": (0, 255, 0, 255, 34000, "MatMul"),
    "words": (-(2**15), 2**15 - 1, -(2**15), 2**15 - 1, 64, "MatMul"),
    "beyond float64": (1 - 2**30, 2**30 - 1, 1 - 2**25, 2**25 - 1, 15, "MatMul"),
}


@pytest.mark.parametrize("case", PRODUCTS)
def test_products_at_their_limits(case):
    """Operands at the ends of every tier of arithmetic, where a saturating or rounding kernel would show."""
    lo, hi, w_lo, w_hi, terms, operator = PRODUCTS[case]
    x = input_of("x", (2, terms), lo, hi)
    w = np.random.default_rng(0).choice([w_lo, w_hi], (terms, 4))
    w[:, 0], w[:, 1] = w_lo, w_hi
    w[::2, 2], w[1::2, 2] = w_hi, w_hi - 1 + (w_hi == w_lo)
    model = check(Graph((x,), (MatMul()(x, Const(w)),)), _extremes((2, terms), lo, hi))
    assert kinds(model)[operator] == 1
    z = input_of("z", (terms, 3), w_lo, w_hi)
    frames = _extremes((2, terms), lo, hi), _extremes((terms, 3), w_lo, w_hi)
    model = check(Graph((x, z), (BatchMatMul()(x, z),)), *frames)
    assert kinds(model)[operator] == 1


@pytest.mark.parametrize("case", PRODUCTS)
@pytest.mark.parametrize("op", [Conv2d, ConvTranspose2d], ids=lambda op: op.name)
def test_convolutions_at_their_limits(case, op):
    """The same for windows; 9 products of each of the channels."""
    lo, hi, w_lo, w_hi, terms, operator = PRODUCTS[case]
    c = 2 * max(1, terms // 9)
    x = input_of("x", (4, 3, c), lo, hi)
    w = np.random.default_rng(0).choice([w_lo, w_hi], (3, 3, c // 2, 4))
    w[..., 0], w[..., 1] = w_lo, w_hi
    node = op(pads=(1, 0, 2, 1), groups=2)(x, Const(w))
    model = check(Graph((x,), (node,)), _extremes((4, 3, c), lo, hi))
    assert kinds(model)[operator.replace("MatMulI", "ConvI")] == 1


def test_many_thresholds_of_many_channels():
    """255 thresholds of 512 channels: eight rounds, and no tensor larger than the image."""
    x = input_of("x", (4, 4, 512), -(2**20), 2**20)
    rng = np.random.default_rng(0)
    t = np.sort(rng.integers(-(2**20), 2**20, (512, 255)), axis=1)
    frames = rng.integers(-(2**20), 2**20, (3, 4, 4, 512))
    frames[0, 0, 0], frames[0, 1, 1] = t[:, 0], t[:, 254] - 1
    model = check(Graph((x,), (Threshold(-128)(x, Const(t)),)), frames)
    assert kinds(model)["GreaterOrEqual"] == 8
    assert max(np.prod([d.dim_value for d in v.type.tensor_type.shape.dim[1:]])
               for v in onnx.shape_inference.infer_shapes(model).graph.value_info) == 4 * 4 * 512  # fmt: skip


@pytest.mark.parametrize("count", [1, 2, 3, 7, 8])
def test_threshold_counts(count):
    """Counts around powers of two, equal thresholds among them."""
    x = input_of("x", (3,), -5, 5)
    t = np.sort(np.arange(count * 3).reshape(3, count) % 5 - 2, axis=1)
    frames = np.repeat(np.arange(-5, 6)[:, None], 3, axis=1)
    check(Graph((x,), (Threshold(4, 3)(x, Const(t)),)), frames)
    check(Graph((x,), (Threshold()(x, Const(t[:1])),)), frames)


def test_values_of_62_bits():
    """No operator goes through floats where that would round."""
    big = 2**61
    x = input_of("x", (3, 3, 2), big - 9, big)
    frames = big - np.random.default_rng(0).integers(0, 10, (4, 3, 3, 2))
    t = np.array([[big - 8, big - 3, big]])
    outputs = (ArgMax()(x), MaxPool((2, 2))(x), Threshold()(x, Const(t)), Add()(x, Const(np.array([7]))))
    check(Graph((x,), outputs), frames)


def test_pools_and_sums_of_wide_values():
    """Sums beyond 2^53."""
    x = input_of("x", (3, 3, 2), -(2**55), 2**55)
    outputs = (SumPool((2, 2), pads=(1, 0, 0, 1))(x), ReduceSum((0, 1))(x))
    check(Graph((x,), outputs), _extremes((3, 3, 2), -(2**55), 2**55 - 1))


def test_names_are_plain_and_unique():
    """Odd, overlong, equal and empty names, values twice among the outputs, an input passed through."""
    x = input_of('../a b\n"ü', (2,), 0, 3)
    y = input_of("y" * 500, (2,), 0, 3)
    outputs = (Add()(x, y, name="\ud800"), Add()(x, x), x, x, Const(np.array([1, 2]), "c"))
    model = check(Graph((x, y), outputs, "%s\0"), np.array([[1, 2], [0, 3]]), np.array([[3, 3], [0, 0]]))
    tensors = [v.name for v in (*model.graph.input, *model.graph.output)]
    tensors += [n.name for n in model.graph.node] + [t.name for t in model.graph.initializer]
    assert all(re.fullmatch(r"[\w./:%-]{1,90}", t, re.ASCII) for t in tensors)
    assert tensors[0] == "../a%20b%0a%22%fc"
    assert len(set(tensors)) == len(tensors)


def test_constant_branches_follow_the_batch():
    """What no input is behind repeats for each frame, also inside a join."""
    x = input_of("x", (2,), 0, 3)
    c = Const(np.array([5, 6, 7]))
    chain = Add()(Add()(c, Const(np.array([1]))), Const(np.array([1])))
    outputs = (Concat(0)(c, x, chain), chain, ReduceSum((0,))(c), Concat(0)(c, c))
    check(Graph((x,), outputs), np.arange(6).reshape(3, 2) % 4)


@settings(max_examples=20)
@given(graphs_with_inputs())
def test_equal_graphs_give_equal_bytes(case):
    """Two exports, byte for byte."""
    graph, _ = case
    first, second = (export_onnx(graph).SerializeToString(deterministic=True) for _ in range(2))
    assert first == second


def test_boundary_is_kept_as_text():
    """The metadata say how floats become the inputs."""
    x = input_of("x", (2,), 0, 3)
    graph = Graph((x,), (Add()(x, x),), "m", (InputEncoding((2,), (0,), None, 0.5),))
    metadata = {p.key: p.value for p in export_onnx(graph).metadata_props}
    assert metadata == {"encoding 0": "from (2,) perm (0,) scale 0.5"}


def test_a_graph_without_input_is_refused():
    """ONNX would have no batch to follow."""
    graph = Graph((), (Node(Add(), (Const(np.array([1])), Const(np.array([2])))),))
    with pytest.raises(GraphError, match=r"^export: graph 'model' must have an input$"):
        export_onnx(graph)


def test_standard_operators_only():
    """One opset, ONNX's own, and an IR version that ONNX Runtime accepts."""
    x = input_of("x", (2,), 0, 3)
    model = export_onnx(Graph((x,), (Add()(x, x),)))
    assert [(o.domain, o.version) for o in model.opset_import] == [("", 21)]
    assert model.ir_version == 10
    assert onnxruntime.InferenceSession(model.SerializeToString()).get_inputs()[0].shape == ["N", 2]
