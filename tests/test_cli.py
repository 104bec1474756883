"""The command line: run, inspect and boards, exit codes, and what goes to which stream."""

import json
import os
import re
import signal
import threading

import numpy as np
import pytest

from cli_calls import NET, compile_to_rtl, refused
from driver_models import PYNQ, ULX3S, outputs, saved, source_frames, start, vector_net
from gatewright import boards
from gatewright.__main__ import main
from gatewright.report import validate


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    """A folder with RTL, the model beside it, and a quiet exit code 0."""
    folder = tmp_path_factory.mktemp("cli")
    model = saved(folder, NET)
    out = folder / "out"
    assert (
        main(["compile", str(model), "--board", ULX3S, "--out", str(out), "--until", "rtl", "--quiet"]) == 0
    )
    return out


# What run refuses. --------------------------------------------------------------------------------------


def run_arguments(folder, target, source=None, on="reference"):
    if source is None:
        source = target.parent / "x.npy"
        np.save(source, source_frames(NET, 3))
    return ["run", folder, "--input", source, "--output", target, "--on", on]


def test_run_on_something_else(capsys, tmp_path):
    refused(
        capsys,
        run_arguments(tmp_path, tmp_path / "y.npy"),
        r"run: .* must be a folder made by 'gatewright compile', but it has no graph\.onnx",
    )


def test_run_without_hardware(capsys, tmp_path):
    out, arguments = tmp_path / "out", compile_to_rtl(tmp_path, "--quiet")
    assert main([*arguments[:-3], "--until", "graph", "--quiet"]) == 0
    message = (
        r"run: .*/out holds no hardware \(no design\.json\)\. Compile with --until rtl or further, or run .*"
    )
    refused(capsys, run_arguments(out, tmp_path / "y.npy", on="icarus"), message)


def test_run_on_a_damaged_design(capsys, tmp_path):
    assert main(compile_to_rtl(tmp_path, "--quiet")) == 0
    for text in ("", "[]", "{}", '{"schema": "gatewright-design/1", "input": {}}', '{"schema": "x/1"}'):
        (tmp_path / "out" / "design.json").write_text(text)
        message = r"run: .*design\.json must be a gatewright-design/1 description, but is damaged .*"
        refused(capsys, run_arguments(tmp_path / "out", tmp_path / "y.npy", on="icarus"), message)


def test_an_unknown_executor(capsys, tmp_path, compiled):
    arguments = run_arguments(compiled, tmp_path / "y.npy", on="gpu")
    known = "reference, onnxruntime, rtl, icarus, cycle, arm, hls, xls, split, device"
    rule = rf"run: --on must be one of {known}, not 'gpu'"
    refused(capsys, arguments, rule)


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        (np.zeros((2, 6, 5, 2)), r"input: frames must have shape \(2, 6, 5\), not \(6, 5, 2\)"),
        (np.full((1, 2, 6, 5), np.nan), r"input: elements must not be NaN"),
        (np.full((1, 2, 6, 5), -1), r"input: integers must lie in \[0\.\.7\], not -1\.\.-1\. Give floats .*"),
    ],
)
def test_run_on_wrong_frames(capsys, tmp_path, compiled, frames, message):
    np.save(tmp_path / "bad.npy", frames)
    refused(capsys, run_arguments(compiled, tmp_path / "y.npy", tmp_path / "bad.npy"), message)
    assert os.listdir(tmp_path) == ["bad.npy"]


def test_run_with_nowhere_to_write(capsys, tmp_path, compiled):
    arguments = run_arguments(compiled, tmp_path / "y.npy")
    arguments[arguments.index("--output") + 1] = tmp_path / "none" / "y.npy"
    refused(capsys, arguments, r"output: .*/none/y\.npy cannot be written: No such file or directory")


# What succeeds, and where it is printed. --------------------------------------------------------------------


def test_json_alone_on_stdout_and_progress_on_stderr(capsys, tmp_path):
    assert main(compile_to_rtl(tmp_path, "--json")) == 0
    told = capsys.readouterr()
    report = json.loads(told.out)
    validate(report)
    assert report == json.loads((tmp_path / "out" / "report.json").read_text())
    assert [line.split()[0] for line in told.err.splitlines()] == [
        "importing",
        "running",
        "folding",
        "working",
        "writing",
    ]


def test_quiet_prints_nothing(capsys, tmp_path, compiled):
    assert main(compile_to_rtl(tmp_path, "--quiet")) == 0
    assert main([str(a) for a in [*run_arguments(compiled, tmp_path / "y.npy"), "--quiet"]]) == 0
    assert capsys.readouterr() == ("", "")


