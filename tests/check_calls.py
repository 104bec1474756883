"""Budgets, and checks of them, that tests share."""

import pytest

from driver_models import image_net, saved, vector_net
from gatewright.__main__ import main
from gatewright.report.formats import CHECK

EASY = "limits = { lut = '50%', fps = 10_000 }"


def model(name, file, *boards, data=""):
    """A [[model]] of a budget; each board comes with the lines below it."""
    rows = "".join(f'[[model.on]]\nboard = "{board}"\n{more}\n' for board, more in boards)
    return f'[[model]]\nname = "{name}"\nfile = "{file}"\n{data}\n{rows}'


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Two models, and the folder to be in."""
    saved(tmp_path, image_net(), "image.onnx")
    saved(tmp_path, vector_net(), "vector.onnx")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    monkeypatch.delenv("GITHUB_WORKSPACE", raising=False)
    return tmp_path


def budget(folder, *models, head=""):
    (folder / "gatewright.toml").write_text(head + "\n".join(models), "utf-8")


def called(*more, jobs=1):
    return ["check", "--jobs", str(jobs), *map(str, more)]


def result(folder, *more, code, jobs=1):
    """The JSON of a check that must end in ``code``."""
    assert main(called("--json", "out.json", "--quiet", *more, jobs=jobs)) == code
    return CHECK.read(folder / "out.json")


def rows(case):
    return {row["metric"]: row for row in case["rows"]}
