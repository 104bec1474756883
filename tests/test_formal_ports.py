"""Units with several streams proved: each element once, in order and right, whatever gaps, stalls and resets.

Bounded proofs start from reset; those "forever" are inductions over one clock, which need to be told how the
unit's registers follow from what has come and gone.
"""

import pytest

from formal_bench import Element, Port, Proof
from gatewright.hw.units.binary import BINARY, PRODUCT, SUM
from gatewright.hw.units.concat import CONCAT, MOST_INPUTS
from gatewright.hw.units.fork import FORK


def fork(readers: int) -> Proof:
    """Every reader gets element k, and none is ahead of the source by more than what it is offered."""
    more = " ".join(
        f"assert (taken0 - given{i} == {{5'd0, m_tvalid[{i}]}}); "
        f"if (m_tvalid[{i}] && given{i} == k) assert (m_tdata[{2 * i} +: 2] == x0);"
        for i in range(readers)
    )
    return Proof(FORK, {"BITS": 2, "N": readers}, [Port(2)], [Port(2)] * readers, more=more)


@pytest.mark.parametrize("readers", [1, 2, 3])
def test_fork_forever(readers, tmp_path):
    assert fork(readers).holds_forever(tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        ("s_tready ? {N{s_tvalid}} : left", "s_tready ? {N{s_tvalid}} : owed_q"),
        ("if (s_tready) data_q", "data_q"),
        ("left == {N{1'b0}}", "owed_q == {N{1'b0}} || left[0] == 1'b0"),
    ],
    ids=["twice", "changes", "loses"],
)
def test_faults_in_a_fork_are_found(change, tmp_path):
    """By induction and, since that could fail for want of a claim, from reset."""
    assert not fork(2).holds_forever(tmp_path, change)
    assert not fork(2).holds(5, tmp_path, change)


def side(bits: int, signed: int, factor: int, offset: int, term: int) -> dict[str, int]:
    """One operand of a gw_binary."""
    return {"BITS": bits, "SIGNED": signed, "FACTOR": factor, "OFFSET": offset, "TERM": term}


SIDES = {
    "sum": (SUM, side(2, 1, 1, 0, 2), side(3, 0, 1, 0, 4), 5),
    "wraps": (SUM, side(3, 1, 1, 0, 3), side(3, 1, 1, 0, 3), 2),
    "constants": (SUM, side(2, 1, -3, 1, 5), side(3, 0, 5, -9, 7), 8),
    "product": (PRODUCT, side(2, 0, 1, 0, 3), side(3, 1, 1, 0, 3), 6),
    "scaled": (PRODUCT, side(1, 0, 2, -1, 2), side(3, 1, -1, 2, 4), 6),
}


def wide(x: str, s: dict[str, int], out: int) -> str:
    """Verilog: an operand's term at ``out`` bits, from the two's complement or unsigned ``x``."""
    top = f"{x}[{s['BITS'] - 1}]" if s["SIGNED"] else "1'b0"
    code = f"$signed({{{{{16 - s['BITS']}{{{top}}}}}, {x}}})"
    return f"(16'sd{s['FACTOR']} * {code} + 16'sd{s['OFFSET']})".replace("16'sd-", "-16'sd")


def binary(name: str) -> Proof:
    """Element k is the sum or product of both inputs' elements k."""
    op, a, b, out = SIDES[name]
    params = {"OP": op, "PE": 1} | {f"{p}_{key}": v for p, s in (("A", a), ("B", b)) for key, v in s.items()}
    sign = "*" if op == PRODUCT else "+"
    return Proof(
        BINARY, params | {"OUT_BITS": out}, [Port(a["BITS"]), Port(b["BITS"])], [Port(out)],
        f"{wide('x0', a, out)} {sign} {wide('x1', b, out)}", [Element("k"), Element("k", 1)],
    )  # fmt: skip


@pytest.mark.parametrize("name", SIDES)
def test_binary(name, tmp_path):
    assert binary(name).holds(9, tmp_path)


def binary_forever(name: str) -> Proof:
    """With what each register holds: a_q and b_q the last elements taken, y_q the sum of those before."""
    proof = binary(name)
    a, b = (port.bits for port in proof.ins)
    proof.probes = {"full_q": 2, "a_q": a, "b_q": b}
    proof.more = """
        assert (taken0 - given0 == {5'd0, full_q[0]} + {5'd0, m_tvalid});
        assert (taken1 - given0 == {5'd0, full_q[1]} + {5'd0, m_tvalid});
        if (full_q[0] && taken0 - 6'd1 == k) assert (a_q == x0);
        if (full_q[1] && taken1 - 6'd1 == k) assert (b_q == x1);
        if (m_tvalid && given0 == k) assert (m_tdata == due0);
    """
    return proof


