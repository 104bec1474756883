"""Adder lanes proved by SAT equal to -sum |x - w|: widths 2 to 8, up to 8 terms, portable and in cells.

Registers are taken out, so that a proof is of one function of x and w; that lanes stand still together is for
simulation. A sum of many |x - w| is too hard to prove at once, so it is done in two steps, each for every
input: one term is -|x - w|, and a lane of any number of terms is their sum. A family's forms of modules are
proved equal to the portable ones, and so the lanes made of them, of which some are proved as a whole as well.
"""

import itertools
from collections.abc import Iterable

import pytest

from formal_bench import with_fault
from gatewright.errors import ToolError
from gatewright.hw import library
from gatewright.hw.flow import tools

# Bits and terms: every width, every number of terms, and the most of both.
WIDTHS, FEW = range(2, 9), (1, 2, 3, 5)
SIZES = {
    "one term": [(bits, 1) for bits in WIDTHS],
    "widths": [(bits, 3) for bits in WIDTHS],
    "trees": [(2, n) for n in range(2, 9)],
    "most": [(8, 8)],
}
SMALL = [(bits, n) for bits in (2, 3) for n in FEW]
# Module for a register: what goes in comes out.
_THROUGH = """(* techmap_celltype = "$dff" *) module _80_through (CLK, D, Q);
    parameter WIDTH = 1;
    parameter CLK_POLARITY = 1;
    input CLK;
    input [WIDTH-1:0] D;
    output [WIDTH-1:0] Q;
    assign Q = D;
endmodule
"""
# Yosys's own models of the cells in the twins.
_CELLS = {"": "", "ecp5": "ecp5/cells_sim.v", "xc7": "xilinx/cells_sim.v"}


def part(name: str, i: int, bits: int, to: int, signed: bool) -> str:
    """Element ``i`` of a vector as a signed number of ``to`` bits."""
    top = f"{name}[{(i + 1) * bits - 1}]" if signed else "1'b0"
    return f"$signed({{{{{to - bits}{{{top}}}}}, {name}[{i * bits} +: {bits}]}})"


def summed(
    terms: list[str], most: int, bits: int, ones: list[str] | None = None
) -> tuple[list[str], str, str]:
    """Verilog that adds ``terms`` ``most`` at a time, as the lanes' trees do, with the ``ones`` of pairs in
    their adders; its lines, the sum, and the one that is left."""
    lines, count = [], 0
    ones = ones or []
    while len(terms) > 1:
        rest = []
        for k in range(0, len(terms), most):
            group = terms[k : k + most]
            name = f"{terms[0].split('_')[0]}_{count}"
            count += 1
            carry = [ones[k]] if ones and len(group) == 2 else []
            lines.append(f"wire signed [{bits - 1}:0] {name} = {' + '.join([*group, *carry])};")
            rest.append(name)
        ones = [ones[min(k + 1, len(terms) - 1)] for k in range(0, len(terms), 2)] if ones else []
        terms = rest
    return lines, terms[0], ones[0] if ones else ""


def one_term(at: str, x_bits: int, w_bits: int, x_signed: bool, w_signed: bool, lane: str) -> tuple[str, str]:
    """Ports and text of a proof that a lane of one term is -|x - w|."""
    bits = max(x_bits, w_bits) + 3
    sides = (part(f"x{at}", 0, x_bits, bits, x_signed), part(f"w{at}", 0, w_bits, bits, w_signed))
    text = (
        lane
        + f"""
    wire signed [{bits - 1}:0] a{at} = {sides[0]};
    wire signed [{bits - 1}:0] b{at} = {sides[1]};
    always @* assert (total{at} == (a{at} < b{at} ? a{at} - b{at} : b{at} - a{at}));
"""
    )
    return f"input wire [{x_bits - 1}:0] x{at}, input wire [{w_bits - 1}:0] w{at}", text


