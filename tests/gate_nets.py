"""Networks in which a number for a whole map changes each pixel: squeeze and excite, DDTB's quantizer."""

import numpy as np

from gatewright.compiler.ir.graph import Const, Graph, Value, input_of
from gatewright.compiler.ir.ops import Add, Conv2d, Lookup, Mul, ReduceSum, Reshape, Threshold, Upsample


def steps(rng: np.random.Generator, value: Value, levels: int, low: int, name: str) -> Value:
    """A quantizer to ``levels`` values from ``low`` on, evenly over most of what ``value`` takes."""
    width = (value.type.dtype.hi - value.type.dtype.lo) // 4
    middle = (value.type.dtype.hi + value.type.dtype.lo) // 2
    cuts = middle + np.linspace(-width, width, levels - 1).astype(int) + int(rng.integers(-2, 3))
    return Threshold(low)(value, Const(cuts[None]), name=name)


def _conv(rng: np.random.Generator, value: Value, channels: int, size: int, name: str) -> Value:
    weights = rng.integers(-3, 4, (size, size, value.type.shape[-1], channels))
    return Conv2d((1, 1), (size // 2,) * 4)(value, Const(weights), name=name)


def squeeze_excite(
    size: tuple[int, int], channels: int, hidden: int, bits: int = 4, padded: bool = True, seed: int = 0
) -> Graph:
    """conv -> map; map * hard_sigmoid(conv(relu(conv(mean of map)))) + map -> quantizer.

    Args:
        size: rows and columns.
        bits: of the map's codes.
        padded: a 3x3 convolution in front, else 1x1.
    """
    rng = np.random.default_rng(seed)
    x = input_of("x", (*size, channels), -8, 7)
    whole = steps(rng, _conv(rng, x, channels, 3 if padded else 1, "map"), 2**bits, 0, "map act")
    total = Reshape((1, 1, channels))(ReduceSum((0, 1))(whole, name="squeeze"))
    inner = steps(rng, _conv(rng, total, hidden, 1, "first"), 8, 0, "first act")
    outer = steps(rng, _conv(rng, inner, channels, 1, "second"), 16, -8, "second act")
    sigmoid = np.clip(np.arange(-8, 8) * 3 + 20, 0, 31)
    gate = Lookup(-8)(outer, Const(sigmoid), name="hard sigmoid")
    scaled = Mul()(whole, Upsample(size)(gate, name="repeated"), name="excited")
    out = steps(rng, Add()(scaled, whole, name="sum"), 32, -16, "out")
    return Graph((x,), (out,), "squeeze excite")


def moving_bounds(size: tuple[int, int], channels: int, bits: int = 3, seed: int = 0) -> Graph:
    """DDTB's quantizer by hand: one code for a frame indexes tables of multipliers, zero points and steps,
    and ``clamp(round(x * multiplier - zero)) + zero`` goes through a convolution, and past it times step."""
    rng = np.random.default_rng(seed)
    x = input_of("x", (*size, channels), -128, 127)
    total = Reshape((1, 1, channels))(ReduceSum((0, 1))(x, name="means"))
    code = steps(rng, _conv(rng, total, 1, 1, "logits"), 16, 0, "code")

    def table(low: int, high: int, name: str) -> Value:
        values = np.sort(rng.integers(low, high + 1, 16))
        one = Lookup(0)(code, Const(values), name=name)
        row = Reshape((1, 1, channels))(Upsample((1, channels))(one))
        return Upsample(size)(row, name=f"{name} everywhere")

    multiplier, zero, step = table(1, 31, "multiplier"), table(-6, -1, "zero"), table(3, 60, "step")
    fixed = Add()(Mul()(x, multiplier), Mul()(zero, Const(np.array([-256]))), name="scaled")
    codes = Threshold(0)(fixed, Const(256 * np.arange(1, 2**bits)[None] - 127), name="round")
    moved = Add()(codes, zero, name="moved")
    branch = Mul()(_conv(rng, moved, channels, 3, "conv"), step)
    out = steps(rng, Add()(branch, Mul()(moved, step), name="sum"), 64, -32, "out")
    return Graph((x,), (out,), "moving bounds")
