"""Split folders as users get them: compiled, simulated from end to end, run again on a user's frames."""

import json
import shutil

import numpy as np
import pytest
from rich.console import Console

from driver_models import PYNQ, saved
from gatewright.__main__ import main
from gatewright.compiler.ir.evaluate import evaluate
from gatewright.driver import compile as compiling
from gatewright.driver import execute
from gatewright.driver.options import Options
from gatewright.report import render, show, validate
from split_nets import residual_net

NET = residual_net()
ZCU104 = "amd_zcu104"
# On which board, what the FPGA gets, which parts there are on the processor, and what crosses.
CUTS = {
    "joined": (PYNQ, "second,act", ["before", "after"], "[0..15][6, 6, 8]"),
    "kept": (ZCU104, "first,second_act", ["before", "after"], "[0..15][6, 6, 4]"),
    "joined back": (PYNQ, "stem,first_act", ["after"], "[0..255][6, 6, 3]"),
    "all": (ZCU104, "0,head", [], "[0..255][6, 6, 3]"),
}


def compiled(folder, name):
    """A folder of one of CUTS, by the command line."""
    board, cut, *_ = CUTS[name]
    model = saved(folder, NET)
    arguments = ["compile", model, "--board", board, "--split", cut, "--out", folder / "out", "--frames", "5"]
    assert main([str(a) for a in [*arguments, "--quiet"]]) == 0
    return folder / "out"


def report_of(out):
    return json.loads((out / "report.json").read_text())


@pytest.fixture(scope="module")
def joined(tmp_path_factory):
    return compiled(tmp_path_factory.mktemp("joined"), "joined")


def require_whole(out, name):
    """What a folder of a cut must hold and say."""
    _, cut, parts, crossing = CUTS[name]
    report = report_of(out)
    validate(report)
    split = report["split"]
    assert report["stage"] == "cosimulate"
    (whole,) = [e for e in report["executors"] if e["against"]]
    assert (whole["inputs"], whole["equal"], whole["values_equal"]) == (5, 5, 25)
    assert split["transfers"][0]["type"] == crossing
    assert split["latency_us"] == pytest.approx(
        sum(p["us"] for p in split["parts"]) + sum(t["us"] for t in split["transfers"])
    )
    assert report["frames_per_second"] == pytest.approx(1e6 / split["latency_us"])
    assert [p["source"] for p in split["parts"]][1] == "measured"
    for part in split["parts"][::2]:
        assert part["instructions"] > 0
        assert (out / "arm" / part["name"]).is_dir() == (part["name"] in parts)
    for path in report["files"].values():
        assert (out / path).exists()
    assert cut == split["asked"]


@pytest.mark.slow
def test_a_block_joined_at_its_skip(joined):
    """Two tensors of a residual block cross as one; libraries, programs and RTL give the graph's integers."""
    require_whole(joined, "joined")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["kept", "joined back", "all"])
def test_other_cuts(name, tmp_path):
    """A tensor that goes around the FPGA, two that come back, and nothing but packing on the processor."""
    require_whole(compiled(tmp_path, name), name)


def test_run_on_split(joined, tmp_path, capsys):
    """A user's frames through all parts, and none at all."""
    x = np.random.default_rng(5).integers(0, 256, (7, 6, 6, 3))
    np.save(tmp_path / "x.npy", x)
    arguments = [
        "run",
        joined,
        "--on",
        "split",
        "--input",
        tmp_path / "x.npy",
        "--output",
        tmp_path / "y.npy",
    ]
    assert main([*map(str, arguments), "--json"]) == 0
    np.testing.assert_array_equal(np.load(tmp_path / "y.npy"), evaluate(NET, x)[0])
    told = json.loads(capsys.readouterr().out)
    assert (told["executor"], told["frames"]) == ("split", 7)
    assert told["latency_clocks"] == report_of(joined)["latency_clocks"]
    np.save(tmp_path / "x.npy", x[:0])
    assert main([str(a) for a in arguments]) == 0
    assert np.load(tmp_path / "y.npy").shape == (0, 5)


def test_the_fpga_part_is_a_folder_of_its_own(joined, tmp_path):
    """Its input is the joined tensor."""
    x = np.random.default_rng(6).integers(0, 16, (3, 6, 6, 8))
    np.save(tmp_path / "x.npy", x)
    arguments = ["run", joined / "fpga", "--on", "cycle", "--input", tmp_path / "x.npy"]
    assert main([*map(str, arguments), "--output", str(tmp_path / "y.npy")]) == 0
    assert np.load(tmp_path / "y.npy").shape == (3, 6, 6, 4)


def test_report_page_and_summary(joined, tmp_path):
    """Both tell where a frame's time goes; the model's own name is escaped."""
    report = report_of(joined)
    page = render(report)
    assert "Between processor and FPGA" in page
    assert "before the FPGA" in page
    assert 'small "residual"' not in page
    console = Console(width=120, record=True, file=(tmp_path / "out.txt").open("w"))
    show(report, console)
    assert "on the FPGA (layers 4 to 7)" in console.export_text()


def refused(capsys, arguments, message):
    assert main([str(a) for a in arguments]) == 2
    assert capsys.readouterr().err == f"gatewright: {message}\n"


def test_damaged_split(joined, tmp_path, capsys):
    """No split.json, one that is not ours, and one of another network."""
    out = tmp_path / "out"
    out.mkdir()
    shutil.copy(joined / "graph.onnx", out)
    np.save(tmp_path / "x.npy", np.zeros((1, 6, 6, 3), int))
    arguments = ["run", out, "--on", "split", "--input", tmp_path / "x.npy", "--output", tmp_path / "y.npy"]
    missing = (
        f"run: {out} holds no split (no split.json). Compile with --split for a board with an FPGA and a "
        "processor."
    )
    refused(capsys, arguments, missing)
    good = json.loads((joined / "split.json").read_text())
    for key, value in (("schema", "x/1"), ("inputs", ["../x"]), ("outputs", []), ("streams", {})):
        (out / "split.json").write_text(json.dumps(good | {key: value}))
        assert main([str(a) for a in arguments]) == 2
        told = capsys.readouterr().err
        assert told.startswith(
            f"gatewright: run: {out}/split.json must be a gatewright-split/1 description, but"
        )
    good["tensors"]["input"]["shape"] = [6, 6]
    (out / "split.json").write_text(json.dumps(good))
    other = (
        f"run: split.json in {out} must describe a network that takes (6, 6, 3), not (6, 6). Compile again."
    )
    refused(capsys, arguments, other)
    assert not (tmp_path / "y.npy").exists()


def test_a_difference_is_told(tmp_path, monkeypatch):
    """One wrong value in one frame fails the compile's check."""

    def wrong(project, graph, frames):
        values = evaluate(graph, frames)[0]
        values[1, 2] += 1
        return execute.Execution(values)

    monkeypatch.setattr(execute, "run_split", wrong)
    options = Options(split="act,act", frames=2)
    report = compiling.compile_model(saved(tmp_path, NET), PYNQ, tmp_path / "out", options)
    assert not compiling.passed(report)
    assert report["executors"][-1]["equal"] == 1


def test_until_cut(tmp_path):
    """The cut alone, with estimates."""
    options = Options(split="auto", until="cut", frames=1)
    report = compiling.compile_model(saved(tmp_path, NET), PYNQ, tmp_path / "out", options)
    validate(report)
    assert report["split"]["candidates"][0]["first"] == report["split"]["first"]
    assert {p["source"] for p in report["split"]["parts"]} <= {"estimated", "modelled"}
    assert report["resources"] is None
