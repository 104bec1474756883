"""Sums over windows proved: each window's own sums, in order, whatever gaps, stalls and resets."""

import numpy as np
import pytest

from formal_bench import Element, Port, Proof
from gatewright.hw.units.depthwise import DEPTHWISE, depthwise_weights
from gatewright.hw.units.matrix_vector import bias_memory
from gatewright.hw.units.sum_pool import SUM_POOL
from test_formal_streams import chosen


def taps(count: int, fold: int, filters: int = 1) -> list[Element]:
    """The elements of a window that output k sums: one of each tap, of its own channel."""
    place = f"(k / 6'd{fold * filters}) * 6'd{count * fold} + (k / 6'd{filters}) % 6'd{fold}"
    return [Element(f"{place} + 6'd{t * fold}") for t in range(count)]


def extended(name: str, bits: int, signed: bool) -> str:
    """Verilog: a code as a number of 8 bits, two's complement."""
    top = f"{name}[{bits - 1}]" if signed else "1'b0"
    return f"$signed({{{{{8 - bits}{{{top}}}}}, {name}}})"


def sum_pool(count: int, fold: int, signed: bool, acc_bits: int) -> Proof:
    """Element k is the sum of its channel over the window's taps, modulo 2**acc_bits."""
    params = {
        "TAPS": count, "C": fold, "PE": 1, "X_BITS": 2, "X_SIGNED": int(signed), "ACC_BITS": acc_bits
    }  # fmt: skip
    result = " + ".join(extended(f"x{t}", 2, signed) for t in range(count))
    return Proof(SUM_POOL, params, [Port(2)], [Port(acc_bits)], result, taps(count, fold))


# Taps, folds, signed, bits of a sum, clocks: a register, shift registers, no store, and a sum that wraps.
POOLS = [
    (2, 1, False, 3, 11),
    (2, 2, True, 3, 12),
    (3, 1, True, 4, 12),
    (1, 2, False, 2, 9),
    (2, 3, False, 2, 14),
]


@pytest.mark.parametrize(("count", "fold", "signed", "acc_bits", "clocks"), POOLS)
def test_sum_pool(count, fold, signed, acc_bits, clocks, tmp_path):
    assert sum_pool(count, fold, signed, acc_bits).holds(clocks, tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        ("x_valid_q && last_tap", "x_valid_q"),
        ("step && last_fold", "step"),
        ("if (ce) x_q", "x_q"),
        (".next(ce && s_tvalid), .step(step)", ".next(ce && s_tvalid), .step(ce)"),
        ("first_tap ?", "1'b0 ?"),
    ],
    ids=["early", "taps", "changes", "store", "starts"],
)
def test_faults_in_a_sum_pool_are_found(change, tmp_path):
    assert not sum_pool(2, 2, True, 3).holds(12, tmp_path, change)


def sums_in_a_ram() -> Proof:
    """One-bit sums of two taps of five channels: from five on gw_turn keeps them in a RAM."""
    proof = sum_pool(2, 5, False, 1)
    proof.params = {**proof.params, "X_BITS": 1}
    proof.ins, proof.result = [Port(1)], "x0 ^ x1"
    return proof


def test_sums_in_a_ram(tmp_path):
    assert sums_in_a_ram().holds(14, tmp_path)


def test_a_fault_in_their_addresses_is_found(tmp_path):
    change = (".step(next), .value(rd_addr)", ".step(step), .value(rd_addr)")
    assert not sums_in_a_ram().holds(14, tmp_path, change)


def depthwise(lane: int, filters: int = 1, x_bits: int = 3, w_bits: int = 3, signed: bool = True) -> Proof:
    """Element k is its channel's bias and the products of two taps with its filter."""
    draw = np.random.default_rng([lane, filters])
    bipolar_w, bipolar_x = lane in (2, 3), lane in (3, 4)
    w = draw.integers(-(2 ** (w_bits - 1)), 2 ** (w_bits - 1), (2, 2 * filters))
    if bipolar_w:
        w = 2 * draw.integers(0, 2, w.shape) - 1
    bias = draw.integers(-30, 30, 2 * filters)
    params = {
        "TAPS": 2, "C": 2, "K": filters, "PE": 1, "X_BITS": x_bits, "X_SIGNED": int(signed), "W_BITS": w_bits,
        "LANE": lane, "ACC_BITS": 7, "ROM_STYLE": 2, "HAS_BIAS": 1, "WEIGHTS": "w.mem", "BIAS": "b.mem",
    }  # fmt: skip
    memories = {
        "w.mem": depthwise_weights(w, filters, w_bits, bipolar_w),
        "b.mem": bias_memory(bias, filters, 7),
    }
    output = f"(k % 6'd{2 * filters})"

    def constants(values: np.ndarray) -> str:
        return chosen([f"{'-' if v < 0 else ''}8'sd{abs(v)}" for v in values.tolist()], output)

    numbers = [f"(x{t} ? 8'sd1 : -8'sd1)" if bipolar_x else extended(f"x{t}", x_bits, signed) for t in (0, 1)]
    result = " + ".join([constants(bias), *(f"{constants(w[t])} * {numbers[t]}" for t in (0, 1))])
    elements = taps(2, 2, filters)
    return Proof(DEPTHWISE, params, [Port(x_bits)], [Port(7, filters)], result, elements, memories=memories)


LANES = {
    "multiply": depthwise(0), "filters": depthwise(0, 2), "digits": depthwise(1, signed=False),
    "signs": depthwise(2, w_bits=1), "xnor": depthwise(3, x_bits=1, w_bits=1), "of x": depthwise(4, x_bits=1),
}  # fmt: skip


@pytest.mark.parametrize("name", LANES)
def test_depthwise(name, tmp_path):
    assert LANES[name].holds(12, tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        ("valid_q[PRODUCTS-1] && last_tap", "valid_q[PRODUCTS-1]"),
        ("first_tap ? start[i*ACC_BITS +: ACC_BITS]", "1'b0 ? start[i*ACC_BITS +: ACC_BITS]"),
        (".step(ce && valid_q[PRODUCTS-3])", ".step(ce && valid_q[PRODUCTS-2])"),
        ("if (ce) out_q", "out_q"),
        ("base + addend", "base - addend"),
    ],
    ids=["early", "starts", "bias", "changes", "subtracts"],
)
def test_faults_in_a_depthwise_are_found(change, tmp_path):
    assert not LANES["multiply"].holds(11, tmp_path, change)
