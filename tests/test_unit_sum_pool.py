"""gw_sum_pool against numpy, in values and clocks, and after a reset in mid-frame."""

import numpy as np
import pytest

from gatewright.compiler.ir.types import Int
from gatewright.hw.units.sum_pool import SUM_POOL
from stream_bench import complaint, mapped, pack, values
from unit_bench import Case

WINDOWS = 55


def pool(taps: int, channels: int, lanes: int, bits: int, signed: int, acc_bits: int) -> dict:
    """Parameters of a gw_sum_pool."""
    return {
        "TAPS": taps, "C": channels, "PE": lanes, "X_BITS": bits, "X_SIGNED": signed, "ACC_BITS": acc_bits
    }  # fmt: skip


def random_shape(seed: int) -> dict:
    """Random parameters that cover register, shift-register and RAM stores, sums that wrap and extend."""
    draw = np.random.default_rng([7, seed])
    lanes, fold, signed = (int(draw.integers(a, b)) for a, b in ((1, 5), (1, 9), (0, 2)))
    taps, bits = int(draw.integers(1, 10)), int(draw.integers(1 + signed, 9))
    acc_bits = max(bits + taps.bit_length() + int(draw.integers(-2, 4)), 1)
    return pool(taps, lanes * fold, lanes, bits, signed, acc_bits)


def case(params: dict) -> Case:
    """Windows of the full range, extremes first, and their sums modulo 2**ACC_BITS."""
    p = values(params)
    element = (
        Int(-(1 << (p.X_BITS - 1)), (1 << (p.X_BITS - 1)) - 1) if p.X_SIGNED else Int(0, 2**p.X_BITS - 1)
    )
    x = np.random.default_rng(p.TAPS + p.C).integers(element.lo, element.hi + 1, (WINDOWS, p.TAPS, p.C))
    x[0], x[1] = element.lo, element.hi
    sums = x.sum(axis=1) % (1 << p.ACC_BITS)
    sent, wanted = pack(element.encode(x), p.PE, p.X_BITS), pack(sums, p.PE, p.ACC_BITS)
    return Case(SUM_POOL, params, p.PE * p.X_BITS, p.PE * p.ACC_BITS, sent, wanted, p.C // p.PE)


SHAPES = [
    pool(9, 4, 1, 8, 1, 12), pool(16, 10, 2, 8, 0, 12), pool(1, 6, 3, 5, 1, 9), pool(49, 7, 1, 4, 0, 10),
    *map(random_shape, range(10)),
]  # fmt: skip
each_shape = pytest.mark.parametrize("params", SHAPES, ids=lambda p: "-".join(map(str, p.values())))


@each_shape
def test_values_and_clocks(params):
    case(params).check()


@each_shape
def test_verilator_has_no_warning(params, tmp_path):
    assert case(params).lint(tmp_path) == ""


@pytest.mark.parametrize("params", SHAPES[:4], ids=lambda p: "-".join(map(str, p.values())))
def test_reset_in_mid_window(params, tmp_path):
    for clocks in (5, 19, 64):
        case(params).check_reset(tmp_path, clocks)


def test_verilator_agrees():
    made = case(SHAPES[1])
    runs = [
        made.build(tool).run(made.words, len(made.expected), gap=0.3, stall=0.3)
        for tool in ("icarus", "verilator")
    ]
    assert runs[0] == runs[1]


def test_lanes_that_do_not_divide_are_reported(tmp_path):
    said = complaint(SUM_POOL, pool(4, 10, 4, 8, 0, 10), tmp_path)
    assert said == "gw_sum_pool: PE must divide C, not 4 and 10"


@pytest.mark.parametrize(
    ("params", "family"),
    [
        (pool(49, 64, 4, 8, 0, 14), "ecp5"), (pool(4, 8, 8, 4, 0, 6), "gowin"),
        (pool(9, 256, 4, 8, 1, 12), "ice40"),
    ],
)  # fmt: skip
def test_resources(params, family, tmp_path):
    """The Unit's estimate: registers within 5 %, block RAM equal, LUTs within 12 % or 8."""
    said, found = SUM_POOL.resources(values(params), family), mapped(SUM_POOL, params, family, tmp_path)
    assert (said.bram, said.dsp) == (found.bram, found.dsp)
    assert said.ff == pytest.approx(found.ff, rel=0.05, abs=2)
    assert said.lut == pytest.approx(found.lut, rel=0.12, abs=8)
