"""benchmarks/addernet_paper.py: its arrays compute their layers, and its counting of transitions is right."""

import itertools
import re
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gatewright.boards.schema import Power
from gatewright.errors import ToolError

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "benchmarks"))

from addernet_tools import arrays, energy, operands, power, unit  # noqa: E402
from addernet_tools.arrays import LANES, Array  # noqa: E402
from addernet_tools.buses import buses, chain  # noqa: E402
from addernet_tools.cases import CASES  # noqa: E402
from addernet_tools.delays import Delays, read_sdf  # noqa: E402
from addernet_tools.flow import Source, Store  # noqa: E402
from addernet_tools.netlist import CARRY, LOCAL, LOGIC, OPERAND, REGISTER, circuit, text  # noqa: E402
from addernet_tools.page import page  # noqa: E402

SDF = r"""(DELAYFILE
  (CELL (CELLTYPE "top") (INSTANCE )
    (DELAY (ABSOLUTE
        (INTERCONNECT a.q\[0\]/Q sum\$LUT4/A (110:120:130) (110:120:130))
  (CELL
    (CELLTYPE "TRELLIS_COMB")
    (INSTANCE sum\$LUT4)
        (IOPATH A F (200:218:236) (200:218:236))
"""


def module(cells: dict, buses: dict) -> dict:
    """A flat module in Yosys's form; cells are (type, parameters, connections)."""
    return {
        "cells": {
            name: {"type": kind, "parameters": own, "connections": pins}
            for name, (kind, own, pins) in cells.items()
        },
        "netnames": {name: {"bits": bits} for name, bits in buses.items()},
    }


def settled(part, values: dict[int, int]) -> dict[int, int]:
    """Values of all nets without registers, from those of the inputs."""
    values = {0: 0, 1: 1, **values}
    for _ in part.cells:
        for cell in part.cells:
            index = sum(values.get(net, 0) << k for k, (_, net) in enumerate(cell.pins))
            values |= {net: table >> index & 1 for _, net, table in cell.outputs}
    return values


def test_delays_are_read_from_sdf():
    """Names without escapes, the typical of three figures, and 0 for what the file has not."""
    found = read_sdf(SDF.splitlines())
    assert found.wire("sum$LUT4", "A") == 120
    assert found.path("sum$LUT4", "A", "F") == 218
    assert (found.wire("sum$LUT4", "B"), found.path("other", "A", "F")) == (0, 0)


@pytest.mark.parametrize("family", ["ecp5", "xc7"])
def test_carry_cells_add(family):
    """Two bits and two bits, for all values, as each family's carry cells do it."""
    a, b, y, carry = [2, 3], [4, 5], [6, 7], 8
    if family == "ecp5":
        own = {"INIT0": f"{0x966A:016b}", "INIT1": f"{0x966A:016b}", "INJECT1_0": "NO", "INJECT1_1": "NO"}
        pins = {"A0": [2], "B0": [4], "A1": [3], "B1": [5], "C0": ["0"], "C1": ["0"], "D0": ["1"],
                "D1": ["1"], "CIN": ["0"], "S0": [6], "S1": [7], "COUT": [8]}  # fmt: skip
        cells = {"add": ("CCU2C", own, pins)}
    else:
        half = {"INIT": "0110"}
        cells = {
            f"half{k}": ("LUT2", half, {"I0": [a[k]], "I1": [b[k]], "O": [20 + k]}) for k in range(2)
        } | {
            "add": ("CARRY4", {}, {"CI": ["0"], "CYINIT": ["0"], "DI": [2, 3, "0", "0"],
                                   "S": [20, 21, "0", "0"], "O": [6, 7, 30, 31], "CO": [40, 8, 41, 42]}),
        }  # fmt: skip
    part = circuit(module(cells, {}), [*a, *b], [*y, carry])
    for p, q in itertools.product(range(4), range(4)):
        values = settled(part, {net: (p >> k | 0) & 1 for k, net in enumerate(a)}
                         | {net: q >> k & 1 for k, net in enumerate(b)})  # fmt: skip
        assert sum(values[net] << k for k, net in enumerate(part.outputs)) == p + q
    assert part.kinds[carry] == CARRY
    assert part.kinds[y[0]] == LOGIC
    assert part.kinds[a[0]] == OPERAND