def test_a_summary_for_people(capsys, tmp_path):
    assert main(compile_to_rtl(tmp_path)) == 0
    out = capsys.readouterr().out
    assert "image" in out
    assert f"wrote {tmp_path / 'out'}" in out.replace("\n", "")


def test_run_says_what_it_did(capsys, tmp_path, compiled):
    arguments = [str(a) for a in run_arguments(compiled, tmp_path / "y.npy")]
    assert main(arguments) == 0
    assert capsys.readouterr().out == f"3 frames on reference: {tmp_path / 'y.npy'} (3, 3, 2, 2)\n"
    assert main([*arguments, "--json"]) == 0
    done = json.loads(capsys.readouterr().out)
    assert (done["executor"], done["frames"], done["shape"]) == ("reference", 3, [3, 3, 2, 2])
    np.testing.assert_array_equal(np.load(tmp_path / "y.npy"), outputs(NET, np.load(tmp_path / "x.npy")))


def test_a_failed_check_exits_with_1_and_keeps_the_report(capsys, tmp_path):
    x = source_frames(NET, 4)
    right = outputs(NET, x) * 0.25
    wrong = right.copy()
    wrong[2, 1, 0, 1] += 0.25
    for expected, code, equal in ((right, 0, 4), (wrong, 1, 3)):
        np.savez(tmp_path / "d.npz", inputs=x, expected=expected)
        assert main(compile_to_rtl(tmp_path, "--data", str(tmp_path / "d.npz"), "--json")) == code
        row = json.loads(capsys.readouterr().out)["executors"][0]
        assert (row["inputs"], row["equal"], row["values"], row["values_equal"]) == (4, equal, 48, 44 + equal)


def test_boards(capsys):
    assert main(["boards", "--json"]) == 0
    table = json.loads(capsys.readouterr().out)
    assert [b["name"] for b in table] == list(boards.names())
    assert {b["name"]: b["bitstream"] for b in table}[PYNQ] is False
    assert main(["boards", ULX3S, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["part"]["lut"] == boards.load(ULX3S).part.lut
    assert main(["boards"]) == 0
    assert "resources only" in capsys.readouterr().out
    assert main(["boards", ULX3S]) == 0
    assert re.search(rf"^name: {ULX3S}$", capsys.readouterr().out, re.MULTILINE)


def test_inspect_a_model_and_a_folder(capsys, tmp_path, compiled):
    model = str(saved(tmp_path, NET))
    assert main(["inspect", model, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["kind"], found["output"]["shape"]) == ("model", [3, 2, 2])
    assert [layer["op"] for layer in found["model"]["layers"]] == ["conv2d", "threshold", "maxpool", "conv2d"]
    assert all(layer["targets"] == ["reference", "onnx", "fpga"] for layer in found["model"]["layers"])
    assert main(["inspect", model]) == 0
    assert "\nimage: input 2x6x5 in 0..7, output 3x2x2 in " in capsys.readouterr().out
    assert main(["inspect", str(compiled), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found == {"kind": "folder", "report": json.loads((compiled / "report.json").read_text())}
    assert main(["inspect", str(compiled)]) == 0
    assert "image" in capsys.readouterr().out


def test_inspect_something_else(capsys, tmp_path):
    refused(capsys, ["inspect", tmp_path], r"inspect: .* must hold report\.json from 'gatewright compile'")
    (tmp_path / "report.json").write_text("{")
    refused(capsys, ["inspect", tmp_path], r".*report\.json: must be JSON, .*")


def test_as_a_module_and_with_a_reader_that_leaves(tmp_path):
    model = saved(tmp_path, vector_net())
    process = start(["inspect", model, "--json"], tmp_path)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err, json.loads(out)["kind"]) == (0, "", "model")
    process = start(["boards", ULX3S, "--json"], tmp_path)
    process.stdout.close()
    assert process.wait(60) == 141
    assert process.stderr.read() == ""
    process.stderr.close()


def test_signals_are_put_back_and_other_threads_may_call(capsys):
    before = signal.getsignal(signal.SIGTERM)
    codes = []
    thread = threading.Thread(target=lambda: codes.append(main(["boards", "--json"])))
    thread.start()
    thread.join()
    assert main(["boards", "--json"]) == 0
    assert codes == [0]
    assert signal.getsignal(signal.SIGTERM) is before
