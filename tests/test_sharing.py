"""ROMs of several units in common block RAM: same integers, and as many blocks fewer as the estimate says."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from gatewright.boards import load as load_board
from gatewright.compiler.ir.evaluate import evaluate
from gatewright.compiler.ir.graph import Const, Graph, input_of
from gatewright.compiler.ir.ops import MatMul, Threshold
from gatewright.driver import describe
from gatewright.driver.project import describe_design
from gatewright.hw import library
from gatewright.hw.build import assemble
from gatewright.hw.design import Resources
from gatewright.hw.flow import tools
from gatewright.hw.flow.families import FLOWS, cost
from gatewright.hw.folding import fold
from gatewright.hw.layers import layers
from gatewright.hw.lower import FPGA
from gatewright.hw.rules.requantize import RequantizeFold
from gatewright.hw.rules.rule import BLOCK
from gatewright.hw.sharing import share_roms
from gatewright.hw.store import base_lut
from gatewright.hw.units.ram import rom_blocks
from gatewright.hw.verilog import memory_files, top_level
from gatewright.sim.wrapper import write_memories
from random_nets import frames_for, random_net
from test_lowering import run_in_icarus

_BENCH = """`timescale 1ns/1ns
module bench;
    reg clk = 0;
    reg a_ce, b_ce;
    reg [{a_msb}:0] a_addr;
    reg [{b_msb}:0] b_addr;
    wire [{a_bits}-1:0] a_data;
    wire [{b_bits}-1:0] b_data;
    reg [{a_bits}-1:0] a_all [0:{a_words}-1], a_first, a_second;
    reg [{b_bits}-1:0] b_all [0:{b_words}-1], b_first, b_second;
    integer n, seed = 5;
    gw_rom_pair #(
        .A_BITS({a_bits}), .A_WORDS({a_words}), .B_BITS({b_bits}), .B_WORDS({b_words}), .BASE({base}),
        .FILE("both.mem")
    ) dut (.clk(clk), .a_ce(a_ce), .a_addr(a_addr), .a_data(a_data), .b_ce(b_ce), .b_addr(b_addr),
        .b_data(b_data));
    initial begin
        $readmemh("a.mem", a_all);
        $readmemh("b.mem", b_all);
        for (n = 0; n < 400; n = n + 1) begin
            a_ce = n < 3 || $random(seed) % 2;
            b_ce = n < 3 || $random(seed) % 2;
            a_addr = $unsigned($random(seed)) % {a_words};
            b_addr = $unsigned($random(seed)) % {b_words};
            if (a_ce) begin a_second = a_first; a_first = a_all[a_addr]; end
            if (b_ce) begin b_second = b_first; b_first = b_all[b_addr]; end
            #1 clk = 1;
            #1 clk = 0;
            if (n > 2 && a_data !== a_second) $display("a is %h, not %h at %0d", a_data, a_second, n);
            if (n > 2 && b_data !== b_second) $display("b is %h, not %h at %0d", b_data, b_second, n);
        end
        $display("end");
    end
endmodule
"""


def said_of_pair(folder, a: tuple[int, int], b: tuple[int, int], base: int) -> list[str]:
    """What a bench prints that reads both of the pair's memories, (bits, words), at random."""
    rng = np.random.default_rng(base)
    (a_bits, a_words), (b_bits, b_words) = a, b
    a_all = [int(v) for v in rng.integers(0, 1 << a_bits, a_words)]
    b_all = [int(v) for v in rng.integers(0, 1 << b_bits, b_words)]
    both = a_all[:base] + [0] * (base - a_words) + b_all
    wide = max(a_bits, b_bits)
    write_memories(folder, {"a.mem": (a_all, a_bits), "b.mem": (b_all, b_bits), "both.mem": (both, wide)})
    text = _BENCH.format(
        a_bits=a_bits, a_words=a_words, b_bits=b_bits, b_words=b_words, base=base,
        a_msb=(a_words - 1).bit_length() - 1, b_msb=(b_words - 1).bit_length() - 1,
    )  # fmt: skip
    (folder / "bench.v").write_text(text)
    files = [str(path) for path in library.closure([text]).values()]
    tools.run(tools.find("iverilog"), ["-g2005", "-s", "bench", "-o", "b.vvp", "bench.v", *files], folder)
    return tools.run(tools.find("vvp"), ["-n", "b.vvp"], folder).split("\n")


@pytest.mark.parametrize(
    ("a", "b", "base"),
    [
        ((5, 8), (5, 8), 8),
        ((3, 7), (9, 5), 7),
        ((12, 40), (4, 10), 48),
        ((1, 9), (2, 3), 10),
        ((6, 5), (6, 2), 5),
    ],
)
def test_a_pair_gives_both_memories_words(a, b, base, tmp_path):
    """With and without an adder, either side wider, clock enables apart."""
    assert said_of_pair(tmp_path, a, b, base) == ["end", ""]


def test_a_pair_that_overlaps_says_so(tmp_path):
    said = said_of_pair(tmp_path, (4, 8), (4, 8), 7)
    assert "gw_rom_pair: BASE must be at least A_WORDS" in said


def in_blocks(graph: Graph, seed: int):
    """A design whose ROMs are in block RAM wherever a folding offers that."""
    rng = np.random.default_rng(seed)
    chain, folds = layers(graph), []
    for layer in chain:
        options = list(FPGA.rule(layer.node).folds(layer))
        options = [f for f in options if f.rom == BLOCK] or options
        options = [f for f in options if isinstance(f, RequantizeFold)] or options
        folds.append(options[int(rng.integers(len(options)))])
    return assemble(graph.name, chain, folds)


@pytest.mark.parametrize("family", ["ecp5", "xc7"])
@pytest.mark.parametrize("seed", range(6))
def test_random_networks_with_shared_roms_equal_the_reference(seed, family):
    graph = random_net(seed)
    plain = in_blocks(graph, seed)
    design = share_roms(plain, family)
    frames = frames_for(seed, graph, 3)
    got, _ = run_in_icarus(graph, design, frames, gap=0.3, stall=0.3, seed=seed)
    np.testing.assert_array_equal(got, evaluate(graph, frames)[0])
    assert design.resources(family).bram <= plain.resources(family).bram
    assert (design.resources(family).bram < plain.resources(family).bram) == bool(design.stores)


def dense_layers(count: int = 3) -> Graph:
    """Products with steps on lines between them; their ROMs have widths that blocks do not like."""
    rng = np.random.default_rng(3)
    value = x = input_of("x", (12,), 0, 15)
    for n, (k, m) in enumerate([(12, 24), (24, 20), (20, 10)][:count]):
        value = MatMul()(value, Const(rng.integers(-8, 8, (k, m))), name=f"dense {n}")
        if n + 1 < count:
            table = (40 + rng.integers(0, 20, (m, 1))) * np.arange(-7, 8) + rng.integers(0, 9, (m, 1))
            value = Threshold()(value, Const(table), name=f"act {n}")
    return Graph((x,), (value,), "dense layers")


def small(graph: Graph):
    """Foldings of one product, or 12 at once in the first layer, ROMs in block RAM."""
    chain, folds = layers(graph), []
    for n, layer in enumerate(chain):
        wanted = (4, 3) if n == 0 else (1, 1)
        options = [
            f for f in FPGA.rule(layer.node).folds(layer) if (f.pe, f.simd) == wanted and f.rom == BLOCK
        ]
        lines = [f for f in options if isinstance(f, RequantizeFold)]
        folds.append((lines or options)[0])
    return assemble(graph.name, chain, folds)


@pytest.mark.parametrize("family", ["ecp5", "xcup"])
def test_a_network_with_shared_roms_equals_the_reference(family):
    graph = dense_layers()
    plain = small(graph)
    design = share_roms(plain, family)
    before, after = plain.resources(family, contents=False), design.resources(family, contents=False)
    assert design.resources(family).bram < plain.resources(family).bram
    assert after.stored_bits == before.stored_bits
    assert [s.module for s in design.stores].count("gw_rom_pair") >= 2
    frames = frames_for(1, graph, 6)
    for gap, stall in ((0.0, 0.0), (0.5, 0.3)):
        got, trace = run_in_icarus(graph, design, frames, gap=gap, stall=stall)
        np.testing.assert_array_equal(got, evaluate(graph, frames)[0])
    _, of_plain = run_in_icarus(graph, plain, frames, gap=0.5, stall=0.3)
    assert trace.out_clocks == of_plain.out_clocks


def blocks_in_yosys(design, family: str, folder: Path) -> float:
    """Block RAMs, counted as soon as Yosys has mapped memories."""
    flow, text = FLOWS[family], top_level(design, "top")
    for file, source in {"top.v": text, **memory_files(design)}.items():
        (folder / file).write_text(source)
    sources = [path.name for path in library.closure([text]).values()]
    for name in sources:
        (folder / name).write_text((library.RTL / name).read_text())
    flat = "-flatten" if flow.late_flatten else ""
    script = (
        f"read_verilog -defer {' '.join(sources)} top.v; {flow.synth} {flat} -top top -run begin:map_ffram; "
        "select -module top; write_json -selected mapped.json"
    )
    tools.run(tools.find("yosys"), ["-q", "-p", script], folder)
    cells = json.loads((folder / "mapped.json").read_text())["modules"]["top"]["cells"].values()
    return sum((cost(flow, cell["type"]) or Resources()).bram for cell in cells)


@pytest.mark.parametrize("family", ["ecp5", "xc7"])
def test_yosys_takes_as_many_blocks_fewer_as_the_estimate_says(family, tmp_path):
    plain = small(dense_layers(2))
    shared = share_roms(plain, family)
    taken = [blocks_in_yosys(design, family, tmp_path) for design in (plain, shared)]
    assert taken == [design.resources(family).bram for design in (plain, shared)]
    assert taken[1] < taken[0]


def test_shared_roms_are_in_report_and_description():
    design = share_roms(small(dense_layers()), "ecp5")
    part = SimpleNamespace(family="ecp5", bram_kbit=18)
    board, options = SimpleNamespace(part=part), SimpleNamespace(via=None)
    job = SimpleNamespace(board=board, options=options, design=design, synthesis=None, routed=None)
    found = describe.resources(job)
    rows = {row["name"]: row for row in found["units"]}
    first = rows["shared_00"]
    assert (first["module"], first["bram"]) == ("gw_rom_pair", 1)
    assert " + " in first["layer"]
    assert sum(row["bram"] for row in found["units"]) == found["total"]["bram"]
    told = json.loads(describe_design(design))["memories"]
    assert [m["name"] for m in told] == [s.name for s in design.stores]
    assert len(told[0]["parts"]) == 2
    units = {i.name for i in design.instances}
    assert all(p["unit"] in units for m in told for p in m["parts"])


def test_every_column_is_in_one_memory():
    design = share_roms(small(dense_layers()), "ecp5")
    held = {}
    for store in design.stores:
        for part in store.parts:
            columns = held.setdefault((part.place, part.param, part.width), [])
            columns += range(part.low, part.low + part.bits)
    assert held
    assert all(sorted(columns) == list(range(width)) for (_, _, width), columns in held.items())


def test_block_ram_with_one_port_is_not_shared():
    plain = small(dense_layers())
    assert share_roms(plain, "ice40") is plain


def test_the_same_design_is_shared_alike():
    once, again = (top_level(share_roms(small(dense_layers()), "ecp5"), "top") for _ in range(2))
    assert once == again


def test_folding_shares_what_it_chooses():
    """Two dense layers of a board's design, whose weights take a block each if alone."""
    board = load_board("radiona_ulx3s_85f")
    rng = np.random.default_rng(0)
    x = input_of("x", (32,), 0, 15)
    one = MatMul()(x, Const(rng.integers(-8, 8, (32, 64))), name="one")
    steps = Const(np.sort(rng.integers(-400, 400, (64, 3)), axis=1))
    two = MatMul()(Threshold()(one, steps, name="act"), Const(rng.integers(-8, 8, (64, 32))), name="two")
    design = fold("pair", layers(Graph((x,), (two,))), board, 2048)
    shared = [store for store in design.stores if len(store.parts) == 2]
    assert [store.layer for store in shared] == ["one + two"]


@pytest.mark.parametrize(
    ("base", "words", "lut"), [(1024, 576, 0), (2304, 576, 4), (8, 8, 0), (7, 5, 4), (1152, 640, 4)]
)
def test_an_adder_is_counted_where_the_second_memory_is_not_aligned(base, words, lut):
    assert base_lut(base, words, "ecp5") == lut


@pytest.mark.parametrize(
    ("words", "bits", "family", "ports", "blocks"),
    [
        (2304, 128, "ecp5", 1, 18),
        (8192, 29, "ecp5", 1, 13),
        (576, 64, "ecp5", 1, 4),
        (5000, 5, "ecp5", 1, 2),
        (1152, 256, "xc7", 1, 11),
        (1568, 240, "xc7", 1, 13.5),
        (600, 20, "ice40", 1, 4),
        (8192, 29, "gowin", 1, 13),
        (2880, 128, "ecp5", 2, 22),
        (2880, 128, "xc7", 2, 11),
        (1024, 36, "gowin", 2, 2),
        (720, 64, "xcup", 2, 2),
    ],
)
def test_blocks_of_a_rom_are_those_that_yosys_took(words, bits, family, ports, blocks):
    """Measured with Yosys 0.70, random contents."""
    assert rom_blocks(words, bits, family, ports) == blocks
