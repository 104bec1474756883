"""Cocotb's tests of the AXI top; tests/test_zynq_axi.py starts them in a simulator."""

import os
import random

import cocotb
from cocotb.triggers import Combine, RisingEdge, with_timeout
from cocotbext.axi import AxiStreamFrame

import zynq_bench as z

SEED = int(os.environ.get("GW_SEED", "1"))


async def bench_of(dut) -> z.Bench:
    """A started bench."""
    bench = z.Bench(dut)
    await bench.start()
    return bench


async def finish(bench: z.Bench) -> None:
    """The watch has looked at every clock that a test is worth."""
    await bench.clocks(4)
    assert bench.checked > 50


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def registers(dut):
    """Every register reads what the table says; writes of bytes, of read-only registers and of none."""
    bench = await bench_of(dut)
    case = bench.case
    fixed = {
        z.ID: 0x67776178, z.VERSION: 0x10000, z.DESIGN_ID: case["design_id"], z.CTRL: 0, z.STATUS: 0,
        z.IRQ_ENABLE: 0, z.IRQ_STATUS: 0, z.FRAMES_WANTED: 1, z.FRAMES_IN: 0, z.FRAMES_OUT: 0,
        z.WORDS_IN: case["in_words"], z.WORDS_OUT: case["out_words"],
        z.WORD_BYTES: case["in_bytes"] | case["out_bytes"] << 8, z.CLOCKS_LOW: 0, z.CLOCKS_HIGH: 0,
        z.ERRORS: 0,
    }  # fmt: skip
    for offset, value in fixed.items():
        assert await bench.read(offset) == value, hex(offset)
    for offset in (0x40, 0x44, 0x7C, 0x80, 0x200, 0x800, 0xFFC):
        assert await bench.read(offset) == 0, hex(offset)
    bench.stall(SEED, 0.5)
    writable = (z.CTRL, z.IRQ_ENABLE, z.FRAMES_WANTED)
    for offset in [*(o for o in fixed if o not in writable), 0x40, 0xFFC]:
        await bench.write(offset, 0xFFFFFFFF)
    for offset, value in fixed.items():
        assert await bench.read(offset) == value, hex(offset)
    await bench.write(z.FRAMES_WANTED, 0x11223344)
    await bench.lite.write(z.FRAMES_WANTED + 1, b"\xaa\xbb")
    assert await bench.read(z.FRAMES_WANTED) == 0x11BBAA44
    await bench.lite.write(z.IRQ_ENABLE + 1, b"\x07\x07\x07")
    assert await bench.read(z.IRQ_ENABLE) == 0
    for value in range(8):
        await bench.write(z.IRQ_ENABLE, value | 0x10)
        assert await bench.read(z.IRQ_ENABLE) == value
    await bench.write(z.CTRL, z.EACH)
    assert await bench.read(z.CTRL) == z.EACH
    assert await bench.read(z.STATUS) == 0
    await finish(bench)


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def many_at_once(dut):
    """Writes and reads under way together, all channels stalled: none is lost, none changed."""
    bench = await bench_of(dut)
    rng = random.Random(SEED)
    for share in (0.0, 0.3, 0.8):
        bench.stall(SEED, share)
        values = [rng.getrandbits(32) for _ in range(20)]

        async def writes(values=values):
            for value in values:
                tasks = [cocotb.start_soon(bench.write(z.FRAMES_WANTED, value))]
                tasks += [cocotb.start_soon(bench.write(z.IRQ_ENABLE, value & 7))]
                for task in tasks:
                    await task

        seen = []

        async def reads(seen=seen):
            for _ in range(30):
                offsets = (z.ID, z.FRAMES_WANTED, z.WORDS_IN, z.VERSION)
                tasks = [cocotb.start_soon(bench.read(offset)) for offset in offsets]
                first, second, *others = [await task for task in tasks]
                assert others == [bench.case["in_words"], 0x10000]
                seen.append((first, second))

        before = await bench.read(z.FRAMES_WANTED)
        await Combine(cocotb.start_soon(writes()), cocotb.start_soon(reads()))
        order = [before, *values]
        assert {first for first, _ in seen} == {0x67776178}
        places = [order.index(value) for _, value in seen]
        assert places == sorted(places)
        assert await bench.read(z.FRAMES_WANTED) == values[-1]
        assert await bench.read(z.IRQ_ENABLE) == values[-1] & 7
    await finish(bench)


