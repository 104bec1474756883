"""The AXI top in a simulator under cocotb: its buses, checks of their protocol, and runs of frames."""

import json
import os
import random
from pathlib import Path

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import ReadOnly, RisingEdge
from cocotbext.axi import (
    AxiLiteBus,
    AxiLiteMaster,
    AxiStreamBus,
    AxiStreamSink,
    AxiStreamSource,
)

from zynq_dma import BASE, CONTROL, LENGTH, MM2S, RUN, S2MM, Dma

(ID, VERSION, DESIGN_ID, CTRL, STATUS, IRQ_ENABLE, IRQ_STATUS, FRAMES_WANTED, FRAMES_IN, FRAMES_OUT, WORDS_IN,
 WORDS_OUT, WORD_BYTES, CLOCKS_LOW, CLOCKS_HIGH, ERRORS) = range(0, 64, 4)  # fmt: skip
START, SOFT_RESET, EACH = 1, 2, 4
BUSY, DONE, IN_RESET, FAULT = 1, 2, 4, 8
EARLY, LATE, PARTIAL, REFUSED = 1, 2, 4, 8
RESET_CLOCKS = 20

# Of each channel that the top drives: valid, ready, and what must not change while one waits for the other.
DRIVEN = (
    ("s_axi_control_bvalid", "s_axi_control_bready", ("s_axi_control_bresp",)),
    ("s_axi_control_rvalid", "s_axi_control_rready", ("s_axi_control_rdata", "s_axi_control_rresp")),
    ("m_axis_tvalid", "m_axis_tready", ("m_axis_tdata", "m_axis_tkeep", "m_axis_tlast")),
)
READYS = ("s_axi_control_awready", "s_axi_control_wready", "s_axi_control_arready", "s_axis_tready")


class Bench:
    """The top under test with masters on its buses, and the case that a test left in the folder."""

    def __init__(self, dut):
        self.dut = dut
        self.case = json.loads(Path(os.environ["GW_CASE"]).read_text())
        arrays = np.load(Path(os.environ["GW_CASE"]).with_suffix(".npz"), allow_pickle=False)
        self.frames, self.expected = arrays["frames"], arrays["expected"]  # bytes, a row a frame
        self.checked, self.busy_clocks, self.taken = 0, 0, 0

    async def start(self) -> None:
        """Clock, a reset, and everything idle."""
        dut = self.dut
        cocotb.start_soon(Clock(dut.aclk, 10, "ns").start())
        dut.aresetn.value = 0
        active_low = {"reset_active_level": False}
        control = AxiLiteBus.from_prefix(dut, "s_axi_control")
        self.lite = AxiLiteMaster(control, dut.aclk, dut.aresetn, **active_low)
        self.source = AxiStreamSource(
            AxiStreamBus.from_prefix(dut, "s_axis"), dut.aclk, dut.aresetn, **active_low
        )
        self.sink = AxiStreamSink(
            AxiStreamBus.from_prefix(dut, "m_axis"), dut.aclk, dut.aresetn, **active_low
        )
        self.dma = Dma(self.source, self.sink, 1 << 20)
        await self.reset()
        cocotb.start_soon(self._watch())

    async def reset(self) -> None:
        """The bus's own reset."""
        self.dut.aresetn.value = 0
        for _ in range(RESET_CLOCKS):
            await RisingEdge(self.dut.aclk)
        self.dut.aresetn.value = 1
        # The core's reset is longer than the bus's.
        for _ in range(RESET_CLOCKS):
            await RisingEdge(self.dut.aclk)

    async def clocks(self, count: int) -> None:
        """That many clocks go by."""
        for _ in range(count):
            await RisingEdge(self.dut.aclk)

    async def read(self, offset: int) -> int:
        """A register."""
        return await self.lite.read_dword(offset)

    async def write(self, offset: int, value: int) -> None:
        """A register."""
        await self.lite.write_dword(offset, value)

    def stall(self, seed: int, share: float) -> None:
        """Every channel of every bus pauses in that share of the clocks, each by a pattern of its own."""
        writes, reads = self.lite.write_if, self.lite.read_if
        channels = [writes.aw_channel, writes.w_channel, writes.b_channel, reads.ar_channel]
        for n, channel in enumerate([*channels, reads.r_channel, self.source, self.sink]):
            rng = random.Random(f"{seed} {n}")
            channel.set_pause_generator(iter(lambda rng=rng: rng.random() < share, None))

    def no_stalls(self) -> None:
        """Every channel as fast as it can."""
        writes, reads = self.lite.write_if, self.lite.read_if
        channels = [writes.aw_channel, writes.w_channel, writes.b_channel, reads.ar_channel, reads.r_channel]
        for channel in [*channels, self.source, self.sink]:
            channel.clear_pause_generator()
            channel.pause = False

    async def run(self, first: int, count: int) -> bytes:
        """Frames from number ``first`` on through the DMA, one transfer each way; what came out."""
        data = self.frames[first : first + count].tobytes()
        size = count * self.expected.shape[1]
        self.dma.memory[: len(data)] = data
        for channel, address, length in ((S2MM, len(data), size), (MM2S, 0, len(data))):
            self.dma.moved[channel].clear()
            self.dma.write(channel + CONTROL, RUN)
            self.dma.write(channel + 0x18, BASE + address)
            if channel == S2MM:
                self.dma.write(channel + LENGTH, length)
        await self.write(FRAMES_WANTED, count)
        await self.write(CTRL, START)
        self.dma.write(MM2S + LENGTH, len(data))
        await self.dma.moved[S2MM].wait()
        return bytes(self.dma.memory[len(data) : len(data) + size])

    def wanted(self, first: int, count: int) -> bytes:
        """What frames from number ``first`` on must give."""
        return self.expected[first : first + count].tobytes()

    async def _watch(self) -> None:
        """In each clock: no X on what the top drives, and nothing that waits for ready changes."""
        dut = self.dut
        readys = [getattr(dut, name) for name in READYS]
        driven = [
            (getattr(dut, valid), getattr(dut, ready), [getattr(dut, name) for name in payload])
            for valid, ready, payload in DRIVEN
        ]
        waiting: dict[int, list[str]] = {}
        edge, settled = RisingEdge(dut.aclk), ReadOnly()
        while True:
            await edge
            await settled
            if str(dut.aresetn.value) != "1":
                waiting.clear()
                continue
            for ready in readys:
                _bit(ready)
            for n, (valid, ready, payload) in enumerate(driven):
                if valid is dut.m_axis_tvalid and _bit(dut.core_rst):
                    waiting.pop(n, None)  # a core reset is the stream's reset too
                    continue
                self._check(waiting, n, valid, ready, payload)
            self.busy_clocks += _bit(dut.registers.busy_q)
            self.taken += _bit(dut.s_axis_tready) and int(dut.s_axis_tvalid.value)
            self.checked += 1

    def _check(self, waiting: dict[int, list[str]], n: int, valid, ready, payload: list) -> None:
        if not _bit(valid):
            assert n not in waiting, f"{valid._name} fell before {ready._name}"
            return
        values = [str(handle.value) for handle in payload]
        assert not any(set(value) - {"0", "1"} for value in values), f"{valid._name} with {values}"
        if n in waiting:
            assert values == waiting.pop(n), f"the payload of {valid._name} changed before {ready._name}"
        if not int(ready.value):
            waiting[n] = values


def _bit(handle) -> int:
    """The value of a wire that must not be X."""
    text = str(handle.value)
    assert text in ("0", "1"), f"{handle._name} is {text}"
    return int(text)
