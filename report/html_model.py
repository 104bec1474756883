"""The page's sections on the network: executors, layers, and what its numbers mean."""

from .bars import share_bar
from .markup import Markup, element, join, name, table
from .words import count, plural, shape, share, values

_NUMBER = "number"
# As many numbers of a per-channel list as are shown at once; the rest unfolds.
_SHOWN = 8


def executors_section(report: dict) -> Markup | None:
    """Agreement and accuracy of each executor; None when none ran."""
    if not report["executors"]:
        return None
    rows = [[_executor(e), _agreement(e), _accuracy(e)] for e in report["executors"]]
    heads = ["Executor", ("Agreement", "agreement"), ("Accuracy", _NUMBER)]
    return element("section", element("h2", "Agreement and accuracy"), table("Executors", heads, rows))


def _executor(e: dict) -> Markup:
    against = element("small", "against ", name(e["against"])) if e["against"] is not None else None
    note = element("small", e["note"], class_="remark") if e["note"] else None
    return join(name(e["name"]), against, note)


def _agreement(e: dict) -> Markup:
    if e["against"] is None or not e["inputs"]:
        return element("i", "not compared")
    verdict = "equal" if e["equal"] == e["inputs"] and e["values_equal"] == e["values"] else "differs"
    return join(
        element("span", verdict, class_="passed" if verdict == "equal" else "failed"),
        element("small", f"{count(e['equal'])} of {count(e['inputs'])} inputs"),
        element("small", f"{count(e['values_equal'])} of {count(e['values'])} values"),
    )


def _accuracy(e: dict) -> Markup:
    return element("i", "no labels") if e["accuracy"] is None else join(share(e["accuracy"]))


def layers_section(report: dict) -> Markup | None:
    """The nodes of the integer graph and their work; None for an empty graph."""
    layers, total = report["model"]["layers"], _operations(report["model"])
    if not layers:
        return None
    rows = []
    for layer in layers:
        part = _operations(layer) / total if total else 0
        bar = share_bar(min(part, 1), None, class_="fill calm")
        bits = layer.get("weight_bits")
        weights = f" · weights of {plural(bits, 'bit')}" if bits else None
        first = join(name(layer["name"]), element("small", name(layer["op"]), weights))
        adds = element("small", f"{count(layer['adds'])} additions") if layer.get("adds") else None
        work = join(count(layer["macs"]), adds, element("small", share(part)))
        rows.append([first, name(layer["type"]), bar, work])
    heads = ["Layer", "Result", ("Share of the work", "wide"), ("MACs a frame", _NUMBER)]
    note = "Range and shape of each result, channels last, multiply-accumulates (MACs) and other additions."
    body = table("Layers of the graph", heads, rows, class_="layers")
    return element("section", element("h2", "Layers"), element("p", note, class_="note"), body)


def _operations(work: dict) -> int:
    """Multiplications and additions; a multiply-accumulate is one of each."""
    return 2 * work["macs"] + work.get("adds", 0)


def values_section(report: dict) -> Markup:
    """What the integers that go in and come out mean as real numbers."""
    given, made = report["model"]["input"], report["output"]
    scale = "none stated by the model" if given["scale"] is None else f"{given['scale']:.6g}"
    cards = [_card("Input", given, [("Scale", join(scale))])]
    if made:
        more = [("Scale", _numbers(made["scale"])), ("Offset", _numbers(made["offset"]))]
        cards.append(_card("Output", made, more))
    note = "Real value = scale × integer + offset, where there are any."
    return element(
        "section",
        element("h2", "Input and output"),
        element("p", note, class_="note"),
        element("div", *cards, class_="cards"),
    )


def _card(title: str, tensor: dict, more: list[tuple[str, Markup]]) -> Markup:
    facts = [("Shape", join(shape(tensor["shape"]))), ("Integers", join(values(tensor["range"]))), *more]
    items = [element("div", element("dt", key), element("dd", value)) for key, value in facts]
    return element("div", element("h3", title), element("dl", *items, class_="plain"), class_="card")


def _numbers(numbers: list[float]) -> Markup:
    """A list of numbers, its tail folded away when it is long."""
    texts = [f"{x:.6g}".replace("-", "−") for x in numbers]
    if not texts:
        return join("none")
    if len(texts) <= _SHOWN:
        return join(", ".join(texts))
    summary = element("summary", ", ".join(texts[:_SHOWN]), f", … {count(len(texts))} in all")
    return element("details", summary, element("p", ", ".join(texts)))
