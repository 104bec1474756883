"""Adder lanes proved by SAT equal to -sum |x - w|: widths 2 to 8, 1 to 8 terms, both signs.

A sum of many |x - w| is too hard to prove at once, so it is done in two steps, each for every input: a term
is -|x - w|, and a lane of any number of terms is the sum of such terms. For lanes in cells of a family, of
which small ones are proved as a whole as well, there is a third step: each module that has a form in cells is
equal to it (test_formal_twins.py), at all the sizes that are in these lanes.
"""

import itertools
import json
from collections.abc import Iterable

import pytest

import test_formal_twins as twins
from formal_bench import with_fault
from formal_cells import module, part, proved, sources
from gatewright.hw.flow import tools

# Bits and terms. What few of each do not find is for the whole grid.
GRID = list(itertools.product(range(2, 9), range(1, 9)))
FEW = [(bits, 1) for bits in range(2, 9)] + [(bits, n) for bits in (2, 5) for n in (2, 3, 5, 8)]
SMALL = [(bits, n) for bits in (2, 3) for n in (1, 2, 3, 5)]


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
            f"wire signed [{wide - 1}:0] d{at}i{i} = {a} < {b} ? {a} - {b} : {b} - {a};",
            f"always @* assert (t{at}i{i} + $signed({{1'b0, one{at}i{i}}}) == d{at}i{i});",
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


def minimum_sum(at: str, n: int, bits: int, signed: bool) -> tuple[str, str]:
    """A lane of n terms is twice the sum of minima, and what is shared is minus the sum of x and 1; of signed
    weights' codes, those of w + 2**(bits - 1)."""
    wide = bits + (n - 1).bit_length() + 1
    lane = f".clk(clk), .ce(1'b1), .x(x{at}), "
    lines = [
        f"wire [{wide - 1}:0] sum{at};",
        f"wire [{wide - 1}:0] less{at};",
        "gw_lane_minimum #(",
        f"    .SIMD({n}), .BITS({bits}), .W_BITS({bits}), .W_SIGNED({int(signed)})) lane{at} (",
        f"    {lane}.w(w{at}), .less(any{at}), .sum(sum{at}));",
        f"gw_minus_sum #(.SIMD({n}), .BITS({bits})) minus{at} ({lane}.less(less{at}));",
    ]
    parts = [[f"{v}{at}[{i * bits} +: {bits}]" for v in "xw"] for i in range(n)]
    for i, (a, code) in enumerate(parts):
        b = f"({code} ^ {bits}'d{int(signed) << (bits - 1)})"
        lines.append(f"wire signed [{wide - 1}:0] m{at}i{i} = {a} < {b} ? {a} : {b};")
        lines.append(f"wire signed [{wide - 1}:0] x{at}i{i} = {a};")
        lines.append(f"wire signed [{wide - 1}:0] w{at}i{i} = {b};")
        distance = f"(x{at}i{i} < w{at}i{i} ? w{at}i{i} - x{at}i{i} : x{at}i{i} - w{at}i{i})"
        lines.append(f"always @* assert ((m{at}i{i} << 1) - x{at}i{i} - w{at}i{i} == -{distance});")
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
            made += [adder_sum(f"{a}n{n}s{int(s)}", n, a, s) for s in (False, True)]
    return module(made)


def minimum_proof(sizes: Iterable[tuple[int, int]]) -> str:
    """gw_lane_minimum, likewise."""
    made = []
    for a, n in sizes:
        if n == 1:
            for b, s in itertools.product({a, 2}, (0, 1)):
                made.append(one_term(f"{a}_{b}_{s}", a, b, s, s, minimum(f"{a}_{b}_{s}", a, b, bool(s))))
        else:
            made += [minimum_sum(f"{a}n{n}s{int(s)}", n, a, s) for s in (False, True)]
    return module(made)


LANES = {"adder": adder_proof, "minimum": minimum_proof}
# The lanes' modules in cells.
CELLS = {"adder": "ecp5", "minimum": "xc7"}
each_size = pytest.mark.parametrize(
    ("bits", "terms"),
    [pytest.param(*size, marks=[] if size in FEW else [pytest.mark.slow]) for size in GRID],
)


@each_size
@pytest.mark.parametrize("lane", LANES)
def test_lanes_give_distances(lane, bits, terms, tmp_path):
    """Every width with every number of terms, both signs."""
    text = LANES[lane]([(bits, terms)])
    assert proved(text, sources(text, ""), "", tmp_path)


@pytest.mark.parametrize("lane", LANES)
def test_lanes_in_cells_are_of_proved_modules(lane, tmp_path):
    """Whatever has a form of cells in any lane of the grid is proved at that size."""
    text = LANES[lane](GRID)
    files = sources(text, "")
    for name, source in {**files, "proof.v": text}.items():
        (tmp_path / name).write_text(source)
    script = (
        f"read_verilog -formal -defer {' '.join(files)} proof.v; hierarchy -check -top proof; proc; "
        "write_json modules.json"
    )
    tools.run(tools.find("yosys"), ["-q", "-p", script], tmp_path)
    found = []
    for name, made in json.loads((tmp_path / "modules.json").read_text())["modules"].items():
        given = {key: int(value, 2) for key, value in made.get("parameter_default_values", {}).items()}
        plain = made["attributes"].get("hdlname", name).removeprefix("\\")
        if f"{plain}.v" in files and sources(plain, CELLS[lane])[f"{plain}.v"] != files[f"{plain}.v"]:
            found.append((plain, given))
    proven = [
        (name, {"BITS": bits, **params})
        for name, twin in twins.TWINS.items()
        if CELLS[lane] in twin.families
        for bits in twins.WIDTHS
        for params in twin.params(bits)
    ]
    assert len(found) > 6
    assert [module for module in found if module not in proven] == []


@pytest.mark.parametrize("lane", LANES)
def test_lanes_in_cells_give_distances(lane, tmp_path):
    """As a whole, of a few bits."""
    text = LANES[lane](SMALL)
    assert proved(text, sources(text, CELLS[lane]), CELLS[lane], tmp_path)


FAULTS = {
    "sign": ("adder", "assign flip[i] = p_q[D];", "assign flip[i] = p_q[D-1];"),
    "one": ("adder", "ones_q[i] <= flip[2*i+1]", "ones_q[i] <= flip[2*i]"),
    "left-out bit": ("adder", "SIGNED == 2 ? 1'b1", "SIGNED == 2 ? 1'b0"),
    "order": ("minimum", "y[i*TO +: TO] = wide ^ ", "y[i*TO +: TO] = wide | "),
    "third term": ("minimum", "N % 3 == 2", "N % 3 == 0"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_faults_are_found(name, tmp_path):
    """In the logic of lanes."""
    lane, right, wrong = FAULTS[name]
    text = LANES[lane](SMALL)
    assert not proved(text, with_fault(sources(text, ""), right, wrong), "", tmp_path)
