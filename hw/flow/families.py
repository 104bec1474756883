"""What differs between FPGA families in synthesis and in counting cells, as data."""

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from ...errors import ToolError
from ..design import FAMILIES, Resources


@dataclass(frozen=True)
class Flow:
    """How Yosys maps to one family, and what each mapped cell costs.

    Attributes:
        synth: the synthesis command; ``dsp`` or ``no_dsp`` is added to it.
        late_flatten: flatten only after DSP mapping, a step called ``coarse`` in that command.
        cells: cell name pattern to resources; the first match counts. Carry, LUT RAM and wide-mux cells
            count the LUTs that they occupy.
        free: patterns of cells that cost none of the four classes (buffers, constants, muxes behind LUTs).
    """

    synth: str
    cells: Mapping[str, Resources]
    free: tuple[str, ...]
    dsp: str = ""
    no_dsp: str = "-nodsp"
    late_flatten: bool = False


_LUT, _FF, _BRAM, _DSP = Resources(lut=1), Resources(ff=1), Resources(bram=1), Resources(dsp=1)
_HALF_BRAM, _HALF_DSP = Resources(bram=0.5), Resources(dsp=0.5)

_XILINX_CELLS = {
    "LUT?": _LUT,
    "LUT6_2": _LUT,
    "INV": _LUT,
    "SRL16E": _LUT,
    "SRLC32E": _LUT,
    "RAM32X1S": _LUT,
    "RAM64X1S": _LUT,
    "RAM32X1D": Resources(lut=2),
    "RAM64X1D": Resources(lut=2),
    "RAM128X1S": Resources(lut=2),
    "RAM128X1D": Resources(lut=4),
    "RAM256X1S": Resources(lut=4),
    "RAM256X1D": Resources(lut=8),
    "RAM512X1S": Resources(lut=8),
    "RAM32M": Resources(lut=4),
    "RAM64M": Resources(lut=4),
    "RAM32M16": Resources(lut=8),
    "RAM64M8": Resources(lut=8),
    "FD?E": _FF,
    "FD?E_1": _FF,
    "RAMB36E*": _BRAM,
    "RAMB18E*": _HALF_BRAM,
    "DSP48E*": _DSP,
}
_XILINX_FREE = ("CARRY4", "CARRY8", "MUXF?", "IBUF*", "OBUF*", "BUFG*")

FLOWS: dict[str, Flow] = {
    # Without wide LUTs: adders and compressors come out far smaller (measured 732 against 1,932 LUT4).
    "ecp5": Flow(
        synth="synth_ecp5 -nowidelut",
        cells={
            "LUT4": _LUT,
            "CCU2C": Resources(lut=2),
            # Four LUTs hold the bits, the write port blocks the two of another slice.
            "TRELLIS_DPR16X4": Resources(lut=6),
            "TRELLIS_FF": _FF,
            "DP16KD": _BRAM,
            "PDPW16KD": _BRAM,
            "MULT18X18D": _DSP,
        },
        free=("PFUMX", "L6MUX21", "TRELLIS_IO", "ALU54B", "DCCA", "EHXPLLL", "OSCG"),
    ),
    # A carry shares its logic cell with the LUT that adds.
    "ice40": Flow(
        synth="synth_ice40 -device u",
        cells={"SB_LUT4": _LUT, "SB_DFF*": _FF, "SB_RAM40_4K*": _BRAM, "SB_MAC16": _DSP},
        free=("SB_CARRY", "SB_IO", "SB_GB", "SB_SPRAM256KA", "SB_PLL40*", "SB_HFOSC"),
        dsp="-dsp",
        no_dsp="",
    ),
    # DSPs are counted in 18x18 multipliers. Without wide LUTs: as many LUTs, but nextpnr is five times faster
    # and reaches higher rates (measured 90 against 75 MHz), as wide muxes fix LUTs to each other.
    "gowin": Flow(
        synth="synth_gowin -family gw2a -nowidelut",
        cells={
            "LUT?": _LUT,
            "INV": _LUT,
            "ALU": _LUT,
            "RAM16S*": Resources(lut=4),
            "DFF*": _FF,
            "SP": _BRAM,
            "SPX9": _BRAM,
            "SDP*": _BRAM,
            "DP": _BRAM,
            "DPX9*": _BRAM,
            "DPB": _BRAM,
            "pROM*": _BRAM,
            "MULT9X9": _HALF_DSP,
            "MULT18X18": _DSP,
            "MULT36X36": Resources(dsp=4),
        },
        free=("MUX2*", "IBUF", "OBUF", "GND", "VCC", "GSR", "rPLL", "PLLVR"),
    ),
    # Flattened before DSP mapping, Yosys 0.70 can pack a counter into a DSP's pre-adder registers although
    # others read it; the design then vanishes. Packing within modules avoids it.
    "xc7": Flow(
        synth="synth_xilinx -family xc7 -noiopad -noclkbuf",
        cells=_XILINX_CELLS,
        free=_XILINX_FREE,
        late_flatten=True,
    ),
    "xcup": Flow(
        synth="synth_xilinx -family xcup -noiopad -noclkbuf",
        cells=_XILINX_CELLS,
        free=_XILINX_FREE,
        late_flatten=True,
    ),
}
assert tuple(FLOWS) == FAMILIES


def flow_for(family: str) -> Flow:
    """The flow of a family.

    Raises:
        ToolError: an unknown family.
    """
    if family not in FLOWS:
        raise ToolError(f"flow: family must be one of {', '.join(FLOWS)}, not {family!r}")
    return FLOWS[family]


def cost(flow: Flow, cell_type: str) -> Resources | None:
    """What one cell costs; None for a type that the tables do not know."""
    for pattern, resources in flow.cells.items():
        if fnmatchcase(cell_type, pattern):
            return resources
    free = cell_type.startswith("$") or any(fnmatchcase(cell_type, p) for p in flow.free)
    return Resources() if free else None
