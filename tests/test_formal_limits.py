"""gw_matrix_vector of which bits leave, proved by SAT: every x, gap, stall and reset within some clocks."""

import numpy as np
import pytest

from formal_bench import Element, Port, Proof
from gatewright.hw.units.lanes import COUNTING
from gatewright.hw.units.matrix_vector import MATRIX_VECTOR, bias_memory, limit_start, weight_memory

W = np.array([[1, -1], [-1, -1], [1, 1], [-1, 1]])  # MW = 4, MH = 2
MORE = np.array([[1, -2], [-1, -1], [0, 1], [-2, 1]])
# Lane, bits of a signed or bipolar x, weights, and the limits of both rows.
UNITS = {
    "xnor": (3, 1, W, (0, 2)),
    "xnor6": (5, 1, W, (-2, 4)),
    "xnor, one never and one always": (3, 1, W, (5, -4)),
    "signs of weights": (2, 2, W, (1, -1)),
    "signs of x": (4, 1, MORE, (1, 0)),
    "digits": (1, 2, MORE, (-2, 3)),
}


def unit(name: str, simd: int) -> Proof:
    """Two rows, one after the other, of ``4 / simd`` slots each."""
    lane, x_bits, w, limits = UNITS[name]
    bipolar = x_bits == 1
    biggest = np.abs(w).sum(0) * (1 if bipolar else 2)
    start, acc_bits = limit_start(np.array(limits), -biggest, biggest, lane in COUNTING, 4)
    w_bits = 2 if w is MORE else 1
    params = {
        "MW": 4, "MH": 2, "PE": 1, "SIMD": simd, "X_BITS": x_bits, "X_SIGNED": int(not bipolar),
        "W_BITS": w_bits, "LANE": lane, "ACC_BITS": acc_bits, "ROM_STYLE": 2, "HAS_BIAS": 1, "GROUPS": 1,
        "TOP_BIT": 1, "WEIGHTS": "w.mem", "BIAS": "b.mem",
    }  # fmt: skip
    memories = {
        "w.mem": weight_memory(w, 1, simd, w_bits, bipolar=w_bits == 1),
        "b.mem": bias_memory(start, 1, acc_bits),
    }
    x = "(x{i} ? 8'sd1 : -8'sd1)" if bipolar else "$signed({{{{6{{x{i}[1]}}}}, x{i}}})"
    sums = [" + ".join(f"{weight} * {x.format(i=i)}" for i, weight in enumerate(row)) for row in w.T]
    rows = [f"($signed(8'sd0 + {s}) >= {limit})" for s, limit in zip(sums, limits, strict=True)]
    # Row 0 waits for a whole vector as row 1 does, since it needs all of its elements.
    elements = [Element(f"(k / 2) * 6'd4 + 6'd{i}", before="(k / 2) * 6'd4 + 6'd4") for i in range(4)]
    result = f"((k % 2) == 0 ? {rows[0]} : {rows[1]})"
    return Proof(
        MATRIX_VECTOR, params, [Port(x_bits, simd)], [Port(1)], result, elements, memories=memories
    )  # fmt: skip


@pytest.mark.parametrize("name", UNITS)
def test_bit_is_whether_the_sum_reaches_its_limit(name, tmp_path):
    """Two slots a row: sums start anew with each row's own limit."""
    assert unit(name, 2).holds(12, tmp_path)


def test_one_slot(tmp_path):
    """Where every beat is a first one."""
    assert unit("xnor6", 4).holds(11, tmp_path)


@pytest.mark.parametrize(
    "change",
    [("assign data[i] = acc_q[i*ACC_BITS + ACC_BITS - 1]", "assign data[i] = acc_q[i*ACC_BITS]"),
     ("base = choose ? a : b", "base = 1'b1 ? a : b"),
     (".soon(valid_q[SUMS-1-LEAD] &&", ".soon(valid_q[SUMS-2-LEAD] &&")],
    ids=["another bit", "no sum", "a limit too soon"],
)  # fmt: skip
def test_a_fault_is_found(change, tmp_path):
    assert not unit("xnor", 2).holds(12, tmp_path, change)
