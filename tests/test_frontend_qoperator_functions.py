"""Tables, joins and averages of codes against ONNX Runtime."""

import numpy as np
import pytest

from gatewright.compiler.ir.ops import Lookup
from qoperator_models import (
    DTYPES,
    INT8,
    MICROSOFT,
    UINT8,
    QOperatorNet,
    compare,
    frames,
    scale_of,
    zero_of,
)


def every_code(kind: int) -> np.ndarray:
    """One frame with all codes."""
    info = np.iinfo(DTYPES[kind])
    return np.arange(info.min, info.max + 1).astype(DTYPES[kind])[None]


@pytest.mark.parametrize("op", ["QLinearSigmoid", "QLinearLeakyRelu"])
@pytest.mark.parametrize("kind", [UINT8, INT8])
@pytest.mark.parametrize("seed", range(8))
def test_tables(op, kind, seed):
    """All codes, random scales and zero points."""
    rng, net = np.random.default_rng(seed), QOperatorNet()
    more = {"alpha": float(rng.uniform(-0.2, 0.9))} if op == "QLinearLeakyRelu" else {}
    y = net.node(
        op, net.input((1, 256), kind), *net.coded(scale_of(rng), zero_of(rng, kind), kind),
        *net.coded(scale_of(rng), zero_of(rng, kind), kind), domain=MICROSOFT, **more,
    )  # fmt: skip
    compare(net.build(y, kind=kind), every_code(kind))


@pytest.mark.parametrize("kind", [UINT8, INT8])
@pytest.mark.parametrize("axis", [1, 2, -1])
@pytest.mark.parametrize("seed", range(4))
def test_concat(kind, axis, seed):
    """Inputs of other scales pass tables; one of the result's own scale and zero point does not."""
    rng, net = np.random.default_rng(seed), QOperatorNet()
    shapes = [[2, 3, 4, 90] for _ in range(3)]
    for s in shapes:
        s[axis] = int(rng.integers(1, 5)) if axis != -1 else s[axis]
    own = scale_of(rng), zero_of(rng, kind)
    codings = [own, (scale_of(rng), zero_of(rng, kind)), (scale_of(rng), zero_of(rng, kind))]
    operands = list(net.coded(*own, kind))
    for s, coding in zip(shapes, codings, strict=True):
        operands += [net.input(tuple(s), kind), *net.coded(*coding, kind)]
    y = net.node("QLinearConcat", *operands, domain=MICROSOFT, axis=axis)
    graph = compare(net.build(y, kind=kind), *(frames(rng, tuple(s), kind) for s in shapes))
    assert sum(isinstance(n.op, Lookup) for n in graph.nodes()) == 2


@pytest.mark.parametrize("kind", [UINT8, INT8])
@pytest.mark.parametrize("last", [0, 1])
@pytest.mark.parametrize("seed", range(6))
def test_global_average(kind, last, seed):
    """Random sums, and frames of equal codes, whose sums reach both ends."""
    rng, net = np.random.default_rng(seed), QOperatorNet()
    size = tuple(int(v) for v in rng.integers(1, 12, 2))
    shape = (40, *size, 9) if last else (40, 9, *size)
    x = frames(rng, shape, kind) // np.array(int(rng.integers(1, 9)), DTYPES[kind])
    x[:8] = frames(rng, (8, 1, 1, 1), kind)
    x_scale = scale_of(rng)
    y = net.node(
        "QLinearGlobalAveragePool", net.input(shape, kind), *net.coded(x_scale, zero_of(rng, kind), kind),
        *net.coded(x_scale * np.float32(rng.uniform(0.1, 1.2)), zero_of(rng, kind), kind),
        domain=MICROSOFT, channels_last=last,
    )  # fmt: skip
    compare(net.build(y, kind=kind), x)


@pytest.mark.parametrize("kind", [UINT8, INT8])
@pytest.mark.parametrize("last", [0, 1])
@pytest.mark.parametrize("count", [0, 1])
def test_average_of_windows(kind, last, count):
    """Power-of-two scales, where the source's float sums are exact, with and without counted padding."""
    rng, net = np.random.default_rng(kind), QOperatorNet()
    shape = (20, 8, 7, 5) if last else (20, 5, 8, 7)
    y = net.node(
        "QLinearAveragePool", net.input(shape, kind), *net.coded(0.25, zero_of(rng, kind), kind),
        *net.coded(0.17, zero_of(rng, kind), kind), domain=MICROSOFT, channels_last=last,
        kernel_shape=[3, 2], strides=[2, 1], pads=[1, 0, 1, 1], count_include_pad=count,
    )  # fmt: skip
    compare(net.build(y, kind=kind), frames(rng, shape, kind))
