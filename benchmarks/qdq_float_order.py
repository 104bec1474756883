"""In which order ONNX Runtime sums a QDQ convolution's float32 products, and how roundings change codes.

    python benchmarks/qdq_float_order.py --work DIR [--network resnet18] [--way qdq-asymmetric-tensor]

Every convolution is computed from ONNX Runtime's own input codes in several ways; counted are the floats
that are not ONNX Runtime's and the codes behind the quantizer that differ. Last, windows of one channel
with equal integer sums whose codes differ are counted: no function of the sum gives them. Needs a C
compiler (cc) and a processor with fused multiply-add.
"""

import argparse
import ctypes
import subprocess
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from onnx import ModelProto, NodeProto, ValueInfoProto, helper, load, numpy_helper

from ort_models.compare import results_of
from ort_models.files import NETWORKS, WAYS, inputs, quantized_file

_SOURCE = """
void product(const float *a, const float *b, float *c, long m, long k, long n, long block) {
  for (long i = 0; i < m; i++)
    for (long start = 0; start < k; start += block) {
      long end = start + block < k ? start + block : k;
      for (long j = 0; j < n; j++) {
        float sum = 0;
        for (long p = start; p < end; p++) sum = __builtin_fmaf(a[i * k + p], b[j * k + p], sum);
        c[i * n + j] = start ? c[i * n + j] + sum : sum;
      }
    }
}
"""
_FLOATS = np.ctypeslib.ndpointer(np.float32, flags="C")


def compiled(folder: Path):
    """``product(weights (M, K), columns (N, K), block) -> (M, N)``: sums in order, in blocks."""
    source, library = folder / "product.c", folder / "product.so"
    source.write_text(_SOURCE)
    command = ["cc", "-O3", "-mfma", "-ffp-contract=off", "-shared", "-fPIC", str(source), "-o", str(library)]
    subprocess.run(command, check=True)
    function = ctypes.CDLL(str(library.resolve())).product
    function.argtypes = [_FLOATS] * 3 + [ctypes.c_long] * 4

    def product(a: np.ndarray, b: np.ndarray, block: int) -> np.ndarray:
        c = np.zeros((len(a), len(b)), np.float32)
        function(np.ascontiguousarray(a), np.ascontiguousarray(b), c, len(a), a.shape[1], len(b), block)
        return c

    return product


def block_length(columns: int, products: int) -> int:
    """How many products MLAS sums at once: 128, more for narrow images and fewer for short sums."""
    wide, block = 128, 128
    if columns >= products:
        while block // 2 >= products:
            wide, block = wide * 2, block // 2
    else:
        while wide > 16 and wide // 2 >= columns:
            wide, block = wide // 2, block * 2
    return block


@dataclass
class Layer:
    """A dense convolution between DequantizeLinear nodes and a quantizer: names, codes and scales."""

    codes: str
    floats: str
    weights: np.ndarray
    bias: np.ndarray
    scales: tuple[np.float32, np.ndarray, np.float32]
    points: tuple[int, np.ndarray]
    pads: tuple[int, ...]
    strides: tuple[int, ...]

    def columns(self, codes: np.ndarray) -> np.ndarray:
        """Windows of one frame (C, H, W) as rows (N, K), in the order (channel, row, column)."""
        top, left, bottom, right = self.pads
        image = np.pad(codes.astype(np.int64) - self.points[0], ((0, 0), (top, bottom), (left, right)))
        kernel = self.weights.shape[2:]
        windows = np.lib.stride_tricks.sliding_window_view(image, kernel, axis=(1, 2))
        windows = windows[:, :: self.strides[0], :: self.strides[1]]
        return windows.transpose(1, 2, 0, 3, 4).reshape(-1, self.weights[0].size)

    def quantized(self, floats: np.ndarray) -> np.ndarray:
        """The quantizer's codes of float32 numbers."""
        point = self.points[1]
        limits = np.iinfo(point.dtype)
        return np.clip(np.rint(floats / self.scales[2]) + int(point), limits.min, limits.max)