@cocotb.test(timeout_time=10, timeout_unit="ms")
async def frames(dut):
    """Frames through the DMA, in batches of any size: in order, equal; counters and interrupts with them."""
    bench = await bench_of(dut)
    rng = random.Random(SEED)
    left, at = len(bench.frames), 0
    await bench.write(z.IRQ_ENABLE, 1)
    while left:
        count = min(left, rng.randint(1, 40))
        bench.stall(rng.random(), rng.choice([0.0, 0.0, 0.2, 0.6]))
        assert not int(dut.irq.value)
        before = bench.busy_clocks
        assert await bench.run(at, count) == bench.wanted(at, count), f"frames {at} to {at + count}"
        while not await bench.read(z.STATUS) & z.DONE:
            pass
        assert await bench.read(z.STATUS) == z.DONE
        assert await bench.read(z.FRAMES_IN) == await bench.read(z.FRAMES_OUT) == count
        assert await bench.read(z.ERRORS) == 0
        low = await bench.read(z.CLOCKS_LOW)
        assert low | await bench.read(z.CLOCKS_HIGH) << 32 == bench.busy_clocks - before
        assert int(dut.irq.value)
        assert await bench.read(z.IRQ_STATUS) == 0b011
        await bench.write(z.IRQ_STATUS, 0b011)
        assert await bench.read(z.IRQ_STATUS) == 0
        at, left = at + count, left - count
    await finish(bench)


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def resets_in_mid_frame(dut):
    """After a reset at any clock of a run, by register or by the bus, nothing of it is left."""
    bench = await bench_of(dut)
    rng = random.Random(SEED)
    reached = set()
    for turn in range(int(bench.case["resets"])):
        bench.stall(rng.random(), rng.choice([0.0, 0.5]))
        task = cocotb.start_soon(bench.run(turn % 3, 5))
        await bench.clocks(rng.randint(1, int(bench.case["run_clocks"])))
        task.cancel()
        soft = turn % 4 != 3
        if soft:
            reached.add(await bench.read(z.FRAMES_OUT))
            # The core first: a DMA takes words before it is told where to.
            await bench.write(z.CTRL, z.SOFT_RESET)
            while await bench.read(z.STATUS) & z.IN_RESET:
                pass
            bench.dma.reset()
        else:
            await bench.reset()
            bench.dma.reset()
            assert await bench.read(z.IRQ_STATUS) == 0
        for offset in (z.STATUS, z.FRAMES_IN, z.FRAMES_OUT, z.CLOCKS_LOW, z.CLOCKS_HIGH, z.ERRORS):
            assert await bench.read(offset) == 0, hex(offset)
        assert not int(dut.m_axis_tvalid.value)
        assert not int(dut.s_axis_tready.value)
        await bench.write(z.IRQ_STATUS, 7)
        await bench.write(z.IRQ_ENABLE, 1)
        assert not int(dut.irq.value)
        assert await bench.run(7, 2) == bench.wanted(7, 2), f"turn {turn}"
        await bench.clocks(4)
        assert int(dut.irq.value)
        assert await bench.read(z.FRAMES_OUT) == 2
        await bench.write(z.IRQ_STATUS, 7)
    assert len(reached) > 1  # runs were met in more than one place
    await finish(bench)


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def wrong_lengths(dut):
    """TLAST inside a frame, none at the end, bytes that TKEEP takes out: each is told, and data go on."""
    bench = await bench_of(dut)
    size = bench.frames.shape[1]
    word = bench.case["in_bytes"]

    async def send(pieces: list[AxiStreamFrame], count: int) -> tuple[bytes, int]:
        await bench.write(z.IRQ_STATUS, 7)
        await bench.write(z.IRQ_ENABLE, 4)
        await bench.write(z.FRAMES_WANTED, count)
        await bench.write(z.CTRL, z.START)
        for piece in pieces:
            await bench.source.send(piece)
        got = await with_timeout(bench.sink.recv(compact=True), 1, "ms")
        errors = await bench.read(z.ERRORS)
        assert int(dut.irq.value) == (errors != 0)
        assert bool(await bench.read(z.STATUS) & z.FAULT) == (errors != 0)
        return bytes(got.tdata), errors

    two = bench.frames[:2].tobytes()
    assert await send([AxiStreamFrame(two)], 2) == (bench.wanted(0, 2), 0)
    assert await send([AxiStreamFrame(two[:size]), AxiStreamFrame(two[size:])], 2) == (bench.wanted(0, 2), 0)
    cut = size - word
    if cut:
        found = await send([AxiStreamFrame(two[:cut]), AxiStreamFrame(two[cut:])], 2)
        assert found == (bench.wanted(0, 2), z.EARLY)
    # A third frame in the same transfer: no TLAST where the second ends, and its words wait.
    three, before = bench.frames[:3].tobytes(), bench.taken
    assert await send([AxiStreamFrame(three)], 2) == (bench.wanted(0, 2), z.LATE)
    await bench.clocks(50)
    assert await bench.read(z.FRAMES_IN) == 2
    assert bench.taken - before == 2 * bench.case["in_words"]
    assert await send([], 1) == (bench.wanted(2, 1), 0)
    keep = [1] * size
    keep[word - 1] = 0
    _, errors = await send([AxiStreamFrame(bench.frames[0].tobytes(), keep)], 1)
    assert errors & z.PARTIAL
    await finish(bench)


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def modes(dut):
    """TLAST after each frame; a run without end; a start while one runs is refused and harms nothing."""
    bench = await bench_of(dut)
    data = bench.frames[:3].tobytes()
    await bench.write(z.FRAMES_WANTED, 3)
    await bench.write(z.CTRL, z.START | z.EACH)
    await bench.source.send(AxiStreamFrame(data))
    for n in range(3):
        assert bytes((await bench.sink.recv()).tdata) == bench.wanted(n, 1)
    await bench.write(z.FRAMES_WANTED, 0)
    await bench.write(z.CTRL, z.START)
    for n in range(4):
        await bench.source.send(AxiStreamFrame(bench.frames[n].tobytes()))
        assert bytes((await bench.sink.recv()).tdata) == bench.wanted(n, 1)
    await bench.write(z.CTRL, z.START)
    assert await bench.read(z.STATUS) == z.BUSY | z.FAULT
    assert await bench.read(z.ERRORS) == z.REFUSED
    assert await bench.read(z.FRAMES_OUT) == 4
    await bench.source.send(AxiStreamFrame(bench.frames[5].tobytes()))
    assert bytes((await bench.sink.recv()).tdata) == bench.wanted(5, 1)
    # The halves of the clocks belong together, whatever is read between and however long after.
    dut.registers.clocks_q.value = 0x1_FFFF_FFE0
    low = await bench.read(z.CLOCKS_LOW)
    await bench.clocks(60)
    await bench.read(z.STATUS)
    assert low >= 0xFFFF_FFE0
    assert await bench.read(z.CLOCKS_HIGH) == 1
    assert await bench.read(z.CLOCKS_LOW) < 200
    assert await bench.read(z.CLOCKS_HIGH) == 2
    await bench.write(z.CTRL, z.SOFT_RESET)
    await bench.write(z.CTRL, z.START)  # within the clocks of the reset
    await bench.clocks(30)
    assert await bench.read(z.STATUS) == z.FAULT
    assert await bench.read(z.ERRORS) == z.REFUSED
    await bench.write(z.FRAMES_WANTED, 1)
    await bench.write(z.CTRL, z.START)
    await RisingEdge(dut.aclk)
    assert await bench.read(z.ERRORS) == 0
    await finish(bench)
