"""What a unit's memories in block RAM are asked for: blocks, and the clocks in which they work."""

from ...hw.design import Instance
from ...hw.units.fabric import rom
from ...hw.units.fed import FED
from ...hw.units.ram import ram_resources
from ...hw.units.sliding_window import ring_beats

# gw_threshold_stage puts no ROM of fewer words into block RAM.
_SMALL_ROM = 64


def block_accesses(instance: Instance, clocks: float, family: str) -> float:
    """Accesses of blocks in ``clocks`` clocks, the time of a frame.

    A ROM is read in each clock that its unit is not held up, whether or not there is work; what streams write
    and read moves with the beats.
    """
    module = instance.unit.module.removesuffix("_fed")
    streamed = _streamed(instance, family)
    return _rom_blocks(instance, module, family) * clocks + streamed


def _rom_blocks(instance: Instance, module: str, family: str) -> float:
    p = instance.p
    if module in FED:
        tables = FED[module].tables(p)
        return sum(rom(*table, p.ROM_STYLE, True, family).bram for table in tables.values())
    if module == "gw_threshold":
        words = [(p.C // p.PE) << stage for stage in range(p.STAGES)]
        style = [2 if p.ROM_STYLE == 1 and n <= _SMALL_ROM else p.ROM_STYLE for n in words]
        return sum(
            p.PE * rom(n, p.X_BITS + 1, s, True, family).bram for n, s in zip(words, style, strict=True)
        )
    if module == "gw_lookup":
        return p.PE * rom(p.C // p.PE << p.X_BITS, p.OUT_BITS, p.ROM_STYLE, True, family).bram
    if module == "gw_depthwise":
        return rom(p.TAPS * (p.C // p.PE), p.PE * p.K * p.W_BITS, p.ROM_STYLE, True, family).bram
    return 0.0


def _streamed(instance: Instance, family: str) -> float:
    """Accesses by beats: each is written once, and read as often as it leaves."""
    p, module = instance.p, instance.unit.module
    taken, given = instance.inputs[0].beats, instance.outputs[0].beats
    if module == "gw_fifo" and p.DEPTH >= 4:
        return ram_resources(p.DEPTH - 2, p.BITS, p.RAM_STYLE, family).bram * (taken + given)
    if module == "gw_sliding_window":
        ring = ram_resources(ring_beats(p), p.SIMD * p.BITS, p.RAM_STYLE, family)
        return ring.bram * (taken + given)
    if module == "gw_whole_window" and p.KH > 1 and p.DH * p.W > 1:
        return ram_resources(p.DH * p.W, (p.KH - 1) * p.PIXEL, p.RAM_STYLE, family).bram * 2 * taken
    if module == "gw_gather":
        return ram_resources(2 * p.IN, p.BITS, p.RAM_STYLE, family).bram * (taken + given)
    return 0.0