def test_logic_beside_its_register_is_local():
    """Of two LUTs, the one whose only use is a register's."""
    lut = {"INIT": "0" * 15 + "1"}
    ff = {"CEMUX": "1 ", "CLKMUX": "CLK", "LSRMUX": "LSR", "REGSET": "RESET"}
    spare = {"B": ["0"], "C": ["0"], "D": ["0"]}
    cells = {
        "wide": ("LUT4", lut, {"A": [4], **spare, "Z": [5]}),
        "alone": ("LUT4", lut, {"A": [5], **spare, "Z": [6]}),
        "first": ("TRELLIS_FF", ff, {"CLK": [2], "DI": [5], "LSR": ["0"], "Q": [7]}),
        "second": ("TRELLIS_FF", ff, {"CLK": [2], "DI": [6], "LSR": ["0"], "Q": [8]}),
    }
    part = circuit(module(cells, {}), [4], [7, 8])
    assert part.kinds == {4: OPERAND, 5: LOGIC, 6: LOCAL, 7: REGISTER, 8: REGISTER}


def test_only_what_lies_between_the_buses_is_read():
    """A register before the operands and logic behind the results are left out."""
    ff = {"CEMUX": "1 ", "CLKMUX": "CLK", "LSRMUX": "LSR", "REGSET": "RESET"}
    cells = {
        "feed": ("TRELLIS_FF", ff, {"CLK": [2], "DI": [3], "LSR": ["0"], "Q": [4]}),
        "held": ("TRELLIS_FF", {**ff, "CEMUX": "CE"}, {"CLK": [2], "DI": [4], "CE": [9], "Q": [5]}),
        "after": ("LUT4", {"INIT": "0" * 15 + "1"}, {"A": [5], "B": ["0"], "C": ["0"], "D": ["0"], "Z": [6]}),
    }
    part = circuit(module(cells, {}), [4, 9], [5])
    assert [r.name for r in part.registers] == ["held"]
    assert part.cells == []
    assert part.kinds == {4: OPERAND, 9: OPERAND, 5: REGISTER}
    assert part.fanout == {4: 1, 9: 1}


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ({"u": ("DP16KD", {}, {})}, r"^netlist: a cell must be one of CARRY4, .*, not 'DP16KD' \(u\)\. M"),
        ({"u": ("CCU2C", {"INJECT1_0": "YES"}, {})}, r"^netlist: INJECT1_0 must be NO, not YES \(u\)$"),
        ({"u": ("MULT18X18D", {"REG_INPUTA_CLK": "CLK0"}, {})}, r"^netlist: a multiplier must have no reg"),
        ({"u": ("TRELLIS_FF", {"CEMUX": "INV", "CLKMUX": "CLK", "LSRMUX": "LSR"}, {})},
         r"^netlist: clock, enable and reset must not be inverted \(u\)$"),
        ({"u": ("SRL16E", {}, {"A0": [7]})}, r"^netlist: a shift register's length must be constant \(u\)$"),
        ({}, r"^netlist: a net of the circuit must have a driver, not none: 3$"),
    ],
)  # fmt: skip
def test_what_cannot_be_counted_is_told(cells, message):
    """Cells and modes that the counter does not know, and nets from nowhere."""
    with pytest.raises(ToolError, match=message):
        circuit(module(cells, {}), [2], [3])


def test_a_shift_register_is_followed():
    """From its port on, to a register with an enable; logic between ends it."""
    ff = {"CEMUX": "1 ", "CLKMUX": "CLK", "LSRMUX": "LSR", "REGSET": "RESET"}
    cells = {
        "second": ("TRELLIS_FF", ff, {"DI": [4], "Q": [5]}),
        "first": ("TRELLIS_FF", ff, {"DI": [3], "Q": [4]}),
        "held": ("TRELLIS_FF", {**ff, "CEMUX": "CE"}, {"DI": [5], "CE": [9], "Q": [6]}),
    }
    assert chain(module(cells, {"d": [3]}), "d") == [4, 5]