@pytest.mark.parametrize("name", ["sum", "wraps", "product"])
def test_binary_forever(name, tmp_path):
    assert binary_forever(name).holds_forever(tmp_path)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("sum", ("full_q <= (s_tready & s_tvalid) | (~s_tready & full_q)", "full_q <= s_tready & s_tvalid")),
        ("sum", ("full_q == 2'b11", "full_q[0]")),
        ("constants", ("if (ce) both_q", "both_q")),
        ("wraps", ("a_wide + b_wide", "a_wide - b_wide")),
        ("product", ("$signed(b_term[l*B_TERM +: B_TERM])", "b_term[l*B_TERM +: B_TERM]")),
    ],
    ids=["loses", "alone", "slips", "differs", "unsigned"],
)
def test_faults_in_a_binary_are_found(name, change, tmp_path):
    assert not binary(name).holds(10, tmp_path, change)


def turns(beats: tuple[int, ...], number: str, extra: int) -> list[str]:
    """Verilog: how many elements each input has given when the output has had ``number`` + ``extra``."""
    turn, counts, start = sum(beats), [], 0
    for n in beats:
        reached = f"({number}) % 7'd{turn} + 7'd{extra}"
        part = (
            f"({reached} <= 7'd{start} ? 7'd0 : {reached} > 7'd{start + n} ? 7'd{n} : {reached} - 7'd{start})"
        )
        counts.append(f"(({number}) / 7'd{turn}) * 7'd{n} + {part}")
        start += n
    return counts


def concat(*beats: int) -> Proof:
    """Element k of the output is that of the input whose turn it is, and comes no earlier."""
    turn, count = sum(beats), len(beats)
    starts = [sum(beats[:i]) for i in range(count)]
    before = turns(beats, "k", 1)
    elements = [Element(f"{before[i]} - 7'd1", i, before[i]) for i in range(count)]
    result = "x0"
    for i in range(1, count):
        result = f"(k % 6'd{turn} >= 6'd{starts[i]} ? x{i} : {result})"
    all_beats = (*beats, *[1] * MOST_INPUTS)[:MOST_INPUTS]
    params = {"BITS": 2, "N": count} | {f"B{i}": n for i, n in enumerate(all_beats)}
    whole = 64 // turn * turn
    ins = [Port(2, lap=whole // turn * n) for n in beats]
    return Proof(CONCAT, params, ins, [Port(2, lap=whole)], result, elements)


@pytest.mark.parametrize("beats", [(1, 1), (2, 1), (1, 3), (1, 2, 1)], ids=str)
def test_concat(beats, tmp_path):
    assert concat(*beats).holds(9, tmp_path)


def concat_forever(*beats: int) -> Proof:
    """With whose turn it is and what is left of it, as the number of elements taken in all tells."""
    proof, turn = concat(*beats), sum(beats)
    lap = proof.outs[0].lap
    owners = [(i, n - 1 - place) for i, n in enumerate(beats) for place in range(n)]
    proof.probes = {
        "turn_q": len(beats), "left_q": max((max(beats) - 1).bit_length(), 1),
        "select": (len(beats) - 1).bit_length(),
    }  # fmt: skip
    all_taken = f"(({{1'b0, given0}} + {{6'd0, m_tvalid}}) % 7'd{lap})"
    taken = turns(beats, all_taken, 0)
    claims = [f"assert (taken{i} == ({taken[i]}) % 7'd{port.lap});" for i, port in enumerate(proof.ins)]
    for place, (owner, left) in enumerate(owners):
        state = f"turn_q == {1 << owner} && left_q == {left} && select == {owner}"
        claims.append(f"if ({all_taken} % 7'd{turn} == 7'd{place}) assert ({state});")
    claims += [
        f"assert ({{1'b0, given0}} < 7'd{lap});",
        "if (m_tvalid && given0 == k) assert (m_tdata == due0);",
    ]
    proof.more = " ".join(claims)
    return proof


@pytest.mark.parametrize("beats", [(1, 1), (1, 3), (1, 2, 1)], ids=str)
def test_concat_forever(beats, tmp_path):
    assert concat_forever(*beats).holds_forever(tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        ("LASTS[((i + 1) % N)*32", "LASTS[i*32"),
        ("if (ce) data_q", "data_q"),
        ("take && turn_end) turn_q", "ce && turn_end) turn_q"),
        ("s_tdata[select*BITS +: BITS]", "s_tdata[0 +: BITS]"),
    ],
    ids=["lengths", "changes", "skips", "mixes"],
)
def test_faults_in_a_concat_are_found(change, tmp_path):
    """By induction and, since that could fail for want of a claim, from reset."""
    assert not concat_forever(1, 3).holds_forever(tmp_path, change)
    assert not concat(1, 3).holds(8, tmp_path, change)
