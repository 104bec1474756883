"""Cocotb's tests of both hosts' programs on the simulated design; tests/test_zynq_hosts.py starts them."""

import asyncio
import ctypes
import os
import sys
from pathlib import Path

import cocotb
import numpy as np
import pytest
from cocotb.task import bridge, resume

import zynq_bench as z
import zynq_pynq
from zynq_dma import BASE

FOLDER = Path(os.environ["GW_CASE"]).parent
POLL_CLOCKS = 8


class Hosted:
    """A bench that a program in a thread of its own reaches by blocking calls."""

    def __init__(self, bench: z.Bench):
        self.bench = bench
        arrays = np.load(FOLDER / "source.npz", allow_pickle=False)
        self.source, self.integers, self.floats = (arrays[n] for n in ("source", "integers", "floats"))
        self.values, self.results = arrays["values"], arrays["results"]
        self.core = zynq_pynq.Registers(resume(bench.read), resume(bench.write))
        self.dma = zynq_pynq.Registers(resume(self._read), resume(self._write))

    async def _read(self, offset: int) -> int:
        await self.bench.clocks(POLL_CLOCKS)
        return self.bench.dma.read(offset)

    async def _write(self, offset: int, value: int) -> None:
        await self.bench.clocks(POLL_CLOCKS)
        self.bench.dma.write(offset, value)


async def hosted(dut, share: float = 0.2) -> Hosted:
    """A started bench, stalled in that share of the clocks."""
    bench = z.Bench(dut)
    await bench.start()
    bench.stall(1, share)
    return Hosted(bench)


def accelerator(host: Hosted, memory: zynq_pynq.Memory, **options):
    """The driver that lies beside the bitstream, on the simulation."""
    folder = FOLDER / "out" / "zynq"
    sys.modules["pynq"] = zynq_pynq.package(host.core, host.dma, memory)
    sys.path.insert(0, str(folder))
    import gatewright_pynq

    made = gatewright_pynq.Accelerator(timeout=300.0, **options)
    assert sys.modules["pynq"].loaded == [str(folder / "accelerator.bit")]
    return made


@cocotb.test(timeout_time=5, timeout_unit="ms")
async def pynq_runs(dut):
    """Arrays in, arrays out, in batches: the reference's integers and floats, from floats and from codes."""
    host = await hosted(dut)

    def program():
        memory = zynq_pynq.Memory(host.bench.dma.memory)
        with accelerator(host, memory, batch=8) as made:
            assert np.array_equal(made.run(host.source[:30]), host.floats[:30])
            assert made.frames == (6, 6)
            assert made.clocks > 0
            assert np.array_equal(made.run(host.source[30:35], integers=True), host.integers[30:35])
            assert made.run(host.source[:0]).shape == host.floats[:0].shape
            assert memory.held
        assert not memory.held

    await bridge(program)()


@cocotb.test(timeout_time=5, timeout_unit="ms")
async def pynq_asynchronous(dut):
    """A start returns at once, one run at a time, and can be waited for or awaited."""
    host = await hosted(dut)

    def program():
        memory = zynq_pynq.Memory(host.bench.dma.memory)
        with accelerator(host, memory, batch=8) as made:
            run = made.start(host.source[:3])
            assert not run.done
            with pytest.raises(Exception, match=r"^start: one run at a time; wait for the one under way"):
                made.start(host.source[:3])
            assert np.array_equal(run.wait(integers=True), host.integers[:3])
            assert run.done

            async def both():
                ticks = 0

                async def other():
                    nonlocal ticks
                    while True:
                        ticks += 1
                        await asyncio.sleep(0)

                beside = asyncio.ensure_future(other())
                result = await made.start(host.source[3:8])
                beside.cancel()
                return result, ticks

            result, ticks = asyncio.run(both())
            assert np.array_equal(result, host.floats[3:8])
            assert ticks > 2

    await bridge(program)()


@cocotb.test(timeout_time=5, timeout_unit="ms")
async def pynq_failures(dut):
    """A reset in mid-run, a run that hangs, another design: told, and the next run is right."""
    host = await hosted(dut)

    def program():
        memory = zynq_pynq.Memory(host.bench.dma.memory)
        made = accelerator(host, memory)
        made.start(host.source[:5])
        made.reset()
        assert made.frames == (0, 0)
        assert np.array_equal(made.run(host.source[5:9]), host.floats[5:9])
        host.bench.sink.clear_pause_generator()
        host.bench.sink.pause = True
        made.timeout = 0.0
        with pytest.raises(Exception, match=r"^run: 4 frames must be done in 0 s, but \d were taken"):
            made.run(host.source[:4])
        made.timeout, host.bench.sink.pause = 300.0, False
        assert np.array_equal(made.run(host.source[:4]), host.floats[:4])
        made.description["design_id"] ^= 1
        with pytest.raises(Exception, match=r"^accelerator: the bitstream must be design 0x[0-9a-f]{8} "):
            made._check()
        made.close()
        assert not memory.held

    await bridge(program)()


