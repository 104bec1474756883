"""Codes on wires: their signs, their bits, and how many of these change from one to the next."""

from collections.abc import Sequence

import numpy as np

from ...hw.design import Memory, Stream


def mask(bits: int) -> int:
    """The largest code of so many bits, at most 63."""
    return (1 << bits) - 1


def signed(codes: np.ndarray, bits: int) -> np.ndarray:
    """Two's complement codes of ``bits`` bits as integers."""
    return codes - ((codes >> (bits - 1) & 1) << bits)


def flips(codes: np.ndarray, bits: int) -> int:
    """Bits that change along the first axis: the sum of the Hamming distances of neighbours.

    Args:
        codes: integers, shape (clocks, ...); what lies above ``bits`` bits is not looked at.
    """
    if len(codes) < 2:
        return 0
    return int(np.bitwise_count((codes[1:] ^ codes[:-1]) & mask(bits)).sum())


def carry_flips(a: np.ndarray, b: np.ndarray, bits: int, carry: np.ndarray | int = 0) -> int:
    """Carries between the bits of ``a + b + carry`` that change along the first axis."""
    return flips((a + b + carry) ^ a ^ b, bits)


def of_frames(codes: np.ndarray, stream: Stream) -> np.ndarray:
    """Codes in any grouping of a stream's bits as ``stream`` groups them: int64 (beats, lanes).

    Args:
        codes: int64, shape (beats, lanes, bits of a lane) as ``bits_of`` gives.
    """
    planes = codes.reshape(len(codes), stream.lanes, stream.element.bits)
    return (planes.astype(np.int64) << np.arange(stream.element.bits)).sum(-1)


def bits_of(codes: np.ndarray, bits: int) -> np.ndarray:
    """Codes (beats, lanes) as uint8 bits (beats, lanes * bits), the lowest first."""
    planes = codes[:, :, None] >> np.arange(bits) & 1
    return planes.astype(np.uint8).reshape(len(codes), -1)


def regrouped(codes: np.ndarray, given: Stream, wanted: Stream) -> np.ndarray:
    """Codes of ``given``'s elements as codes of ``wanted``'s, which has as many bits a beat."""
    if (given.lanes, given.element.bits) == (wanted.lanes, wanted.element.bits):
        return codes
    return of_frames(bits_of(codes, given.element.bits), wanted)


def fields(words: Sequence[int], count: int, bits: int) -> np.ndarray:
    """Memory words of ``count`` codes of ``bits`` bits, the first in the low bits: int64 (words, count)."""
    size = -(-count * bits // 8)
    data = np.frombuffer(b"".join(word.to_bytes(size, "little") for word in words), np.uint8)
    planes = np.unpackbits(data.reshape(len(words), size), axis=1, bitorder="little")[:, : count * bits]
    planes = planes.reshape(len(words), count, bits).astype(np.int64)
    return (planes << np.arange(bits)).sum(-1)


def lane_words(memory: Memory) -> np.ndarray:
    """A memory of one file a lane as int64 (lanes, words); words must have less than 63 bits."""
    return np.array(memory.words, dtype=np.int64)
