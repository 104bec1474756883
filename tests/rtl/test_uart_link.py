"""The UART link in Icarus, bit by bit: exact replies, and nothing but whole frames to the accelerator."""

import random

import pytest

from gatewright.hw import link
from uart_bench import (
    BAD_STOP,
    FAST_BYTE,
    LOW,
    SLOW_BYTE,
    Shape,
    check,
    idle,
    line,
    quiet,
    simulate,
)


@pytest.mark.parametrize(
    "shape",
    [
        Shape(),
        Shape(in_bits=1, in_beats=1, out_bits=1, out_beats=1),
        Shape(in_bits=13, in_beats=5, out_bits=33, out_beats=3, delay=20),
        Shape(in_bits=40, in_beats=2, out_bits=16, out_beats=1, clocks_per_bit=4),
        Shape(in_bits=8, in_beats=257, out_bits=8, out_beats=1, clocks_per_bit=5),
    ],
    ids=str,
)
def test_requests_are_answered(tmp_path, shape):
    """Information and frames of many shapes; sequence numbers come back."""
    rng = random.Random(10)
    requests = [link.Packet(link.INFO, 200), *(shape.infer(i * 51, rng) for i in range(4))]
    replies = check(tmp_path, shape, [request.encode() for request in requests])
    assert replies == [shape.reply(request) for request in requests]


@pytest.mark.parametrize("how", [FAST_BYTE, SLOW_BYTE])
def test_two_percent_baud_error(tmp_path, how):
    """Back-to-back bytes from a sender 2 % off, at few clocks a bit."""
    shape, rng = Shape(in_beats=120, clocks_per_bit=12), random.Random(11)
    check(tmp_path, shape, [shape.infer(i, rng).encode() for i in range(3)], how)


@pytest.mark.parametrize("seed", range(4))
def test_garbage_leaves_nothing_behind(tmp_path, seed):
    """After any bytes and a pause the next request is answered; the replies to the garbage are exact too."""
    shape, rng = Shape(), random.Random(20 + seed)
    alphabet = [0xA5, 0xA5, 0x5A, 0x5A, 0x01, 0x02, 0x06, 0x00, 0x82]
    messages = []
    for sequence in range(25):
        some = rng.choices([*alphabet, rng.randrange(256), rng.randrange(256)], k=rng.randrange(40))
        messages += [bytes(some), shape.infer(sequence, rng).encode()]
    replies = check(tmp_path, shape, messages)
    assert [p.sequence for p in replies if p.type == link.INFER_REPLY] == list(range(25))


def test_truncated_packets_time_out(tmp_path):
    """A packet cut anywhere is forgotten; the whole one after the pause is answered."""
    shape, rng = Shape(), random.Random(30)
    whole = shape.infer(1, rng).encode()
    messages = []
    for cut in range(1, len(whole)):
        messages += [whole[:cut], shape.infer(cut, rng).encode()]
    assert len(check(tmp_path, shape, messages)) == len(whole) - 1


def test_every_damaged_byte_is_caught(tmp_path):
    """One wrong byte anywhere: no answer, no beat to the accelerator; a NAK where a header stood."""
    shape, rng = Shape(), random.Random(31)
    whole = shape.infer(77, rng).encode()
    messages = []
    for at in range(len(whole)):
        damaged = bytearray(whole)
        damaged[at] ^= rng.randrange(1, 256)
        messages.append(bytes(damaged))
    replies = check(tmp_path, shape, messages)
    assert {p.type for p in replies} == {link.NAK}
    assert {p.payload[0] for p in replies} >= {link.NAK_BAD_CRC, link.NAK_BAD_LENGTH}


def test_sync_and_packets_inside_a_payload(tmp_path):
    """A payload of sync bytes, and one that holds a whole request, are data."""
    inner = link.Packet(link.INFO, 9).encode()
    shape = Shape(in_beats=12)
    frames = [link.SYNC * 6, inner + bytes(4), bytes(3) + inner + b"\xa5"]
    requests = [link.Packet(link.INFER, i, frame) for i, frame in enumerate(frames)]
    check(tmp_path, shape, [request.encode() for request in requests])


