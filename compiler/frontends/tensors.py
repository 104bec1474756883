"""What the importer knows of each tensor of the source: an integer value with its meaning, or a constant."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import prod

import numpy as np

from ...errors import GraphError
from ..ir.graph import Const, Input, Node, Value
from ..ir.ops import Lookup, Mul, Reshape, Threshold, Transpose
from .chain import ArrayMap, Chain, ScaleStep, compress, flipped, scaled
from .function_steps import TableStep
from .staircase import EXHAUSTIVE

# A scaled integer behind a ReLU becomes thresholds again; above this many codes it should be quantized.
_MAX_REMAPPED = 2**16
# A table is as long as its tensor has values.
MAX_LEVELS = 2**16
MAX_TABLES = 2**22
_PENDING_ADVICE = "Quantize the input, in Brevitas with a QuantIdentity in front."


@dataclass(frozen=True, eq=False)
class Constant:
    """A constant of the source; ``codes`` and ``scale`` where it came out of a quantizer.

    ``values`` has the source's shape; then ``values = float32(codes * scale)`` and ``scale`` (float32)
    broadcasts against it.
    """

    values: np.ndarray
    codes: np.ndarray | None = None
    scale: np.ndarray | None = None

    def mapped(self, move: ArrayMap) -> "Constant":
        """The constant in another layout."""
        if self.codes is None:
            return Constant(move(self.values))
        scale = move(np.broadcast_to(self.scale, self.values.shape))
        return Constant(move(self.values), move(self.codes), scale)


@dataclass(frozen=True, eq=False)
class Tensor:
    """A computed tensor: ``chain(value)``, elementwise; shapes are without the batch axis.

    While ``pending``, the value leads back to a float input that no quantizer has met yet; its chain
    then starts at the input's floats, and the value's range means nothing. ``integer`` marks tensors
    whose ONNX type is an integer one; float ops refuse them. ``zero_point`` is the source's code of the
    value 0, where a QuantizeLinear or DequantizeLinear node gives it.
    """

    value: Value
    chain: Chain
    pending: bool = False
    integer: bool = False
    zero_point: int = 0

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of a frame."""
        return self.value.type.shape

    @property
    def rank(self) -> int:
        """Axes of a frame."""
        return len(self.shape)

    def then(self, step) -> "Tensor":
        """With one more float step on top."""
        return replace(self, chain=self.chain.then(step))

    def transposed(self, perm: tuple[int, ...]) -> "Tensor":
        """Axes in another order."""
        value = transpose(self.value, perm)
        return replace(self, value=value, chain=self.chain.moved(lambda p: p.transpose(perm)))

    def reshaped(self, shape: tuple[int, ...], name: str = "") -> "Tensor":
        """The same elements under another shape."""
        if shape == self.shape:
            return self
        chain = self.chain.moved(lambda p: reshape_param(p, self.shape, shape))
        return replace(self, value=Reshape(shape)(self.value, name=name), chain=chain)


def reshape_param(param: np.ndarray, shape: tuple[int, ...], target: tuple[int, ...]) -> np.ndarray:
    """A parameter that broadcasts against ``shape``, made to broadcast against ``target``."""
    if param.size == 1:
        return param.reshape((1,) * len(target))
    return compress(np.broadcast_to(param, shape).reshape(target))


def transpose(value: Value, perm: tuple[int, ...]) -> Value:
    """The value with its axes in another order; itself where the order stays."""
    return value if perm == tuple(range(len(perm))) else Transpose(perm)(value)


def on_channels(value: Value, axes: list[int], build: Callable[[Value], Value]) -> Value:
    """``build`` applied with the axes along which its constants vary as the last one.

    One axis is transposed to the end and back; several become one by a reshape there.
    """
    shape = value.type.shape
    rank = len(shape)
    if not axes or axes == [rank - 1]:
        return build(value)
    perm = (*(a for a in range(rank) if a not in axes), *axes)
    last = transpose(value, perm)
    if len(axes) == 1:
        built = build(last)
    else:
        kept = last.type.shape[: rank - len(axes)]
        merged = Reshape((*kept, prod(shape[a] for a in axes)))(last)
        built = Reshape(last.type.shape)(build(merged))
    return transpose(built, tuple(int(a) for a in np.argsort(perm)))


def rows(array: np.ndarray, shape: tuple[int, ...], trailing: int) -> tuple[list[int], np.ndarray]:
    """The axes along which a parameter varies, and the parameter as rows for ``on_channels``.

    ``array`` broadcasts against ``shape`` but for its last ``trailing`` axes, which stay.
    """
    rank = array.ndim - trailing
    axes = [a for a in range(rank) if array.shape[a] > 1]
    if len(axes) > 1:
        varying = (shape[a] if a in axes else 1 for a in range(rank))
        array = np.broadcast_to(array, (*varying, *array.shape[rank:]))
    return axes, array.reshape((-1, *array.shape[rank:]))


def threshold(value: Value, thresholds: np.ndarray, bias: int, step: int, name: str) -> Value:
    """A Threshold node for thresholds of the broadcast shape of their parameters plus one axis."""
    axes, table = rows(thresholds, value.type.shape, 1)
    return on_channels(value, axes, lambda v: Threshold(bias, step)(v, Const(table), name=name))


def lookup(value: Value, table: np.ndarray, lo: int, name: str = "") -> Value:
    """A Lookup node for a table of the broadcast shape of its parameters plus one axis, from ``lo`` on."""
    axes, table = rows(table, value.type.shape, 1)
    table = table if axes else table[0]
    return on_channels(value, axes, lambda v: Lookup(lo)(v, Const(table), name=name))


