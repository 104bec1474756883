"""Constants read from front to end, 64 bytes an instruction (LD1 of four registers); AArch64 only.

TensorIR has no value of four registers, and LLVM takes addresses in a row as distances from the first, which
LD1 has no room for. So functions in LLVM's own language do it; they are compiled into their callers. An empty
line of assembly hides each address from LLVM, which costs nothing and lets LD1 step on by itself.
"""

from __future__ import annotations

from tvm import tirx

BYTES = 64
_FOUR = "{ <4 x i32>, <4 x i32>, <4 x i32>, <4 x i32> }"
_EIGHT, _SIXTEEN = (", ".join(f"i32 {i}" for i in range(n)) for n in (8, 16))

_SOURCE = f"""
declare {_FOUR} @llvm.aarch64.neon.ld1x4.v4i32.p0(ptr)
define linkonce_odr hidden <16 x i32> @gwi_load(i64 %at) alwaysinline {{
  %p = inttoptr i64 %at to ptr
  %v = call {_FOUR} @llvm.aarch64.neon.ld1x4.v4i32.p0(ptr %p)
  %a = extractvalue {_FOUR} %v, 0
  %b = extractvalue {_FOUR} %v, 1
  %c = extractvalue {_FOUR} %v, 2
  %d = extractvalue {_FOUR} %v, 3
  %ab = shufflevector <4 x i32> %a, <4 x i32> %b, <8 x i32> <{_EIGHT}>
  %cd = shufflevector <4 x i32> %c, <4 x i32> %d, <8 x i32> <{_EIGHT}>
  %r = shufflevector <8 x i32> %ab, <8 x i32> %cd, <16 x i32> <{_SIXTEEN}>
  ret <16 x i32> %r
}}
define linkonce_odr hidden i64 @gwi_next(i64 %at) alwaysinline {{
  %r = add i64 %at, {BYTES}
  ret i64 %r
}}
define linkonce_odr hidden i64 @gwi_after(i64 %at, <16 x i32> %done) alwaysinline {{
  %a = shufflevector <16 x i32> %done, <16 x i32> poison, <4 x i32> <i32 0, i32 1, i32 2, i32 3>
  %b = shufflevector <16 x i32> %done, <16 x i32> poison, <4 x i32> <i32 4, i32 5, i32 6, i32 7>
  %c = shufflevector <16 x i32> %done, <16 x i32> poison, <4 x i32> <i32 8, i32 9, i32 10, i32 11>
  %d = shufflevector <16 x i32> %done, <16 x i32> poison, <4 x i32> <i32 12, i32 13, i32 14, i32 15>
  %r = call i64 asm "", "=r,0,w,w,w,w"(i64 %at, <4 x i32> %a, <4 x i32> %b, <4 x i32> %c, <4 x i32> %d)
  ret i64 %r
}}
define linkonce_odr hidden i64 @gwi_at(ptr %p) alwaysinline {{
  %r = ptrtoint ptr %p to i64
  ret i64 %r
}}
"""


class Stream:
    """The bytes of a table from an index on, taken one after another where the kernel ``w`` stands."""

    def __init__(self, w, pointer, index):
        self._w = w
        self._at = w.array("int64", 1)
        place = tirx.address_of(tirx.BufferLoad(pointer.buffer, [index]))
        w.store(self._at, 0, tirx.call_extern("int64", "gwi_at", place))
        w.needs(_SOURCE)

    def take(self):
        """The next 64 bytes, int32x16."""
        return self._w.let(tirx.call_extern("int32x16", "gwi_load", self._at.at(0)))

    def step(self, done) -> None:
        """To the 64 bytes behind, once all of ``done`` (int32x16 each) is computed.

        LLVM would load far ahead otherwise, and spill.
        """
        at = self._w.let(tirx.call_extern("int64", "gwi_next", self._at.at(0)))
        for vector in done:
            at = self._w.let(tirx.call_extern("int64", "gwi_after", at, vector))
        self._w.store(self._at, 0, at)
