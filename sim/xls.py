"""A function in XLS's IR, run by XLS's interpreter, or for many frames by its compiler to machine code."""

from __future__ import annotations

from collections.abc import Sequence

from ..compiler.xls.pipeline import failed, library, top_name

# Compiling to machine code takes as long as interpreting so many frames.
_MANY = 2_000


class XlsFunction:
    """The optimized function of a frame's bits.

    Args:
        ir: XLS's IR, as ``compiler.xls.pipeline.optimized`` gives it.
        in_bits: of its argument.
    Raises:
        ToolError: XLS is missing, or rejects the IR.
    """

    def __init__(self, ir: str, in_bits: int):
        self._xls, self._bits = library(), in_bits
        try:
            # The function lives as long as its package does.
            self._package = self._xls.Package.parse_ir(ir)
            self._function = self._package.get_function(top_name())
        except (RuntimeError, ValueError) as error:
            raise failed("read its own IR", error) from None

    def run(self, words: Sequence[int], compiled: bool | None = None) -> list[int]:
        """Results of frames, each a word of bits, element 0 in the low ones.

        Args:
            compiled: whether to run machine code; None: where there are many frames.
        Raises:
            ToolError: XLS fails.
        """
        compiled = len(words) > _MANY if compiled is None else compiled
        try:
            call = self._function.to_jit().run if compiled else self._function.interpret
            return [self._bits_of(call([self._value(word)])) for word in words]
        except (RuntimeError, ValueError) as error:
            raise failed("run the function", error) from None

    def _value(self, word: int):
        data = word.to_bytes((self._bits + 7) // 8, "little")
        return self._xls.Value.from_bits(self._xls.Bits.from_bytes(self._bits, data))

    @staticmethod
    def _bits_of(value) -> int:
        return int.from_bytes(value.get_bits().to_bytes(), "little")
