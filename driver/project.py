"""The folder that a compile leaves: where things are in it, and reading it back."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

from ..compiler.ir.graph import Graph
from ..compiler.ir.io import load
from ..compiler.ir.types import Int
from ..errors import InputError, LoweringError
from ..hw.design import Design, Port, Stream
from ..hw.store import Columns
from ..hw.xls import XLS_PIPELINE
from .design_file import read_design

TOP = "accelerator"
EXAMPLE = "example"
_LIBRARY_SCHEMA = "gatewright-library/1"
_DTYPES = ("int8", "int16", "int32", "int64")
_DESIGN_SCHEMA = "gatewright-design/1"
_Read = TypeVar("_Read")


@dataclass(frozen=True)
class Interface:
    """What a simulator or a host needs to know of the hardware: both streams of ``accelerator``."""

    input: Stream
    output: Stream


@dataclass(frozen=True)
class Placed:
    """A tensor as the C library has it: elements ``value - offset`` of ``dtype``, in row-major order."""

    dtype: str
    offset: int
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Library:
    """What whoever runs the example program needs to know of the library; ``core`` as qemu calls it."""

    name: str
    core: str
    threads: int
    input: Placed
    output: Placed


@dataclass(frozen=True)
class Project:
    """Paths inside an output folder."""

    root: Path

    @property
    def graph_file(self) -> Path:
        """The lowered integer graph."""
        return self.root / "graph.onnx"

    @property
    def design_file(self) -> Path:
        """Streams and instances of the hardware."""
        return self.root / "design.json"

    @property
    def rtl(self) -> Path:
        """Verilog and memory files."""
        return self.root / "rtl"

    @property
    def build(self) -> Path:
        """Where synthesis and place-and-route work, with their logs."""
        return self.root / "build"

    def hls(self) -> Path:
        """The HLS project.

        Raises:
            InputError: there is none in the folder.
        """
        folder = self.root / "hls"
        if not (folder / "firmware").is_dir():
            raise InputError(
                f"run: {self.root} holds no HLS project. Compile for an AMD board with --via hls."
            )
        return folder

    @property
    def library_file(self) -> Path:
        """What the C library takes and gives."""
        return self.root / "library.json"

    @property
    def library_sources(self) -> Path:
        """What the C library was built of."""
        return self.root / "src"

    def library(self) -> Library:
        """The C library's description.

        Raises:
            InputError: there is no library in the folder, or its description is damaged.
        """
        missing = (
            f"run: {self.root} holds no ARM library (no {self.library_file.name}). "
            "Compile for a board with a processor, or with --target arm."
        )
        return described(self.library_file, missing, _LIBRARY_SCHEMA, _library)

    def graph(self) -> Graph:
        """The integer graph.

        Raises:
            InputError: the folder is not a compile's result.
        """
        if not self.graph_file.is_file():
            raise InputError(
                f"run: {self.root} must be a folder made by 'gatewright compile', but it has no "
                f"{self.graph_file.name}"
            )
        return load(self.graph_file)

    def interface(self) -> Interface:
        """The hardware's streams.

        Raises:
            InputError: there is no hardware in the folder, or its description is damaged.
        """
        missing = (
            f"run: {self.root} holds no hardware (no {self.design_file.name}). "
            "Compile with --until rtl or further, or run --on reference."
        )
        return described(self.design_file, missing, _DESIGN_SCHEMA, _interface)

    def design(self) -> Design:
        """The hardware as the cycle model takes it: no memory holds anything.

        Raises:
            InputError: there is no hardware in the folder, or its description is damaged or of a compile
                that wrote less.
        """
        missing = (
            f"run: {self.root} holds no hardware (no {self.design_file.name}), so it has no clocks. "
            "Compile for an FPGA with --until rtl or further, or run --on reference or arm."
        )
        return described(self.design_file, missing, _DESIGN_SCHEMA, self._modelled)

    def _modelled(self, data: dict) -> Design:
        """The design, unless it is another compiler's, whose clocks the cycle model does not know."""
        if any(row["module"] == XLS_PIPELINE.module for row in data["instances"]):
            raise InputError(
                f"run: {self.root} holds a pipeline of XLS, which has no cycle model. Run --on rtl or xls."
            )
        return read_design(data, _stream)

    def sources(self) -> list[Path]:
        """The accelerator's Verilog files, without the board's."""
        library, made = (sorted(self.rtl.glob(f"{start}_*.v")) for start in ("gw", "xls"))
        return [*library, *made, self.rtl / f"{TOP}.v"]

    def memories(self) -> dict[str, str]:
        """Memory file name -> text."""
        return {path.name: path.read_text() for path in sorted(self.rtl.glob("*.mem"))}


