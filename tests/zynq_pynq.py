"""What tests put in pynq's place: an overlay whose registers and memory are a simulation's."""

import types

import numpy as np

from zynq_dma import BASE, DONE, HALTED, IDLE, LENGTH, MM2S, RUN, S2MM, STATUS


class Buffer(np.ndarray):
    """Contiguous memory behind a cache: the DMA sees what was flushed, the program what was invalidated."""

    memory: "Memory"
    physical_address: int

    def flush(self):
        """What the program wrote reaches memory."""
        at = self.physical_address - BASE
        self.memory.data[at : at + self.nbytes] = self.tobytes()

    def invalidate(self):
        """What the DMA wrote reaches the program."""
        at = self.physical_address - BASE
        self[:] = np.frombuffer(bytes(self.memory.data[at : at + self.nbytes]), np.uint8)

    def freebuffer(self):
        """Give the memory back; once."""
        self.memory.held.remove(self.physical_address)


class Memory:
    """Hands out parts of a DMA's memory, a page apart, each once."""

    def __init__(self, data: bytearray):
        self.data, self.held, self.next = data, set(), 0

    def allocate(self, shape, dtype) -> Buffer:
        """As ``pynq.allocate``."""
        buffer = np.zeros(shape, dtype).view(Buffer)
        buffer.memory, buffer.physical_address = self, BASE + self.next
        self.next += -(-buffer.nbytes // 4096) * 4096
        assert self.next <= len(self.data)
        self.held.add(buffer.physical_address)
        return buffer


class Registers:
    """As ``pynq.MMIO``: blocking reads and writes."""

    def __init__(self, read, write):
        self.read, self.write = read, write


class Channel:
    """One channel as pynq 3's driver of AXI DMA has it: its checks, and the registers in its order."""

    def __init__(self, mmio: Registers, offset: int):
        self.mmio, self.offset, self._first, self._active = mmio, offset, True, None

    @property
    def running(self) -> bool:
        """Not halted."""
        return not self.mmio.read(self.offset + STATUS) & HALTED

    @property
    def idle(self) -> bool:
        """Nothing is under way."""
        return bool(self.mmio.read(self.offset + STATUS) & IDLE)

    def start(self):
        """Run."""
        self.mmio.write(self.offset, RUN)
        while not self.running:
            pass
        self._first = True

    def transfer(self, array: Buffer):
        """Begin with a whole buffer."""
        if not self.running:
            raise RuntimeError("DMA channel not started")
        if not self.idle and not self._first:
            raise RuntimeError("DMA channel not idle")
        if self.offset == MM2S:
            array.flush()
        self.mmio.write(self.offset + 0x18, array.physical_address)
        self.mmio.write(self.offset + LENGTH, array.nbytes)
        self._active, self._first = array, False

    def wait(self):
        """Until it is through."""
        if not self.running:
            raise RuntimeError("DMA channel not started")
        while not self.idle:
            pass
        self.mmio.write(self.offset + STATUS, DONE)
        if self.offset == S2MM:
            self._active.invalidate()


def package(core: Registers, dma: Registers, memory: Memory) -> types.ModuleType:
    """A module to stand for pynq; ``module.loaded`` lists the bitstreams that were asked for."""
    module = types.ModuleType("pynq")
    module.loaded = []

    class Overlay:
        def __init__(self, bitfile):
            module.loaded.append(bitfile)
            self.accelerator = core
            self.dma = types.SimpleNamespace(
                mmio=dma, sendchannel=Channel(dma, MM2S), recvchannel=Channel(dma, S2MM)
            )
            for channel in (self.dma.sendchannel, self.dma.recvchannel):
                channel.start()

    module.Overlay, module.allocate = Overlay, memory.allocate
    return module
