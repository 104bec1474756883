"""Designs with branches: forks, joins and FIFOs as the reference has it, in time, and what is refused."""

import json

import numpy as np
import pytest

from dag_bench import check, check_interval, compiled, designed
from driver_models import ULX3S, saved
from gatewright.compiler.ir.graph import Const, Graph, input_of
from gatewright.compiler.ir.ops import Add, Concat, Conv2d, MatMul, MaxPool, Mul, Reshape, Threshold
from gatewright.compiler.ir.types import Int
from gatewright.driver.compile import Options, compile_model, passed
from gatewright.errors import LoweringError, ToolError
from gatewright.hw.build import assemble
from gatewright.hw.design import Design, Edge, Instance, Port, Stream, chained
from gatewright.hw.flow import tools
from gatewright.hw.layers import layers
from gatewright.hw.units.fifo import FIFO
from gatewright.hw.units.fork import FORK
from gatewright.hw.units.whole_window import WHOLE_WINDOW
from gatewright.hw.verilog import top_level
from random_dags import quick_folds

ICARUS = (("iverilog", "-g2005", "-o", "tb/tb.vvp", "-c", "tb/files.f"), ("vvp", "-n", "tb/tb.vvp"))


def residual(size: int = 4, channels: int = 2) -> Graph:
    """Two 3x3 convolutions and a skip over them, as in a residual network."""
    rng = np.random.default_rng(3)
    x = input_of("x", (size, size, channels), -8, 7)

    def conv(value, name):
        weights = Const(rng.integers(-4, 5, (3, 3, channels, channels)))
        product = Conv2d((1, 1), (1, 1, 1, 1))(value, weights, name=name)
        steps = Const(np.sort(rng.integers(-90, 90, (channels, 7)), axis=1))
        return Threshold(-4)(product, steps, name=f"{name} act")

    first = conv(x, "first")
    total = Add()(Mul()(conv(conv(first, "a"), "b"), Const(np.array([3]))), first, name="sum")
    return Graph((x,), (Threshold()(total, Const(np.arange(-20, 20, 3)[None]), name="out"),), "residual")


def _whole(chain, folds) -> bool:
    """Whether windows come whole, each only when it is wanted."""
    return any(i.unit is WHOLE_WINDOW for i in assemble("any", chain, folds, buffered=False).instances)


def test_a_skip_holds_what_the_long_branch_delays():
    """The FIFO of the short way is deep, and neither deadlocks nor stalls; with the least depth it would."""
    graph = residual()
    chain = layers(graph)
    folds = next(f for n in range(50) if not _whole(chain, f := quick_folds(n, chain, 400)))
    design = assemble("residual", chain, folds)
    skip = max((i for i in design.instances if i.unit is FIFO), key=lambda i: i.p.DEPTH)
    assert "sum_fifo" in skip.name
    # Each window of 3x3 pixels waits for a row and two pixels, and results are a pixel or two on their way.
    assert 2 * (4 + 2) - 3 <= skip.p.DEPTH * skip.input.lanes // 2 <= 3 * (4 + 2)
    shallow = assemble("residual", chain, folds, buffered=False)
    with pytest.raises(ToolError, match=r"within \d+ clocks, not later\..* \(0 of"):
        check(graph, shallow, 2, max_clocks=20 * design.interval)


def test_a_stalled_pipeline_keeps_its_bubbles():
    """Random network 2905: two clocks in three frames were lost to a skip that was an entry short."""
    graph, design = designed(2905, 1)
    check_interval(graph, design, compiled(design))


def test_a_fork_only_where_a_stream_has_several_readers():
    _, design = designed(1, graph=residual())
    forks = [i for i in design.instances if i.unit is FORK]
    assert [i.p.N for i in forks] == [2]
    text = top_level(design, "accelerator")
    assert text == top_level(designed(1, graph=residual())[1], "accelerator")


def test_one_tensor_as_both_operands():
    x = input_of("x", (3, 3, 2), -8, 7)
    graph = Graph((x,), (Add()(Mul()(x, x, name="square"), x, name="sum"),), "twice")
    graph, design = designed(0, graph=graph)
    assert [i.p.N for i in design.instances if i.unit is FORK] == [3]
    check(graph, design, 5, gap=0.2, stall=0.2)


def test_an_output_that_others_read_too():
    """Through a reshape, which is no unit."""
    x = input_of("x", (2, 2, 3), 0, 7)
    dense = MatMul()(x, Const(np.arange(9).reshape(3, 3) - 4), name="dense")
    total = Add()(Reshape((12,))(dense), Reshape((12,))(x), name="sum")
    graph, design = designed(0, graph=Graph((x,), (Reshape((4, 3))(total),), "shapes"))
    check(graph, design, 5, gap=0.2)


