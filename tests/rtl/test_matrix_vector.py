"""gw_matrix_vector against x @ w + b: values, interval and latency."""

from types import SimpleNamespace

import numpy as np
import pytest

from gatewright.compiler.ir.types import Int
from gatewright.errors import LoweringError
from gatewright.hw.design import FAMILIES, Memory
from gatewright.hw.units.matrix_vector import (
    MATRIX_VECTOR,
    bias_memory,
    group_weight_memory,
    paired_weights,
    weight_memory,
)
from matrix_vector_bench import BIPOLAR, LANES, VECTORS, check_timing, make, random_case, two_complement


@pytest.mark.parametrize("seed", range(8), ids="seed{}".format)
@pytest.mark.parametrize("lane", range(len(LANES)), ids=LANES.__getitem__)
def test_random_shapes(lane, seed):
    case = random_case(seed, lane)
    simulation = case.compile()
    check_timing(case, simulation)
    for gap, stall in ((0.5, 0.0), (0.0, 0.5), (0.3, 0.3)):
        trace = simulation.run(case.words, len(case.expected), gap=gap, stall=stall, seed=seed)
        assert trace.words == case.expected


@pytest.mark.parametrize("groups", [2, 3, 5])
@pytest.mark.parametrize("shape", [(6, 4, 2, 3), (4, 3, 3, 2), (5, 6, 2, 5), (24, 3, 1, 4)], ids=str)
def test_groups_take_turns(shape, groups):
    """Each vector meets the next matrix and bias, the first again after the last."""
    case = make(groups, 1, shape, Int(-8, 7), Int(-4, 3), 14, bias=True, rom_style=groups % 3, groups=groups)
    simulation = case.compile()
    check_timing(case, simulation)
    for gap, stall in ((0.5, 0.0), (0.3, 0.3)):
        trace = simulation.run(case.words, len(case.expected), gap=gap, stall=stall, seed=groups)
        assert trace.words == case.expected


def test_every_pair_of_weights_shares_a_multiplier():
    """All pairs of 3-bit weights, in two groups, meet the smallest, the largest and other inputs."""
    case = make(1, 6, (4, 16, 8, 2), Int(-4, 3), two_complement(3), 9, bias=True, groups=2)
    pairs = np.stack([np.repeat(np.arange(-4, 4), 8), np.tile(np.arange(-4, 4), 8)], axis=-1)
    ws = pairs.reshape(2, 8, 4, 2).transpose(0, 2, 1, 3).reshape(2, 4, 16)
    xs = np.random.default_rng(5).integers(-4, 4, (VECTORS, 2, 4))
    xs[0], xs[1] = -4, 3
    case.words = case.source.pack(xs)
    memory = group_weight_memory(paired_weights(ws), 8, 2, 4)
    case.params |= {"HAS_BIAS": 0, "BIAS": ""}
    case.memories = {"w.mem": (memory.words, memory.bits)}
    case.expected = case.sink.pack(np.einsum("vgi,gij->vgj", xs, ws))
    check_timing(case, case.compile())


@pytest.mark.parametrize("x_signed", [False, True], ids=["unsigned", "signed"])
@pytest.mark.parametrize("w_bits", [*range(1, 10), 12, 16])
def test_lut_multiplier_takes_every_weight_width(w_bits, x_signed):
    x = two_complement(3) if x_signed else Int(0, 7)
    case = make(w_bits, 1, (10, 4, 2, 5), x, two_complement(w_bits), 20, bias=False)
    check_timing(case, case.compile())


@pytest.mark.parametrize("lane", range(len(LANES)), ids=LANES.__getitem__)
@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (6, 5, 5, 6), (7, 3, 1, 7), (5, 3, 3, 1)], ids=str)
def test_degenerate_folding(shape, lane):
    """One word of weights, one slot, one fold, one element: counters without bits."""
    x = BIPOLAR if lane in (3, 4, 5) else Int(-8, 7)
    w = BIPOLAR if lane in (2, 3, 5) else Int(-4, 3)
    if lane == 6:
        shape = shape[0], 2 * shape[1], 2 * shape[2], shape[3]
    case = make(1, lane, shape, x, w, 12, bias=True)
    check_timing(case, case.compile())


@pytest.mark.parametrize("simd", [17, 18, 19, 37, 64])
def test_counts_of_more_than_18_pairs(simd):
    """Six-input LUTs: one group of 18 pairs, several, and a part of one."""
    case = make(simd, 5, (12 * simd, 2, 1, simd), BIPOLAR, BIPOLAR, 11, bias=False)
    check_timing(case, case.compile())


