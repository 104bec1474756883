"""How the tests of gw_matrix_vector make units with random contents and drive them."""

from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from gatewright.compiler.ir.ops.adder import adder_bounds
from gatewright.compiler.ir.types import Int
from gatewright.hw.design import Stream
from gatewright.hw.units.lanes import COUNTING
from gatewright.hw.units.matrix_vector import (
    MATRIX_VECTOR,
    bias_memory,
    booth_start,
    group_weight_memory,
    limit_start,
    minimum_start,
    paired_weights,
)
from gatewright.sim.rtl import Simulation, compile_rtl

RTL = Path(__file__).parents[1] / "hw" / "rtl"
BIPOLAR = Int(-1, 1, 2)
LANES = (
    "multiply",
    "digits",
    "weight_sign",
    "xnor",
    "input_sign",
    "xnor6",
    "pair",
    "adder",
    "minimum",
    "booth",
)
ADDERS = (7, 8)
VECTORS = 5


def two_complement(bits: int) -> Int:
    """All values of so many bits."""
    return Int(-(1 << (bits - 1)), (1 << (bits - 1)) - 1)


def draw(random: np.random.Generator, values: Int, shape) -> np.ndarray:
    """Any of them."""
    return values.lo + values.step * random.integers(0, values.levels, shape)


@dataclass
class Case:
    """A unit with random contents, its input words and the output words expected."""

    params: dict
    memories: dict
    source: Stream
    sink: Stream
    words: list[int]
    expected: list[int]
    xs: np.ndarray  # (VECTORS, groups, MW)
    ws: np.ndarray  # (groups, MW, MH)

    @property
    def p(self) -> SimpleNamespace:
        """Parameters as attributes."""
        return SimpleNamespace(**self.params)

    def compile(self, tool: str = "icarus") -> Simulation:
        """The unit alone."""
        unit = MATRIX_VECTOR
        files = [RTL / name for name in unit.files]
        return compile_rtl(
            unit.module, files, self.params, self.source.bits, self.sink.bits,
            memories=self.memories, tool=tool,
        )  # fmt: skip


def sums_of(lane: int, xs: np.ndarray, ws: np.ndarray) -> np.ndarray:
    """What the lanes add up of (VECTORS, groups, MW) and (groups, MW, MH), without biases."""
    if lane in ADDERS:
        return -np.abs(xs[..., None] - ws).sum(-2)
    return np.einsum("vgi,gij->vgj", xs, ws)


def own_start(lane: int, ws: np.ndarray, simd: int, x: Int, w_bits: int) -> np.ndarray | None:
    """What the lane has in every bias, (groups, MH); None for lanes that need none."""
    if lane == 8:
        return minimum_start(ws, simd, x.bits, w_bits, x.signed)
    if lane == 9:
        return np.full((len(ws), ws.shape[2]), booth_start(ws.shape[1], x.bits, w_bits))
    return None


