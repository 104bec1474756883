"""A check as JUnit XML: a test suite per case, a test per limit."""

from collections.abc import Sequence
from xml.etree import ElementTree as Xml

from .check_words import amount, change, failed, finding, label, limit, one_line, title
from .words import clean


def junit(content: dict, seconds: Sequence[float]) -> str:
    """The XML of a check.

    Args:
        seconds: what each case took.
    """
    root = Xml.Element("testsuites", name="gatewright check")
    for case, took in zip(content["cases"], seconds, strict=True):
        root.append(_suite(case, took))
    for name in ("tests", "failures", "errors", "skipped"):
        root.set(name, str(sum(int(suite.get(name)) for suite in root)))
    root.set("time", f"{sum(seconds):.3f}")
    Xml.indent(root, " ")
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + Xml.tostring(root, "unicode") + "\n"


def _suite(case: dict, seconds: float) -> Xml.Element:
    suite = Xml.Element("testsuite", name=title(case))
    names = ".".join(clean(case[key]) for key in ("model", "board", "target"))
    estimated = Xml.SubElement(suite, "testcase", classname=names, name="estimate", time=f"{seconds:.3f}")
    errors = failures = 0
    if case["error"]:
        said = one_line(case["error"])
        Xml.SubElement(estimated, "error", type="error", message=said).text = said
        errors = 1
    limited = [row for row in case["rows"] if row["verdict"] != "free"]
    for row in limited:
        test = Xml.SubElement(suite, "testcase", classname=names, name=label(row["metric"]), time="0.000")
        if failed(row):
            said = finding(row)
            Xml.SubElement(test, "failure", type=row["verdict"], message=said).text = said
            failures += 1
        else:
            Xml.SubElement(test, "system-out").text = _kept(row)
    counts = {"tests": 1 + len(limited), "failures": failures, "errors": errors, "skipped": 0}
    for name, count in counts.items():
        suite.set(name, str(count))
    suite.set("time", f"{seconds:.3f}")
    return suite


def _kept(row: dict) -> str:
    value = f"{amount(row, row['value'])} {row['unit']}".rstrip()
    since = "" if row["change"] is None else f", change {change(row)}"
    return f"{value}, limit {limit(row)}{since}"
