"""A board on a serial port that runs a compiled network: the host's side of docs/uart-protocol.md."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from ..compiler.ir.graph import Graph
from ..errors import InputError, ToolError
from ..hw import link as wire
from .link_file import Link, read_link
from .project import Interface, Project
from .serial_line import SerialLine

# A request is sent at most so many times.
ATTEMPTS = 16
# Beyond what bytes and clocks take: an operating system and a USB bridge that holds bytes back.
_SLACK_S = 0.25
# Of intervals that a frame's latency is taken to be at most.
_LATENCY_INTERVALS = 32
_BITS_A_BYTE = 10
_SEQUENCES = 256
_INFORMATION_BYTES = 9


class Line(Protocol):
    """What a device needs of a serial port; ``SerialLine`` has it."""

    port: str

    def write(self, data: bytes) -> None: ...
    def read(self, seconds: float) -> bytes: ...
    def drain(self, seconds: float) -> None: ...
    def close(self) -> None: ...


@dataclass
class Statistics:
    """What happened on the line so far.

    Attributes:
        frames: answered; seconds: they took.
        repeats: requests sent again, of which ``naks`` because the board said that they came damaged.
        dropped: packets that came, whole, but were no answer to what was asked.
        sent, received: bytes.
    """

    frames: int = 0
    seconds: float = 0.0
    repeats: int = 0
    naks: int = 0
    dropped: int = 0
    sent: int = 0
    received: int = 0

    @property
    def frames_per_second(self) -> float:
        """Frames answered per second."""
        return self.frames / self.seconds if self.seconds else 0.0


class Device:
    """A board that answers; nothing but a reply whose CRC, number, type and length are right is believed.
    Leaving its ``with`` closes the line.

    Args:
        line: an open port.
        link, interface: of the folder whose bitstream the board runs.
        twice: ask for every frame twice and believe equal answers only, for lines so bad that damage gets
            past a CRC of 16 bits.
        scale: by how many times longer than a real board it may take to answer.
    Raises:
        InputError: the board runs another design.
        ToolError: nobody answers, or the port has gone.
    """

    def __init__(
        self, line: Line, link: Link, interface: Interface, *, twice: bool = False, scale: float = 1.0
    ):
        self.statistics = Statistics()
        self._line, self._interface, self._twice = line, interface, twice
        self._in_bytes = wire.frame_bytes(interface.input.bits, interface.input.beats)
        self._out_bytes = wire.frame_bytes(interface.output.bits, interface.output.beats)
        self._decoder = wire.Decoder(max(self._out_bytes, _INFORMATION_BYTES))
        self._byte_s = _BITS_A_BYTE / link.baud
        silence = link.timeout_clocks / (link.clock_mhz * 1e6)
        latency = _LATENCY_INTERVALS * link.interval_clocks / (link.clock_mhz * 1e6)
        self._wait_s, self._scale = silence + latency + _SLACK_S, scale
        self._sequence = random.randrange(_SEQUENCES)
        line.drain((silence + _SLACK_S) * scale)
        self._check(link)

    def __enter__(self) -> "Device":
        return self

    def __exit__(self, *_: object) -> None:
        self._line.close()

    def infer(self, words: list[int]) -> list[int]:
        """The output beats of one frame's input beats (``Stream.pack`` and ``unpack`` of the design's).

        Raises:
            ToolError: no valid answer in ATTEMPTS tries, or the port has gone.
        """
        started = time.monotonic()
        request = wire.pack_frame(words, self._interface.input.bits)
        payload = self._request(wire.INFER, request, self._out_bytes)
        while self._twice:
            again = self._request(wire.INFER, request, self._out_bytes)
            if again == payload:
                break
            payload = again
        self.statistics.frames += 1
        self.statistics.seconds += time.monotonic() - started
        return wire.unpack_frame(payload, self._interface.output.bits, self._interface.output.beats)

    def run(self, frames: np.ndarray, graph: Graph, say: Callable[[int], None] | None = None) -> np.ndarray:
        """Output integers of frames in the graph's layout, int64 (N, *output shape).

        Args:
            frames: int64 (N, *input shape).
            say: told after each frame how many are done.
        Raises:
            ToolError: as ``infer``.
        """
        values = np.zeros((len(frames), *graph.outputs[0].type.shape), dtype=np.int64)
        for n, frame in enumerate(frames):
            words = self.infer(self._interface.input.pack(frame[None]))
            values[n] = self._interface.output.unpack(words).reshape(values.shape[1:])
            if say:
                say(n + 1)
        return values

    def _check(self, link: Link) -> None:
        said = wire.Information.decode(self._request(wire.INFO, b"", _INFORMATION_BYTES))
        wanted = (self._in_bytes, self._out_bytes, link.design_id)
        found = (said.in_bytes, said.out_bytes, said.design_id)
        if found != wanted:
            raise InputError(
                f"device: the board on {self._line.port} must run the design of this folder, "
                f"{wanted[2]:08x} with {wanted[0]} bytes in and {wanted[1]} out, not {found[2]:08x} with "
                f"{found[0]} and {found[1]}. Program it with this folder's bitstream."
            )

    def _request(self, kind: int, payload: bytes, wanted: int) -> bytes:
        self._sequence = (self._sequence + 1) % _SEQUENCES
        packet = wire.Packet(kind, self._sequence, payload).encode()
        for attempt in range(ATTEMPTS):
            self.statistics.repeats += attempt > 0
            self.statistics.sent += len(packet)
            self._line.write(packet)
            reply = self._reply(kind, wanted, len(packet))
            if reply is not None:
                return reply
        raise ToolError(
            f"device: the board on {self._line.port} must answer, but did not in {ATTEMPTS} tries of "
            f"{self._limit(len(packet), wanted):.2g} s. Look whether it is programmed with this folder's "
            "bitstream, and that the baud rate is right."
        )

    def _limit(self, sent: int, wanted: int) -> float:
        return (self._wait_s + (sent + wanted + wire.OVERHEAD_BYTES) * self._byte_s) * self._scale

    def _reply(self, kind: int, wanted: int, sent: int) -> bytes | None:
        """The payload of the right reply; None where the request must be sent again."""
        end = time.monotonic() + self._limit(sent, wanted)
        while (left := end - time.monotonic()) > 0:
            data = self._line.read(left)
            self.statistics.received += len(data)
            packet = self._answer(self._decoder.feed(data), kind, wanted)
            if packet is not None and packet.type == wire.NAK:
                self.statistics.naks += 1
                if packet.payload[0] == wire.NAK_BUSY:
                    self._line.drain(self._wait_s * self._scale)
                return None
            if packet is not None:
                return packet.payload
        # What noise that looked like a long packet has swallowed.
        packet = self._answer(self._decoder.flush(), kind, wanted)
        return packet.payload if packet is not None and packet.type != wire.NAK else None

    def _answer(self, packets: list[wire.Packet], kind: int, wanted: int) -> wire.Packet | None:
        """The first packet that answers the request under way."""
        sizes = {kind | wire.REPLY: wanted, wire.NAK: 1}
        for n, packet in enumerate(packets):
            if packet.sequence == self._sequence and len(packet.payload) == sizes.get(packet.type):
                self.statistics.dropped += len(packets) - n - 1
                return packet
            self.statistics.dropped += 1
        return None


def open_device(folder: Path | str, port: str, *, baud: int | None = None, twice: bool = False) -> Device:
    """The board on ``port`` that runs the bitstream of a compiled folder.

    Args:
        baud: bits per second if not those it was compiled for.
    Raises:
        InputError: no such folder or port, or the board runs another design.
        ToolError: nobody answers.
    """
    project = Project(Path(folder))
    link, interface = read_link(project), project.interface()
    line = SerialLine(port, baud or link.baud)
    try:
        return Device(line, link, interface, twice=twice)
    except BaseException:
        line.close()
        raise
