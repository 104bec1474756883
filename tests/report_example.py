"""A report as a compile of a small image classifier for a ULX3S would write it, and a bare one."""

import copy

from report_pictures import pictures

LAYERS = [
    ("conv0", "conv2d", "[-1143..1143][28, 28, 16]", 112896),
    ("act0", "threshold", "[0..15][28, 28, 16]", 0),
    ("pool0", "max_pool", "[0..15][14, 14, 16]", 0),
    ("conv1", "conv2d", "[-15120..15120][12, 12, 32]", 663552),
    ("act1", "threshold", "[0..15][12, 12, 32]", 0),
    ("pool1", "max_pool", "[0..15][6, 6, 32]", 0),
    ("fc0", "matmul", "[-120960..120960][10]", 11520),
    ("top1", "arg_max", "[0..9][1]", 0),
]
# name, module, layer, LUT, FF, BRAM, DSP, clocks for a frame
UNITS = [
    ("from_link", "gw_link_rx", "", 212, 188, 0, 0, 784),
    ("fifo_in", "gw_fifo", "", 41, 36, 1, 0, 784),
    ("conv0_window", "gw_sliding_window", "conv0", 388, 214, 2, 0, 7056),
    ("conv0_fifo", "gw_fifo", "conv0", 38, 29, 0, 0, 7056),
    ("conv0_mvu", "gw_matrix_vector", "conv0", 1904, 1377, 1, 16, 7056),
    ("act0_in", "gw_fifo", "act0", 97, 142, 0, 0, 784),
    ("act0_threshold", "gw_threshold", "act0", 2911, 2240, 0, 0, 784),
    ("pool0_window", "gw_sliding_window", "pool0", 402, 311, 4, 0, 784),
    ("pool0_max", "gw_max_pool", "pool0", 418, 377, 0, 0, 784),
    ("pool0_narrow", "gw_width_converter", "pool0", 131, 148, 0, 0, 784),
    ("conv1_in", "gw_fifo", "conv1", 55, 61, 1, 0, 784),
    ("conv1_window", "gw_sliding_window", "conv1", 521, 340, 4, 0, 5184),
    ("conv1_fifo", "gw_fifo", "conv1", 62, 73, 0, 0, 5184),
    ("conv1_mvu", "gw_matrix_vector", "conv1", 14872, 9630, 38, 96, 10368),
    ("conv1_out", "gw_fifo", "conv1", 88, 121, 0, 0, 1152),
    ("act1_threshold", "gw_threshold", "act1", 3384, 2712, 8, 0, 1152),
    ("act1_out", "gw_fifo", "act1", 47, 39, 0, 0, 1152),
    ("pool1_window", "gw_sliding_window", "pool1", 366, 287, 4, 0, 1152),
    ("pool1_max", "gw_max_pool", "pool1", 231, 196, 0, 0, 1152),
    ("pool1_narrow", "gw_width_converter", "pool1", 118, 132, 0, 0, 288),
    ("fc0_in", "gw_fifo", "fc0", 44, 38, 1, 0, 288),
    ("fc0_mvu", "gw_matrix_vector", "fc0", 1277, 988, 6, 8, 1440),
    ("top1_in", "gw_fifo", "top1", 61, 74, 0, 0, 10),
    ("top1_max", "gw_arg_max", "top1", 173, 121, 0, 0, 10),
    ("to_link", "gw_link_tx", "", 164, 143, 0, 0, 1),
]
KINDS = ("lut", "ff", "bram", "dsp")
REST = {"lut": 903, "ff": 611, "bram": 0, "dsp": 0}
CAPACITY = {"lut": 83640, "ff": 83640, "bram": 208, "dsp": 156}
PATH = [
    "conv1_mvu.weights.word_q[37]",
    "conv1_mvu.lanes[4].product_d",
    "conv1_mvu.tree.sum_d[11]",
    "conv1_mvu.accumulator_q[20]",
]


def full() -> dict:
    """25 units of 8 layers, routed, timing met, every executor equal."""
    units = [
        {
            "name": n, "module": m, "layer": layer, "source": "routed",
            **dict(zip(KINDS, amounts, strict=True)), "block_memory": filled(amounts[2]),
        }
        for n, m, layer, *amounts, _ in UNITS
    ]  # fmt: skip
    interval = max(u[-1] for u in UNITS)
    clocks = [
        {"name": u[0], "layer": u[2], "module": u[1], "interval_clocks": u[-1], "busy": u[-1] / interval}
        for u in UNITS
    ]
    return {
        "schema": "gatewright-report/1",
        "model": model(),
        "board": board(),
        "stage": "bitstream",
        "clock_mhz": 50.0,
        "interval_clocks": interval,
        "interval_source": "measured",
        "latency_clocks": 13127,
        "latency_source": "measured",
        "frames_per_second": 50e6 / interval,
        "resources": {
            "source": "routed",
            "total": {k: sum(u[k] for u in units) + REST[k] for k in KINDS},
            "estimated_total": {"lut": 31020, "ff": 18800, "bram": 72, "dsp": 120},
            "units": units,
            "block_memory": filled(72, 0.5125),
        },
        "clocks": clocks,
        "timing": {"asked_mhz": 50.0, "fmax_mhz": 61.24, "met": True, "critical_path": list(PATH)},
        "executors": executors(),
        "output": {"shape": [1], "range": [0, 9, 1], "scale": [], "offset": []},
        "files": {"bitstream": "digits.bit", "verilog": "rtl/digits.v", "page": "report.html"},
        "tools": {"gatewright": "0.1.0", "yosys": "0.70", "nextpnr-ecp5": "0.11.1", "verilator": "5.48"},
        "seconds": {"graph": 1.42, "rtl": 0.31, "simulate": 48.9, "synthesize": 131.0, "bitstream": 309.7},
    } | pictures(UNITS, LAYERS)