def test_a_missing_bus_is_told():
    """By its name."""
    with pytest.raises(ToolError, match=re.escape("netlist: the module must have the buses x;")):
        buses(module({}, {"acc": [3]}), ["acc", "x"])


@pytest.mark.parametrize(("late", "all_moves"), [(300, 3), (150, 1)])
def test_glitches_are_counted_if_cells_let_them_pass(tmp_path, late, all_moves):
    """y = a xor a-later: it settles where it was, after a pulse as long as the wires differ; a cell of 200 ps
    keeps 300 ps of it and swallows 150. The third transition is z's, which settles anew."""
    cells = {
        "xor": ("LUT2", {"INIT": "0110"}, {"I0": [2], "I1": [2], "O": [3]}),
        "same": ("LUT1", {"INIT": "10"}, {"I0": [2], "O": [4]}),
    }
    part = circuit(module(cells, {}), [2], [3, 4])
    delays = Delays({("xor", "I1"): late}, {("xor", "I0", "O"): 200, ("xor", "I1", "O"): 200})
    plan = power.Schedule(np.array([[0], [1], [1]], np.uint8), [])
    moves, results, _ = power.transitions(part, text(part, delays), plan, tmp_path, 0)
    assert sum(moved for net, (moved, _) in moves.items() if net > 2) == all_moves
    assert sum(stayed for net, (_, stayed) in moves.items() if net > 2) == 1
    assert results.tolist() == [[0, 0], [0, 1], [0, 1]]


SMALL = operands.Operands(np.arange(24).reshape(3, 8) * 5 % 16, np.arange(32).reshape(8, 4) * 7 % 16, 0.0)


@pytest.mark.parametrize(
    ("lane", "family"),
    [("adder", "ecp5"), ("minimum", "xc7"), ("multiply_lut", "ecp5"), ("multiply_booth", "ecp5")],
)
def test_mapped_arrays_compute_their_layers(tmp_path, lane, family):
    """Netlists of 2 x 4 lanes of 4 bits give every sum of a small layer, as ``measure`` checks."""
    a = Array(lane, 4, pe=2, simd=4, terms=8)
    data = SMALL if a.kind.adds else replace(SMALL, w=SMALL.w - 8)
    top = arrays.ROUTABLE if family == "ecp5" else arrays.ARRAY
    source = Source(top, arrays.array(a) + arrays.routable(a), False, {})
    mapped = Store(tmp_path).mapped("small", source, family)
    found = power.measure(a, mapped.folder, data, None)
    assert found.equal == found.sums == 3 * 4
    assert found.nets["register"] > 0
    assert found.all_nets == {}


def test_a_wrong_sum_is_told(tmp_path, monkeypatch):
    """Operands of one layer against the sums of another."""
    a = Array("adder", 4, pe=2, simd=4, terms=8)
    source = Source(arrays.ARRAY, arrays.array(a), False, {})
    mapped = Store(tmp_path).mapped("small", source, "ecp5")
    plan, other = power.schedule(a, SMALL), power.schedule(a, replace(SMALL, w=SMALL.w[::-1]))
    monkeypatch.setattr(power, "schedule", lambda a, data: power.Schedule(plan.bits, other.shown))
    with pytest.raises(
        ToolError, match=r"^toggles: the netlist's sums must be the layer's, not only \d+ of 12 \("
    ):
        power.measure(a, mapped.folder, SMALL, None)


def test_every_case_has_its_reference():
    """Each width, family and scope has the LUT multiplier that the others are compared with."""
    for case in CASES:
        twins = [c for c in CASES if c.whole == case.whole and c.family == case.family]
        assert any(c.array.lane == "multiply_lut" and c.array.bits == case.array.bits for c in twins)
        assert case.array.lane in LANES


