"""Products of two computed tensors on ARM equal the reference: tiles of rows, vectors of columns."""

import numpy as np
import pytest

from arm_bench import Batch, Case
from gatewright.compiler.ir.graph import Const, Graph, Node, Value, input_of
from gatewright.compiler.ir.ops import BatchMatMul, Conv2d, Threshold
from gatewright.compiler.neon.isa import CORES
from gatewright.sim.qemu import by_function
from graph_builder import arrays

BYTE, SIGNED, SHIFTED, WORD = (0, 255), (-128, 127), (-211, 44), (-3000, 3000)
# leading axes, M, K, N, ranges
PRODUCTS = [
    ((), 8, 16, 16, SIGNED, SIGNED),
    ((3,), 5, 9, 20, BYTE, SIGNED),
    ((2, 3), 4, 7, 8, SHIFTED, BYTE),
    ((2,), 1, 17, 5, WORD, SIGNED),
    ((), 7, 8, 33, SIGNED, WORD),
    ((4,), 6, 5, 3, SIGNED, SIGNED),
    ((), 3, 40, 12, WORD, WORD),
    ((1,), 2, 1, 4, BYTE, (-(2**20), 2**20)),
]


def _inputs(lead, m, k, n, first, second) -> tuple[Value, Value]:
    return input_of("x", (*lead, m, k), *first), input_of("z", (*lead, k, n), *second)


def _case(rng, inputs: tuple, out: Node) -> Case:
    return Case(Graph(inputs, (out,)), tuple(arrays(rng, v.type, 4) for v in inputs))


def _thresholds(node: Node) -> Node:
    d = node.type.dtype
    return Node(Threshold(-128), (node, Const(np.linspace(d.lo, d.hi, 257).astype(np.int64)[None, 1:-1])))


def _image(rng) -> Case:
    """Operands with borders, as convolutions beside the product want them."""
    x, z = inputs = _inputs((4,), 4, 6, 6, SIGNED, SIGNED)
    a, b = (Node(Threshold(-120), (v, Const(np.arange(-100, 100)[None]))) for v in inputs)
    convs = []
    for v in (a, b):
        w = Const(rng.integers(-127, 128, (3, 3, v.type.shape[2], 4)))
        convs.append(Node(Conv2d((1, 1), (1, 1, 1, 1), (1, 1), 1), (v, w)))
    out = Node(BatchMatMul(), (a, b))
    return Case(Graph(inputs, (out, *convs)), tuple(arrays(rng, v.type, 4) for v in (x, z)))


@pytest.mark.parametrize("core", CORES)
def test_batched_products_equal_the_reference(core, tmp_path):
    """All shapes and widths, sums and bytes, at smallest, largest and random inputs."""
    rng = np.random.default_rng(21)
    cases = [_image(rng)]
    for i, product in enumerate(PRODUCTS):
        inputs = _inputs(*product)
        out = Node(BatchMatMul(), inputs)
        cases.append(_case(rng, inputs, _thresholds(out) if i % 2 else out))
    assert Batch(cases, core, tmp_path).differences() == {}


def test_a_batched_product_takes_few_instructions(tmp_path):
    """Attention's 32x32x32 of bytes: less than 0.4 instructions for each product."""
    inputs = _inputs((2,), 32, 32, 32, SIGNED, SIGNED)
    batch = Batch(
        [_case(np.random.default_rng(22), inputs, Node(BatchMatMul(), inputs))], "cortex-a72", tmp_path
    )
    counts = by_function(tmp_path / "all", batch.run(blocks=True, frames=1))
    assert 0 < sum(n for name, n in counts.items() if "batch" in name) < 0.4 * 2 * 32**3
