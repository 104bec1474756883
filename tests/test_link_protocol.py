"""The host's side of the UART protocol: CRC, packets, resynchronization, frames."""

import binascii
import random

import numpy as np
import pytest

from gatewright.compiler.ir.types import Int
from gatewright.errors import InputError
from gatewright.hw import link
from gatewright.hw.design import Stream


@pytest.mark.parametrize(
    ("data", "crc"),
    [(b"123456789", 0x29B1), (b"", 0xFFFF), (b"A", 0xB915), (b"\x00", 0xE1F0), (b"A" * 256, 0xEA0B)],
)
def test_crc_known_vectors(data, crc):
    """Published vectors of CRC-16/CCITT-FALSE."""
    assert link.crc16(data) == crc


def test_crc_matches_an_independent_implementation():
    """The standard library's CRC-CCITT has the same polynomial and bit order."""
    rng = random.Random(1)
    for _ in range(200):
        data = rng.randbytes(rng.randrange(80))
        assert link.crc16(data) == binascii.crc_hqx(data, 0xFFFF)


def test_bytes_of_an_information_request():
    """The documented example, byte for byte."""
    assert link.Packet(link.INFO, 7).encode() == bytes.fromhex("a55a01070000e477")


def test_packets_round_trip_in_any_pieces():
    """A packet is found however its bytes arrive."""
    rng = random.Random(2)
    packets = [
        link.Packet(rng.randrange(256), rng.randrange(256), rng.randbytes(rng.randrange(40)))
        for _ in range(60)
    ]
    line = b"".join(p.encode() for p in packets)
    decoder, found, at = link.Decoder(64), [], 0
    while at < len(line):
        step = rng.randrange(1, 12)
        found += decoder.feed(line[at : at + step])
        at += step
    assert found == packets


def test_sync_bytes_inside_a_payload_do_no_harm():
    """A payload may hold the sync, even a whole packet."""
    inner = link.Packet(link.INFER_REPLY, 9, b"wrong").encode()
    packet = link.Packet(link.INFER_REPLY, 3, link.SYNC * 3 + inner + link.SYNC)
    assert link.Decoder().feed(packet.encode()) == [packet]


def test_garbage_between_packets_is_skipped():
    """Noise, with false syncs, delays a packet but never hides it once its bytes ran out."""
    rng = random.Random(3)
    for _ in range(200):
        noise = bytes(rng.choices([0xA5, 0x5A, 0x82, 0, 1, rng.randrange(256)], k=rng.randrange(30)))
        packet = link.Packet(link.INFER_REPLY, rng.randrange(256), rng.randbytes(10))
        decoder = link.Decoder(max_payload=10)
        assert packet in decoder.feed(noise + packet.encode()) + decoder.flush()


def test_every_flipped_bit_is_noticed():
    """No single or double bit error in header, payload or CRC yields the packet or another one."""
    rng = random.Random(4)
    clean = link.Packet(link.INFER_REPLY, 5, bytes(range(12))).encode()
    pairs = [(i, i) for i in range(16, 8 * len(clean))]
    pairs += [tuple(rng.sample(range(16, 8 * len(clean)), 2)) for _ in range(500)]
    for first, second in pairs:
        damaged = bytearray(clean)
        damaged[first // 8] ^= 1 << first % 8
        if second != first:
            damaged[second // 8] ^= 1 << second % 8
        decoder = link.Decoder(64)
        assert decoder.feed(bytes(damaged)) + decoder.flush() == []


def test_truncated_packet_is_forgotten_after_flush():
    """A timeout frees what a truncated packet had swallowed, the next packet included."""
    good = link.Packet(link.INFO_REPLY, 1, bytes(9))
    decoder = link.Decoder(64)
    assert decoder.feed(link.Packet(link.INFER_REPLY, 0, bytes(60)).encode()[:20] + good.encode()) == []
    assert decoder.flush() == [good]
    assert decoder.feed(good.encode()) == [good]


def test_information():
    """Every field of an information reply."""
    payload = bytes([1]) + (784).to_bytes(2, "little") + (20).to_bytes(2, "little") + b"\x78\x56\x34\x12"
    assert link.Information.decode(payload) == link.Information(1, 784, 20, 0x12345678)


@pytest.mark.parametrize(
    ("element", "lanes", "beats"), [(Int(-128, 127), 1, 9), (Int(0, 7), 5, 4), (Int(-1, 1, 2), 33, 3)]
)
def test_frames_round_trip(element, lanes, beats):
    """Values through Stream.pack, the line's bytes and back."""
    rng = np.random.default_rng(5)
    values = element.lo + element.step * rng.integers(0, element.levels, lanes * beats)
    stream = Stream(element, lanes, beats)
    payload = link.pack_frame(stream.pack(values), stream.bits)
    assert len(payload) == link.frame_bytes(stream.bits, beats)
    assert np.array_equal(stream.unpack(link.unpack_frame(payload, stream.bits, beats)), values)


def test_beats_are_little_endian():
    """The documented byte order."""
    assert link.pack_frame([0x1234, 0x0056], 13) == bytes.fromhex("34125600")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: link.Packet(256, 0), r"^packet: type must be 0 to 255, not 256$"),
        (lambda: link.Packet(1, -1), r"^packet: sequence must be 0 to 255, not -1$"),
        (
            lambda: link.Packet(1, 0, bytes(65536)),
            r"^packet: a payload must be at most 65535 bytes, not 65536\. Send a smaller frame\.$",
        ),
        (
            lambda: link.Information.decode(b"\x01"),
            r"^information reply: the payload must be 9 bytes, not 1$",
        ),
        (
            lambda: link.Information.decode(b"\x02" + bytes(8)),
            r"^information reply: the protocol version must be 1, not 2\. Use the gatewright .*$",
        ),
        (lambda: link.pack_frame([8], 3), r"^frame: a beat must fit 3 bits, not 8$"),
        (
            lambda: link.unpack_frame(bytes(3), 13, 2),
            r"^frame: 2 beats of 13 bits must be 4 bytes, not 3$",
        ),
        (
            lambda: link.unpack_frame(b"\x00\x40", 13, 1),
            r"^frame: the padding above 13 bits must be zero, not 0x2$",
        ),
    ],
)
def test_errors(call, message):
    """Each message: where, rule, value."""
    with pytest.raises(InputError, match=message):
        call()
