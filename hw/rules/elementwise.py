"""Rules of sums and products, element by element, of two tensors or of one and a constant."""

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from ...compiler.ir.graph import Const, Node, Value
from ...compiler.ir.ops import Add, Mul
from ...compiler.ir.types import Int, range_of
from ...compiler.passes.channels import constant_operand
from ..design import Instance, Stream
from ..units.binary import BINARY, PRODUCT, SUM, digits
from ..units.depthwise import DEPTHWISE, depthwise_weights
from ..units.matrix_vector import bias_memory
from .linear import LANE_MULTIPLY, lane_of, signed_bits
from .rule import LUTS, Fold, Layer, Operand, Rule, divisors, operand

# A factor of up to this many signed digits is at most two adders deep, in a clock of its own.
_MOST_DIGITS = 3
_PARAMETER = Int(-(2**31) + 1, 2**31 - 1)


def _operands(node: Node, alone: Callable[[Value], bool]) -> tuple[Operand, ...]:
    """Both tensors with the constants that gw_binary applies to them; or the one tensor that the node, and
    all of its kind before it, multiply by constants and add constants to."""
    computed = [v for v in node.inputs if not isinstance(v, Const)]
    if len(computed) == 1:
        return (_all_constants(operand(node), lambda value: value is node or alone(value)),)
    return tuple(_few_constants(operand(v), alone) for v in computed)


def _before(o: Operand) -> Operand | None:
    """The same through the Add or Mul of a constant per channel that gives the operand; None where another
    op does."""
    node = o.value
    if not isinstance(node, Node) or not isinstance(node.op, Add | Mul):
        return None
    found = constant_operand(node)
    if found is None:
        return None
    x, constant = found
    if isinstance(node.op, Mul):
        return operand(x, o.factor * constant, o.offset)
    return operand(x, o.factor, o.offset + o.factor * constant)


def _all_constants(o: Operand, alone: Callable[[Value], bool]) -> Operand:
    while alone(o.value):
        before = _before(o)
        if before is None:
            break
        o = before
    return o


def _few_constants(o: Operand, alone: Callable[[Value], bool]) -> Operand:
    """Through scalars whose product and sum are wiring and at most two adders."""
    while alone(o.value):
        before = _before(o)
        if before is None or before.factor.size > 1 or before.offset.size > 1:
            break
        if digits(int(before.factor[0])) > _MOST_DIGITS:
            break
        if not all(_PARAMETER.contains(v) for v in _code_constants(before)):
            break
        o = before
    return o


def _code_constants(o: Operand) -> tuple[int, int]:
    """Factor and offset that give the operand's integer from its code: that of {-1, +1} is 0 or 1."""
    factor, offset = int(o.factor[0]), int(o.offset[0])
    return (2 * factor, offset - factor) if o.type.bipolar else (factor, offset)


def _folds(layer: Layer) -> Iterator[Fold]:
    shape = layer.node.type.shape
    constants = len(layer.operands) == 1
    multiplies = constants and lane_of(layer.x, _factors(layer.operands[0]), False) == LANE_MULTIPLY
    for pe in divisors(shape[-1] if shape else 1):
        for dsp in (False, True) if multiplies else (False,):
            yield Fold(pe, pe, LUTS, dsp)


def _lower(layer: Layer, fold: Fold) -> tuple[Instance, ...]:
    unit = _one_tensor if len(layer.operands) == 1 else _two_tensors
    return (unit(layer, fold),)


def _two_tensors(layer: Layer, fold: Fold) -> Instance:
    product = isinstance(layer.node.op, Mul)
    params = {"OP": PRODUCT if product else SUM, "PE": fold.pe}
    for side, o in zip("AB", layer.operands, strict=True):
        params |= _side(side, o, layer.y, product)
    params["OUT_BITS"] = layer.y.bits
    beats = layer.node.type.size // fold.pe
    return Instance(
        BINARY, f"{layer.name}_{'product' if product else 'sum'}", params, beats,
        tuple(Stream(o.type, fold.pe, beats) for o in layer.operands), Stream(layer.y, fold.pe, beats),
        layer.node.name,
    )  # fmt: skip


def _side(side: str, o: Operand, y: Int, product: bool) -> dict[str, int]:
    """The parameters of gw_binary for one operand."""
    factor, offset = _code_constants(o)
    ends = [int(o.factor[0]) * v + int(o.offset[0]) for v in (o.type.lo, o.type.hi)]
    bits = signed_bits(Int(min(ends), max(ends)))
    return {
        f"{side}_BITS": o.type.bits, f"{side}_SIGNED": int(o.type.signed), f"{side}_FACTOR": factor,
        f"{side}_OFFSET": offset, f"{side}_TERM": bits if product else min(bits, y.bits),
    }  # fmt: skip


def _one_tensor(layer: Layer, fold: Fold) -> Instance:
    """Depthwise products of windows of one pixel."""
    o = layer.operands[0]
    channels = layer.node.type.shape[-1] if max(o.factor.size, o.offset.size) > 1 else fold.pe
    factor, offset = (np.broadcast_to(v, channels) for v in (o.factor, o.offset))
    lane = lane_of(layer.x, _factors(o), fold.dsp)
    w_bits = 1 if _factors(o).bipolar else max(signed_bits(_factors(o)), 2)
    params = {
        "TAPS": 1, "C": channels, "K": 1, "PE": fold.pe, "X_BITS": layer.x.bits,
        "X_SIGNED": int(layer.x.signed), "W_BITS": w_bits, "LANE": lane, "ACC_BITS": layer.y.bits,
        "ROM_STYLE": fold.rom, "HAS_BIAS": int(offset.any()),
    }  # fmt: skip
    memories = {"WEIGHTS": partial(depthwise_weights, factor[None], fold.pe, w_bits, w_bits == 1)}
    if offset.any():
        memories["BIAS"] = partial(bias_memory, offset, fold.pe, layer.y.bits)
    size = layer.node.type.size
    return Instance(
        DEPTHWISE, f"{layer.name}_scale", params, size // channels,
        Stream(layer.x, fold.pe, size // fold.pe), Stream(layer.y, fold.pe, size // fold.pe),
        layer.node.name, memories,
    )  # fmt: skip


def _factors(o: Operand) -> Int:
    """The type of an operand's factors; where they are all 1 or -1 it is {-1, +1}."""
    return Int(-1, 1, 2) if (np.abs(o.factor) == 1).all() else range_of(o.factor)


ELEMENTWISE = Rule(_folds, _lower, operands=_operands, sums=True)
