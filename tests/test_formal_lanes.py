"""Multiply lanes proved equal to a sum of products, for every x, every w and every stall."""

import pytest

from formal_bench import holds, with_fault
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


_SUM = """module proof (
    input wire clk,
    input wire ce,
    input wire [{x_bits}-1:0] x,
    input wire [{m_bits}-1:0] m,
    input wire [{y_bits}-1:0] b
);
    wire [{y_bits}-1:0] y;
    gw_multiply_add #(
        .X_BITS({x_bits}), .X_SIGNED({signed}), .X_LOW({x_low}), .M_BITS({m_bits}), .M_LOW({m_low}),
        .Y_BITS({y_bits})
    ) dut (.clk(clk), .ce(ce), .x(x), .m(m), .b(b), .y(y));
    reg [2:0] age = 3'd0;
    reg [{y_bits}-1:0] product;
    reg [{y_bits}-1:0] sum;
    reg [{y_bits}-1:0] late;
    wire signed [15:0] x_wide = {{{{{x_more}{{{x_top}}}}}, x}};
    wire signed [15:0] m_wide = {{{{{m_more}{{m[{m_bits}-1]}}}}, m}};
    always @(posedge clk) begin
        if (ce) begin
            product <= x_wide * m_wide;
            sum <= product + b;
            late <= sum;
            if (age < {latency}) age <= age + 3'd1;
        end
        if (age == {latency}) assert (y == {wanted});
    end
endmodule
"""


def multiply_add(x_bits: int, x_low: int, m_bits: int, m_low: int, signed: bool, y_bits: int) -> str:
    """gw_multiply_add: m*x + b, the product a clock before b."""
    latency = 3 if x_low or m_low else 2
    return _SUM.format(
        x_bits=x_bits, x_low=x_low, m_bits=m_bits, m_low=m_low, signed=int(signed), y_bits=y_bits,
        x_more=16 - x_bits, m_more=16 - m_bits, x_top=f"x[{x_bits - 1}]" if signed else "1'b0",
        latency=latency, wanted="late" if latency == 3 else "sum",
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


@both_signs
@pytest.mark.parametrize(
    ("x_bits", "x_low", "m_bits", "m_low", "y_bits"),
    [(4, 0, 3, 0, 8), (4, 2, 3, 0, 8), (3, 0, 4, 3, 9), (4, 2, 4, 2, 8), (5, 3, 4, 1, 10), (3, 1, 3, 1, 4)],
)
def test_multiply_add(x_bits, x_low, m_bits, m_low, signed, y_bits, tmp_path):
    """Whole, cut in x, in m, in both alike or not, and modulo fewer bits than the product has."""
    text = multiply_add(x_bits, x_low, m_bits, m_low, signed, y_bits)
    assert holds(text, sources("gw_multiply_add"), 6, tmp_path)


FAULTS = {
    "sign": ("gw_lane_multiply", multiply(1, 3, 3, True), "(X_SIGNED != 0) & x[", "(X_SIGNED == 0) & x["),
    "tree": ("gw_lane_multiply", multiply(2, 2, 2, True), "= a + b;", "= a | b;"),
    "top digit": ("gw_lane_digit", digits(2, 3, 3, True), "<= (d == 0) & digit[1];", "<= 1'b0;"),
    "borrow": ("gw_lane_pair", pair(1, 2, 2, True), "low_q[i*K + K - 1]", "1'b0"),
    "minus": ("gw_lane_sign", signs(2, 3, True), "minus_q <= ~s", "minus_q <= s"),
    "place": ("gw_multiply_add", multiply_add(5, 3, 4, 1, True, 10), "x_low_y << M_LOW", "x_low_y << X_LOW"),
    "part": ("gw_multiply_add", multiply_add(4, 2, 4, 2, True, 8), ") | low_y;", ");"),
    "clock": ("gw_multiply_add", multiply_add(4, 2, 3, 0, False, 8), "sum_q + cross_q", "sum_q + x_low_y"),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_faults_are_found(name, tmp_path):
    """A product's sign, a sum, carries and borrows, and where parts of a product meet."""
    module, text, right, wrong = FAULTS[name]
    assert not holds(text, with_fault(sources(module), right, wrong), 7, tmp_path)
