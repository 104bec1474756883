"""Values, graphs, boundaries and evaluation: what construction refuses, and what it says."""

from itertools import product

import numpy as np
import pytest

from gatewright.compiler.ir.boundary import InputEncoding, OutputDecoding, plain_input, plain_output
from gatewright.compiler.ir.evaluate import evaluate
from gatewright.compiler.ir.graph import Const, Graph, Input, input_of
from gatewright.compiler.ir.ops import (
    Add,
    ArgMax,
    Conv2d,
    MatMul,
    MaxPool,
    Mul,
    Reshape,
    Threshold,
    Transpose,
)
from gatewright.compiler.ir.types import Int, TensorType, range_of
from gatewright.errors import GraphError, InputError

X = input_of("x", (4, 5, 6), 0, 3)
V = input_of("v", (3,), 0, 3)
S = input_of("s", (), 0, 3)


def zeros(*shape):
    """A constant of zeros."""
    return Const(np.zeros(shape, int))


ERRORS = {
    "range": (lambda: Int(3, 1), r"^type: a range must run upward in whole steps, not 3\.\.1 by 1$"),
    "step": (lambda: Int(0, 3, 2), r"^type: a range must run upward in whole steps, not 0\.\.3 by 2$"),
    "limit": (
        lambda: Int(0, 2**63),
        r"^type: values must stay within 62 bits, not 0\.\.\d+\. Use fewer bits or a smaller layer\.$",
    ),
    "dimension": (
        lambda: TensorType((2, 0), Int(0, 1)),
        r"^type: every dimension must be a positive integer, not \(2, 0\)$",
    ),
    "const": (
        lambda: Const(np.ones(2), "w"),
        r"^const 'w': elements must be integers, not float64$",
    ),
    "arity": (lambda: Add()(X, name="a"), r"^add 'a': takes 2 to 2 operands, not 1$"),
    "named": (lambda: ArgMax()(S, name="a"), r"^node 'a': argmax: x must have an axis$"),
    "matmul weights": (lambda: MatMul()(V, V), r"^matmul: the weights must be a constant$"),
    "matmul shape": (
        lambda: MatMul()(V, zeros(2, 2)),
        r"^matmul: weights must have shape \(3, M\) to match x, not \(2, 2\)$",
    ),
    "bias const": (lambda: MatMul()(V, zeros(3, 3), V), r"^matmul: the bias must be a constant$"),
    "bias shape": (
        lambda: MatMul()(V, zeros(3, 2), zeros(3)),
        r"^matmul: the bias must have shape \(2,\), not \(3,\)$",
    ),
    "magnitude": (
        lambda: MatMul()(V, Const(np.full((3, 1), 2**60))),
        r"^matmul: sums must stay within 60 bits, not reach \d+$",
    ),
    "conv weights": (lambda: Conv2d()(X, X), r"^conv2d: the weights must be a constant$"),
    "conv image": (
        lambda: Conv2d()(V, zeros(1, 1, 3, 1)),
        r"^conv2d: x must be \(H, W, C\), not \(3,\)$",
    ),
    "conv kernel": (
        lambda: Conv2d()(X, zeros(6, 2)),
        r"^conv2d: weights must be \(KH, KW, C/groups, M\), not \(6, 2\)$",
    ),
    "groups": (
        lambda: Conv2d(groups=4)(X, zeros(1, 1, 2, 4)),
        r"^conv2d: 4 groups must divide 6 channels in and 4 out with 2 channels a group$",
    ),
    "strides": (
        lambda: Conv2d(strides=(0, 1))(X, zeros(1, 1, 6, 1)),
        r"^conv2d: strides and dilations must be at least 1, not \(0, 1\) and \(1, 1\)$",
    ),
    "pads": (
        lambda: Conv2d(pads=(0, -1, 0, 0))(X, zeros(1, 1, 6, 1)),
        r"^conv2d: pads must not be negative, not \(0, -1, 0, 0\)$",
    ),
    "window": (
        lambda: Conv2d(dilations=(4, 1))(X, zeros(2, 1, 6, 1)),
        r"^conv2d: a 2x1 kernel \(dilated 5x1\) must fit the padded image, not 4x5$",
    ),
    "add": (
        lambda: Add()(X, zeros(5)),
        r"^add: the second operand must have shape \(4, 5, 6\) or \(1,\) or \(6,\), not \(5,\)$",
    ),
    "mul": (lambda: Mul()(X, V), r"^mul: the second operand must have shape \(4, 5, 6\), not \(3,\)$"),
    "threshold const": (lambda: Threshold()(V, V), r"^threshold: the thresholds must be a constant$"),
    "threshold axis": (lambda: Threshold()(S, zeros(1, 1)), r"^threshold: x must have a channel axis$"),
    "threshold rows": (
        lambda: Threshold()(V, zeros(2, 1)),
        r"^threshold: t must have 1 or 3 rows to match x: \[0\.\.3\]\[3\], not shape \(2, 1\)$",
    ),
    "threshold order": (
        lambda: Threshold()(V, Const(np.array([[2, 1]]))),
        r"^threshold: every row of t must ascend$",
    ),
    "pool image": (lambda: MaxPool((1, 1))(V), r"^maxpool: x must be \(H, W, C\), not \(3,\)$"),
    "pool kernel": (
        lambda: MaxPool((0, 1))(X),
        r"^maxpool: the kernel must be at least 1x1, not \(0, 1\)$",
    ),
    "pool pads": (
        lambda: MaxPool((2, 2), pads=(2, 0, 0, 0))(X),
        r"^maxpool: pads must be smaller than the kernel \(2, 2\), not \(2, 0, 0, 0\)$",
    ),
    "pool between taps": (
        lambda: MaxPool((2, 1), pads=(1, 0, 1, 0), dilations=(2, 1))(input_of("x", (1, 1, 1), 0, 3)),
        r"^maxpool: every window must meet the 1x1 image, not lie in the padding between its taps$",
    ),
    "reshape": (
        lambda: Reshape((2, 2))(V),
        r"^reshape: \(2, 2\) must hold the 3 elements of \(3,\)$",
    ),
    "transpose": (
        lambda: Transpose((0, 0, 1))(X),
        r"^transpose: \(0, 0, 1\) must order the 3 axes of \(4, 5, 6\)$",
    ),
    "names": (
        lambda: Graph((V,), (Mul()(V, zeros(1), name="v"),)).verify(),
        r"^graph 'model': two values are named 'v'$",
    ),
    "codecs": (
        lambda: Graph((V,), (V,), "m", (plain_input((3,)),) * 2).verify(),
        r"^graph 'm': 1 inputs need as many codecs, not 2$",
    ),
    "encoding perm": (
        lambda: InputEncoding((3,), (1,)).check(V.type),
        r"^input encoding: perm must order the 1 axes, not \(1,\)$",
    ),
    "encoding shape": (
        lambda: plain_input((4,)).check(V.type),
        r"^input encoding: gives shape \(4,\), the graph takes \(3,\)$",
    ),
    "encoding thresholds": (
        lambda: InputEncoding((3,), (0,), np.zeros((2, 3), np.float32)).check(V.type),
        r"^input encoding: \[0\.\.3\] needs thresholds of shape \(1 or 3, 3\), not \(2, 3\)$",
    ),
    "encoding axes": (
        lambda: InputEncoding((), (), np.zeros(3, np.float32)).check(S.type),
        r"^input encoding: \[0\.\.3\] needs thresholds of shape \(1 or 1, 3\), not \(3,\)$",
    ),
    "encoding order": (
        lambda: InputEncoding((3,), (0,), np.array([[1, 0, 2]], np.float32)).check(V.type),
        r"^input encoding: thresholds must ascend and not be NaN$",
    ),
    "decoding perm": (
        lambda: OutputDecoding((3,), (-1,), np.ones(1), np.zeros(1)).check(V.type),
        r"^output decoding: perm must order the 1 axes, not \(-1,\)$",
    ),
    "decoding shape": (
        lambda: plain_output((4,)).check(V.type),
        r"^output decoding: gives shape \(3,\), not \(4,\)$",
    ),
    "decoding scale": (
        lambda: OutputDecoding((3,), (0,), np.ones(2), np.zeros(1)).check(V.type),
        r"^output decoding: scale must have 1 or 3 elements, not \(2,\)$",
    ),
    "decoding offset": (
        lambda: OutputDecoding((3,), (0,), np.ones(1), np.full(3, np.nan)).check(V.type),
        r"^output decoding: offset must be finite$",
    ),
}


