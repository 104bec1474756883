"""Verilog of arrays of lanes: PE rows of SIMD lanes, their adder trees and accumulators, nothing else.

Operands come from ports, so that no weight is a constant. ``routable`` surrounds an array with what place and
route needs in place of pins: every operand bit is a register of one long shift register, every bit of the
sums is folded into another. Its share is known, since it holds no carry and a LUT per bit of the sums.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from gatewright.hw.units.matrix_vector import minimum_start
from gatewright.hw.units.ram import clog2

ARRAY, ROUTABLE = "lane_array", "lane_array_routable"


@dataclass(frozen=True)
class Lane:
    """A kind of lane of the RTL library, and how an array of it is wired.

    Attributes:
        title: for the page.
        row: instance of one row; the fields pe, simd, x, w, i and s (bits of a sum) are filled in.
        sum_bits: bits of a row's sum, from simd, x and w.
        w_bits: bits of a weight, from those of x.
        latency: clocks from w at the port to the row's sum.
        carry: whether a carry comes with the sum; else ``carry`` is 0.
        early: clocks that x comes before w.
        ahead: logic for all rows, as ``row``.
        signed: whether the row's sum is two's complement.
        dsp: whether products may take DSP blocks.
        adds: whether the row's sum is -sum |x - w|, not sum x*w; then weights are unsigned.
        start: what the array's sums leave to the biases, from weights (K, M), SIMD and bits; (M,).
        fold: how a rule's folding asks for it.
    """

    title: str
    row: str
    sum_bits: Callable[[int, int, int], int]
    latency: Callable[[int, int], int]
    w_bits: Callable[[int], int] = lambda bits: bits
    carry: bool = True
    early: int = 0
    ahead: str = ""
    dsp: bool = False
    signed: bool = True
    adds: bool = False
    start: Callable[[np.ndarray, int, int], np.ndarray | int] = lambda w, simd, bits: 0
    fold: Mapping[str, bool] = field(default_factory=dict)


_ROW = """    {module} #(.SIMD({simd}), {sizes}) row{i} (
        .clk(clk), .ce(ce), .{x_port}(x), {more}.{w_port}(w[{i}*{simd}*{w} +: {simd}*{w}]),
        .sum(sum[{i}*{s} +: {s}]){carry});
