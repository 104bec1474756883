"""A kernel and what it is called with: tensors, constants and sizes become parameters as they are used."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import tvm_ffi
from tvm import tirx

from .builder import Kernel, Pointer, const
from .c_names import KERNEL
from .isa import Core, Instructions, joined
from .program import Call, Place, Region

_ALIGNMENT = 16


class Constants:
    """The read-only blob; equal arrays are kept once."""

    def __init__(self):
        self._data = bytearray()
        self._known: dict[tuple, int] = {}

    def add(self, array: np.ndarray) -> Place:
        """A place for the array's elements, aligned to 16 bytes."""
        array = np.ascontiguousarray(array)
        key = (array.dtype.str, array.tobytes())
        if key not in self._known:
            self._data += bytes(-len(self._data) % _ALIGNMENT)
            self._known[key] = len(self._data)
            self._data += key[1]
        return Place(Region.CONSTANTS, self._known[key])

    def blob(self) -> bytes:
        """All of it, with slack for a vector that begins at the last element."""
        return bytes(self._data) + bytes(2 * _ALIGNMENT)


class Library:
    """Kernels by name; layers that need the same one share it."""

    def __init__(self):
        self.functions: dict[str, tirx.PrimFunc] = {}
        self._by_hash: dict[int, list[str]] = {}

    def add(self, kind: str, function: tirx.PrimFunc) -> str:
        """The name of a kernel equal to ``function``; ``kind`` begins it."""
        same = self._by_hash.setdefault(tvm_ffi.structural_hash(function), [])
        for name in same:
            if tvm_ffi.structural_equal(self.functions[name], function):
                return name
        name = f"{KERNEL}{kind}_{len(self.functions)}"
        self.functions[name] = function
        same.append(name)
        return name


def kind_of(name: str) -> str:
    """What a kernel's name began with when it was added.

    >>> kind_of("gwk_depthwise_dot_12")
    'depthwise_dot'
    """
    return name.removeprefix(KERNEL).rpartition("_")[0]


class Writer(Kernel):
    """A kernel under construction, with the arguments of its one call."""

    def __init__(self, core: Core, constants: Constants):
        super().__init__(core.index)
        self.core, self.isa = core, Instructions(core)
        self._constants = constants
        self.places: list[Place] = []
        self._sizes: list[int] = []
        self._of: dict[Pointer, Place] = {}
        # Pixels whose channels lie one after another in each vector of elementwise functions.
        self.pixels = 1

    def tensor(self, place: Place, dtype: str) -> Pointer:
        """A pointer to a tensor's first byte in memory."""
        self.places.append(place)
        pointer = self.pointer(dtype)
        self._of[pointer] = place
        return pointer

    def behind(self, pointer: Pointer, elements: int) -> Pointer:
        """Another pointer, ``elements`` behind: for what an instruction's offset does not reach."""
        place = self._of[pointer]
        distance = elements * np.dtype(pointer.dtype).itemsize
        return self.tensor(replace(place, offset=place.offset + distance), pointer.dtype)

    def table(self, array: np.ndarray, dtype: str) -> Pointer:
        """A pointer to constant elements."""
        return self.tensor(self._constants.add(np.asarray(array).astype(dtype)), dtype)

    def size(self, value: int):
        """A size as a parameter, at least 1 and known to be so: loops over it stay loops."""
        self._sizes.append(int(value))
        return self.named(tirx.max(self.integer(), const(1, self.index)))

    def stride(self, value: int):
        """A stride or offset as a parameter."""
        self._sizes.append(int(value))
        return self.integer()

    def channels(self, array: np.ndarray, dtype: str, channel, lanes: int):
        """A constant's elements for a vector's lanes, from ``channel`` on; immediate where all are equal."""
        array = np.asarray(array).reshape(-1)
        if (array == array[0]).all():
            return _immediate(array[0], dtype, lanes)
        key = (array.tobytes(), dtype)
        tables = self.__dict__.setdefault("_tables", {})
        if key not in tables:
            tables[key] = self.table(array, dtype)
        return joined(*[self.load(tables[key], channel, lanes // self.pixels)] * self.pixels)

    def channel_of(self, channel, lane, lanes: int):
        """The channel in a lane of a vector that begins at ``channel``."""
        if self.pixels == 1:
            return channel + lane
        return channel + tirx.truncmod(lane, const(lanes // self.pixels, self.index))

    def call(self, name: str, trips: int, layer: str = "", macs: int = 0) -> Call:
        """The call of the finished kernel under its name."""
        return Call(name, tuple(self.places), tuple(self._sizes), trips, layer, macs)


def _immediate(value, dtype: str, lanes: int):
    """A constant in every lane."""
    if dtype.startswith("float"):
        return tirx.Broadcast(tirx.FloatImm(dtype, float(value)), lanes)
    return const(int(value), f"{dtype}x{lanes}" if lanes > 1 else dtype)
