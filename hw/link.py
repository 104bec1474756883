"""The host's side of the UART protocol (docs/uart-protocol.md): packets, CRC, frames to bytes and back."""

from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import InputError

SYNC = b"\xa5\x5a"
VERSION = 1
MAX_PAYLOAD_BYTES = 65535
# Two sync bytes, type, sequence number, length; then the payload; then the CRC.
HEADER_BYTES = 6
OVERHEAD_BYTES = HEADER_BYTES + 2

INFO = 0x01
INFER = 0x02
REPLY = 0x80
INFO_REPLY = INFO | REPLY
INFER_REPLY = INFER | REPLY
NAK = 0xFF

NAK_BAD_CRC = 1
NAK_BAD_LENGTH = 2
NAK_UNKNOWN_TYPE = 3
NAK_BUSY = 4
NAK_MEANINGS = {
    NAK_BAD_CRC: "bad CRC",
    NAK_BAD_LENGTH: "bad length",
    NAK_UNKNOWN_TYPE: "unknown type",
    NAK_BUSY: "busy",
}


def crc16(data: bytes, crc: int = 0xFFFF) -> int:
    """CRC-16/CCITT-FALSE: polynomial 0x1021, start 0xFFFF, not reflected, not inverted.

    >>> hex(crc16(b"123456789"))
    '0x29b1'
    """
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1) ^ (0x1021 if crc & 0x8000 else 0)
        crc &= 0xFFFF
    return crc


@dataclass(frozen=True)
class Packet:
    """One packet: ``type`` and ``sequence`` are bytes, ``payload`` at most 65535 bytes."""

    type: int
    sequence: int
    payload: bytes = b""

    def __post_init__(self):
        for name in ("type", "sequence"):
            if not 0 <= getattr(self, name) <= 255:
                raise InputError(f"packet: {name} must be 0 to 255, not {getattr(self, name)}")
        if len(self.payload) > MAX_PAYLOAD_BYTES:
            raise InputError(
                f"packet: a payload must be at most {MAX_PAYLOAD_BYTES} bytes, not {len(self.payload)}. "
                "Send a smaller frame."
            )

    def encode(self) -> bytes:
        """The bytes on the line, sync to CRC."""
        body = bytes([self.type, self.sequence]) + len(self.payload).to_bytes(2, "little") + self.payload
        return SYNC + body + crc16(body).to_bytes(2, "little")


class Decoder:
    """Finds packets in a stream of bytes; whatever is not a whole packet with a right CRC is dropped.

    A false sync does not swallow what follows it: after a packet that fails, the search goes on at the byte
    behind its first. ``max_payload`` (bytes) bounds how long a damaged length is waited for.
    """

    def __init__(self, max_payload: int = MAX_PAYLOAD_BYTES):
        self.max_payload = max_payload
        self._pending = bytearray()

    def feed(self, data: bytes) -> list[Packet]:
        """Takes more bytes; returns the packets that they complete, in order."""
        self._pending += data
        packets = []
        while (found := self._next()) is not None:
            packets.append(found)
        return packets

    def flush(self) -> list[Packet]:
        """Gives up the packet under way (a timeout); returns those found in what it had swallowed."""
        packets = []
        while self._pending:
            del self._pending[:1]
            packets += self.feed(b"")
        return packets

    def _next(self) -> Packet | None:
        """The next whole packet, or None when more bytes are needed."""
        pending = self._pending
        while True:
            start = pending.find(SYNC)
            if start < 0:
                # A last byte that may begin the sync stays.
                del pending[: len(pending) - pending.endswith(SYNC[:1])]
                return None
            del pending[:start]
            if len(pending) < HEADER_BYTES:
                return None
            length = int.from_bytes(pending[4:6], "little")
            if length <= self.max_payload:
                end = OVERHEAD_BYTES + length
                if len(pending) < end:
                    return None
                body = bytes(pending[2 : end - 2])
                if crc16(body) == int.from_bytes(pending[end - 2 : end], "little"):
                    del pending[:end]
                    return Packet(body[0], body[1], body[4:])
            del pending[:1]


@dataclass(frozen=True)
class Information:
    """What an information reply says: protocol version, bytes per frame each way, 32-bit design id."""

    version: int
    in_bytes: int
    out_bytes: int
    design_id: int

    @classmethod
    def decode(cls, payload: bytes) -> "Information":
        """Reads an information reply's payload.

        Raises:
            InputError: not 9 bytes, or another version of the protocol.
        """
        if len(payload) != 9:
            raise InputError(f"information reply: the payload must be 9 bytes, not {len(payload)}")
        if payload[0] != VERSION:
            raise InputError(
                f"information reply: the protocol version must be {VERSION}, not {payload[0]}. "
                "Use the gatewright that wrote the bitstream."
            )
        fields = (payload[1:3], payload[3:5], payload[5:9])
        return cls(payload[0], *(int.from_bytes(field, "little") for field in fields))


def beat_bytes(bits: int) -> int:
    """Bytes of a beat of ``bits`` bits on the line."""
    return (bits + 7) // 8


def frame_bytes(bits: int, beats: int) -> int:
    """Bytes of a frame of ``beats`` beats on the line."""
    return beat_bytes(bits) * beats


def pack_frame(words: Sequence[int], bits: int) -> bytes:
    """Beats (``Stream.pack``) to payload bytes: each little-endian, padded with zeros to whole bytes.

    Raises:
        InputError: a word does not fit ``bits`` bits.
    """
    for word in words:
        if not 0 <= word < 1 << bits:
            raise InputError(f"frame: a beat must fit {bits} bits, not {word}")
    return b"".join(word.to_bytes(beat_bytes(bits), "little") for word in words)


def unpack_frame(payload: bytes, bits: int, beats: int) -> list[int]:
    """The inverse of ``pack_frame``: ``beats`` words, ready for ``Stream.unpack``.

    Raises:
        InputError: a wrong number of bytes, or padding that is not zero.
    """
    size = beat_bytes(bits)
    if len(payload) != size * beats:
        raise InputError(
            f"frame: {beats} beats of {bits} bits must be {size * beats} bytes, not {len(payload)}"
        )
    words = [int.from_bytes(payload[i : i + size], "little") for i in range(0, len(payload), size)]
    for word in words:
        if word >= 1 << bits:
            raise InputError(f"frame: the padding above {bits} bits must be zero, not {word >> bits:#x}")
    return words
