"""ARM programs as ELF files: which machine, where they start, and where each function lies."""

import struct
from dataclasses import dataclass
from pathlib import Path

from ..errors import InputError

# e_machine (ELF specification, "ELF Header").
MACHINES = {40: "arm", 183: "aarch64"}
_SYMBOL_TABLE, _FUNCTION = 2, 2


@dataclass(frozen=True)
class Function:
    """A function's name and its bytes, [start, end)."""

    name: str
    start: int
    end: int


@dataclass(frozen=True)
class Elf:
    """What a program's file says: ``machine`` is "arm" or "aarch64"; functions are in order of address."""

    machine: str
    entry: int
    functions: tuple[Function, ...]


def read_elf(path: Path) -> Elf:
    """Reads a program for ARM.

    Raises:
        InputError: not a little-endian ELF file for ARM or AArch64, or its tables lie outside the file.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: a program must be readable, not {error.strerror or error}") from error
    machine = _machine(data)
    if machine is None:
        raise InputError(
            f"{path}: a program must be a little-endian ELF file for AArch64 or ARM, not this. "
            "Build it with a cross compiler."
        )
    try:
        entry, functions = _tables(data, wide=data[4] == 2)
    except (struct.error, ValueError, OverflowError) as error:
        raise InputError(
            f"{path}: the tables of an ELF file must lie inside it, not beyond its end"
        ) from error
    # Bit 0 of an address tells Thumb from ARM code.
    odd = 0 if machine == "aarch64" else 1
    found = {Function(name, at & ~odd, (at & ~odd) + size) for name, at, size in functions}
    return Elf(machine, entry & ~odd, tuple(sorted(found, key=lambda f: (f.start, f.end, f.name))))


def _machine(data: bytes) -> str | None:
    if len(data) < 64 or data[:4] != b"\x7fELF" or data[5] != 1:
        return None
    name = MACHINES.get(struct.unpack_from("<H", data, 18)[0])
    return name if data[4] == {"arm": 1, "aarch64": 2}.get(name or "") else None


def _tables(data: bytes, wide: bool) -> tuple[int, list[tuple[str, int, int]]]:
    """Entry point, and (name, address, size) of each function in the symbol tables."""
    if wide:
        entry, _, sections = struct.unpack_from("<QQQ", data, 24)
        stride, count = struct.unpack_from("<HH", data, 58)
    else:
        entry, _, sections = struct.unpack_from("<III", data, 24)
        stride, count = struct.unpack_from("<HH", data, 46)
    header = struct.Struct("<IIQQQQII" if wide else "<IIIIIIII")
    rows = [header.unpack_from(data, sections + i * stride) for i in range(count if sections else 0)]
    found = []
    for row in rows:
        if row[1] == _SYMBOL_TABLE:
            if row[6] >= len(rows):
                raise ValueError("no such section")
            names = rows[row[6]]
            found += _functions(_slice(data, row[4], row[5]), _slice(data, names[4], names[5]), wide)
    return entry, found


def _slice(data: bytes, start: int, size: int) -> bytes:
    if start + size > len(data):
        raise ValueError("beyond the end")
    return data[start : start + size]


def _functions(table: bytes, names: bytes, wide: bool) -> list[tuple[str, int, int]]:
    symbol = struct.Struct("<IBBHQQ" if wide else "<IIIBBH")
    found = []
    for fields in symbol.iter_unpack(table):
        at, size, kind, section = (
            (fields[4], fields[5], fields[1], fields[3])
            if wide
            else (fields[1], fields[2], fields[3], fields[5])
        )
        # Section 0: declared here, defined elsewhere.
        if kind & 15 == _FUNCTION and section and size:
            name = names[fields[0] : names.index(b"\0", fields[0])]
            found.append((name.decode(errors="replace"), at, size))
    return found