# Types on streams.


def carriers(graph: Graph) -> dict[str, Int]:
    """The type of each layer's stream by its node's name, and of the input as x."""
    chain = layers(graph)
    read = {o.value.name: o.type for layer in chain for o in layer.operands}
    return {layer.node.name: layer.y for layer in chain} | {"x": read["x"]}


def test_streams_of_several_readers_hold_what_the_widest_needs():
    """A {-1, +1} input that is padded with zeros in one branch carries three values in both."""
    x = input_of("x", (4, 4, 2), -1, 1, 2)
    padded = Conv2d((1, 1), (1, 1, 1, 1))(x, Const(np.ones((3, 3, 2, 2), dtype=int)), name="conv")
    pooled = MaxPool((1, 1))(x, name="pool")
    graph = Graph((x,), (Add()(padded, pooled, name="sum"),), "wide")
    found = carriers(graph)
    assert found["x"] == found["pool"] == Int(-1, 1)
    check(*designed(0, graph=graph), 5, gap=0.2)


def test_joined_streams_carry_one_type():
    """A bit and a byte become bytes, so that a join need not convert."""
    x = input_of("x", (4, 2), -100, 100)
    sign = Threshold(-1, 2)(x, Const(np.array([[0]])), name="sign")
    graph = Graph((x,), (Concat(1)(sign, x, name="join"),), "join")
    assert set(carriers(graph).values()) == {Int(-100, 100)}
    check(*designed(0, graph=graph), 5, gap=0.2)


# What a design refuses.

STREAM, OTHER = Stream(Int(0, 7), 1, 4), Stream(Int(0, 7), 2, 2)


def instance(name: str, inputs=STREAM, outputs=STREAM) -> Instance:
    params = {"BITS": 3, "DEPTH": 2, "RAM_STYLE": 2}
    return Instance(FIFO, name, params, 4, inputs, outputs)


@pytest.mark.parametrize(
    ("instances", "edges", "message"),
    [
        (
            (instance("a"), instance("b")),
            (Edge(None, Port(0)), Edge(Port(0), Port(1))),
            r"^design 'd': every port must be the source of one edge, as must the outside, not 2 edges ",
        ),
        (
            (instance("a"), instance("b", (STREAM, STREAM))),
            (Edge(None, Port(0)), Edge(Port(0), Port(1)), Edge(Port(1), None)),
            r"^design 'd': every port must be the sink of one edge, as must the outside, not 3 edges for 3 ",
        ),
        (
            (instance("a"), instance("b")),
            (Edge(None, Port(1)), Edge(Port(1), Port(0)), Edge(Port(0), None)),
            r"^design 'd': b must stand before a, which it feeds$",
        ),
        (
            (instance("a"), instance("b", OTHER)),
            chained(2),
            r"^design 'd': b must read what a writes, 4 beats of 3 bits, not 2 of 6$",
        ),
    ],
)
def test_a_design_that_does_not_fit_together(instances, edges, message):
    with pytest.raises(LoweringError, match=message):
        Design("d", instances, edges)


def test_a_compile_lists_every_unit_and_what_it_reads(tmp_path):
    """Folding, RTL, its own test bench and the report take designs with branches."""
    report = compile_model(
        saved(tmp_path, residual()), ULX3S, tmp_path / "out", Options(until="rtl", frames=4)
    )
    design = json.loads((tmp_path / "out" / "design.json").read_text())
    units = {i["name"]: i for i in design["instances"]}
    assert [u["name"] for u in report["resources"]["units"]] == list(units)
    (fork,) = [n for n, i in units.items() if i["module"] == "gw_fork"]
    (total,) = [n for n, i in units.items() if i["module"] == "gw_binary"]
    sources = {n: i["reads"] for n, i in units.items()}
    reading = [n for n, reads in sources.items() if f"{fork}.0" in reads or f"{fork}.1" in reads]
    assert len(reading) == 2
    assert sources[total] == [f"{total}_fifo_0", f"{total}_fifo_1"]
    assert next(iter(sources.values())) == ["input"]
    for command in ICARUS:
        said = tools.run(tools.find(command[0]), command[1:], tmp_path / "out" / "rtl")
    assert said.startswith("PASS")


@pytest.mark.slow
def test_a_residual_network_compiles_to_a_bitstream(tmp_path):
    """Equal executors, RTL among them, and timing met."""
    report = compile_model(saved(tmp_path, residual()), ULX3S, tmp_path / "out", Options(frames=8))
    assert passed(report)
    assert report["interval_source"] == "measured"
    assert report["interval_clocks"] == 36
