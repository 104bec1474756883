"""The GitHub action and the GitLab job: their steps run, and what they install is enough."""

import json
import os
import re
import shutil
import subprocess
import sys
from importlib.metadata import packages_distributions, requires
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml

from check_calls import EASY, budget, folder, model
from driver_models import PYNQ, ULX3S

__all__ = ["folder"]

ROOT = Path(__file__).resolve().parents[1]
ACTION = yaml.safe_load((ROOT / "action.yml").read_text("utf-8"))
GITLAB = yaml.safe_load((ROOT / "docs" / "gitlab-ci.yml").read_text("utf-8"))
STEPS = {step["name"]: step for step in ACTION["runs"]["steps"]}

_BASELINE = ["gatewright", "check", "--quiet", "--update-baseline", "base.json"]
# Stands for Python: makes environments of itself, notes what pip is asked for, and else is Python.
_PYTHON = """#!/bin/sh
if [ "$1 $2" = "-m venv" ]; then
    mkdir -p "$3/bin"
    cp "$0" "$3/bin/python"
    cp "$(dirname "$0")/gatewright" "$3/bin/gatewright"
elif [ "$1 $2" = "-m pip" ]; then
    shift 2
    echo "$@" >>"$PIP_LOG"
    for argument in "$@"; do
        if [ -f "$argument" ]; then cat "$argument" >>"$PIP_LOG"; fi
    done
else
    exec {python} "$@"
fi
"""


@pytest.fixture
def machine(folder, monkeypatch):
    """A folder with a budget, and commands that stand for those of a machine of CI."""
    tools = folder / "bin"
    tools.mkdir()
    for name, text in (
        ("python", _PYTHON.replace("{python}", sys.executable)),
        ("gatewright", f'#!/bin/sh\nexec {sys.executable} -m gatewright "$@"\n'),
    ):
        (tools / name).write_text(text)
        (tools / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    monkeypatch.setenv("PIP_LOG", str(folder / "pip.log"))
    budget(folder, model("image", "image.onnx", (ULX3S, EASY)))
    return folder


def substituted(text, inputs, machine):
    """GitHub's expressions in a value, as far as the action uses them."""
    known = {
        "github.action_path": str(ROOT),
        "runner.temp": str(machine / "temp"),
        **{f"inputs.{name}": value for name, value in inputs.items()},
    }
    return re.sub(r"\$\{\{ ([a-z._-]+) \}\}", lambda m: known[m[1]], text)


def step(name, machine, **inputs):
    """Run a step of the action as GitHub does."""
    given = {key: spec["default"] for key, spec in ACTION["inputs"].items()} | inputs
    env = {key: substituted(value, given, machine) for key, value in STEPS[name].get("env", {}).items()}
    (machine / "temp").mkdir(exist_ok=True)
    (machine / "step.sh").write_text(STEPS[name]["run"])
    return subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "step.sh"],
        cwd=machine, capture_output=True, text=True, check=False,
        env={**os.environ, **env, "GITHUB_OUTPUT": str(machine / "output"), "GITHUB_WORKSPACE": str(machine)},
    )  # fmt: skip


def test_the_action_is_one():
    assert ACTION["runs"]["using"] == "composite"
    for each in ACTION["runs"]["steps"]:
        assert ("run" in each) != ("uses" in each)
        # Inputs reach a shell by its environment only, where nothing in them is a command.
        assert "${{" not in each.get("run", "")
        assert "run" not in each or each["shell"] == "bash"
        if "uses" in each:
            assert re.fullmatch(r"actions/[a-z-]+@v\d+", each["uses"])
    text = (ROOT / "action.yml").read_text("utf-8")
    assert set(re.findall(r"inputs\.([a-z-]+)", text)) == set(ACTION["inputs"])
    for output in ACTION["outputs"].values():
        assert re.fullmatch(r"\$\{\{ steps\.check\.outputs\.(json|junit|markdown) \}\}", output["value"])


def test_the_actions_cache_is_named_by_what_is_installed(machine):
    """An input that wants to be a line of its own stays within the name."""
    keys = []
    for version in ("", "1.0", "1.0\nkey=mine"):
        done = step("Name the cache", machine, version=version)
        assert done.returncode == 0, done.stderr
        lines = (machine / "output").read_text().splitlines()
        assert re.fullmatch(r"key=[0-9a-f]{16}-[0-9a-f]{16}", lines[-1])
        keys.append(lines[-1])
        assert len(lines) == len(keys)
    assert len(set(keys)) == 3


def test_the_action_installs_its_own_checkout(machine):
    done = step("Install gatewright", machine)
    assert done.returncode == 0, done.stderr
    asked = (machine / "pip.log").read_text()
    assert re.search(r"^numpy==", asked, re.MULTILINE)
    assert not re.search(r"^(torch|brevitas|yowasp)", asked, re.MULTILINE)
    assert f"--no-deps {ROOT}\n" in asked


