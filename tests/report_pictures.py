"""The optional keys of the example report that the cycle model and the energy estimate fill."""

FIRST, STEADY = {"start": 0, "clocks": 13127}, {"start": 20736, "clocks": 10368}
# Clocks of a frame that a layer's lanes, buffer and streams take, and the bits that it moves.
ROOFS = [
    ("conv0", 225792, 25088 + 200704, 7056, 7056, 784),
    ("act0", 188160, 62720, 784, None, 784),
    ("pool0", 9408, 62720, 784, 784, 784),
    ("conv1", 1327104, 93184, 10368, 5184, 5184),
    ("act1", 69120, 92160, 1152, None, 1152),
    ("fc0", 23040, 4788, 1440, None, 288),
]


def pictures(units: list[tuple], layers: list[tuple]) -> dict:
    """The keys of a network that these units and layers make up."""
    working = [u for u in units if u[1] != "gw_fifo" and not u[1].startswith("gw_link")]
    fifos = [u for u in units if u[1] == "gw_fifo"]
    return {
        "cycle_model": {
            "latency_clocks": 13127, "interval_clocks": 10368.0, "frames": 200, "frames_equal": 200,
        },
        "timeline": {"first": FIRST, "steady": STEADY, "units": [unit(u) for u in working]},
        "fifos": [fifo(n, u) for n, u in enumerate(fifos)],
        "roofline": roofline({layer[0]: layer[1] for layer in layers}),
        "energy": energy([layer[0] for layer in layers]),
    }  # fmt: skip


def unit(u: tuple) -> dict:
    """A unit that works as long as it must, then waits for room as long as for beats."""
    busy = round(u[-1] / 10368, 4)
    rest = round((1 - busy) / 2, 4)
    steps = [round(share * 20) / 20 for share in (busy, rest, rest)]
    first = [[136, 6563, 1.0, 0, 0], [6563, 13127, *steps]]
    return {
        "name": u[0], "module": u[1], "layer": u[2], "busy": busy, "stalled": rest, "waiting": rest,
        "first": {"frames": [[100, 13127], [10468, 23495]], "segments": first},
        "steady": {"frames": [[10468, 23495], [20836, 33863]], "segments": [[20736, 31104, *steps]]},
    }  # fmt: skip


def fifo(n: int, u: tuple) -> dict:
    """Every other one deep enough to be shown, the first of these over time."""
    depth = (2, 512)[n % 2]
    levels = (
        {"first": [[0, 0], [6563, 300], [9845, 509]], "steady": [[20736, 509], [25920, 12]]} if n == 1 else {}
    )
    return {
        "name": u[0], "layer": u[2], "depth": depth, "bits": 64, "most": depth - 1 if depth < 4 else 509,
        "first": levels.get("first"), "steady": levels.get("steady"),
    }  # fmt: skip


def roofline(ops: dict[str, str]) -> dict:
    """conv1 limits the rate."""
    keys = ("name", "operations", "bits", "compute_clocks", "memory_clocks", "stream_clocks")
    layers = [dict(zip(keys, row, strict=True)) for row in ROOFS]
    for layer in layers:
        layer |= {"op": ops[layer["name"]], "bound": "compute", "bottleneck": layer["name"] == "conv1"}
    return {"interval_clocks": 10368.0, "operations_per_second": 8885416667.0, "layers": layers}


def energy(layers: list[str]) -> dict:
    """Half of it switching; nothing is known of what the last layer takes."""
    dynamic = [1200.5, 310.0, 45.2, 4021.0, 122.0, 30.1, 205.0, 0.0]
    rows = [{"name": name, "dynamic_nj": nj} for name, nj in zip(layers, dynamic, strict=True)]
    rows.append({"name": "", "dynamic_nj": 1066.2})
    return {
        "dynamic_uj": 7.0, "static_mw": 33.76, "mw": 67.52, "uj": 14.0, "uncertainty": 0.3,
        "source": "fitted to netlists of the family", "layers": rows,
    }  # fmt: skip
