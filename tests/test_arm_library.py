"""A network as an ARM library: built as users build it, run under qemu, equal to the integer graph."""

import io
import json
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from driver_models import PYNQ, image_net, outputs, saved, source_frames, vector_net
from gatewright.__main__ import main
from gatewright.compiler.ir.evaluate import evaluate
from gatewright.compiler.ir.graph import Graph
from gatewright.driver import arm_run
from gatewright.driver.cross import cross
from gatewright.driver.project import Project
from gatewright.errors import ToolError
from gatewright.report import render, show, validate
from gatewright.sim.qemu import NoPluginError, run_arm

IMAGE, VECTOR = image_net(), vector_net()
PI = "raspberrypi_4b"
FUNCTIONS = ("context_size", "init", "run", "free")
ZIG = [sys.executable, "-P", "-m", "ziglang"]

# Programs that link the libraries.
PROGRAMS = Path(__file__).parent / "arm"
TWO = (PROGRAMS / "two_contexts.c").read_text()
FENCED = (PROGRAMS / "fenced.c").read_text()


@pytest.fixture(scope="module")
def pi(tmp_path_factory):
    """``image`` for a Raspberry Pi 4, all defaults."""
    folder = tmp_path_factory.mktemp("pi")
    arguments = ["compile", saved(folder, IMAGE), "--board", PI, "--out", folder / "out", "--quiet"]
    assert main([str(a) for a in arguments]) == 0
    return folder / "out"


@pytest.fixture(scope="module")
def pynq(tmp_path_factory):
    """The same for ARMv7, in three threads."""
    folder = tmp_path_factory.mktemp("pynq")
    arguments = ["compile", saved(folder, IMAGE), "--board", PYNQ, "--target", "arm", "--threads", "3"]
    assert main([str(a) for a in [*arguments, "--out", folder / "out", "--quiet"]]) == 0
    return folder / "out"


def report_of(folder):
    return json.loads((folder / "report.json").read_text())


def run_on_arm(folder, tmp_path, capsys, count=7):
    """Integers from ``run --on arm``, what it says, and what the reference says."""
    np.save(tmp_path / "x.npy", source_frames(IMAGE, count))
    arguments = ["run", folder, "--input", tmp_path / "x.npy", "--output", tmp_path / "y.npy", "--on", "arm"]
    assert main([str(a) for a in [*arguments, "--json"]]) == 0
    said = json.loads(capsys.readouterr().out)
    return np.load(tmp_path / "y.npy"), said, outputs(IMAGE, np.load(tmp_path / "x.npy"))


def symbols(path, kind):
    """(defined and visible, undefined) names of an ELF file's table; kind 2 is .symtab, 11 .dynsym."""
    data = path.read_bytes()
    wide = data[4] == 2
    start = struct.unpack_from("<Q" if wide else "<I", data, 40 if wide else 32)[0]
    stride, count = struct.unpack_from("<HH", data, 58 if wide else 46)
    header = struct.Struct("<IIQQQQII" if wide else "<IIIIIIII")
    rows = [header.unpack_from(data, start + i * stride) for i in range(count)]
    entry = struct.Struct("<IBBHQQ" if wide else "<IIIBBH")
    defined, undefined = set(), set()
    for row in (r for r in rows if r[1] == kind):
        names = data[rows[row[6]][4] :]
        for fields in entry.iter_unpack(data[row[4] : row[4] + row[5]]):
            name = names[fields[0] : names.index(b"\0", fields[0])].decode()
            info, other, section = fields[1:4] if wide else fields[3:6]
            if name and info >> 4 and not other & 3:
                (defined if section else undefined).add(name)
    return defined, undefined


