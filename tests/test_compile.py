"""The compile as a whole: the same bytes everywhere, equal executors, nothing left when interrupted."""

import json
import os
import re
import shutil
import signal
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from driver_models import ICEBREAKER, PYNQ, ULX3S, image_net, outputs, saved, source_frames, start, vector_net
from gatewright import boards
from gatewright.__main__ import main
from gatewright.compiler.ir.boundary import OutputDecoding
from gatewright.compiler.ir.evaluate import evaluate
from gatewright.compiler.ir.graph import Const, Graph, input_of
from gatewright.compiler.ir.ops import MatMul
from gatewright.driver.compile import Options, compile_model, passed, wanted_interval
from gatewright.driver.run import run_folder
from gatewright.hw.board_top import clock

NET = image_net()
ICARUS = (["iverilog", "-g2005", "-o", "tb/tb.vvp", "-c", "tb/files.f"], ["vvp", "-n", "tb/tb.vvp"])


def files(folder):
    """Relative name -> bytes."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def untimed(data: bytes) -> bytes:
    """A report without its seconds."""
    return re.sub(rb'"seconds": \{[^}]*\}', b"", data)


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    """A folder compiled up to simulation, with expected outputs, and its report."""
    folder = tmp_path_factory.mktemp("compile")
    x = source_frames(NET, 10)
    np.savez(folder / "d.npz", inputs=x, expected=outputs(NET, x) * 0.25, labels=np.arange(10) % 3)
    options = Options(until="simulate", data=folder / "d.npz", interval=600)
    report = compile_model(saved(folder, NET), ULX3S, folder / "out", options)
    return folder / "out", report


def test_two_compiles_give_the_same_bytes_wherever_they_run(tmp_path, monkeypatch):
    results = []
    for place in ("a", "b/much/deeper"):
        here = tmp_path / place
        model = saved(here, NET)
        monkeypatch.chdir(here)
        given = model if place == "a" else Path("model.onnx")
        arguments = ["compile", str(given), "--board", ICEBREAKER, "--out", "out", "--until", "rtl", "--dump"]
        assert main([*arguments, "--quiet"]) == 0
        results.append(files(here / "out"))
    first, second = results
    assert list(first) == list(second)
    assert {"report.json", "report.html", "design.json", "board_top.pcf", "rtl/accelerator.v"} <= set(first)
    page = re.compile(rb"\d+(\.\d+)? s\b")
    for name in first:
        a, b = first[name], second[name]
        if name == "report.json":
            a, b = untimed(a), untimed(b)
        if name == "report.html":
            a, b = page.sub(b"", a), page.sub(b"", b)
        assert a == b, name
        assert str(tmp_path).encode() not in a, name


def test_the_report_of_a_simulation(simulated):
    out, report = simulated
    assert passed(report)
    rows = {r["name"]: r for r in report["executors"]}
    assert list(rows) == ["integer graph", "RTL (Verilator)", "RTL (Verilator), stalled"]
    assert all(r["equal"] == r["inputs"] == 10 for r in rows.values())
    assert rows["RTL (Verilator)"]["accuracy"] == rows["integer graph"]["accuracy"]
    assert report["interval_source"] == report["latency_source"] == "measured"
    design = json.loads((out / "design.json").read_text())
    assert report["interval_clocks"] == design["interval_clocks"] <= 600
    assert report["frames_per_second"] == pytest.approx(report["clock_mhz"] * 1e6 / report["interval_clocks"])
    assert set(report["seconds"]) == {"graph", "reference", "fold", "clocks", "rtl", "simulate"}
    for place in report["files"].values():
        assert (out / place).exists()


@pytest.mark.parametrize("interval", [600, 270])
def test_the_modelled_clocks_are_the_measured_ones(tmp_path, interval):
    model, reports = saved(tmp_path, NET), {}
    for until in ("rtl", "simulate"):
        options = Options(until=until, interval=interval, frames=8)
        report = compile_model(model, ULX3S, tmp_path / until, options)
        reports[report["latency_source"]] = report
        assert report["interval_source"] == report["latency_source"]
    modelled, measured = reports["modelled"], reports["measured"]
    for key in ("latency_clocks", "interval_clocks", "timeline", "fifos", "roofline", "energy"):
        assert modelled[key] == measured[key], key
    assert modelled["cycle_model"] == measured["cycle_model"] | {"frames": 0, "frames_equal": 0}
    assert measured["cycle_model"]["frames"] == measured["cycle_model"]["frames_equal"] == 8


def test_executors_give_equal_integers_in_the_sources_layout(simulated, tmp_path):
    x = source_frames(NET, 6, seed=9)
    np.save(tmp_path / "x.npy", x)
    want = outputs(NET, x)
    clocks = {}
    for on in ("reference", "rtl", "icarus"):
        done = run_folder(simulated[0], tmp_path / "x.npy", tmp_path / f"{on}.npy", on)
        got = np.load(tmp_path / f"{on}.npy")
        assert got.dtype == np.int64
        np.testing.assert_array_equal(got, want)
        clocks[on] = {k: v for k, v in done.items() if k.endswith("_clocks")}
    assert clocks["reference"] == {}
    assert clocks["rtl"] == clocks["icarus"]
    assert clocks["rtl"]["interval_clocks"] == simulated[1]["interval_clocks"]


def test_no_frames_give_no_frames(simulated, tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((0, 2, 6, 5)))
    for on in ("reference", "icarus"):
        run_folder(simulated[0], tmp_path / "x.npy", tmp_path / "y.npy", on)
        assert np.load(tmp_path / "y.npy").shape == (0, 3, 2, 2)


def test_the_kept_test_bench_passes_and_can_fail(simulated, tmp_path):
    rtl = shutil.copytree(simulated[0] / "rtl", tmp_path / "rtl")

    def verdict():
        for command in ICARUS:
            done = subprocess.run(command, cwd=rtl, capture_output=True, text=True, timeout=60, check=True)
        return done.stdout.splitlines()

    assert re.fullmatch(
        r"PASS: 16 beats equal in \d+ clocks", verdict()[-2 if "finish" in verdict()[-1] else -1]
    )
    expected = (rtl / "tb" / "expected.mem").read_text().split()
    for at in (0, len(expected) // 2, len(expected) - 1):
        wrong = list(expected)
        wrong[at] = f"{int(wrong[at], 16) ^ 1:0{len(wrong[at])}x}"
        (rtl / "tb" / "expected.mem").write_text("\n".join(wrong) + "\n")
        told = verdict()
        assert "FAIL: beats differ" in told
        assert not any(line.startswith("PASS") for line in told)
        assert told[0].startswith(f"beat {at}: ")


def test_a_failed_compile_leaves_the_earlier_result(tmp_path):
    model = saved(tmp_path, vector_net())
    arguments = ["compile", str(model), "--board", ULX3S, "--out", str(tmp_path / "out"), "--quiet"]
    assert main([*arguments, "--until", "rtl"]) == 0
    before = files(tmp_path)
    assert main([*arguments, "--until", "rtl", "--clock", "5000"]) == 2
    model.write_bytes(b"")
    assert main([*arguments, "--until", "graph"]) == 2
    assert files(tmp_path) == before | {"model.onnx": b""}
    assert sorted(os.listdir(tmp_path)) == ["model.onnx", "out"]


@pytest.mark.parametrize(
    ("stop", "at"),
    [(signal.SIGINT, "simulating"), (signal.SIGTERM, "simulating"), (signal.SIGTERM, "synthesizing"),
     (signal.SIGHUP, "synthesizing")],
)  # fmt: skip
def test_an_interrupted_compile_leaves_nothing(tmp_path, stop, at):
    """No folder, no scratch files here or in the temporary folder, and no tool still running."""
    (tmp_path / "tmp").mkdir()
    model = saved(tmp_path, vector_net())
    arguments = ["compile", model, "--board", ULX3S, "--out", "out", "--until", "synthesize"]
    process = start(arguments, tmp_path, TMPDIR=str(tmp_path / "tmp"), PYTHONUNBUFFERED="1")
    for line in process.stderr:
        if line.startswith(at):
            break
    children = _wait_for_child(process.pid)
    process.send_signal(stop)
    _, told = process.communicate(timeout=30)
    assert (process.returncode, told.splitlines()[-1]) == (
        130, "gatewright: interrupted; nothing was written",
    )  # fmt: skip
    assert not any(_alive(child) for child in children)
    assert sorted(os.listdir(tmp_path)) == ["model.onnx", "tmp"]
    # A killed YoWASP tool leaves a scratch folder of its own, and importing onnxruntime a file .ses.
    assert [name for name in os.listdir(tmp_path / "tmp") if name.startswith("gatewright")] == []


def _wait_for_child(parent: int) -> list[int]:
    """The process's children, once there is one that has been at work for a moment."""
    for _ in range(200):
        time.sleep(0.1)
        found = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
        if found:
            time.sleep(0.3)
            return [int(pid) for pid in found]
    pytest.fail("the compile started no tool")
    return []


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_the_clock_of_the_report_is_the_one_the_pll_makes(tmp_path):
    board = boards.load(ULX3S)
    report = compile_model(
        saved(tmp_path, vector_net()), board, tmp_path / "out", Options(until="rtl", clock_mhz=33.4)
    )
    made = clock(board, 33.4).achieved_mhz
    assert report["clock_mhz"] == made < 33.4
    assert f"// Clock {made:.9g} MHz;" in (tmp_path / "out" / "rtl" / "board_top.v").read_text()
    zynq = compile_model(tmp_path / "model.onnx", PYNQ, tmp_path / "p", Options(until="rtl", clock_mhz=33.4))
    # The processing system divides 1,000 MHz by whole numbers.
    assert zynq["clock_mhz"] == pytest.approx(1000 / 30)


