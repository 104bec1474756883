"""The page of fpga_networks.py."""

from collections import defaultdict

_KINDS = ("lut", "ff", "bram", "dsp")
# Resources and rates that others published: MLPerf Tiny v0.7, open division, hls4ml-FINN team; BNN-PYNQ's
# README, Vivado 2018.2.
_PUBLISHED = {
    "kws": ("MLPerf Tiny v0.7, hls4ml-FINN (Pynq-Z2)", 57268, None),
    "cnv": ("BNN-PYNQ (Pynq-Z1/Z2, Vivado 2018.2)", 9150, (26072, 41312, 124, 24)),
}
_TITLES = {
    "kws": "Keyword spotting, 3-bit weights and activations",
    "cnv": "CNV, 1-bit weights and activations",
    "resnet18": "ResNet-18, 4-bit weights and activations, 64x64",
}
_ABOUT = {
    "kws": "The MLPerf Tiny submission's own QONNX file, 20 of its test frames.",
    "cnv": "FINN's CNV: 6 convolutions and 3 dense layers on 32x32 8-bit colour images, random signs as "
    "weights, batch norms that know their statistics, 3 random images. BNN-PYNQ's figures are those of its "
    "whole overlay after Vivado's place and route; ours are the accelerator alone, mapped by Yosys, which "
    "counts every LUT function by itself where Vivado packs two small ones into one LUT.",
    "resnet18": "Defined and quantized in Brevitas at the paper's widths, random weights, batch norms that "
    "know their statistics, exported as QONNX.",
}
_HEAD = """# Published networks on FPGA boards

Made by `python benchmarks/fpga_networks.py --work DIR`, then `--report docs/fpga-networks.md`.
Each network is compiled by `gatewright compile` in a process of its own.
Seconds are CPU seconds of all of it, Yosys and Verilator included; memory is that of the largest process.
*Frames/s* at the board's clock follow from the interval, measured in the simulation where that has frames
enough.
Yosys is {yosys}; nothing here was placed and routed, since no free tool does for these parts.
"""


def page(found: dict[str, dict]) -> str:
    """The results, by network name, as Markdown."""
    yosys = next(iter(found.values()))["report"]["tools"]["yosys"]
    return _HEAD.format(yosys=yosys) + "".join(_section(name, one) for name, one in found.items())


def _section(name: str, found: dict) -> str:
    report, board = found["report"], found["report"]["board"]
    lines = [f"\n## {_TITLES[name]}\n", f"{_ABOUT[name]}\n", _table(name, found)]
    if found["too_small"]:
        lines.append(
            f"It does not fit the {board['title']}; the compile says so:\n\n    {found['too_small']}\n\n"
            "The row above is for the same part with as much block RAM as it takes.\n"
        )
    lines.append(_checks(found))
    lines.append(_modules(report["resources"]["units"]))
    return "\n".join(lines)


def _table(name: str, found: dict) -> str:
    report = found["report"]
    head = "| | Clocks a frame | Frames/s | LUT | FF | BRAM36 | DSP |\n|---|---|---|---|---|---|---|\n"
    resources = report["resources"]
    clock = report["clock_mhz"]
    rows = []
    for label, total in (("synthesized", resources["total"]), ("estimated", resources["estimated_total"])):
        if label == "synthesized" and resources["source"] == "estimated":
            continue
        figures = " | ".join(f"{total[kind]:,g}" for kind in _KINDS)
        interval = f"{report['interval_clocks']:,} ({report['interval_source']})"
        rate = f"{report['frames_per_second']:,.0f}"
        rows.append(f"| gatewright, {label}, {clock:g} MHz | {interval} | {rate} | {figures} |\n")
    if name in _PUBLISHED:
        who, rate, taken = _PUBLISHED[name]
        figures = " | ".join(f"{v:,}" for v in taken) if taken else "- | - | - | -"
        rows.append(f"| {who} | - | {rate:,} | {figures} |\n")
    capacity = report["board"]["capacity"] if not found["too_small"] else None
    if capacity:
        figures = " | ".join(f"{capacity[kind]:,}" for kind in _KINDS)
        rows.append(f"| {report['board']['title']} has | | | {figures} |\n")
    return head + "".join(rows)


def _checks(found: dict) -> str:
    """Equality, lint, and what the compile took."""
    report = found["report"]
    equal = [
        f"{e['name']} = {e['against']} on {e['equal']} of {e['inputs']} frames"
        for e in report["executors"]
        if e["against"]
    ]
    lint = "is silent" if not found["lint"] else f"says {found['lint'].count('%Warning')} warnings"
    stages = ", ".join(f"{stage} {seconds:g} s" for stage, seconds in report["seconds"].items())
    return (
        f"{'; '.join(equal) or 'Not simulated'}. Verilator -Wall {lint}.\n"
        f"Compile: {_took(found)}by the clock of a busy machine {stages}.\n"
    )


def _took(found: dict) -> str:
    """CPU seconds and memory, unless the report is of a compile that was run by hand."""
    return f"{found['cpu_s']:.0f} s CPU, {found['memory_gb']:.1f} GB; " if "cpu_s" in found else ""


def _modules(units: list[dict]) -> str:
    """Resources by kind of unit, the largest first."""
    sums: dict[str, dict] = defaultdict(lambda: dict.fromkeys(("count", *_KINDS), 0))
    for unit in units:
        one = sums[unit["module"]]
        one["count"] += 1
        for kind in _KINDS:
            one[kind] += unit[kind]
    rows = [
        f"| `{module}` | {one['count']} | " + " | ".join(f"{one[kind]:,g}" for kind in _KINDS) + " |\n"
        for module, one in sorted(sums.items(), key=lambda item: -item[1]["lut"])
    ]
    head = "| Unit | Instances | LUT | FF | BRAM36 | DSP |\n|---|---|---|---|---|---|\n"
    return head + "".join(rows)
