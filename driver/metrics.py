"""What a budget can limit: each figure of an estimate by name, and which way is worse."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from .options import ARM, FPGA

# Digits that are kept: enough to tell any change, and the same on every machine.
_DIGITS = 9


@dataclass(frozen=True)
class Metric:
    """A figure that a budget may limit.

    Attributes:
        label, unit: for people.
        higher: whether more is better; a limit is then the least.
        targets: whose figure it is.
        parts: what "50%" of a limit is of: "board", "all" (a share itself), or "" where it makes no sense.
    """

    label: str
    unit: str
    higher: bool = False
    targets: tuple[str, ...] = (FPGA, ARM)
    parts: str = ""

    def worse(self, value: float, than: float) -> bool:
        """Whether ``value`` is worse than another."""
        return value < than if self.higher else value > than


_BOARD = {"targets": (FPGA,), "parts": "board"}
METRICS: Mapping[str, Metric] = MappingProxyType(
    {
        "lut": Metric("LUT", "LUTs", **_BOARD),
        "ff": Metric("FF", "flip-flops", **_BOARD),
        "bram": Metric("BRAM", "blocks", **_BOARD),
        "dsp": Metric("DSP", "blocks", **_BOARD),
        "fmax_mhz": Metric("clock reachable", "MHz", higher=True, targets=(FPGA,)),
        "fps": Metric("rate", "frames/s", higher=True),
        "latency_us": Metric("latency", "µs"),
        "mw": Metric("power", "mW"),
        "uj": Metric("energy", "µJ/inference"),
        "instructions": Metric("instructions", "per inference", targets=(ARM,)),
        "accuracy": Metric("accuracy", "", higher=True, parts="all"),
    }
)


def figures(content: Mapping) -> dict[str, float]:
    """The figures that an estimate has, by the names of METRICS and in their order."""
    fpga, arm, energy = content["fpga"], content["arm"], content["energy"] or {}
    fmax = (fpga or {}).get("fmax") or {}
    found = {
        **(fpga["resources"]["total"] if fpga else {}),
        "fmax_mhz": fmax.get("mhz"),
        "fps": content["frames_per_second"],
        "latency_us": content["latency_us"],
        "mw": energy.get("mw"),
        "uj": energy.get("uj"),
        "instructions": arm["instructions"] if arm else None,
        "accuracy": (content["accuracy"] or {}).get("share"),
    }
    return {name: _kept(found[name]) for name in METRICS if found.get(name) is not None}


def _kept(value: float) -> float:
    return value if isinstance(value, int) else float(f"{value:.{_DIGITS}g}")