def test_frames_per_second_become_an_interval(tmp_path):
    assert wanted_interval(Options(fps=1000), 25.0) == 25_000
    assert wanted_interval(Options(interval=7), 25.0) == 7
    assert wanted_interval(Options(), 25.0) is None
    options = Options(until="rtl", fps=10_000)
    report = compile_model(saved(tmp_path, NET), ULX3S, tmp_path / "out", options)
    assert report["frames_per_second"] >= 10_000


def test_a_report_fails_by_one_value_or_by_a_missed_clock(simulated):
    report = simulated[1]
    row = report["executors"][1]
    assert not passed({**report, "executors": [{**row, "equal": row["inputs"] - 1}]})
    assert not passed({**report, "timing": {"met": False}})
    assert passed({**report, "timing": {"met": True}})


def wide_net(scale: float) -> Graph:
    """Two sums of about a million steps, with one scale."""
    x = input_of("x", (4,), 0, 255)
    y = MatMul()(x, Const(np.full((4, 2), 1000)), name="wide")
    decoding = OutputDecoding((2,), (0,), np.array([scale]), np.zeros(1))
    return Graph((x,), (y,), "wide", (), (decoding,))


@pytest.mark.parametrize(
    ("scale", "error", "equal", "note"),
    [
        (0.25, 0.0, True, "every value identical"),
        (0.25, 0.25, False, "values differ"),  # one step of 10**6, where float32 would have been exact
        (0.3, 0.0, True, "every value identical"),
        (0.3, 0.3, True, "equal within float rounding, largest difference 0.3"),
        (0.3, 30.0, False, "values differ by more than float rounding, largest difference 30"),
    ],
)
def test_one_wrong_step_is_seen_wherever_floats_are_exact(tmp_path, scale, error, equal, note):
    graph = wide_net(scale)
    x = np.full((3, 4), 250)
    expected = (evaluate(graph, x)[0] * scale).astype(np.float32).astype(float)
    expected[1, 0] += error
    np.savez(tmp_path / "d.npz", inputs=x, expected=expected)
    options = Options(until="graph", data=tmp_path / "d.npz")
    report = compile_model(saved(tmp_path, graph), ULX3S, tmp_path / "out", options)
    assert passed(report) is equal
    assert report["executors"][0]["note"].startswith(note)


@pytest.mark.parametrize(
    ("error", "equal", "note"), [(0, True, "every code identical"), (1, False, "codes differ")]
)
def test_integers_are_the_models_own_codes(tmp_path, error, equal, note):
    """Zero point included, in `expected` and in the report."""
    graph = wide_net(0.25)
    decoding = replace(graph.decodings[0], zero_point=-7)
    graph = replace(graph, decodings=(decoding,))
    x = np.full((3, 4), 250)
    codes = evaluate(graph, x)[0] - 7
    codes[1, 0] += error
    np.savez(tmp_path / "d.npz", inputs=x, expected=codes)
    options = Options(until="graph", data=tmp_path / "d.npz")
    report = compile_model(saved(tmp_path, graph), ULX3S, tmp_path / "out", options)
    assert passed(report) is equal
    assert report["executors"][0]["note"].startswith(note)
    assert (report["executors"][0]["inputs"], report["executors"][0]["equal"]) == (3, 3 - error)
    dtype = graph.outputs[0].type.dtype
    assert report["output"]["range"] == [dtype.lo - 7, dtype.hi - 7, dtype.step]
    assert report["output"]["offset"] == [1.75]
