"""Which DSLX each op becomes: results are wires, one an element, in arrays of the tensor's shape."""

from collections.abc import Sequence
from functools import partial

import numpy as np

from ..ir.graph import Node
from ..ir.ops import (
    Add,
    AdderConv2d,
    AdderMatMul,
    ArgMax,
    BatchMatMul,
    Concat,
    Conv2d,
    ConvTranspose2d,
    DepthToSpace,
    Lookup,
    MatMul,
    MaxPool,
    Mul,
    Pad,
    ReduceSum,
    Reshape,
    Slice,
    SpaceToDepth,
    SumPool,
    Threshold,
    Transpose,
    Upsample,
)
from ..ir.types import Int, hull
from ..target import Target
from .places import NONE, moved, taps, transposed_taps, window_taps
from .sums import (
    argument_range,
    columns,
    converted_low,
    difference,
    distance,
    greater,
    largest,
    product,
    total,
)
from .tables import lookup, threshold
from .text import Body, Module, Wire, converted, literal, plain

ZERO = literal(0)


def _alike(wires: Sequence[Wire], range_: Int) -> list[Wire]:
    """Wires of one type, as arguments."""
    return [Wire(converted(w, range_), range_) for w in wires]


def _constants(node: Node) -> tuple[np.ndarray, np.ndarray | None]:
    w, *bias = node.inputs[1:]
    return w.value, bias[0].value if bias else None


def _products(
    module: Module,
    node: Node,
    key,
    rows: list[list[Wire]],
    w: np.ndarray,
    bias: np.ndarray | None,
) -> list[list[Wire]]:
    """``row @ w + bias`` for each row of wires; adder layers take distances in the place of products."""
    range_ = argument_range(node.inputs[0].type.dtype)
    adder = isinstance(node.op, AdderMatMul | AdderConv2d)

    def build(body: Body, x: list[Wire]) -> list[Wire]:
        return _distances(body, x, w, bias) if adder else columns(body, x, w, bias, range_)

    return [module.call(node.op.name, (id(node), key), _alike(row, range_), build) for row in rows]


def _distances(body: Body, x: list[Wire], w: np.ndarray, bias: np.ndarray | None) -> list[Wire]:
    """``bias - sum_k |x[k] - w[k, m]|``, a weight that columns share once; a distance to a weight x is on
    one side of is a difference, whose parts join the sums."""
    made: dict[tuple[int, int], Wire] = {}
    x, results = [body.number(wire) for wire in x], []
    for m, column in enumerate(w.T.tolist()):
        plus, minus, start = [], [], 0 if bias is None else int(bias[m])
        for k, weight in enumerate(column):
            if weight <= x[k].range.lo:
                minus.append(x[k])
                start += weight
            elif weight >= x[k].range.hi:
                plus.append(x[k])
                start -= weight
            else:
                if (k, weight) not in made:
                    made[k, weight] = distance(body, x[k], weight)
                minus.append(made[k, weight])
        results.append(difference(body, total(body, plus, start), total(body, minus)))
    return results


def _dense(module: Module, node: Node, xs: list[np.ndarray]) -> np.ndarray:
    (x,), (w, bias) = xs, _constants(node)
    rows = _products(module, node, 0, [list(row) for row in x.reshape(-1, len(w))], w, bias)
    return _shaped(rows, node)


def _shaped(rows: list[list[Wire]], node: Node) -> np.ndarray:
    found = np.empty(node.type.size, dtype=object)
    found[:] = [wire for row in rows for wire in row]
    return found.reshape(node.type.shape)


def _conv(module: Module, node: Node, xs: list[np.ndarray]) -> np.ndarray:
    """A product for each window: one matrix for all that have the same taps in the image."""
    op, (w, bias) = node.op, _constants(node)
    groups = getattr(op, "groups", 1)
    flat, each, inputs = xs[0].reshape(-1), w.shape[3] // groups, w.shape[2]
    places = window_taps(node.inputs[0].type.shape, w.shape[:2], op).reshape(
        -1, *w.shape[:2], inputs * groups
    )
    offsets = np.zeros(w.shape[3], np.int64) if bias is None else bias
    found = []
    for window in places:
        row: list[Wire] = []
        for g in range(groups):
            own = slice(g * each, (g + 1) * each)
            places_of = window[..., g * inputs : (g + 1) * inputs].reshape(-1)
            inside, matrix = places_of != NONE, w[..., own].reshape(-1, each)
            # A padded tap of an adder layer is as far as its weight.
            less = np.abs(matrix[~inside]).sum(axis=0) if isinstance(op, AdderConv2d) else 0
            wires = [flat[p] for p in places_of[inside]]
            key = g, inside.tobytes()
            row += _products(module, node, key, [wires], matrix[inside], offsets[own] - less)[0]
        found.append(row)
    return _shaped(found, node)


def _conv_transpose(module: Module, node: Node, xs: list[np.ndarray]) -> np.ndarray:
    """Each output pixel as a product of the pixels that reach it, a matrix for all of the same taps."""
    op, (w, bias) = node.op, _constants(node)
    inputs, each = w.shape[2], w.shape[3] // op.groups
    rows = []
    for reaching in transposed_taps(node):
        kernel = tuple((u, v) for u, v, *_ in reaching)
        found: list[Wire] = []
        for g in range(op.groups):
            own, offsets = slice(g * each, (g + 1) * each), None
            if bias is not None:
                offsets = bias[own]
            matrix = np.array([w[u, v][:, own] for u, v in kernel], np.int64).reshape(-1, each)
            wires = [p for _, _, i, j in reaching for p in xs[0][i, j, g * inputs : (g + 1) * inputs]]
            found += _products(module, node, (g, kernel), [wires], matrix, offsets)[0]
        rows.append(found)
    return _shaped(rows, node)


