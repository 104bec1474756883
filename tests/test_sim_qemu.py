"""Programs under qemu-user: counts are exact per process, per function and per address; failures say why."""

import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from gatewright.errors import InputError, ToolError
from gatewright.sim.elf import read_elf
from gatewright.sim.qemu import MARK, ArmRun, Block, NoPluginError, by_function, of_thread, run_arm

TARGETS = {"aarch64": ("aarch64-linux-musl", "cortex-a72"), "arm": ("arm-linux-musleabihf", "cortex-a9")}

# A loop of four instructions, whatever the compiler thinks.
LOOP = r"""
__attribute__((noinline)) unsigned work(unsigned n, unsigned x)
{
#if __aarch64__
    __asm__ volatile("1: subs %w0, %w0, #1\n add %w1, %w1, #3\n eor %w1, %w1, #1\n b.ne 1b"
                     : "+r"(n), "+r"(x) : : "cc");
#else
    __asm__ volatile("1: subs %0, %0, #1\n add %1, %1, #3\n eor %1, %1, #1\n bne 1b"
                     : "+r"(n), "+r"(x) : : "cc");
#endif
    return x;
}
"""
PROGRAM = f"""
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
{LOOP}
static unsigned turns;
static void *thread(void *x) {{ (void)x; work(turns, 1); return 0; }}
int main(int argc, char **argv)
{{
    const char *verb = argv[1];
    turns = argc > 2 ? atoi(argv[2]) : 0;
    if (!strcmp(verb, "loop")) printf("%u\\n", work(turns, 5));
    if (!strcmp(verb, "threads")) {{
        pthread_t t[3];
        for (int i = 0; i < 3; i++) pthread_create(&t[i], 0, thread, 0);
        for (int i = 0; i < 3; i++) pthread_join(t[i], 0);
    }}
    if (!strcmp(verb, "marks")) {{
        for (int i = 0; i < 4; i++) {{
            getpriority({MARK[0]:#x}, {MARK[1]:#x});
            work(turns * i + 1, 1);
        }}
        getpriority({MARK[0]:#x}, {MARK[1]:#x});
        getpriority({MARK[0]:#x}, 0);
    }}
    if (!strcmp(verb, "read")) {{
        char line[99] = "";
        printf("%s", fgets(line, sizeof line, stdin) ? line : "nothing\\n");
        printf("%s %d\\n", getenv("GIVEN"), getenv("HOME") != 0);
        fputs("aside", stderr);
    }}
    if (!strcmp(verb, "fail")) {{ fputs("error: no luck\\n", stderr); return 3; }}
    if (!strcmp(verb, "hang")) for (;;) sleep(1);
    if (!strcmp(verb, "crash")) *(volatile int *)0 = 1;
#if __aarch64__
    if (!strcmp(verb, "dot"))
        __asm__ volatile(".arch armv8.2-a+dotprod\\n sdot v0.4s, v1.16b, v2.16b" : : : "v0");
#endif
    return 0;
}}
"""
# Without a C library, so that no second one must be built for position-independent code.
BARE = f"""
{LOOP}
void _start(void)
{{
    register long code __asm__("x0") = work(1000, 1) & 0, exit_group __asm__("x8") = 94;
    __asm__ volatile("svc 0" : : "r"(code), "r"(exit_group));
}}
"""


def build(source, target, folder, *flags):
    """A program for ``target``, compiled by zig."""
    (folder / "main.c").write_text(source)
    argv = [sys.executable, "-m", "ziglang", "cc", "-target", target, "-O1", "-static", *flags]
    subprocess.run([*argv, "main.c", "-o", "program"], cwd=folder, check=True)
    return folder / "program"


@pytest.fixture(scope="module", params=TARGETS)
def built(request, tmp_path_factory):
    """(program, core), for each machine."""
    target, cpu = TARGETS[request.param]
    return build(PROGRAM, target, tmp_path_factory.mktemp(request.param)), cpu


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    """The program for AArch64."""
    return build(PROGRAM, TARGETS["aarch64"][0], tmp_path_factory.mktemp("aarch64"))


def after(turns, x=5):
    """What LOOP makes of ``x``."""
    for _ in range(turns):
        x = (x + 3) ^ 1
    return b"%d\n" % x


