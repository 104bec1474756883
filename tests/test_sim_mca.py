"""Cycles by llvm-mca: dependent instructions take their latency, independent ones the pipes' rate."""

import subprocess
import sys

import pytest

from gatewright.errors import ToolError
from gatewright.sim.mca import MODELS, Estimate, block_cycles, estimate_cycles
from gatewright.sim.qemu import run_arm

A64, A32 = "aarch64-linux-gnu", "armv7-linux-gnueabihf"
CORES = [("cortex-a53", A64), ("cortex-a72", A64), ("cortex-a76", A64), ("cortex-a9", A32)]

# Loops of a known number of cycles, without a C library; %r1 counts down.
PROGRAM = """
    .globl _start, chain, pairs
    .type chain, %function
    .type pairs, %function
_start:
    BL chain
    BL pairs
    EXIT
chain:
    mov R1, #1000
1:  add R2, R2, #1
    add R2, R2, #1
    add R2, R2, #1
    add R2, R2, #1
    subs R1, R1, #1
    bne 1b
    RET
    .size chain, . - chain
pairs:
    mov R1, #500
1:  add R2, R2, #1
    add R3, R3, #1
    subs R1, R1, #1
    bne 1b
    RET
    .size pairs, . - pairs
"""
FORMS = {
    A64: {"R": "x", "bne": "b.ne", "BL": "bl", "RET": "ret", "EXIT": "mov x0, #0\n mov x8, #94\n svc #0"},
    A32: {"R": "r", "bne": "bne", "BL": "bl", "RET": "bx lr", "EXIT": "mov r0, #0\n mov r7, #248\n svc #0"},
}
ZIG_TARGETS = {A64: "aarch64-linux-musl", A32: "arm-linux-musleabihf"}


def assembled(source, triple, folder, *flags):
    """A program of the source with its machine's words."""
    for word in ("EXIT", "RET", "BL", "bne", "R"):
        source = source.replace(word, FORMS[triple][word])
    (folder / "loops.s").write_text(source)
    argv = [sys.executable, "-m", "ziglang", "cc", "-target", ZIG_TARGETS[triple], "-nostdlib", "-static"]
    subprocess.run([*argv, *flags, "loops.s", "-o", "loops"], cwd=folder, check=True)
    return folder / "loops"


@pytest.fixture(scope="module", params=[A64, A32])
def counted(request, tmp_path_factory):
    """(program, its counted run, core) for both machines."""
    binary = assembled(PROGRAM, request.param, tmp_path_factory.mktemp("loops"))
    cpu = "cortex-a72" if request.param == A64 else "cortex-a9"
    return binary, run_arm(binary, cpu=cpu, blocks=True), cpu


def test_cycles_of_a_run_are_those_of_its_loops(counted):
    """1000 passes of a chain of four, and 500 passes of two additions side by side with the count."""
    binary, run, cpu = counted
    chain = estimate_cycles(binary, run, cpu=cpu, functions=["chain"])
    assert chain.instructions == 6000 + 2
    assert chain.cycles == pytest.approx(4000, rel=0.01)
    pairs = estimate_cycles(binary, run, cpu=cpu, functions=["pairs"])
    assert pairs.instructions == 2000 + 2
    assert 500 <= pairs.cycles <= 1010
    both = estimate_cycles(binary, run, cpu=cpu, functions=["chain", "pairs"])
    assert both.cycles == pytest.approx(chain.cycles + pairs.cycles, rel=0.02)
    assert 0.98 < both.modelled <= 1


def test_blocks_that_the_model_lacks_take_the_rate_of_the_others(tmp_path):
    """A72 has no SDOT: its loop of 500 passes of four instructions is left to the chain's rate."""
    source = PROGRAM.replace("add R3, R3, #1", ".arch_extension dotprod\n sdot v0.4s, v1.16b, v2.16b")
    binary = assembled(source, A64, tmp_path, "-mcpu=cortex_a76")
    run = run_arm(binary, cpu="cortex-a76", blocks=True)
    lame = estimate_cycles(binary, run, cpu="cortex-a72", functions=["chain", "pairs"])
    assert 0.74 < lame.modelled < 0.76
    assert lame.cycles == pytest.approx(8004 * 4 / 6, rel=0.01)
    assert estimate_cycles(binary, run, cpu="cortex-a76", functions=["chain", "pairs"]).modelled > 0.98


def test_without_a_modelled_block_cycles_are_unknown(tmp_path):
    """Not 0: the same loop alone, which A72's model lacks and A76's has."""
    source = PROGRAM.replace("add R3, R3, #1", ".arch_extension dotprod\n sdot v0.4s, v1.16b, v2.16b")
    binary = assembled(source, A64, tmp_path, "-mcpu=cortex_a76")
    run = run_arm(binary, cpu="cortex-a76", blocks=True)
    assert estimate_cycles(binary, run, cpu="cortex-a72", functions=["pairs"]) == Estimate(None, 2002, 0.0)
    assert estimate_cycles(binary, run, cpu="cortex-a76", functions=["pairs"]).cycles > 500


def test_all_functions_count_unless_some_are_named(counted):
    binary, run, cpu = counted
    assert estimate_cycles(binary, run, cpu=cpu).instructions == run.instructions
    assert estimate_cycles(binary, run, cpu=cpu, functions=[]) == Estimate(0.0, 0, 1.0)


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


@pytest.mark.parametrize(("cpu", "triple"), CORES)
def test_the_model_named_is_the_one_used(cpu, triple):
    """Latencies that tell the models apart: the core takes as long as the one named, and not as others."""
    words = ["mul x1, x1, x1", "ldr x1, [x1]", "fmul d0, d0, d0"] if triple == A64 else [
        "mul r1, r1, r1", "ldr r1, [r1]", "vmul.f64 d0, d0, d0",
    ]  # fmt: skip
    others = ["cortex-a53", "cortex-a57"] if triple == A64 else ["cortex-a9", "cortex-a57"]
    taken = {core: [block_cycles(w, triple=triple, cpu=core) for w in words] for core in (*others, cpu)}
    assert [core for core in others if taken[core] == taken[cpu]] == [MODELS[cpu]]


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
    with pytest.raises(ToolError, match=r"^llvm-mca: must read the block .*\n  block\.s:3:13: error: "):
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
