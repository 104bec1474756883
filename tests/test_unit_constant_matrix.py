"""gw_constant_matrix: results, clocks, tables and resources, and how products come to it."""

import re
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from gatewright.boards import load
from gatewright.compiler.ir.evaluate import evaluate
from gatewright.compiler.ir.graph import Const, Graph, input_of
from gatewright.compiler.ir.ops import Add, MatMul, Threshold
from gatewright.compiler.ir.types import Int
from gatewright.hw.design import Design, Stream
from gatewright.hw.flow.synthesize import synthesize
from gatewright.hw.folding import fold
from gatewright.hw.layers import layers
from gatewright.hw.library import RTL, closure
from gatewright.hw.units.constant_matrix import (
    CONSTANT_MATRIX,
    Clamp,
    constant_matrix_parameters,
    fits_constant_matrix,
)
from gatewright.hw.verilog import memory_files, top_level
from gatewright.sim.rtl import compile_rtl
from unit_bench import Case

FRAMES = 40
_SEED = 11


def weights(rows: int, columns: int, top: int, pruned: float = 0.3) -> np.ndarray:
    """Random weights; one column is zero, one all of one sign."""
    rng = np.random.default_rng(_SEED)
    w = rng.integers(-top, top + 1, (rows, columns))
    w[rng.random(w.shape) < pruned] = 0
    w[:, 0], w[:, -1] = 0, -np.abs(w[:, -1])
    return w


def case(w: np.ndarray, x: Int, offsets: np.ndarray | None = None, clamp: Clamp | None = None) -> Case:
    """The unit for ``offsets + x @ w``, and random vectors."""
    frames = np.random.default_rng(_SEED).integers(x.lo, x.hi + 1, (FRAMES, len(w)))
    sums = frames @ w + (0 if offsets is None else offsets)
    most = np.abs(w).sum(axis=0).max() * x.magnitude + (0 if offsets is None else np.abs(offsets).max())
    bits = int(most).bit_length() + 1
    element, results = Int(-(1 << bits - 1), (1 << bits - 1) - 1), sums
    if clamp:
        element = Int(0, (1 << clamp.bits) - 1)
        results = (clamp.bias + np.clip(sums >> clamp.shift, 0, clamp.top)) & element.hi
    taken, given = Stream(x, len(w), FRAMES), Stream(element, w.shape[1], FRAMES)
    params = constant_matrix_parameters(w, offsets, x, bits, clamp)
    return Case(CONSTANT_MATRIX, params, taken.bits, given.bits, taken.pack(frames), given.pack(results), 1)


SIGNED, UNSIGNED = Int(-8, 7), Int(0, 63)
OFFSETS = np.random.default_rng(2).integers(-200, 200, 5)
CASES = {
    "unsigned": case(weights(6, 5, 31), UNSIGNED),
    "signed": case(weights(6, 5, 31), SIGNED),
    "positive columns": case(np.abs(weights(6, 5, 31)), UNSIGNED),
    "offsets": case(weights(6, 5, 31), UNSIGNED, OFFSETS),
    "clamp": case(weights(6, 5, 31), UNSIGNED, None, Clamp(4, 31, 0, 5)),
    "offsets and clamp": case(weights(6, 5, 31), SIGNED, OFFSETS, Clamp(3, 63, 0, 6)),
    "a top that is no power of two, a bias": case(weights(6, 5, 31), UNSIGNED, OFFSETS, Clamp(3, 40, -20, 7)),
    "no shift": case(weights(3, 5, 3), SIGNED, OFFSETS, Clamp(0, 15, 2, 5)),
    "no sums": case(np.array([[0, 4], [-1, 0]]), SIGNED),
    "one bit": case(weights(8, 4, 1, 0.5), Int(0, 1)),
    # 7x = 8x - x takes no bit of 8x; found by random network 1017, folding 1.
    "an operand without bits": case(np.array([[7, 5, 0]]), Int(0, 1)),
}
each_case = pytest.mark.parametrize("name", CASES)


@each_case
def test_results_and_clocks(name):
    """Values under gaps and stalls; latency and interval as the Unit states them."""
    CASES[name].check()


@each_case
def test_lint(name, tmp_path):
    """Verilator has no warning, whatever the tables say."""
    assert CASES[name].lint(tmp_path) == ""


@pytest.mark.parametrize("clocks", [1, 7])
def test_reset_in_the_middle(clocks, tmp_path):
    """Vectors on their way leave with a reset."""
    CASES["offsets and clamp"].check_reset(tmp_path, clocks)


def test_one_stage_more_for_each_part():
    """Latency counts the sums in a row, and the stages that are there."""
    plain, added, both = (CASES[n].params for n in ("positive columns", "offsets", "offsets and clamp"))
    for params, stages in ((plain, 0), (added, 1), (both, 2)):
        assert CONSTANT_MATRIX.latency(SimpleNamespace(**params)) == 1 + params["DEPTH"] + stages


