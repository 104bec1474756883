"""gw_gather, gw_slice and gw_pad against numpy: values and clocks, and after a reset in mid-frame."""

import numpy as np
import pytest

from gatewright.errors import LoweringError
from gatewright.hw.units.gather import GATHER, blocks_of, gather_parameters, order_of
from gatewright.hw.units.slice import PAD, SLICE
from stream_bench import complaint, mapped, pack, values
from unit_bench import Case

FRAMES = 51


def frames(shape, bits: int, seed: int = 0) -> np.ndarray:
    """Random codes, (FRAMES, *shape)."""
    return np.random.default_rng([seed, *shape]).integers(0, 1 << bits, (FRAMES, *shape))


def transposed(shape, perm):
    return np.arange(np.prod(shape)).reshape(shape).transpose(perm)


def upsampled(shape, down, across):
    return np.arange(np.prod(shape)).reshape(shape).repeat(down, 0).repeat(across, 1)


def blocks_to_channels(shape, b):
    h, w, c = shape
    places = np.arange(h * w * c).reshape(h // b, b, w // b, b, c)
    return places.transpose(0, 2, 1, 3, 4).reshape(h // b, w // b, b * b * c)


# What moves, elements a beat, and how many blocks a frame falls into.
ORDERS = {
    "transpose": ((4, 3, 6), transposed((4, 3, 6), (1, 0, 2)), 3, 1),
    "transpose_last": ((4, 3, 6), transposed((4, 3, 6), (2, 1, 0)), 1, 1),
    "transpose_rows": ((4, 3, 6), transposed((4, 3, 6), (0, 2, 1)), 1, 4),
    "transpose_5d": ((2, 3, 2, 3, 2), transposed((2, 3, 2, 3, 2), (4, 2, 0, 3, 1)), 1, 1),
    "shuffle": ((2, 2, 12), transposed((2, 2, 3, 4), (0, 1, 3, 2)), 1, 4),
    "upsample": ((3, 5, 4), upsampled((3, 5, 4), 2, 3), 2, 3),
    "upsample_1d": ((1, 6, 2), upsampled((1, 6, 2), 1, 2), 2, 6),
    "space_to_depth": ((4, 6, 3), blocks_to_channels((4, 6, 3), 2), 3, 2),
    "depth_to_space": ((2, 3, 8), transposed((2, 3, 2, 2, 2), (0, 2, 1, 3, 4)), 2, 2),
    "depth_to_space_crd": ((2, 3, 8), transposed((2, 3, 2, 2, 2), (0, 3, 1, 4, 2)), 1, 2),
    "repeat_one": ((1, 1, 2), upsampled((1, 1, 2), 2, 2), 2, 1),
    "some": ((1, 9, 1), np.array([7, 4, 1]), 1, 1),
}  # fmt: skip
each_order = pytest.mark.parametrize("name", ORDERS)


def gather(name: str, bits: int = 5, ram_style: int = 0) -> Case:
    """A unit for one block of that order, and frames of random codes."""
    shape, moved, lanes, blocks = ORDERS[name]
    order = order_of(shape, moved, lanes)
    beats = int(np.prod(shape)) // lanes
    assert blocks_of(order, beats) == blocks
    order = order[: len(order) // blocks]
    params = gather_parameters(lanes * bits, beats // blocks, order, ram_style)
    x = frames(shape, bits).reshape(FRAMES, -1)
    words, wanted = pack(x, lanes, bits), pack(x[:, moved.ravel()], lanes, bits)
    return Case(GATHER, params, lanes * bits, lanes * bits, words, wanted, len(order))


@each_order
def test_gather_values_and_clocks(name):
    gather(name).check()


@each_order
def test_gather_after_reset_in_mid_block(name, tmp_path):
    for clocks in (3, 40):
        gather(name).check_reset(tmp_path, clocks)


@each_order
def test_gather_has_no_verilator_warning(name, tmp_path):
    assert gather(name).lint(tmp_path) == ""


@pytest.mark.parametrize("seed", range(30), ids="seed{}".format)
def test_any_transpose_of_five_axes_is_five_loops(seed):
    """Loops give back the order, for shapes that merge, repeat and shrink to 1."""
    random = np.random.default_rng([4, seed])
    shape = tuple(int(n) for n in random.integers(1, 6, int(random.integers(1, 6))))
    order = transposed(shape, random.permutation(len(shape))).ravel()
    p = gather_parameters(1, len(order), order)
    address, found = p["START"], []
    for place in range(len(order)):
        found.append(address)
        level, left = 0, place + 1
        while level < 4 and left % p[f"N{level}"] == 0:
            level, left = level + 1, left // p[f"N{level}"]
        address += p[f"J{level}"]
    assert found == order.tolist()


def test_order_that_is_no_loops_is_refused():
    message = r"^gather: an order must be at most 5 nested loops, not 6\. Move fewer axes at once\.$"
    with pytest.raises(LoweringError, match=message):
        gather_parameters(1, 7, np.array([0, 1, 3, 4, 2, 6, 5]))


def test_lanes_must_keep_whole_beats():
    assert order_of((2, 4), transposed((2, 4), (1, 0)), 2) is None
    assert order_of((2, 3), np.arange(6), 4) is None
    assert order_of((2, 4), np.array([1, 2, 5, 6]), 2) is None  # pairs, but across beats


def axes_of(names, axes) -> dict:
    return {f"{name}{k}": v for k, axis in enumerate(axes) for name, v in zip(names, axis, strict=True)}


def cut(axes, lanes: int, bits: int = 4) -> Case:
    """gw_slice; axes from the fastest on as (N, FIRST, COUNT, STEP) in beats."""
    shape = (*(n for n, *_ in reversed(axes)), lanes)
    x = frames(shape, bits, 1)
    parts = [slice(first, first + (count - 1) * step + 1, step) for _, first, count, step in reversed(axes)]
    y = x[(slice(None), *parts)]
    params = {"BITS": lanes * bits} | axes_of(("N", "FIRST", "COUNT", "STEP"), axes)
    width = lanes * bits
    return Case(SLICE, params, width, width, pack(x, lanes, bits), pack(y, lanes, bits), y[0].size // lanes)


WHOLE = (1, 0, 1, 1)
CUTS = [
    ([(8, 2, 3, 1), WHOLE, WHOLE], 2), ([(3, 0, 3, 1), (7, 1, 3, 2), (5, 4, 1, 1)], 1),
    ([(9, 0, 5, 2), (4, 0, 2, 1), (3, 1, 2, 1)], 1), ([(5, 1, 2, 3), (1, 0, 1, 1), (6, 2, 2, 3)], 3),
    ([WHOLE, WHOLE, WHOLE], 1), ([(2, 1, 1, 1), (2, 0, 1, 1), (9, 3, 4, 1)], 1),
    ([(16, 1, 5, 3), (3, 0, 3, 1), WHOLE], 1),
]  # fmt: skip


@pytest.mark.parametrize("which", range(len(CUTS)))
def test_slice(which, tmp_path):
    """Values and clocks, no warning, and nothing left by a reset in mid-frame."""
    case = cut(*CUTS[which])
    case.check(which)
    assert case.lint(tmp_path) == ""
    for clocks in (4, 21):
        case.check_reset(tmp_path, clocks)


def test_slice_beyond_its_axis_is_reported(tmp_path):
    params = {"BITS": 4} | axes_of(("N", "FIRST", "COUNT", "STEP"), [(8, 6, 2, 2), WHOLE, WHOLE])
    said = complaint(SLICE, params, tmp_path)
    assert said == "gw_axis_range: 2 elements from 6 by 2 must lie within 8"


def border(axes, lanes: int, bits: int, code: int) -> Case:
    """gw_pad; axes from the fastest on as (N, BEFORE, AFTER) in beats."""
    shape = (*(n for n, *_ in reversed(axes)), lanes)
    x = frames(shape, bits, 2)
    y = np.pad(x, [(0, 0), *((a, b) for _, a, b in reversed(axes)), (0, 0)], constant_values=code)
    params = {"BITS": bits, "LANES": lanes, "PAD_CODE": code} | axes_of(("N", "BEFORE", "AFTER"), axes)
    width = lanes * bits
    return Case(PAD, params, width, width, pack(x, lanes, bits), pack(y, lanes, bits), y[0].size // lanes)


PADS = [
    ([(4, 1, 2), (3, 0, 0), (2, 0, 0)], 1, 5, 17), ([(2, 0, 0), (5, 1, 1), (4, 2, 1)], 3, 4, 0),
    ([(1, 0, 0), (1, 0, 0), (1, 0, 0)], 1, 3, 1), ([(3, 0, 1), (1, 0, 0), (2, 0, 3)], 2, 1, 1),
    ([(3, 2, 0), (2, 3, 0), (2, 1, 0)], 1, 8, 255),
]  # fmt: skip


@pytest.mark.parametrize("which", range(len(PADS)))
def test_pad(which, tmp_path):
    """Values and clocks, no warning, and nothing left by a reset in mid-frame."""
    case = border(*PADS[which])
    case.check(which)
    assert case.lint(tmp_path) == ""
    for clocks in (4, 21):
        case.check_reset(tmp_path, clocks)


def test_which_beat_each_output_waits_for():
    """What the schedule of a design asks: no output comes before the last beat that it needs."""
    assert cut([(4, 1, 2, 2), (2, 0, 2, 1), WHOLE], 1).needs() == [1, 3, 5, 7]
    assert border([(2, 1, 1), (2, 1, 0), (1, 0, 0)], 1, 4, 0).needs() == [0, 0, 0, 0, 0, 0, 1, 1, 1, 2, 3, 3]
    assert gather("some").needs() == [8, 8, 8]


@pytest.mark.parametrize("which", range(len(CUTS)))
def test_slices_come_right_behind_what_they_need(which):
    """Measured: each output leaves a clock after the step that ``needs`` names."""
    case = cut(*CUTS[which])
    trace = case.build().run(case.words, len(case.expected))
    taken = [trace.in_clocks[n] for n in case.needs()]
    assert trace.out_clocks[: case.beats] == [clock + 1 for clock in taken]


@pytest.mark.parametrize("which", range(len(PADS)))
def test_no_output_comes_before_what_it_needs(which):
    case = border(*PADS[which])
    trace = case.build().run(case.words, len(case.expected))
    taken = [trace.in_clocks[n] for n in case.needs()]
    assert all(out >= clock + 2 for out, clock in zip(trace.out_clocks, taken, strict=False))


def test_verilator_agrees():
    made = gather("upsample")
    runs = [
        made.build(tool).run(made.words, len(made.expected), gap=0.3, stall=0.3)
        for tool in ("icarus", "verilator")
    ]
    assert runs[0] == runs[1]


@pytest.mark.parametrize(
    ("case", "family"),
    [
        (gather("upsample", 8), "ecp5"),
        (gather("transpose", 8), "gowin"),
        (cut(*CUTS[1]), "ecp5"),
        (border(*PADS[1]), "ecp5"),
    ],
    ids=["gather", "gather_gowin", "slice", "pad"],
)
def test_resources(case, family, tmp_path):
    """The Unit's estimate: registers within 10 %, block RAM equal, LUTs within 25 % or 12."""
    said = case.unit.resources(values(case.params), family)
    literals = {k: v if v >= 0 else f"32'd{v & 0xFFFFFFFF}" for k, v in case.params.items()}
    found = mapped(case.unit, literals, family, tmp_path)
    assert (said.bram, said.dsp) == (found.bram, found.dsp)
    assert said.ff == pytest.approx(found.ff, rel=0.1, abs=3)
    assert said.lut == pytest.approx(found.lut, rel=0.25, abs=12)
