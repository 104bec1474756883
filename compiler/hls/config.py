"""What a user may say of an HLS design: io type, reuse, strategy, part, clock; also in hls4ml's own file."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import yaml

from ...errors import InputError
from .rules import STREAM

IO_TYPES = ("io_parallel", STREAM)
STRATEGIES = ("latency", "resource", "resource_unrolled", "unrolled")
_LEFT_OUT = ("Precision",)
_KNOWN = (
    "ReuseFactor",
    "Strategy",
    "Precision",
    "ParallelizationFactor",
    "ConvImplementation",
    "PipelineStyle",
)


@dataclass(frozen=True)
class Settings:
    """How hls4ml is to make the design.

    Attributes:
        part: the device, as the vendor spells it; clock_ns: the clock's period.
        io_type: io_parallel (whole tensors at once) or io_stream.
        model: hls4ml's keys for all layers, such as ReuseFactor and Strategy; precisions are the graph's.
        layers: the same by a layer's name.
    """

    part: str
    clock_ns: float
    io_type: str = "io_parallel"
    model: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))
    layers: Mapping[str, Mapping[str, object]] = field(default_factory=lambda: MappingProxyType({}))

    def __post_init__(self):
        if self.io_type not in IO_TYPES:
            raise InputError(f"hls: IOType must be one of {', '.join(IO_TYPES)}, not {self.io_type!r}")

    def hls_config(self, precisions: Mapping[str, Mapping[str, str]]) -> dict:
        """hls4ml's HLSConfig with each layer's precisions, which the graph alone decides."""
        model = {"ReuseFactor": 1, "Strategy": "Latency", **self.model, "Precision": "ap_int<32>"}
        named = {
            name: {**self.layers.get(name, {}), "Precision": dict(types)}
            for name, types in precisions.items()
        }
        return {"Model": model, "LayerName": named}


def read_settings(path: Path, part: str, clock_ns: float) -> Settings:
    """Settings of a hls4ml configuration file (YAML): IOType, Part, ClockPeriod, and HLSConfig's Model and
    LayerName; precisions in it are left out, as the graph's are exact.

    Raises:
        InputError: not YAML, or a key of HLSConfig that is not known.
    """
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"hls: {path} must be readable, not {error.strerror or error}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"hls: {path} must be YAML as hls4ml writes it, but {error}") from error
    if not isinstance(data, dict):
        raise InputError(f"hls: {path} must hold keys such as IOType, not {type(data).__name__}")
    config = _table(path, data.get("HLSConfig", {}), "HLSConfig")
    layers = _table(path, config.get("LayerName", {}), "HLSConfig.LayerName")
    return Settings(
        str(data.get("Part") or part),
        _period(path, data.get("ClockPeriod") or clock_ns),
        str(data.get("IOType") or "io_parallel"),
        _keys(path, config.get("Model", {}), "HLSConfig.Model"),
        {str(name): _keys(path, keys, f"HLSConfig.LayerName.{name}") for name, keys in layers.items()},
    )


def _period(path: Path, value: object) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or value <= 0:
        raise InputError(f"hls: {path}: ClockPeriod must be a positive number of ns, not {value!r}")
    return float(value)


def _table(path: Path, value: object, where: str) -> dict:
    if not isinstance(value, dict):
        raise InputError(f"hls: {path}: {where} must be a table, not {value!r}")
    return value


def _keys(path: Path, value: object, where: str) -> dict[str, object]:
    table = _table(path, value, where)
    for key, given in table.items():
        if key not in _KNOWN:
            raise InputError(f"hls: {path}: {where}.{key} must be one of {', '.join(_KNOWN)}")
        if key == "ReuseFactor" and (not isinstance(given, int) or isinstance(given, bool) or given < 1):
            raise InputError(f"hls: {path}: {where}.ReuseFactor must be a whole number from 1, not {given!r}")
        if key == "Strategy" and str(given).lower() not in STRATEGIES:
            raise InputError(
                f"hls: {path}: {where}.Strategy must be one of {', '.join(STRATEGIES)}, not {given!r}"
            )
    return {key: given for key, given in table.items() if key not in _LEFT_OUT}
