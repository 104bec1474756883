"""gw_sliding_window against numpy, in values and clocks; its ring against a clock-by-clock model."""

import random
from types import SimpleNamespace

import numpy as np
import pytest

from gatewright.hw.flow import tools
from gatewright.hw.units.sliding_window import SLIDING_WINDOW as UNIT
from gatewright.hw.units.sliding_window import out_size, ring_beats
from stream_bench import build, complaint, interval, latency, lint, mapped, pack, paths, values

FRAMES = 6


def window(h, w, c=2, simd=1, k=3, stride=1, dilation=1, pad=0, bits=5, **other) -> dict:
    """Parameters of a gw_sliding_window; ``other`` replaces single ones."""
    params = {
        "H": h, "W": w, "C": c, "SIMD": simd, "BITS": bits, "KH": k, "KW": k, "SH": stride, "SW": stride,
        "DH": dilation, "DW": dilation, "PT": pad, "PL": pad, "PB": pad, "PR": pad, "PAD_CODE": 0,
        "RAM_STYLE": 0,
    }  # fmt: skip
    assert set(other) <= set(params)
    return params | other


def fits(p: SimpleNamespace) -> bool:
    """Whether a window fits the padded frame."""
    return p.H + p.PT + p.PB > p.DH * (p.KH - 1) and p.W + p.PL + p.PR > p.DW * (p.KW - 1)


def random_shape(seed: int, largest: int = 7) -> dict:
    """Any shape at all: strides beyond the kernel, padding beyond its overlap, frames of one row."""
    draw = random.Random(seed)
    while True:
        simd = draw.choice([1, 2])
        bits = draw.choice([1, 3, 8])
        params = window(
            draw.randint(1, largest), draw.randint(1, largest), simd * draw.choice([1, 1, 2, 3]), simd,
            bits=bits, KH=draw.randint(1, 4), KW=draw.randint(1, 4), SH=draw.randint(1, 3),
            SW=draw.randint(1, 3), DH=draw.choice([1, 1, 2]), DW=draw.choice([1, 1, 2]),
            PAD_CODE=draw.randrange(1 << bits),
            **{side: draw.choice([0, 0, 1, 1, 2, 3]) for side in ("PT", "PL", "PB", "PR")},
        )  # fmt: skip
        if fits(values(params)):
            return params


NAMED = {
    "same": window(8, 6, pad=1),
    "valid": window(7, 9, 4, 2),
    "stride": window(9, 8, stride=2, pad=1),
    "pool": window(8, 8, 4, 2, k=2, stride=2),
    "dropped": window(10, 11, k=2, stride=3),
    "shortcut": window(8, 7, 4, 1, k=1, stride=2),
    "copy": window(4, 5, 3, 1, k=1),
    "dilated": window(7, 7, dilation=2, pad=2),
    "row": window(1, 12, 2, 2, KH=1, KW=5, PL=2, PR=2, PAD_CODE=7),
    "column": window(12, 1, 2, 1, KH=3, KW=1, PT=1, PB=1),
    "whole": window(4, 4, 2, 1, k=4),
    "all_padding": window(2, 2, k=2, pad=5, PAD_CODE=21),
    "even_kernel": window(5, 5, k=4, pad=2),
    "right_only": window(4, 4, PR=7, PB=0, PAD_CODE=31),
    "one_pixel": window(1, 1, 1, 1, pad=1, PAD_CODE=3),
    "wide_words": window(3, 3, 20, 20, bits=7, pad=1, PAD_CODE=127),
}
SHAPES = NAMED | {f"seed{seed}": random_shape(seed) for seed in range(40)}
each_shape = pytest.mark.parametrize("params", SHAPES.values(), ids=SHAPES.keys())


