"""Markdown, JUnit XML and annotations of a check: their words, and names that want to be more than names."""

import copy
import re
from xml.etree import ElementTree

import pytest

from gatewright.report.check_annotations import annotations
from gatewright.report.check_junit import junit
from gatewright.report.check_markdown import code, markdown, table
from gatewright.report.formats import CHECK

HOSTILE = [
    "a|b",
    "`x` **y** _z_ ~~w~~",
    "<script>alert(1)</script>",
    "[click](http://x.y) ![i](j)",
    "a]]>&amp;\"'",
    "line\nbreak\r::error::x",
    "::set-output name=x::y%0A",
    "\x1b[2J\x00\u202e\ud800",
    "@everyone #1 https://a.b",
    "a,b:c%d",
    "# head",
    "\ufffe",
]


def row(metric, value, **more):
    """A figure that nothing limits, unless told otherwise."""
    plain = {
        "metric": metric, "unit": "", "better": "lower", "value": value, "limit": None, "limit_text": None,
        "limit_source": None, "baseline": None, "change": None, "tolerance": None, "verdict": "free",
    }  # fmt: skip
    return plain | more


def case(rows, **more):
    plain = {
        "model": "digits", "file": "digits.onnx", "board": "ulx3s", "target": "fpga", "verdict": "passed",
        "error": None, "rows": rows,
    }  # fmt: skip
    return plain | more


def checked(*cases, **more):
    plain = {
        "schema": "gatewright-check/1", "budget": "gatewright.toml", "baseline": None,
        "passed": all(c["verdict"] == "passed" for c in cases), "cases": list(cases), "gone": [],
    }  # fmt: skip
    content = plain | more
    CHECK.validate(content)
    return content


OVER = row(
    "lut", 5200, unit="LUTs", limit=5000, limit_text="25%", limit_source="budget", baseline=4900, change=300,
    verdict="over",
)  # fmt: skip
WORSE = row(
    "fps", 900.0, unit="frames/s", better="higher", limit=500, limit_text="500", limit_source="budget",
    baseline=1000.0, change=-100.0, tolerance="5%", verdict="regressed",
)  # fmt: skip
RIGHT = row(
    "accuracy", 0.975, better="higher", limit=0.9, limit_text="90%", limit_source="budget", baseline=0.97,
    change=0.005, verdict="passed",
)  # fmt: skip
BOARD = row("dsp", 3, unit="blocks", limit=28, limit_text="the board", limit_source="board", verdict="passed")
FULL = checked(
    case([OVER, BOARD, WORSE, RIGHT], verdict="over"),
    case([], board="pynq", verdict="error", error="folding: too\n  small"),
    baseline="base.json",
)


def test_markdown():
    assert markdown(FULL) == (
        """## gatewright check: failed

`gatewright.toml`: 2 cases, 3 limits, 2 not kept, against `base.json`.

### Not estimated

| model    | board  | why                  |
| -------- | ------ | -------------------- |
| `digits` | `pynq` | `folding: too small` |

### Over

| model    | board   | figure | now   | limit         | before | change         | verdict           |
| -------- | ------- | ------ | ----- | ------------- | ------ | -------------- | ----------------- |
| `digits` | `ulx3s` | LUT    | 5,200 | ≤ 5,000 (25%) | 4,900  | +300 (+6.12 %) | over              |
| `digits` | `ulx3s` | rate   | 900   | ≥ 500         | 1,000  | −100 (−10 %)   | worse than before |

### Changed since `base.json`

| model    | board   | figure   | before | now    | change         | limit         |        |
| -------- | ------- | -------- | ------ | ------ | -------------- | ------------- | ------ |
| `digits` | `ulx3s` | LUT      | 4,900  | 5,200  | +300 (+6.12 %) | ≤ 5,000 (25%) | worse  |
| `digits` | `ulx3s` | rate     | 1,000  | 900    | −100 (−10 %)   | ≥ 500         | worse  |
| `digits` | `ulx3s` | accuracy | 97 %   | 97.5 % | +0.5 %         | ≥ 90 %        | better |

### Figures

| model    | board   | LUT               | DSP      | rate, frames/s | accuracy |
| -------- | ------- | ----------------- | -------- | -------------- | -------- |
| `digits` | `ulx3s` | **5,200 (104 %)** | 3 (11 %) | **900**        | 97.5 %   |
| `digits` | `pynq`  | –                 | –        | –              | –        |
"""
    )


