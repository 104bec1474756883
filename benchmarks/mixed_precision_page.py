"""The page of ``mixed_precision.py``."""

from collections.abc import Mapping

from adder_table import paragraph

_METHODS = ("mse", "unitwise")


def page(
    values: Mapping,
    cases: Mapping[str, tuple[str, int]],
    board: str,
    widths: tuple[int, ...],
    places: tuple[float, ...],
) -> str:
    """The page's Markdown from the results of the work folder; what was not measured stays out.

    Args:
        cases: title and clocks a frame, by name.
    """
    shown = ", ".join(map(str, widths))
    lines = [
        "# Mixed precision against uniform widths",
        "",
        paragraph(
            "Written by `python benchmarks/mixed_precision.py --data DIR --work DIR --write "
            "docs/quant-mixed.md`; do not edit it by hand. How widths are chosen: "
            "[quantize.md](quantize.md), `--budget`."
        ),
        "",
        paragraph(
            f"Each budget is of LUTs as estimated for {board}, products in LUTs; budgets lie on and between "
            "the designs of W2A2, W3A3 and W4A4. Mixed: the widths chosen, weights/input of each inner layer "
            f"in order, of {shown}; the first and the last layer have 8/8. Uniform: of the three pairs of "
            "widths, equal in all inner layers, that keep the budget with the least error, the one whose "
            "network is right most often **on the test images**, so that chance favours it. Error: squared, "
            "of the outputs on 256 training images, relative to their power; of all the search sees 1,024. "
            "Then, in percent, how many test images are right after quantizing by `mse`, and where it was "
            "measured by `unitwise`, for these widths. Each quantized network's integer graph gave the "
            "module's outputs on 16 test images. One test image of digits is 0.28 points, one of CIFAR-10 "
            "0.10."
        ),
    ]
    lines += ["", paragraph(_summary(values, cases, places))]
    for name, (title, interval) in cases.items():
        rows = [values[f"{name} {place}"] for place in places if f"{name} {place}" in values]
        if rows:
            lines += ["", f"## {title}", ""]
            lines += [f"Float: {values[f'{name} float']:.2f} %. A frame in {interval:,} clocks.", ""]
            lines += _table(rows)
    return "\n".join([*lines, ""])


def _summary(values: Mapping, cases: Mapping, places: tuple[float, ...]) -> str:
    """How mixed widths compare, in all and by data set."""
    said = []
    for what, start in (("digits", "digits"), ("the CIFAR-10 slice", "cifar")):
        rows = [values[f"{name} {place}"] for name in cases if name.startswith(start) for place in places
                if f"{name} {place}" in values]  # fmt: skip
        more = [row["mixed"]["mse"] - row["uniform"]["mse"] for row in rows]
        if more:
            said.append(
                f"On {what}, mixed widths are right at least as often in {sum(m >= 0 for m in more)} of "
                f"{len(more)} budgets, by {sum(more) / len(more):.1f} points on the mean "
                f"({min(more):+.1f} to {max(more):+.1f})."
            )
            short = [row for row, m in zip(rows, more, strict=True) if m < 0]
            if short and all(row["mixed"]["error"] < row["uniform"]["error"] for row in short):
                said.append("Where they fall short, their error is less all the same.")
    return " ".join(said)


def _table(rows: list[Mapping]) -> list[str]:
    methods = [m for m in _METHODS if any(m in row["mixed"] for row in rows)]
    lines = ["| Budget | | Widths | LUT | Error | " + " | ".join(methods) + " |"]
    lines.append("|---:|---|---|---:|---:|" + "---:|" * len(methods))
    for row in rows:
        for kind, head in (("mixed", f"{row['limit']:,.0f}"), ("uniform", "")):
            at = row[kind]
            percents = " | ".join(f"{at[m]:.2f}" if m in at else "" for m in methods)
            lines.append(
                f"| {head} | {kind} | {at['bits']} | {at['lut']:,.0f} | {at['error']:.4f} | {percents} |"
            )
    return lines
