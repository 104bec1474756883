"""Parts of pages that a script writes, between two comments."""

from pathlib import Path

_END = "<!-- end -->"


def replace(page: Path, name: str, text: str) -> None:
    """Put text between ``<!-- name -->`` and the next ``<!-- end -->``.

    Raises:
        ValueError: the page lacks either.
    """
    head, begin, rest = page.read_text().partition(f"<!-- {name} -->\n")
    _, end, tail = rest.partition(_END)
    if not begin or not end:
        raise ValueError(f"{page}: must have the comments {name!r} and 'end'.")
    page.write_text(f"{head}{begin}\n{text.strip()}\n\n{end}{tail}")
