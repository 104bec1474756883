"""Multiply lanes proved equal to a sum of products, for every x, every w and every stall."""

import pytest

from formal_bench import holds
from gatewright.hw import library

# Operands go in with ce, and LATENCY enabled clocks later the sum must be theirs.
_LANE = """module proof (
    input wire clk,
    input wire ce,
    input wire [{n}*{x_bits}-1:0] x,
    input wire [{n}*{w_bits}-1:0] w
);
    wire signed [{sum_bits}-1:0] sum;
    wire carry;
    {module} #({params}) dut (.clk(clk), .ce(ce), {ports});
    {wires}
    reg [3:0] age = 4'd0;
    reg [{latency}*{n}*{x_bits}-1:0] xs;
    reg [{latency}*{n}*{w_bits}-1:0] ws;
    wire [{n}*{x_bits}-1:0] old_x = xs[({latency}-1)*{n}*{x_bits} +: {n}*{x_bits}];
    wire [{n}*{w_bits}-1:0] old_w = ws[({latency}-1)*{n}*{w_bits} +: {n}*{w_bits}];
    {terms}
    always @(posedge clk) begin
        if (ce) begin
            xs <= {{xs, x}};
            ws <= {{ws, w}};
            if (age < {latency}) age <= age + 4'd1;
        end
        if (age == {latency}) assert ($signed({total}) == {wanted});
    end
endmodule
"""


def lane_proof(
    module, n, x_bits, w_bits, signed, latency, params, ports, term, *, carry, wires="", narrower=0
) -> str:
    """The proof that a lane's sum is that of ``term`` of each element {i}'s a (x) and b (w)."""
    sum_bits = x_bits + w_bits + (n - 1).bit_length() - narrower
    terms = []
    for i in range(n):
        code = f"old_x[{i * x_bits} +: {x_bits}]"
        top = f"old_x[{(i + 1) * x_bits - 1}]" if signed else "1'b0"
        w_code, w_top = f"old_w[{i * w_bits} +: {w_bits}]", f"old_w[{(i + 1) * w_bits - 1}]"
        terms += [
            f"wire signed [15:0] a{i} = {{{{{16 - x_bits}{{{top}}}}}, {code}}};",
            f"wire signed [15:0] b{i} = {{{{{16 - w_bits}{{{w_top}}}}}, {w_code}}};",
            f"wire signed [15:0] term{i} = {term.format(i=i)};",
        ]
    return _LANE.format(
        module=module, n=n, x_bits=x_bits, w_bits=w_bits, latency=latency, params=params, ports=ports,
        wires=wires, terms="\n    ".join(terms), wanted=" + ".join(f"term{i}" for i in range(n)),
        sum_bits=sum_bits, total="16'sd0 + sum" + (" + $signed({1'b0, carry})" if carry else ""),
    )  # fmt: skip


def sources(module: str) -> dict[str, str]:
    """The module's file and all below it."""
    text = (library.RTL / f"{module}.v").read_text()
    return {name: path.read_text() for name, path in library.closure([text, module]).items()}


def multiply(n: int, x_bits: int, w_bits: int, signed: bool) -> str:
    """gw_lane_multiply."""
    params = f".SIMD({n}), .X_BITS({x_bits}), .X_SIGNED({int(signed)}), .W_BITS({w_bits})"
    ports = ".x(x), .w(w), .sum(sum)"
    latency = 1 + (n - 1).bit_length()
    return lane_proof(
        "gw_lane_multiply", n, x_bits, w_bits, signed, latency, params, ports, "a{i} * b{i}", carry=False
    )  # fmt: skip


_PAIR = """module proof (
    input wire clk,
    input wire ce,
    input wire [{n}*{x_bits}-1:0] x,
    input wire [{n}*{w_bits}-1:0] w0,
    input wire [{n}*{w_bits}-1:0] w1
);
    wire signed [{sum_bits}-1:0] sum0;
    wire signed [{sum_bits}-1:0] sum1;
    wire carry1;
    gw_lane_pair #(.SIMD({n}), .X_BITS({x_bits}), .X_SIGNED({signed}), .W_BITS({w_bits})) dut (
        .clk(clk), .ce(ce), .x(x), .w0(w0), .w1(w1), .sum0(sum0), .sum1(sum1), .carry1(carry1));
    reg [3:0] age = 4'd0;
    reg [{latency}*16-1:0] wanted0;
    reg [{latency}*16-1:0] wanted1;
    {terms}
    always @(posedge clk) begin
        if (ce) begin
            wanted0 <= {{wanted0, now0}};
            wanted1 <= {{wanted1, now1}};
            if (age < {latency}) age <= age + 4'd1;
        end
        if (age == {latency}) begin
            assert (16'sd0 + sum0 == $signed(wanted0[({latency}-1)*16 +: 16]));
            assert (16'sd0 + sum1 + $signed({{1'b0, carry1}}) == $signed(wanted1[({latency}-1)*16 +: 16]));
        end
    end
endmodule
"""