def adder(at: str, n: int, x_bits: int, w_bits: int, x_signed: bool, w_signed: bool) -> str:
    """gw_lane_adder and its total."""
    signs = 0 if x_signed == w_signed else 1
    bits = max(x_bits + (signs and not x_signed), w_bits + (signs and not w_signed))
    return f"""
    wire signed [{bits + (n - 1).bit_length()}:0] sum{at};
    wire carry{at};
    gw_lane_adder #(
        .SIMD({n}), .X_BITS({x_bits}), .X_SIGNED({int(x_signed)}), .W_BITS({w_bits}),
        .W_SIGNED({int(w_signed)})
    ) lane{at} (.clk(clk), .ce(1'b1), .x(x{at}), .w(w{at}), .sum(sum{at}), .carry(carry{at}));
    wire signed [31:0] total{at} = sum{at} + $signed({{1'b0, carry{at}}});
"""


def adder_sum(at: str, n: int, bits: int, signed: bool) -> tuple[str, str]:
    """A lane of n terms is the sum of what lanes of one term give."""
    wide = bits + 6
    lines, terms, ones = [], [], []
    for i in range(n):
        a, b = (part(f"{v}{at}", i, bits, wide, signed) for v in "xw")
        lines += [
            f"wire signed [{wide - 1}:0] p{at}i{i} = {a} - {b};",
            f"wire one{at}i{i} = !p{at}i{i}[{wide - 1}];",
            f"wire signed [{wide - 1}:0] t{at}i{i} = one{at}i{i} ? ~p{at}i{i} : p{at}i{i};",
        ]
        terms.append(f"t{at}i{i}")
        ones.append(f"$signed({{1'b0, one{at}i{i}}})")
    more, total, one = summed(terms, 2, wide, ones)
    text = adder(at, n, bits, bits, signed, signed) + "\n    ".join(lines + more)
    text += f"\n    always @* assert (total{at} == {total} + {one});\n"
    return f"input wire [{n * bits - 1}:0] x{at}, input wire [{n * bits - 1}:0] w{at}", text


def minimum(at: str, bits: int, w_bits: int, signed: bool) -> str:
    """gw_lane_minimum of one term with what it needs beside, and the total with its bias."""
    weight = part(f"w{at}", 0, w_bits, bits + 3, signed) + f" + {1 << (bits - 1)}" * signed
    return f"""
    wire [{bits - 1}:0] order{at};
    wire [{bits}:0] less{at};
    wire signed [{bits}:0] sum{at};
    gw_ordered #(.N(1), .FROM({bits}), .TO({bits}), .SIGNED({int(signed)})) ordered{at} (
        .a(x{at}), .y(order{at}));
    gw_minus_sum #(.SIMD(1), .BITS({bits})) minus{at} (
        .clk(clk), .ce(1'b1), .x(order{at}), .less(less{at}));
    gw_lane_minimum #(.SIMD(1), .BITS({bits}), .W_BITS({w_bits}), .W_SIGNED({int(signed)})) lane{at} (
        .clk(clk), .ce(1'b1), .x(order{at}), .w(w{at}), .less(less{at}), .sum(sum{at}));
    wire signed [{bits + 2}:0] v{at} = {weight};
    wire signed [31:0] total{at} = sum{at} + 1 - v{at};
"""


