"""Matrix products: by constant weights on either side, and of two computed tensors."""

import numpy as np

from ...errors import GraphError
from ..ir.graph import Const
from ..ir.ops import BatchMatMul
from .chain import compress
from .linear_ops import integer_weights, product, uneven_scale
from .moves import repeated
from .source import SourceNode
from .tensors import Constant, Tensor, plain, rescaled


def lower_matmul(node: SourceNode) -> tuple[Tensor]:
    """x @ w, w @ x, or x @ z."""
    if len(node.operands) != 2:
        raise GraphError(f"a product must have two inputs, not {len(node.operands)}")
    first, second = node.operands
    if isinstance(first, Tensor) and isinstance(second, Tensor):
        return (_computed(node),)
    if isinstance(second, Tensor):
        return (_weights_first(node),)
    weights = node.constant(1, "the weights")
    if weights.values.ndim > 2:
        return (_batched(node, node.tensor(0), weights),)
    return (product(node, node.tensor(0), weights, None),)


def _weights_first(node: SourceNode) -> Tensor:
    """w @ x is the transposed x.T @ w.T, where x keeps its batch in front."""
    weights, tensor = node.constant(0, "the weights"), node.tensor(1)
    if weights.values.ndim < 2 or tensor.rank < 2:
        raise GraphError(
            f"weights in front must have 2 axes or more, as must frames behind them, not shape "
            f"{weights.values.shape} and frames {tensor.shape}. Export x @ w, not w @ x."
        )
    turned = weights.mapped(lambda a: np.swapaxes(a, -1, -2))
    rows = tensor.transposed((*range(tensor.rank - 2), tensor.rank - 1, tensor.rank - 2))
    result = _batched(node, rows, turned) if turned.values.ndim > 2 else product(node, rows, turned, None)
    return result.transposed((*range(result.rank - 2), result.rank - 1, result.rank - 2))


def _batched(node: SourceNode, tensor: Tensor, weights: Constant) -> Tensor:
    """x @ w for w with leading axes, which pair with those of x."""
    axes = weights.values.ndim
    if axes > tensor.rank + 1 or (axes == tensor.rank + 1 and weights.values.shape[0] != 1):
        raise GraphError(
            f"weights of shape {weights.values.shape} must pair with frames of shape {tensor.shape}, "
            "and be the same for the whole batch"
        )
    if axes == tensor.rank + 1:
        weights = weights.mapped(lambda a: a[0])
    lead = (1,) * (tensor.rank - weights.values.ndim) + weights.values.shape[:-2]
    if all(d == 1 for d in lead):
        return product(node, tensor, weights.mapped(lambda a: a.reshape(a.shape[-2:])), None)
    tensor, full = _spread(tensor, lead)
    value, scale = plain(tensor)
    codes, weight_scale = integer_weights(weights)
    if (weight_scale != weight_scale[..., :1, :]).any():
        raise uneven_scale()
    columns = weight_scale[..., :1, :].astype(np.float64)
    meaning = scale * np.broadcast_to(columns, (*full, *columns.shape[-2:]))
    z = Const(np.broadcast_to(codes, (*full, *codes.shape[-2:])))
    return rescaled(BatchMatMul()(value, z, name=node.name), compress(meaning))


def _computed(node: SourceNode) -> Tensor:
    """x @ z of two computed tensors, such as queries and keys."""
    first, second = node.tensor(0), node.tensor(1)
    if min(first.rank, second.rank) < 2 or first.rank != second.rank:
        raise GraphError(
            f"computed operands must both have frames of as many axes, 2 or more, not {first.shape} "
            f"and {second.shape}"
        )
    first, full = _spread(first, second.shape[:-2])
    second, _ = _spread(second, full)
    (a, scale_a), (b, scale_b) = plain(first), plain(second)
    value = BatchMatMul()(a, b, name=node.name)
    return rescaled(value, np.full((1,) * first.rank, scale_a * scale_b))


def _spread(tensor: Tensor, lead: tuple[int, ...]) -> tuple[Tensor, tuple[int, ...]]:
    """The tensor with leading axes of size 1 repeated to ``lead``, and its leading axes then."""
    if any(1 not in (d, t) and d != t for d, t in zip(tensor.shape[:-2], lead, strict=True)):
        raise GraphError(f"leading axes must be equal or 1, not {tensor.shape[:-2]} and {lead}")
    for axis, times in enumerate(lead):
        tensor = repeated(tensor, axis, times if tensor.shape[axis] == 1 else 1)
    return tensor, tensor.shape[:-2]
