"""Tables: Gather of constant numbers by computed indices gives ONNX Runtime's numbers."""

import numpy as np
import pytest
from onnx import TensorProto

from gatewright.compiler.frontends import import_model
from gatewright.compiler.ir.ops import Lookup
from gatewright.errors import GraphError
from layout_cases import assert_equal_to_ort
from qdq_models import QdqNet, imported

SHAPE = (1, 3, 4)
_RNG = np.random.default_rng(9)


def indices(net: QdqNet, zero: int, kind: int = TensorProto.INT64, codes: int = TensorProto.UINT4) -> str:
    """The float input as whole numbers of 4 bits, cast to an integer type."""
    return net.node("Cast", net.pair("x", 1.0, zero, codes), to=kind)


def table(net: QdqNet, numbers, zero: int = 0, **more) -> str:
    """A table's numbers for the input's."""
    return net.node("Gather", net.const(numbers), indices(net, zero, **more), axis=0)


@pytest.mark.parametrize("kind", [TensorProto.INT32, TensorProto.INT64])
@pytest.mark.parametrize("zero", [0, 5])
def test_numbers_in_quarters(zero, kind):
    """Neither rising nor falling; negative indices count from the end."""
    net = QdqNet(SHAPE)
    assert_equal_to_ort(net, (table(net, _RNG.integers(-90, 90, 19) / 4, zero, kind=kind),))


def test_a_table_is_one_node():
    """Its integers are a Lookup, in the largest unit that serves all numbers."""
    net = QdqNet(SHAPE)
    numbers = np.float32([1.5, -3.0, 4.5, 0, 12, 0, 3, 1.5, 6, 6, 1.5, 3, 9, -9, 1.5, 3])
    graph = imported(net.build(table(net, numbers)))
    (lookup,) = [n for n in graph.nodes() if isinstance(n.op, Lookup)]
    np.testing.assert_array_equal(lookup.inputs[1].value * 1.5, numbers)
    assert graph.decodings[0].scale.item() == 1.5


def test_products_with_a_table():
    """As a multiplier per image: the gathered number times another tensor, and added to one."""
    net = QdqNet((1, 3, 4, 4))
    x = net.pair("x", 1.0, 7, TensorProto.UINT4)
    top = net.node("GlobalMaxPool", x)
    index = net.node("Cast", top, to=TensorProto.INT64)
    factor = net.node("Gather", net.const(_RNG.integers(1, 200, 17) / 8), index, axis=0)
    summand = net.node("Gather", net.const(_RNG.integers(-99, 200, 17)), index, axis=0)
    y = net.node("Add", net.node("Mul", x, factor), summand)
    assert_equal_to_ort(net, (net.quantize(y, np.float32(1.37), 100),))


def test_whole_numbers_cast_there_and_back():
    """Floats have no zero point, although they came from codes with one."""
    net = QdqNet(SHAPE)
    assert_equal_to_ort(net, (net.node("Cast", indices(net, 5), to=TensorProto.FLOAT),))


def test_numbers_without_a_common_unit_need_a_quantizer():
    """Far apart, they stay a function of the index."""
    numbers = np.float32([1e-30, 1, 2, 3, 4e20, 5, 6, 7] * 2)
    net = QdqNet(SHAPE)
    assert_equal_to_ort(net, (net.quantize(table(net, numbers), 0.5, 3),))
    net = QdqNet(SHAPE)
    with pytest.raises(GraphError, match=r"its floats must be multiples of one power of two within 51 bits"):
        imported(net.build(table(net, numbers)))


SHORT = r"computed indices must lie in -15\.\.14, but may be 0\.\.15\. Put a quantizer with as many codes as "
SHORT += r"the table has numbers in front\."
ROWS = r"a table for computed indices must be one list of finite float32 numbers, not float32 of shape {}"
ERRORS = {
    "short": (np.ones(15), SHORT),
    "rows": (np.ones((16, 2)), ROWS.format(r"\(16, 2\)")),
    "infinite": (np.full(16, np.inf), ROWS.format(r"\(16,\)")),
}


@pytest.mark.parametrize("case", ERRORS)
def test_refused(case):
    """The message says what the rule is, and what the node has."""
    net = QdqNet(SHAPE)
    y = table(net, ERRORS[case][0])
    with pytest.raises(GraphError, match=rf"\n  Gather '\w+': {ERRORS[case][1]}$"):
        import_model(net.build(y), "net")
