"""gw_threshold against a plain count of thresholds reached: values, interval and latency."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from gatewright.compiler.ir.types import Int
from gatewright.errors import LoweringError
from gatewright.hw.design import Stream
from gatewright.hw.units.threshold import THRESHOLD, stages_of, threshold_memory
from gatewright.sim.rtl import compile_rtl

RTL = Path(__file__).parents[2] / "hw" / "rtl"


class Case:
    """A unit with thresholds ``t``, inputs ``x`` of shape (vectors, C), and the outputs expected."""

    def __init__(self, t, x, x_type, pe, out_bits, bias=0, shift=0, rom_style=0):
        channels = x.shape[1]
        y = (bias + ((x[:, :, None] >= t).sum(-1) << shift)) % (1 << out_bits)
        self.source = Stream(x_type, pe, channels // pe)
        sink = Stream(Int(0, (1 << out_bits) - 1), pe, channels // pe)
        self.words, self.expected = self.source.pack(x), sink.pack(y)
        memory = threshold_memory(t, pe, x_type)
        self.memories = {f"act_{i:03d}.mem": (rom, memory.bits) for i, rom in enumerate(memory.words)}
        self.params = {
            "C": channels if len(t) > 1 else pe, "PE": pe, "STAGES": stages_of(t.shape[1]),
            "X_BITS": x_type.bits, "X_SIGNED": int(x_type.signed), "OUT_BITS": out_bits, "BIAS": bias,
            "SHIFT": shift, "ROM_STYLE": rom_style, "TABLE": "act",
        }  # fmt: skip
        self.out_bits = pe * out_bits

    def check(self, tool="icarus", seed=0):
        files = [RTL / name for name in THRESHOLD.files]
        simulation = compile_rtl(
            THRESHOLD.module, files, self.params, self.source.bits, self.out_bits, memories=self.memories,
            tool=tool,
        )  # fmt: skip
        trace = simulation.run(self.words, len(self.expected))
        assert trace.words == self.expected
        p = SimpleNamespace(**self.params)
        assert trace.offered - trace.in_clocks[0] == THRESHOLD.latency(p)
        assert THRESHOLD.interval(p) == p.C // p.PE
        assert set(np.diff(trace.in_clocks)) <= {1}
        assert set(np.diff(trace.out_clocks)) <= {1}
        for gap, stall in ((0.5, 0.0), (0.3, 0.5)):
            trace = simulation.run(self.words, len(self.expected), gap=gap, stall=stall, seed=seed)
            assert trace.words == self.expected


def ascending(random, x_type, channels, count):
    """Random thresholds, some beyond both ends of x and some equal."""
    margin = max(x_type.levels // 4, 1)
    return np.sort(random.integers(x_type.lo - margin, x_type.hi + margin + 1, (channels, count)), axis=1)


@pytest.mark.parametrize("stages", range(1, 5))
@pytest.mark.parametrize("x_type", [Int(0, 1), Int(0, 31), Int(-8, 7), Int(-16, 11), Int(-1, 1, 2)], ids=str)
def test_every_code(x_type, stages):
    """All x in every channel, from one threshold upward, with 3 folds of 2 lanes."""
    random = np.random.default_rng([stages, x_type.levels])
    count = int(random.integers(2 ** (stages - 1), 2**stages))
    t = ascending(random, x_type, 6, count)
    x = np.repeat(np.arange(x_type.lo, x_type.hi + 1, x_type.step)[:, None], 6, axis=1)
    Case(t, x, x_type, pe=2, out_bits=stages, rom_style=stages % 3).check()


@pytest.mark.parametrize("seed", range(12), ids="seed{}".format)
def test_random(seed):
    """Wide x, at thresholds and one below; any folding, bias and shift, outputs that wrap."""
    random = np.random.default_rng([3, seed])
    pe, folds = (int(v) for v in random.integers(1, 7, 2))
    bits, stages = int(random.integers(7, 25)), int(random.integers(1, 6)) if seed else 8
    x_type = Int(-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if seed % 2 else Int(0, (1 << bits) - 1)
    t = ascending(random, x_type, pe * folds, int(random.integers(2 ** (stages - 1), 2**stages)))
    columns = np.arange(pe * folds)
    near = t[columns, random.integers(0, t.shape[1], (30, pe * folds))] - random.integers(0, 2, (30, 1))
    x = np.concatenate([near, random.integers(x_type.lo, x_type.hi + 1, (10, pe * folds))])
    shift = int(random.integers(0, 3))
    out_bits = max(stages + shift + int(random.integers(-1, 3)), 1)
    x, bias = x.clip(x_type.lo, x_type.hi), int(random.integers(-200, 200))
    Case(t, x, x_type, pe, out_bits, bias, shift, seed % 3).check(seed=seed)


@pytest.mark.parametrize("style", [0, 1])
def test_many_stages(style):
    """Twelve, as a softmax's sums need: ROMs in LUTs for the first stages, in block RAM for the last."""
    random = np.random.default_rng(9)
    x_type = Int(0, (1 << 28) - 1)
    t = ascending(random, x_type, 1, 4000)
    x = np.concatenate([t[0, ::100], t[0, ::100] - 1, random.integers(0, 1 << 28, 40)]).clip(0, x_type.hi)[
        :, None
    ]
    Case(t, x, x_type, pe=1, out_bits=12, rom_style=style).check()


