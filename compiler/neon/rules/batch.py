"""Rule of products of two computed tensors: rows of the second by one element of the first each."""

from __future__ import annotations

from contextlib import ExitStack
from math import prod

from tvm import tirx

from ..builder import const
from ..context import Context, Tensor
from ..copies import lanes_for, strides
from ..groups import Group
from ..isa import cast, part, spread
from .rule import Rule

# Elements of a row of the first operand that are loaded together.
_RUN = 8


def _takes(context: Context, group: Group) -> bool:
    """Whether rows are vectors of values of 16 bits, sums of which fit 32."""
    node = group.anchor
    narrow = all(v.type.dtype.lo >= -(2**15) and v.type.dtype.hi < 2**15 for v in node.inputs)
    return narrow and node.type.shape[-1] >= 4 and node.type.dtype.magnitude < 2**30


def _emit(context: Context, group: Group) -> None:
    """Tiles of some rows times a vector of columns; sums stay in registers."""
    node = group.anchor
    x, z = (context.tensor(v) for v in node.inputs)
    y = context.result(node)
    _Kernel(context, node, x, z, y).emit()


class _Kernel:
    """The kernel of one product."""

    def __init__(self, context: Context, node, x: Tensor, z: Tensor, y: Tensor):
        self.context, self.node, self.x, self.z, self.y = context, node, x, z, y
        *self.batch, self.m, self.n = node.type.shape
        self.k = node.inputs[0].type.shape[-1]
        wide = context.core.wide
        self.lanes = min(lanes_for(self.n), 16 if wide else 8)
        self.rows = min(4 if wide else 2, self.m)

    def emit(self) -> None:
        w, tensors = self.context.writer(), (self.x, self.z, self.y)
        pointers = [w.tensor(t.place(t.storage.origin), t.storage.dtype) for t in tensors]
        # Elements from one matrix to the next, and from row to row.
        self.steps = [self._steps(t) for t in tensors]
        # As parameters: LLVM would multiply bytes as such, and extend each product instead of each operand.
        self.offsets = {id(t): cast(w.stride(t.storage.offset), "int16") for t in tensors[:2]}
        tiles = -(-self.m // self.rows)
        with ExitStack() as stack:
            matrix, several = const(0, w.index), prod(self.batch) > 1
            if several:
                matrix = stack.enter_context(w.outer())
            row = stack.enter_context(w.loop(w.size(tiles)) if several else w.outer()) * self.rows
            if self.m % self.rows:
                row = tirx.min(row, w.stride(self.m - self.rows))
            column = stack.enter_context(w.loop(w.size(-(-self.n // self.lanes)))) * self.lanes
            if self.n % self.lanes:
                column = tirx.min(column, w.stride(self.n - self.lanes))
            self._tile(w, pointers, matrix, w.let(row), w.let(column))
        macs = self.node.op.work(*self.node.inputs).macs
        self.context.add("batch_matmul", w, prod(self.batch) if several else tiles, macs)

    def _steps(self, tensor: Tensor) -> tuple[int, int]:
        steps = strides(tensor.storage)
        return (steps[-3] if len(steps) > 2 else 0), steps[-2]

    def _tile(self, w, pointers, matrix, row, column) -> None:
        """Sums of some rows, vector by vector of the second operand."""
        (x_matrix, x_row), (z_matrix, z_row), (y_matrix, y_row) = self.steps
        px, pz, py = pointers
        acc = w.array("int32", self.rows * self.lanes)
        for p in range(self.rows):
            w.store(acc, p * self.lanes, const(0, f"int32x{self.lanes}"))
        left = w.let(matrix * x_matrix + row * x_row)
        right = w.let(matrix * z_matrix + column)
        runs, rest = divmod(self.k, _RUN)
        if runs:
            with w.loop(w.size(runs)) as run:
                first = w.let(left + run * _RUN)
                x = [self._value(w, px, first + p * x_row, _RUN, self.x) for p in range(self.rows)]
                start = w.let(right + run * (_RUN * z_row))
                for k in range(_RUN):
                    elements = [(v, k) for v in x]
                    self._added(w, acc, elements, pz, start + k * z_row)
        for k in range(runs * _RUN, runs * _RUN + rest):
            # Vectors of one element again and again: a row may end where memory ends.
            x = [self._alone(w, px, left + (p * x_row + k)) for p in range(self.rows)]
            self._added(w, acc, [(v, 0) for v in x], pz, right + k * z_row)
        for p in range(self.rows):
            to = w.let(matrix * y_matrix + (row + p) * y_row + column)
            sums = acc.at(p * self.lanes, self.lanes)
            if self.y.storage.offset:
                sums = sums - const(self.y.storage.offset, f"int32x{self.lanes}")
            w.store(py, to, cast(sums, self.y.storage.dtype))

    def _added(self, w, acc, elements, pz, at) -> None:
        """One row of the second operand times an element of each row of the first."""
        z = self._value(w, pz, at, self.lanes, self.z)
        for p, (vector, lane) in enumerate(elements):
            for q in range(0, self.lanes, 4):
                place = p * self.lanes + q
                product = cast(part(z, q, 4), "int32") * cast(spread(vector, lane, 4), "int32")
                w.store(acc, place, acc.at(place, 4) + product)

    def _value(self, w, pointer, at, lanes: int, tensor: Tensor):
        """Values as int16."""
        value = cast(w.load(pointer, at, lanes), "int16")
        if tensor.storage.dtype == "int8":
            value = value + tirx.Broadcast(self.offsets[id(tensor)], lanes)
        return w.let(value)

    def _alone(self, w, pointer, at):
        """One value of the first operand in every lane."""
        value = cast(w.load(pointer, at), "int16") + const(self.x.storage.offset, "int16")
        return w.let(tirx.Broadcast(value, 4))


BATCH = Rule(_emit, _takes)
