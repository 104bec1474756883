"""The report's page: whole, self-contained, legible, and proof against names from outside."""

import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest

import gatewright.report
from gatewright.errors import InputError
from gatewright.report import render
from gatewright.report.words import cut
from report_example import HOSTILE, edited, full, hostile, minimal

PACKAGE = Path(gatewright.report.__file__).parent
CHROMIUM_FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--dump-dom",
]


class Page(HTMLParser):
    """Tags, attributes and text of a page; fails on a tag that is not closed in order."""

    def __init__(self, page: str):
        super().__init__()
        self.open, self.tags, self.attributes, self.text = [], [], [], ""
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, *a) for a in attrs]
        if tag not in ("meta", "wbr"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


@pytest.mark.parametrize("report", [full(), minimal()], ids=["full", "minimal"])
def test_page_is_whole_and_refers_to_nothing_outside(report):
    page = render(report)
    parsed = Page(page)
    assert not {"script", "link", "img", "iframe", "object", "base", "form"} & set(parsed.tags)
    assert not re.search(r"//|url\(|@import|javascript:", page.replace("<!DOCTYPE", ""))
    assert [v for _, k, v in parsed.attributes if k in ("href", "src")] == sorted(report["files"].values())
    for tag in ("html", "main", "h1"):
        assert parsed.tags.count(tag) == 1
    assert parsed.tags.count("caption") == parsed.tags.count("table")


def test_page_says_what_the_report_says():
    text = Page(render(full())).text
    for words in (
        "digits_w4a4 on ULX3S-85F",
        "4,823 frames/s",
        "262.5 µs",
        "13,127 clocks, measured",
        "61.24 MHz reached, 50 MHz asked",
        "28,908 of 83,640 · 34.6 %",
        "estimate 72 · 51.2 % of the blocks' bits in use",
        "BRAM in use",
        "conv1_mvu limits the rate",
        "RTL in Verilator equals integer graph on all 200 inputs",
        "97.8 %",
        "0.00392157",
    ):
        assert words in text, words
    for unit in full()["clocks"]:
        assert unit["name"] in text


def test_page_is_the_same_for_equal_reports():
    assert render(full()) == render(
        json.loads(json.dumps(full() | {"seconds": {"graph": 9.0}}, sort_keys=True))
    )


def test_page_refuses_a_wrong_report():
    with pytest.raises(InputError, match=r"^report\.clocks: must be an array, not None\. .*$"):
        render(edited(full(), "clocks", None))


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_names_cannot_break_out(name):
    usual, parsed = Page(render(full())), Page(render(hostile(name)))
    assert set(parsed.tags) <= set(usual.tags)
    assert {(t, k) for t, k, _ in parsed.attributes} <= {(t, k) for t, k, _ in usual.attributes} | {
        ("span", "title")
    }
    assert all(c.isprintable() or c == "\n" for c in parsed.text)
    assert ("a", "href", "rtl/%3Cb%3E%26%22%27.v") in parsed.attributes
    if len(name) > 100:
        # Cut on the page, whole in a tooltip.
        assert cut(name, 40) in parsed.text
        assert ("span", "title", name) in parsed.attributes


def test_text_has_contrast():
    css = (PACKAGE / "page.css").read_text("utf-8")
    light, dark = (
        dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", part)) for part in css.split("@media", 2)[:2]
    )
    assert light.keys() == dark.keys()
    backs = {
        "good": ["good-back"],
        "bad": ["bad-back"],
        "open": ["open-back"],
        "slow": ["card"],
        "link": ["card"],
    }
    pairs = [(ink, back) for ink in ("ink", "soft") for back in ("page", "card")]
    pairs += [(ink, back) for ink, given in backs.items() for back in given]
    pairs += [("on", c) for c in light if re.fullmatch(r"c\d|none", c)]
    assert len(pairs) == 19
    for colors in (light, dark):
        assert {p: r for p in pairs if (r := contrast(colors[p[0]], colors[p[1]])) < 4.5} == {}
        assert {
            b: r for b in ("fill", "calm", "slow", "wait") if (r := contrast(colors[b], colors["card"])) < 3
        } == {}


def contrast(a: str, b: str) -> float:
    """The contrast ratio of WCAG 2."""

    def luminance(color):
        parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        r, g, b = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
        return 0.2126 * r + 0.7152 * g + 0.0722 * b

    light, dark = sorted((luminance(a), luminance(b)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_page_fits_every_screen(tmp_path):
    """Chromium lays out each page in frames of four widths; none may need sideways scrolling."""
    chromium = shutil.which("chromium")
    assert chromium, "Chromium is needed for this test: apt-get install chromium"
    pages = [render(r) for r in (full(), minimal(), hostile(HOSTILE[5]), hostile(HOSTILE[6]))]
    widths = (320, 390, 768, 1280)
    script = """
      const pages = PAGES, found = [];
      let left = pages.length * WIDTHS.length;
      pages.forEach((page, i) => WIDTHS.forEach(width => {
        const frame = document.createElement('iframe');
        frame.style.cssText = `width:${width}px;height:900px;border:0`;
        frame.onload = () => {
          const root = frame.contentDocument.documentElement;
          found.push([i, width, root.scrollWidth, frame.contentDocument.querySelectorAll('h1').length,
            root.scrollHeight]);
          if (--left == 0) document.body.textContent = 'FOUND' + JSON.stringify(found) + 'END';
        };
        frame.srcdoc = page;
        document.body.append(frame);
      }));"""
    sources = json.dumps(pages).replace("</", "<\\/")
    script = script.replace("PAGES", sources).replace("WIDTHS", str(list(widths)))
    (tmp_path / "frames.html").write_text(
        f"<!DOCTYPE html><meta charset=utf-8><body><script>{script}</script>", "utf-8"
    )
    command = [chromium, *CHROMIUM_FLAGS, f"--user-data-dir={tmp_path / 'profile'}"]
    done = subprocess.run(
        [*command, (tmp_path / "frames.html").as_uri()],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    found = json.loads(re.search(r"FOUND(.*)END", done.stdout)[1])
    assert len(found) == len(pages) * len(widths)
    assert [f for f in found if f[2] > f[1]] == []
    assert all(f[3] == 1 and f[4] > 500 for f in found)