@pytest.mark.parametrize("lane", range(len(LANES)), ids=LANES.__getitem__)
def test_verilator_agrees(lane):
    case = random_case(3, lane)
    icarus, verilator = (
        case.compile(tool).run(case.words, len(case.expected), gap=0.3, stall=0.3, seed=7)
        for tool in ("icarus", "verilator")
    )
    assert verilator == icarus
    assert verilator.words == case.expected


def test_paired_weights_take_what_the_multiplier_adds():
    w = np.array([[-1, 3, 2, -2], [0, -4, -3, -4]])
    assert paired_weights(w).tolist() == [[-1, 2, 2, -2], [0, -4, -3, -5]]
    assert w[0, 1] == 3


def test_memories_put_element_0_lowest():
    w = np.array([[1, -1], [2, 0], [-2, 1], [0, 3]])  # MW = 4, MH = 2
    memory = weight_memory(w, pe=2, simd=2, bits=3)
    assert memory.bits == 12
    assert memory.words == (0o0721, 0o3106)  # rows (1, 2) and (-1, 0); then (-2, 0) and (1, 3)
    assert weight_memory(np.array([[1], [-1], [-1]]), 1, 3, 1, bipolar=True).words == (0b001,)
    assert isinstance(memory, Memory)
    assert bias_memory(np.array([1, -1, 300]), pe=1, acc_bits=8).words == (1, 255, 44)


@pytest.mark.parametrize(
    ("w", "fold", "bits", "message"),
    [
        (np.zeros((6, 4), int), (3, 2), 4,
         r"^matrix_vector: SIMD and PE must divide the weights' shape 6 x 4, not 2 and 3\. Choose"),
        (np.full((2, 2), 8), (1, 1), 4,
         r"^matrix_vector: weights must be of type \[-8\.\.7\], not 8\.\.8\. Use more bits\.$"),
    ],
    ids=["folding", "range"],
)  # fmt: skip
def test_bad_weights(w, fold, bits, message):
    with pytest.raises(LoweringError, match=message):
        weight_memory(w, *fold, bits)


# LUTs (a CCU2C counts two, a DPR16X4 six), registers, block RAMs: Yosys 0.70, synth_ecp5, with rtl/ecp5.
ECP5_MEASURED = {
    (0, 4, 4): (421, 822, 4),
    (1, 4, 4): (1149, 1261, 4),
    (2, 4, 1): (533, 574, 1),
    (3, 1, 1): (169, 249, 1),
    (4, 1, 4): (429, 610, 4),
}


def estimate_params(lane: int, x_bits: int, w_bits: int) -> SimpleNamespace:
    return SimpleNamespace(
        MW=64, MH=16, PE=4, SIMD=8, X_BITS=x_bits, X_SIGNED=0, W_BITS=w_bits, LANE=lane, ACC_BITS=16,
        ROM_STYLE=1, HAS_BIAS=0, GROUPS=1, TOP_BIT=0,
    )  # fmt: skip


@pytest.mark.parametrize("config", ECP5_MEASURED, ids=str)
def test_estimate_is_near_what_yosys_gave(config):
    lut, ff, bram = ECP5_MEASURED[config]
    estimate = MATRIX_VECTOR.resources(estimate_params(*config), "ecp5")
    assert estimate.lut == pytest.approx(lut, rel=0.1)
    assert estimate.ff == pytest.approx(ff, rel=0.1)
    assert estimate.bram == bram
    assert estimate.stored_bits == 64 * 16 * config[2]
    assert estimate.dsp == (32 if config[0] == 0 else 0)


@pytest.mark.parametrize("family", FAMILIES)
def test_estimate_orders_lanes(family):
    """Both bits < signs < multiplies, on every family."""
    xnor, sign, multiply = (
        MATRIX_VECTOR.resources(estimate_params(*config), family).lut
        for config in ((3, 1, 1), (2, 8, 1), (1, 8, 8))
    )
    assert xnor < sign < multiply


def test_estimate_of_constant_weights_is_near_what_yosys_gave():
    """MW = SIMD = MH = PE = 16, 4 x 4 bits, unfolded: 2,624 LUTs and 3,448 registers on ECP5."""
    p = SimpleNamespace(**vars(estimate_params(1, 4, 4)) | {"MW": 16, "MH": 16, "PE": 16, "SIMD": 16})
    estimate = MATRIX_VECTOR.resources(p, "ecp5")
    assert estimate.lut == pytest.approx(2624, rel=0.15)
    assert estimate.ff == pytest.approx(3448, rel=0.15)
    assert estimate.bram == 0
