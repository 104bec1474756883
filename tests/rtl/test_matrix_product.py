"""gw_matrix_product against numpy: every kind of element, gaps at each input, clock for clock."""

import numpy as np
import pytest

from gatewright.compiler.ir.types import Int
from gatewright.hw.design import Stream
from gatewright.hw.units.matrix_product import MATRIX_PRODUCT, kind_of
from ports_bench import run_ports
from stream_bench import complaint, lint, mapped, values

PIECES = 6
BIPOLAR = Int(-1, 1, 2)
TYPES = [
    BIPOLAR,
    Int(0, 1),
    Int(0, 15),
    Int(-1, 0),
    Int(-8, 7),
    Int(-128, 127),
    Int(0, 255),
    Int(-(2**11), 2**11 - 1),
]


def product(m, k, n, pe, simd, a: Int, b: Int, lane: int = 1, acc_bits: int | None = None) -> tuple:
    """Parameters of a gw_matrix_product, and the operands' types; sums fit unless ``acc_bits`` says less."""
    biggest = k * max(abs(a.lo), abs(a.hi)) * max(abs(b.lo), abs(b.hi))
    params = {
        "M": m, "K": k, "N": n, "PE": pe, "SIMD": simd, "A_BITS": a.bits, "A_KIND": kind_of(a),
        "B_BITS": b.bits, "B_KIND": kind_of(b), "LANE": lane,
        "ACC_BITS": acc_bits or biggest.bit_length() + 1, "RAM_STYLE": 0,
    }  # fmt: skip
    return params, a, b


def random_case(seed: int) -> tuple:
    """Any shape and folding of a few elements."""
    rng = np.random.default_rng([17, seed])
    pe, simd, folds, slots, m = (int(v) for v in rng.integers(1, 5, 5))
    a, b = (TYPES[int(i)] for i in rng.integers(len(TYPES), size=2))
    lane = 0 if b.bits > 8 else int(rng.integers(2))
    acc_bits = int(rng.integers(2, 14)) if rng.random() < 0.3 else None  # sums wrap
    return product(m, simd * slots, pe * folds, pe, simd, a, b, lane, acc_bits)


CASES = [
    *map(random_case, range(18)),
    product(3, 8, 6, 2, 4, Int(-128, 127), Int(-128, 127)),
    product(2, 4, 4, 4, 4, Int(0, 255), Int(0, 255)),
    product(4, 6, 3, 1, 1, Int(-128, 127), Int(-8, 7), 0),  # a buffer and a row in RAM
    product(1, 9, 7, 7, 9, Int(-8, 7), Int(0, 255)),  # B takes longer than its product
    product(4, 4, 4, 1, 4, Int(0, 15), BIPOLAR),  # as long
    product(5, 40, 2, 2, 1, Int(-8, 7), Int(-8, 7)),
    product(1, 1, 1, 1, 1, BIPOLAR, BIPOLAR),
]
each_case = pytest.mark.parametrize("case", CASES, ids=lambda c: "-".join(map(str, c[0].values())))


def stimulus(case: tuple) -> tuple[list[list[int]], list[int]]:
    """Beats of both operands, the extremes first, filled up to as many; and those of the result."""
    params, *types = case
    p, rng = values(params), np.random.default_rng(len(str(params)))
    a, b = (
        t.lo + t.step * rng.integers(0, t.levels, (PIECES, *shape))
        for t, shape in zip(types, ((p.M, p.K), (p.K, p.N)), strict=True)
    )
    for piece, (x, z) in enumerate(((types[0].lo, types[1].lo), (types[0].hi, types[1].lo))):
        a[piece], b[piece] = x, z
    y = a @ b % (1 << p.ACC_BITS)
    words = [Stream(t, n, 0).pack(v) for t, n, v in zip(types, (p.SIMD, p.PE), (a, b), strict=True)]
    count = max(map(len, words))
    wanted = Stream(Int(0, (1 << p.ACC_BITS) - 1), p.PE, 0).pack(y)
    return [w + [0] * (count - len(w)) for w in words], wanted