@pytest.mark.parametrize("lane", ["adder", "minimum", "multiply_lut", "multiply_dsp"])
def test_units_are_what_the_compiler_makes(lane):
    """Folded as asked, with the lane asked for, thresholds behind it."""
    a = Array(lane, 4, pe=2, simd=4, terms=8)
    data = SMALL if a.kind.adds else replace(SMALL, w=SMALL.w - 8)
    made = unit.design(a, unit.layer_graph(a, data))
    product = next(i for i in made.instances if i.unit.module == "gw_matrix_vector")
    lane_code = {"adder": 7, "minimum": 8, "multiply_lut": 1, "multiply_dsp": 0}[lane]
    assert [product.params[p] for p in ("PE", "SIMD", "LANE", "W_BITS")] == [2, 4, lane_code, 4]
    assert any(i.unit.module == "gw_threshold" for i in made.instances)
    source = unit.source(made, a.kind.dsp, True)
    assert source.top in source.text
    assert len(source.memories) > 1


MAPPED = {"lut": 1000, "ff": 10, "carry": 3, "dsp": 0, "bram": 0, "around": {"lut": 100}}
MOVES = {"operand": 9.0, "register": 256.0, "logic": 156.0, "local": 100.0, "carry": 5.0}


def record(share: float, mhz: tuple[float, ...]) -> dict:
    """A case as it is stored, with ``share`` of 1,000 LUTs and of 512 transitions."""
    routes = [{"mhz": m} for m in mhz]
    moves = {kind: v * share for kind, v in MOVES.items()}
    counted = {"nets": moves, "all_nets": moves, "pins": moves, "all_pins": moves, "clock_pins": 256}
    used = {"TRELLIS_COMB": round(1000 * share) + 100}
    return {
        "mapped": {**MAPPED, "lut": 1000 * share},
        "used": used,
        "routes": routes,
        "toggles": {"digits": counted, "LeNet-5": counted},
    }


def test_energy_of_a_tap_is_the_sum_of_its_parts():
    """Wires, nets inside cells, clocked registers and multipliers, with glitches where they are counted."""
    case = next(c for c in CASES if c.name == "8-adder-array-ecp5")
    pj = Power(298, 3.0, 0.5, 0.25, 300, 8, 20, 0.3, "a test")
    found = record(0.5, ())
    found["mapped"]["dsp"] = 4
    # 128 + 78 transitions of wires, 50 + 2.5 inside cells, 256 registers.
    assert energy.per_tap_pj(case, found, "digits", pj) * 256 == 206 * 3 + 52.5 * 0.5 + 64 + 80
    found["toggles"]["digits"]["all_nets"] = {}
    found["toggles"]["digits"]["nets"] = dict.fromkeys(MOVES, 0.0)
    assert energy.per_tap_pj(case, found, "digits", pj) * 256 == 64 + 80
    assert energy.per_tap_pj(case, found, "uniform", pj) is None


def test_the_page_holds_medians_shares_and_what_is_old():
    """Median and spread of the seeds, figures against the multiplier, sections of others, stale cases."""
    records = {
        "8-adder-array-ecp5": record(0.25, (180.0, 100.0, 150.0)),
        "8-multiply_lut-array-ecp5": record(1.0, (120.0,)),
    }
    section = {"text": ["From elsewhere."], "columns": ["A", "B"], "rows": [[1, 2]]}
    written = page(records, ["8-adder-array-ecp5"], {"lenet": section})
    assert (
        "| 8 | adder | 256 | 250 | 250 | 1.0 | 10 | 3 | 0 | 0 | 150.0 (100.0-180.0, 3) | -75.0 % | +25.0 % |"
        in written
    )
    assert (
        "| ecp5 | 8 | adder | 256 | digits | 0.5 | 0.5 | 0.5 | 0.5 | 1.0 | -75.0 % | -75.0 % | -75.0 % |"
        in written
    )
    assert "| Clock rate, array, ECP5 routed | +25.0 % | +16 % |" in written
    assert re.search(r"\n\| 8 \| adder \| 256 \| yes \| [\d.]+ \| [\d.]+ \| -\d+\.\d % \|\n", written)
    assert "| LUT, array, xc7 | not measured | -77 % |" in written
    assert "Measured on earlier sources: 8-adder-array-ecp5." in written
    assert "From elsewhere.\n\n| A | B |\n|---|---|\n| 1 | 2 |" in written
    assert "## ARM\n\nNot part of this run." in written
