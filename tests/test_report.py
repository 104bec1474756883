"""The report: its schema refuses what is wrong, and its findings and terminal text follow the figures."""

import doctest
import io
from pathlib import Path

import pytest
from rich.console import Console

import gatewright.report
from gatewright.errors import InputError
from gatewright.report import markup, read, show, validate, words, write
from gatewright.report.docs import markdown
from gatewright.report.facts import FAILED, OPEN, PASSED, bottleneck, by_layer, checks
from gatewright.report.schema import schema
from report_example import HOSTILE, edited, full, hostile, minimal

PACKAGE = Path(gatewright.report.__file__).parent


def console(encoding: str = "utf-8") -> Console:
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding, newline="\n")
    return Console(file=stream, width=80)


def printed(report: dict, encoding: str = "utf-8") -> str:
    out = console(encoding)
    show(report, out)
    out.file.flush()
    return out.file.buffer.getvalue().decode(encoding)


# schema


@pytest.mark.parametrize("report", [full(), minimal(), hostile(HOSTILE[4])], ids=["full", "minimal", "odd"])
def test_schema_accepts(report, tmp_path):
    validate(report)
    later = report | {"arena_bytes": 4096}
    write(later, tmp_path / "report.json")
    assert read(tmp_path / "report.json") == later


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("model", ..., r"report: must have the key 'model', not only schema, board, .*"),
        ("model.sha256", ..., r"report\.model: must have the key 'sha256', not only name, file, input, .*"),
        (
            "schema",
            "gatewright-report/2",
            r"report\.schema: must be 'gatewright-report/1', not 'gatew.*/2'\. Read .*",
        ),
        (
            "stage",
            "routed",
            r'report\.stage: must be one of "graph", .*"rtl".*"bitstream", .*"verify".* not \'routed\'\. .*',
        ),
        ("clock_mhz", 0, r"report\.clock_mhz: must be above 0, not 0\. docs/report\.md .*"),
        ("clock_mhz", float("nan"), r"report\.clock_mhz: must be a finite number, not nan\. .*"),
        ("interval_clocks", 1.5, r"report\.interval_clocks: must be an integer or null, not 1\.5\. .*"),
        ("interval_clocks", None, r"report\.interval_clocks: must be an integer, not None\. .*"),
        ("clocks.3.busy", 1.01, r"report\.clocks\[3\]\.busy: must be at most 1, not 1\.01\. .*"),
        ("resources.units.2.lut", -1, r"report\.resources\.units\[2\]\.lut: must be at least 0, not -1\. .*"),
        ("resources.total.dsp", ..., r"report\.resources\.total: must have the key 'dsp', not only lut, .*"),
        ("board.capacity.lut", "many", r"report\.board\.capacity\.lut: must be a number, not 'many'\. .*"),
        ("timing", None, r"report\.timing: must be an object, not None\. .*"),
        ("files.bitstream", ..., r"report\.files: must have the key 'bitstream', not only .*"),
        (
            "files.bitstream",
            "/etc/x",
            r"report\.files\.bitstream: must be a path .* folder, not '/etc/x'\. .*",
        ),
        ("files.bitstream", "a/../../x", r"report\.files\.bitstream: must be a path .* folder, not .*"),
        ("files.bitstream", "javascript:x", r"report\.files\.bitstream: must be a path .* folder, not .*"),
        ("model.sha256", "9F86", r"report\.model\.sha256: must be SHA-256 of that file, .* not '9F86'\. .*"),
        (
            "model.input.range",
            [0, 1],
            r"report\.model\.input\.range: must have at least 3 entries, not \[0, 1\]\. .*",
        ),
        (
            "output.range",
            [0, 9, 2],
            r"report\.output\.range: must run upward in whole steps, not 0\.\.9 by 2\. .*",
        ),
        (
            "executors.0.equal",
            1001,
            r"report\.executors\[0\]\.equal: must be at most inputs, 1000, not 1001\. .*",
        ),
        (
            "executors.0.accuracy",
            True,
            r"report\.executors\[0\]\.accuracy: must be a number or null, not True\. .*",
        ),
    ],
)
def test_schema_refuses(path, value, message):
    with pytest.raises(InputError, match=f"^{message}$"):
        validate(edited(full(), path, value))


def test_read_refuses_what_is_no_report(tmp_path):
    with pytest.raises(
        InputError, match=r"^.*absent\.json: must be a readable report, not .*\. Give a report\.json\.$"
    ):
        read(tmp_path / "absent.json")
    (tmp_path / "broken.json").write_text('{"schema": ')
    with pytest.raises(
        InputError, match=r"^.*broken\.json: must be JSON, not text with an error \(.*\)\. Give .*$"
    ):
        read(tmp_path / "broken.json")


