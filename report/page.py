"""What all our HTML pages share: the head, its policy and style, and how sections follow each other."""

from collections.abc import Iterable
from importlib.resources import files

from .markup import Markup, element, join

# Inline styles are all a page needs; nothing in it may load or run, whatever a name may hold.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
_BREAK = Markup("\n")


def page(title: str, headline: Markup, sections: Iterable[Markup | None], footer: Markup) -> str:
    """A self-contained page; sections that are None are left out."""
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", title),
        element("style", Markup(files(__package__).joinpath("page.css").read_text("utf-8"))),
    )
    main = element("main", headline, *[s and join(_BREAK, s) for s in sections])
    body = element("body", main, _BREAK, footer)
    return "<!DOCTYPE html>\n" + element("html", head, _BREAK, body, lang="en") + "\n"
