"""A quantized network in the terminal."""

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from .html_quantize import worst_layers
from .words import clean, share

_BAR = 24
_FULL_DB = 60.0


def show_quantize(report: dict, console: Console) -> None:
    """Accuracy, noise by layer with bars, and the layers that hurt most."""
    bits, right = report["bits"], report["accuracy"]
    title = f"{report['model']['name']} by {report['method']['name']}"
    console.print(
        f"\n[bold]{escape(clean(title))}[/]  {bits['weights']} bits of weights, {bits['activations']} of "
        f"activations, {bits['first_last']} first and last"
    )
    if right:
        where = "" if report["tested_on"] == "test" else " (on the frames that the method saw)"
        console.print(
            f"accuracy  float {share(right['float'])}, integer [bold]{share(right['integer'])}[/]{where}"
        )
    console.print(f"output    {report['sqnr_db']:.1f} dB signal to quantization noise")
    console.print(f"equal     integer graph = quantized module on all {report['equal_frames']} frames\n")
    table = Table(box=None, pad_edge=False)
    for head, side in (("layer", "left"), ("W/A", "right"), ("outputs, signal to noise", "left"),
                       ("dB", "right"), ("alone, dB", "right")):  # fmt: skip
        table.add_column(head, justify=side)
    for layer in report["layers"]:
        db = layer["sqnr_db"]
        bar = "" if db is None else "█" * round(_BAR * min(max(db, 0) / _FULL_DB, 1))
        table.add_row(
            escape(clean(layer["name"])), f"{layer['weight_bits']}/{layer['input_bits']}", bar,
            "" if db is None else f"{db:.1f}", f"{layer['alone_db']:.1f}",
        )  # fmt: skip
    console.print(table)
    names = ", ".join(clean(layer["name"]) for layer in worst_layers(report))
    console.print(f"\nhurt most when quantized alone: {escape(names)}")
