"""``gatewright check``: what changed since a baseline."""

import re
from pathlib import Path

import pytest

from check_calls import EASY, budget, called, folder, model, result, rows
from driver_models import PYNQ, ULX3S
from gatewright.__main__ import main
from gatewright.report.formats import BASELINE

__all__ = ["folder"]


def changed(folder, factor, metric="lut"):
    """A baseline whose figure of the first case is ``factor`` times what it is."""
    data = BASELINE.read(folder / "base.json")
    data["cases"][0]["values"][metric] *= factor
    (folder / "old.json").write_text(BASELINE.text(data))


def test_a_baseline_of_the_same_models_shows_no_change(folder, capsys):
    budget(folder, model("image", "image.onnx", (ULX3S, EASY), (PYNQ, EASY)), head="[tolerance]\nlut = 0\n")
    assert main(called("--quiet", "--update-baseline", "base.json")) == 0
    told = {c["board"]: c["values"] for c in BASELINE.read(folder / "base.json")["cases"]}
    content = result(folder, "--baseline", "base.json", code=0)
    for case in content["cases"]:
        assert {n: r["baseline"] for n, r in rows(case).items()} == told[case["board"]]
        assert {r["change"] for r in case["rows"]} == {0}
    capsys.readouterr()
    assert main(called("--baseline", "base.json")) == 0
    assert "### Changed since `base.json`\n\nNothing.\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("tolerance", "factor", "verdict"),
    [
        ("", 0.5, "passed"),
        ("lut = '2%'", 0.99, "passed"),
        ("lut = '2%'", 0.97, "regressed"),
        ("lut = '2%'", 2, "passed"),
        ("lut = 0", 0.999, "regressed"),
        ("lut = 1_000_000", 0.001, "passed"),
        ("fps = '1%'", 0.5, "passed"),
    ],
)
def test_worse_than_before_by_more_than_the_tolerance(folder, tolerance, factor, verdict):
    """Also inside the limit."""
    budget(folder, model("image", "image.onnx", (ULX3S, EASY)), head=f"[tolerance]\n{tolerance}\n")
    result(folder, "--update-baseline", "base.json", code=0)
    changed(folder, factor)
    content = result(folder, "--baseline", "old.json", code=0 if verdict == "passed" else 1)
    assert rows(content["cases"][0])["lut"]["verdict"] == verdict


def test_a_rate_regresses_downward(folder):
    budget(folder, model("image", "image.onnx", (ULX3S, EASY)), head="[tolerance]\nfps = '10%'\n")
    result(folder, "--update-baseline", "base.json", code=0)
    for factor, code in ((1.2, 1), (1.1, 0), (0.5, 0)):
        changed(folder, factor, "fps")
        assert result(folder, "--baseline", "old.json", code=code)["passed"] == (code == 0)


def test_cases_that_came_and_went(folder, capsys):
    budget(folder, model("image", "image.onnx", (ULX3S, EASY), (PYNQ, EASY)))
    result(folder, "--update-baseline", "base.json", code=0)
    budget(folder, model("image", "image.onnx", (ULX3S, EASY)), model("new", "vector.onnx", (ULX3S, EASY)))
    content = result(folder, "--baseline", "base.json", code=0)
    assert content["gone"] == [{"model": "image", "board": PYNQ, "target": "fpga"}]
    assert {row["baseline"] for row in content["cases"][1]["rows"]} == {None}
    capsys.readouterr()
    assert main(called("--baseline", "base.json")) == 0
    out = capsys.readouterr().out
    assert f"- `new` on `{ULX3S}` is not in the baseline.\n" in out
    assert f"- `image` on `{PYNQ}` is only in the baseline.\n" in out


def test_no_baseline_is_written_of_what_could_not_be_estimated(folder, capsys):
    Path("base.json").write_text("kept")
    budget(folder, model("gone", "none.onnx", (ULX3S, EASY)))
    message = r"baseline: every case must have its figures, but 'gone' on \S+ could not be estimated\. base.*"
    assert main(called("--quiet", "--update-baseline", "base.json")) == 2
    assert re.search(message, capsys.readouterr().err)
    assert Path("base.json").read_text() == "kept"
