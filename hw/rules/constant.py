"""Products with constant weights, all at once, as adders alone; a requantization behind them joins in."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..design import Instance, Stream
from ..units.constant_matrix import (
    CONSTANT_MATRIX,
    Clamp,
    constant_matrix_parameters,
    fits_constant_matrix,
)
from ..units.requantize import REQUANTIZE
from .requantize import line_of
from .rule import LUTS, Fold, Layer

_OFFSET = 1 << 31
# Whether to join is decided by one family's LUTs; all families' adders are alike.
_FAMILY = "xc7"


@dataclass(frozen=True)
class ConstantFold(Fold):
    """A folding that takes gw_constant_matrix; a plain Fold of a product takes gw_matrix_vector."""


def constant_folds(layer: Layer) -> Iterator[Fold]:
    """The one folding, of a product whose weights and biases the unit takes."""
    _, weights, *bias = layer.node.inputs
    matrix = weights.value.reshape(-1, weights.value.shape[-1])
    small = all(np.abs(b.value).max(initial=0) < _OFFSET for b in bias)
    if small and fits_constant_matrix(matrix, layer.x):
        yield ConstantFold(matrix.shape[1], matrix.shape[0], LUTS)


def constant_product(layer: Layer, count: int) -> Instance:
    """The unit for ``count`` products a frame with the layer's weights as a (MW, MH) matrix."""
    _, weights, *bias = layer.node.inputs
    matrix = weights.value.reshape(-1, weights.value.shape[-1])
    params = constant_matrix_parameters(matrix, bias[0].value if bias else None, layer.x, layer.y.bits)
    return Instance(
        CONSTANT_MATRIX, f"{layer.name}_cm", params, count,
        Stream(layer.x, matrix.shape[0], count), Stream(layer.y, matrix.shape[1], count), layer.node.name,
    )  # fmt: skip


def joined(chain: Sequence[Layer], units: Sequence[Sequence[Instance]]) -> list[tuple[Instance, ...]]:
    """The units of each layer, where constant products take in the requantization that alone reads them: no
    FIFO of sums between, and no adder for the bits that it shifts out. Its own layer is left with none."""
    result = [tuple(own) for own in units]
    readers = Counter(o.value for layer in chain for o in layer.operands)
    place = {layer.node: n for n, layer in enumerate(chain)}
    for n, layer in enumerate(chain):
        source = place.get(layer.operands[0].value)
        if source is None or readers[layer.operands[0].value] != 1 or len(units[n]) != 1:
            continue
        (last,), product = units[n], units[source]
        if last.unit is REQUANTIZE and product and product[-1].unit is CONSTANT_MATRIX:
            both = _clamped(chain[source], layer, product[-1], last)
            if both is not None:
                result[source], result[n] = (*product[:-1], both), ()
    return result


def _clamped(product: Layer, layer: Layer, sums: Instance, last: Instance) -> Instance | None:
    """One unit for both; None where it cannot be, or takes more."""
    found = line_of(layer)
    if found is None or found.knee is not None or last.output.lanes != sums.output.lanes:
        return None
    _, weights, *bias = product.node.inputs
    matrix = weights.value.reshape(-1, weights.value.shape[-1])
    offsets = np.broadcast_to(found.offset, matrix.shape[1:])
    if bias:
        offsets = offsets + found.factor * bias[0].value
    scaled = matrix * found.factor
    if np.abs(offsets).max() >= _OFFSET or not fits_constant_matrix(scaled, product.x):
        return None
    clamp = Clamp(found.shift, found.count, last.p.BIAS, layer.y.bits)
    params = constant_matrix_parameters(scaled, offsets, product.x, last.p.ACC_BITS, clamp)
    both = replace(sums, params=params, outputs=(last.output,))
    apart = sums.resources(_FAMILY).lut + last.resources(_FAMILY).lut + sums.output.bits
    return both if both.resources(_FAMILY).lut <= apart else None