def test_annotations():
    assert annotations(FULL, "a b/gate,wright.toml") == (
        "::error file=a b/gate%2Cwright.toml,title=digits on ulx3s%3A LUT::LUT is 5,200 LUTs (was 4,900), "
        "but must be ≤ 5,000 (25%25)\n"
        "::error file=a b/gate%2Cwright.toml,title=digits on ulx3s%3A rate::rate is 900 frames/s, was 1,000: "
        "−100 (−10 %25), more than the tolerance of 5%25\n"
        "::error file=a b/gate%2Cwright.toml,title=digits on pynq%3A not estimated::folding: too small\n"
    )
    assert annotations(checked(case([BOARD])), "x") == ""


# Attributes that the JUnit schemas of Jenkins and GitLab name, and those that they require.
_KNOWN = {
    "testsuites": ({"name", "tests", "failures", "errors", "skipped", "time"}, set()),
    "testsuite": ({"name", "tests", "failures", "errors", "skipped", "time"}, {"name", "tests"}),
    "testcase": ({"name", "classname", "time"}, {"name", "classname"}),
    "failure": ({"type", "message"}, {"type"}),
    "error": ({"type", "message"}, {"type"}),
    "system-out": (set(), set()),
}
_CHILDREN = {
    "testsuites": {"testsuite"}, "testsuite": {"testcase"}, "testcase": {"failure", "error", "system-out"},
}  # fmt: skip


def parsed(content):
    """The tree of a check's XML, in which everything is where the schemas have it, and counted right."""
    text = junit(content, [0.25] * len(content["cases"]))
    root = ElementTree.fromstring(text.encode("utf-8"))
    assert root.tag == "testsuites"
    for element in root.iter():
        known, needed = _KNOWN[element.tag]
        assert needed <= set(element.keys()) <= known
        assert {child.tag for child in element} <= _CHILDREN.get(element.tag, set())
    for element in (root, *root):
        for name, tag in (("tests", "testcase"), ("failures", "failure"), ("errors", "error")):
            assert int(element.get(name)) == sum(1 for _ in element.iter(tag))
    return root


def test_junit():
    root = parsed(FULL)
    first, second = root
    assert [s.get("name") for s in root] == ["digits on ulx3s", "digits on pynq"]
    assert [t.get("name") for t in first] == ["estimate", "LUT", "DSP", "rate", "accuracy"]
    assert {t.get("classname") for t in first} == {"digits.ulx3s.fpga"}
    assert first[1][0].get("message") == "LUT is 5,200 LUTs (was 4,900), but must be ≤ 5,000 (25%)"
    assert (first[1][0].get("type"), first[3][0].get("type")) == ("over", "regressed")
    assert first[4][0].text == "97.5 %, limit ≥ 90 %, change +0.5 %"
    assert second[0][0].text == "folding: too small"
    assert (root.get("time"), first.get("time")) == ("0.500", "0.250")


@pytest.mark.parametrize("name", HOSTILE)
def test_names_stay_names(name):
    """As model, board, file, and in a message."""
    content = copy.deepcopy(FULL)
    content |= {"budget": name, "baseline": name}
    content["gone"] = [{"model": name, "board": name, "target": "fpga"}]
    for each in content["cases"]:
        each |= {"model": name, "board": name}
    content["cases"][1]["error"] = f"model: must be good, not {name}"
    root = parsed(content)
    assert len(list(root)) == 2
    for line in annotations(content, name).splitlines():
        # One command a line, of two properties, and nothing but text behind.
        found = re.fullmatch(r"::error file=([^,:\n]*),title=([^,:\n]*)::([^\r\n]*)", line)
        assert found
        assert not re.search(r"%(?!25|3A|2C|0A|0D)", line)
    said = markdown(content)
    assert said.isprintable() or set(said) - {c for c in said if c.isprintable()} == {"\n"}
    heads = [line for line in said.splitlines() if line.startswith("#")]
    assert len(heads) == 5
    for line in said.splitlines():
        if line.startswith("|"):
            # Cells are as many as in the table's head, and no cell opens a tag, a link or a mention.
            assert line.count("|") in (4, 9, 7)
            bare = re.sub(r"</?code>|`[^`|]*`|\*\*[^*|]*\*\*|&#\d+;", "", line)
            assert not re.search(r"[<>`*\[\]@~\\&#]", bare)


def test_code_shows_what_it_was_given():
    """A browser shows each name as it is, but for what cannot be shown."""
    from html import unescape

    for name in [*HOSTILE, "digits", "a_b/c.d-e", "`", ""]:
        shown = code(name)
        inner = shown[1:-1] if shown.startswith("`") else unescape(shown[6:-7])
        assert inner == name or not name.isprintable()


def test_code_is_a_span_or_escaped():
    assert (code("<b>digits"), code("a|b`")) == ("`<b>digits`", "<code>a&#124;b&#96;</code>")


def test_a_table_is_even():
    lines = table(["a", "bb"], [["ccc", "d"], ["e", "ffffff"]]).splitlines()
    assert len({len(line) for line in lines}) == 1