def pair(n: int, x_bits: int, w_bits: int, signed: bool) -> str:
    """gw_lane_pair: two sums of products, for all codes of both weights."""

    def number(name: str, i: int, bits: int, is_signed: bool) -> str:
        top = f"{name}[{(i + 1) * bits - 1}]" if is_signed else "1'b0"
        return f"$signed({{{{{16 - bits}{{{top}}}}}, {name}[{i * bits} +: {bits}]}})"

    terms = []
    for i in range(n):
        terms += [
            f"wire signed [15:0] a{i} = {number('x', i, x_bits, signed)};",
            f"wire signed [15:0] b{i} = {number('w0', i, w_bits, True)};",
            f"wire signed [15:0] c{i} = {number('w1', i, w_bits, True)} + (b{i} < 0 ? 16'sd1 : 16'sd0);",
        ]
    terms += [
        f"wire signed [15:0] now{row} = {' + '.join(f'a{i} * {w}{i}' for i in range(n))};"
        for row, w in enumerate("bc")
    ]
    more = (n - 1).bit_length()
    return _PAIR.format(
        n=n, x_bits=x_bits, w_bits=w_bits, signed=int(signed), sum_bits=x_bits + w_bits + more,
        latency=1 + more, terms="\n    ".join(terms),
    )  # fmt: skip


def digits(n: int, x_bits: int, w_bits: int, signed: bool) -> str:
    """gw_lane_digit with the triples that its caller makes."""
    params = f".SIMD({n}), .X_BITS({x_bits}), .X_SIGNED({int(signed)}), .W_BITS({w_bits})"
    triples = []
    for i in range(n):
        top = f"x[{(i + 1) * x_bits - 1}]" if signed else "1'b0"
        wide = f"{{{{2{{{top}}}}}, x[{i * x_bits} +: {x_bits}]}}"
        triples.append(f"wire [{x_bits + 1}:0] x3_{i} = 3 * {wide};")
    joined = ", ".join(f"x3_{i}" for i in reversed(range(n)))
    ports = f".x(x), .w(w), .x3({{{joined}}}), .sum(sum), .carry(carry)"
    latency = 1 + (n - 1).bit_length() + (w_bits + 1) // 2 - 1
    return lane_proof(
        "gw_lane_digit", n, x_bits, w_bits, signed, latency, params, ports, "a{i} * b{i}", carry=True,
        wires="\n    ".join(triples),
    )  # fmt: skip


def signs(n: int, x_bits: int, signed: bool) -> str:
    """gw_lane_sign: w is one bit, 1 for +1."""
    params = f".SIMD({n}), .V_BITS({x_bits}), .V_SIGNED({int(signed)})"
    latency = 1 + (n - 1).bit_length()
    return lane_proof(
        "gw_lane_sign", n, x_bits, 1, signed, latency, params, ".v(x), .s(w), .sum(sum), .carry(carry)",
        "(b{i}[0] ? a{i} : -a{i})", carry=True, narrower=int(signed),
    )  # fmt: skip


both_signs = pytest.mark.parametrize("signed", [False, True], ids=["unsigned", "signed"])


@both_signs
@pytest.mark.parametrize(("n", "x_bits", "w_bits"), [(1, 4, 4), (3, 2, 2)])
def test_multiply(n, x_bits, w_bits, signed, tmp_path):
    assert holds(multiply(n, x_bits, w_bits, signed), sources("gw_lane_multiply"), 5, tmp_path)


@both_signs
@pytest.mark.parametrize(("n", "x_bits", "w_bits"), [(1, 3, 3), (1, 4, 2), (1, 1, 1), (2, 2, 2), (3, 1, 2)])
def test_pair(n, x_bits, w_bits, signed, tmp_path):
    """Two products of one multiplication, and what the lower one borrows."""
    assert holds(pair(n, x_bits, w_bits, signed), sources("gw_lane_pair"), 5, tmp_path)


@both_signs
@pytest.mark.parametrize(("n", "x_bits", "w_bits"), [(1, 4, 5), (2, 2, 3), (1, 3, 6), (3, 2, 1)])
def test_digits(n, x_bits, w_bits, signed, tmp_path):
    """The multiplier without "*", odd and even widths of weights, its carry included."""
    assert holds(digits(n, x_bits, w_bits, signed), sources("gw_lane_digit"), 6, tmp_path)


@both_signs
@pytest.mark.parametrize(("n", "x_bits"), [(1, 5), (3, 3)])
def test_signs(n, x_bits, signed, tmp_path):
    assert holds(signs(n, x_bits, signed), sources("gw_lane_sign"), 6, tmp_path)


def test_a_fault_in_the_digits_is_found(tmp_path):
    """Without the carry of its top digit the proof fails."""
    broken = sources("gw_lane_digit")
    text = broken["gw_lane_digit.v"]
    assert "minus_q[i] <= (d == 0) & digit[1];" in text
    broken["gw_lane_digit.v"] = text.replace("minus_q[i] <= (d == 0) & digit[1];", "minus_q[i] <= 1'b0;")
    assert not holds(digits(2, 3, 3, True), broken, 7, tmp_path)


def test_a_fault_in_the_pair_is_found(tmp_path):
    """Without what the lower product borrows the proof fails."""
    broken = sources("gw_lane_pair")
    text = broken["gw_lane_pair.v"]
    assert "low_q[i*K + K - 1]" in text
    broken["gw_lane_pair.v"] = text.replace("low_q[i*K + K - 1]", "1'b0")
    assert not holds(pair(1, 2, 2, True), broken, 4, tmp_path)