class Bus(ctypes.Structure):
    """``struct gw_bus``."""

    READ = ctypes.CFUNCTYPE(ctypes.c_uint32, ctypes.c_void_p, ctypes.c_int, ctypes.c_uint32)
    WRITE = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int, ctypes.c_uint32, ctypes.c_uint32)
    SLEEP = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
    _fields_ = (("self", ctypes.c_void_p), ("read", READ), ("write", WRITE), ("sleep", SLEEP))


class Device(ctypes.Structure):
    """``struct gw_accelerator``."""

    _fields_ = (("bus", Bus), ("max_polls", ctypes.c_uint32), ("running", ctypes.c_uint32))


def library() -> ctypes.CDLL:
    """The C driver of this design."""
    loaded = ctypes.CDLL(str(FOLDER / "driver.so"))
    loaded.gw_clocks.restype = ctypes.c_uint64
    loaded.gw_in_bytes.restype = loaded.gw_out_bytes.restype = ctypes.c_size_t
    return loaded


def bus_of(host: Hosted) -> Bus:
    """A bus whose other end is the simulation."""
    spaces = (host.core, host.dma)
    return Bus(
        None,
        Bus.READ(lambda _, space, offset: spaces[space].read(offset)),
        Bus.WRITE(lambda _, space, offset, value: spaces[space].write(offset, value)),
        Bus.SLEEP(),
    )


class CHost:
    """The C driver opened on the simulation."""

    def __init__(self, host: Hosted, polls: int = 100000):
        self.host, self.c, self.bus, self.device = host, library(), bus_of(host), Device()
        self.opened = self.c.gw_open(ctypes.byref(self.device), ctypes.byref(self.bus), polls)

    def start(self, first: int, count: int) -> int:
        """Packs frames into memory and starts them; results go to the middle of memory."""
        values = np.ascontiguousarray(self.host.values[first : first + count], np.int64)
        size = count * self.c.gw_in_bytes()
        packed = (ctypes.c_uint8 * size).from_buffer(self.host.bench.dma.memory)
        self.c.gw_pack(values.ctypes.data_as(ctypes.c_void_p), ctypes.c_size_t(count), packed)
        del packed
        return self.c.gw_start(ctypes.byref(self.device), BASE, BASE + (1 << 19), count)

    def wait(self) -> int:
        """The result of the run's end."""
        return self.c.gw_wait(ctypes.byref(self.device))

    def results(self, count: int) -> np.ndarray:
        """What the run left in memory."""
        size = count * self.c.gw_out_bytes()
        data = bytes(self.host.bench.dma.memory[1 << 19 : (1 << 19) + size])
        values = np.zeros((count, *self.host.results.shape[1:]), np.int64)
        self.c.gw_unpack(data, ctypes.c_size_t(count), values.ctypes.data_as(ctypes.c_void_p))
        return values


@cocotb.test(timeout_time=5, timeout_unit="ms")
async def c_runs(dut):
    """The C driver gives the reference's integers, counts clocks, and clears the interrupt."""
    host = await hosted(dut)

    def program():
        made = CHost(host)
        assert made.opened == 0
        for first, count in ((0, 7), (7, 1), (8, 20)):
            assert made.start(first, count) == 0
            assert made.start(first, count) == -3  # GW_BUSY
            assert made.wait() == 0
            assert np.array_equal(made.results(count), host.results[first : first + count])
            assert made.c.gw_clocks(ctypes.byref(made.device)) > 0
        assert made.start(0, 0) == -5  # GW_BAD_ARGUMENT

    await bridge(program)()
    await host.bench.clocks(8)
    assert not int(dut.irq.value)
    assert await host.bench.read(z.IRQ_ENABLE) == 1


@cocotb.test(timeout_time=5, timeout_unit="ms")
async def c_failures(dut):
    """A reset in mid-run, a run that hangs, a DMA error, another design: told, and the next run is right."""
    host = await hosted(dut)

    def program():
        made = CHost(host)
        device = ctypes.byref(made.device)
        assert made.start(0, 5) == 0
        assert made.c.gw_reset(device) == 0
        assert made.start(3, 2) == made.wait() == 0
        assert np.array_equal(made.results(2), host.results[3:5])
        host.bench.sink.clear_pause_generator()
        host.bench.sink.pause = True
        made.device.max_polls = 50
        assert made.start(0, 2) == 0
        assert made.wait() == -2  # GW_TIMEOUT
        host.bench.sink.pause = False
        made.device.max_polls = 100000
        assert made.start(1, 2) == made.wait() == 0
        assert np.array_equal(made.results(2), host.results[1:3])
        assert made.start(0, 2) == 0
        host.bench.dma.registers[0x34] |= 0x10  # as after a bad address
        assert made.wait() == -7  # GW_DMA_ERROR
        assert made.start(2, 2) == made.wait() == 0
        assert np.array_equal(made.results(2), host.results[2:4])
        real = host.core.read
        host.core.read = lambda offset: real(offset) ^ (offset == z.DESIGN_ID)
        assert CHost(host).opened == -1  # GW_WRONG_DESIGN

    await bridge(program)()
