"""gw_depthwise against numpy: every lane, values and clocks, and after a reset in mid-frame."""

import numpy as np
import pytest

from gatewright.compiler.ir.types import Int
from gatewright.errors import LoweringError
from gatewright.hw.design import Stream
from gatewright.hw.units.depthwise import DEPTHWISE, depthwise_weights
from gatewright.hw.units.matrix_vector import bias_memory
from stream_bench import values
from unit_bench import Case

BIPOLAR = Int(-1, 1, 2)
WINDOWS = 52
LANES = ("multiply", "digits", "weight_sign", "both_sign", "input_sign")


def two_complement(bits: int) -> Int:
    """The range of a two's complement code."""
    return Int(-(1 << (bits - 1)), (1 << (bits - 1)) - 1)


def draw(random: np.random.Generator, values: Int, shape) -> np.ndarray:
    """Any of the values."""
    return values.lo + values.step * random.integers(0, values.levels, shape)


def case(seed: int, lane: int, shape, x: Int, w: Int, acc_bits: int, bias: bool, rom_style: int = 0) -> Case:
    """Random windows and filters; shape is (TAPS, C, K, PE)."""
    taps, channels, filters, pe = shape
    random = np.random.default_rng([seed, lane])
    xs, ws = draw(random, x, (WINDOWS, taps, channels)), draw(random, w, (taps, channels, filters))
    b = draw(random, two_complement(acc_bits + 2), (channels, filters)) * bias
    xs[0], xs[1] = x.lo, x.hi  # the extremes meet every weight
    ws[:, 0] = w.lo
    y = np.einsum("ntc,tck->nck", xs, ws) + b
    lanes = pe * filters
    memories = {"w.mem": depthwise_weights(ws.reshape(taps, -1), lanes, w.bits, w.bipolar)}
    if bias:
        memories["b.mem"] = bias_memory(b.ravel(), lanes, acc_bits)
    params = {
        "TAPS": taps, "C": channels, "K": filters, "PE": pe, "X_BITS": x.bits, "X_SIGNED": int(x.signed),
        "W_BITS": w.bits, "LANE": lane, "ACC_BITS": acc_bits, "ROM_STYLE": rom_style, "HAS_BIAS": int(bias),
        "WEIGHTS": "w.mem", "BIAS": "b.mem" if bias else "",
    }  # fmt: skip
    sink = Stream(two_complement(acc_bits), lanes, 1)
    words = Stream(x, pe, 1).pack(xs)
    return Case(DEPTHWISE, params, pe * x.bits, sink.bits, words, sink.pack(y), channels // pe, memories)


def random_case(seed: int, lane: int) -> Case:
    """A shape, widths and folding of that lane."""
    random = np.random.default_rng([98, seed, lane])
    pe, folds, filters, taps = (int(random.integers(1, n)) for n in (5, 9, 4, 10))
    x_bits, w_bits = int(random.integers(2, 17)), int(random.integers(2, 9))
    x = two_complement(x_bits) if random.integers(2) else Int(0, 2**x_bits - 1)
    x, w = BIPOLAR if lane in (3, 4) else x, BIPOLAR if lane in (2, 3) else two_complement(w_bits)
    whole = x.bits + w.bits + taps.bit_length() + 1
    acc_bits = int(random.integers(max(whole - 4, 2), whole + 5))  # narrower wraps, wider extends
    return case(seed, lane, (taps, pe * folds, filters, pe), x, w, acc_bits, bool(seed % 2), seed % 3)


@pytest.mark.parametrize("seed", range(4), ids="seed{}".format)
@pytest.mark.parametrize("lane", range(5), ids=LANES.__getitem__)
def test_random_shapes(lane, seed):
    random_case(seed, lane).check(seed)


@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (1, 6, 2, 3), (9, 4, 1, 4), (25, 12, 1, 2)], ids=str)
@pytest.mark.parametrize("lane", [0, 1], ids=LANES.__getitem__)
def test_degenerate_folding(shape, lane):
    """One word of weights, one tap, one fold, one element; and partial sums in a RAM."""
    case(1, lane, shape, Int(-8, 7), Int(-4, 3), 14, bias=True).check()


@pytest.mark.parametrize("lane", range(5), ids=LANES.__getitem__)
def test_verilator_has_no_warning(lane, tmp_path):
    for seed in range(2):
        assert random_case(seed, lane).lint(tmp_path) == ""


@pytest.mark.parametrize("lane", range(5), ids=LANES.__getitem__)
def test_reset_in_mid_window(lane, tmp_path):
    for clocks in (6, 31):
        random_case(lane, lane).check_reset(tmp_path, clocks)


def test_verilator_agrees():
    made = random_case(1, 1)
    runs = [
        made.build(tool).run(made.words, len(made.expected), gap=0.3, stall=0.3)
        for tool in ("icarus", "verilator")
    ]
    assert runs[0] == runs[1]


def test_memory_order():
    """Word t*(C/PE)+f holds a beat's weights, a channel's filters side by side, element 0 lowest."""
    w = np.array([[1, 2, 3, -1], [0, 1, -2, 3]])  # two taps, two channels of two filters
    assert depthwise_weights(w, 2, 3).words == (0o21, 0o73, 0o10, 0o36)
    assert depthwise_weights(w, 4, 3).words == (0o7321, 0o3610)


def test_bad_weights():
    with pytest.raises(
        LoweringError, match=r"^matrix_vector: weights must be of type \[-4\.\.3\], not 4\.\.4"
    ):
        depthwise_weights(np.full((2, 2), 4), 2, 3)
    with pytest.raises(LoweringError, match=r"^matrix_vector: SIMD and PE must divide"):
        depthwise_weights(np.zeros((2, 3), int), 2, 3)


# (lane, shape, x, w, ACC_BITS, bias, ROM_STYLE) -> LUTs, registers, block RAM, DSP: Yosys 0.70, synth_ecp5
# -nowidelut.
MEASURED = {
    (0, (9, 64, 1, 4), Int(0, 255), Int(-128, 127), 20, True, 1): (405, 512, 1, 4),
    (1, (9, 64, 1, 4), Int(0, 255), Int(-128, 127), 20, True, 1): (852, 939, 1, 0),
    (1, (9, 32, 1, 8), Int(0, 15), Int(-8, 7), 12, True, 2): (633, 863, 0, 0),
    (2, (9, 32, 1, 4), Int(0, 15), BIPOLAR, 10, False, 2): (251, 164, 0, 0),
}


@pytest.mark.parametrize("args", MEASURED, ids=str)
def test_estimate_is_near_what_yosys_gave(args):
    lut, ff, bram, dsp = MEASURED[args]
    estimate = DEPTHWISE.resources(values(case(0, *args).params), "ecp5")
    assert estimate.lut == pytest.approx(lut, rel=0.18)
    assert estimate.ff == pytest.approx(ff, rel=0.05)
    assert (estimate.bram, estimate.dsp) == (bram, dsp)