def test_difference_of_two_lengths_is_exact(built):
    binary, cpu = built
    # Numbers with as many digits, so that reading the argument and printing the sum take the same time.
    short, long = (run_arm(binary, ["loop", n], cpu=cpu, counted=True) for n in ("1001", "1999"))
    assert (short.stdout, long.stdout) == (after(1001), after(1999))
    assert long.instructions - short.instructions == 4 * 998
    assert run_arm(binary, ["loop", "1001"], cpu=cpu, counted=True) == short


def test_functions_and_addresses_are_counted_exactly(built):
    binary, cpu = built
    run = run_arm(binary, ["loop", "12347"], cpu=cpu, blocks=True)
    work = next(f for f in read_elf(binary).functions if f.name == "work")
    inside = {at: n for at, n in run.executions().items() if work.start <= at < work.end}
    hot = [at for at, n in inside.items() if n == 12347]
    assert hot == list(range(hot[0], hot[0] + 16, 4))
    assert all(n == 1 for at, n in inside.items() if at not in hot)
    assert by_function(binary, run)["work"] == sum(inside.values())
    assert sum(run.executions().values()) == run.instructions


def test_counting_is_off_unless_asked_for(program):
    run = run_arm(program, ["loop", "5"], cpu="cortex-a72")
    assert (run.instructions, run.blocks) == (None, ())
    assert run_arm(program, ["loop", "5"], cpu="cortex-a72", counted=True).blocks == ()


def test_threads_are_counted_in_full(built):
    binary, cpu = built
    short, long = (run_arm(binary, ["threads", n], cpu=cpu, blocks=True) for n in ("10000", "90000"))
    assert by_function(binary, long)["work"] - by_function(binary, short)["work"] == 3 * 4 * 80000
    assert all(b.executions == sum(b.threads) for b in long.blocks)
    # What the first thread did, which starts the others, has none of their work.
    parts = [of_thread(long, t) for t in range(4)]
    assert sum(p.instructions for p in parts) == long.instructions
    assert "work" not in by_function(binary, parts[0])
    assert sum(by_function(binary, p).get("work", 0) for p in parts) == by_function(binary, long)["work"]


def test_the_share_of_a_thread():
    """Blocks that it did not run are left out."""
    blocks = Block(16, 7, (4, 4), (3, 4)), Block(32, 5, (4,), (5,)), Block(64, 1, (2,))
    run = ArmRun(b"", b"", 20, blocks)
    assert of_thread(run, 0).blocks == (Block(16, 3, (4, 4), (3, 4)), Block(32, 5, (4,), (5,)))
    assert (of_thread(run, 0).instructions, of_thread(run, 1).instructions) == (11, 8)


def test_marks_tell_what_lies_between_them(built):
    binary, cpu = built
    run = run_arm(binary, ["marks", "700"], cpu=cpu, counted=True)
    spans = [after - before for before, after in zip(run.marks, run.marks[1:], strict=False)]
    assert len(run.marks) == 5
    # The last one also leaves the loop around the marks.
    assert [spans[1] - spans[0], spans[2] - spans[1]] == [4 * 700, 4 * 700]
    assert run.marks[0] > 0
    assert run.marks[-1] < run.instructions
    assert run_arm(binary, ["loop", "5"], cpu=cpu, counted=True).marks == ()


def test_addresses_are_those_of_the_file_when_loaded_elsewhere(tmp_path):
    binary = build(BARE, TARGETS["aarch64"][0], tmp_path, "-nostdlib", "-ffreestanding", "-fPIE", "-pie")
    run = run_arm(binary, cpu="cortex-a53", blocks=True)
    assert 4000 <= by_function(binary, run)["work"] < 4010
    assert sum(by_function(binary, run).values()) == run.instructions


def test_input_and_environment_are_the_given_ones(program, tmp_path):
    (tmp_path / "in").write_text("a line\n")
    run = run_arm(program, ["read"], cpu="cortex-a72", stdin=tmp_path / "in", environment={"GIVEN": "x,y"})
    assert (run.stdout, run.stderr) == (b"a line\nx,y 0\n", b"aside")
    assert run_arm(program, ["read"], cpu="cortex-a72").stdout == b"nothing\n(null) 0\n"