"""
# Three times every element, once for all rows, with a register, as in gw_matrix_vector_fed.
_TRIPLES = """    wire [{simd}*({x}+2)-1:0] x3;
    reg  [{simd}*({x}+2)-1:0] x3_q;
    reg  [{simd}*{x}-1:0]     x_q;
    genvar k;
    generate
        for (k = 0; k < {simd}; k = k + 1) begin : g_triple
            assign x3[k*({x}+2) +: {x}+2] = {{2'b0, x[k*{x} +: {x}]}} + {{1'b0, x[k*{x} +: {x}], 1'b0}};
        end
    endgenerate
    always @(posedge clk) if (ce) begin
        x_q <= x;
        x3_q <= x3;
    end
"""


# Minus the sum of x, once for all rows.
_MINUS_SUM = """    wire [{s}-1:0] less;
    gw_minus_sum #(.SIMD({simd}), .BITS({x})) minus_sum (.clk(clk), .ce(ce), .x(x), .less(less));
"""


def _row(module: str, sizes: str, x_port: str = "x", w_port: str = "w", carry: bool = True) -> str:
    """The instance of one row of ``module``."""
    return (
        _ROW.replace("{module}", module)
        .replace("{sizes}", sizes)
        .replace("{x_port}", x_port)
        .replace("{w_port}", w_port)
        .replace("{carry}", ", .carry(carry[{i}])" if carry else "")
        .replace("{more}", "")
    )


def _tree(simd: int, w: int) -> int:
    return 1 + clog2(simd)


def _threes(terms: int) -> int:
    """Levels of gw_tree_three before two terms are left."""
    levels = 0
    while terms > 2:
        terms, levels = -(-terms // 3), levels + 1
    return levels


LANES = {
    "adder": Lane(
        "adder",
        _row("gw_lane_adder", ".X_BITS({x}), .X_SIGNED(0), .W_BITS({w}), .W_SIGNED(0)"),
        lambda simd, x, w: x + 1 + clog2(simd),
        _tree,
        adds=True,
    ),
    "minimum": Lane(
        "adder, by minima",
        _row("gw_lane_minimum", ".BITS({x}), .W_BITS({w}), .W_SIGNED(0)", carry=False).replace(
            ".sum(", ".less(less), .sum("
        ),
        lambda simd, x, w: x + 1 + clog2(simd),
        lambda simd, w: 2 + _threes(simd),
        carry=False,
        ahead=_MINUS_SUM,
        adds=True,
        start=lambda w, simd, bits: minimum_start(w, simd, bits, bits, False),
        fold={"lut6": True},
    ),
    "multiply_lut": Lane(
        "multiplier, LUTs",
        _row("gw_lane_digit", ".X_BITS({x}), .X_SIGNED(0), .W_BITS({w})")
        .replace(".x(x)", ".x(x_q)")
        .replace(".w(", ".x3(x3_q), .w("),
        lambda simd, x, w: x + w + clog2(simd),
        lambda simd, w: _tree(simd, w) + (w + 1) // 2 - 1,
        early=1,
        ahead=_TRIPLES,
        fold={"dsp": False},
    ),
    "multiply_booth": Lane(
        "multiplier, LUTs, Booth",
        _row("gw_lane_booth", ".X_BITS({x}), .X_SIGNED(0), .W_BITS({w})", carry=False),
        lambda simd, x, w: x + 2 * ((w + 1) // 2) + clog2(simd),
        lambda simd, w: (w + 1) // 2 + 1 + _threes(simd),
        carry=False,
        signed=False,
        start=lambda w, simd, bits: -(len(w) << (bits + 2 * ((bits + 1) // 2) - 1)),
    ),
    "multiply_dsp": Lane(
        "multiplier, DSP blocks",
        _row("gw_lane_multiply", ".X_BITS({x}), .X_SIGNED(0), .W_BITS({w})", carry=False),
        lambda simd, x, w: x + w + clog2(simd),
        _tree,
        carry=False,
        dsp=True,
        fold={"dsp": True},
    ),
    "sign": Lane(
        "weights -1 and +1",
        _row("gw_lane_sign", ".V_BITS({x}), .V_SIGNED(0)", "v", "s"),
        lambda simd, x, w: x + 1 + clog2(simd),
        _tree,
        lambda bits: 1,
    ),
}
# The tool's own multiplier in LUTs: what a ratio must not be taken against.
LANES["multiply_star"] = replace(LANES["multiply_dsp"], title="multiplier, Yosys's own", dsp=False)


@dataclass(frozen=True)
class Array:
    """PE x SIMD lanes of a kind for operands of ``bits`` bits, with sums over ``terms`` products."""

    lane: str
    bits: int
    pe: int = 16
    simd: int = 16
    terms: int = 256

    @property
    def kind(self) -> Lane:
        """The kind of lane."""
        return LANES[self.lane]

    @property
    def w_bits(self) -> int:
        """Bits of a weight."""
        return self.kind.w_bits(self.bits)

    @property
    def sum_bits(self) -> int:
        """Bits of a row's sum."""
        return self.kind.sum_bits(self.simd, self.bits, self.w_bits)

    @property
    def acc_bits(self) -> int:
        """Bits of a sum over all terms: of unsigned distances and a sign, or of signed products."""
        product = self.bits + 1 if self.kind.adds or self.w_bits == 1 else self.bits + self.w_bits
        return product + clog2(self.terms)

    @property
    def x_width(self) -> int:
        """Bits of the port x."""
        return self.simd * self.bits

    @property
    def w_width(self) -> int:
        """Bits of the port w."""
        return self.pe * self.simd * self.w_bits

    @property
    def acc_width(self) -> int:
        """Bits of the port acc."""
        return self.pe * self.acc_bits


_ARRAY = """`default_nettype none
// {pe} x {simd} lanes ({title}), their trees and accumulators. valid comes with the sums, first
// a clock before.
module {name} (
    input  wire clk,
    input  wire ce,
    input  wire valid,
    input  wire first,
    input  wire [{x_msb}:0] x,
    input  wire [{w_msb}:0] w,
    output wire [{acc_msb}:0] acc
);
    wire [{pe}*{s}-1:0] sum;
    wire [{pe}-1:0] carry;
{no_carry}{ahead}{rows}
    gw_accumulator #(
        .PE({pe}), .SUM_BITS({s}), .SIGNED({signed}), .CARRY({carry}), .ACC_BITS({acc})
    ) sums (
        .clk(clk), .rst(1'b0), .ce(ce), .soon(1'b0), .valid(valid), .next_first(first), .sum(sum),
        .carry(carry), .data(acc));
endmodule
`default_nettype wire
"""

_ROUTABLE = """`default_nettype none
// {array} between shift registers: operands come in, sums go out, a bit a clock.
module {name} (
    input  wire clk,
    input  wire d,
    output wire q
);
    reg  [{feed_msb}:0] feed_q;
    reg  [{acc_msb}:0]  fold_q;
    (* keep *) wire [{acc_msb}:0] acc;  // by this name in the netlist
    always @(posedge clk) begin
        feed_q <= {{feed_q[{feed_msb}-1:0], d}};
        fold_q <= {{fold_q[{acc_msb}-1:0], 1'b0}} ^ acc;
    end
    assign q = fold_q[{acc_msb}];
    {array} measured (
        .clk(clk), .ce(feed_q[0]), .valid(feed_q[1]), .first(feed_q[2]), .x(feed_q[3 +: {x_width}]),
        .w(feed_q[3 + {x_width} +: {w_width}]), .acc(acc));
endmodule
`default_nettype wire
"""


def array(a: Array) -> str:
    """The module ARRAY."""
    fields = {"pe": a.pe, "simd": a.simd, "x": a.bits, "w": a.w_bits, "s": a.sum_bits}
    rows = "".join(a.kind.row.format(**fields, i=i) for i in range(a.pe))
    return _ARRAY.format(
        name=ARRAY, title=a.kind.title, **fields, x_msb=a.x_width - 1, w_msb=a.w_width - 1,
        acc=a.acc_bits, acc_msb=a.acc_width - 1, carry=int(a.kind.carry), signed=int(a.kind.signed),
        rows=rows, ahead=a.kind.ahead.format(**fields),
        no_carry="" if a.kind.carry else f"    assign carry = {{{a.pe}{{1'b0}}}};\n",
    )  # fmt: skip


def routable(a: Array) -> str:
    """The module ROUTABLE, which has an instance ``measured`` of ARRAY."""
    return _ROUTABLE.format(
        name=ROUTABLE, array=ARRAY, x_width=a.x_width, w_width=a.w_width,
        feed_msb=a.x_width + a.w_width + 2, acc_msb=a.acc_width - 1,
    )  # fmt: skip