def test_a_sync_repeated_or_shared_with_a_rejected_packet(tmp_path):
    """The last byte of what is rejected may begin the next packet."""
    shape, rng = Shape(), random.Random(32)
    good = shape.infer(5, rng)
    unknown = link.SYNC + bytes([0x33, 1, 0])
    messages = [b"\xa5\xa5\xa5" + good.encode()[1:], link.SYNC + good.encode(), unknown + good.encode()]
    replies = check(tmp_path, shape, messages)
    assert [p.type for p in replies] == [link.INFER_REPLY, link.INFER_REPLY, link.NAK, link.INFER_REPLY]


def test_unknown_types_and_lengths(tmp_path):
    """NAKs with the code that fits; a reply's type is ignored."""
    shape = Shape()
    packets = [
        link.Packet(0x00, 1),
        link.Packet(0x7F, 2, b"xyz"),
        link.Packet(link.INFO, 3, b"x"),
        link.Packet(link.INFER, 4, bytes(5)),
        link.Packet(link.INFER, 5),
        link.Packet(link.INFER_REPLY, 6, bytes(6)),
        link.Packet(link.NAK, 7, b"\x01"),
    ]
    replies = check(tmp_path, shape, [p.encode() for p in packets])
    length, unknown = bytes([link.NAK_BAD_LENGTH]), bytes([link.NAK_UNKNOWN_TYPE])
    assert [(p.sequence, p.payload) for p in replies] == [
        (1, unknown), (2, unknown), (3, length), (4, length), (5, length),
    ]  # fmt: skip


def test_back_to_back_requests_while_busy(tmp_path):
    """A second frame during the first gets a NAK and leaves the first alone; information is still given."""
    shape, rng = Shape(delay=400), random.Random(33)
    first, second, third = (shape.infer(i, rng) for i in (1, 2, 3))
    script = line(first.encode() + second.encode()) + idle(120) + line(link.Packet(link.INFO, 8).encode())
    script += quiet(shape) + line(third.encode()) + quiet(shape)
    packets, beats = simulate(tmp_path, shape, script)
    busy = link.Packet(link.NAK, 2, bytes([link.NAK_BUSY]))
    assert packets == [busy, shape.reply(link.Packet(link.INFO, 8)), shape.reply(first), shape.reply(third)]
    assert beats == shape.words(first.payload) + shape.words(third.payload)


def test_requests_queued_during_a_reply(tmp_path):
    """Requests that come while a long reply is sent: one event waits, an older one gives way."""
    shape, rng = Shape(in_beats=1, out_beats=60), random.Random(34)
    first = shape.infer(1, rng)
    script = line(first.encode()) + idle(30)
    for sequence in (2, 3, 4):
        script += line(link.Packet(link.INFO, sequence).encode())
    packets, _ = simulate(tmp_path, shape, script + quiet(shape))
    assert packets == [shape.reply(first), shape.reply(link.Packet(link.INFO, 4))]


def test_a_duplicate_is_answered_alike(tmp_path):
    """The same request twice gives the same reply twice."""
    shape, rng = Shape(), random.Random(35)
    request = shape.infer(9, rng).encode()
    first, second = check(tmp_path, shape, [request, request])
    assert first == second


def test_line_faults(tmp_path):
    """A bad stop bit inside a packet, a break and a glitch: no answer, and no trace afterwards."""
    shape, rng = Shape(), random.Random(36)
    good = shape.infer(1, rng)
    data = good.encode()
    broken = [*line(data[:9]), (BAD_STOP, data[9]), *line(data[10:])]
    script = broken + quiet(shape) + line(data) + quiet(shape)
    script += [*line(data[:7]), (LOW, 100), *idle(2), *line(data), *quiet(shape)]
    script += [(LOW, 1), *idle(2), *line(data), *quiet(shape)]
    packets, beats = simulate(tmp_path, shape, script)
    assert packets == [shape.reply(good)] * 3
    assert beats == shape.words(good.payload) * 3


def test_a_looped_back_line_stays_quiet(tmp_path):
    """With its own output on its input the link answers a request once and then falls silent."""
    shape, rng = Shape(loop=1), random.Random(37)
    bad = bytearray(shape.infer(1, rng).encode())
    bad[-1] ^= 1
    packets, _ = simulate(tmp_path, shape, line(bytes(bad)) + quiet(shape) * 4)
    assert packets == [link.Packet(link.NAK, 1, bytes([link.NAK_BAD_CRC]))]
