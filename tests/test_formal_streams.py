"""Units proved for every input of some clocks: gaps, stalls and resets wherever they may come."""

import numpy as np
import pytest

from formal_bench import Element, Port, Proof
from gatewright.compiler.ir.requantize import requantization
from gatewright.compiler.ir.types import Int
from gatewright.hw.units.fifo import FIFO
from gatewright.hw.units.gather import GATHER, gather_parameters
from gatewright.hw.units.lookup import LOOKUP, lookup_memory
from gatewright.hw.units.requantize import (
    REQUANTIZE,
    drop_memory,
    factor_memory,
    offset_memory,
    requantize_parameters,
)
from gatewright.hw.units.slice import PAD, SLICE
from gatewright.hw.units.threshold import THRESHOLD, threshold_memory
from gatewright.hw.units.width_converter import WIDTH_CONVERTER


def chosen(values, of: str = "k") -> str:
    """Verilog: the value at place ``of``, for as many places as there are."""
    text = f"{values[-1]}"
    for place, value in list(enumerate(values))[-2::-1]:
        text = f"({of} == {place} ? {value} : {text})"
    return text


def fifo(depth: int) -> Proof:
    """Order, no loss, and exactly DEPTH beats: ready until there are so many, and never then."""
    more = f"assert (s_tready == (taken0 - given0 != 6'd{depth}));"
    params = {"BITS": 2, "DEPTH": depth, "RAM_STYLE": 0}
    return Proof(FIFO, params, [Port(2)], [Port(2)], more=more)


@pytest.mark.parametrize(("depth", "clocks"), [(2, 12), (3, 12), (4, 12), (5, 11), (7, 10)])
def test_fifo(depth, clocks, tmp_path):
    assert fifo(depth).holds(clocks, tmp_path)


@pytest.mark.parametrize(
    ("depth", "change"),
    [
        (2, ("if (pop || !valid[i]) data_q", "if (pop) data_q")),
        (5, ("(count_q == ONE_LESS && push)", "1'b0")),
        (4, ("if (out_free) out_q <= fetched;", "out_q <= fetched;")),
    ],
    ids=["overwrites", "overflows", "changes"],
)
def test_faults_in_a_fifo_are_found(depth, change, tmp_path):
    """The proof is not empty: it fails for a FIFO that is wrong."""
    assert not fifo(depth).holds(10, tmp_path, change)


def width_converter(ins: int, outs: int) -> Proof:
    """Order, and no loss."""
    params = {"BITS": 2, "IN": ins, "OUT": outs}
    return Proof(WIDTH_CONVERTER, params, [Port(2, ins)], [Port(2, outs)])


@pytest.mark.parametrize(("ins", "outs"), [(1, 1), (1, 3), (3, 1), (4, 2)])
def test_width_converter(ins, outs, tmp_path):
    assert width_converter(ins, outs).holds(10, tmp_path)


def counted(t: np.ndarray, signed: bool) -> str:
    """Verilog: how many thresholds of element k's channel x reaches."""
    x = "$signed({{2{x0[5]}}, x0})" if signed else "{2'd0, x0}"
    rows = [" + ".join(f"({x} >= {'-' if v < 0 else ''}8'sd{abs(v)})" for v in row) for row in t]
    if not signed:
        rows = [" + ".join(f"({x} >= 8'd{max(v, 0)})" for v in row) for row in t]
    return chosen([f"(4'd0 + {row})" for row in rows], f"(k % {len(t)})")


SIGNED, UNSIGNED = Int(-32, 31), Int(0, 63)
TABLES = {
    "signed": (SIGNED, np.array([[-20, -3, 9], [-31, 0, 30]])),
    "unsigned": (UNSIGNED, np.array([[1, 2, 3], [20, 40, 60]])),
    "beyond": (SIGNED, np.array([[-40, -32, 31], [5, 31, 99]])),
}


