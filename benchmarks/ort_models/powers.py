"""Scales of a QDQ model rounded to powers of two, where float32 sums are exact in any order."""

import numpy as np
from onnx import ModelProto, numpy_helper


def with_powers_of_two(model: ModelProto) -> None:
    """Round every scale up to a power of two; codes of weights stay, codes of biases follow their scale.

    Weights and activations then mean other numbers than the quantizer chose, at most twice as large, so
    the network computes something else; it is quantized as finely, and all its float32 sums are exact
    while they stay below 2^24 units.
    """
    stored = {t.name: t for t in model.graph.initializer}
    used = [n for n in model.graph.node if n.op_type in ("QuantizeLinear", "DequantizeLinear")]
    old = {name: numpy_helper.to_array(stored[name]) for name in dict.fromkeys(n.input[1] for n in used)}
    new = {name: np.exp2(np.ceil(np.log2(scale))).astype(np.float32) for name, scale in old.items()}
    makers = {n.output[0]: n for n in model.graph.node}
    for node in model.graph.node:
        if node.op_type in ("Conv", "ConvTranspose", "Gemm") and len(node.input) > 2:
            x, w, b = (makers[i] for i in node.input)
            # A bias has the scale of its layer's products.
            exact = new[x.input[1]] * new[w.input[1]]
            codes = numpy_helper.to_array(stored[b.input[0]])
            fitted = np.rint(codes * (old[b.input[1]].astype(np.float64) / exact)).astype(np.int32)
            stored[b.input[0]].CopyFrom(numpy_helper.from_array(fitted, b.input[0]))
            new[b.input[1]] = exact.reshape(old[b.input[1]].shape)
    for name, scale in new.items():
        stored[name].CopyFrom(numpy_helper.from_array(scale, name))
