"""``gatewright estimate``: what is asked of it, what it gives, and that it is what a compile finds."""

import json
import os

import numpy as np
import pytest
from rich.console import Console

from cli_calls import NET, refused
from driver_models import ICEBREAKER, PYNQ, TANG, ULX3S, outputs, saved, source_frames
from gatewright.__main__ import main
from gatewright.compiler.ir.evaluate import evaluate
from gatewright.compiler.ir.graph import Const, Graph, input_of
from gatewright.compiler.ir.ops import MatMul
from gatewright.driver import estimate
from gatewright.driver.compile import Options, compile_model
from gatewright.driver.estimate import estimate_model
from gatewright.driver.run import run_folder
from gatewright.errors import InputError
from gatewright.report.estimate_terminal import show_estimate
from gatewright.report.formats import ESTIMATE
from gatewright.report.words import figure

PI = "raspberrypi_4b"


def called(model, *more, board=ULX3S):
    return ["estimate", str(model), "--board", board, *map(str, more)]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """``NET`` as a file."""
    return saved(tmp_path_factory.mktemp("estimate"), NET)


@pytest.mark.parametrize("board", [ULX3S, ICEBREAKER, TANG, PYNQ])
def test_it_is_what_a_compile_estimates(model, tmp_path, board):
    """Unit by unit; only the link is not in a compile's estimate."""
    options = Options(interval=600, until="rtl", frames=2)
    report = compile_model(model, board, tmp_path / "out", options)
    found = estimate_model(model, board, Options(interval=600))
    units = found["fpga"]["resources"]["units"]
    told = {u["name"]: u for u in report["resources"]["units"]}
    for unit in units:
        if unit["name"] != "link":
            for kind in ("lut", "ff", "bram", "dsp"):
                assert unit[kind] == told[unit["name"]][kind]
    assert [u["name"] for u in units if u["name"] != "link"] == list(told)
    assert (units[-1]["name"] == "link") == (board != PYNQ)
    for kind, total in found["fpga"]["resources"]["total"].items():
        assert total == pytest.approx(sum(u[kind] for u in units))
    assert found["fpga"]["fits"]
    assert found["model"] == report["model"]


def test_clocks_are_those_of_rtl(model, tmp_path):
    compile_model(model, ULX3S, tmp_path / "out", Options(interval=600, until="rtl", frames=2))
    np.save(tmp_path / "x.npy", source_frames(NET, 9))
    rtl = run_folder(tmp_path / "out", tmp_path / "x.npy", tmp_path / "y.npy", "icarus")
    fpga = estimate_model(model, ULX3S, Options(interval=600))["fpga"]
    assert fpga["steady"]
    assert (fpga["latency_clocks"], fpga["interval_clocks"]) == (
        rtl["latency_clocks"],
        rtl["interval_clocks"],
    )
    assert fpga["fifos"]
    assert all(0 < f["held"] <= f["depth"] for f in fpga["fifos"])


def test_rates_follow_the_clock(model):
    slow, fast = (estimate_model(model, ULX3S, Options(clock_mhz=mhz)) for mhz in (25, 50))
    assert (slow["clock_mhz"], fast["clock_mhz"]) == (25, 50)
    assert fast["frames_per_second"] == pytest.approx(2 * slow["frames_per_second"])
    assert slow["latency_us"] == pytest.approx(slow["fpga"]["latency_clocks"] / 25)
    assert slow["asked"]["clock_mhz"] == 25


def test_json_is_checked_and_the_same_each_time(model, capsys):
    told = []
    for _ in range(2):
        assert main(called(model, "--json", "--fps", "20000")) == 0
        told.append(capsys.readouterr().out)
    assert told[0] == told[1]
    content = json.loads(told[0])
    ESTIMATE.validate(content)
    assert content["asked"]["fps"] == 20000
    assert content["frames_per_second"] >= 20000
    assert list(content) == ESTIMATE.schema()["required"]


def test_what_breaks_the_schema_is_named(model):
    content = estimate_model(model, ULX3S)
    content["fpga"]["fifos"][1]["depth"] = 0
    message = (
        r"^estimate\.fpga\.fifos\[1\]\.depth: must be at least 1, not 0\. docs/estimate\.md lists every .*$"
    )
    with pytest.raises(InputError, match=message):
        ESTIMATE.validate(content)
    content["fpga"]["fifos"][1]["depth"] = 3
    content["latency_us"] = float("nan")
    with pytest.raises(InputError, match=r"^estimate\.latency_us: must be a finite number, not nan\."):
        ESTIMATE.text(content)


def test_a_table_for_people(model, capsys):
    assert main(called(model)) == 0
    told = capsys.readouterr()
    assert told.err.splitlines()[0] == "importing model.onnx"
    assert "image on Radiona ULX3S 85F" in told.out
    assert "share of the board" in told.out
    assert told.out.rstrip().endswith("It fits.")
    assert main(called(model, "--quiet")) == 0
    assert capsys.readouterr() == ("", "")