def threshold(name: str) -> Proof:
    """Each x of two channels, against comparing with all thresholds at once."""
    x, t = TABLES[name]
    params = {
        "C": 2, "PE": 1, "STAGES": 2, "X_BITS": 6, "X_SIGNED": int(x.signed), "OUT_BITS": 4, "BIAS": 3,
        "SHIFT": 0, "ROM_STYLE": 2, "TABLE": "t",
    }  # fmt: skip
    memories = {"t": threshold_memory(t, 1, x)}
    result = f"(4'd3 + {counted(t, x.signed)})"
    return Proof(THRESHOLD, params, [Port(6)], [Port(4)], result, memories=memories)


@pytest.mark.parametrize("name", TABLES)
def test_threshold(name, tmp_path):
    assert threshold(name).holds(11, tmp_path)


LINES = {
    "signed": (SIGNED, np.array([[-20, -15, -9, -4, 2], [-31, -20, -9, 2, 13]])),
    "unsigned": (UNSIGNED, np.array([[3, 4, 6, 8, 9], [10, 21, 32, 43, 54]])),
    # From the fourth step on it lies further left, so no single line will do.
    "knee": (SIGNED, np.array([[-15, -7, 1, 7, 15, 23], [-30, -20, -10, 0, 10, 20]])),
}


def requantize(name: str, lane: int, x_low: int = 0, m_low: int = 0) -> Proof:
    """The unit with the factors found for two channels' lines, x and factors cut or whole."""
    x, t = LINES[name]
    found = requantization(t, x)
    if name == "knee":
        assert found is None
        found = requantization(t, x, 3)
        assert found is not None
    params = requantize_parameters(found, x, Int(0, 15), 2, 2, 1, lane, 2) | {"X_LOW": x_low, "M_LOW": m_low}
    memories = {"f.mem": factor_memory(found, 1), "o.mem": offset_memory(found, 1, params["ACC_BITS"])}
    params |= {"FACTORS": "f.mem", "OFFSETS": "o.mem", "DROPS": "d.mem" if found.knee else ""}
    if found.knee:
        memories["d.mem"] = drop_memory(found, 1)
    result = f"(4'd2 + {counted(t, x.signed)})"
    return Proof(REQUANTIZE, params, [Port(6)], [Port(4)], result, memories=memories)


@pytest.mark.parametrize("lane", [0, 1], ids=["multiply", "digits"])
@pytest.mark.parametrize("name", LINES)
def test_requantize(name, lane, tmp_path):
    """Each x of two channels, against comparing with all thresholds at once."""
    assert requantize(name, lane).holds(11, tmp_path)


@pytest.mark.parametrize(
    ("name", "x_low", "m_low"), [("signed", 3, 0), ("unsigned", 4, 2), ("knee", 2, 3), ("knee", 0, 4)]
)
def test_requantize_with_a_cut(name, x_low, m_low, tmp_path):
    """A clock later, and no sum slips past its own drop."""
    assert requantize(name, 0, x_low, m_low).holds(12, tmp_path)


@pytest.mark.parametrize(
    "change",
    [("CLOCKS(CUT)", "CLOCKS(0)"), ("? lowered_q", "? MIDDLE[ACC_BITS-1:0]"), ("+ CUT + 1", "+ 1")],
    ids=["drop early", "no drop", "valid early"],
)
def test_faults_behind_a_cut_are_found(change, tmp_path):
    assert not requantize("knee", 0, 2, 3).holds(12, tmp_path, change)


def test_a_fault_in_requantize_is_found(tmp_path):
    change = ("shifted[V_BITS-1] ? {K_BITS{1'b0}}", "1'b0 ? {K_BITS{1'b0}}")
    assert not requantize("signed", 0).holds(11, tmp_path, change)


def lookup() -> Proof:
    """Each x of two channels in its own table."""
    table, x = np.array([[3, 0, 7, 5], [1, 6, 2, 4]]), Int(-2, 1)
    params = {
        "C": 2, "PE": 1, "SHARED": 0, "X_BITS": 2, "OUT_BITS": 3, "ROM_STYLE": 2, "TABLE": "t"
    }  # fmt: skip
    rows = [chosen([row[2], row[3], row[0], row[1]], "x0") for row in table]
    memories = {"t": lookup_memory(table, -2, x, Int(0, 7), 1)}
    result = f"3'd0 + {chosen(rows, '(k % 2)')}"
    return Proof(LOOKUP, params, [Port(2)], [Port(3)], result, memories=memories)


