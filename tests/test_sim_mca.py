"""Cycles by llvm-mca: dependent instructions take their latency, independent ones the pipes' rate."""

import pytest

from gatewright.errors import ToolError
from gatewright.sim.mca import block_cycles

A64, A32 = "aarch64-linux-gnu", "armv7-linux-gnueabihf"
CORES = [("cortex-a53", A64), ("cortex-a72", A64), ("cortex-a76", A64), ("cortex-a9", A32)]


@pytest.mark.parametrize(("cpu", "triple"), CORES)
def test_cycles_grow_with_the_chain(cpu, triple):
    one = "add {0}1, {0}1, #1"
    register = "x" if triple == A64 else "r"
    chain = [block_cycles("\n".join([one] * n).format(register), triple=triple, cpu=cpu) for n in (4, 8, 16)]
    assert chain == [4.0, 8.0, 16.0]


@pytest.mark.parametrize(("cpu", "width"), [("cortex-a53", 2), ("cortex-a72", 2)])
def test_independent_additions_share_cycles(cpu, width):
    block = "\n".join(f"add x{r}, x{r}, #1" for r in range(8))
    assert block_cycles(block, triple=A64, cpu=cpu) == 8 / width


def test_a_loop_with_its_branch():
    body = """.LBB0_1:
        ldr q0, [x0], #16
        smull v2.8h, v0.8b, v1.8b
        smlal2 v2.8h, v0.16b, v1.16b
        sadalp v3.4s, v2.8h
        subs x2, x2, #1
        b.ne .LBB0_1
    """
    slow, fast = (block_cycles(body, triple=A64, cpu=cpu) for cpu in ("cortex-a53", "cortex-a72"))
    assert 2 <= fast < slow < 40


def test_features_are_the_cores_own_unless_told():
    dot = "sdot v0.4s, v1.16b, v2.16b"
    assert block_cycles(dot, triple=A64, cpu="cortex-a76") > 0
    assert block_cycles(dot, triple=A64, cpu="cortex-a72", features="+dotprod") > 0
    rule = r"^llvm-mca: must read the block for cortex-a72\. It says:\n.*error: instruction requires: dotprod"
    with pytest.raises(ToolError, match=rule):
        block_cycles(dot, triple=A64, cpu="cortex-a72")


def test_what_it_cannot_read_is_no_zero():
    with pytest.raises(
        ToolError, match=r"^llvm-mca: must read the block for cortex-a53\. It says:\n  error: no"
    ):
        block_cycles("", triple=A64, cpu="cortex-a53")
    with pytest.raises(ToolError, match=r"^llvm-mca: must read the block .*\n  block\.s:2:13: error: "):
        block_cycles("add x0, x1, #1\nadd x0, x1, v0.8b", triple=A64, cpu="cortex-a53")
    with pytest.raises(
        ToolError, match=r"^llvm-mca: cpu must be a core that LLVM knows for aarch.*'cortex-z80'$"
    ):
        block_cycles("nop", triple=A64, cpu="cortex-z80")


def test_missing_tool_says_what_to_install(monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(
        ToolError, match=r"^tools: llvm-mca must be on PATH, not absent\. .* packages \(llvm\)$"
    ):
        block_cycles("nop", triple=A64, cpu="cortex-a53")