def run(case: tuple, words: list[list[int]], **pattern):
    p = values(case[0])
    widths = [p.SIMD * p.A_BITS, p.PE * p.B_BITS]
    return run_ports(MATRIX_PRODUCT, case[0], words, widths, [p.PE * p.ACC_BITS], **pattern)


def clocks_for(case: tuple) -> int:
    """Enough for all pieces where nothing waits."""
    p = values(case[0])
    return (PIECES + 1) * MATRIX_PRODUCT.interval(p) + MATRIX_PRODUCT.latency(p) + 10


@each_case
def test_values_under_gaps_and_stalls(case):
    """Each operand with a handshake of its own; the results, in order."""
    words, wanted = stimulus(case)
    for gap, stall in ((40, 30), (10, 60), (60, 0)):
        trace = run(case, words, gap=gap, stall=stall, clocks=8 * clocks_for(case), seed=gap)
        assert trace.words == [wanted]


@each_case
def test_clocks_are_those_that_the_unit_states(case):
    """Free-running, piece by piece: beats of A and results as in its course; B at least as early."""
    words, wanted = stimulus(case)
    trace = run(case, words, clocks=clocks_for(case))
    assert trace.words == [wanted]
    p = values(case[0])
    course, starts = MATRIX_PRODUCT.course(p), np.arange(PIECES)[:, None] * MATRIX_PRODUCT.interval(p)
    a, b = ((starts + taken).reshape(-1) for taken in course.taken)
    begun = trace.in_clocks[1][0]
    assert trace.in_clocks[0][: len(a)] == (begun + a).tolist()
    assert (np.array(trace.in_clocks[1][: len(b)]) <= begun + b).all()
    out = (starts + np.concatenate(course.taken)[course.cause] + course.after).reshape(-1)
    assert trace.out_clocks[0] == (begun + out).tolist()
    assert trace.out_clocks[0][0] - begun == MATRIX_PRODUCT.latency(p)


@each_case
def test_verilator_has_no_warning(case, tmp_path):
    assert lint(MATRIX_PRODUCT, case[0], tmp_path) == ""


@pytest.mark.parametrize("clocks", [7, 25, 61])
def test_reset_in_mid_piece(clocks):
    """Half a matrix, or one that waits for its partner, is forgotten."""
    case = product(3, 4, 6, 2, 2, Int(-8, 7), Int(-8, 7))
    words, wanted = stimulus(case)
    trace = run(case, words, gap=20, stall=20, clocks=6 * clocks_for(case), reset=clocks)
    assert trace.words == [wanted]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"SIMD": 3}, "gw_matrix_product: SIMD must divide K, not 3 and 4"),
        ({"PE": 4}, "gw_matrix_product: PE must divide N, not 4 and 6"),
        ({"LANE": 2}, "gw_matrix_product: LANE must be 0 or 1, not 2"),
    ],
)
def test_bad_parameters_are_reported(change, message, tmp_path):
    params, *_ = product(3, 4, 6, 2, 2, Int(-8, 7), Int(-8, 7))
    assert message in complaint(MATRIX_PRODUCT, params | change, tmp_path)


@pytest.mark.parametrize(
    ("case", "family"),
    [
        (product(4, 8, 8, 1, 1, Int(0, 255), Int(0, 255)), "ecp5"),
        (product(16, 16, 16, 4, 4, Int(-8, 7), Int(-8, 7)), "gowin"),
    ],
    ids=["ecp5", "gowin"],
)
def test_resources(case, family, tmp_path):
    """The Unit's estimate: registers within 5 %, block RAM equal, LUTs within 6 %."""
    said = MATRIX_PRODUCT.resources(values(case[0]), family)
    found = mapped(MATRIX_PRODUCT, case[0], family, tmp_path)
    assert (said.bram, said.dsp) == (found.bram, found.dsp)
    assert said.ff == pytest.approx(found.ff, rel=0.05)
    assert said.lut == pytest.approx(found.lut, rel=0.06)