def test_lookup(tmp_path):
    assert lookup().holds(9, tmp_path)


def gather(order: list[int]) -> Proof:
    """Blocks that overtake each other in the double buffer come out whole and in order."""
    block = max(order) + 1
    places = chosen([f"6'd{place}" for place in order], f"(k % {len(order)})")
    source = f"(k / {len(order)}) * 6'd{block} + {places}"
    whole = f"(k / {len(order)}) * 6'd{block} + 6'd{block}"
    params = gather_parameters(2, block, np.array(order))
    return Proof(GATHER, params, [Port(2)], [Port(2)], elements=[Element(source, before=whole)])


@pytest.mark.parametrize("order", [[2, 1, 0], [0, 0, 1, 1], [1], [1, 3, 0, 2]], ids=str)
def test_gather(order, tmp_path):
    assert gather(order).holds(14, tmp_path)


def cut_out() -> Proof:
    """Columns 1 and 3 of 4, rows 1 of 2: elements 5 and 7 of each 8."""
    axes = [(4, 1, 2, 2), (2, 1, 1, 1), (1, 0, 1, 1)]
    params = {"BITS": 2} | {
        f"{name}{i}": v
        for i, axis in enumerate(axes)
        for name, v in zip(("N", "FIRST", "COUNT", "STEP"), axis, strict=True)
    }
    place = "(k / 2) * 6'd8 + 6'd5 + (k % 2) * 6'd2"
    return Proof(SLICE, params, [Port(2)], [Port(2)], elements=[Element(place)])


def test_slice(tmp_path):
    assert cut_out().holds(17, tmp_path)


def pad() -> Proof:
    """Two elements between one and two of border: 3 x0 x1 3 3."""
    axes = [(2, 1, 2), (1, 0, 0), (1, 0, 0)]
    params = {"BITS": 2, "LANES": 1, "PAD_CODE": 3} | {
        f"{name}{i}": v
        for i, axis in enumerate(axes)
        for name, v in zip(("N", "BEFORE", "AFTER"), axis, strict=True)
    }
    place = "(k % 5)"
    source = f"(k / 5) * 6'd2 + {chosen(['0', '0', '1', '1', '1'], place)}"
    result = chosen(["2'd3", "x0", "x0", "2'd3", "2'd3"], place)
    return Proof(PAD, params, [Port(2)], [Port(2)], result, [Element(source)])


def test_pad(tmp_path):
    assert pad().holds(14, tmp_path)


FAULTS = {
    "narrower": (width_converter(4, 2), 8, "wide_q >> (OUT * BITS)", "wide_q >> BITS"),
    "wider": (width_converter(1, 3), 8, "if (s_tvalid && s_tready) wide_q", "if (s_tready) wide_q"),
    "threshold": (threshold("signed"), 11, "value >= $signed", "value > $signed"),
    "channel": (lookup(), 9, "step(ce && s_tvalid)", "step(s_tvalid)"),
    "lookup": (lookup(), 8, "valid_q[CLOCKS-2:0], s_tvalid", "valid_q[CLOCKS-2:0], 1'b1"),
    "gather": (gather([2, 1, 0]), 14, "(wr_end && wr_half_q)) &&", "(wr_end && !wr_half_q)) &&"),
    "slice": (cut_out(), 12, "if (ce) data_q", "data_q"),
    "pad": (pad(), 12, "if (s_tready) x_q", "if (ce) x_q"),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_faults_are_found(name, tmp_path):
    """A fault in each unit's data, order, handshake or reset."""
    proof, clocks, right, wrong = FAULTS[name]
    assert not proof.holds(clocks, tmp_path, (right, wrong))
