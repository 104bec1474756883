"""Lowering rules of the FPGA target: op -> units, for a given folding."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

from ..compiler.ir.graph import Node
from ..compiler.ir.ops import ArgMax, Conv2d, MatMul, MaxPool, Reshape, Threshold
from ..compiler.ir.types import Int
from ..compiler.target import Target
from ..errors import LoweringError
from .design import Instance, Stream
from .units.arg_max import ARG_MAX
from .units.matrix_vector import MATRIX_VECTOR, bias_memory, weight_memory
from .units.max_pool import MAX_POOL
from .units.sliding_window import SLIDING_WINDOW
from .units.threshold import THRESHOLD, stages_of, threshold_memory

BLOCK, LUTS = 1, 2  # ROM_STYLE and RAM_STYLE
LANE_DSP, LANE_MULTIPLY, LANE_WEIGHT_SIGN, LANE_XNOR, LANE_INPUT_SIGN = range(5)
# LANE_MULTIPLY is written for these; wider operands go to the tool's own multiplier.
_LUT_WEIGHT_BITS, _LUT_INPUT_BITS = 8, 16
_MAX_STAGES = 8
_MOST_TABLES = 1000  # a threshold unit numbers its files in three digits


@dataclass(frozen=True)
class Fold:
    """How far a layer is shared in time: ``pe`` results and ``simd`` inputs at once, where ROMs live,
    and whether products may take DSP blocks."""

    pe: int
    simd: int
    rom: int = LUTS
    dsp: bool = False


@dataclass(frozen=True, eq=False)
class Layer:
    """A node to lower: the element types its streams carry, and a legal Verilog name."""

    node: Node
    name: str
    x: Int
    y: Int


@dataclass(frozen=True)
class Rule:
    """``folds`` yields a layer's possible foldings, ``lower`` its units for one of them."""

    folds: Callable[[Layer], Iterator[Fold]]
    lower: Callable[[Layer, Fold], tuple[Instance, ...]]


def divisors(n: int) -> list[int]:
    """All divisors of n, ascending."""
    return [d for d in range(1, n + 1) if n % d == 0]


def verilog_name(index: int, op_name: str, source: str) -> str:
    """A legal, unique identifier; the source's name only lends it readable letters."""
    tail = re.sub(r"[^A-Za-z0-9]+", "_", source).strip("_")[:24]
    return f"u{index:02d}_{op_name}" + (f"_{tail}" if tail else "")


def _linear_folds(layer: Layer, inner: int) -> Iterator[Fold]:
    """PE over outputs and SIMD over ``inner`` inputs, with every way to hold weights and multiply."""
    w = layer.node.inputs[1]
    rows, outputs = w.value.reshape(-1, w.value.shape[-1]).shape
    multiplies = _lane(layer, False) == LANE_MULTIPLY
    for pe in divisors(outputs):
        for simd in divisors(inner):
            constant = pe == outputs and simd == rows
            for rom in (LUTS,) if constant else (BLOCK, LUTS):
                for dsp in (False, True) if multiplies else (False,):
                    yield Fold(pe, simd, rom, dsp)


def _lane(layer: Layer, dsp: bool) -> int:
    w: Int = layer.node.inputs[1].type.dtype
    if layer.x.bipolar:
        return LANE_XNOR if w.bipolar else LANE_INPUT_SIGN
    if w.bipolar:
        return LANE_WEIGHT_SIGN
    fits = _signed_bits(w) <= _LUT_WEIGHT_BITS and layer.x.bits <= _LUT_INPUT_BITS
    return LANE_MULTIPLY if fits and not dsp else LANE_DSP


def _signed_bits(t: Int) -> int:
    return max((-t.lo - 1).bit_length() if t.lo < 0 else 0, max(t.hi, 0).bit_length()) + 1