def test_every_property_is_described_and_every_quantity_has_a_unit():
    def fields(node):
        if isinstance(node, dict):
            yield from node.get("properties", {}).items()
            for part in node.values():
                yield from fields(part)

    described = [(k, f) for k, f in fields({"root": {**schema(), "allOf": []}}) if isinstance(f, dict)]
    assert len(described) > 60
    for key, field in described:
        assert field["description"].endswith("."), key
        if {"number", "integer"} & set(
            [field["type"]] if isinstance(field.get("type"), str) else field.get("type", [])
        ):
            assert field["unit"], key


def test_docs_are_up_to_date():
    page = (PACKAGE.parent / "docs" / "report.md").read_text("utf-8")
    assert page == markdown(), "run: python -m gatewright.report.docs docs/report.md"


# findings


def test_layers_add_up_to_the_total():
    resources = full()["resources"]
    for kind, total in resources["total"].items():
        assert sum(layer.amounts[kind] for layer in by_layer(resources)) == total


def test_bottleneck_names_the_slowest_unit_and_what_comes_next():
    finding = bottleneck(full())
    assert finding.names == ("conv1_mvu", "conv0_window")
    assert finding.finding.startswith("{} limits the rate: 10,368 clocks")
    assert "needs 7,056: relieving the first alone gives at most 1.47 times the rate" in finding.finding
    waiting = bottleneck(edited(full(), "interval_clocks", 12000))
    assert waiting.finding.startswith(
        "No unit limits the rate: the slowest, {}, needs 10,368 of the 12,000 clocks"
    )


def test_verdicts_follow_the_figures():
    assert [c.verdict for c in checks(full())] == [PASSED] * 7
    assert [c.verdict for c in checks(minimal())] == [OPEN] * 2
    late = edited(full(), "timing", full()["timing"] | {"met": False, "fmax_mhz": 48.0})
    assert (checks(late)[1].verdict, checks(late)[1].finding[:33]) == (
        FAILED,
        "48 MHz reached, 50 MHz asked. Do ",
    )
    large = checks(edited(full(), "resources.total.dsp", 200))[0]
    assert (large.verdict, large.finding) == (FAILED, "The design needs 200 DSP of 156 (routed).")
    wrong = checks(
        edited(full(), "executors.1", full()["executors"][1] | {"equal": 198, "values_equal": 197})
    )[3]
    assert (wrong.verdict, wrong.finding) == (FAILED, "{} differs from {} on 2 inputs of 200 (3 values).")
    assert checks(edited(full(), "executors.1.against", None))[3].verdict == OPEN


@pytest.mark.parametrize("module", [words, markup], ids=["words", "markup"])
def test_examples_in_docstrings_hold(module):
    result = doctest.testmod(module)
    assert result.attempted
    assert not result.failed


# terminal


def test_terminal_shows_the_findings_within_80_columns():
    text = printed(full())
    lines = [line.rstrip() for line in text.splitlines()]
    assert max(map(len, lines)) <= 80
    assert "\x1b" not in text
    assert lines[0] == "digits_w4a4 on ULX3S-85F"
    for line in (
        "Latency  262.5 µs, 13,127 clocks (measured)",
        "Passed  61.24 MHz reached, 50 MHz asked.",
        "Passed  RTL in Verilator equals integer graph on all 200 inputs (200 values).",
        "conv1_mvu limits the rate: 10,368 clocks for a frame. The next slowest,",
        " Resources, routed       LUT       FF     BRAM      DSP",
        " conv1                15,598   10,225       43       96",
        " whole design         28,908   20,628       70      120",
        " block bits in use                      51.2 %",
        " share of the board   34.6 %   24.7 %   33.7 %   76.9 %",
        " integer graph      Brevitas           1,000 of 1,000     97.8 %",
        "3 files written: digits.bit, report.html, rtl/digits.v",
    ):
        assert line in lines, line


def test_terminal_shows_an_early_stage():
    lines = [line.rstrip() for line in printed(minimal()).splitlines()]
    assert "Rate     not known yet" in lines
    assert "Not checked  Not placed and routed yet." in lines


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_terminal_prints_names_as_they_are(name):
    text = printed(hostile(name))
    assert max(map(len, text.splitlines())) <= 80
    assert all(c.isprintable() or c == "\n" for c in text)
    assert ("[bold]x[/bold]" in text) == ("[bold]" in name)


def test_terminal_can_be_ascii():
    text = printed(edited(full(), "model.name", "ziffern_größe"), "ascii")
    assert "ziffern_gr\\xf6\\xdfe on ULX3S-85F" in text
    assert "262.5 us" in text


def test_what_timing_does_not_know_is_said_beside_the_clock():
    report = full()
    report["timing"]["caveat"] = "block RAM paths are not timed"
    said = [c.finding for c in checks(report) if c.title == "Reaches its clock"]
    assert len(said) == 1
    assert said[0].endswith(" Beware: block RAM paths are not timed.")
    assert "Beware: block RAM paths are not" in printed(report)