def make(
    seed: int,
    lane: int,
    shape,
    x: Int,
    w: Int,
    acc_bits: int,
    bias: bool,
    rom_style: int = 0,
    groups: int = 1,
) -> Case:
    """A unit of ``shape`` (MW, MH, PE, SIMD) with random weights, and with ``bias`` random biases."""
    mw, mh, pe, simd = shape
    random = np.random.default_rng([seed, lane])
    xs, ws = draw(random, x, (VECTORS, groups, mw)), draw(random, w, (groups, mw, mh))
    b = draw(random, two_complement(acc_bits + 2), (groups, mh)) * bias
    xs[0], xs[1] = x.lo, x.hi  # the extremes meet every weight
    ws[:, :, 0] = w.lo
    w_bits, stored = w.bits, ws
    if lane == 6:  # two rows a multiplier, whose memory may need one bit more
        w_bits, stored = w.bits + 1, paired_weights(ws)
    elif lane in ADDERS:
        w_bits = w.bits + (x.signed and not w.signed)
    memories = {"w.mem": group_weight_memory(stored, pe, simd, w_bits, w.bipolar, w.signed or x.signed)}
    own = own_start(lane, ws, simd, x, w_bits)
    bias = bias or own is not None
    if bias:
        memories["b.mem"] = bias_memory((b if own is None else b + own).ravel(), pe, acc_bits)
    params = {
        "MW": mw, "MH": mh, "PE": pe, "SIMD": simd, "X_BITS": x.bits, "X_SIGNED": int(x.signed),
        "W_BITS": w_bits, "LANE": lane, "ACC_BITS": acc_bits, "ROM_STYLE": rom_style, "HAS_BIAS": int(bias),
        "GROUPS": groups, "TOP_BIT": 0, "WEIGHTS": "w.mem", "BIAS": "b.mem" if bias else "",
    }  # fmt: skip
    source, sink = Stream(x, simd, mw // simd), Stream(two_complement(acc_bits), pe, mh // pe)
    words = {name: (memory.words, memory.bits) for name, memory in memories.items()}
    sums = sums_of(lane, xs, ws) + b
    return Case(params, words, source, sink, source.pack(xs), sink.pack(sums), xs, ws)


def make_limited(seed: int, lane: int, shape, x: Int, w: Int, rom_style: int = 0, groups: int = 1) -> Case:
    """The same, of which only bits leave: whether sums reach limits, of which some are never reached, some
    always, and one exactly."""
    case = make(seed, lane, shape, x, w, 2, False, rom_style, groups)
    random = np.random.default_rng([seed, lane, 7])
    sums = sums_of(lane, case.xs, case.ws)
    low, high = (f(case.ws * x.lo, case.ws * x.hi).sum(1).ravel() for f in (np.minimum, np.maximum))
    if lane in ADDERS:
        low, high = adder_bounds(x, case.ws.transpose(1, 0, 2).reshape(shape[0], -1), None, False)
    limits = random.integers(sums.min(0).ravel(), sums.max(0).ravel() + 2)
    outside = np.array([2**61, -(2**61)])[random.integers(0, 2, limits.size)]
    limits = np.where(random.random(limits.size) < 0.2, outside, limits)
    limits[-1] = sums[-1, -1, -1]
    start, bits = limit_start(limits, low, high, lane in COUNTING, shape[0])
    own = own_start(lane, case.ws, shape[3], x, case.p.W_BITS)
    if own is not None:
        start = start + own.ravel()
    memory = bias_memory(start, shape[2], bits)
    case.params |= {"ACC_BITS": bits, "HAS_BIAS": 1, "TOP_BIT": 1, "BIAS": "b.mem"}
    case.memories["b.mem"] = memory.words, memory.bits
    case.sink = Stream(Int(0, 1), shape[2], shape[1] // shape[2])
    case.expected = case.sink.pack((sums >= limits.reshape(sums.shape[1:])).astype(np.int64))
    return case


def random_shape(seed: int, lane: int):
    """A generator, and a shape with types of x and w that the lane takes."""
    random = np.random.default_rng([99, seed, lane])
    pe, simd = random.integers(1, 5) * (1 + (lane == 6)), random.integers(1, 10)
    slots, folds = random.integers(1, 7), random.integers(1, 5)
    if seed % 4 == 3:
        slots, simd, folds = 24, 4, 3  # enough for the vector buffer to be a RAM
    shape = tuple(int(v) for v in (slots * simd, folds * pe, pe, simd))
    x_bits, w_bits = int(random.integers(1, 17)), int(random.integers(1, 9))
    x, w = (two_complement(x_bits) if random.integers(2) else Int(0, 2**x_bits - 1)), two_complement(w_bits)
    if lane in (3, 4, 5):
        x = BIPOLAR
    if lane in (2, 3, 5):
        w = BIPOLAR
    if lane in ADDERS:
        w_bits = int(random.integers(1, 17))
        w = two_complement(w_bits) if x.signed else Int(0, 2**w_bits - 1)
    return random, shape, x, w


def random_case(seed: int, lane: int) -> Case:
    """Any shape that the lane takes, with sums that may wrap."""
    random, shape, x, w = random_shape(seed, lane)
    whole = x.bits + w.bits + (shape[0] - 1).bit_length() + 1
    acc_bits = int(random.integers(max(whole - 4, 2), whole + 5))  # narrower wraps, wider extends
    return make(seed, lane, shape, x, w, acc_bits, bool(random.integers(2)), seed % 3)


def check_timing(case: Case, simulation: Simulation) -> None:
    """Without gaps and stalls: exact latency, and an exact distance of every output beat and vector."""
    trace = simulation.run(case.words, len(case.expected))
    assert trace.words == case.expected
    assert trace.offered - trace.in_clocks[0] == MATRIX_VECTOR.latency(case.p)
    slots = case.params["MW"] // case.params["SIMD"]
    assert set(np.diff(trace.out_clocks)) <= {slots}
    assert set(np.diff(trace.in_clocks[::slots])) == {MATRIX_VECTOR.interval(case.p)}
