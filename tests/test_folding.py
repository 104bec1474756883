"""Folding: the interval asked for, kept clock for clock; the board's room; what is said when it is short."""

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from driver_models import ICEBREAKER, ULX3S, image_net, vector_net
from gatewright import boards
from gatewright.compiler.ir.evaluate import evaluate
from gatewright.compiler.ir.graph import Const, Graph, input_of
from gatewright.compiler.ir.ops import Conv2d, MatMul, Threshold
from gatewright.errors import FitError
from gatewright.hw.build import assemble
from gatewright.hw.design import FAMILIES, Resources
from gatewright.hw.folding import capacity, fold
from gatewright.hw.layers import layers
from gatewright.hw.library import closure
from gatewright.hw.lower import FPGA
from gatewright.hw.units.lanes import LANE_PAIR
from gatewright.hw.verilog import memory_files, top_level
from gatewright.sim.rtl import simulate
from random_nets import frames_for, random_net

FRAMES = 12
BOARD = boards.load(ULX3S)


def clocks_between(graph, design, tool="icarus", frames=FRAMES):
    """Clocks from frame to frame, free-running, in the later half; the values must be the reference's."""
    data, text = frames_for(3, graph, frames), top_level(design, "accelerator")
    with tempfile.TemporaryDirectory() as folder:
        top = Path(folder) / "accelerator.v"
        top.write_text(text)
        trace = simulate(
            "accelerator", [*closure([text]).values(), top], {}, design.input.pack(data), design.input.bits,
            design.output.bits, design.output.beats * frames, memories=memory_files(design), tool=tool,
        )  # fmt: skip
    got = design.output.unpack(trace.words).reshape(frames, *graph.outputs[0].type.shape)
    np.testing.assert_array_equal(got, evaluate(graph, data)[0])
    ends = np.array(trace.out_clocks[design.output.beats - 1 :: design.output.beats])
    return np.diff(ends)[frames // 2 :].tolist()


def tight(graph, interval=None, seed=0):
    """A design whose layers are all as slow as the interval lets them be, where stalls would show most."""
    rng = np.random.default_rng(seed)
    chain = layers(graph)
    options = []
    for layer in chain:
        rule = FPGA.rule(layer.node)
        found = [(_slowest(rule.lower(layer, f)), f) for f in rule.folds(layer)]
        options.append(found)
    fastest = max(min(n for n, _ in found) for found in options)
    if interval is None:
        steps = sorted({n for found in options for n, _ in found if fastest <= n < 1500})
        interval = int(rng.choice(steps))
    folds = []
    for found in options:
        most = max(n for n, _ in found if n <= interval)
        same = [f for n, f in found if n == most]
        folds.append(same[int(rng.integers(len(same)))])
    return assemble(graph.name, chain, folds)


def _slowest(units):
    return max((u.busy for u in units), default=1)


# Each lost clocks to a FIFO that was too shallow: before a vector unit, behind and before a window.
@pytest.mark.parametrize(("seed", "interval"), [(5, 48), (5, 96), (14, 96), (19, 56), (56, 36), (87, 72)])
def test_no_clock_is_lost_where_it_once_was(seed, interval):
    graph = random_net(seed)
    designs = [tight(graph, interval, n) for n in range(3)]
    for design in designs:
        assert set(clocks_between(graph, design)) == {design.interval}


@pytest.mark.parametrize("seed", range(200, 224))
def test_random_networks_keep_their_interval_to_the_clock(seed):
    graph = random_net(seed)
    design = tight(graph, seed=seed)
    assert set(clocks_between(graph, design)) == {design.interval}


def test_the_interval_in_verilator():
    graph = random_net(5)
    design = fold("five", layers(graph), BOARD, 96)
    assert set(clocks_between(graph, design, "verilator")) == {design.interval}


def test_fifos_are_no_deeper_than_needed():
    """Where beats come evenly a FIFO has its least; before a folded vector unit a vector gathers."""
    x = input_of("x", (8,), 0, 3)
    first = MatMul()(x, Const(np.ones((8, 8), dtype=int)), name="a")
    graph = Graph((x,), (MatMul()(first, Const(np.ones((8, 4), dtype=int)), name="b"),), "two")
    chain = layers(graph)
    folds = [
        next(f for f in FPGA.rule(c.node).folds(c) if (f.pe, f.simd) == (1, s))
        for c, s in zip(chain, (2, 1), strict=True)
    ]
    depths = [i.p.DEPTH for i in assemble("two", chain, folds).instances if i.unit.module == "gw_fifo"]
    assert depths[0] == depths[-1] == 2
    assert 2 < depths[1] <= 8
    shallow = assemble("two", chain, folds, buffered=False)
    assert {i.p.DEPTH for i in shallow.instances if i.unit.module == "gw_fifo"} == {2}


@pytest.mark.parametrize("interval", [270, 271, 539, 600, 1000, 5000])
def test_the_interval_asked_for_is_kept(interval):
    design = fold("image", layers(image_net()), BOARD, interval)
    assert design.interval <= interval


def test_slower_is_cheaper():
    chain = layers(image_net())
    luts = [fold("image", chain, BOARD, n).resources("ecp5").lut for n in (270, 540, 2160)]
    assert luts == sorted(luts, reverse=True)
    assert luts[-1] < 0.8 * luts[0]


def test_the_fastest_that_fits():
    """As fast as the network can be on a large board: a pixel a clock, of 7 x 8 with the border. On a small
    one slower, and within three quarters of it."""
    chain, link = layers(image_net()), Resources(lut=700, ff=500, bram=2)
    assert fold("image", chain, BOARD).interval == 56
    small = replace(boards.load(ICEBREAKER), part=replace(boards.load(ICEBREAKER).part, lut=2000))
    design = fold("image", chain, small, overhead=link)
    assert design.interval > 56
    need, room = design.resources("ice40") + link, capacity(small)
    for kind in ("lut", "ff", "bram"):
        assert getattr(need, kind) <= 0.75 * getattr(room, kind)


def test_an_interval_below_the_fastest_is_refused():
    message = (
        r"^folding: the interval must be at least \d+ clocks, not 5: layer 'conv' \(conv2d\) cannot be "
        r"unfolded further\. Ask for --interval \d+ or more, or fewer frames per second\.$"
    )
    with pytest.raises(FitError, match=message) as refused:
        fold("image", layers(image_net()), BOARD, 5)
    least = int(str(refused.value).split("at least ")[1].split()[0])
    assert fold("image", layers(image_net()), BOARD, least).interval == least


def test_a_board_that_is_too_small_names_the_largest_users():
    tiny = replace(BOARD, part=replace(BOARD.part, lut=300, bram=1))
    message = (
        r"^folding: 'image' for 300 clocks a frame needs \d+ LUT, LFE5U-85F-6BG381C has 300 \(largest users: "
        r"u00_conv2d_conv_\w+ \d+, \w+ \d+, \w+ \d+\).*\. "
        r"Ask for fewer frames per second, fewer bits, or a larger board\.$"
    )
    with pytest.raises(FitError, match=message):
        fold("image", layers(image_net()), tiny, 300)
    with pytest.raises(FitError, match=r"^folding: 'image' for \d+ clocks a frame needs "):
        fold("image", layers(image_net()), tiny)


def test_weights_move_to_block_ram_where_luts_are_short():
    """12 k weights of 8 bits in LUTs would not fit 2,500 LUTs; in block RAM they do."""
    x = input_of("x", (64,), 0, 15)
    w = Const(np.random.default_rng(0).integers(-128, 128, (64, 192)))
    chain = layers(Graph((x,), (MatMul()(x, w, name="big"),), "big"))
    short = replace(BOARD, part=replace(BOARD.part, lut=2500))
    found = fold("big", chain, short, 64 * 192 // 4)
    assert found.resources("ecp5").bram >= 5
    assert found.resources("ecp5").lut <= 2500


def test_products_leave_dsp_blocks_where_there_are_none():
    x = input_of("x", (4, 4, 4), 0, 255)
    conv = Conv2d()(x, Const(np.random.default_rng(0).integers(-100, 100, (2, 2, 4, 4))), name="c")
    chain = layers(Graph((x,), (conv,), "dsp"))
    none = replace(BOARD, part=replace(BOARD.part, dsp=0))
    assert fold("dsp", chain, none, 144).resources("ecp5").dsp == 0
    assert fold("v", layers(vector_net()), none).interval >= 1


@pytest.mark.parametrize("interval", [None, 2160])
def test_a_window_that_reads_the_source_needs_no_fifo_of_its_own(interval):
    """A source waits, so what the line buffer cannot hold yet stays there."""
    design = fold("image", layers(image_net()), BOARD, interval)
    assert design.instances[0].unit.module == "gw_fifo"
    assert design.instances[0].p.DEPTH == 2


def products(bits, groups=1, taps=1):
    """A convolution of 12 channels by 8 with weights and inputs of all values that the bits hold."""
    rng = np.random.default_rng(bits + groups + taps)
    w = rng.integers(-(1 << (bits - 1)), 1 << (bits - 1), (taps, taps, 12 // groups, 8))
    w[..., :2] = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
    x = input_of("x", (4, 4, 12), 0, (1 << bits) - 1)
    return Graph((x,), (Conv2d(groups=groups)(x, Const(w), name="products"),), "products")


def lane_of(design):
    """LANE of the design's only matrix."""
    (lane,) = (i.p.LANE for i in design.instances if i.unit.module == "gw_matrix_vector")
    return lane


@pytest.mark.parametrize(("groups", "taps"), [(1, 1), (1, 2), (2, 1), (2, 2)])
def test_rows_that_share_multiplications_give_the_reference(groups, taps):
    graph = products(4, groups, taps)
    chain = layers(graph)
    folds = [f for f in FPGA.rule(chain[0].node).folds(chain[0]) if f.pair]
    assert {f.pe for f in folds} == ({2, 4, 8} if groups == 1 else {2, 4})
    for folding in folds[:: max(len(folds) // 3, 1)]:
        design = assemble("products", chain, [folding])
        assert lane_of(design) == LANE_PAIR
        assert set(clocks_between(graph, design, frames=4)) == {design.interval}


def test_rows_share_multiplications_where_dsp_blocks_are_short():
    """8 products a clock need 8 blocks of an ECP5, or 4: on a part of 6 with few LUTs they need 4."""
    graph = products(4)
    small = replace(BOARD, part=replace(BOARD.part, lut=680, dsp=6))
    design = fold("products", layers(graph), small, 16 * 12)
    assert lane_of(design) == LANE_PAIR
    assert design.resources("ecp5").dsp == 4


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("bits", [2, 4, 6, 8])
def test_rows_share_multiplications_only_where_that_saves_blocks(bits, family):
    """Where a block does not take both, one without sharing takes no more LUTs, within the fit's error."""
    (layer,) = layers(products(bits))
    rule = FPGA.rule(layer.node)

    def cost(folding):
        return sum((u.resources(family, contents=False) for u in rule.lower(layer, folding)), Resources())

    # Codes of the lowest weight, 1 less, take a bit more; a block of Gowin's is two of 9 by 9.
    wide = {"ecp5": 18, "ice40": 16, "gowin": 9, "xc7": 25, "xcup": 27}[family]
    folds = [f for f in rule.folds(layer) if f.pair]
    assert bool(folds) == (bits <= 8)
    for folding in folds:
        pair, plain = cost(folding), cost(replace(folding, pair=False))
        if bits > 2 and 3 * bits + 2 <= wide:
            assert pair.dsp == folding.pe * folding.simd / 2
        if plain.dsp and 3 * bits + 2 > wide:
            assert pair.dsp >= plain.dsp
            assert pair.lut > 0.9 * plain.lut


@pytest.mark.parametrize(("kind", "used"), [("lut", set()), ("dsp", {"", "fc", "hidden"})])
def test_products_are_made_where_asked(kind, used):
    """In LUTs or in DSP blocks only, whatever the board has room for; thresholds on a line multiply too."""
    x = input_of("x", (16,), 0, 15)
    weights = np.random.default_rng(3).integers(-7, 8, (2, 16, 16))
    hidden = MatMul()(x, Const(weights[0]), name="hidden")
    steps = np.arange(15)[None] * 40 - 280
    graph = Graph((x,), (MatMul()(Threshold(0)(hidden, Const(steps)), Const(weights[1]), name="fc"),), "two")
    design = fold("two", layers(graph), BOARD, 64, multipliers=kind)
    assert {i.layer for i in design.instances if i.resources("ecp5").dsp} == used
