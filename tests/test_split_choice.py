"""Which cut of a graph a split takes: as asked or by estimated time, and what a board refuses."""

from dataclasses import replace

import pytest

from driver_models import ICEBREAKER, PYNQ, saved
from gatewright.__main__ import main
from gatewright.boards import load
from gatewright.compiler.ir.graph import Graph, input_of
from gatewright.compiler.ir.ops import Reshape, SumPool
from gatewright.driver import split_choice
from gatewright.driver.options import Options
from gatewright.driver.split_inspection import inspect_split
from gatewright.errors import BoardError, FitError, InputError, LoweringError
from split_nets import residual_net

NET = residual_net()
NODES = [n.name for n in NET.nodes()]


def test_span_by_name_and_number():
    """Names where one node has them, else numbers."""
    assert split_choice.span(NET, "first,act") == (NODES.index("first"), NODES.index("act"))
    assert split_choice.span(NET, "2, 5") == (2, 5)
    message = (
        r"^compile: --split FROM,TO must name FROM before TO in the graph's order, not node 5 and then 2"
    )
    with pytest.raises(InputError, match=message):
        split_choice.span(NET, "5,2")
    message = (
        r"^compile: --split must name nodes of the integer graph, 0 to 10 or one of stem, stem_act, .*, "
        r"head, not 'tail'\. 'gatewright inspect MODEL --board BOARD --split' lists where a cut is good\.$"
    )
    with pytest.raises(InputError, match=message):
        split_choice.span(NET, "stem,tail")


@pytest.mark.parametrize(
    ("options", "board", "kind", "message"),
    [
        ({"split": "stem"}, PYNQ, InputError, r"compile: --split must be auto or FROM,TO .*, not 'stem'"),
        ({"split": "auto"}, ICEBREAKER, BoardError,
         r"compile: --split is for .*, but 1bitsquared_icebreaker has no processor .* --target fpga\."),
        ({"split": "auto"}, "raspberrypi_4b", BoardError, r".*raspberrypi_4b has no FPGA .* --target arm\."),
        ({"split": "auto", "target": "arm"}, PYNQ, InputError,
         r"compile: --target does not go with --split\. Leave one of them out\."),
        ({"split": "auto", "threads": 2}, PYNQ, InputError,
         r"compile: --threads does not go with --split\. .*"),
        ({"split": "auto", "until": "rtl"}, PYNQ, InputError,
         r"compile: --until must be one of graph, cut, parts, cosimulate, not 'rtl'"),
    ],
)  # fmt: skip
def test_refused_options(options, board, kind, message):
    """What a split needs of its board, and what does not go with it."""
    with pytest.raises(kind, match=f"^{message}$"):
        Options(**options).completed(load(board))


def test_the_best_cut_is_folded():
    """``auto`` takes the least time of those that were folded, which stand in front of the others."""
    best, rated = split_choice.chosen(NET, load(PYNQ), "auto", 100, None, None)
    folded = [r for r in rated if r.folded]
    assert best is rated[0]
    assert rated[: len(folded)] == folded
    assert best.candidate.times.total == min(r.candidate.times.total for r in folded)
    times = best.candidate.times
    assert split_choice.fpga_clocks(NET, load(PYNQ), best.candidate, None, None) / 100 == times.fpga


def test_cuts_that_are_too_large_are_left(monkeypatch):
    """On a small part what fits is taken; where nothing does, the reason is told."""
    pynq = load(PYNQ)
    small = replace(pynq, part=replace(pynq.part, lut=1500, ff=3000, bram=4, dsp=4))
    best, _ = split_choice.chosen(NET, small, "auto", 100, None, None)
    assert (best.candidate.first, best.candidate.last) != (0, len(NODES) - 1)
    none = replace(pynq, part=replace(pynq.part, lut=10, ff=10, bram=0, dsp=0))
    with pytest.raises(FitError, match=r"^folding: .* needs .* LUT, xc7z020clg400-1 has 10"):
        split_choice.chosen(NET, none, "auto", 100, None, None)


def only_arm() -> Graph:
    """A network of one op that the FPGA does not take: a sum over a window that leaves a remainder out."""
    x = input_of("x", (3, 3, 1), 0, 3)
    return Graph((x,), (Reshape((9,))(x, name="flat"),), "moves")


def test_nothing_for_the_fpga(monkeypatch):
    """A model without work is told so; a side that does not take its nodes is named."""
    with pytest.raises(LoweringError, match=r"^split: the model must have a place where one tensor crosses"):
        split_choice.chosen(only_arm(), load(PYNQ), "auto", 100, None, None)
    refused = {id(n): f"fpga: no {n.name}" for n in NET.nodes()}
    covered = type("Covered", (), {"refused": refused})
    monkeypatch.setattr(split_choice, "coverage", lambda graph: covered)
    message = r"^split: some part of the model must fit xc7z020clg400-1, but .*\n  fpga: no stem\n"
    with pytest.raises(LoweringError, match=message):
        split_choice.chosen(NET, load(PYNQ), "auto", 100, None, None)
    message = r"^split: the FPGA must take nodes 2 to 3, but not 2: fpga: no first$"
    with pytest.raises(LoweringError, match=message):
        split_choice.chosen(NET, load(PYNQ), "2,3", 100, None, None)


def test_the_processor_must_take_the_rest(monkeypatch):
    """A node that only the FPGA takes must be on it."""
    from gatewright.compiler.neon import lower

    rules = {op: rule for op, rule in lower.NEON.rules.items() if op is not SumPool}
    monkeypatch.setattr(lower, "NEON", replace(lower.NEON, rules=rules))
    message = (
        r"^split: the processor must take what is not on the FPGA, but it has no rule for node 8, sumpool "
        r"'pool'\. Take it onto the FPGA\.$"
    )
    with pytest.raises(LoweringError, match=message):
        split_choice.chosen(NET, load(PYNQ), "first,act", 100, None, None)
    best, _ = split_choice.chosen(NET, load(PYNQ), "auto", 100, None, None)
    assert best.candidate.last >= NODES.index("pool")


def test_inspect_lists_cuts(tmp_path, capsys):
    """As JSON with the schema's keys, and as a table; a board without a processor is refused."""
    model = saved(tmp_path, NET)
    found = inspect_split(model, PYNQ)
    assert found["problems"] == []
    assert found["split"][0]["folded"]
    assert found["split"][0]["latency_us"] == pytest.approx(
        sum(found["split"][0][k] for k in ("before_us", "fpga_us", "after_us", "transfers_us"))
    )
    assert main(["inspect", str(model), "--board", PYNQ, "--split"]) == 0
    first, last = (found["split"][0][k] for k in ("first", "last"))
    assert f"{first},{last}" in capsys.readouterr().out
    with pytest.raises(InputError, match=r"^inspect: --split must come with --board, and without --target"):
        inspect_split(model)
    with pytest.raises(BoardError, match=r"^inspect: --split is for boards with an FPGA and a processor"):
        inspect_split(model, ICEBREAKER)
