"""HTML as nested calls: what is not markup is escaped, and every tag that opens closes."""

import re
from html import escape

from .words import clean, cut

# HTML elements without content or closing tag.
_VOID = {"meta", "wbr"}
# Where a long name may continue on the next line.
_BREAKS = re.compile(r"([_./\]])(?=[\w\[])")


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


def element(tag: str, *children: str | None, **attributes: str | int | None) -> Markup:
    """``<tag attributes>children</tag>``; children that are not ``Markup`` are escaped.

    A trailing underscore of an attribute is dropped (``class_``) and inner ones become dashes;
    None leaves an attribute or a child out.

    >>> element("p", "a < b", class_="sum")
    '<p class="sum">a &lt; b</p>'
    """
    text = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(clean(str(value)))}"'
        for key, value in attributes.items()
        if value is not None
    )
    if tag in _VOID:
        return Markup(f"<{tag}{text}>")
    return Markup(f"<{tag}{text}>{join(*children)}</{tag}>")


def join(*children: str | None, between: str = "") -> Markup:
    """The children one after the other, escaped where they are not markup."""
    parts = (c if isinstance(c, Markup) else escape(clean(c)) for c in children if c is not None)
    return Markup(between.join(parts))


def name(text: str, width: int = 40) -> Markup:
    """A name from outside: cut to ``width`` characters, the whole of it in a tooltip."""
    whole = clean(text)
    shown = Markup(_BREAKS.sub(r"\1<wbr>", join(cut(whole, width))))
    return element("span", shown, class_="name", title=whole if len(whole) > width else None)


def fill_in(sentence: str, names: tuple[str, ...]) -> Markup:
    """``sentence`` with each ``{}`` replaced by a name from outside."""
    first, *rest = sentence.split("{}")
    pieces = [first]
    for value, text in zip(names, rest, strict=True):
        pieces += [name(value), text]
    return join(*pieces)


def table(
    caption: str, headers: list[str | tuple[str, str]], rows: list[list[str]], class_: str = ""
) -> Markup:
    """A table whose first column heads its rows; a header is its text, or text and a class.

    The caption is for screen readers: the page has headings for the rest.
    """
    heads = [h if isinstance(h, tuple) else (h, "") for h in headers]
    top = [element("th", text, scope="col", class_=c or None) for text, c in heads]
    body = []
    for first, *others in rows:
        cells = [element("td", v, class_=c or None) for v, (_, c) in zip(others, heads[1:], strict=True)]
        body.append(element("tr", element("th", first, scope="row", class_=heads[0][1] or None), *cells))
    return element(
        "table",
        element("caption", caption),
        element("thead", element("tr", *top)),
        element("tbody", join(*body, between="\n")),
        class_=class_ or None,
    )