def test_commas_in_paths_reach_the_plugin(program, tmp_path, monkeypatch):
    (tmp_path / "a,b").mkdir()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "a,b"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "a,b"))
    assert run_arm(program, ["loop", "500"], cpu="cortex-a72", counted=True).instructions > 2000
    assert list((tmp_path / "a,b").rglob("count.so"))


def test_an_instruction_that_the_core_lacks_is_named(program, tmp_path):
    run_arm(program, ["dot"], cpu="cortex-a76")
    rule = r"^qemu: program must exit with 0, not -?\d+ \(an instruction that cortex-a72 lacks\)\. It says:\n"
    with pytest.raises(ToolError, match=rule):
        run_arm(program, ["dot"], cpu="cortex-a72", cwd=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_failures_are_told(program, tmp_path):
    with pytest.raises(
        ToolError, match=r"^qemu: program must exit with 0, not 3\. It says:\n  error: no luck"
    ):
        run_arm(program, ["fail"], cpu="cortex-a72")
    with pytest.raises(ToolError, match=r"^qemu: program must exit with 0, not -?\d+\. It says:\n"):
        run_arm(program, ["crash"], cpu="cortex-a72", cwd=tmp_path)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ToolError, match=r"^qemu: program must end within 0\.5 s, not later\. Allow more"):
        run_arm(program, ["hang"], cpu="cortex-a72", counted=True, timeout=0.5)
    with pytest.raises(
        ToolError, match=r"^qemu: cpu must be a core that it has, not 'cortex-z80'\. List them"
    ):
        run_arm(program, cpu="cortex-z80")


def test_other_files_are_refused(program, tmp_path):
    with pytest.raises(InputError, match=r": a program must be readable, not No such file or directory$"):
        run_arm(tmp_path / "absent", cpu="cortex-a72")
    rule = r"text: a program must be a little-endian ELF file for AArch64 or ARM, not this\. Build it with"
    (tmp_path / "text").write_text("#!/bin/sh\n" * 20)
    with pytest.raises(InputError, match=rule):
        run_arm(tmp_path / "text", cpu="cortex-a72")
    (tmp_path / "text").write_bytes(Path(sys.executable).read_bytes()[:4096])
    with pytest.raises(InputError, match=rule):
        run_arm(tmp_path / "text", cpu="cortex-a72")
    (tmp_path / "half").write_bytes(program.read_bytes()[:5000])
    with pytest.raises(InputError, match=r"half: the tables of an ELF file must lie inside it, not beyond"):
        run_arm(tmp_path / "half", cpu="cortex-a72")


def test_damaged_programs_are_refused_or_read(program, tmp_path):
    """No byte of the header or of the section table makes the reader fail in another way."""
    data, said = program.read_bytes(), set()
    sections = int.from_bytes(data[40:48], "little")
    for at in [*range(64), *range(sections, len(data), 3)]:
        (tmp_path / "damaged").write_bytes(data[:at] + b"\xff" + data[at + 1 :])
        try:
            read_elf(tmp_path / "damaged")
        except InputError as error:
            said.add(re.sub(r".*damaged: (.*?) must.*", r"\1", str(error)))
    assert said == {"a program", "the tables of an ELF file"}


def test_missing_qemu_says_what_to_install(program, monkeypatch):
    monkeypatch.setenv("PATH", "")
    rule = (
        r"^tools: qemu-aarch64 must be on PATH, not absent\. Install it from the .* packages \(qemu-user\)$"
    )
    with pytest.raises(ToolError, match=rule):
        run_arm(program, cpu="cortex-a72")


def test_qemu_without_plugins_says_what_to_install(program, tmp_path, monkeypatch):
    fake = tmp_path / "qemu-aarch64"
    fake.write_text(
        "#!/bin/sh\nif [ $1 = --version ]; then echo qemu 8.1.2; else echo \"unknown option 'plugin'\"; fi\n"
    )
    fake.chmod(fake.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    rule = (
        r"^qemu: qemu-aarch64 8\.1\.2 must load plugins to count instructions, not refuse them\. Install a "
        r"dynamically linked qemu-user \(Debian 12: qemu-user, not qemu-user-static\)\. It says:\n  unknown"
    )
    with pytest.raises(NoPluginError, match=rule):
        run_arm(program, ["loop", "5"], cpu="cortex-a72", counted=True)