@pytest.mark.parametrize("family", ["xc7", "ecp5"])
def test_resources_are_near_what_yosys_finds(family, tmp_path):
    """LUTs within a fifth of the estimate, registers within 15 %."""
    found = case(weights(7, 8, 31, 0.5), UNSIGNED, np.arange(-200, 200, 50), Clamp(5, 63, 0, 6))
    top = tmp_path / "top.v"
    values = {k: v if v < 1 << 31 else f"{4 * len(f'{v:x}')}'h{v:x}" for k, v in found.params.items()}
    params = ", ".join(f".{name}({value})" for name, value in values.items())
    top.write_text(
        "module top(input wire clk, input wire rst, input wire s_tvalid, output wire s_tready,"
        f" input wire [{found.in_bits - 1}:0] s_tdata, output wire [{found.out_bits - 1}:0] m_tdata,"
        " output wire m_tvalid, input wire m_tready);\n"
        f"gw_constant_matrix #({params}) unit (.clk(clk), .rst(rst), .s_tdata(s_tdata), .s_tvalid(s_tvalid),"
        " .s_tready(s_tready), .m_tdata(m_tdata), .m_tvalid(m_tvalid), .m_tready(m_tready));\nendmodule\n"
    )
    sources = [top, *(RTL / name for name in CONSTANT_MATRIX.files)]
    used = synthesize(tmp_path, "top", sources, family, dsp=False).total
    told = CONSTANT_MATRIX.resources(SimpleNamespace(**found.params), family)
    assert used.lut == pytest.approx(told.lut, rel=0.2)
    assert used.ff == pytest.approx(told.ff, rel=0.15)
    assert (used.dsp, used.bram) == (0, 0) == (told.dsp, told.bram)


def test_what_the_tables_cannot_hold_is_not_taken():
    """Bipolar codes, too many digits, and sums wider than a field."""
    assert fits_constant_matrix(weights(6, 5, 31), UNSIGNED)
    assert not fits_constant_matrix(weights(6, 5, 31), Int(-1, 1, 2))
    assert not fits_constant_matrix(np.full((100, 100), 21), UNSIGNED)
    assert not fits_constant_matrix(np.full((2, 2), 1 << 30), UNSIGNED)


def network(shift: int = 3, readers: int = 1) -> Graph:
    """Two products and a requantization between them, which with two readers is not the only one."""
    x = input_of("x", (8,), 0, 15)
    first = MatMul()(x, Const(weights(8, 6, 7)), Const(np.arange(-20, 40, 10)), name="first")
    count = Threshold()(first, Const(np.arange(1, 16)[None] << shift), name="count")
    outputs = MatMul()(count, Const(weights(6, 4, 7)), name="second")
    if readers == 2:
        other = Threshold()(first, Const(np.arange(1, 16)[None] << shift), name="other")
        outputs = Add()(outputs, MatMul()(other, Const(weights(6, 4, 5)), name="third"), name="sum")
    return Graph((x,), (outputs,), "net")


def unrolled(graph: Graph) -> Design:
    """The fastest design, on a part without DSP blocks that has room for it."""
    board = load("tul_pynq_z2")
    return fold("net", layers(graph), replace(board, part=replace(board.part, dsp=0)), 1)


@pytest.mark.parametrize(("readers", "units"), [(1, 2), (2, 6)])
def test_an_unrolled_network_is_exact(readers, units, tmp_path):
    """Verilog equals the graph; a requantization that alone reads a product's sums is part of its unit."""
    graph = network(readers=readers)
    design = unrolled(graph)
    modules = [i.unit.module for i in design.instances if i.unit.module not in ("gw_fifo", "gw_fork")]
    assert len(modules) == units
    assert modules.count("gw_constant_matrix") == 1 + readers
    frames, text = np.random.default_rng(4).integers(0, 16, (FRAMES, 8)), top_level(design, "top")
    top = tmp_path / "top.v"
    top.write_text(text)
    sources = (*closure([text]).values(), top)
    simulation = compile_rtl(
        "top", sources, {}, design.input.bits, design.output.bits, memories=memory_files(design)
    )
    trace = simulation.run(design.input.pack(frames), FRAMES)
    assert np.array_equal(design.output.unpack(trace.words).reshape(FRAMES, -1), evaluate(graph, frames)[0])
    assert trace.out_clocks[-1] - trace.out_clocks[0] == FRAMES - 1


def test_long_literals_come_in_pieces():
    """The top level's tables are cut where simulators end, and lose no digit."""
    x = input_of("x", (16,), 0, 15)
    product = MatMul()(x, Const(weights(16, 24, 31, 0.0)), name="product")
    design = unrolled(Graph((x,), (product,), "net"))
    (unit,) = (i for i in design.instances if i.layer == "product")
    text = top_level(design, "top")
    found = re.search(r"\.SUMS\(\{?([^})]*)\}?\)", text)[1]
    pieces = re.findall(r"(\d+)'h([0-9a-f]+)", found)
    assert int("".join(digits for _, digits in pieces), 16) == unit.params["SUMS"]
    assert len(pieces) > 1
    assert all(int(bits) == 4 * len(digits) <= 4096 for bits, digits in pieces)