def _matrix_vector(layer: Layer, fold: Fold, vectors: int) -> Instance:
    """The unit for ``vectors`` products a frame with the layer's weights as a (MW, MH) matrix."""
    _, weights, *bias = layer.node.inputs
    matrix = weights.value.reshape(-1, weights.value.shape[-1])
    mw, mh = matrix.shape
    lane = _lane(layer, fold.dsp)
    w_bits = 1 if lane in (LANE_WEIGHT_SIGN, LANE_XNOR) else max(_signed_bits(weights.type.dtype), 2)
    params = {
        "MW": mw, "MH": mh, "PE": fold.pe, "SIMD": fold.simd,
        "X_BITS": layer.x.bits, "X_SIGNED": int(layer.x.signed), "W_BITS": w_bits, "LANE": lane,
        "ACC_BITS": layer.y.bits, "ROM_STYLE": fold.rom, "HAS_BIAS": int(bool(bias)),
    }
    memories = {"WEIGHTS": partial(weight_memory, matrix, fold.pe, fold.simd, w_bits, w_bits == 1)}
    if bias:
        memories["BIAS"] = partial(bias_memory, bias[0].value, fold.pe, layer.y.bits)
    return Instance(
        MATRIX_VECTOR, f"{layer.name}_mv", params, vectors,
        Stream(layer.x, fold.simd, vectors * mw // fold.simd),
        Stream(layer.y, fold.pe, vectors * mh // fold.pe),
        layer.node.name, memories,
    )


def _window(layer: Layer, kernel, op: Conv2d | MaxPool, pad: int, lanes: int) -> Instance:
    h, w, c = layer.node.inputs[0].type.shape
    oh, ow, _ = layer.node.type.shape
    beats = oh * ow * kernel[0] * kernel[1] * c // lanes
    params = {
        "H": h, "W": w, "C": c, "SIMD": lanes, "BITS": layer.x.bits, "KH": kernel[0], "KW": kernel[1],
        "SH": op.strides[0], "SW": op.strides[1], "DH": op.dilations[0], "DW": op.dilations[1],
        "PT": op.pads[0], "PL": op.pads[1], "PB": op.pads[2], "PR": op.pads[3],
        "PAD_CODE": int(layer.x.encode(np.array(pad))), "RAM_STYLE": 0,
    }
    return Instance(
        SLIDING_WINDOW, f"{layer.name}_window", params, 1,
        Stream(layer.x, lanes, h * w * c // lanes), Stream(layer.x, lanes, beats), layer.node.name,
    )


def _vectors(layer: Layer) -> int:
    return layer.node.type.size // layer.node.type.shape[-1]


def _matmul_folds(layer: Layer) -> Iterator[Fold]:
    return _linear_folds(layer, layer.node.inputs[1].type.shape[0])


def _lower_matmul(layer: Layer, fold: Fold) -> tuple[Instance, ...]:
    return (_matrix_vector(layer, fold, _vectors(layer)),)


def _conv2d_folds(layer: Layer) -> Iterator[Fold]:
    if layer.node.op.groups != 1:
        raise LoweringError(
            f"fpga: conv2d must have 1 group, not {layer.node.op.groups} (node {layer.node.name!r}). "
            "Replace the grouped convolution by a dense one."
        )
    return _linear_folds(layer, layer.node.inputs[0].type.shape[-1])


def _lower_conv2d(layer: Layer, fold: Fold) -> tuple[Instance, ...]:
    kernel = layer.node.inputs[1].type.shape[:2]
    window = _window(layer, kernel, layer.node.op, 0, fold.simd)
    return window, _matrix_vector(layer, fold, _vectors(layer))


def _threshold_folds(layer: Layer) -> Iterator[Fold]:
    stages = stages_of(layer.node.inputs[1].type.shape[1])
    for pe in divisors(layer.node.type.shape[-1]):
        if pe * stages <= _MOST_TABLES:
            yield Fold(pe, pe, LUTS)


def _lower_threshold(layer: Layer, fold: Fold) -> tuple[Instance, ...]:
    op, table = layer.node.op, layer.node.inputs[1]
    rows, count = table.value.shape
    channels = layer.node.type.shape[-1] if rows > 1 else fold.pe  # one row serves every beat
    stages = stages_of(count)
    if stages > _MAX_STAGES or op.step not in (1, 2):
        raise LoweringError(
            f"fpga: threshold must have at most {2**_MAX_STAGES - 1} steps of 1 or 2, not {count} steps "
            f"of {op.step} (node {layer.node.name!r}). Quantize this activation to at most 8 bits."
        )
    code = layer.y.bipolar  # one bit: the count itself
    params = {
        "C": channels, "PE": fold.pe, "STAGES": stages,
        "X_BITS": layer.x.bits, "X_SIGNED": int(layer.x.signed),
        "OUT_BITS": layer.y.bits, "BIAS": 0 if code else op.bias, "SHIFT": 0 if code else op.step - 1,
        "ROM_STYLE": fold.rom,
    }
    frame = layer.node.type.size // fold.pe
    return (
        Instance(
            THRESHOLD, f"{layer.name}_th", params, layer.node.type.size // channels,
            Stream(layer.x, fold.pe, frame), Stream(layer.y, fold.pe, frame), layer.node.name,
            {"TABLE": partial(threshold_memory, table.value, fold.pe, layer.x)},
        ),
    )


def _max_pool_folds(layer: Layer) -> Iterator[Fold]:
    yield from (Fold(pe, pe) for pe in divisors(layer.node.type.shape[-1]))


def _lower_max_pool(layer: Layer, fold: Fold) -> tuple[Instance, ...]:
    op = layer.node.op
    taps, channels = op.kernel[0] * op.kernel[1], layer.node.type.shape[-1]
    window = _window(layer, op.kernel, op, layer.x.lo, fold.simd)
    params = {
        "TAPS": taps, "C": channels, "PE": fold.pe, "BITS": layer.x.bits, "SIGNED": int(layer.x.signed),
    }
    pool = Instance(
        MAX_POOL, f"{layer.name}_max", params, _vectors(layer),
        window.output, Stream(layer.y, fold.pe, layer.node.type.size // fold.pe), layer.node.name,
    )
    return window, pool


def _arg_max_folds(layer: Layer) -> Iterator[Fold]:
    yield from (Fold(pe, pe) for pe in divisors(layer.node.inputs[0].type.shape[-1]))


def _lower_arg_max(layer: Layer, fold: Fold) -> tuple[Instance, ...]:
    x = layer.node.inputs[0].type
    params = {
        "C": x.shape[-1], "PE": fold.pe, "BITS": layer.x.bits, "SIGNED": int(layer.x.signed),
        "OUT_BITS": layer.y.bits,
    }
    return (
        Instance(
            ARG_MAX, f"{layer.name}_arg", params, layer.node.type.size,
            Stream(layer.x, fold.pe, x.size // fold.pe), Stream(layer.y, 1, layer.node.type.size),
            layer.node.name,
        ),
    )


def _no_folds(layer: Layer) -> Iterator[Fold]:
    yield Fold(1, 1)


def _lower_reshape(layer: Layer, fold: Fold) -> tuple[Instance, ...]:
    """Element order stays, so a stream needs nothing."""
    return ()


FPGA = Target(
    "fpga",
    rules={
        MatMul: Rule(_matmul_folds, _lower_matmul),
        Conv2d: Rule(_conv2d_folds, _lower_conv2d),
        Threshold: Rule(_threshold_folds, _lower_threshold),
        MaxPool: Rule(_max_pool_folds, _lower_max_pool),
        ArgMax: Rule(_arg_max_folds, _lower_arg_max),
        Reshape: Rule(_no_folds, _lower_reshape),
    },
)