def filled(blocks: float, part: float = 0.25) -> dict | None:
    """That much of ``blocks`` of 18 kbit in use."""
    return {"blocks": blocks, "stored_bits": int(blocks * 18432 * part), "filled": part} if blocks else None


def board() -> dict:
    """The board that the design is for."""
    return {
        "name": "ulx3s_85f",
        "title": "ULX3S-85F",
        "part": "LFE5U-85F-6BG381C",
        "family": "ecp5",
        "capacity": dict(CAPACITY),
    }


def model() -> dict:
    """The network."""
    return {
        "name": "digits_w4a4",
        "file": "digits_w4a4.onnx",
        "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "input": {"shape": [1, 28, 28], "range": [0, 255, 1], "scale": 0.00392156862745098},
        "macs": sum(layer[3] for layer in LAYERS),
        "parameters": 6442,
        "layers": [
            {
                **dict(zip(("name", "op", "type", "macs"), layer, strict=True)),
                "weight_bits": 4 if layer[3] else None,
            }
            for layer in LAYERS
        ],
    }


def executors() -> list[dict]:
    """The float model, the integer graph, RTL in simulation, and the netlist."""
    rows = [
        ("integer graph", "Brevitas", 1000, 1000, 1000, 1000, 0.978, ""),
        ("cycle model", "integer graph", 200, 200, 200, 200, None, ""),
        ("RTL in Verilator", "integer graph", 200, 200, 200, 200, 0.985, "idle clocks and back-pressure"),
        ("routed netlist", "RTL in Verilator", 4, 4, 4, 4, None, "gate level, without delays"),
    ]
    keys = ("name", "against", "inputs", "equal", "values", "values_equal", "accuracy", "note")
    return [dict(zip(keys, row, strict=True)) for row in rows]


def minimal() -> dict:
    """A report of a stage that has produced nothing but the graph."""
    absent = ("board", "clock_mhz", "interval_clocks", "interval_source", "latency_clocks", "latency_source")
    return {
        "schema": "gatewright-report/1",
        "model": {**model(), "layers": [], "macs": 0, "parameters": 0},
        **dict.fromkeys((*absent, "frames_per_second", "resources", "timing", "output")),
        "stage": "graph",
        "clocks": [],
        "executors": [],
        "files": {},
        "tools": {},
        "seconds": {},
    }


HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "\x1b[2J\x07[bold]x[/bold] {}",
    "\u202egnp.exe \ud800 http://forged.example/",
    "features.0.a_very_long_module_path." * 20 + "conv.weight_quant",
    "m" * 300,
]


def edited(report: dict, path: str, value) -> dict:
    """A copy of a report with one entry replaced, or taken out when ``value`` is ``...``."""
    *parents, last = [int(k) if k.isdigit() else k for k in path.split(".")]
    result = copy.deepcopy(report)
    holder = result
    for key in parents:
        holder = holder[key]
    if value is ...:
        del holder[last]
    else:
        holder[last] = value
    return result


def hostile(name: str) -> dict:
    """The full report with every name from outside replaced."""
    report = full()
    report["model"] |= {"name": name, "file": name}
    report["board"] |= {"title": name, "part": name, "family": name}
    for entry in report["model"]["layers"]:
        entry |= {"name": name, "op": name, "type": name}
    for entry in (*report["resources"]["units"], *report["clocks"]):
        entry |= {"name": name, "module": name, "layer": name}
    for entry in (*report["timeline"]["units"], *report["fifos"], *report["roofline"]["layers"]):
        entry |= {key: name for key in ("name", "module", "layer", "op") if key in entry}
    for entry in report["energy"]["layers"]:
        entry["name"] = name
    report["energy"]["source"] = name
    for entry in report["executors"]:
        entry |= {"name": name, "against": name, "note": name}
    report["timing"]["critical_path"] = [name] * 3
    report["tools"] = {name: name}
    report["files"] = {"bitstream": "a.bit", name: "rtl/<b>&\"'.v"}
    return report