def layers(model: ModelProto) -> list[Layer]:
    """The dense convolutions whose results are quantized at once."""
    stored = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    makers = {o: n for n in model.graph.node for o in n.output}
    users = {i: n for n in model.graph.node for i in n.input}
    found = []
    for node in model.graph.node:
        dense = node.op_type == "Conv" and _attribute(node, "group", 1) == 1
        if dense and users[node.output[0]].op_type == "QuantizeLinear":
            found.append(_layer(node, stored, makers, users[node.output[0]]))
    return found


def _layer(node: NodeProto, stored, makers, quantizer: NodeProto) -> Layer:
    x, w, b = (makers[i] for i in node.input)
    weights, bias = stored[w.input[0]], stored[b.input[0]]
    return Layer(
        x.input[0], node.output[0], weights.astype(np.int64), bias.astype(np.int64),
        (np.float32(stored[x.input[1]]), np.broadcast_to(stored[w.input[1]], len(weights)),
         np.float32(stored[quantizer.input[1]])),
        (int(stored[x.input[2]]), stored[quantizer.input[2]]),
        _attribute(node, "pads", (0, 0, 0, 0)), _attribute(node, "strides", (1, 1)),
    )  # fmt: skip


def _attribute(node: NodeProto, name: str, default):
    return next((helper.get_attribute_value(a) for a in node.attribute if a.name == name), default)


def floats_by(layer: Layer, columns: np.ndarray, sums: np.ndarray, product) -> dict[str, np.ndarray]:
    """The layer's floats (M, N) by each way of rounding; ``sums`` are its integers without the bias."""
    sx, sw, _ = layer.scales
    flat = layer.weights.reshape(len(layer.weights), -1)
    scale = sw[:, None].astype(np.float64) * sx
    small = (sx * sw)[:, None]
    bias = (layer.bias.astype(np.float32) * (sx * sw))[:, None]
    w, x = flat.astype(np.float32) * sw[:, None], columns.astype(np.float32) * sx
    block = block_length(len(columns), flat.shape[1])
    return {
        "exact sum, rounded once": (sums * scale).astype(np.float32) + bias,
        "bias among the integers": (sums + layer.bias[:, None]).astype(np.float32) * small,
        "exact sum of float32 numbers": (w.astype(np.float64) @ x.T.astype(np.float64) + bias).astype("f4"),
        "MLAS's order": product(w, x, block) + bias,
    }


def ambiguous(sums: np.ndarray, codes: np.ndarray) -> int:
    """Neighbours of equal sums in one channel whose codes differ, for (M, N) sums and codes."""
    count = 0
    for s, c in zip(sums, codes, strict=True):
        order = np.lexsort((c, s))
        count += np.count_nonzero((np.diff(s[order]) == 0) & (np.diff(c[order]) != 0))
    return count


def main() -> None:
    """Count over eight frames."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, required=True, help="folder for models, as of ort_networks.py")
    parser.add_argument("--network", default="resnet18")
    parser.add_argument("--way", default="qdq-asymmetric-tensor")
    given = parser.parse_args()
    network = next(n for n in NETWORKS if n.name == given.network)
    model = load(quantized_file(network, next(w for w in WAYS if w.name == given.way), given.work))
    found = layers(model)
    del model.graph.output[:]
    for name in dict.fromkeys(n for layer in found for n in (layer.codes, layer.floats)):
        model.graph.output.append(ValueInfoProto(name=name))
    theirs, product = results_of(model, inputs(network, 8)), compiled(given.work)
    floats, codes, total, split = Counter(), Counter(), 0, 0
    for layer in found:
        frames = [layer.columns(c) for c in theirs[layer.codes]]
        flat = layer.weights.reshape(len(layer.weights), -1).astype(np.float64)
        sums = [flat @ f.T.astype(np.float64) for f in frames]
        there = [f.reshape(len(flat), -1) for f in theirs[layer.floats]]
        for columns, s, y in zip(frames, sums, there, strict=True):
            for label, mine in floats_by(layer, columns, s, product).items():
                floats[label] += np.count_nonzero(mine != y)
                codes[label] += np.count_nonzero(layer.quantized(mine) != layer.quantized(y))
            total += y.size
        split += ambiguous(np.hstack(sums), layer.quantized(np.hstack(there)))
    for label in floats:
        print(f"{label}: {floats[label]} of {total} floats and {codes[label]} codes differ")
    print(f"equal sums with different codes: {split}")


if __name__ == "__main__":
    main()