def test_the_action_installs_a_version(machine):
    done = step("Install gatewright", machine, version="1.2.3; touch owned")
    assert done.returncode == 0, done.stderr
    assert "--no-deps gatewright==1.2.3; touch owned\n" in (machine / "pip.log").read_text()
    assert not (machine / "owned").exists()


def test_the_action_checks(machine):
    done = step("Check", machine)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("## gatewright check: within budget")
    outputs = dict(line.split("=", 1) for line in (machine / "output").read_text().splitlines())
    assert set(outputs) == set(ACTION["outputs"])
    assert json.loads(Path(outputs["json"]).read_text("utf-8"))["passed"]
    assert ElementTree.parse(outputs["junit"]).getroot().get("failures") == "0"
    assert Path(outputs["markdown"]).read_text("utf-8") == done.stdout
    uploaded = substituted(STEPS["Upload the reports"]["with"]["path"], {}, machine)
    assert {Path(path).parent for path in outputs.values()} == {Path(uploaded)}


def test_the_action_compares_and_fails(machine):
    """With a baseline, and more than the budget allows."""
    subprocess.run(_BASELINE, cwd=machine, check=True)
    budget(machine, model("image", "image.onnx", (ULX3S, "limits = { lut = 1 }")))
    done = step("Check", machine, baseline="base.json")
    assert done.returncode == 1
    assert "### Changed since `base.json`" in done.stdout
    assert f"::error file=gatewright.toml,title=image on {ULX3S}%3A LUT::" in done.stdout


def test_inputs_are_no_commands(machine):
    name = '$(touch owned)"; touch owned; `touch owned` .toml'
    done = step("Check", machine, budget=name)
    assert done.returncode == 2
    assert "must be a readable TOML file" in done.stderr
    os.rename(machine / "gatewright.toml", machine / name)
    assert step("Check", machine, budget=name).returncode == 0
    assert not (machine / "owned").exists()


@pytest.mark.parametrize(("limits", "code"), [(EASY, 0), ("limits = { lut = 1 }", 1)])
def test_the_gitlab_job(machine, limits, code):
    """Its script from the clone to the reports."""
    job = GITLAB["gatewright"]
    source = machine / "source"
    shutil.copytree(ROOT / ".ci", source / ".ci")
    shutil.copy(ROOT / "pyproject.toml", source)
    who = ["-c", "user.name=a", "-c", "user.email=a@b"]
    for command in (["init", "-q"], ["add", "."], [*who, "commit", "-qm", "a"]):
        subprocess.run(["git", *command], cwd=source, check=True)
    budget(machine, model("image", "image.onnx", (ULX3S, EASY)))
    subprocess.run(_BASELINE, cwd=machine, check=True)
    budget(machine, model("image", "image.onnx", (ULX3S, limits), (PYNQ, EASY)))
    variables = {**job["variables"], "GATEWRIGHT": f"file://{source}", "BASELINE": "base.json"}
    variables.pop("XDG_CACHE_HOME")  # or the cycle model would be compiled again
    (machine / "job.sh").write_text("\n".join(job["script"]))
    done = subprocess.run(
        ["bash", "-eo", "pipefail", "job.sh"],
        cwd=machine, env={**os.environ, **variables}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == code, done.stderr
    assert "--no-deps .gatewright\n" in (machine / "pip.log").read_text()
    for path in (*job["artifacts"]["paths"], job["artifacts"]["reports"]["junit"]):
        assert (machine / path).is_file()
    assert "### Changed since `base.json`" in (machine / "check.md").read_text("utf-8")


def normal(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def closure(names, owners):
    """Distributions that these need, and they themselves."""
    there = {normal(name) for each in owners.values() for name in each}
    found, new = set(), {normal(name) for name in names}
    while new - found:
        found |= new
        lines = [line for name in found for line in requires(name) or [] if "extra" not in line]
        new = {normal(re.split(r"[ =<>~!;(\[]", line)[0]) for line in lines} & there
    return found


def test_what_is_installed_is_enough(folder):
    """Every module that a check loads comes with Python, with gatewright or with what is installed for it."""
    budget(folder, model("image", "image.onnx", (ULX3S, EASY)))
    code = "import sys; from gatewright.__main__ import main; main(sys.argv[1:]); print(*sys.modules)"
    check = [sys.executable, "-c", code, "check", "--jobs", "1", "--quiet"]
    done = subprocess.run(check, capture_output=True, text=True, check=True)
    listed = subprocess.run(
        [sys.executable, ROOT / ".ci" / "check_requirements.py", ROOT / "pyproject.toml"],
        capture_output=True, text=True, check=True,
    ).stdout.split()  # fmt: skip
    owners = packages_distributions()
    allowed = closure([line.split("==")[0] for line in listed], owners) | {"gatewright"}
    used = {normal(d) for name in done.stdout.split() for d in owners.get(name.split(".")[0], [])}
    assert "numpy" in used
    assert used - allowed <= {"setuptools"}
