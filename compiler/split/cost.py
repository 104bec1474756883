"""What a processor takes for a node, and what a crossing takes, before anything is compiled.

Instructions: counted in qemu for MLPerf Tiny's ResNet-8 and DS-CNN, a 3-bit keyword network and two dense
ones of 1 and 2 bits (docs/split.md), by kind of kernel; sums of whole networks come out within 30 % of what
was counted. Cycles: those by llvm-mca's rate for the same, caches warm.
"""

from dataclasses import dataclass

from ..ir.graph import Const, Node, Value
from ..ir.ops import AdderConv2d, AdderMatMul, BatchMatMul, Conv2d, ConvTranspose2d, MatMul, Reshape

_PRODUCTS = BatchMatMul | Conv2d | ConvTranspose2d | MatMul
_LOW_BITS = 4
_WINOGRAD_KERNEL = (3, 3)


@dataclass(frozen=True)
class Core:
    """Instructions of a core by kind of work, and cycles of an instruction.

    Attributes:
        bits, low, long: a multiply-accumulate of two codes each, of up to 4 bits, of more.
        winograd: one of a 3x3 convolution of stride 1; depthwise: one of a kernel for each channel.
        element: an element of any other node's result, which most often stays in registers.
        call: a node, whatever its size.
        cycles: of an instruction.
    """

    bits: float
    low: float
    long: float
    winograd: float
    depthwise: float
    element: float
    call: float
    cycles: float


_WIDE = Core(0.041, 0.134, 0.279, 0.137, 0.452, 0.25, 40, 1.17)
CORES = {
    "cortex-a9": Core(0.076, 0.213, 0.463, 0.278, 0.771, 0.5, 40, 0.52),
    "cortex-a53": _WIDE,
    # Not measured for this; more work a cycle, so that little is lost by taking the A53's.
    "cortex-a72": _WIDE,
    "cortex-a76": _WIDE,
}


@dataclass(frozen=True)
class Link:
    """The way between memory and the FPGA: a 64-bit port of the processor's (AMD UG585, UG1085: HP ports),
    a word a clock of the FPGA, and what starting a transfer and waiting for its end takes (assumed)."""

    bytes_per_clock: int = 8
    setup_us: float = 5.0

    def microseconds(self, bytes_: int, clock_mhz: float) -> float:
        """One transfer of so many bytes."""
        return self.setup_us + bytes_ / self.bytes_per_clock / clock_mhz


# Instructions for an element on its way into a stream or out of it: codes of whole bytes, and others. Counted
# on both cores for 1 to 16 codes a beat: 0.25 to 3.6, and 0.2 (what the compiler makes vectors of) to 21.
_PACK_BYTES, _PACK_BITS = 1.0, 8.0


def instructions(node: Node, core: Core) -> float:
    """Instructions of a node on a core, about."""
    if isinstance(node.op, Reshape):
        return 0.0
    work = node.op.work(*node.inputs)
    if isinstance(node.op, AdderConv2d | AdderMatMul):
        return core.call + core.long * work.adds / 2
    if isinstance(node.op, _PRODUCTS):
        return core.call + work.macs * _per_product(node, core)
    return core.call + core.element * node.type.size


def _per_product(node: Node, core: Core) -> float:
    x, w = node.inputs[:2]
    widest = max(x.type.dtype.bits, w.type.dtype.bits)
    if x.type.dtype.levels == w.type.dtype.levels == 2:
        return core.bits
    if isinstance(node.op, Conv2d):
        if w.type.shape[2] == 1 < x.type.shape[-1]:
            return core.depthwise
        plain = tuple(node.op.strides) == (1, 1) and w.type.shape[:2] == _WINOGRAD_KERNEL
        if widest > _LOW_BITS and plain and w.type.shape[2] >= 8:
            return core.winograd
    return core.low if widest <= _LOW_BITS else core.long


def pack_instructions(values: list[Value]) -> float:
    """Instructions to put these into a stream, or to take them out."""
    return sum(
        v.type.size * (_PACK_BYTES if v.type.dtype.bits % 8 == 0 else _PACK_BITS)
        for v in values
        if not isinstance(v, Const)
    )


# LUTs that a bit-by-bit product takes on the FPGA with all that is around it, and how much longer a frame is
# under way than its interval: ResNet-8 folded for an XC7Z020 has 38,500 LUTs for 341 products of 8 by 8 bits.
_LUT_PER_BITS = 1.8
_FILL = 1.5


def fpga_clocks(nodes: list[Node], given: list[Value], lut: int) -> float:
    """Clocks of a frame through these nodes on an FPGA of so many LUTs, about: what cuts are sorted by before
    the best of them are folded."""
    room = 0.75 * lut / _LUT_PER_BITS
    need = sum(_bit_products(n) for n in nodes)
    beats = max(v.type.size / (v.type.shape or (1,))[-1] for v in given)
    return _FILL * max(need / room, beats) + 10 * len(nodes)


def _bit_products(node: Node) -> float:
    work = node.op.work(*node.inputs)
    products = work.macs + work.adds
    if not products or len(node.inputs) < 2:
        return 0.0
    x, w = node.inputs[:2]
    return products * x.type.dtype.bits * w.type.dtype.bits
