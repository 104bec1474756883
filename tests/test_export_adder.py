"""Exported adder layers: exact in every type that their sums take, and of one size whatever the channels."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto

from gatewright.compiler.export_onnx import export_onnx
from gatewright.compiler.ir.graph import Const, Graph, input_of
from gatewright.compiler.ir.ops import Add, AdderConv2d, AdderMatMul, Threshold
from test_export_onnx import check, kinds

# Range of x and of the weights, taps, and the type of the sums: both sides of each limit.
TIERS = {
    "bytes": ((0, 255), (0, 255), 512, TensorProto.FLOAT),
    "signed bytes": ((-128, 127), (-128, 127), 600, TensorProto.FLOAT),
    "last float32": ((1 - 2**15, 2**15), (2**15 - 1, 2**15 - 1), 256, TensorProto.FLOAT),
    "first float64": ((-(2**15), 2**15), (2**15, 2**15), 256, TensorProto.DOUBLE),
    "words": ((-(2**30), 2**30), (1 - 2**30, 2**30), 99, TensorProto.DOUBLE),
    "last float64": ((1 - 2**46, 2**46), (1 - 2**46, 2**46 - 1), 64, TensorProto.DOUBLE),
    "first int64": ((1 - 2**46, 2**46), (1 - 2**46, 2**46), 64, TensorProto.INT64),
    "59 bits": ((1 - 2**53, 2**53), (3 - 2**53, 2**53 - 5), 61, TensorProto.INT64),
}


def _corners(low: int, high: int, *shape: int) -> np.ndarray:
    """Frames at one end, at the other, at either by chance, and one beside either."""
    rng = np.random.default_rng(1)
    mixed = rng.choice([low, high], (2, *shape))
    mixed[1] += np.where(mixed[1] == low, min(1, high - low), -min(1, high - low))
    return np.concatenate([np.full((1, *shape), low), np.full((1, *shape), high), mixed])


def _type_of_sums(model: onnx.ModelProto) -> int:
    (scan,) = [n for n in model.graph.node if n.op_type == "Scan"]
    return scan.attribute[0].g.output[0].type.tensor_type.elem_type


@pytest.mark.parametrize("tier", TIERS)
def test_sums_at_their_limits(tier):
    """Dense layers, where a rounded sum would show in its last bit; with a bias and without."""
    ends, w_ends, taps, kind = TIERS[tier]
    x = input_of("x", (2, taps), *ends)
    w = Const(_corners(*w_ends, taps).T)
    outputs = AdderMatMul()(x, w), AdderMatMul()(x, w, Const(np.array([5, 0, -9, 2**40])))
    for output in outputs:
        model = check(Graph((x,), (output,)), _corners(*ends, 2, taps))
        assert _type_of_sums(model) == kind


@pytest.mark.parametrize("tier", ["bytes", "first float64", "first int64"])
def test_windows_at_their_limits(tier):
    """Convolutions of the same, with every attribute; padding counts as x = 0."""
    ends, w_ends, _, kind = TIERS[tier]
    x = input_of("x", (5, 4, 9), *ends)
    w = Const(_corners(*w_ends, 3, 2, 9).transpose(1, 2, 3, 0))
    op = AdderConv2d((2, 1), (1, 2, 2, 0), (1, 2))
    model = check(Graph((x,), (op(x, w, Const(np.array([1, -2, 3, 4]))),)), _corners(*ends, 5, 4, 9))
    # Fewer taps, so that sums are narrower.
    assert _type_of_sums(model) <= max(kind, TensorProto.DOUBLE)
    assert kinds(model)["Scan"] == 1


def test_size_does_not_grow_with_the_channels():
    """One Scan whatever the channels, whose differences are as many as the windows have elements."""
    x = input_of("x", (8, 8, 16), 0, 255)
    rng = np.random.default_rng(0)
    sizes = []
    for m in (2, 300):
        y = AdderConv2d(pads=(1, 1, 1, 1))(x, Const(rng.integers(0, 256, (3, 3, 16, m))))
        model = check(
            Graph((x,), (Threshold()(y, Const(np.array([[-9000]]))),)), rng.integers(0, 256, (2, 8, 8, 16))
        )
        sizes.append(len(model.graph.node))
        inferred = onnx.shape_inference.infer_shapes(model).graph.value_info
        largest = max(np.prod([d.dim_value for d in v.type.tensor_type.shape.dim[1:]]) for v in inferred)
        assert largest == 8 * 8 * 3 * 3 * 16
    assert sizes[0] == sizes[1]


def test_several_layers_and_constant_operands():
    """Bodies keep their names apart, rows have any number of axes, and constants have no batch."""
    x = input_of("x", (3, 2, 4), -8, 7)
    w = Const(np.arange(20).reshape(4, 5) - 9)
    v = Const(np.arange(8).reshape(4, 2))
    whole = AdderMatMul()(Const(np.arange(24).reshape(3, 2, 4)), v, name="layer")
    graph = Graph((x,), (AdderMatMul()(x, w, name="layer/row"), Add()(whole, AdderMatMul()(x, v)), whole))
    model = check(graph, np.random.default_rng(0).integers(-8, 8, (3, 3, 2, 4)))
    names = [n.name for n in model.graph.node]
    for node in model.graph.node:
        names += [n.name for a in node.attribute if a.name == "body" for n in a.g.node]
    assert len(set(names)) == len(names)


def test_equal_graphs_give_equal_bytes():
    """Bodies included."""
    x = input_of("x", (4,), 0, 3)
    graph = Graph((x,), (AdderMatMul()(x, Const(np.arange(8).reshape(4, 2))),))
    first, second = (export_onnx(graph).SerializeToString(deterministic=True) for _ in range(2))
    assert first == second
