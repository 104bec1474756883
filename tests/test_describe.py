"""What a report says of a design's resources."""

import re
from types import SimpleNamespace

import numpy as np

from gatewright.boards import load
from gatewright.compiler.ir.graph import Const, Graph, input_of
from gatewright.compiler.ir.ops import AdderConv2d, AdderMatMul, MatMul, Reshape
from gatewright.compiler.ir.types import Int
from gatewright.driver import describe
from gatewright.driver.arm import _cycles
from gatewright.driver.options import Options
from gatewright.hw.design import Design, Instance, Resources, Stream, Unit, chained
from gatewright.report import render
from gatewright.sim.mca import Estimate
from report_example import full
from test_report import printed


def test_estimates_are_whole_numbers_that_add_up():
    part, stream = SimpleNamespace(family="ecp5", bram_kbit=18), Stream(Int(0, 1), 1, 1)
    odd = Resources(0.4, 10.3, 0.5, stored_bits=2304)
    unit = Unit("gw_odd", (), (), lambda p: 1, lambda p: 1, lambda p, family, contents: {"": odd})
    instances = tuple(Instance(unit, f"u{n}", {}, 1, stream, stream) for n in range(7))
    design = Design("odd", instances, chained(7))
    board, options = SimpleNamespace(part=part), Options()
    job = SimpleNamespace(board=board, design=design, synthesis=None, routed=None, options=options)
    found = describe.resources(job)
    assert found["total"] == found["estimated_total"] == {"lut": 0, "ff": 70, "bram": 3.5, "dsp": 0}
    assert [u["ff"] for u in found["units"]] == [10] * 7
    assert found["block_memory"] == {"blocks": 3.5, "stored_bits": 7 * 2304, "filled": 0.25}
    assert found["units"][3]["block_memory"] == {"blocks": 0.5, "stored_bits": 2304, "filled": 0.25}
    assert describe.block_memory(Resources(lut=3), 18) is None


def test_adder_layers_have_weights_and_additions():
    """Their work is in additions: two where a product has a multiply-accumulate."""
    x = input_of("x", (4, 4, 3), 0, 15)
    conv = AdderConv2d()(x, Const(np.arange(54).reshape(3, 3, 3, 2) % 16), name="adder")
    dense = MatMul()(Reshape((8,))(conv), Const(np.ones((8, 5), np.int64)), name="dense")
    found = describe.model(Graph((x,), (AdderMatMul()(dense, Const(np.full((5, 2), -3)), name="last"),)))
    assert [(n["name"], n["macs"], n["adds"], n["weight_bits"]) for n in found["layers"] if n["name"]] == [
        ("adder", 0, 2 * 2 * 2 * 54, 4),
        ("dense", 40, 0, 1),
        ("last", 0, 2 * 10, 3),
    ]
    assert (found["macs"], found["adds"], found["parameters"]) == (40, 452, 54 + 40 + 10)


def test_page_and_terminal_say_additions():
    """Where there are any; a multiply-accumulate is two operations of a layer's share."""
    report = full()
    model = report["model"]
    conv = model["layers"][0]
    conv["adds"], conv["macs"] = 2 * conv["macs"], 0
    model["adds"], model["macs"] = conv["adds"], model["macs"] - conv["adds"] // 2
    page = render(report)
    assert f"{conv['adds']:,} additions" in page
    before, after = (re.findall(r"<small>([\d.]+)\s%</small>", p) for p in (render(full()), page))
    assert len(before) == len(full()["model"]["layers"])
    assert before == after
    text = printed(report)
    assert "675,072 MACs, 225,792 additions, 6,442 parameters" in " ".join(text.split())
    assert "additions," not in printed(full())


def test_cycles_that_no_model_knows_are_null():
    """As without llvm-mca, and not 0; known ones have their time."""
    processor = load("raspberrypi_4b").processor
    assert _cycles(Estimate(None, 2002, 0.0), processor) is None
    known = _cycles(Estimate(3000.4, 2002, 0.5), processor)
    assert (known["estimate"], known["milliseconds"], known["modelled"]) == (3000, 3000.4 / 1.5e6, 0.5)