def test_the_report_tells_sizes_and_instructions(pi):
    """Every file is there, each comparison agrees, and the parts add up."""
    report = report_of(pi)
    validate(report)
    arm = report["arm"]
    assert (report["stage"], arm["core"], arm["library"]) == ("verify", "cortex-a72", "image")
    assert all((pi / name).exists() for name in report["files"].values())
    last = report["executors"][-1]
    assert (last["name"], last["equal"]) == ("ARM library (cortex-a72)", last["inputs"])
    assert 0 < arm["arena_bound_bytes"] <= arm["arena_bytes"] <= arm["context_bytes"]
    assert arm["constant_bytes"] == (pi / "src" / "image_constants.bin").stat().st_size
    assert arm["code_bytes"] > 100
    inside = sum(k["instructions"] for k in arm["kernels"])
    assert 0.5 * arm["instructions"] < inside < arm["instructions"]
    assert sum(k["calls"] for k in arm["kernels"]) == len(arm["calls"])
    assert sum(c["macs"] for c in arm["calls"]) == report["model"]["macs"]
    cycles = arm["cycles"]
    assert (cycles["model"], cycles["clock_mhz"]) == ("cortex-a57", 1500)
    assert 0.25 * inside < cycles["estimate"] < 10 * inside
    assert cycles["milliseconds"] == pytest.approx(cycles["estimate"] / 1.5e6, rel=0.01)
    assert cycles["modelled"] > 0.9
    page = render(report)
    assert f"{cycles['estimate']:,} cycles at 1,500 MHz, by llvm-mca with the pipeline of cortex-a57" in page
    console = Console(file=io.StringIO(), width=80)
    show(report, console)
    assert f"{cycles['estimate']:,} cycles by llvm-mca's cortex-a57" in console.file.getvalue()
    assert "Where the instructions go" in page
    assert f"{arm['instructions']:,}" in page
    assert arm["kernels"][0]["name"] in page.replace("<wbr>", "")


def test_the_same_integers_and_count(pi, tmp_path, capsys):
    """``run --on arm`` gives the reference's integers, and the count that the compile gave."""
    got, said, want = run_on_arm(pi, tmp_path, capsys)
    np.testing.assert_array_equal(got, want)
    assert said["instructions_per_inference"] == report_of(pi)["arm"]["instructions"]


def test_threads_give_the_same_integers(pynq, tmp_path, capsys):
    """Three threads on ARMv7."""
    got, said, want = run_on_arm(pynq, tmp_path, capsys, 60)
    np.testing.assert_array_equal(got, want)
    assert said["instructions_per_inference"] == report_of(pynq)["arm"]["instructions"]


def test_threads_share_what_one_executes(pynq, tmp_path, capsys):
    """Counts of kernels repeat; one after another a little more than a third of them is executed."""
    arm = report_of(pynq)["arm"]
    arguments = ["compile", saved(tmp_path, IMAGE), "--board", PYNQ, "--target", "arm", "--quiet"]
    assert main([str(a) for a in [*arguments, "--out", tmp_path / "one"]]) == 0
    one = report_of(tmp_path / "one")["arm"]
    assert one["longest_instructions"] == one["instructions"]
    kernels = [k["instructions"] for k in arm["kernels"]]
    alone = [k["instructions"] for k in one["kernels"]]
    assert arm["instructions"] == sum(kernels)
    assert all(a <= b < 2 * a + 200 for a, b in zip(alone, kernels, strict=True))
    assert arm["instructions"] / 3 < arm["longest_instructions"] < 0.75 * arm["instructions"]
    assert 0.2 * one["cycles"]["estimate"] < arm["cycles"]["estimate"] < 0.9 * one["cycles"]["estimate"]
    console = Console(file=io.StringIO(), width=90)
    show(report_of(pynq), console)
    assert f"{arm['longest_instructions']:,} one after another" in console.file.getvalue()


def test_only_a_missing_plugin_leaves_the_count_out(pi, monkeypatch):
    """Any other failure of the counted run is one."""
    frame = np.zeros((1, *IMAGE.inputs[0].type.shape), int)

    def fails(error):
        def run(*given, **options):
            raise error

        monkeypatch.setattr(arm_run, "run_arm", run)

    fails(NoPluginError("qemu: no plugin"))
    assert arm_run.count(Project(pi), frame) is None
    fails(ToolError("qemu: example must end within 1 s, not later"))
    with pytest.raises(ToolError, match=r"^qemu: example must end within 1 s, not later$"):
        arm_run.count(Project(pi), frame)


