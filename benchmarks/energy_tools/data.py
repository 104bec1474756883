"""The real data that measured units work on: layers on scikit-learn's digits, and how their units are made.

Dense layers have the activations and weights of a trained network's middle layer (addernet_tools.operands),
of which a part is kept in operands.npz; images are the digits themselves, and edges in them.
"""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

from gatewright.compiler.ir.graph import Const, Graph, Node, Value, input_of
from gatewright.compiler.ir.ops import (
    AdderMatMul,
    MatMul,
)
from gatewright.hw.build import assemble
from gatewright.hw.design import Instance
from gatewright.hw.layers import layers
from gatewright.hw.lower import FPGA
from gatewright.hw.rules.rule import Fold, Layer
from gatewright.sim.energy.streams import Traffic

MEASURED = Path(__file__).parents[1] / "energy_measured"
# Clocks that a unit is watched for, about.
CLOCKS = 420


@cache
def operands() -> dict[str, np.ndarray]:
    """Of a trained adder layer and of its multiplying twin: x (320, 64) of 8 bits, w (64, 32)."""
    with np.load(MEASURED / "operands.npz") as data:
        return {name: data[name].astype(np.int64) for name in data.files}


@cache
def images(channels: int, bits: int) -> np.ndarray:
    """Digits, their edges and their corners in codes of ``bits`` bits: (frames, 8, 8, channels)."""
    digits = load_digits().images[:200]
    kernels = [(0, 0), (0, 1), (1, 0), (1, 1), (0, 2), (2, 0), (2, 1), (1, 2)]
    found = []
    for down, right in kernels[:channels]:
        moved = np.roll(digits, (down, right), (1, 2))
        found.append(digits if (down, right) == (0, 0) else np.abs(digits - moved))
    scaled = np.stack(found, axis=-1) / 16 * ((1 << bits) - 1)
    return np.rint(scaled).astype(np.int64)


def built(
    graph: Graph, frames: np.ndarray, fold: Callable[[Layer], Fold], module: str, number: int = 0
) -> tuple[Instance, tuple[np.ndarray, ...]]:
    """The instance of ``module`` (the one of that ``number``) that a graph becomes, and what it is given by
    the first frames, so many pieces of work as take about CLOCKS clocks."""
    chain = layers(graph)
    design = assemble("measured", chain, [fold(layer) for layer in chain])
    found = [(i, x) for i, x, _ in Traffic(design, frames) if i.unit.module == module]
    instance, inputs = found[number]
    return instance, _cut(instance, inputs)


def _cut(instance: Instance, inputs: list[np.ndarray]) -> tuple[np.ndarray, ...]:
    pieces = len(inputs[0]) * instance.repeats // instance.inputs[0].beats
    wanted = min(pieces, max(2, round(CLOCKS / instance.unit.interval(instance.p))))
    groups = instance.params.get("GROUPS", 1)
    wanted = max(groups, wanted // groups * groups)
    return tuple(x[: len(x) * wanted // pieces] for x in inputs)


def chosen(pe: int, simd: int, of: type = Fold, **flags: object) -> Callable[[Layer], Fold]:
    """The folding of a layer's rule that is nearest to these numbers, of this class and with these flags
    where it has them."""

    def pick(layer: Layer) -> Fold:
        def distance(fold: Fold) -> tuple:
            wrong = sum(getattr(fold, name) != value for name, value in flags.items())
            return type(fold) is not of, wrong, abs(np.log(fold.pe / pe)) + abs(np.log(fold.simd / simd))

        return min(FPGA.rule(layer.node).folds(layer), key=distance)

    return pick


def dense(lane: str, x_bits: int, w_bits: int, k: int, m: int) -> tuple[Graph, np.ndarray]:
    """A dense layer of the trained network, its operands cut to so many bits."""
    own = operands()
    adds = lane in ("adder", "minimum")
    x, w = (own[f"{'adder' if adds else 'product'}_{name}"] for name in "xw")
    x, w = x[:, :k] >> (8 - x_bits), w[:k, :m]
    low, high, step = 0, (1 << x_bits) - 1, 1
    if lane in ("xnor", "xnor6", "sign_x"):
        x, low, high, step = np.where(x > np.median(x), 1, -1), -1, 1, 2
    if lane in ("sign", "xnor", "xnor6"):
        w = np.where(w < 0, -1, 1)
    elif adds:
        w = np.clip(w >> (8 - x_bits), 0, high)
    else:
        w = np.clip(np.rint(w / (1 << (8 - w_bits))), 1 - (1 << (w_bits - 1)), None).astype(np.int64)
    value = input_of("x", (k,), low, high, step)
    return Graph((value,), (Node(AdderMatMul() if adds else MatMul(), (value, Const(w))),)), x


def sums_of_layer(bits: int, channels: int) -> tuple[Value, np.ndarray]:
    """Sums of a dense layer as an input of their own."""
    graph, x = dense("digit", bits, bits, 64, channels)
    sums = graph.outputs[0].op.evaluate(x, graph.outputs[0].inputs[1].value)
    most = int(np.abs(sums).max())
    return input_of("sums", (channels,), -most, most), sums


def levels(sums: np.ndarray, count: int, line: bool) -> np.ndarray:
    """Thresholds of each channel: at equal shares of its sums, or on a line over them."""
    if not line:
        return np.rint(np.quantile(sums, np.arange(1, count + 1) / (count + 1), axis=0).T).astype(np.int64)
    mean, spread = sums.mean(0), 2 * sums.std(0) + 1
    places = (np.arange(count) + 0.5) / count * 2 - 1
    return np.ceil(mean[:, None] + spread[:, None] * places).astype(np.int64)


def image(channels: int, bits: int) -> tuple[Value, np.ndarray]:
    return input_of("image", (8, 8, channels), 0, (1 << bits) - 1), images(channels, bits)


def kernels(shape: tuple[int, ...], bits: int) -> Const:
    """Weights of the trained layer in another shape."""
    w = operands()["product_w"].reshape(-1)[: int(np.prod(shape))].reshape(shape)
    return Const(np.clip(w >> (8 - bits), 1 - (1 << (bits - 1)), None))


def cuts(bits: int) -> Const:
    """Thresholds of a few levels that all channels share."""
    return Const(np.array([[1, 1 << (bits - 1), (1 << bits) - 1]]))


def source(node: Node) -> Value:
    while isinstance(node, Node):
        node = node.inputs[0]
    return node
