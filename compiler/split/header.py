"""The C header of a split: each tensor that crosses, and its way into the FPGA's stream and out of it.

A beat is ``lanes`` codes side by side, the first in the lowest bits, padded with zeros to whole bytes, the
lowest byte first: what a DMA puts into memory, and what ``hw.link`` sends over a line.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..ir.types import Int, TensorType
from ..neon.c_names import comment, integer

NAME = "gatewright_split.h"
# Codes up to so many bits go through the packer at once.
_WORD = 32

_HEADER = """\
/* {title}: what crosses between the processor and the FPGA.
 *
 * Written by gatewright. A tensor in memory holds elements "value - offset" of one C type, row-major.
 * In the FPGA's stream an element is a code of so many bits: its value in two's complement, or plain where
 * no value is negative, or 1 for +1 and 0 for -1 where there are no others. A beat holds LANES codes, the
 * first in the lowest bits, padded with zeros to BEAT_BYTES bytes, the lowest byte first.
 */
#ifndef GATEWRIGHT_SPLIT_H
#define GATEWRIGHT_SPLIT_H

#include <stddef.h>
#include <stdint.h>

{tensors}
{functions}
#endif
"""

_PACK = """\
/* From {tensor} to the {beats} beats that the FPGA reads: all of GW_SPLIT_IN_BYTES bytes are written. */
static inline void gw_split_pack(const {c_type} *tensor, uint8_t *stream)
{{
    size_t beat, lane;
    for (beat = 0; beat < GW_SPLIT_IN_BEATS; beat++) {{
{before}        for (lane = 0; lane < GW_SPLIT_IN_LANES; lane++) {{
            {word} value = ({word})*tensor++ + ({word}){offset};
            {word} code = {code};
{put}        }}
{after}    }}
}}
"""

_UNPACK = """\
/* From the {beats} beats that the FPGA writes, GW_SPLIT_OUT_BYTES bytes, to {tensor}. */
static inline void gw_split_unpack(const uint8_t *stream, {c_type} *tensor)
{{
    size_t beat, lane;
    for (beat = 0; beat < GW_SPLIT_OUT_BEATS; beat++) {{
{before}        for (lane = 0; lane < GW_SPLIT_OUT_LANES; lane++) {{
            {word} code = 0;
{get}            *tensor++ = ({c_type})({signed})({value} - ({word}){offset});
        }}
{after}    }}
}}
"""


@dataclass(frozen=True)
class Held:
    """A tensor at a border as C has it: elements ``value - offset`` of ``dtype`` (int8 to int64)."""

    name: str
    type: TensorType
    dtype: str
    offset: int

    @property
    def c_type(self) -> str:
        """The element's type in C."""
        return f"{self.dtype}_t"


