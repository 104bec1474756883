"""Windows of an image, which convolutions and pooling read."""

import numpy as np

from ..design import Instance, Stream
from ..units.slice import PAD
from ..units.sliding_window import SLIDING_WINDOW
from ..units.whole_window import WHOLE_WINDOW
from ..units.width_converter import WIDTH_CONVERTER
from .rule import Layer, divisors


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


def window_lanes(layer: Layer) -> list[int]:
    """How many elements of its windows a convolution may take at once: a pixel's channels or some of them, or
    any larger part of a whole window."""
    kh, kw, channels = layer.node.inputs[1].type.shape[:3]
    return divisors(channels) + [d for d in divisors(kh * kw * channels) if d > channels]


def windows(layer: Layer, pad: int, lanes: int) -> tuple[Instance, ...]:
    """The units that give the windows of a convolution's operand, ``lanes`` elements a beat, one of
    ``window_lanes``, with ``pad`` around it."""
    kernel, channels = layer.node.inputs[1].type.shape[:2], layer.node.inputs[1].type.shape[2]
    if lanes <= channels:
        return (window(layer, kernel, pad, lanes),)
    units = _whole_windows(layer, kernel, pad)
    whole = units[-1].output
    if whole.lanes == lanes:
        return units
    params = {"BITS": layer.x.bits, "IN": whole.lanes, "OUT": lanes}
    parts = Stream(layer.x, lanes, whole.beats * whole.lanes // lanes)
    name = f"{layer.name}_parts"
    return (*units, Instance(WIDTH_CONVERTER, name, params, whole.beats, whole, parts, layer.node.name))


def _whole_windows(layer: Layer, kernel: tuple[int, int], pad: int) -> tuple[Instance, ...]:
    """Each window of the layer's operand in one beat, ``pad`` around it."""
    op = layer.node.op
    h, w, c = layer.operands[0].value.type.shape
    top, left, bottom, right = op.pads
    units, pixels = (), Stream(layer.x, c, h * w)
    if any(op.pads):
        params = {
            "BITS": layer.x.bits, "LANES": c, "PAD_CODE": int(layer.x.encode(np.array(pad))),
            "N0": w, "BEFORE0": left, "AFTER0": right, "N1": h, "BEFORE1": top, "AFTER1": bottom,
            "N2": 1, "BEFORE2": 0, "AFTER2": 0,
        }  # fmt: skip
        h, w = h + top + bottom, w + left + right
        border = Stream(layer.x, c, h * w)
        units = (Instance(PAD, f"{layer.name}_border", params, 1, pixels, border, layer.node.name),)
        pixels = border
    params = {
        "H": h, "W": w, "PIXEL": pixels.bits, "KH": kernel[0], "KW": kernel[1],
        "SH": op.strides[0], "SW": op.strides[1], "DH": op.dilations[0], "DW": op.dilations[1],
        "RAM_STYLE": 0,
    }  # fmt: skip
    oh, ow, _ = layer.node.type.shape
    windows = Stream(layer.x, kernel[0] * kernel[1] * c, oh * ow)
    name = f"{layer.name}_window"
    return (*units, Instance(WHOLE_WINDOW, name, params, 1, pixels, windows, layer.node.name))