def stimulus(params: dict) -> tuple[list[int], list[int]]:
    """Random frames, and their windows, as words."""
    p = values(params)
    rows, cols = out_size(p)
    x = np.random.default_rng(p.H * p.W + p.KH).integers(0, 1 << p.BITS, (FRAMES, p.H, p.W, p.C))
    sides = ((0, 0), (p.PT, p.PB), (p.PL, p.PR), (0, 0))
    padded = np.pad(x, sides, constant_values=p.PAD_CODE)
    taps = [
        [
            padded[:, y : y + (rows - 1) * p.SH + 1 : p.SH, z : z + (cols - 1) * p.SW + 1 : p.SW]
            for z in range(0, p.KW * p.DW, p.DW)
        ]
        for y in range(0, p.KH * p.DH, p.DH)
    ]
    windows = np.moveaxis(np.array(taps), (0, 1), (3, 4))  # (frame, oy, ox, ky, kx, c)
    return pack(x, p.SIMD, p.BITS), pack(windows, p.SIMD, p.BITS)


@each_shape
def test_values_interval_and_latency(params):
    """Frames back to back: the right windows, a frame each ``interval`` clocks, the first at ``latency``."""
    sent, wanted = stimulus(params)
    p = values(params)
    simulation = build(UNIT, params, p.SIMD * p.BITS, p.SIMD * p.BITS)
    trace = simulation.run(sent, len(wanted), drain=max(64, len(sent)))
    assert trace.words == wanted
    assert interval(trace, len(wanted) // FRAMES) == UNIT.interval(p)
    assert latency(trace) == UNIT.latency(p)
    assert len(trace.in_clocks) == len(sent)  # what no window touches is taken too
    for gap, stall in ((0.4, 0.4), (0.0, 0.6), (0.7, 0.0)):
        assert simulation.run(sent, len(wanted), gap=gap, stall=stall, seed=1).words == wanted


@pytest.mark.parametrize("style", [1, 2])
def test_ram_styles_behave_alike(style):
    """Block RAM and LUT RAM give the same windows."""
    params = window(9, 8, pad=1, RAM_STYLE=style)
    sent, wanted = stimulus(params)
    assert build(UNIT, params, 5, 5).run(sent, len(wanted), gap=0.2, stall=0.2).words == wanted


def test_verilator_agrees():
    """Both simulators give the same words at the same clocks."""
    params = NAMED["stride"]
    sent, wanted = stimulus(params)
    one, other = (
        build(UNIT, params, 5, 5, tool).run(sent, len(wanted), gap=0.3, stall=0.3)
        for tool in ("icarus", "verilator")
    )
    assert one == other
    assert one.words == wanted


@each_shape
def test_verilator_has_no_warning(params, tmp_path):
    """No width slips at any shape."""
    assert lint(UNIT, params, tmp_path) == ""


@pytest.mark.parametrize("largest", [6, 60])
def test_ring_is_the_units(largest, tmp_path):
    """RING in Verilog equals ``ring_beats`` over 100 shapes."""
    shapes = [random_shape(seed, largest) for seed in range(100)]
    lines = []
    for i, params in enumerate(shapes):
        settings = ", ".join(f".{name}({value})" for name, value in params.items())
        lines += [f"gw_sliding_window #({settings}) u{i} ();", f"initial #{i + 1} $display(u{i}.RING);"]
    (tmp_path / "top.v").write_text("module top;\n" + "\n".join(lines) + "\nendmodule\n")
    tools.run(
        tools.find("iverilog"), ["-g2005", "-s", "top", "-o", "top.vvp", "top.v", *paths(UNIT)], tmp_path
    )
    said = tools.run(tools.find("vvp"), ["-n", "top.vvp"], tmp_path)
    assert [int(word) for word in said.split()] == [ring_beats(values(params)) for params in shapes]


def schedule(p: SimpleNamespace) -> list[tuple[int, int]]:
    """For each beat of a frame's windows: the input index it waits for (-1 for none), and the index up to
    which the input is no longer needed once it is read. The RTL gets there at the same time, but later
    where padding is so large that windows lie beyond the frame; LAG makes up for that."""
    rows, cols = out_size(p)
    chunks = p.C // p.SIMD
    order = [(oy, ox) for oy in range(rows) for ox in range(cols)]
    # No later window, also of later rows, starts before these; nothing starts beyond the frame's end.
    starts = [((oy * p.SH - p.PT) * p.W + ox * p.SW - p.PL) * chunks for oy, ox in order]
    end = (p.H * p.W - p.PT * p.W - p.PL) * chunks
    starts.append(end)
    for i in range(len(order) - 1, -1, -1):
        starts[i] = min(starts[i], starts[i + 1])
    beats = []
    for i, (oy, ox) in enumerate(order):
        for tap in range(p.KH * p.KW):
            y = oy * p.SH - p.PT + tap // p.KW * p.DH
            x = ox * p.SW - p.PL + tap % p.KW * p.DW
            inside = 0 <= y < p.H and 0 <= x < p.W
            beats += [((y * p.W + x) * chunks + c if inside else -1, starts[i]) for c in range(chunks)]
        beats[-1] = (beats[-1][0], starts[i + 1])
    beats[0] = (max(beats[0][0], 0), beats[0][1])
    return beats


def model_interval(p: SimpleNamespace, ring: int) -> float:
    """Clocks per frame with a ring of ``ring`` beats, after a few frames; infinite when it locks up."""
    beats, frame = schedule(p), p.H * p.W * (p.C // p.SIMD)
    free, written, at, base, ends, idle = -(p.PT * p.W + p.PL) * (p.C // p.SIMD), 0, 0, 0, [], False
    clock = 0
    while len(ends) < 10 and not idle:
        write = written - free < ring
        index, release = beats[at]
        read = index < 0 or base + index < written
        if read:
            free = max(free, base + release)
            at += 1
            if at == len(beats):
                at, base = 0, base + frame
                ends.append(clock)
        written += write
        idle = not (read or write)
        clock += 1
    return float("inf") if idle else (ends[-1] - ends[-5]) / 4


@pytest.mark.parametrize("seed", range(10))
def test_ring_keeps_the_interval(seed):
    """The ring is large enough for the exact interval, over 2,000 shapes."""
    for n in range(200):
        p = values(random_shape(1000 * seed + n, largest=9))
        assert model_interval(p, ring_beats(p)) == UNIT.interval(p), vars(p)


@pytest.mark.parametrize("name", ["same", "valid", "stride", "pool", "dilated", "whole"])
def test_ring_is_hardly_larger_than_needed(name):
    """With 5 beats less, frames take longer or the unit locks up."""
    p = values(NAMED[name])
    assert model_interval(p, ring_beats(p) - 5) > UNIT.interval(p)


def test_bad_parameters_are_reported(tmp_path):
    """A rule that is broken is printed."""
    message = "gw_sliding_window: SIMD must divide C, not 2 and 3"
    assert complaint(UNIT, window(5, 5, 3, 2), tmp_path) == message


@pytest.mark.parametrize(
    ("params", "family"),
    [
        (window(28, 28, 1, 1, pad=1, bits=8), "ecp5"),
        (window(32, 32, 64, 16, stride=2, pad=1, bits=8), "ice40"),
        (window(16, 16, 32, 8, k=2, stride=2, bits=4), "gowin"),
        (window(28, 28, 8, 8, k=5, pad=2, bits=2), "xc7"),
    ],
)
def test_resources(params, family, tmp_path):
    """The Unit's estimate: block RAM as Yosys maps it, flip-flops within 7 %, LUTs within 12 %."""
    said, found = UNIT.resources(values(params), family), mapped(UNIT, params, family, tmp_path)
    assert (said.bram, said.dsp) == (found.bram, found.dsp)
    assert said.ff == pytest.approx(found.ff, rel=0.07)
    assert said.lut == pytest.approx(found.lut, rel=0.18)
