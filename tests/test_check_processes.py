"""``gatewright check``: processes, what they start, and GitHub."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from check_calls import EASY, budget, called, folder, model, result
from driver_models import PYNQ, ULX3S
from gatewright.__main__ import main
from gatewright.driver.budget import read_budget
from gatewright.driver.check import _measured, shared_out
from gatewright.errors import ToolError
from gatewright.report.formats import CHECK

__all__ = ["folder"]


def test_any_number_of_processes_gives_the_same_bytes(folder):
    Path("bad.onnx").write_text("hello")
    budget(
        folder,
        model("image", "image.onnx", (ULX3S, EASY), (PYNQ, EASY)),
        model("bad", "bad.onnx", (ULX3S, EASY)),
        model("vector", "vector.onnx", (ULX3S, EASY)),
    )
    told = [CHECK.text(result(folder, code=2, jobs=jobs)) for jobs in (1, 2, 1)]
    assert told[0] == told[1] == told[2]


def test_boards_of_a_model_stay_together_as_long_as_all_have_work(folder):
    many = [(ULX3S, EASY), (PYNQ, EASY), (ULX3S, "target = 'fpga'")]
    budget(folder, model("small", "vector.onnx", *many[:2]), model("large", "image.onnx", *many[:2]))
    cases = read_budget("gatewright.toml").cases
    assert shared_out(cases, 2) == [[2, 3], [0, 1]]
    assert shared_out(cases, 1) == [[2, 3], [0, 1]]
    assert shared_out(cases, 3) == [[2], [3], [0, 1]]
    assert shared_out(cases, 9) == [[2], [3], [0], [1]]


class _Deadly:
    """A case that ends the process which it comes to."""

    def __init__(self, file):
        self.file = file

    def __reduce__(self):
        return os._exit, (1,)


def test_a_process_that_was_ended(folder):
    message = (
        r"^check: a process must live until its case is done, but one was ended, perhaps for want of "
        r"memory\. Check with --jobs 1\.$"
    )
    cases = [_Deadly(folder / name) for name in ("image.onnx", "vector.onnx")]
    with pytest.raises(ToolError, match=message):
        _measured(cases, 2)


_WATCH = """
import os, sys
LOG = os.environ["STARTED_LOG"]
def hook(event, details):
    if event in ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn"):
        with open(LOG, "a") as file:
            file.write(repr(details[:2]) + "\\n")
    if event == "import" and details[0].startswith("yowasp"):
        with open(LOG, "a") as file:
            file.write(repr(details[0]) + "\\n")
sys.addaudithook(hook)
"""


@pytest.mark.parametrize("command", ["check", "estimate"])
def test_no_tool_is_started(folder, command):
    """Every process that is started, by whatever process, and every import of a tool."""
    watch = folder / "watch"
    watch.mkdir()
    (watch / "sitecustomize.py").write_text(_WATCH)
    budget(folder, model("image", "image.onnx", (ULX3S, EASY), (PYNQ, EASY)))
    arguments = {"check": ["check", "--jobs", "2"], "estimate": ["estimate", "image.onnx", "--board", ULX3S]}
    path = os.pathsep.join(filter(None, [str(watch), os.environ.get("PYTHONPATH")]))
    env = {**os.environ, "PYTHONPATH": path, "STARTED_LOG": str(folder / "started")}
    subprocess.run([sys.executable, "-c", "import os; os.system('true')"], env=env, check=True)
    assert "true" in (folder / "started").read_text()
    (folder / "started").write_text("")
    done = subprocess.run(
        [sys.executable, "-m", "gatewright", *arguments[command]], env=env, capture_output=True
    )
    assert done.returncode == 0, done.stderr
    assert (folder / "started").read_text() == ""


def test_torch_and_tvm_stay_unloaded(folder):
    code = (
        "import sys; from gatewright.driver.check import check_budget as c; c('gatewright.toml', jobs=1);"
        "print(sorted({'torch', 'tvm', 'brevitas', 'sklearn', 'hls4ml'} & set(sys.modules)))"
    )
    budget(folder, model("image", "image.onnx", (ULX3S, EASY)))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_github(folder, capsys, monkeypatch):
    """Annotations where GitHub reads them, and the Markdown on the run's page."""
    (folder / "sub").mkdir()
    budget(folder / "sub", model("image", "../image.onnx", (ULX3S, "limits = { lut = 3 }")))
    monkeypatch.setenv("GITHUB_WORKSPACE", str(folder))
    (folder / "summary").write_text("before\n")
    for more, env in ((["--github"], {}), ([], {"GITHUB_ACTIONS": "true"})):
        for name, value in {**env, "GITHUB_STEP_SUMMARY": str(folder / "summary")}.items():
            monkeypatch.setenv(name, value)
        assert main(called("--budget", "sub/gatewright.toml", "--quiet", *more)) == 1
        line = capsys.readouterr().out
        place = rf"file=sub/gatewright\.toml,title=image on {ULX3S}%3A LUT"
        assert re.fullmatch(rf"::error {place}::LUT is [\d,]+ LUTs, but must be ≤ 3\n", line)
    assert (folder / "summary").read_text().startswith("before\n## gatewright check: over budget\n")
    monkeypatch.setenv("GITHUB_ACTIONS", "false")
    assert main(called("--budget", "sub/gatewright.toml", "--quiet")) == 1
    assert capsys.readouterr().out == ""
