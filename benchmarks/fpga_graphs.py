"""Networks of benchmarks that no file holds, as integer graphs: FINN's CNV, and a block of five branches."""

import numpy as np

from gatewright.compiler.ir.evaluate import evaluate
from gatewright.compiler.ir.graph import Const, Graph, Value, input_of
from gatewright.compiler.ir.ops import Concat, Conv2d, MatMul, MaxPool, Reshape, Threshold

# Channels of the convolutions, in pairs with a pool behind each but the last, and of the dense layers:
# FINN's CNV (Umuroglu et al., 2017; github.com/Xilinx/BNN-PYNQ bnn/src/network/cnvW1A1).
CONVOLUTIONS = ((64, 64), (128, 128), (256, 256))
DENSE = (512, 512, 10)
_CALIBRATION_FRAMES = 4


def cnv(
    convolutions: tuple[tuple[int, ...], ...] = CONVOLUTIONS,
    dense: tuple[int, ...] = DENSE,
    size: int = 32,
    seed: int = 1,
) -> Graph:
    """FINN's CNV with one-bit weights and activations: 3x3 convolutions without padding, then dense layers.

    Weights are random signs. Batch norms with their signs are one threshold a channel: the mean of the
    channel's sums on random images, moved by a shift of half a standard deviation or so.

    Args:
        size: rows and columns of the 8-bit colour image.
    """
    rng = np.random.default_rng(seed)
    x = input_of("image", (size, size, 3), -128, 127)
    network = _Network(rng, images(_CALIBRATION_FRAMES, size, seed))
    value = x
    for stage, channels in enumerate(convolutions):
        for index, outputs in enumerate(channels):
            w = _signs(rng, (3, 3, value.type.shape[-1], outputs))
            value = network.normed(x, Conv2d()(value, w, name=f"conv{stage}{index}"))
        if stage + 1 < len(convolutions):
            value = MaxPool((2, 2), (2, 2))(value, name=f"pool{stage}")
    value = Reshape((value.type.size,))(value, name="flat")
    for index, outputs in enumerate(dense):
        value = MatMul()(value, _signs(rng, (value.type.size, outputs)), name=f"dense{index}")
        if index + 1 < len(dense):
            value = network.normed(x, value)
    return Graph((x,), (value,), "cnv_w1a1")


def branches(size: int = 32, channels: int = 16, seed: int = 1) -> Graph:
    """A convolution, a block of five branches as in Inception, joined, and a dense layer; 4 bits.

    The branches see 1, 3, 5 (dilated), 7 (two convolutions) pixels, and a maximum of 3, so that what they
    have ready together came in at different times.
    """
    rng = np.random.default_rng(seed)
    x = input_of("image", (size, size, 3), -128, 127)
    network = _Network(rng, images(_CALIBRATION_FRAMES, size, seed))

    def conv(value: Value, kernel: int, name: str, dilation: int = 1) -> Value:
        pad = kernel // 2 * dilation
        w = Const(rng.integers(-7, 8, (kernel, kernel, value.type.shape[-1], channels)))
        sums = Conv2d(pads=(pad,) * 4, dilations=(dilation, dilation))(value, w, name=name)
        return network.stepped(x, sums)

    stem = MaxPool((2, 2), (2, 2))(conv(x, 3, "stem"), name="stem_pool")
    around = MaxPool((3, 3), pads=(1, 1, 1, 1))(stem, name="around")
    parts = (
        conv(stem, 1, "one"),
        conv(stem, 3, "three"),
        conv(stem, 3, "five", dilation=2),
        conv(conv(stem, 1, "narrow"), 7, "seven"),
        conv(around, 1, "pooled"),
    )
    joined = MaxPool((4, 4), (4, 4))(Concat(2)(*parts, name="joined"), name="pool")
    flat = Reshape((joined.type.size,))(joined, name="flat")
    dense = MatMul()(flat, Const(rng.integers(-7, 8, (flat.type.size, 10))), name="dense")
    return Graph((x,), (dense,), "branches_w4a4")


def images(count: int, size: int, seed: int) -> np.ndarray:
    """Random images with large shapes rather than noise: coarse colours, enlarged, and a little noise; int64
    (count, size, size, 3) in [-128, 127]."""
    rng = np.random.default_rng(seed)
    coarse = rng.normal(0, 60, (count, -(-size // 4), -(-size // 4), 3))
    fine = coarse.repeat(4, axis=1).repeat(4, axis=2)[:, :size, :size]
    return np.clip(np.rint(fine + rng.normal(0, 12, fine.shape)), -128, 127).astype(np.int64)


class _Network:
    """Quantizers that know the statistics of what they read on a few frames."""

    def __init__(self, rng: np.random.Generator, frames: np.ndarray):
        self._rng, self._frames = rng, frames

    def normed(self, x: Value, sums: Value) -> Value:
        """The sign of batch-normed ``sums``, in {-1, +1}."""
        seen = self._seen(x, sums)
        shift = self._rng.normal(0, 0.5, seen.shape[-1])
        thresholds = np.ceil(seen.mean(0) + shift * seen.std(0)).astype(np.int64)
        return Threshold(bias=-1, step=2)(sums, Const(thresholds[:, None]), name=f"{sums.name}_sign")

    def stepped(self, x: Value, sums: Value) -> Value:
        """``sums`` behind a batch norm and a ReLU of 4 bits, whose last step is at two deviations."""
        seen = self._seen(x, sums)
        steps = seen.mean(0)[:, None] + seen.std(0)[:, None] * np.linspace(0, 2, 15)
        return Threshold()(sums, Const(np.ceil(steps).astype(np.int64)), name=f"{sums.name}_relu")

    def _seen(self, x: Value, sums: Value) -> np.ndarray:
        (seen,) = evaluate(Graph((x,), (sums,)), self._frames)
        return seen.reshape(-1, sums.type.shape[-1])


def _signs(rng: np.random.Generator, shape: tuple[int, ...]) -> Const:
    return Const(rng.integers(0, 2, shape) * 2 - 1)
