"""A small network for the example budget: scikit-learn's digits through 32 neurons, 4 bits everywhere.

    python examples/ci/digits.py OUT

Writes ``OUT/digits.onnx`` (QONNX) and ``OUT/digits.npz`` (``inputs``, ``labels``: the 360 test images that
nothing was trained on) in a few seconds and without torch. Weights are rounded after training, to scales
that are powers of two.
"""

import sys
import warnings
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

TRAINING_IMAGES = 1437
HIDDEN, EPOCHS, SEED = 32, 60, 7
WEIGHT_BITS, ACTIVATION_BITS, BIAS_BITS, PIXEL_BITS = 4, 4, 16, 5
PIXEL_SCALE = 2.0**-4
_DOMAIN = "qonnx.custom_op.general"


def trained(images: np.ndarray, labels: np.ndarray) -> MLPClassifier:
    """The network in floats."""
    net = MLPClassifier((HIDDEN,), learning_rate_init=5e-3, max_iter=EPOCHS, random_state=SEED)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # it is as good as 4 bits are by then
        return net.fit(images, labels)


def scale_of(values: np.ndarray, steps: int) -> float:
    """The power of two that makes ``steps`` of the largest values, a few of which are cut."""
    return float(2.0 ** np.ceil(np.log2(np.quantile(np.abs(values), 0.999) / steps)))


class Graph:
    """QONNX nodes one after the other; every method returns its result's name."""

    def __init__(self):
        self.nodes, self.stored = [], []

    def constant(self, values: np.ndarray | float) -> str:
        """A stored float tensor."""
        name = f"constant{len(self.stored)}"
        self.stored.append(numpy_helper.from_array(np.array(values, np.float32), name))
        return name

    def node(self, op: str, *inputs: str, domain: str = "", **attributes) -> str:
        """Any node."""
        name = f"{op.lower()}{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, inputs, [name], name=name, domain=domain, **attributes))
        return name

    def quantized(self, x: str, scale: float, bits: int, signed: bool) -> str:
        """Rounded to whole steps of a scale."""
        numbers = [self.constant(v) for v in (scale, 0.0, bits)]
        attributes = {"signed": int(signed), "narrow": 0, "rounding_mode": "ROUND"}
        return self.node("Quant", x, *numbers, domain=_DOMAIN, **attributes)

    def layer(self, x: str, x_scale: float, weights: np.ndarray, bias: np.ndarray) -> str:
        """A dense layer with rounded weights and biases."""
        scale = scale_of(weights, 2 ** (WEIGHT_BITS - 1) - 1)
        rounded = self.quantized(self.constant(weights), scale, WEIGHT_BITS, True)
        added = self.quantized(self.constant(bias), x_scale * scale, BIAS_BITS, True)
        return self.node("Add", self.node("MatMul", x, rounded), added)


def exported(net: MLPClassifier, images: np.ndarray) -> onnx.ModelProto:
    """The network as QONNX, its hidden values rounded as the training images want."""
    hidden = np.maximum(images @ net.coefs_[0] + net.intercepts_[0], 0)
    hidden_scale = scale_of(hidden, 2**ACTIVATION_BITS - 1)
    graph = Graph()
    x = graph.quantized("image", PIXEL_SCALE, PIXEL_BITS, False)
    sums = graph.layer(x, PIXEL_SCALE, net.coefs_[0], net.intercepts_[0])
    y = graph.quantized(graph.node("Relu", sums), hidden_scale, ACTIVATION_BITS, False)
    logits = graph.layer(y, hidden_scale, net.coefs_[1], net.intercepts_[1])
    ends = [
        helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, size])
        for name, size in (("image", images.shape[1]), (logits, net.n_outputs_))
    ]
    made = helper.make_graph(graph.nodes, "digits", ends[:1], ends[1:], graph.stored)
    opsets = [helper.make_opsetid("", 13), helper.make_opsetid(_DOMAIN, 1)]
    return helper.make_model(made, opset_imports=opsets, ir_version=8)


def main() -> None:
    """Train, round, and write both files."""
    if len(sys.argv) != 2:
        raise SystemExit("usage: python examples/ci/digits.py OUT")
    out = Path(sys.argv[1])
    data = load_digits()
    order = np.random.default_rng(0).permutation(len(data.images))
    images, labels = (data.data / 16).astype(np.float32)[order], data.target[order]
    train, test = slice(0, TRAINING_IMAGES), slice(TRAINING_IMAGES, None)
    net = trained(images[train], labels[train])
    out.mkdir(parents=True, exist_ok=True)
    onnx.save(exported(net, images[train]), out / "digits.onnx")
    np.savez(out / "digits.npz", inputs=images[test], labels=labels[test])
    print(f"wrote {out / 'digits.onnx'} and {out / 'digits.npz'}")


if __name__ == "__main__":
    main()
