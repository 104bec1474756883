"""What a compile for ARM, and a run on it, refuse: exit code 2, one line that says what to do."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from cli_calls import compile_to_rtl, refused
from driver_models import PYNQ, ULX3S, saved, vector_net
from gatewright.__main__ import main

PI = "raspberrypi_4b"


def compile_for_arm(folder, *more, board=PI):
    """Arguments of a compile into ``folder/out``."""
    model = saved(folder, vector_net())
    return ["compile", model, "--board", board, "--out", folder / "out", *more]


@pytest.mark.parametrize(
    ("board", "options", "message"),
    [
        (PI, ("--target", "gpu"), r"compile: --target must be one of fpga, arm, not 'gpu'"),
        (PI, ("--target", "fpga"), rf"compile: {PI} has a processor only, no FPGA\. Use --target arm\."),
        (
            ULX3S,
            ("--target", "arm"),
            rf"compile: {ULX3S} has no processor that is known\. Use --target fpga\.",
        ),
        (PI, ("--fps", "30"), r"compile: --fps is for --target fpga, not for arm\. Leave it out\."),
        (PI, ("--clock", "1800"), r"compile: --clock is for --target fpga, not for arm\. Leave it out\."),
        (PI, ("--seed", "2"), r"compile: --seed is for --target fpga, not for arm\. Leave it out\."),
        (PYNQ, ("--threads", "2"), r"compile: --threads is for --target arm, not for fpga\. Leave it out\."),
        (ULX3S, ("--cross", "gcc"), r"compile: --cross is for --target arm, not for fpga\. Leave it out\."),
        (PI, ("--threads", "5"), r"compile: --threads must be 1 to 4, not 5"),
        (PI, ("--threads", "0"), r"compile: --threads must be 1 to 4, not 0"),
        (PI, ("--cross", "clang"), r"compile: --cross must be one of zig, gcc, not 'clang'"),
        (PI, ("--until", "rtl"), r"compile: --until must be one of graph, lower, .*, verify, not 'rtl'"),
        (PYNQ, ("--until", "lower"), r"compile: --until must be one of graph, rtl, .*, not 'lower'"),
    ],
)
def test_options_that_make_no_sense(capsys, tmp_path, board, options, message):
    refused(capsys, compile_for_arm(tmp_path, *options, board=board), message)
    assert os.listdir(tmp_path) == ["model.onnx"]


@pytest.mark.parametrize(
    ("board", "options", "message"),
    [
        (
            PI, ("--cross", "gcc"),
            r"tools: aarch64-linux-gnu-gcc must be on PATH, not absent\. .* \(gcc-aarch64-linux-gnu\)",
        ),
        (
            PYNQ, ("--cross", "gcc", "--target", "arm"),
            r"tools: arm-linux-gnueabihf-gcc must be on PATH, not absent\. .* \(gcc-arm-linux-gnueabihf\)",
        ),
        (PI, (), r"tools: qemu-aarch64 must be on PATH, not absent\. .* \(qemu-user\)"),
        (PYNQ, ("--target", "arm"), r"tools: qemu-arm must be on PATH, not absent\. .* \(qemu-user\)"),
    ],
)  # fmt: skip
def test_a_missing_tool_is_found_missing_at_once(capsys, tmp_path, monkeypatch, board, options, message):
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    refused(capsys, compile_for_arm(tmp_path, *options, board=board), message)
    assert os.listdir(tmp_path) == ["model.onnx"]


def test_a_compiler_that_fails_leaves_nothing(capsys, tmp_path, monkeypatch):
    """The message quotes its log, which is kept elsewhere."""
    (tmp_path / "bin").mkdir()
    for tool in ("gcc", "ar"):
        path = tmp_path / "bin" / f"aarch64-linux-gnu-{tool}"
        path.write_text(
            '#!/bin/sh\n[ "$1" = --version ] && echo 9.9 && exit\necho "error: no luck"\nexit 1\n'
        )
        path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    assert main([str(a) for a in compile_for_arm(tmp_path, "--cross", "gcc", "--until", "library")]) == 2
    told = capsys.readouterr().err
    assert "gatewright: aarch64-linux-gnu-gcc: must exit with 0, not 1. It says:\n  error: no luck\n" in told
    log = told.rpartition("(log: ")[2].rstrip(")\n")
    assert "no luck" in Path(log).read_text()
    assert sorted(os.listdir(tmp_path)) == ["bin", "model.onnx"]


def run_arguments(folder):
    np.save(folder / "x.npy", np.ones((2, 6), dtype=np.int8))
    return ["run", folder / "out", "--input", folder / "x.npy", "--output", folder / "y.npy", "--on", "arm"]


def test_run_without_a_library(capsys, tmp_path):
    """A folder compiled for an FPGA has none."""
    assert main(compile_to_rtl(tmp_path, "--quiet", model=saved(tmp_path, vector_net()))) == 0
    message = (
        r"run: .*/out holds no ARM library \(no library\.json\)\. Compile for a board with a processor, .*"
    )
    refused(capsys, run_arguments(tmp_path), message)
    assert not (tmp_path / "y.npy").exists()


def test_run_on_a_damaged_library(capsys, tmp_path):
    """Each description that is not ours is told apart; one of another network as well."""
    assert main([str(a) for a in compile_for_arm(tmp_path, "--until", "graph", "--quiet")]) == 0
    tensor = {"dtype": "int8", "offset": 0, "shape": [6]}
    good = {"schema": "gatewright-library/1", "name": "vector", "core": "cortex-a72", "threads": 1}
    texts = ["", "[]", "{}", '{"schema": "x/1"}']
    texts += [json.dumps({**good, "input": {**tensor, "dtype": "object"}, "output": tensor})]
    texts += [json.dumps({**good, "input": {**tensor, "shape": 6}, "output": tensor})]
    for text in texts:
        (tmp_path / "out" / "library.json").write_text(text)
        message = r"run: .*library\.json must be a gatewright-library/1 description, but is damaged .*"
        refused(capsys, run_arguments(tmp_path), message)
    (tmp_path / "out" / "library.json").write_text(json.dumps({**good, "input": tensor, "output": tensor}))
    message = r"run: .*library\.json must describe the library of graph\.onnx, not another one's\. .*"
    refused(capsys, run_arguments(tmp_path), message)
    assert not (tmp_path / "y.npy").exists()


def test_run_of_a_program_that_writes_too_little(capsys, tmp_path):
    """An example program that was changed is not trusted with its output's size."""
    arguments = compile_for_arm(tmp_path, "--until", "library", "--quiet")
    assert main([str(a) for a in arguments]) == 0
    description = json.loads((tmp_path / "out" / "library.json").read_text())
    description["output"]["dtype"] = "int64"
    (tmp_path / "out" / "library.json").write_text(json.dumps(description))
    refused(capsys, run_arguments(tmp_path), r"run: example must write 48 bytes, not 6\. Compile again\.")
