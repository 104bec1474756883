"""gw_arg_max against numpy, in values and clocks; of equals, the first wins."""

import numpy as np
import pytest

from gatewright.compiler.ir.types import Int
from gatewright.hw.units.arg_max import ARG_MAX as UNIT
from stream_bench import build, complaint, interval, latency, lint, mapped, pack, values

VECTORS = 30


def arg(channels: int, lanes: int, bits: int, signed: int, out_bits: int) -> dict:
    """Parameters of a gw_arg_max."""
    return {"C": channels, "PE": lanes, "BITS": bits, "SIGNED": signed, "OUT_BITS": out_bits}


def random_shape(seed: int) -> dict:
    """Random parameters: uneven trees, exact and generous index widths."""
    draw = np.random.default_rng(seed)
    lanes, fold = int(draw.integers(1, 12)), int(draw.integers(1, 9))
    out_bits = max(1, (lanes * fold - 1).bit_length()) + int(draw.integers(0, 3))
    return arg(lanes * fold, lanes, int(draw.integers(1, 12)), int(draw.integers(0, 2)), out_bits)


SHAPES = [
    arg(10, 10, 16, 1, 4), arg(10, 1, 20, 1, 4), arg(16, 16, 4, 0, 4), arg(1, 1, 8, 1, 1), arg(2, 1, 1, 0, 1),
    arg(1000, 2, 8, 1, 16), arg(8, 2, 40, 1, 3), *map(random_shape, range(12)),
]  # fmt: skip
each_shape = pytest.mark.parametrize("params", SHAPES, ids=lambda p: "-".join(map(str, p.values())))


def stimulus(params: dict) -> tuple[list[int], list[int]]:
    """Random vectors, every other one of few values (many ties), and their first maxima."""
    p = values(params)
    element = Int(-(1 << (p.BITS - 1)), (1 << (p.BITS - 1)) - 1) if p.SIGNED else Int(0, (1 << p.BITS) - 1)
    draw = np.random.default_rng(p.C + p.PE)
    x = draw.integers(element.lo, element.hi + 1, (VECTORS, p.C))
    few = draw.choice([element.lo, element.hi, max(element.lo, -1)], (VECTORS, p.C))
    x[::2] = few[::2]
    x[4] = element.lo
    return pack(element.encode(x), p.PE, p.BITS), x.argmax(axis=1).tolist()


@each_shape
def test_values_under_gaps_and_stalls(params):
    """The first of the largest, vector after vector, whatever the two sides do."""
    sent, wanted = stimulus(params)
    simulation = build(UNIT, params, params["PE"] * params["BITS"], params["OUT_BITS"])
    assert simulation.run(sent, VECTORS, gap=0.4, stall=0.4, seed=1).words == wanted
    assert simulation.run(sent, VECTORS, stall=0.8, seed=2).words == wanted


@each_shape
def test_interval_and_latency(params):
    """A vector each C/PE clocks."""
    sent, wanted = stimulus(params)
    trace = build(UNIT, params, params["PE"] * params["BITS"], params["OUT_BITS"]).run(sent, VECTORS)
    assert trace.words == wanted
    assert interval(trace, 1) == UNIT.interval(values(params))
    assert latency(trace) == UNIT.latency(values(params))


@each_shape
def test_verilator_has_no_warning(params, tmp_path):
    """No width slips at any shape."""
    assert lint(UNIT, params, tmp_path) == ""


def test_verilator_agrees():
    """Both simulators give the same words at the same clocks."""
    sent, _ = stimulus(SHAPES[6])
    one, other = (
        build(UNIT, SHAPES[6], 80, 3, tool).run(sent, VECTORS, gap=0.3) for tool in ("icarus", "verilator")
    )
    assert one == other


@pytest.mark.parametrize(
    ("params", "message"),
    [
        (arg(10, 4, 8, 1, 4), "gw_arg_max: PE must divide C, not 4 and 10"),
        (arg(10, 2, 8, 1, 3), "gw_arg_max: OUT_BITS must be at least 4, not 3"),
    ],
)
def test_bad_parameters_are_reported(params, message, tmp_path):
    """A rule that is broken is printed."""
    assert complaint(UNIT, params, tmp_path) == message


@pytest.mark.parametrize(
    ("params", "family"),
    [(arg(10, 1, 16, 1, 4), "ice40"), (arg(10, 10, 16, 1, 4), "ecp5"), (arg(100, 4, 12, 1, 7), "gowin")],
)
def test_resources(params, family, tmp_path):
    """The Unit's estimate: LUTs within 15 %, flip-flops within 3."""
    said, found = UNIT.resources(values(params), family), mapped(UNIT, params, family, tmp_path)
    assert (said.bram, said.dsp) == (found.bram, found.dsp) == (0, 0)
    assert said.ff == pytest.approx(found.ff, abs=3)
    assert said.lut == pytest.approx(found.lut, rel=0.15)