@pytest.mark.parametrize("label", ERRORS)
def test_graph_error(label):
    """Each rule of the graph, and the words in which it is told."""
    call, message = ERRORS[label]
    with pytest.raises(GraphError, match=message):
        call()


ENCODED = InputEncoding((3,), (0,), np.array([[0, 1, 2]], np.float32))
INPUT_ERRORS = {
    "frames": (
        lambda: plain_input((3,)).apply(np.zeros((1, 2), int), V.type),
        r"^input: frames must have shape \(3,\), not \(2,\)$",
    ),
    "integers": (
        lambda: plain_input((3,)).apply(np.full((1, 3), 9), V.type),
        r"^input: integers must lie in \[0\.\.3\], not 9\.\.9\. Give floats to have them quan.*\.$",
    ),
    "elements": (
        lambda: ENCODED.apply(np.zeros((1, 3), complex), V.type),
        r"^input: elements must be floats or integers, not complex128$",
    ),
    "floats": (
        lambda: plain_input((3,)).apply(np.zeros((1, 3)), V.type),
        r"^input: this model takes integers in \[0\.\.3\], not float64$",
    ),
    "nan": (lambda: ENCODED.apply(np.full((1, 3), np.nan), V.type), r"^input: elements must not be NaN$"),
    "evaluate shape": (
        lambda: evaluate(Graph((V,), (V,)), np.zeros((1, 2), int)),
        r"^evaluate: v must have shape \(N, 3\), not \(1, 2\)$",
    ),
    "evaluate range": (
        lambda: evaluate(Graph((V,), (V,)), np.full((1, 3), 4)),
        r"^evaluate: v must hold integers of \[0\.\.3\]$",
    ),
    "evaluate batch": (
        lambda: evaluate(Graph((V, S), (V,)), np.zeros((1, 3), int), np.zeros(2, int)),
        r"^evaluate: inputs must have one batch size, not \[1, 2\]$",
    ),
}