def test_how_far_estimates_are_off_is_printed(model, capsys):
    content = estimate_model(model, ULX3S)
    content["fpga"]["errors"] = {
        "lut": {"median": 0.031, "worst": 0.12}, "ff": {"median": 0.01, "worst": 0.05},
        "bram": {"exact": 1}, "fmax": {"median": 0.07},
    }  # fmt: skip
    content["fpga"]["fmax"] = {"mhz": 90.0, "low": 80.0, "high": 101.0, "source": "a fit", "met": "likely"}
    show_estimate(content, Console(width=160))
    told = {line.split("  ")[0].strip(): line for line in capsys.readouterr().out.splitlines()}
    assert told["median error"].split()[2:] == ["3.1", "%", "1", "%", "-", "-"]
    assert told["worst error"].split()[2:] == ["12", "%", "5", "%", "-", "-"]
    assert told["designs exactly right"].split()[3:] == ["-", "-", "100", "%", "-"]
    clock = "50 MHz, within reach: 90 MHz expected, 80 to 101 in 4 of 5 designs; median error 7 %"
    assert told["Clock"].split(None, 1)[1].rstrip() == clock


def test_switching_by_layer_adds_up(model, capsys):
    content = estimate_model(model, ULX3S)
    show_estimate(content, Console(width=160))
    lines = capsys.readouterr().out.splitlines()
    (head,) = [n for n, line in enumerate(lines) if line.rstrip().endswith("nJ/frame")]
    (whole,) = [line for line in lines if line.strip().startswith("whole design")]
    assert whole.split()[-1] == figure(content["energy"]["dynamic_uj"] * 1000)
    layers = [line for line in lines[head + 2 :] if line.strip()]
    layers = layers[: next(n for n, line in enumerate(layers) if "whole design" in line)]
    told = sum(float(line.split()[-1].replace(",", "")) for line in layers)
    assert told == pytest.approx(content["energy"]["dynamic_uj"] * 1000, rel=1e-3)
    blocks = content["fpga"]["resources"]["block_memory"]
    assert any("block bits in use" in line for line in lines) == bool(blocks)


def test_names_are_no_markup(model, capsys):
    """A model's name may look like rich's markup or move a terminal's cursor."""
    content = estimate_model(model, ULX3S)
    content["model"]["name"] = "[red]x\x1b[2J"
    content["fpga"]["resources"]["units"][0]["layer"] = "[/bold]\x07"
    show_estimate(content, Console(width=160))
    told = capsys.readouterr().out
    assert "[red]x\\x1b[2J on" in told
    assert "[/bold]\\x07" in told


def wide(folder):
    """1,000 x 512 weights of 8 bits: too much for an iCE40."""
    x = input_of("x", (1000,), 0, 255)
    w = Const(np.random.default_rng(0).integers(-128, 128, (1000, 512)))
    return saved(folder, Graph((x,), (MatMul()(x, w, name="wide"),), "wide"))


def test_a_board_that_is_too_small(tmp_path, capsys):
    """What is missing is told, and how much it would take, with exit code 1."""
    model = wide(tmp_path)
    assert main(called(model, "--json", board=ICEBREAKER)) == 1
    content = json.loads(capsys.readouterr().out)
    fpga, bits = content["fpga"], 1000 * 512 * 8
    assert not fpga["fits"]
    assert "bram" in fpga["over"]
    assert fpga["resources"]["share"]["bram"] > 1
    assert fpga["resources"]["block_memory"]["stored_bits"] >= bits
    assert main(called(model, board=ICEBREAKER)) == 1
    last = capsys.readouterr().out.rstrip().splitlines()[-1]
    assert last.startswith("It does not fit: too much ")
    assert "BRAM" in last


def test_accuracy_from_labels(model, tmp_path, capsys):
    x = source_frames(NET, 40)
    chosen = (outputs(NET, x) * 0.25).reshape(40, -1).argmax(axis=1)
    labels = np.where(np.arange(40) < 10, chosen + 1, chosen)
    np.savez(tmp_path / "set.npz", inputs=x, labels=labels)
    assert main(called(model, "--data", tmp_path / "set.npz", "--json")) == 0
    assert json.loads(capsys.readouterr().out)["accuracy"] == {"share": 0.75, "frames": 40, "data": "set.npz"}
    assert main(called(model, "--data", tmp_path / "set.npz", "--frames", 10)) == 0
    assert "0 % of 10 frames" in capsys.readouterr().out