def _batch(module: Module, node: Node, xs: list[np.ndarray]) -> np.ndarray:
    x, z = xs
    p, q = (argument_range(v.type.dtype) for v in node.inputs)
    count = x.shape[-1]

    def build(body: Body, a: list[Wire]) -> list[Wire]:
        return [total(body, [product(body, a[k], a[count + k]) for k in range(count)])]

    rows = []
    for at in np.ndindex(node.type.shape):
        *lead, m, n = at
        left, right = x[(*lead, m)], z[(*lead, slice(None), n)]
        rows.append(module.call("dot", id(node), [*_alike(left, p), *_alike(right, q)], build))
    return _shaped(rows, node)


def _each(
    module: Module, node: Node, stem: str, x: np.ndarray, rows: np.ndarray, function: partial
) -> np.ndarray:
    """A function of each element, and of its channel's row of constants."""
    channels = x.shape[-1] if x.ndim and len(rows) > 1 else 1
    found = []
    for n, wire in enumerate(x.reshape(-1)):
        row = rows[n % channels]
        key = (*function.keywords.values(), row.tobytes())
        found.append(module.call(stem, key, [wire], lambda body, a, row=row: [function(body, a[0], row)]))
    return _shaped(found, node)


def _threshold(module: Module, node: Node, xs: list[np.ndarray]) -> np.ndarray:
    function = partial(threshold, bias=node.op.bias, step=node.op.step)
    return _each(module, node, "threshold", xs[0], node.inputs[1].value, function)


def _lookup(module: Module, node: Node, xs: list[np.ndarray]) -> np.ndarray:
    return _each(
        module, node, "lookup", xs[0], np.atleast_2d(node.inputs[1].value), partial(lookup, lo=node.op.lo)
    )


def _join(module: Module, node: Node, xs: list[np.ndarray]) -> np.ndarray:
    """A sum or product, element by element."""
    a, b = np.broadcast_arrays(*xs) if xs[0].shape else xs
    body, sums = module.top, isinstance(node.op, Add)
    pairs = zip(a.reshape(-1), b.reshape(-1), strict=True)
    return _shaped([[total(body, p) if sums else product(body, *p)] for p in pairs], node)


def _pool(module: Module, node: Node, xs: list[np.ndarray]) -> np.ndarray:
    """The largest or the sum of some elements."""
    function = largest if isinstance(node.op, MaxPool) else total
    flat, rows = xs[0].reshape(-1), []
    for row in taps(node):
        wires = [flat[p] for p in row if p != NONE]
        rows.append(
            module.call(node.op.name, 0, wires, lambda body, a: [function(body, a)]) if wires else [ZERO]
        )
    return _shaped(rows, node)


def _arg_max(module: Module, node: Node, xs: list[np.ndarray]) -> np.ndarray:
    rows = [module.call("argmax", 0, list(row), _first_largest) for row in xs[0].reshape(-1, xs[0].shape[-1])]
    return _shaped(rows, node)


def _first_largest(body: Body, wires: list[Wire]) -> list[Wire]:
    """A tournament: of two the later wins only when it is larger."""
    row = [(body.number(w), literal(n)) for n, w in enumerate(wires)]
    while len(row) > 1:
        pairs = [row[n : n + 2] for n in range(0, len(row), 2)]
        row = [_winner(body, *pair) if len(pair) == 2 else pair[0] for pair in pairs]
    return [row[0][1]]


def _winner(body: Body, a: tuple[Wire, Wire], b: tuple[Wire, Wire]) -> tuple[Wire, Wire]:
    if a[0].range.lo >= b[0].range.hi:
        return a
    if b[0].range.lo > a[0].range.hi:
        return b
    later = body.bits(greater(b[0], a[0]), 1)
    (x, n), (y, m) = a, b
    value = Int(max(x.range.lo, y.range.lo), max(x.range.hi, y.range.hi))
    return _either(body, later, y, x, value), _either(body, later, m, n, hull(n.range, m.range))


def _either(body: Body, condition: str, yes: Wire, no: Wire, to: Int) -> Wire:
    yes_text, no_text = converted_low(yes, to), converted_low(no, to)
    return body.let(f"if {condition} {{ {yes_text} }} else {{ {no_text} }}", plain(to))


def _move(module: Module, node: Node, xs: list[np.ndarray]) -> np.ndarray:
    """The same wires elsewhere."""
    flat = [wire for x in xs for wire in x.reshape(-1)]
    fill = literal(getattr(node.op, "value", 0))
    return _shaped([[fill if p == NONE else flat[p] for p in moved(node)]], node)


# Whose constant operands are elements like others.
ELEMENTWISE = (Add, Mul, Concat)

XLS = Target(
    "xls",
    {
        **dict.fromkeys((MatMul, AdderMatMul), _dense), **dict.fromkeys((Conv2d, AdderConv2d), _conv),
        ConvTranspose2d: _conv_transpose, BatchMatMul: _batch, Threshold: _threshold, Lookup: _lookup,
        ArgMax: _arg_max, **dict.fromkeys((Add, Mul), _join),
        **dict.fromkeys((MaxPool, SumPool, ReduceSum), _pool),
        **dict.fromkeys(
            (Reshape, Transpose, Concat, Slice, Pad, Upsample, DepthToSpace, SpaceToDepth), _move
        ),
    },
)  # fmt: skip