@pytest.mark.parametrize("label", INPUT_ERRORS)
def test_input_error(label):
    """Each rule for a caller's arrays, and the words in which it is told."""
    call, message = INPUT_ERRORS[label]
    with pytest.raises(InputError, match=message):
        call()


def test_pool_windows_must_meet_the_image():
    """The rule accepts exactly the pools whose every window has an element, counted one by one."""
    told = set()
    cases = product(range(1, 5), range(1, 4), range(1, 3), range(1, 5), range(7), range(7))
    for size, kernel, stride, dilation, top, bottom in cases:
        span = dilation * (kernel - 1) + 1
        if max(top, bottom) >= span or size + top + bottom < span:
            continue
        starts = range(-top, size + bottom - span + 1, stride)
        meets = all(any(0 <= s + k * dilation < size for k in range(kernel)) for s in starts)
        pool = MaxPool((kernel, 1), (stride, 1), (top, 0, bottom, 0), (dilation, 1))
        try:
            pool(input_of("x", (size, 1, 1), 0, 3))
        except GraphError:
            assert not meets
        else:
            assert meets
        told.add(meets)
    assert told == {True, False}


def test_constants_are_batched_where_an_op_takes_a_batch():
    """A constant as first operand has no batch axis of its own; results have one all the same."""
    c = Const(np.arange(6).reshape(2, 3))
    v = input_of("v", (2, 3), 0, 3)
    outputs = (Reshape((6,))(c), Transpose((1, 0))(c), ArgMax()(c), Add()(c, v))
    frames = np.ones((70, 2, 3), int)
    flat, turned, largest, total = evaluate(Graph((v,), outputs), frames)
    assert (flat == np.arange(6)).all()
    assert flat.shape == (70, 6)
    assert (turned == c.value.T).all()
    assert turned.shape == (70, 3, 2)
    assert (largest == 2).all()
    assert largest.shape == (70, 2)
    assert (total == c.value + 1).all()


def test_types():
    """Widths and printing follow from ranges."""
    cases = {
        Int(0, 0): (1, "[0..0]"),
        Int(0, 255): (8, "[0..255]"),
        Int(-1, 1, 2): (1, "bipolar"),
        Int(-1, 1): (2, "[-1..1]"),
        Int(-128, 3): (8, "[-128..3]"),
        Int(5, 9, 2): (4, "[5..9 by 2]"),
        Int(-3, -1): (3, "[-3..-1]"),
    }
    assert {t: (t.bits, str(t)) for t in cases} == cases
    assert range_of(np.array([-1, 1, 1])) == Int(-1, 1, 2)
    assert range_of(np.array([-1, 0])) == Int(-1, 0)


def test_codes_decode_to_what_was_encoded():
    """Every value of every small range survives, in no more bits than the type says."""
    for lo, hi in product(range(-9, 6), range(-5, 10)):
        for step in (1, 2):
            if hi >= lo and (hi - lo) % step == 0:
                t = Int(lo, hi, step)
                values = np.arange(lo, hi + 1, step)
                codes = t.encode(values)
                assert (codes < 2**t.bits).all()
                assert (t.decode(codes) == values).all()


def test_an_undeclared_input_is_refused():
    """A graph must declare what it reads."""
    with pytest.raises(GraphError, match=r"^graph 'model': input 'v' is used but not declared$"):
        Graph((X,), (V,)).verify()


def test_values_order_is_the_same_for_equal_graphs():
    """Inputs first, operands before users, each once."""
    y = Add()(V, V, name="y")
    z = Input("z", V.type)
    names = [v.name for v in Graph((V, z), (Mul()(y, y, name="m"), y)).values()]
    assert names == ["v", "z", "y", "m"]
