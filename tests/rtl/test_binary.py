"""gw_binary against numpy: sums and products of all widths and constants, in values and clocks."""

import numpy as np
import pytest

from gatewright.compiler.ir.types import Int
from gatewright.hw.design import Stream
from gatewright.hw.rules.linear import signed_bits
from gatewright.hw.units.binary import BINARY, PRODUCT, SUM, digits
from ports_bench import run_ports
from stream_bench import complaint, lint, mapped, values

COUNT = 60


def side(x: Int, factor: int = 1, offset: int = 0) -> dict[str, int]:
    """The parameters of one operand."""
    ends = [factor * v + offset for v in (x.lo, x.hi)]
    bits = signed_bits(Int(min(ends), max(ends)))
    return {"BITS": x.bits, "SIGNED": int(x.signed), "FACTOR": factor, "OFFSET": offset, "TERM": bits}


def binary(op: int, pe: int, a: dict, b: dict, out_bits: int) -> dict[str, int]:
    """Parameters of a gw_binary."""
    sides = {f"{name}_{key}": v for name, own in (("A", a), ("B", b)) for key, v in own.items()}
    return {"OP": op, "PE": pe, **sides, "OUT_BITS": out_bits}


def random_case(seed: int) -> tuple[dict, Int, Int]:
    """Parameters, and the operands' types."""
    rng = np.random.default_rng(seed)
    types, sides = [], []
    for _ in range(2):
        bits = int(rng.integers(1, 12))
        x = Int(-(1 << bits), (1 << bits) - 1) if rng.integers(2) else Int(0, (1 << bits) - 1)
        plain = rng.random() < 0.3
        constants = (1, 0) if plain else (int(rng.integers(-70, 70)), int(rng.integers(-5000, 5000)))
        types.append(x)
        sides.append(side(x, *constants))
    op = int(rng.integers(2))
    whole = sum(s["TERM"] for s in sides) if op == PRODUCT else max(s["TERM"] for s in sides) + 1
    out_bits = int(rng.integers(max(whole - 3, 1), whole + 3))  # narrower wraps, wider extends
    return binary(op, int(rng.integers(1, 4)), *sides, out_bits), *types


def stimulus(params: dict, *types: Int) -> tuple[list[list[int]], list[int]]:
    """Beats of both operands, the extremes first, and of the result."""
    p, rng = values(params), np.random.default_rng(len(str(params)))
    x = [rng.integers(t.lo, t.hi + 1, (COUNT, p.PE)) for t in types]
    for operand, t, ends in zip(x, types, ("llhh", "lhlh"), strict=True):
        operand[:4] = [[t.lo if end == "l" else t.hi] * p.PE for end in ends]
    a, b = p.A_FACTOR * x[0] + p.A_OFFSET, p.B_FACTOR * x[1] + p.B_OFFSET
    y = (a * b if p.OP == PRODUCT else a + b) & ((1 << p.OUT_BITS) - 1)
    words = [Stream(t, p.PE, COUNT).pack(v) for t, v in zip(types, x, strict=True)]
    return words, Stream(Int(0, (1 << p.OUT_BITS) - 1), p.PE, COUNT).pack(y)


def run(case: tuple[dict, Int, Int], **pattern):
    """The trace, and the words that must come."""
    params, *types = case
    words, wanted = stimulus(params, *types)
    p = values(params)
    widths = [p.PE * p.A_BITS, p.PE * p.B_BITS]
    return run_ports(BINARY, params, words, widths, [p.PE * p.OUT_BITS], **pattern), wanted


CASES = [
    *map(random_case, range(14)),
    (binary(SUM, 2, side(Int(0, 1), 2, -1), side(Int(-8, 7)), 5), Int(0, 1), Int(-8, 7)),
    (binary(SUM, 1, side(Int(0, 255)), side(Int(0, 255)), 9), Int(0, 255), Int(0, 255)),
    (binary(PRODUCT, 2, side(Int(-128, 127)), side(Int(0, 255)), 17), Int(-128, 127), Int(0, 255)),
    (binary(SUM, 1, side(Int(0, 3), 0, 7), side(Int(-2, 1), -1, 0), 5), Int(0, 3), Int(-2, 1)),
    (binary(SUM, 1, side(Int(0, 7), 2**30 - 1), side(Int(0, 7), -(2**30)), 35), Int(0, 7), Int(0, 7)),
]
each_case = pytest.mark.parametrize("case", CASES, ids=lambda c: "-".join(map(str, c[0].values())))


@each_case
def test_values_under_gaps_and_stalls(case):
    """Each operand with a handshake of its own; the results, in order."""
    trace, wanted = run(case, gap=40, stall=30, clocks=10 * COUNT)
    assert trace.words == [wanted]


@each_case
def test_interval_and_latency(case):
    """A beat a clock."""
    trace, wanted = run(case, clocks=COUNT + 10)
    wait = BINARY.latency(values(case[0]))
    assert trace.words == [wanted]
    assert trace.in_clocks == [list(range(COUNT))] * 2
    assert trace.out_clocks == [[n + wait for n in range(COUNT)]]


@pytest.mark.parametrize("clock", range(15, 21))
def test_reset_in_mid_beat(clock):
    """An operand that waits for the other is forgotten."""
    trace, wanted = run(CASES[0], gap=50, stall=30, clocks=12 * COUNT, reset=clock)
    assert trace.words == [wanted]


@each_case
def test_verilator_has_no_warning(case, tmp_path):
    """No width slips at any."""
    assert lint(BINARY, case[0], tmp_path) == ""


def test_digits_are_the_fewest():
    """Against all ways to write a number with three signed digits."""
    powers = [1 << i for i in range(9)]
    signed = [0, *powers, *(-p for p in powers)]
    two = {a + b for a in signed for b in signed}
    for n in range(-256, 257):
        fewest = 0 if n == 0 else 1 if n in signed else 2 if n in two else 3
        assert min(digits(n), 3) == fewest


def test_unknown_op_is_reported(tmp_path):
    params = binary(2, 1, side(Int(0, 1)), side(Int(0, 1)), 2)
    assert complaint(BINARY, params, tmp_path) == "gw_binary: OP must be 0 or 1, not 2"


@pytest.mark.parametrize(
    ("case", "family"), [(CASES[15], "ecp5"), (CASES[14], "ice40"), (CASES[16], "gowin"), (CASES[16], "xc7")]
)
def test_resources(case, family, tmp_path):
    """The Unit's estimate without DSP blocks: flip-flops within 2, LUTs within 20 %."""
    said, found = BINARY.resources(values(case[0]), family), mapped(BINARY, case[0], family, tmp_path)
    # Blocks of some families hold their product's register.
    inside = case[0]["PE"] * (case[0]["A_TERM"] + case[0]["B_TERM"]) * (family in ("ice40", "xc7"))
    assert abs(said.ff + (inside if said.dsp else 0) - found.ff) <= 2
    if not said.dsp:
        assert said.lut == pytest.approx(found.lut, rel=0.2, abs=6)
