"""TensorIR of one kernel, written statement by statement: pointers in, loops, vectors in registers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tvm import tirx
from tvm.ir import PointerType, PrimType, StringImm

# Buffers need a length; kernels index inside what the memory plan gives them.
_UNBOUNDED = 2**31 - 1


def const(value: int, dtype: str = "int32"):
    """An integer constant; in a vector type such as int16x8, one in each lane."""
    base, _, lanes = dtype.partition("x")
    scalar = tirx.IntImm(base, int(value))
    return tirx.Broadcast(scalar, int(lanes)) if lanes else scalar


def dtype_of(value) -> str:
    """The TVM data type of an expression, for example ``int8x16``."""
    return str(value.ty.dtype)


def lanes_of(value) -> int:
    """Lanes of an expression; 1 for a scalar."""
    return value.ty.dtype.lanes


def element_of(value) -> str:
    """The data type of one lane."""
    return dtype_of(value).partition("x")[0]


class Pointer:
    """A pointer parameter or local array of a kernel, indexed in its own elements."""

    def __init__(self, buffer, dtype: str, index: str):
        self.buffer, self.dtype, self._index = buffer, dtype, index

    def at(self, index, lanes: int = 1):
        """``lanes`` elements from ``index`` on: an expression that reads where it stands."""
        return tirx.BufferLoad(self.buffer, [self.places(index, lanes)])

    def places(self, index, lanes: int):
        """The index expression of ``lanes`` elements from ``index`` on."""
        index = const(index, self._index) if isinstance(index, int) else index
        return index if lanes == 1 else tirx.Ramp(index, const(1, self._index), lanes)


class Kernel:
    """A C function under construction: ``void name(pointers..., intptr_t integers..., begin, end)``.

    Its outermost loop runs over ``begin .. end - 1``, so that threads can share it (``outer``). Vectors that
    live in a local ``array`` at constant indices become registers: LLVM takes such arrays apart.
    """

    def __init__(self, index: str = "int64"):
        """``index``: type of loop counters and indices, as wide as a pointer: LLVM would extend narrower ones
        again at each use."""
        self.index = index
        self._parameters: list[tirx.Var] = []
        self._integers: list[tirx.Var] = []
        self._head: list[tirx.Stmt] = []
        self._blocks: list[list[tirx.Stmt]] = [[]]
        self._count = 0
        self._imported: str | None = None
        self._range = tirx.Var("begin", index), tirx.Var("end", index)

    def pointer(self, dtype: str) -> Pointer:
        """One more pointer parameter."""
        name = f"p{len(self._parameters)}"
        handle = tirx.Var(name, PointerType(PrimType(dtype), "global"))
        buffer = tirx.decl_buffer((_UNBOUNDED,), dtype, name=f"{name}_data")
        self._parameters.append(handle)
        self._head.append(tirx.DeclBuffer(buffer, data=handle))
        return Pointer(buffer, dtype, self.index)

    def integer(self) -> tirx.Var:
        """One more integer parameter, behind all pointers: a size or stride, so that layers share kernels.

        Loops over it stay loops; LLVM would unroll one of known length and spill what it hoists.
        """
        name = tirx.Var(f"n{len(self._integers)}", self.index)
        self._integers.append(name)
        return name

    def array(self, dtype: str, count: int) -> Pointer:
        """An array on the stack, or in registers where all its indices are constant."""
        self._count += 1
        buffer = tirx.decl_buffer((count,), dtype, name=f"a{self._count}", scope="local")
        self._blocks[-1].append(tirx.AllocBuffer(buffer))
        return Pointer(buffer, dtype, self.index)

    def let(self, value):
        """A name for a value, computed here and once."""
        if lanes_of(value) == 1:
            return self._bound(value)
        # Through memory that LLVM takes away: TVM's analyzer puts the values of names into each other, which
        # grows exponentially where names are used twice.
        kept = self.array(element_of(value), lanes_of(value))
        self.store(kept, 0, value)
        return self.load(kept, 0, lanes_of(value))

    def _bound(self, value):
        self._count += 1
        name = tirx.Var(f"v{self._count}", dtype_of(value))
        self._blocks[-1].append(tirx.Bind(name, value))
        return name

    def named(self, value):
        """A name for a value of parameters, computed once in front of everything."""
        self._count += 1
        name = tirx.Var(f"v{self._count}", dtype_of(value))
        self._head.append(tirx.Bind(name, value))
        return name

    def load(self, pointer: Pointer, index, lanes: int = 1):
        """``lanes`` elements from ``index`` on, read here."""
        return self._bound(pointer.at(index, lanes))

    def store(self, pointer: Pointer, index, value) -> None:
        """Write the lanes of ``value`` from ``index`` on."""
        places = pointer.places(index, lanes_of(value))
        self._blocks[-1].append(tirx.BufferStore(pointer.buffer, value, [places]))

    @contextmanager
    def outer(self) -> Iterator[tirx.Var]:
        """The outermost loop, over the part of the work that this call does."""
        begin, end = self._range
        with self._loop(begin, end - begin, tirx.ForKind.SERIAL) as i:
            yield i

    @contextmanager
    def loop(self, count, first: int = 0) -> Iterator[tirx.Var]:
        """A loop over ``first .. first + count - 1``."""
        count = const(count, self.index) if isinstance(count, int) else count
        with self._loop(const(first, self.index), count, tirx.ForKind.SERIAL) as i:
            yield i

    @contextmanager
    def _loop(self, first, count, kind) -> Iterator[tirx.Var]:
        self._count += 1
        i = tirx.Var(f"i{self._count}", self.index)
        self._blocks.append([])
        yield i
        body = self._blocks.pop()
        self._blocks[-1].append(tirx.For(i, first, count, kind, _sequence(body)))

    @contextmanager
    def when(self, condition) -> Iterator[None]:
        """Statements done where ``condition`` holds."""
        self._blocks.append([])
        yield
        body = self._blocks.pop()
        self._blocks[-1].append(tirx.IfThenElse(condition, _sequence(body), None))

    def needs(self, source: str) -> None:
        """Functions in LLVM's own language that the kernel calls."""
        self._imported = source

    def function(self) -> tirx.PrimFunc:
        """The finished function."""
        (body,) = self._blocks
        whole = _sequence([*self._head, *body])
        if self._imported is not None:
            source = StringImm(self._imported)
            whole = tirx.AttrStmt(tirx.IntImm("int32", 0), "pragma_import_llvm", source, whole)
        return tirx.PrimFunc([*self._parameters, *self._integers, *self._range], whole)


def _sequence(statements: list[tirx.Stmt]) -> tirx.Stmt:
    return statements[0] if len(statements) == 1 else tirx.SeqStmt(statements)
