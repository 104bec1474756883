"""Energies of events from a published measurement of an iCE40UP5K, and how they are carried to other parts.

The measurement (github.com/tinyvision-ai-inc/ice40_power, README.md and power_test/rgb_blink.v at 1af931e)
gives the core's current at 1.219 V for a few small designs. The same arithmetic is written down here again,
mapped by Yosys, and its transitions are counted; what a transition takes follows.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from addernet_tools.netlist import Cell, Register, _table
from gatewright.hw.flow.synthesize import synthesize

from .cells import LOCAL, LOGIC, REGISTER, Netlist
from .settled import Settled

VOLTS, MHZ = 1.219, 12
# Microamperes of the core, as published.
BLANK, HALTED = 85.6, 92.1
COUNTER_28, COUNTER_224 = 613.5, 641.3
COUNTER_24, WITH_MULTIPLIER, WITH_DSP = 645.0, 996.0, 882.0
# Logic cells of the first two counters.
CELLS_28, CELLS_224 = 32, 228
# A net inside a logic cell, against one between cells: assumed, no measurement tells it apart.
LOCAL_SHARE = 0.1
# The measured part's process in nm and its LUTs; a bit of an access of a small SRAM (M. Horowitz, ISSCC 2014:
# 10 pJ for 64 bits of 8 KB at 45 nm and 0.9 V).
NODE, LUTS = 40, 5280
SRAM_BIT_PJ, SRAM_VOLTS, SRAM_NODE = 10 / 64, 0.9, 45
_CLOCKS = 2000

_DESIGN = """module math (input wire clk, output wire q, output wire [15:0] product);
    reg [23:0] free = 0;
    reg [7:0] a = 0;
    reg [7:0] b = 0;
    always @(posedge clk) begin
        free <= free + 1'b1;
        a <= a + 3;
        b <= b + 5;
    end
    assign product = {product};
    assign q = free[23] | (&a) | (&b);
endmodule
"""


class _Ice40(Netlist):
    """iCE40's own cells."""

    def read(self, name: str, cell: dict) -> None:
        kind, nets = cell["type"], {port: bits[0] for port, bits in cell["connections"].items()}
        nets = {port: net if isinstance(net, int) else int(net == "1") for port, net in nets.items()}
        if kind == "SB_LUT4":
            pins = [(f"I{k}", nets.get(f"I{k}", 0)) for k in range(4)]
            self.cells.append(Cell(name, pins, [("O", nets["O"], int(cell["parameters"]["LUT_INIT"], 2))]))
        elif kind == "SB_CARRY":
            pins = [(port, nets.get(port, 0)) for port in ("I0", "I1", "CI")]
            self.cells.append(Cell(name, pins, [("CO", nets["CO"], _table(3, partial(_most)))]))
        elif kind.startswith("SB_DFF"):
            self.registers.append(Register(name, nets["Q"], nets["D"], nets.get("E"), nets.get("R"), 0))
        else:
            super().read(name, cell)


def _most(pins: int) -> int:
    return int(pins.bit_count() >= 2)


def transitions(folder: Path, multiplies: bool) -> dict[str, float]:
    """Transitions a clock by class of the design without or with its multiplier in LUTs."""
    folder.mkdir(parents=True, exist_ok=True)
    text = _DESIGN.format(product="a * b" if multiplies else "16'd0")
    (folder / "math.v").write_text(text)
    made = synthesize(folder, "math", [folder / "math.v"], "ice40", dsp=False)
    netlist = _Ice40(json.loads(made.netlist.read_text())["modules"]["math"])
    run = Settled(netlist, {})
    run.counting = True
    for _ in range(_CLOCKS):
        run.clock({})
    return {kind: count / _CLOCKS for kind, count in run.counts().items()}


def counted(folder: Path) -> dict[str, dict[str, float]]:
    """Transitions a clock of the design without its multiplier, and with it in LUTs."""
    return {
        "counters": transitions(folder / "counters", False),
        "multiplier": transitions(folder / "multiplier", True),
    }


@dataclass(frozen=True)
class Events:
    """pJ of each event, as boards' parts have them."""

    net_pj: float
    local_pj: float
    register_pj: float
    tree_pj: float
    bram_pj: float
    dsp_pj: float


def events(moved: Mapping[str, Mapping[str, float]]) -> Events:
    """What the published currents say, with the transitions that Yosys's netlists have."""
    pj = VOLTS / MHZ  # of a microampere, in each clock
    register = (COUNTER_224 - COUNTER_28) * pj / (CELLS_224 - CELLS_28)
    counters, whole = moved["counters"], moved["multiplier"]
    # The wide counter, which moves two registers a clock, is in both published designs.
    small = _weighed(counters) * (1 - 2 / counters[REGISTER])
    multiplier = _weighed(whole) - _weighed(counters)
    net = ((WITH_MULTIPLIER - COUNTER_24) * pj - 16 * register) / (small + multiplier)
    dsp = (WITH_DSP - COUNTER_24) * pj - 16 * register - small * net
    tree = (COUNTER_28 - HALTED) * pj - CELLS_28 * register - 2 * net
    return Events(net, net * LOCAL_SHARE, register, tree, SRAM_BIT_PJ * 16 * _sram_scale(VOLTS, NODE), dsp)


def _weighed(moved: Mapping[str, float]) -> float:
    return moved.get(REGISTER, 0) + moved.get(LOGIC, 0) + LOCAL_SHARE * moved.get(LOCAL, 0)


def _sram_scale(volts: float, node: int) -> float:
    return (volts / SRAM_VOLTS) ** 2 * node / SRAM_NODE


def carried(own: Events, volts: float, node: int, luts: int, block_bits: int) -> Events:
    """The events of another part: capacitance as the node, energy as the square of the voltage, the clock's
    network as the square root of the LUTs of four inputs that it spans."""
    scale = (volts / VOLTS) ** 2 * node / NODE
    return Events(
        net_pj=own.net_pj * scale, local_pj=own.local_pj * scale, register_pj=own.register_pj * scale,
        tree_pj=own.tree_pj * scale * (luts / LUTS) ** 0.5,
        bram_pj=SRAM_BIT_PJ * block_bits * _sram_scale(volts, node), dsp_pj=own.dsp_pj * scale,
    )  # fmt: skip


# Core voltage, nm, LUTs of four inputs (of six: 1.6 of them), bits of a block's word; by file of the part.
OTHERS = {
    "lfe5u_85f_6bg381c": (1.1, 40, 83640, 36),
    "xc7z020clg400_1": (1.0, 28, 85120, 72),
    "xczu7ev_ffvc1156_2_e": (0.85, 16, 368640, 72),
}
MEASURED_PART = "ice40up5k_sg48"


def parts(moved: Mapping[str, Mapping[str, float]]) -> dict[str, Events]:
    """Events of each part that has figures, by its file's name."""
    own = events(moved)
    return {MEASURED_PART: own, **{name: carried(own, *scale) for name, scale in OTHERS.items()}}
