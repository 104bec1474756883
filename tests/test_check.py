"""``gatewright check``: limits, exit codes and refusals."""

import json
import os
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from check_calls import EASY, budget, called, folder, model, result, rows
from cli_calls import NET, refused
from driver_models import ICEBREAKER, PYNQ, ULX3S, outputs, source_frames
from gatewright.__main__ import main
from gatewright.driver.check import check_budget
from gatewright.driver.compile import Options
from gatewright.driver.estimate import estimate_model
from gatewright.errors import InputError

__all__ = ["folder"]


def test_within_the_budget(folder, capsys):
    budget(folder, model("image", "image.onnx", (ULX3S, EASY), (PYNQ, EASY)))
    assert main(called()) == 0
    told = capsys.readouterr()
    assert told.err == "estimating 2 cases\n"
    assert told.out.startswith(
        "## gatewright check: within budget\n\n`gatewright.toml`: 2 cases, 4 limits, all"
    )
    assert "### Over" not in told.out
    assert main(called("--quiet")) == 0
    assert capsys.readouterr() == ("", "")


def test_figures_are_the_estimates(folder):
    budget(folder, model("image", "image.onnx", (ULX3S, "interval = 600\n" + EASY)))
    (case,) = result(folder, code=0)["cases"]
    found = estimate_model("image.onnx", ULX3S, Options(interval=600))
    told = rows(case)
    for kind, amount in found["fpga"]["resources"]["total"].items():
        assert told[kind]["value"] == amount
    assert told["fps"]["value"] == pytest.approx(found["frames_per_second"], rel=1e-8)
    assert told["latency_us"]["value"] == pytest.approx(found["latency_us"], rel=1e-8)
    capacity = found["board"]["capacity"]["lut"]
    assert (told["lut"]["limit"], told["lut"]["limit_text"]) == (capacity / 2, "50%")
    assert (told["ff"]["limit"], told["ff"]["limit_source"]) == (found["board"]["capacity"]["ff"], "board")
    assert told["latency_us"]["verdict"] == "free"


@pytest.mark.parametrize(
    ("limits", "metric"),
    [
        ("lut = 3", "lut"), ("ff = '0.1%'", "ff"), ("fps = 1e9", "fps"), ("latency_us = 0.5", "latency_us"),
    ],
)  # fmt: skip
def test_over_a_limit(folder, limits, metric, capsys):
    budget(folder, model("image", "image.onnx", (ULX3S, f"limits = {{ {limits} }}")))
    content = result(folder, code=1)
    (case,) = content["cases"]
    assert not content["passed"]
    assert [name for name, row in rows(case).items() if row["verdict"] == "over"] == [metric]
    assert main(called()) == 1
    out = capsys.readouterr().out
    assert out.startswith("## gatewright check: over budget\n")
    assert "### Over" in out


def test_a_limit_is_kept_when_it_is_met_exactly(folder):
    budget(folder, model("image", "image.onnx", (ULX3S, "")))
    exact = rows(result(folder, code=0)["cases"][0])
    limits = ", ".join(f"{name} = {row['value']!r}" for name, row in exact.items() if name != "accuracy")
    budget(folder, model("image", "image.onnx", (ULX3S, f"limits = {{ {limits} }}")))
    assert {row["verdict"] for row in result(folder, code=0)["cases"][0]["rows"]} == {"passed"}


def test_a_board_that_is_too_small_is_over_without_any_limit(folder):
    """Whatever the budget allows, more than the board has is too much."""
    from test_estimate import wide

    os.rename(wide(folder), folder / "wide.onnx")
    budget(folder, model("wide", "wide.onnx", (ICEBREAKER, "limits = { bram = 100_000 }")))
    row = rows(result(folder, code=1)["cases"][0])["bram"]
    assert (row["verdict"], row["limit_source"], row["limit"]) == ("over", "board", 30)


def test_accuracy(folder):
    x = source_frames(NET, 40)
    chosen = (outputs(NET, x) * 0.25).reshape(40, -1).argmax(axis=1)
    np.savez("set.npz", inputs=x, labels=np.where(np.arange(40) < 10, chosen + 1, chosen))
    np.savez("bare.npz", inputs=x)
    for limit, code in (("0.75", 0), ("'75%'", 0), ("'76%'", 1)):
        more = (ULX3S, f"limits = {{ accuracy = {limit} }}")
        budget(folder, model("image", "image.onnx", more, data='data = "set.npz"'))
        assert rows(result(folder, code=code)["cases"][0])["accuracy"]["value"] == 0.75
    budget(folder, model("image", "image.onnx", more, data='data = "bare.npz"'))
    (case,) = result(folder, code=2)["cases"]
    assert case["error"] == (
        f"check: 'image' on {ULX3S}: what is limited must be known, but accuracy cannot be: its data hold no "
        "labels. Take the limit out."
    )


def test_a_case_that_fails_leaves_the_others(folder, capsys):
    (folder / "bad.onnx").write_text("hello")
    limits = "interval = 5\n" + EASY
    budget(
        folder,
        model("bad", "bad.onnx", (ULX3S, EASY)),
        model("gone", "none.onnx", (ULX3S, EASY)),
        model("image", "image.onnx", (ULX3S, limits), (PYNQ, EASY)),
    )
    content = result(folder, "--junit", "out.xml", code=2)
    assert [c["verdict"] for c in content["cases"]] == ["error", "error", "error", "passed"]
    assert "bad.onnx" in content["cases"][0]["error"]
    assert "none.onnx" in content["cases"][1]["error"]
    assert content["cases"][2]["error"].startswith("folding: the interval must be at least")
    assert ElementTree.parse("out.xml").getroot().get("errors") == "3"
    assert main(called()) == 2
    assert "### Not estimated" in capsys.readouterr().out


def test_what_is_refused(folder, capsys):
    refused(capsys, called(), r"budget: gatewright\.toml must be a readable TOML file, not this: No such .*")
    budget(folder, model("image", "image.onnx", (ULX3S, EASY)))
    refused(capsys, called(jobs=0), r"check: --jobs must be at least 1, not 0")
    message = (
        r"baseline: base\.json must be there, not absent\. Write it with check --update-baseline base\.json\."
    )
    refused(capsys, called("--baseline", "base.json"), message)
    Path("base.json").write_text("{}")
    refused(
        capsys, called("--baseline", "base.json"), r"baseline: must have the key .* docs/check\.md lists .*"
    )
    one = {"model": "a", "board": "b", "target": "fpga", "values": {}}
    whole = {"schema": "gatewright-baseline/1", "gatewright": "0", "cases": [one, one]}
    Path("base.json").write_text(json.dumps(whole))
    message = r"baseline: base\.json must hold each model on a board once, not twice\. Write it anew\."
    refused(capsys, called("--baseline", "base.json"), message)
    refused(
        capsys, called("--json", "none/out.json"), r"output: none/out\.json cannot be written: No such .*"
    )


def test_a_processor(folder):
    text = model("net", "image.onnx", ("raspberrypi_4b", "limits = { instructions = 10, latency_us = 1000 }"))
    budget(folder, text)
    told = rows(result(folder, code=1)["cases"][0])
    assert told["instructions"]["verdict"] == "over"
    assert told["latency_us"]["verdict"] == "passed"
    assert "lut" not in told


def test_a_budget_may_come_as_data(folder):
    budget(folder, model("image", "image.onnx", (ULX3S, EASY)))
    assert check_budget("gatewright.toml", jobs=1).exit_code == 0
    with pytest.raises(InputError):
        check_budget("none.toml")