@dataclass(frozen=True)
class Streamed:
    """A tensor in the FPGA's stream: codes of ``element``, ``lanes`` to a beat of ``beat_bytes`` bytes,
    ``beats`` to a frame."""

    held: Held
    element: Int
    lanes: int
    beats: int
    beat_bytes: int

    @property
    def spare(self) -> int:
        """Bytes of a beat behind the last that has a code's bits."""
        return self.beat_bytes - -(-self.element.bits * self.lanes // 8)

    @property
    def bytes(self) -> int:
        """Bytes of a frame."""
        return self.beat_bytes * self.beats


def header(title: str, held: Mapping[str, Held], given: Streamed, made: Streamed) -> str:
    """The text of ``gatewright_split.h``: C99, of use in C++ as well.

    Args:
        title: the network's name, from outside.
        held: all tensors at borders, by name.
        given, made: what the FPGA reads, and what it writes.
    """
    tensors = [_tensor(h) for h in held.values()]
    tensors += [_stream("IN", "reads", given), _stream("OUT", "writes", made)]
    return _HEADER.format(
        title=comment(title or "a network"), tensors="\n".join(tensors),
        functions=f"{_pack(given)}\n{_unpack(made)}",
    )  # fmt: skip


def _macros(comment_lines: Sequence[str], macros: Mapping[str, object]) -> str:
    text = "/* " + "\n * ".join(comment_lines) + " */"
    return "\n".join([text, *(f"#define {name} {value}" for name, value in macros.items()), ""])


def _tensor(held: Held) -> str:
    kind, prefix = held.type.dtype, f"GW_SPLIT_{held.name.upper()}"
    shape = ", ".join(map(str, held.type.shape)) or "a scalar"
    steps = f" in steps of {kind.step}" if kind.step > 1 else ""
    about = f"{held.name}: ({shape}) of {held.c_type}, values {kind.lo}..{kind.hi}{steps}."
    return _macros([about], {
        f"{prefix}_ELEMENTS": held.type.size,
        f"{prefix}_BYTES": held.type.size * int(held.dtype.removeprefix("int")) // 8,
        f"{prefix}_OFFSET": f"({integer(held.offset)})",
    })  # fmt: skip


def _stream(side: str, verb: str, s: Streamed) -> str:
    prefix, e = f"GW_SPLIT_{side}", s.element
    about = f"What the FPGA {verb}, {s.held.name}: codes of {e.bits} bits for {e.lo}..{e.hi}."
    return _macros([about], {
        f"{prefix}_CODE_BITS": e.bits,
        f"{prefix}_LANES": s.lanes,
        f"{prefix}_BEATS": s.beats,
        f"{prefix}_BEAT_BYTES": s.beat_bytes,
        f"{prefix}_BYTES": s.bytes,
    })  # fmt: skip


def _word(s: Streamed) -> int:
    """Bits of the unsigned integers that codes and values of this stream are handled in."""
    wide = s.element.bits > _WORD or s.held.dtype == "int64"
    return 64 if wide else _WORD


def _mask(bits: int) -> str:
    return f"0x{(1 << bits) - 1:x}u" if bits <= _WORD else f"0x{(1 << bits) - 1:x}ull"


def _whole(s: Streamed) -> bool:
    """Whether no byte has bits of two codes."""
    return s.element.bits % 8 == 0


def _pieces(bits: int) -> list[tuple[int, int]]:
    """(first bit, bits) of what goes through the packer at once."""
    return [(low, min(_WORD, bits - low)) for low in range(0, bits, _WORD)]


def _pack(s: Streamed) -> str:
    bits = s.element.bits
    code = "value == 1u" if s.element.bipolar else f"value & {_mask(bits)}"
    if _whole(s):
        before = after = ""
        lines = [f"*stream++ = (uint8_t)(code >> {b});" for b in range(0, bits, 8)]
    else:
        before, lines = "        uint64_t bits = 0;\n        unsigned count = 0;\n", []
        for low, size in _pieces(bits):
            lines += [f"bits |= (uint64_t)(code >> {low} & {_mask(size)}) << count;", f"count += {size};"]
            lines += ["for (; count >= 8; count -= 8, bits >>= 8)", "    *stream++ = (uint8_t)bits;"]
        after = "        if (count)\n            *stream++ = (uint8_t)bits;\n"
    if s.spare:
        after += f"        for (lane = 0; lane < {s.spare}; lane++)\n            *stream++ = 0;\n"
    return _PACK.format(
        tensor=s.held.name, beats=s.beats, c_type=s.held.c_type, word=f"uint{_word(s)}_t",
        offset=_offset(s), code=code, before=before, put=_indented(lines), after=after,
    )  # fmt: skip


def _unpack(s: Streamed) -> str:
    bits, word = s.element.bits, f"uint{_word(s)}_t"
    if _whole(s):
        before = after = ""
        lines = [f"code |= ({word})*stream++ << {b};" for b in range(0, bits, 8)]
    else:
        before, lines = "        uint64_t bits = 0;\n        unsigned count = 0;\n", []
        for low, size in _pieces(bits):
            lines += [f"for (; count < {size}; count += 8)", "    bits |= (uint64_t)*stream++ << count;"]
            lines += [
                f"code |= ({word})(bits & {_mask(size)}) << {low};",
                f"bits >>= {size}, count -= {size};",
            ]
        # What is left of a beat's last byte is its padding.
        after = "        (void)bits, (void)count;\n"
    after += f"        stream += {s.spare};\n" if s.spare else ""
    value = "code"
    if s.element.bipolar:
        value = "2u * code - 1u"
    elif s.element.signed and bits < _word(s):
        top = f"(({word})1 << {bits - 1})"
        value = f"(code ^ {top}) - {top}"
    return _UNPACK.format(
        tensor=s.held.name, beats=s.beats, c_type=s.held.c_type, word=word, signed=word.removeprefix("u"),
        offset=_offset(s), value=f"({value})" if value != "code" else value, before=before,
        get=_indented(lines), after=after,
    )  # fmt: skip


def _offset(s: Streamed) -> str:
    return integer(s.held.offset)


def _indented(lines: Sequence[str]) -> str:
    return "".join(f"            {line}\n" for line in lines)
