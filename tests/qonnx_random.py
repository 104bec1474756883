"""Random QONNX networks: windows, groups, scales, biases, activation functions and quantizers vary."""

import numpy as np

from qonnx_models import Net

BATCH = 4


def po2(rng, low=-6, high=0, size=None):
    """Random powers of two."""
    return 2.0 ** rng.integers(low, high + 1, size)


class RandomNet(Net):
    """Layers with random parameters; scales are powers of two or any floats."""

    def __init__(self, rng, shape, exact: bool):
        super().__init__((BATCH, *shape))
        self.rng, self.exact, self.scale = rng, exact, 1.0

    def positive(self, low=-4, high=0, size=None):
        """Scales of the wanted kind."""
        return po2(self.rng, low, high, size) if self.exact else self.rng.uniform(2.0**low, 2.0**high, size)

    def activation(self, x: str, channels: tuple[int, ...] = ()) -> str:
        """A quantizer with random bits, rounding and zero point."""
        rng = self.rng
        signed = int(rng.integers(2))
        self.scale = np.float32(self.positive(-3, -1))
        zero = float(rng.integers(0, 3)) if not signed and not self.exact else 0.0
        # At 0, where these two step, the executor's sums in float32 are off by their rounding noise.
        if signed and self.exact and rng.integers(4) == 0:
            return self.node("BipolarQuant", x, self.const(self.scale), domain="qonnx.custom_op.general")
        rounding = str(
            rng.choice(["ROUND", "HALF_UP", *(["FLOOR", "CEIL", "UP", "DOWN"] if self.exact else [])])
        )
        return self.quant(x, self.scale, rng.integers(2, 5), signed, int(rng.integers(2)), zero, rounding)

    def bias(self, scales: np.ndarray, count: int) -> list[str]:
        """No bias, one quantized with the layer's scale, or a float one that is exact."""
        values = self.rng.integers(-20, 20, count) * scales
        kind = self.rng.integers(3)
        if kind == 0:
            return []
        if kind == 1:
            return [self.quant(self.const(values), np.float32(scales), 16, 1, 1)]
        return [self.const(values)]

    def float_part(self, x: str, channels: int, axes: int) -> str:
        """Batch norm or scaling, and an activation function, in any order."""
        rng, per = self.rng, (channels,) + (1,) * axes
        for kind in rng.permutation(4)[: rng.integers(0, 4)]:
            if kind == 0 and not self.exact:
                gamma = rng.normal(size=channels) * (rng.random(channels) > 0.2)
                x = self.node(
                    "BatchNormalization", x, self.const(gamma), self.const(rng.normal(size=channels)),
                    self.const(rng.normal(size=channels)), self.const(rng.uniform(0.1, 4, channels)),
                )  # fmt: skip
            elif kind == 0:
                signs = rng.choice([-2.0, -0.5, 1.0, 2.0], per)
                x = self.node("Mul", x, self.const(signs))
                x = self.node("Sub", self.const(rng.integers(-9, 9, per) / 4), x)
            elif kind == 1:
                op = rng.choice(["Relu", "LeakyRelu", "PRelu", "Clip"])
                x = self.function(str(op), x, per)
            elif kind == 2:
                x = self.node("Div", x, self.const(po2(rng, -1, 1, per)))
            else:
                x = self.node("Add", self.const(rng.integers(-9, 9, (1, *per)) / 8), x)
        return x

    def function(self, op: str, x: str, per: tuple[int, ...]) -> str:
        """A monotone activation function."""
        if op == "LeakyRelu":
            return self.node(op, x, alpha=0.25)
        if op == "PRelu":
            return self.node(op, x, self.const(po2(self.rng, -4, 0, per)))
        if op == "Clip":
            return self.node(op, x, self.const(-1.5), self.const(2.0))
        return self.node(op, x)

    def conv(self, x: str, shape: tuple[int, int, int]) -> tuple[str, tuple[int, int, int]]:
        """A convolution with random window and grouping; returns its output and frame shape."""
        rng = self.rng
        c, h, w = shape
        groups = int(rng.choice([1, c]))
        m, kh, kw = int(rng.choice([c, 2 * c])), int(rng.integers(1, 4)), int(rng.integers(1, 4))
        scales = np.float32(self.positive(-4, -1, (m, 1, 1, 1) if rng.integers(2) else None))
        weights = self.weights(rng.normal(size=(m, c // groups, kh, kw)), scales, rng.integers(1, 5))
        stride, dilation = (int(rng.integers(1, 3)) if h > 8 else 1), int(rng.integers(1, 3))
        pads = [int(p) for p in rng.integers(0, 3, 4)]
        window = {"strides": [stride, 1], "dilations": [1, dilation]}
        if rng.integers(3) == 0:
            mode = str(rng.choice(["SAME_UPPER", "SAME_LOWER"]))
            window = {"strides": [stride, 1], "auto_pad": mode}
            oh, ow = -(-h // stride), w
        else:
            window["pads"] = pads
            oh = (h + pads[0] + pads[2] - kh) // stride + 1
            ow = w + pads[1] + pads[3] - dilation * (kw - 1)
        bias = self.bias(np.broadcast_to(scales * self.scale, (m, 1, 1, 1)).ravel(), m)
        y = self.node("Conv", x, weights, *bias, group=groups, kernel_shape=[kh, kw], **window)
        return y, (m, oh, ow)

    def dense(self, x: str, size: int) -> tuple[str, int]:
        """A matrix product as MatMul or Gemm; returns its output and width."""
        rng = self.rng
        m = int(rng.integers(2, 6))
        scales = np.float32(self.positive(-4, -1, (m, 1) if rng.integers(2) else None))
        weights = self.weights(rng.normal(size=(m, size)), scales, rng.integers(2, 5))
        if rng.integers(2):
            bias = self.bias(np.broadcast_to(scales * self.scale, (m, 1)).ravel(), m)
            return self.node("Gemm", x, weights, *bias, transB=1), m
        return self.node("MatMul", x, self.node("Transpose", weights, perm=[1, 0])), m


def random_model(seed: int, exact: bool):
    """Input quantizer, one or two conv blocks with pooling, and a dense layer."""
    rng = np.random.default_rng(seed)
    shape = (int(rng.integers(1, 3)), 11, 8)
    net = RandomNet(rng, shape, exact)
    x = net.node("Mul", "x", net.const([2.0])) if rng.integers(2) else "x"
    x = net.activation(x)
    for _ in range(rng.integers(1, 3)):
        x, shape = net.conv(x, shape)
        x = net.float_part(x, shape[0], 2)
        before = rng.integers(2)
        if before:
            x = net.node("MaxPool", x, kernel_shape=[2, 2], strides=[2, 1])
        x = net.activation(x)
        if not before:
            x = net.node("MaxPool", x, kernel_shape=[2, 2], strides=[2, 1], pads=[1, 0, 0, 1])
            shape = (shape[0], (shape[1] - 1) // 2 + 1, shape[2])
        else:
            shape = (shape[0], (shape[1] - 2) // 2 + 1, shape[2] - 1)
    x, m = net.dense(net.node("Flatten", x), int(np.prod(shape)))
    if not exact:
        x = net.activation(net.float_part(x, m, 0))
    samples = (rng.integers(-40, 40, (BATCH, *net.shape[1:])) / 16).astype(np.float32)
    return net.build(x), samples, net.scale
