"""The example of docs/ci.md: its network, its budget, and the page that shows both."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

from gatewright.compiler.frontends import load_model
from gatewright.driver.budget import read_budget
from gatewright.driver.check import check_budget
from gatewright.driver.metrics import METRICS
from qonnx_models import run

ROOT = Path(__file__).resolve().parents[1]
EXAMPLE = ROOT / "examples" / "ci"


def test_the_example_is_within_its_budget(tmp_path):
    """As a user would try it, but in a copy."""
    (tmp_path / "gatewright.toml").write_text((EXAMPLE / "gatewright.toml").read_text("utf-8"), "utf-8")
    command = [sys.executable, str(EXAMPLE / "digits.py"), "build"]
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run(command, cwd=tmp_path, env=env, check=True, capture_output=True)
    content = check_budget(tmp_path / "gatewright.toml", jobs=1).content
    assert content["passed"], content
    right = [r["value"] for c in content["cases"] for r in c["rows"] if r["metric"] == "accuracy"]
    assert right[0] == right[1] >= 0.95
    data = np.load(tmp_path / "build" / "digits.npz", allow_pickle=False)
    assert data["inputs"].shape == (360, 64)
    # The integer graph's own classes, without the driver.
    logits = run(load_model(tmp_path / "build" / "digits.onnx"), data["inputs"])
    share = float((logits.argmax(axis=1) == data["labels"]).mean())
    assert right[0] == pytest.approx(share, abs=1e-9)


def test_the_pages_budget_is_one(tmp_path):
    """What docs/ci.md shows is read, and its table has every limit."""
    page = (ROOT / "docs" / "ci.md").read_text("utf-8")
    (tmp_path / "page.toml").write_text(page.split("```toml\n")[1].split("```")[0], "utf-8")
    budget = read_budget(tmp_path / "page.toml")
    assert [c.board.name for c in budget.cases] == ["radiona_ulx3s_85f", "raspberrypi_4b"]
    for name in METRICS:
        assert f"`{name}`" in page


def test_what_a_check_needs_is_pinned():
    """The names that CI installs are dependencies."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    pinned = {line.split("==")[0] for line in project["project"]["dependencies"]}
    assert set(project["tool"]["gatewright"]["check"]) <= pinned
