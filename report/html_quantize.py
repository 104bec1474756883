"""A quantized network as one self-contained page: accuracy, noise by layer, the layers that hurt most."""

from .bars import share_bar
from .formats import QUANTIZE
from .markup import Markup, element, join, name, table
from .page import page
from .words import clean, count, cut, plural, shape, share

_NUMBER = "number"
# Bars of noise end here: more than this, nobody can see the noise.
_FULL_DB = 60.0
# Layers that are named first.
_WORST = 5


def render_quantize(report: dict) -> str:
    """The page of a report; equal reports give equal pages (``seconds`` is left out for that).

    Raises:
        InputError: the report breaks the schema.
    """
    QUANTIZE.validate(report)
    title = f"{clean(cut(report['model']['name'], 60))} – gatewright quantize"
    sections = [_accuracy(report), _worst(report), _layers(report)]
    return page(title, _headline(report), sections, _footer(report))


def worst_layers(report: dict) -> list[dict]:
    """The layers that hurt most when they alone are quantized, the worst first."""
    return sorted(report["layers"], key=lambda layer: layer["alone_db"])[:_WORST]


def _headline(report: dict) -> Markup:
    model, bits, method = report["model"], report["bits"], report["method"]
    facts = [
        join(shape(model["shape"]), " input"),
        f"{count(model['macs'])} multiply-accumulates a frame",
        f"{count(model['parameters'])} weights",
        f"seed {report['seed']}",
    ]
    widths = f"{bits['weights']} / {bits['activations']}"
    right, ends = report["accuracy"], plural(bits["first_last"], "bit")
    figures = [
        _figure("Bits", widths, "weights / activations", f"{ends} first and last"),
        _figure("Output", f"{report['sqnr_db']:.1f}", "dB signal to noise", None),
        _figure("Accuracy", share(right["integer"]) if right else None, "",
                f"float {share(right['float'])}" if right else "no labels"),
        _figure("Equal to its module", count(report["equal_frames"]), "frames", "every integer"),
    ]  # fmt: skip
    return element(
        "header",
        element("p", "gatewright quantize", class_="eyebrow"),
        element("h1", name(model["name"], 60), element("span", " by ", class_="on"), name(method["name"])),
        element("p", join(*facts, between=" · "), class_="facts"),
        element("dl", *figures, class_="figures"),
    )


def _figure(label: str, value: str | None, unit: str, more: str | None) -> Markup:
    shown = [element("b", value), " ", element("span", unit)] if value else [element("i", "unknown")]
    return element(
        "div",
        element("dt", label),
        element("dd", *shown, class_="value"),
        element("dd", more, class_="more") if more else None,
    )


def _accuracy(report: dict) -> Markup | None:
    right = report["accuracy"]
    if right is None:
        return None
    where = "frames of their own" if report["tested_on"] == "test" else "the frames that the method saw"
    rows = [
        [label, share_bar(right[key], None), share(right[key])]
        for label, key in (("Float network", "float"), ("Integer graph", "integer"))
    ]
    note = f"{count(report['frames']['tested'])} frames: {where}."
    return element(
        "section",
        element("h2", "Accuracy before and after"),
        element("p", note, class_="note"),
        table("Accuracy", ["Network", ("Frames that are right", "wide"), ("Share", _NUMBER)], rows),
    )


def _worst(report: dict) -> Markup:
    rows = [
        [_titled(layer), _bar(layer["alone_db"], "fill slow"), f"{layer['alone_db']:.1f} dB"]
        for layer in worst_layers(report)
    ]
    note = (
        "Signal to noise at the network's output when this layer alone is quantized, by least squared error: "
        "the shorter the bar, the more the layer hurts. Give these more bits first."
    )
    return element(
        "section",
        element("h2", "Layers that hurt most"),
        element("p", note, class_="note"),
        table("Layers that hurt most", ["Layer", ("Alone", "wide"), ("At the output", _NUMBER)], rows),
    )


def _layers(report: dict) -> Markup:
    rows = []
    for layer in report["layers"]:
        known = layer["sqnr_db"] is not None
        rows.append(
            [
                _titled(layer),
                _bar(layer["sqnr_db"], "fill calm") if known else element("i", "not comparable"),
                f"{layer['sqnr_db']:.1f} dB" if known else "",
                count(layer["weights"]),
            ]
        )
    heads = ["Layer", ("Signal to noise of its outputs", "wide"), ("", _NUMBER), ("Weights", _NUMBER)]
    note = (
        f"In the quantized network against the float one, on the same images; bars end at {_FULL_DB:.0f} dB."
    )
    return element(
        "section",
        element("h2", "Every layer"),
        element("p", note, class_="note"),
        table("Every layer", heads, rows, class_="layers"),
    )


def _titled(layer: dict) -> Markup:
    widths = f"{layer['weight_bits']} bits of weights, {layer['input_bits']} of the input"
    return join(name(layer["name"]), element("small", name(layer["kind"]), f" · {widths}"))


def _bar(db: float, class_: str) -> Markup:
    return share_bar(min(max(db, 0.0) / _FULL_DB, 1.0), None, class_=class_)


def _footer(report: dict) -> Markup:
    model = report["model"]
    source = [name(model["file"], 60), ", SHA-256 ", element("code", model["sha256"])]
    return element(
        "footer",
        element("p", "Model ", *(source if model["file"] else ["in memory"])),
        element("p", "The same figures for machines: ", element("code", "gatewright quantize --json")),
    )