def described(file: Path, missing: str, schema: str, read: Callable[[dict], _Read]) -> _Read:
    """What ``read`` makes of a description; InputError where it is missing, damaged or of another schema."""
    if not file.is_file():
        raise InputError(missing)
    try:
        data = json.loads(file.read_text())
        if data["schema"] != schema:
            raise ValueError(data["schema"])
        return read(data)
    except (ValueError, KeyError, TypeError, AttributeError, ArithmeticError, LoweringError) as error:
        raise InputError(
            f"run: {file} must be a {schema} description, but is damaged ({error!r}). Compile again."
        ) from None


def _interface(data: dict) -> Interface:
    return Interface(_stream(data["input"]), _stream(data["output"]))


def _library(data: dict) -> Library:
    name, core = str(data["name"]), str(data["core"])
    return Library(name, core, int(data["threads"]), _placed(data["input"]), _placed(data["output"]))


def _placed(data: dict) -> Placed:
    if data["dtype"] not in _DTYPES:
        raise ValueError(data["dtype"])
    return Placed(data["dtype"], int(data["offset"]), tuple(int(d) for d in data["shape"]))


def describe_library(library: Library) -> str:
    """library.json."""
    return json.dumps({"schema": _LIBRARY_SCHEMA, **asdict(library)}, indent=1) + "\n"


def _stream(data: dict) -> Stream:
    lo, hi, step = (int(v) for v in data["range"])
    return Stream(Int(lo, hi, step), int(data["lanes"]), int(data["beats"]))


def _describe_stream(stream: Stream) -> dict:
    e = stream.element
    return {"range": [e.lo, e.hi, e.step], "bits": e.bits, "lanes": stream.lanes, "beats": stream.beats}


def _stream_name(design: Design, source: Port | None) -> str:
    """Where a stream comes from: "input", an instance's name, or that and the output's number."""
    if source is None:
        return "input"
    instance = design.instances[source.place]
    return instance.name if len(instance.outputs) == 1 else f"{instance.name}.{source.index}"


def _columns(part: Columns) -> dict:
    return {"param": part.param, "words": part.words, "low": part.low, "bits": part.bits}


def describe_design(design: Design) -> str:
    """design.json: streams, each instance with its parameters and what it reads, in order, and the memories
    outside of units: which columns of which unit's they hold."""
    data = {
        "schema": _DESIGN_SCHEMA,
        "top": TOP,
        "input": _describe_stream(design.input),
        "output": _describe_stream(design.output),
        "interval_clocks": design.interval,
        "instances": [
            {
                "name": i.name,
                "module": i.unit.module,
                "layer": i.layer,
                "params": {k: v if -(1 << 63) <= v < 1 << 63 else f"{v:#x}" for k, v in i.params.items()},
                "interval_clocks": i.interval,
                "repeats": i.repeats,
                "inputs": [_describe_stream(s) for s in i.inputs],
                "outputs": [_describe_stream(s) for s in i.outputs],
                "reads": [_stream_name(design, source) for source in design.sources(n)],
            }
            for n, i in enumerate(design.instances)
        ],
        "memories": [
            {
                "name": store.name,
                "module": store.module,
                "base": store.base,
                "parts": [
                    {"unit": design.instances[part.place].name, **_columns(part)} for part in store.parts
                ],
            }
            for store in design.stores
        ],
    }
    return json.dumps(data, indent=1) + "\n"
