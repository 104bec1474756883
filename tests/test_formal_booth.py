"""The multiplier in LUTs of six inputs, proved by SAT: rows, also in Xilinx cells, and sums of products."""

import itertools

import pytest

from formal_bench import with_fault
from formal_cells import module, part, proved, sources

_ROW = """
    wire [{bits}+1:0] y{at};
    wire signed [{bits}+1:0] x_{at} = {x};
    wire signed [{bits}+1:0] below_{at} = $signed(b{at});
    wire [{bits}+1:0] once{at} = h{at} && m{at} && l{at} ? 0 : h{at} && !m{at} && !l{at} ? -2 * x_{at}
        : h{at} ? -x_{at} : m{at} && l{at} ? 2 * x_{at} : m{at} || l{at} ? x_{at} : 0;
    gw_booth_add #(.X_BITS({bits}), .X_SIGNED({signed}), .FLIP({flip})) dut{at} (
        .x(x{at}), .high(h{at}), .middle(m{at}), .low(l{at}), .below(b{at}), .sum(y{at}));
    wire [{bits}+1:0] sum{at} = below_{at} + once{at};
    always @* assert (y{at} == {{sum{at}[{bits}+1] ^ {flip} != 0, sum{at}[{bits}:0]}});
"""
_LANE = """
    wire [{total}-1:0] sum{at};
    gw_lane_booth #(.SIMD({n}), .X_BITS({x}), .X_SIGNED({signed}), .W_BITS({w})) lane{at} (
        .clk(clk), .ce(1'b1), .x(x{at}), .w(w{at}), .sum(sum{at}));
    wire [{total}-1:0] wanted{at} = {products} + {n} * (1 << {flipped});
    always @* assert (sum{at} == wanted{at});
"""


def rows() -> str:
    """gw_booth_add of 1 to 8 bits."""
    made = []
    for bits, signed, flip in itertools.product(range(1, 9), (0, 1), (0, 1)):
        at = f"{bits}{signed}{flip}"
        x = part(f"x{at}", 0, bits, bits + 2, bool(signed))
        ports = [f"input wire [{bits - 1}:0] {v}{at}" for v in "xb"] + [f"input wire {v}{at}" for v in "hml"]
        made.append((", ".join(ports), _ROW.format(at=at, bits=bits, signed=signed, flip=flip, x=x)))
    return module(made)


def lanes(sizes) -> str:
    """gw_lane_booth of sizes (terms, bits of x, bits of w)."""
    made = []
    for (n, x, w), signed in itertools.product(sizes, (0, 1)):
        at = f"{n}_{x}_{w}_{signed}"
        bits = x + 2 * ((w + 1) // 2)
        total = bits + (n - 1).bit_length()
        products = [
            f"{part(f'x{at}', i, x, total + 1, bool(signed))} * {part(f'w{at}', i, w, total + 1, True)}"
            for i in range(n)
        ]
        text = _LANE.format(
            at=at, n=n, x=x, w=w, signed=signed, total=total, products=" + ".join(products), flipped=bits - 1
        )
        made.append((f"input wire [{n * x - 1}:0] x{at}, input wire [{n * w - 1}:0] w{at}", text))
    return module(made)


SIZES = [(1, 1, 1), (1, 4, 4), (1, 3, 5), (1, 5, 3), (2, 2, 3), (3, 2, 2), (4, 2, 1)]


@pytest.mark.parametrize("family", ["", "xc7"])
def test_rows(family, tmp_path):
    """Every multiple of every x and what is below it."""
    text = rows()
    files = sources(text, family)
    assert ("CARRY4" in files["gw_booth_add.v"]) == (family == "xc7")
    assert proved(text, files, family, tmp_path)


def test_lanes(tmp_path):
    """Products of odd and even widths, and sums of them."""
    text = lanes(SIZES)
    assert proved(text, sources(text, ""), "", tmp_path)


FAULTS = {
    "multiple": ("rows", "", "middle ^ low ? once", "middle | low ? once"),
    "cell": ("rows", "xc7", "64'h03A5_A5CF_FC5A_5A30", "64'h03A5_A5CF_FC5A_5A31"),
    "digit": ("lanes", "", "w_i[2*d-1 +: 3]", "w_i[2*d-2 +: 3]"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_faults_are_found(name, tmp_path):
    """In a multiple, in a cell, and in where a digit lies."""
    what, family, right, wrong = FAULTS[name]
    text = rows() if what == "rows" else lanes(SIZES[:4])
    assert not proved(text, with_fault(sources(text, family), right, wrong), family, tmp_path)
