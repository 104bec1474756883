"""Networks of few bits: the CNN of five convolutions as an integer graph, at every width of its codes."""

import numpy as np

from gatewright.compiler.ir.graph import Const, Graph, Input, Node
from gatewright.compiler.ir.ops import Conv2d, MatMul, ReduceSum, Threshold
from gatewright.compiler.ir.types import Int, TensorType

# Channels in, out, and stride of each convolution.
LAYERS = ((3, 16, 1), (16, 32, 2), (32, 32, 1), (32, 64, 2), (64, 64, 1))
# Codes of activations and weights by bits.
ACTIVATIONS = {8: Int(-128, 127), 4: Int(0, 15), 2: Int(0, 3), 1: Int(-1, 1, 2)}
WEIGHTS = {8: Int(-127, 127), 4: Int(-7, 7), 2: Int(-2, 1), 1: Int(-1, 1, 2)}


def weights(rng: np.random.Generator, shape: tuple[int, ...], codes: Int) -> np.ndarray:
    """Weights as training leaves them: normal, rounded, clipped; signs alone where there is one bit."""
    normal = rng.normal(0, 1, shape)
    if codes.bipolar:
        return np.where(normal < 0, -1, 1)
    spread = (codes.hi - codes.lo) / 6
    return np.clip(np.rint(normal * spread - (0.5 if codes.hi == 1 else 0)), codes.lo, codes.hi).astype(int)


def requantized(rng: np.random.Generator, x: Node, codes: Int) -> Node:
    """A rounding scale and offset for each channel: thresholds over about two deviations of its sums."""
    fan = int(np.prod(x.inputs[1].type.shape[:-1]))
    source, w = x.inputs[0].type.dtype, x.inputs[1].value
    mean = (source.lo + source.hi) / 2 * w.reshape(fan, -1).sum(0)
    power = np.sqrt((source.hi - source.lo) ** 2 / 12 * (w.reshape(fan, -1) ** 2).sum(0))
    steps = codes.levels - 1
    scale = 4 * power / (steps + 1) * rng.uniform(0.8, 1.2, len(mean))
    centre = np.rint(mean + power * rng.uniform(-0.3, 0.3, len(mean)))
    places = np.arange(steps) + 0.5 - steps / 2
    t = np.ceil(centre[:, None] + scale[:, None] * places[None]).astype(int)
    return Node(Threshold(codes.lo, codes.step), (x, Const(t)))


def averaged(x: Node) -> Node:
    """Sums divided and rounded to 8-bit codes, as a global average has it."""
    lo, hi = x.type.dtype.lo, x.type.dtype.hi
    divisor = -(-(hi - lo) // 255)
    places = lo + divisor * np.arange(1, 256) - divisor // 2
    return Node(Threshold(-128), (x, Const(places[None])))


def five_convolutions(bits: int, seed: int = 7, image: int | None = None) -> Graph:
    """32x32x3 to 10 sums by five 3x3 convolutions with borders of zeros, 7.5 M multiplications.

    Args:
        bits: width of all weights and activations: 8, 4, 2 or 1.
        image: width of the input's codes, ``bits`` by default.
    """
    rng = np.random.default_rng(seed)
    x = Input("image", TensorType((32, 32, 3), ACTIVATIONS[image or bits]))
    first = x
    for source, target, stride in LAYERS:
        w = Const(weights(rng, (3, 3, source, target), WEIGHTS[bits]))
        x = Node(Conv2d((stride, stride), (1, 1, 1, 1)), (x, w))
        x = requantized(rng, x, ACTIVATIONS[bits])
    x = averaged(Node(ReduceSum((0, 1)), (x,)))
    return Graph((first,), (Node(MatMul(), (x, Const(weights(rng, (64, 10), WEIGHTS[8])))),))
