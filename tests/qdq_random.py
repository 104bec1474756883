"""Random QDQ networks: types, zero points, scales per tensor and per channel, windows and groups vary."""

import numpy as np
from onnx import TensorProto

from qdq_models import RANGES, QdqNet

BATCH = 4
_NARROW = (TensorProto.UINT8, TensorProto.INT8, TensorProto.UINT4, TensorProto.INT4)


class RandomQdq(QdqNet):
    """Layers with random parameters; scales are powers of two or any floats."""

    def __init__(self, rng, shape, exact: bool):
        super().__init__((BATCH, *shape))
        self.rng, self.exact, self.scale, self.span = rng, exact, np.float32(1), 255

    def rounded(self, scale):
        """A scale of the wanted kind near another."""
        return np.float32(2.0 ** np.round(np.log2(scale)) if self.exact else scale)

    def activation(self, x: str, spread: float) -> str:
        """Both nodes, for values of about this spread."""
        rng = self.rng
        kind = int(rng.choice(_NARROW))
        lo, hi = RANGES[kind]
        zero = (lo + hi + 1) // 2 + int(rng.integers(-3, 4))
        self.scale, self.span = self.rounded(spread * rng.uniform(3, 6) / (hi - lo)), hi - lo
        return self.pair(x, self.scale, zero, kind)

    def weights(self, shape: tuple[int, ...], axis: int) -> tuple[str, np.ndarray]:
        """Stored codes of a random type, with their scales."""
        rng, count = self.rng, shape[axis]
        kind = int(rng.choice(_NARROW))
        lo, hi = RANGES[kind]
        scale = self.rounded(rng.uniform(0.01, 0.2, count if rng.integers(2) else ()))
        middle = (lo + hi + 1) // 2
        zero = middle + (rng.integers(-2, 3, np.shape(scale)) if rng.integers(2) else 0)
        codes = rng.integers(lo, hi + 1, shape)
        self.weight_spread = (hi - lo) / 3.5 * float(np.mean(scale))
        return self.stored_weights(codes, scale, zero, kind, axis), np.broadcast_to(scale, count)

    def bias(self, scales: np.ndarray) -> list[str]:
        """No bias, or 32-bit codes whose scale is the product of the layer's scales, in float32."""
        rng = self.rng
        if rng.integers(3) == 0:
            return []
        codes = rng.integers(-300, 300, len(scales))
        return [self.stored_weights(codes, np.float32(self.scale * scales), 0, TensorProto.INT32)]

    def behind(self, x: str, taps: int) -> str:
        """An activation function or none, and the quantizer."""
        spread = self.span / 3.5 * float(self.scale) * self.weight_spread * taps**0.5
        kind = self.rng.integers(3)
        if kind == 1:
            x = self.node("Relu", x)
        elif kind == 2:
            x = self.node("Clip", x, self.const(0.0), self.const(self.rounded(spread)))
        return self.activation(x, spread)


def random_qdq(seed: int, exact: bool):
    """Input quantizer, one or two convolutions, with odd seeds pooling and a dense layer; also samples."""
    rng = np.random.default_rng(seed)
    c, h, w = int(rng.integers(1, 4)), 9, 7
    net = RandomQdq(rng, (c, h, w), exact)
    x = net.activation("x", 2.0)
    for _ in range(rng.integers(1, 3)):
        groups, m, k = int(rng.choice([1, c])), c * int(rng.integers(1, 3)), int(rng.integers(1, 4))
        weights, scales = net.weights((m, c // groups, k, k), 0)
        pads = [int(p) for p in rng.integers(0, 3, 4)]
        y = net.node("Conv", x, weights, *net.bias(scales), group=groups, pads=pads, strides=[1, 2])
        x = net.behind(y, c // groups * k * k)
        c, h, w = m, h + pads[0] + pads[2] - k + 1, (w + pads[1] + pads[3] - k) // 2 + 1
    samples = rng.normal(size=net.shape).astype(np.float32)
    if seed % 2 == 0:
        return net.build(x), samples, net.scale
    x = net.node("Flatten", net.node("MaxPool", x, kernel_shape=[2, 1], strides=[2, 1]))
    size, m = c * (h // 2) * w, int(rng.integers(2, 6))
    weights, scales = net.weights((m, size), 0)
    x = net.behind(net.node("Gemm", x, weights, *net.bias(scales), transB=1), size)
    return net.build(x), samples, net.scale