def test_without_llvm_there_is_no_estimate(pi, monkeypatch):
    """A compile needs neither llvm-mca nor llvm-objdump."""
    counts = arm_run.count(Project(pi), np.zeros((1, *IMAGE.inputs[0].type.shape), int))
    monkeypatch.setenv("PATH", "")
    assert arm_run.estimate(Project(pi), counts, ["x"]) is None


def test_no_frames(pi, tmp_path, capsys):
    """An empty array gives an empty array."""
    got, said, _ = run_on_arm(pi, tmp_path, capsys, 0)
    assert got.shape == (0, 3, 2, 2)
    assert "instructions_per_inference" not in said


@pytest.mark.parametrize(("language", "standard"), [("cc", "c99"), ("c++", "c++98"), ("c++", "c++20")])
def test_the_header_is_clean(pi, pynq, tmp_path, language, standard):
    """C99 and C++ take the header, included twice, without a word."""
    source = tmp_path / ("x.c" if language == "cc" else "x.cpp")
    source.write_text('#include "image.h"\n#include "image.h"\nsize_t (*f)(void) = image_context_size;\n')
    for folder, target in ((pi, "aarch64-linux-musl"), (pynq, "arm-linux-musleabihf")):
        flags = [f"-std={standard}", "-Wall", "-Wextra", "-pedantic", "-Werror", f"-I{folder}"]
        done = subprocess.run(
            [*ZIG, language, "-target", target, *flags, "-c", source.name, "-o", "x.o"],
            capture_output=True, text=True, cwd=tmp_path, check=False,
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (0, "")


def test_libraries_need_no_runtime(pi, pynq):
    """Four functions go out; only the C library's comes in, for threads only pthreads and semaphores."""
    allowed = {"memcpy", "memset", "memmove"}
    threads = {"pthread_create", "pthread_join", "sched_yield"}
    threads |= {f"sem_{verb}" for verb in ("init", "post", "wait", "destroy")}
    for folder, more in ((pi, set()), (pynq, threads)):
        defined, undefined = symbols(folder / "libimage.so", 11)
        assert defined == {f"image_{f}" for f in FUNCTIONS}
        assert undefined <= allowed | more
    assert undefined >= threads


def test_the_cmake_package_names_what_is_there(pi, pynq):
    """Both imported targets point to files of the folder; threads are asked for where there are any."""
    for folder, threads in ((pi, False), (pynq, True)):
        text = (folder / "imageConfig.cmake").read_text()
        for name in ("libimage.a", "libimage.so"):
            assert f'"${{CMAKE_CURRENT_LIST_DIR}}/{name}"' in text
            assert (folder / name).exists()
        assert ("Threads::Threads" in text) is threads


def fake_gcc(folder):
    """Commands called like Debian's cross GCC, which are zig."""
    folder.mkdir()
    for tool, zig in (("gcc", "'cc', '-target', 'aarch64-linux-musl'"), ("ar", "'ar'")):
        path = folder / f"aarch64-linux-gnu-{tool}"
        path.write_text(
            f"#!{sys.executable}\nimport os, sys\n"
            "given = [a.replace('cortex-', 'cortex_') for a in sys.argv[1:]]\n"
            "if given == ['--version']: sys.exit(print('fake 1.2'))\n"
            f"os.execv(sys.executable, [sys.executable, '-P', '-m', 'ziglang', {zig}, *given])\n"
        )
        path.chmod(0o755)


def test_two_contexts_and_two_libraries_in_one_program(pi, tmp_path, monkeypatch):
    """Contexts at work at once do not disturb each other; a second library, built by "GCC", links beside."""
    fake_gcc(tmp_path / "bin")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    out = tmp_path / "vector"
    arguments = ["compile", saved(tmp_path, VECTOR), "--board", PI, "--cross", "gcc", "--until", "library"]
    assert main([str(a) for a in [*arguments, "--out", out, "--quiet"]]) == 0
    assert report_of(out)["tools"]["aarch64-linux-gnu-gcc"] == "1.2"
    (tmp_path / "two.c").write_text(TWO)
    compiler = cross("cortex-a72")
    files = [str(pi / "libimage.a"), str(out / "libvector.a"), f"-I{pi}", f"-I{out}", "-pthread", "-static"]
    compiler.run(compiler.cc, ["-O2", "two.c", *files, "-o", "two"], tmp_path, "two")
    rng = np.random.default_rng(3)
    frames, signs = rng.integers(0, 8, (2, 6, 5, 2)), rng.choice([-1, 1], (1, 6))
    (tmp_path / "frames").write_bytes(frames.astype(np.int8).tobytes() + signs.astype(np.int8).tobytes())
    said = run_arm(tmp_path / "two", [str(tmp_path / "frames")], cpu="cortex-a72").stdout.split()
    want = [*evaluate(IMAGE, frames)[0].reshape(-1), *evaluate(VECTOR, signs)[0].reshape(-1)]
    assert list(map(int, said)) == [*want, 0, 0, 1, 1, 1]


@pytest.mark.parametrize("board", ["pi", "pynq"])
def test_nothing_outside_the_buffers_is_touched(board, request, tmp_path):
    """Not even by reading; and buffers need no alignment, the input's is 4 here."""
    folder, core = request.getfixturevalue(board), {"pi": "cortex-a72", "pynq": "cortex-a9"}[board]
    (tmp_path / "fenced.c").write_text(FENCED)
    compiler = cross(core)
    files = ["-O2", "fenced.c", str(folder / "libimage.a"), f"-I{folder}", "-static", "-pthread"]
    compiler.run(compiler.cc, [*files, "-o", "fenced"], tmp_path, "fenced")
    said = run_arm(tmp_path / "fenced", cpu=core).stdout.split()
    want = evaluate(IMAGE, np.arange(60).reshape(1, 6, 5, 2) * 5 % 8)[0].reshape(-1)
    assert list(map(int, said)) == [*want, *want]


def test_a_wrong_library_fails_the_compile(tmp_path, monkeypatch, capsys):
    """Exit code 1, and the report says how many outputs differ."""
    from gatewright.driver import arm

    right = arm.run_frames
    monkeypatch.setattr(arm, "run_frames", lambda *given: right(*given) + (np.arange(3) == 1))
    arguments = ["compile", saved(tmp_path, VECTOR), "--board", "raspberrypi_4b", "--out", tmp_path / "out"]
    assert main([str(a) for a in [*arguments, "--json"]]) == 1
    last = json.loads(capsys.readouterr().out)["executors"][-1]
    assert (last["equal"], last["values_equal"]) == (0, last["values"] * 2 // 3)
    assert report_of(tmp_path / "out")["executors"][-1] == last


def test_names_of_a_model_stay_data(tmp_path):
    """A model may call itself and its layers anything; files and C text hold identifiers only."""
    name = '../x"; system("rm -rf ~") /*é*/ #include <a>\n'
    nodes = vector_net()
    graph = Graph(nodes.inputs, nodes.outputs, name)
    arguments = [
        "compile",
        saved(tmp_path, graph),
        "--board",
        PI,
        "--until",
        "objects",
        "--out",
        tmp_path / "o",
    ]
    assert main([str(a) for a in [*arguments, "--quiet"]]) == 0
    library = report_of(tmp_path / "o")["arm"]["library"]
    assert library == "x_system_rm_rf_include_a"
    text = (tmp_path / "o" / f"{library}.h").read_text() + (
        tmp_path / "o" / "src" / f"{library}.c"
    ).read_text()
    assert text.isascii()
    assert "system(" not in text.replace("system(?", "")
    assert text.count("/*") == text.count("*/")
