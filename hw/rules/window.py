"""Windows of an image, which convolutions and pooling read."""

import numpy as np

from ..design import Instance, Stream
from ..units.sliding_window import SLIDING_WINDOW
from .rule import Layer


def window(layer: Layer, kernel: tuple[int, int], pad: int, lanes: int) -> Instance:
    """The unit that gives the windows of the layer's operand, ``lanes`` elements a beat, ``pad`` around it;
    strides, dilations and pads are its op's."""
    op = layer.node.op
    h, w, c = layer.operands[0].value.type.shape
    oh, ow, _ = layer.node.type.shape
    beats = oh * ow * kernel[0] * kernel[1] * c // lanes
    params = {
        "H": h, "W": w, "C": c, "SIMD": lanes, "BITS": layer.x.bits, "KH": kernel[0], "KW": kernel[1],
        "SH": op.strides[0], "SW": op.strides[1], "DH": op.dilations[0], "DW": op.dilations[1],
        "PT": op.pads[0], "PL": op.pads[1], "PB": op.pads[2], "PR": op.pads[3],
        "PAD_CODE": int(layer.x.encode(np.array(pad))), "RAM_STYLE": 0,
    }  # fmt: skip
    return Instance(
        SLIDING_WINDOW, f"{layer.name}_window", params, 1,
        Stream(layer.x, lanes, h * w * c // lanes), Stream(layer.x, lanes, beats), layer.node.name,
    )  # fmt: skip
