"""The UART link in Icarus: scripts of what happens on the line, and what the protocol says must follow."""

import random
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from gatewright.hw import link
from gatewright.hw.flow.tools import find, run

BENCH = Path(__file__).parent / "rtl" / "uart_bench.v"
RTL = files("gatewright.hw") / "rtl"
SOURCES = ("gw_crc16", "gw_link", "gw_link_rx", "gw_link_tx", "gw_link_buffer", "gw_uart_rx", "gw_uart_tx")
# Operations of a script; their argument is a byte, or a time in quarter bits.
BYTE, BAD_STOP, IDLE, LOW, FAST_BYTE, SLOW_BYTE = 1, 2, 3, 4, 5, 6
DESIGN_ID = 0xC0FFEE42
TIMEOUT_BITS = 60


@dataclass(frozen=True)
class Shape:
    """A link's parameters."""

    in_bits: int = 8
    in_beats: int = 6
    out_bits: int = 8
    out_beats: int = 2
    delay: int = 0
    clocks_per_bit: int = 8
    loop: int = 0

    @property
    def in_bytes(self) -> int:
        return link.frame_bytes(self.in_bits, self.in_beats)

    @property
    def out_bytes(self) -> int:
        return link.frame_bytes(self.out_bits, self.out_beats)

    def words(self, payload: bytes) -> list[int]:
        """The beats that the accelerator must see."""
        size, mask = link.beat_bytes(self.in_bits), (1 << self.in_bits) - 1
        return [int.from_bytes(payload[i : i + size], "little") & mask for i in range(0, len(payload), size)]

    def answer(self, payload: bytes) -> bytes:
        """What the stand-in makes of a frame."""
        total = sum(self.words(payload))
        words = [~(total + j) % (1 << self.out_bits) for j in range(self.out_beats)]
        return link.pack_frame(words, self.out_bits)

    def infer(self, sequence: int, rng: random.Random) -> link.Packet:
        """A request with a random frame."""
        return link.Packet(link.INFER, sequence, rng.randbytes(self.in_bytes))

    def reply(self, request: link.Packet) -> link.Packet:
        """The right reply to a good request."""
        if request.type == link.INFO:
            sizes = self.in_bytes.to_bytes(2, "little") + self.out_bytes.to_bytes(2, "little")
            payload = bytes([link.VERSION]) + sizes + DESIGN_ID.to_bytes(4, "little")
            return link.Packet(link.INFO_REPLY, request.sequence, payload)
        return link.Packet(link.INFER_REPLY, request.sequence, self.answer(request.payload))


def model(data: bytes, shape: Shape) -> tuple[list[link.Packet], list[link.Packet]]:
    """What the protocol says of bytes without a gap: (replies, requests that reach the accelerator).

    Written from docs/uart-protocol.md, by slices, not as a state machine; requests never overlap here.
    """
    replies, released, at = [], [], 0
    while (at := data.find(link.SYNC, at)) >= 0:
        body = data[at + 2 :]
        if body and body[0] >= 0x80:
            at += 2
            continue
        if len(body) < 4:
            break
        kind, sequence, length = body[0], body[1], int.from_bytes(body[2:4], "little")
        wanted = {link.INFO: 0, link.INFER: shape.in_bytes}.get(kind)
        if wanted is None or length != wanted:
            code = link.NAK_UNKNOWN_TYPE if wanted is None else link.NAK_BAD_LENGTH
            replies.append(link.Packet(link.NAK, sequence, bytes([code])))
            at += 5
            continue
        if len(body) < length + 6:
            break
        request = link.Packet(kind, sequence, body[4 : 4 + length])
        if body[4 + length : 6 + length] == link.crc16(body[: 4 + length]).to_bytes(2, "little"):
            replies.append(shape.reply(request))
            released += [request] if kind == link.INFER else []
            at += length + 8
        else:
            replies.append(link.Packet(link.NAK, sequence, bytes([link.NAK_BAD_CRC])))
            at += length + 7
    return replies, released


def line(data: bytes, how: int = BYTE) -> list[tuple[int, int]]:
    """Script entries that send bytes back to back."""
    return [(how, byte) for byte in data]


def idle(bits: float) -> list[tuple[int, int]]:
    """A script entry that leaves the line alone."""
    return [(IDLE, round(bits * 4))]


def quiet(shape: Shape) -> list[tuple[int, int]]:
    """Long enough for the timeout and for any reply to end."""
    return idle(TIMEOUT_BITS + 2 + 10 * (max(shape.out_bytes, 9) + 12) + shape.delay + 4 * shape.in_bytes)


def simulate(tmp_path, shape: Shape, script) -> tuple[list[link.Packet], list[int]]:
    """Runs a script; returns the packets the host hears (nothing but packets) and the accelerator's beats."""
    (tmp_path / "script.hex").write_text("".join(f"{op << 16 | arg:05x}\n" for op, arg in [*script, (0, 0)]))
    values = {
        "CLOCKS_PER_BIT": shape.clocks_per_bit,
        "IN_BITS": shape.in_bits,
        "IN_BEATS": shape.in_beats,
        "OUT_BITS": shape.out_bits,
        "OUT_BEATS": shape.out_beats,
        "DELAY": shape.delay * shape.clocks_per_bit,
        "TIMEOUT": TIMEOUT_BITS,
        "LOOP": shape.loop,
    }
    options = [f"-Pbench.{name}={value}" for name, value in values.items()]
    modules = [str(RTL / f"{name}.v") for name in SOURCES]
    run(find("iverilog"), ["-g2005", "-o", "bench", "-s", "bench", *options, str(BENCH), *modules], tmp_path)
    log = run(find("vvp"), ["-n", "bench"], tmp_path, timeout=60)
    assert "busy at the end" not in log
    assert "stop bit low" not in log
    told = [entry.split() for entry in log.splitlines() if entry.startswith(("byte ", "beat "))]
    heard = bytes(int(value, 16) for kind, value in told if kind == "byte")
    packets = link.Decoder().feed(heard)
    assert b"".join(packet.encode() for packet in packets) == heard
    return packets, [int(value, 16) for kind, value in told if kind == "beat"]


def check(tmp_path, shape: Shape, messages: list[bytes], how: int = BYTE) -> list[link.Packet]:
    """Sends messages with silence between; replies and beats must be the model's. Returns the replies."""
    script, replies, beats = [], [], []
    for data in messages:
        script += line(data, how) + quiet(shape)
        told, released = model(data, shape)
        replies += told
        beats += [word for request in released for word in shape.words(request.payload)]
    packets, seen = simulate(tmp_path, shape, script)
    assert packets == replies
    assert seen == beats
    return packets
