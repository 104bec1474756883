"""A check as GitHub's workflow commands, which annotate the budget file."""

from .check_words import failed, finding, label, one_line, title


def annotations(content: dict, file: str) -> str:
    """One line per failure: ``::error file=...,title=...::message``; none in a check that passed.

    Args:
        file: path of the budget from the repository's root.
    """
    lines = []
    for case in content["cases"]:
        if case["error"]:
            lines.append(_error(file, f"{title(case)}: not estimated", one_line(case["error"])))
        lines += [
            _error(file, f"{title(case)}: {label(row['metric'])}", finding(row))
            for row in case["rows"]
            if failed(row)
        ]
    return "".join(lines)


def _error(file: str, heading: str, message: str) -> str:
    return f"::error file={_property(file)},title={_property(heading)}::{_data(message)}\n"


def _data(text: str) -> str:
    """A message, escaped as GitHub's toolkit does."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    """A property's value, which also ends at colons and commas."""
    return _data(text).replace(":", "%3A").replace(",", "%2C")
