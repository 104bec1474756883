"""AXI DMA in simple mode as cocotb sees it: its registers, a memory, and the streams to the accelerator."""

import cocotb
from cocotb.triggers import Event
from cocotbext.axi import AxiStreamFrame

MM2S, S2MM = 0x00, 0x30
CONTROL, STATUS, ADDRESS, LENGTH = 0x00, 0x04, 0x18, 0x28
RUN, RESET = 1, 4
HALTED, IDLE, INTERNAL_ERROR, DONE = 1, 2, 0x10, 0x1000
# Physical addresses that hosts are given begin here.
BASE = 0x10000000


class Dma:
    """Two channels after AMD PG021: a write to LENGTH starts a transfer, which ends with the last byte that
    MM2S reads, or with TLAST for S2MM, whose LENGTH then says how many bytes came."""

    def __init__(self, source, sink, size: int):
        self.memory = bytearray(size)
        self.source, self.sink = source, sink
        self.registers = {channel + STATUS: HALTED for channel in (MM2S, S2MM)}
        self.moved = {MM2S: Event(), S2MM: Event()}
        self._tasks = {}

    def read(self, offset: int) -> int:
        """A register as the processor reads it."""
        return self.registers.get(offset, 0)

    def write(self, offset: int, value: int) -> None:
        """A register as the processor writes it."""
        channel = S2MM if offset >= S2MM else MM2S
        if offset == channel + CONTROL:
            self._control(channel, value)
        elif offset == channel + STATUS:
            self.registers[offset] &= ~(value & 0x7000)
        else:
            self.registers[offset] = value
        if offset == channel + LENGTH:
            self._start(channel)

    def _control(self, channel: int, value: int) -> None:
        if value & RESET:  # of either channel: both
            self.reset()
            return
        self.registers[channel + CONTROL] = value
        status = channel + STATUS
        self.registers[status] = self.registers[status] & ~HALTED if value & RUN else HALTED

    def reset(self) -> None:
        """Both channels stop at once; what was under way is lost."""
        for task in self._tasks.values():
            task.cancel()
        self._tasks.clear()
        for stream in (self.source, self.sink):
            stream.clear()
            stream.assert_reset()
        self.registers = {channel + STATUS: HALTED for channel in (MM2S, S2MM)}

    def _start(self, channel: int) -> None:
        status = self.registers[channel + STATUS]
        assert not status & HALTED, "DMA: a length was written to a channel that is halted"
        assert channel not in self._tasks, "DMA: a length was written to a channel that is busy"
        self.registers[channel + STATUS] = status & ~IDLE
        run = self._send() if channel == MM2S else self._receive()
        self._tasks[channel] = cocotb.start_soon(run)

    def _span(self, channel: int) -> tuple[int, int]:
        start, length = self.registers[channel + ADDRESS] - BASE, self.registers[channel + LENGTH]
        assert length > 0
        assert 0 <= start <= start + length <= len(self.memory), "DMA: outside of memory"
        return start, length

    async def _send(self) -> None:
        start, length = self._span(MM2S)
        await self.source.send(AxiStreamFrame(bytes(self.memory[start : start + length])))
        await self.source.wait()
        self._finish(MM2S, DONE)

    async def _receive(self) -> None:
        start, length = self._span(S2MM)
        frame = await self.sink.recv(compact=True)
        data = bytes(frame.tdata)
        if len(data) > length:
            self._finish(S2MM, INTERNAL_ERROR | HALTED)
            return
        self.memory[start : start + len(data)] = data
        self.registers[S2MM + LENGTH] = len(data)
        self._finish(S2MM, DONE)

    def _finish(self, channel: int, bits: int) -> None:
        self.registers[channel + STATUS] |= IDLE | bits
        del self._tasks[channel]
        self.moved[channel].set()
