"""Modules that families have forms of, proved by SAT: a form equals the portable one for whatever goes in."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import pytest

from formal_bench import holds, with_fault
from formal_cells import CELLS, module, proved, sources


@dataclass(frozen=True)
class Twin:
    """A module of numbers a, b, c and bits f, g, h.

    Attributes:
        families: that have a form of it.
        ports: how it is wired; {n} stands for the width.
        wanted: the result.
        params: sets of further parameters by name, of a width.
        more: the result's bits beside the width, of each set.
    """

    families: tuple[str, ...]
    ports: str
    wanted: str
    params: Callable[[int], list[dict[str, int]]] = lambda n: [{}]
    more: tuple[int, ...] = (0,)


TWINS = {
    "gw_flip_add": Twin(
        ("ecp5",), ".a(a{n}), .flip_a(f{n}), .b(b{n}), .flip_b(g{n}), .carry(h{n}), .sum({y})",
        "(f{n} ? ~{{1'b1, a{n}}} : {{1'b0, a{n}}}) + (g{n} ? ~{{1'b1, b{n}}} : {{1'b0, b{n}}}) + h{n}",
        more=(1,),
    ),
    "gw_minimum": Twin(("xc7",), ".a(a{n}), .b(b{n}), .y({y})", "(a{n} < b{n} ? a{n} : b{n})"),
    "gw_add_three": Twin(
        ("xc7",), ".a(a{n}), .b(b{n}), .c(c{n}), .sum({y})", "a{n} + b{n} + c{n}",
        lambda n: [{"OUT": n + k} for k in range(3)], (0, 1, 2),
    ),
    "gw_choose_add": Twin(
        ("ecp5", "xc7"), ".choose(f{n}), .a(a{n}), .b(b{n}), .c(c{n}), .carry(h{n}), .sum({y})",
        "(f{n} ? a{n} : b{n}) + c{n} + (h{n} && {k} == 1)",
        lambda n: [{"CARRY": k} for k in range(2)], (0, 0),
    ),
}  # fmt: skip
CASES = [(name, family) for name, twin in TWINS.items() for family in twin.families]
# Of every width that a lane of 8 bits and 8 terms has.
WIDTHS = range(1, 13)


def proof(name: str, widths: Iterable[int]) -> str:
    """A module of several widths by itself."""
    twin, made = TWINS[name], []
    for n in widths:
        operands = [f"input wire [{n - 1}:0] {v}{n}" for v in "abc"] + [f"input wire {v}{n}" for v in "fgh"]
        text = ""
        for k, (params, more) in enumerate(zip(twin.params(n), twin.more, strict=True)):
            y = f"y{n}_{k}"
            sizes = ", ".join(f".{key}({value})" for key, value in {"BITS": n, **params}.items())
            text += f"""
    wire [{n + more - 1}:0] {y};
    wire [{n + more - 1}:0] wanted{n}_{k} = {twin.wanted.format(n=n, k=k)};
    {name} #({sizes}) dut{n}_{k} ({twin.ports.format(n=n, y=y)});
    always @* assert ({y} == wanted{n}_{k});
"""
        made.append((", ".join(operands), text))
    return module(made)


@pytest.mark.parametrize("family", ["", "cells"])
@pytest.mark.parametrize(("name", "of"), CASES)
def test_forms_of_families_are_equal(name, of, family, tmp_path):
    """Each form, and the portable one, is the same function."""
    family = of if family else ""
    text = proof(name, WIDTHS)
    files = sources(text, family)
    cells = any(cell in files[f"{name}.v"] for cell in ("CARRY4", "CCU2C"))
    assert cells == bool(family)
    assert proved(text, files, family, tmp_path)


FAULTS = {
    "carry cell": ("gw_flip_add", "ecp5", ".INIT1(16'h6996)", ".INIT1(16'h6999)"),
    "carry in": ("gw_flip_add", "ecp5", "a, carry};", "a, 1'b0};"),
    "comparison": ("gw_minimum", "xc7", "64'h0000_9009_0000_4F04", "64'h0000_9009_0000_4F00"),
    "choice": ("gw_minimum", "xc7", "64'hF0F0_FF00_AAAA_CCCC", "64'hF0F0_FF00_AAAA_CCC8"),
    "majority": ("gw_add_three", "xc7", "64'h6996_6996_E8E8_E8E8", "64'h6996_6996_E8E8_E8E0"),
    "start": ("gw_choose_add", "ecp5", ".INIT0(16'h596A)", ".INIT0(16'h596B)"),
    "first carry": ("gw_choose_add", "ecp5", "{carry, 1'b0, carry, 1'b1}", "{carry, 1'b0, carry, 1'b0}"),
    "chosen": ("gw_choose_add", "xc7", "16'h665A", "16'h5A66"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_faults_are_found(name, tmp_path):
    """In each kind of cell."""
    what, family, right, wrong = FAULTS[name]
    text = proof(what, (2, 3, 5))
    assert not proved(text, with_fault(sources(text, family), right, wrong), family, tmp_path)


_COPIES = """module proof (input wire clk, input wire ce, input wire d);
    wire [2:0] q;
    reg known = 1'b0;
    reg last;
    gw_copies #(.N(3)) dut (.clk(clk), .ce(ce), .d(d), .q(q));
    always @(posedge clk) begin
        if (ce) begin
            known <= 1'b1;
            last <= d;
        end
        if (known) assert (q == {3{last}});
    end
endmodule
"""


@pytest.mark.parametrize("enable", ["ce", "1'b1"], ids=["as written", "fault: without enable"])
@pytest.mark.parametrize("family", ["", "ecp5"])
def test_copies(family, enable, tmp_path):
    """Every copy holds the last bit that was let in; one that does not stand still is found."""
    files = sources(_COPIES, family)
    (file,) = files
    assert ("TRELLIS_FF" in files[file]) == (family == "ecp5")
    right = ".CE(ce)" if family else "if (ce)"
    files = with_fault(files, right, right.replace("ce", enable))
    assert holds(_COPIES, files, 4, tmp_path, cells=CELLS[family]) == (enable == "ce")
