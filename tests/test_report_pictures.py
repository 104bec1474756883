"""The page's pictures: what they say, what they draw, and that nothing is drawn of what is not known."""

import re

import pytest

from gatewright.errors import InputError
from gatewright.report import render, validate
from gatewright.report.facts import FAILED, OPEN, PASSED, checks
from gatewright.report.html_cycle import sections
from report_example import edited, full, minimal

KEYS = ("timeline", "fifos", "roofline", "energy")
HEADS = ("Timeline", "FIFOs", "Roofline", "Energy")


def section(title: str, report: dict | None = None) -> str:
    """The section of that heading."""
    (found,) = [s for s in sections(report or full()).split("</section>") if f"<h2>{title}</h2>" in s]
    return found


@pytest.mark.parametrize("missing", range(4))
def test_each_section_needs_its_key_alone(missing):
    """A report without a key, or with null, has the others' sections."""
    for report in (edited(full(), KEYS[missing], ...), edited(full(), KEYS[missing], None)):
        validate(report)
        found = re.findall("<h2>(.*?)</h2>", sections(report))
        assert found == [h for n, h in enumerate(HEADS) if n != missing]
        assert f"<h2>{HEADS[missing]}</h2>" not in render(report)
    assert sections(minimal()) == ""


def test_timeline_draws_shares_to_scale():
    """conv0_mvu works in 68 % of the steady state and waits for beats and room in 16 % each."""
    rows = section("Timeline").split("<tr>")
    (row,) = [r for r in rows if "conv0_mvu" in r]
    assert ">68.1 %<" in row
    first, steady = row.split("<svg")[1:]
    assert 'aria-label="Frames that repeat: conv0_mvu, 70 % busy, 15 % no room, 15 % no beats"' in steady
    paths = dict(re.findall(r'<path d="([^"]*)" class="(\w+)"', steady))
    assert paths == {
        "M0 6h960v14h-960z": "busy",
        "M0 3h960v3h-960z": "stalled",
        "M0 0h960v3h-960z": "waiting",
    }
    # The first frame: idle until clock 136, then at work only, until half of it is over.
    assert re.search(r'd="M9\.9 0h470\.1v20h-470\.1zM480 6h480v14h-480z" class="busy"', first)
    assert "a frame in it from clock 10,468 to 23,495" in first


def test_timeline_without_what_repeats():
    """Only the first frame has a column."""
    report = edited(full(), "timeline.steady", None)
    for unit in report["timeline"]["units"]:
        unit["steady"] = None
    validate(report)
    text = section("Timeline", report)
    assert "First frame" in text
    assert "Frames that repeat" not in text
    assert "Frames that repeat" not in section("FIFOs", report)


def test_fifos_say_how_full_they_get():
    """Those of two entries are counted only; the deepest are drawn over time."""
    text = section("FIFOs")
    assert "9 FIFOs of 131,712 bits in all; 5 of 2 or 3 entries, which are registers, are left out." in text
    assert text.count(">509 of 512<") == 4
    assert text.count('class="strip"') == 2
    assert "First frame: conv0_fifo holds at most 509 of 512 beats" in text
    assert 'd="M0 40H0V40H480V16.56H720V0.2344H960V40z"' in text


def test_roofline_marks_the_bottleneck():
    """conv1 does all that its lanes allow; conv0 could do more if conv1 let it."""
    text = section("Roofline")
    assert "4. conv1: 128 operations a clock of 128, bound by its lanes, limits the rate" in text
    assert "1. conv0: 21.78 operations a clock of 32, bound by its lanes<" in text
    assert "roof of layer 4, which limits the rate: its lanes" in text
    assert text.count("<circle") == 6
    assert text.count('class="reach"') == 5
    assert text.count(">slowest<") == 1
    numbers = re.findall(r'class="point-text">([^<]*)<', text)
    assert sorted(int(n) for group in numbers for n in group.split(", ")) == [1, 2, 3, 4, 5, 6]
    for place in re.findall(r' (?:c?[xy][12]?)="(-?[\d.]+)%"', text):
        assert 0 <= float(place) <= 100


def test_roofline_of_one_layer_and_of_none_that_limits():
    """Axes have an extent all the same."""
    report = full()
    report["roofline"]["layers"] = report["roofline"]["layers"][:1]
    text = section("Roofline", report)
    assert text.count("<circle") == 1
    assert 'class="roof ' not in text
    assert "which limits the rate" not in text


def test_energy_adds_the_static_share():
    """By layer, and what belongs to none."""
    text = section("Energy")
    assert (
        "An inference takes 14 µJ, uncertain by 30 %: 7 µJ for switching and 7 µJ as its share of 33.76 mW "
        "that the part takes at rest; 67.52 mW in all at the rate above." in text
    )
    assert "fitted to netlists of the family" in text
    for words in (">4,021<", ">28.7 %<", ">7,000<", ">50 %<", "between layers", "static share"):
        assert words in text, words
    report = full()
    report["energy"] |= {"dynamic_uj": 0, "uj": 0, "mw": 0, "static_mw": 0, "layers": []}
    assert "<table" not in section("Energy", report)


@pytest.mark.parametrize(
    ("frames", "equal", "verdict", "words"),
    [
        (200, 200, PASSED, "The cycle model tells the clock in which each of 200 frames is out."),
        (
            200,
            199,
            FAILED,
            "The cycle model is wrong about 1 frame of 200, and so may",
        ),
        (0, 0, OPEN, "Clocks are the cycle model's; RTL was not simulated."),
    ],
)
def test_the_model_is_held_against_simulation(frames, equal, verdict, words):
    """A frame that leaves in another clock is a failed check."""
    report = full()
    report["cycle_model"] |= {"frames": frames, "frames_equal": equal}
    (check,) = [c for c in checks(report) if c.title == "Same clocks"]
    assert check.verdict == verdict
    assert check.finding.startswith(words)
    assert [c for c in checks(edited(report, "cycle_model", None)) if c.title == "Same clocks"] == []


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("cycle_model.frames_equal", 201, r"report\..*_equal: must be at most frames, 200, not 201\. .*"),
        ("timeline.first", None, r"report\.timeline\.first: must be an object, not None\. .*"),
        ("timeline.units.0.busy", 1.5, r"report\..*units\[0\]\.busy: must be at most 1, not 1\.5\. .*"),
        ("timeline.units.0.first.segments.0", [1], r"report\..*segments\[0\]: must have at least 5 .*"),
        ("fifos.0.depth", 1, r"report\.fifos\[0\]\.depth: must be at least 2, not 1\. .*"),
        ("roofline.layers.0.operations", 0, r"report\..*operations: must be above 0, not 0\. .*"),
        ("roofline.layers.0.bound", "disk", r"report\..*bound: must be one of .* not 'disk'\. .*"),
        ("energy.uncertainty", ..., r"report\.energy: must have the key 'uncertainty', not only .*"),
    ],
)  # fmt: skip
def test_schema_refuses(path, value, message):
    """What pictures could not be drawn of."""
    with pytest.raises(InputError, match=f"^{message}$"):
        validate(edited(full(), path, value))
