"""How much of an ELF object is code."""

import struct
from pathlib import Path

_ALLOCATED_CODE = 0x2 | 0x4


def code_bytes(path: Path) -> int:
    """Bytes of all executable sections of an object that our cross compiler made."""
    data = path.read_bytes()
    wide = data[4] == 2
    start = struct.unpack_from("<Q" if wide else "<I", data, 40 if wide else 32)[0]
    stride, count = struct.unpack_from("<HH", data, 58 if wide else 46)
    header = struct.Struct("<IIQQQQ" if wide else "<IIIIII")
    sections = (header.unpack_from(data, start + i * stride) for i in range(count))
    return sum(size for _, _, flags, _, _, size in sections if flags & _ALLOCATED_CODE == _ALLOCATED_CODE)