def minimum_sum(at: str, n: int, bits: int) -> tuple[str, str]:
    """A lane of n terms is twice the sum of minima, and what is shared is minus the sum of x and 1."""
    wide = bits + (n - 1).bit_length() + 1
    lane = f".clk(clk), .ce(1'b1), .x(x{at}), "
    lines = [
        f"wire [{wide - 1}:0] sum{at};",
        f"wire [{wide - 1}:0] less{at};",
        f"gw_lane_minimum #(.SIMD({n}), .BITS({bits}), .W_BITS({bits}), .W_SIGNED(0)) lane{at} (",
        f"    {lane}.w(w{at}), .less(any{at}), .sum(sum{at}));",
        f"gw_minus_sum #(.SIMD({n}), .BITS({bits})) minus{at} ({lane}.less(less{at}));",
    ]
    parts = [[f"{v}{at}[{i * bits} +: {bits}]" for v in "xw"] for i in range(n)]
    for i, (a, b) in enumerate(parts):
        lines.append(f"wire signed [{wide - 1}:0] m{at}i{i} = {a} < {b} ? {a} : {b};")
        lines.append(f"wire signed [{wide - 1}:0] x{at}i{i} = {a};")
    totals = []
    for name in "mx":
        more, total, _ = summed([f"{name}{at}i{i}" for i in range(n)], 3, wide)
        lines += more
        totals.append(total)
    lines.append(f"always @* assert (sum{at} == ({totals[0]} << 1) + any{at});")
    lines.append(f"always @* assert (less{at} == ~{totals[1]});")
    ports = f"input wire [{n * bits - 1}:0] x{at}, input wire [{n * bits - 1}:0] w{at}"
    return f"{ports}, input wire [{wide - 1}:0] any{at}", "\n    ".join(["", *lines, ""])


def adder_proof(sizes: Iterable[tuple[int, int]]) -> str:
    """gw_lane_adder of some widths and numbers of terms; one term also of operands unlike each other."""
    made = []
    for a, n in sizes:
        if n == 1:
            for b, s, t in itertools.product({a, 5}, (0, 1), (0, 1)):
                at = f"{a}_{b}_{s}{t}"
                made.append(one_term(at, a, b, s, t, adder(at, 1, a, b, s, t)))
        else:
            signs = (False, True) if n == 3 else (False,)
            made += [adder_sum(f"{a}n{n}s{int(s)}", n, a, s) for s in signs]
    return module(made)


def minimum_proof(sizes: Iterable[tuple[int, int]]) -> str:
    """gw_lane_minimum, likewise."""
    made = []
    for a, n in sizes:
        if n == 1:
            for b, s in itertools.product({a, 2}, (0, 1)):
                made.append(one_term(f"{a}_{b}_{s}", a, b, s, s, minimum(f"{a}_{b}_{s}", a, b, bool(s))))
        else:
            made.append(minimum_sum(f"{a}n{n}", n, a))
    return module(made)


# Modules that families have forms of: whose, ports, bits that are more than the operands', and what they give
# of numbers a, b, c and bits f, g, h.
TWINS = {
    "gw_flip_add": (
        "ecp5", ".a(a{n}), .flip_a(f{n}), .b(b{n}), .flip_b(g{n}), .carry(h{n}), .sum(y{n})", 1,
        "(f{n} ? ~{{1'b1, a{n}}} : {{1'b0, a{n}}}) + (g{n} ? ~{{1'b1, b{n}}} : {{1'b0, b{n}}}) + h{n}",
    ),
    "gw_minimum": ("xc7", ".a(a{n}), .b(b{n}), .y(y{n})", 0, "(a{n} < b{n} ? a{n} : b{n})"),
    "gw_add_three": ("xc7", ".a(a{n}), .b(b{n}), .c(c{n}), .sum(y{n})", 2, "a{n} + b{n} + c{n}"),
}  # fmt: skip


def twin_proof(name: str, widths: Iterable[int]) -> str:
    """A module by itself."""
    _, ports, more, wanted = TWINS[name]
    made = []
    for n in widths:
        operands = [f"input wire [{n - 1}:0] {v}{n}" for v in "abc"] + [f"input wire {v}{n}" for v in "fgh"]
        size = f".BITS({n})" + f", .OUT({n + 2})" * (name == "gw_add_three")
        text = f"""
    wire [{n + more - 1}:0] y{n};
    wire [{n + more - 1}:0] wanted{n} = {wanted.format(n=n)};
    {name} #({size}) dut{n} ({ports.format(n=n)});
    always @* assert (y{n} == wanted{n});
"""
        made.append((", ".join(operands), text))
    return module(made)


def module(made: list[tuple[str, str]]) -> str:
    """The module that all is proved of."""
    ports = ",\n    ".join(["input wire clk", *(ports for ports, _ in made)])
    return f"module proof (\n    {ports}\n);{''.join(text for _, text in made)}endmodule\n"