def test_one_row_serves_all_channels():
    random = np.random.default_rng(5)
    x = random.integers(-128, 128, (9, 12))
    Case(ascending(random, Int(-128, 127), 1, 15), x, Int(-128, 127), pe=4, out_bits=4).check()


def test_verilator():
    random = np.random.default_rng(6)
    x = random.integers(-128, 128, (9, 15))
    Case(ascending(random, Int(-128, 127), 15, 7), x, Int(-128, 127), pe=5, out_bits=3).check("verilator")


def test_memory_order_padding_and_clipping():
    """Two stages: the middle threshold of each channel, then the outer two; ROM number stage * pe + lane."""
    memory = threshold_memory(np.array([[-9, 1, 2], [3, 4, 99]]), pe=2, x_type=Int(-4, 3))
    assert (memory.bits, memory.per_lane) == (4, True)
    assert memory.words == ((1,), (4,), (12, 2), (3, 4))  # -9 clips to -4 = 0b1100, 99 to 4
    folded = threshold_memory(np.array([[1, 2], [3, 3]]), pe=1, x_type=Int(0, 3))
    assert folded.words == ((2, 3), (1, 4, 3, 4))  # a third threshold that nothing reaches


@pytest.mark.parametrize(
    ("t", "pe", "message"),
    [
        (np.zeros((1, 2**16)), 1, r"^threshold: a channel must have at most 65535 thresholds, not 65536\. "),
        (np.zeros((200, 255)), 200, r"^threshold: stages times PE must be at most 1000, not 8 \* 200\. "),
        (np.array([[2, 1]]), 1, r"^threshold: thresholds must ascend in every row, not fall\. Sort them\.$"),
    ],
    ids=["count", "roms", "order"],
)
def test_bad_thresholds(t, pe, message):
    with pytest.raises(LoweringError, match=message):
        threshold_memory(t, pe, Int(0, 7))


# LUTs, registers, block RAMs of C = 16, PE = 4, 16-bit x: Yosys 0.70, synth_ecp5 -nowidelut. Of the seven
# stages with block RAM, only the last two have ROMs of more than 64 words.
@pytest.mark.parametrize(("style", "stages", "measured"), [(0, 4, (681, 753, 0)), (1, 7, (1398, 2288, 8))])
def test_estimate_is_near_what_yosys_gave(style, stages, measured):
    p = SimpleNamespace(
        C=16, PE=4, STAGES=stages, X_BITS=16, X_SIGNED=1, OUT_BITS=stages, BIAS=0, SHIFT=0, ROM_STYLE=style
    )
    estimate = THRESHOLD.resources(p, "ecp5")
    assert estimate.lut == pytest.approx(measured[0], rel=0.25)
    assert estimate.ff == pytest.approx(measured[1], rel=0.1)
    assert estimate.bram == measured[2]
    assert estimate.stored_bits == (4 * (128 + 256) * 17 if style else 0)
