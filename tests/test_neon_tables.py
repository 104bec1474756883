"""Tables and staircases on ARM: every way to compute a function of one element, on two instruction sets."""

import numpy as np
import pytest

from arm_bench import Batch
from arm_graphs import FRAMES, case_of
from gatewright.compiler.ir.graph import Const, Graph, input_of
from gatewright.compiler.ir.ops import Conv2d, Lookup, Threshold
from gatewright.sim.qemu import by_function

CORES = ("cortex-a9", "cortex-a72")


def table(shape, values, length, first, entries):
    """A lookup of ``length`` random entries from ``first`` on, of an input with these values."""
    x = input_of("x", shape, *values)
    rng = np.random.default_rng(3)
    return Graph((x,), (Lookup(first)(x, Const(rng.integers(*entries, length))),))


def behind_a_product():
    """A convolution, a staircase that is no line, and a table, in one kernel."""
    rng = np.random.default_rng(6)
    x = input_of("x", (6, 6, 20), -128, 127)
    y = Conv2d((1, 1), (1, 1, 1, 1))(x, Const(rng.integers(-2, 3, (3, 3, 20, 13))))
    y = Threshold(-128)(y, Const(np.sort(rng.integers(-3000, 3000, (13, 255)), 1)))
    return Graph((x,), (Lookup(-128)(y, Const(rng.integers(-128, 128, 256))),))


def tables():
    """Graphs by what is special about them."""
    yield "all bytes", table((8, 8, 16), (-128, 127), 256, -128, (-128, 128))
    yield "unsigned, both", table((1000,), (0, 255), 300, -20, (0, 256))
    yield "one instruction, short", table((5,), (-3, 60), 64, -3, (0, 256))
    yield "one entry more", table((5, 3), (-3, 61), 66, -3, (-100, -90))
    yield "entries of another offset", table((9,), (-3, 140), 160, -10, (100, 300))
    yield "bipolar", table((40,), (-1, 1, 2), 3, -1, (-8, 8))
    yield "steps", table((40,), (-101, 103, 2), 300, -120, (-8, 8))
    yield "far from zero", table((40,), (1000, 1200), 300, 990, (0, 200))
    yield "wide entries", table((40,), (0, 255), 256, 0, (-1000, 1000))
    yield "a long table", table((40,), (-1000, 2000), 3001, -1000, (-8, 8))
    yield "one for each channel", table((5, 12), (-8, 7), (12, 16), -8, (-128, 128))
    yield "one row for one channel", table((3, 4, 1), (-3, 4), (1, 8), -3, (-8, 8))
    yield "behind a product", behind_a_product()


@pytest.mark.parametrize("core", CORES)
def test_tables(core, tmp_path):
    """Each graph's integers are the reference's, at both ends of the input's range too."""
    names, graphs = zip(*tables(), strict=True)
    wrong = Batch([case_of(g, i) for i, g in enumerate(graphs)], core, tmp_path).differences()
    assert not wrong, {names[i]: text for i, text in wrong.items()}


def staircase(rows, count, values, step=1, bias=0, scale=None, random=False):
    """Thresholds of rounded lines with a fraction in every row's offset, or of nothing at all."""
    rng = np.random.default_rng(count)
    x = input_of("x", (5, 7, rows), *values)
    lo, hi = values[:2]
    if random:
        t = np.sort(rng.integers(lo - 2, hi + 3, (rows, count)), axis=1)
    else:
        scales = (scale or count / (hi - lo)) * rng.uniform(0.7, 1.5, (rows, 1))
        offset = rng.uniform(-1, 1, (rows, 1)) * count / 4
        t = np.ceil((np.arange(1, count + 1) - 0.5 - count / 2 - offset) / scales + (lo + hi) / 2)
    return Graph((x,), (Threshold(bias, step)(x, Const(t.astype(np.int64))),))


def staircases():
    """Graphs by what is special about them."""
    for count in (1, 2, 3, 4, 15, 24, 25, 255):
        yield f"{count} thresholds", staircase(16, count, (-40000, 40000), bias=-(count // 2))
        yield f"{count} anywhere", staircase(9, count, (-40000, 40000), random=True)
    yield "steps of two", staircase(8, 255, (-9000, 5000), step=2, bias=-255)
    yield "steps of three", staircase(13, 15, (-300, 300), step=3, bias=7)
    yield "steps of 100", staircase(13, 63, (-3000, 3000), step=100, bias=-3000)
    yield "of 24 bits", staircase(8, 255, (-(2**23), 2**23), bias=-128)
    yield "of 28 bits", staircase(8, 255, (-(2**27), 2**27 - 5), bias=-128)
    yield "of 31 bits", staircase(8, 255, (-(2**30), 2**30))
    yield "of 34 bits", staircase(8, 255, (-(2**33), 2**33), bias=-128)
    yield "of 45 bits", staircase(8, 255, (-(2**44), 2**44), bias=-128)
    yield "16 bits out", staircase(4, 4095, (-(2**20), 2**20), bias=-2048)
    for bias in (32700, 40000, -100000, 2**34):
        yield f"15 from {bias} on", staircase(5, 15, (-3000, 3000), bias=bias)
        yield f"300 from {bias} on", staircase(5, 300, (-3000, 3000), bias=bias)
    yield "bipolar", staircase(5, 1, (-1, 1, 2))
    yield "odd numbers", staircase(16, 15, (-401, 403, 2))
    yield "of one byte", staircase(16, 15, (-128, 127))


@pytest.mark.parametrize("core", CORES)
def test_staircases(core, tmp_path):
    """The same for thresholds."""
    names, graphs = zip(*staircases(), strict=True)
    wrong = Batch([case_of(g, i) for i, g in enumerate(graphs)], core, tmp_path).differences()
    assert not wrong, {names[i]: text for i, text in wrong.items()}


def test_a_table_of_bytes_takes_two_instructions_an_element(tmp_path):
    """On AArch64 bytes are looked up sixteen at a time."""
    held = [case_of(table((64, 64, 16), (-128, 127), 256, -128, (-128, 128)), 0)]
    batch = Batch(held, "cortex-a53", tmp_path)
    counts = [by_function(tmp_path / "all", batch.run(blocks=True, frames=n)) for n in (1, FRAMES)]
    kernel = next(name for name in counts[0] if "gwk" in name)
    each = (counts[1][kernel] - counts[0][kernel]) / (FRAMES - 1)
    assert each < 2 * 64 * 64 * 16