def test_labelled_frames_are_evaluated_once_for_all_boards(model, tmp_path, monkeypatch):
    x = source_frames(NET, 5)
    np.savez(tmp_path / "set.npz", inputs=x, labels=np.zeros(5, int))
    calls = []
    monkeypatch.setattr(estimate, "evaluate", lambda *a: calls.append(a) or evaluate(*a))
    read = estimate.read_model(model)
    shares = [
        estimate.estimated(read, board, Options(data=tmp_path / "set.npz")).content["accuracy"]
        for board in (ULX3S, PYNQ)
    ]
    assert shares[0] == shares[1]
    assert len(calls) == 1
    np.savez(tmp_path / "set.npz", inputs=x[:3], labels=np.zeros(3, int))
    # A model that is read anew sees its data anew.
    again = estimate_model(model, ULX3S, Options(data=tmp_path / "set.npz"))
    assert again["accuracy"]["frames"] == 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--interval", "5"), r"folding: the interval must be at least \d+ clocks, not 5: layer 'conv' .*"),
        (("--interval", "0"), r"estimate: --interval must be at least 1, not 0"),
        (("--multipliers", "any"), r"estimate: --multipliers must be lut or dsp, not 'any'"),
        (("--fps", "1e8"), r"estimate: --fps must be at most \d+ at [\d.]+ MHz, not 1e\+08"),
        (("--clock", "inf"), r"estimate: --clock must be between 1e-06 and 1e\+09, not inf"),
        (("--clock", "5000"), rf"estimate: {ULX3S} makes no clock between 400 and 5000 MHz\. .*"),
        (("--target", "gpu"), r"estimate: --target must be one of fpga, arm, not 'gpu'"),
        (("--target", "arm"), rf"estimate: {ULX3S} has no processor that is known\. Use --target fpga\."),
        (("--threads", "2"), r"estimate: --threads is for --target arm, not for fpga\. Leave it out\."),
        (("--frames", "0"), r"estimate: --frames must be at least 1, not 0"),
        (("--data", "none.npz"), r"data: none\.npz does not exist"),
    ],
)
def test_what_is_refused(model, capsys, options, message):
    refused(capsys, called(model, *options), message)


def test_a_model_of_two_outputs(tmp_path, capsys):
    x = input_of("x", (4,), 0, 3)
    a, b = (MatMul()(x, Const(np.full((4, 2), n)), name=f"m{n}") for n in (1, 2))
    message = r"estimate: a model must have 1 input and 1 output, not 1 and 2\. Cut it where one tensor .*"
    refused(capsys, called(saved(tmp_path, Graph((x,), (a, b), "two"))), message)


def test_page_trace_and_waves(model, tmp_path, capsys):
    """A report of its own stage, and the clocks of the same design in two formats."""
    files = {kind: tmp_path / f"out.{kind}" for kind in ("html", "json", "vcd")}
    wanted = ("--html", files["html"], "--trace", files["json"], "--vcd", files["vcd"])
    assert main(called(model, "--quiet", "--interval", "600", *wanted)) == 0
    page = files["html"].read_text("utf-8")
    assert "gatewright report · estimated" in page
    assert "gatewright estimate --json" in page
    assert "clocks, modelled" in page
    assert "<script" not in page
    fpga = estimate_model(model, ULX3S, Options(interval=600))["fpga"]
    events = json.loads(files["json"].read_text("utf-8"))["traceEvents"]
    told = {e["args"].get("name", "") for e in events if e["ph"] == "M"}
    units = [u["name"] for u in fpga["resources"]["units"] if u["module"].startswith("gw_matrix")]
    assert units
    assert all(any(unit in name for name in told) for unit in units)
    waves = files["vcd"].read_text("ascii")
    assert all(f" {fifo['name']} " in waves for fifo in fpga["fifos"])
    assert sorted(os.listdir(tmp_path)) == ["out.html", "out.json", "out.vcd"]


def test_a_page_of_what_does_not_fit(tmp_path):
    """It says so."""
    page = tmp_path / "page.html"
    assert main(called(wide(tmp_path), "--quiet", "--html", page, board=ICEBREAKER)) == 1
    assert "The design needs" in page.read_text("utf-8")


@pytest.mark.parametrize("kind", ["html", "trace", "vcd"])
def test_pictures_are_not_for_a_processor(model, tmp_path, capsys, kind):
    message = rf"estimate: --{kind} is for --target fpga, whose clocks it shows, not for arm\. Leave it out\."
    refused(capsys, called(model, f"--{kind}", tmp_path / "x", board=PI), message)
    assert not (tmp_path / "x").exists()


def test_a_page_that_cannot_be_written(model, tmp_path, capsys):
    message = r"output: .*none/x cannot be written: No such file or directory"
    refused(capsys, called(model, "--html", tmp_path / "none" / "x"), message)


def test_options_of_an_fpga_are_not_for_a_processor(model, capsys):
    refused(
        capsys,
        called(model, "--fps", "10", board=PI),
        r"estimate: --fps is for --target fpga, not for arm\. Leave it out\.",
    )
    message = rf"estimate: {PI} has a processor only, no FPGA\. Use --target arm\."
    refused(capsys, called(model, "--target", "fpga", board=PI), message)


def test_a_processor_is_compiled_for_and_counted(model, tmp_path, capsys):
    """Instructions are those of a compile."""
    assert main(called(model, "--json", board=PI)) == 0
    content = json.loads(capsys.readouterr().out)
    ESTIMATE.validate(content)
    report = compile_model(model, PI, tmp_path / "out", Options(frames=1))
    assert content["arm"]["instructions"] == report["arm"]["instructions"]
    assert content["fpga"] is None
    assert content["clock_mhz"] == 1500
    assert content["latency_us"] == pytest.approx(1e6 / content["frames_per_second"])
    assert content["arm"]["cycles"] == pytest.approx(content["latency_us"] * 1500, rel=0.01)