def sources(text: str, family: str) -> dict[str, str]:
    """The library's files of a proof in the family's form."""
    files = library.closure([text])
    return {name: (library.twin(name, family) or path).read_text() for name, path in files.items()}


def proved(text: str, files: dict[str, str], family: str, workdir) -> bool:
    """Whether no operands break an assertion."""
    for name, source in {**files, "proof.v": text, "through.v": _THROUGH}.items():
        (workdir / name).write_text(source)
    cells = f"read_verilog -overwrite +/{_CELLS[family]}; " if family else ""
    script = (
        f"{cells}read_verilog -formal -defer {' '.join(files)} proof.v; hierarchy -check -top proof; proc; "
        "flatten; opt_expr; opt_clean; techmap -map through.v; opt -full; chformal -lower; "
        "sat -verify -prove-asserts proof"
    )
    try:
        said = tools.run(tools.find("yosys"), ["-p", script], workdir)
    except ToolError as error:
        if "proof did fail" in str(error):
            return False
        raise
    assert "Import proof for assert" in said
    assert "SAT proof finished - no model found: SUCCESS" in said
    return True


LANES = {"adder": adder_proof, "minimum": minimum_proof}


@pytest.mark.slow
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("lane", LANES)
def test_lanes_give_distances(lane, size, tmp_path):
    """Widths, signs and numbers of terms."""
    text = LANES[lane](SIZES[size])
    assert proved(text, sources(text, ""), "", tmp_path)


@pytest.mark.parametrize("name", TWINS)
def test_forms_of_families_are_equal(name, tmp_path):
    """Of every width that a tree of such lanes has."""
    family, text = TWINS[name][0], twin_proof(name, range(1, 13))
    files = sources(text, family)
    assert "CARRY4" in files[f"{name}.v"] or "CCU2C" in files[f"{name}.v"]
    assert proved(text, files, family, tmp_path)


@pytest.mark.parametrize(("lane", "family"), [("adder", "ecp5"), ("minimum", "xc7")])
def test_lanes_in_cells_give_distances(lane, family, tmp_path):
    """As a whole, of a few bits."""
    text = LANES[lane](SMALL)
    assert proved(text, sources(text, family), family, tmp_path)


FAULTS = {
    "sign": ("adder", "", "assign flip[i] = p_q[D];", "assign flip[i] = p_q[D-1];"),
    "one": ("adder", "", "ones_q[i] <= flip[2*i+1]", "ones_q[i] <= flip[2*i]"),
    "left-out bit": ("adder", "", "SIGNED == 2 ? 1'b1", "SIGNED == 2 ? 1'b0"),
    "order": ("minimum", "", "y[i*TO +: TO] = wide ^ ", "y[i*TO +: TO] = wide | "),
    "third term": ("minimum", "", "N % 3 == 2", "N % 3 == 0"),
    "carry cell": ("gw_flip_add", "ecp5", ".INIT1(16'h6996)", ".INIT1(16'h6999)"),
    "carry in": ("gw_flip_add", "ecp5", "a, carry};", "a, 1'b0};"),
    "comparison": ("gw_minimum", "xc7", "64'h0000_9009_0000_4F04", "64'h0000_9009_0000_4F00"),
    "choice": ("gw_minimum", "xc7", "64'hF0F0_FF00_AAAA_CCCC", "64'hF0F0_FF00_AAAA_CCC8"),
    "majority": ("gw_add_three", "xc7", "64'h6996_6996_E8E8_E8E8", "64'h6996_6996_E8E8_E8E0"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_faults_are_found(name, tmp_path):
    """In the logic of lanes and in each kind of cell."""
    what, family, right, wrong = FAULTS[name]
    text = LANES[what](SMALL) if what in LANES else twin_proof(what, (2, 3, 5))
    assert not proved(text, with_fault(sources(text, family), right, wrong), family, tmp_path)
