"""gw_whole_window against numpy, in values and clocks."""

import random

import numpy as np
import pytest

from gatewright.hw.units.whole_window import WHOLE_WINDOW as UNIT
from gatewright.hw.units.whole_window import out_size
from stream_bench import build, complaint, interval, latency, lint, mapped, pack, values

FRAMES = 4


def window(h, w, pixel=5, k=3, stride=1, dilation=1, **other) -> dict:
    """Parameters of a gw_whole_window; ``other`` replaces single ones."""
    params = {
        "H": h, "W": w, "PIXEL": pixel, "KH": k, "KW": k, "SH": stride, "SW": stride, "DH": dilation,
        "DW": dilation, "RAM_STYLE": 0,
    }  # fmt: skip
    assert set(other) <= set(params)
    return params | other


def random_shape(seed: int) -> dict:
    """Any shape at all: strides beyond the kernel, frames of one row or column."""
    draw = random.Random(seed)
    while True:
        params = window(
            draw.randint(1, 8), draw.randint(1, 8), draw.choice([1, 3, 8]),
            KH=draw.randint(1, 4), KW=draw.randint(1, 4), SH=draw.randint(1, 3), SW=draw.randint(1, 3),
            DH=draw.choice([1, 1, 2]), DW=draw.choice([1, 1, 2]),
        )  # fmt: skip
        p = values(params)
        if p.H > p.DH * (p.KH - 1) and p.W > p.DW * (p.KW - 1):
            return params


NAMED = {
    "plain": window(7, 9),
    "stride": window(9, 8, stride=2),
    "dilated": window(7, 7, dilation=2),
    "row": window(1, 12, KH=1, KW=5),
    "column": window(12, 1, KH=3, KW=1),
    "two columns": window(6, 2, k=2),
    "whole": window(4, 4, k=4),
    "pixel": window(3, 4, k=1, stride=2),
    "long lines": window(4, 40, 8, k=3),
}
SHAPES = NAMED | {f"seed{seed}": random_shape(seed) for seed in range(24)}
each_shape = pytest.mark.parametrize("params", SHAPES.values(), ids=SHAPES.keys())


def stimulus(params: dict) -> tuple[list[int], list[int]]:
    """Random frames, and their windows, as words."""
    p = values(params)
    rows, cols = out_size(p)
    x = np.random.default_rng(p.H * p.W + p.KH).integers(0, 1 << p.PIXEL, (FRAMES, p.H, p.W))
    taps = [
        [x[:, y : y + (rows - 1) * p.SH + 1 : p.SH, z : z + (cols - 1) * p.SW + 1 : p.SW]
         for z in range(0, p.KW * p.DW, p.DW)]
        for y in range(0, p.KH * p.DH, p.DH)
    ]  # fmt: skip
    windows = np.moveaxis(np.array(taps), (0, 1), (3, 4))  # (frame, oy, ox, ky, kx)
    return pack(x, 1, p.PIXEL), pack(windows, p.KH * p.KW, p.PIXEL)


@each_shape
def test_values_interval_and_latency(params, tmp_path):
    """Frames back to back: the right windows, a frame each ``interval`` clocks, the first at ``latency``; the
    same windows with gaps and stalls."""
    sent, wanted = stimulus(params)
    p = values(params)
    simulation = build(UNIT, params, p.PIXEL, p.KH * p.KW * p.PIXEL)
    trace = simulation.run(sent, len(wanted), drain=max(64, len(sent)))
    assert trace.words == wanted
    assert interval(trace, len(wanted) // FRAMES) == UNIT.interval(p)
    assert latency(trace) == UNIT.latency(p)
    needs = UNIT.needs(p)
    assert [trace.out_clocks[o] - trace.in_clocks[n] for o, n in enumerate(needs)] == [1] * len(needs)
    assert len(trace.in_clocks) == len(sent)
    for gap, stall in ((0.4, 0.4), (0.0, 0.6), (0.7, 0.0)):
        assert simulation.run(sent, len(wanted), gap=gap, stall=stall, seed=1).words == wanted
    assert lint(UNIT, params, tmp_path) == ""


@pytest.mark.parametrize("style", [1, 2])
def test_ram_styles_behave_alike(style):
    """Block RAM and LUT RAM give the same windows."""
    params = window(9, 8, RAM_STYLE=style)
    sent, wanted = stimulus(params)
    assert build(UNIT, params, 5, 45).run(sent, len(wanted), gap=0.2, stall=0.2).words == wanted


def test_verilator_agrees():
    """Both simulators give the same words at the same clocks."""
    params = NAMED["stride"]
    sent, wanted = stimulus(params)
    one, other = (
        build(UNIT, params, 5, 45, tool).run(sent, len(wanted), gap=0.3, stall=0.3)
        for tool in ("icarus", "verilator")
    )
    assert one == other
    assert one.words == wanted


def test_bad_parameters_are_reported(tmp_path):
    """A window larger than the frame is printed."""
    message = "gw_whole_window: the window must fit the frame, 2 rows of 8"
    assert message in complaint(UNIT, window(2, 8), tmp_path)


@pytest.mark.parametrize(
    ("params", "family"),
    [
        (window(32, 32, 8, k=5), "ecp5"),
        (window(14, 14, 48, k=5), "ecp5"),
        (window(34, 34, 64), "xc7"),
        (window(16, 16, 8, k=3, stride=2), "ice40"),
    ],
)
def test_resources(params, family, tmp_path):
    """The Unit's estimate: block RAM as Yosys maps it, flip-flops within 7 %, LUTs within 30 or 12 %."""
    said, found = UNIT.resources(values(params), family), mapped(UNIT, params, family, tmp_path)
    assert (said.bram, said.dsp) == (found.bram, found.dsp)
    assert said.ff == pytest.approx(found.ff, rel=0.07)
    assert said.lut == pytest.approx(found.lut, rel=0.12, abs=30)
