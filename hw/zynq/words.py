"""How a stream lies in memory and on AXI4-Stream: words of a power of two bytes, several a wide beat."""

from dataclasses import dataclass

import numpy as np

from ..design import Stream


@dataclass(frozen=True)
class Words:
    """A stream of a design as a DMA moves it.

    A beat is ``per_beat`` words of ``bytes`` bytes, little-endian, the word with its low bits first; what is
    above the beat's bits is 0. A frame follows the one before it without a gap.

    Attributes:
        stream: the design's.
        bytes: of a word, as wide as the DMA's stream: 1, 2, 4, 8 or 16.
        per_beat: words.
    """

    stream: Stream
    bytes: int
    per_beat: int

    @property
    def beat_bytes(self) -> int:
        """Bytes of a beat in memory."""
        return self.bytes * self.per_beat

    @property
    def frame_words(self) -> int:
        """Words of a frame."""
        return self.per_beat * self.stream.beats

    @property
    def frame_bytes(self) -> int:
        """Bytes of a frame in memory."""
        return self.beat_bytes * self.stream.beats

    def pack(self, values: np.ndarray) -> bytes:
        """Integers of whole frames, in stream order, to the bytes in memory."""
        size = self.beat_bytes
        return b"".join(word.to_bytes(size, "little") for word in self.stream.pack(values))

    def unpack(self, data: bytes) -> np.ndarray:
        """The inverse of ``pack``: flat int64 values."""
        size = self.beat_bytes
        words = [int.from_bytes(data[i : i + size], "little") for i in range(0, len(data), size)]
        return self.stream.unpack(words)


def words_of(stream: Stream, port_bits: int) -> Words:
    """The narrowest words that hold a beat, or as many as it takes of the memory port's width."""
    size = min(1 << (-(-stream.bits // 8) - 1).bit_length(), port_bits // 8)
    return Words(stream, size, -(-stream.bits // (8 * size)))