def float_table(tensor: Tensor) -> np.ndarray:
    """The float of every integer from the lowest to the highest: the parameters' shape plus one axis.

    Raises:
        GraphError: a float input, more values than tables hold, or floats that are not finite.
    """
    if tensor.pending:
        raise GraphError("its inputs must be quantized, but one is the model's float input")
    chain = tensor.chain.moved(lambda p: p[..., None])
    dtype, shape = tensor.value.type.dtype, tensor.chain.shape(tensor.rank)
    count = dtype.hi - dtype.lo + 1
    if count > MAX_LEVELS or count * prod(shape) > MAX_TABLES:
        raise GraphError(
            f"its inputs must have few values, not {count}: their floats become tables. "
            "Put a quantizer in front of each."
        )
    x = np.arange(dtype.lo, dtype.hi + 1).reshape((1,) * tensor.rank + (-1,))
    floats = chain.apply(x)
    if not np.isfinite(floats).all():
        raise GraphError("its inputs must lie within float32's range")
    return floats


def ranked(tensor: Tensor) -> Tensor:
    """The tensor with integers in the order of its floats, from 0, equal where these are equal."""
    floats = float_table(tensor)
    flat = floats.reshape(-1, floats.shape[-1])
    parts = [np.unique(row, return_inverse=True) for row in flat]
    length = max(len(values) for values, _ in parts)
    values = np.stack([np.pad(v, (0, length - len(v)), mode="edge") for v, _ in parts])
    places = np.stack([place for _, place in parts]).reshape(floats.shape)
    step = TableStep.of(values.reshape(*floats.shape[:-1], length))
    return Tensor(lookup(tensor.value, places, tensor.value.type.dtype.lo), Chain((step,)))


def oriented(tensor: Tensor) -> Tensor:
    """The tensor with a chain that never falls: falling channels get their integers negated, and those
    of a function that may rise and fall are put in the order of its floats."""
    if not tensor.chain.monotone:
        return ranked(tensor)
    direction = tensor.chain.direction()
    if not (direction < 0).any():
        return tensor
    sign = np.where(direction < 0, -1, 1)
    if tensor.pending:
        raise GraphError(f"the input must be quantized before a falling function. {_PENDING_ADVICE}")
    if not isinstance(tensor.chain.steps[0], ScaleStep):
        return ranked(tensor)
    sign = sign.reshape((1,) * (tensor.rank - sign.ndim) + sign.shape)
    axes, table = rows(sign, tensor.shape, 0)
    value = on_channels(tensor.value, axes, lambda v: Mul()(v, Const(table)))
    return replace(tensor, value=value, chain=flipped(tensor.chain, sign))


def plain(tensor: Tensor) -> tuple[Value, float]:
    """The tensor as ``scale * integer``, the scale one float64 number.

    Factors join the scale; clipping becomes thresholds; anything else is refused.

    Raises:
        GraphError: not a multiple of one scale.
    """
    if tensor.pending:
        raise GraphError(f"its input must be quantized, but is the model's float input. {_PENDING_ADVICE}")
    if tensor.chain.only_scale():
        return tensor.value, _one_scale(tensor.chain.steps[0].params[0])
    scale = np.ones(())
    for step in tensor.chain.steps:
        factor, offset = step.affine() or (np.ones(()), np.zeros(()))
        if offset.any():
            raise _unquantized()
        scale = scale * factor
    factor = _one_scale(compress(np.asarray(scale)))
    return _remapped(tensor, factor), factor


def _remapped(tensor: Tensor, scale: float) -> Value:
    """Thresholds that turn each integer into ``chain(integer) / scale``, checked for every integer."""
    dtype = tensor.value.type.dtype
    uniform = tensor.chain.shape(tensor.rank) == (1,) * tensor.rank
    if dtype.hi - dtype.lo >= EXHAUSTIVE or not uniform or scale <= 0:
        raise _unquantized()
    x = np.arange(dtype.lo, dtype.hi + 1).reshape((1,) * (tensor.rank - 1) + (-1,))
    y = tensor.chain.apply(x).ravel()
    if not np.isfinite(y).all():
        raise _unquantized()
    codes = np.rint(y.astype(np.float64) / scale).astype(np.int64)
    jumps = np.diff(codes)
    if ((codes * scale).astype(np.float32) != y).any() or np.abs(jumps).sum() > _MAX_REMAPPED:
        raise _unquantized()
    if (codes == x.ravel()).all():
        return tensor.value
    if (jumps < 0).any():
        return lookup(tensor.value, codes.reshape((1,) * tensor.rank + (-1,)), dtype.lo)
    table = np.repeat(np.arange(dtype.lo + 1, dtype.hi + 1), jumps)
    return Threshold(int(codes[0]))(tensor.value, Const(table[None]))


def rescaled(value: Value, scale: np.ndarray) -> Tensor:
    """A tensor that is plainly ``scale * value``."""
    return Tensor(value, scaled(scale))


def _one_scale(scale: np.ndarray) -> float:
    if scale.size != 1:
        raise GraphError(
            "its input must have one scale for the whole tensor, not one per channel. "
            "Use a per-tensor activation quantizer."
        )
    return float(scale.item())


def _unquantized() -> GraphError:
    return GraphError(
        "its input must come from a quantizer, not from other float operations. "
        "Put a quantizer (QuantIdentity, QuantReLU) in front of this layer."
    )


def pending_path(value: Value) -> tuple[Input, list[Node]]:
    """The float input that a pending value leads back to, and the nodes from there, first to last."""
    path: list[Node] = []
    while isinstance(value, Node):
        path.append(value)
        value = value.inputs[0]
    return value, path[::-1]
