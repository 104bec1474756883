"""What a board file may say, and its reading; every table carries the source of its figures."""

import difflib
import re
import tomllib
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from ..errors import BoardError
from .table import PIN, Table
from .zynq import Zynq, read_zynq

FAMILIES = ("ecp5", "ice40", "gowin", "xc7", "xcup")
PULLS = ("none", "up", "down")
CORES = ("cortex-a9", "cortex-a53", "cortex-a72", "cortex-a76")

_DEVICE = re.compile(r"[A-Za-z0-9-]+")
LOADER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


@dataclass(frozen=True)
class Power:
    """What a device takes: ``static_mw`` whatever it does, and pJ for each event.

    Attributes:
        net_pj: a transition of a net between logic cells.
        local_pj: one of a net inside a logic cell.
        register_pj: a register in a clock, whether or not it changes.
        tree_pj: the clock's network in a clock, before registers.
        bram_pj: an access of a block RAM.
        dsp_pj: a multiplier block in a clock with operands.
        uncertainty: relative, of all of these.
    """

    static_mw: float
    net_pj: float
    local_pj: float
    register_pj: float
    tree_pj: float
    bram_pj: float
    dsp_pj: float
    uncertainty: float
    source: str


@dataclass(frozen=True)
class CorePower:
    """What one core takes at its clock while it works; ``uncertainty`` is relative."""

    mw_per_core: float
    uncertainty: float
    source: str


@dataclass(frozen=True)
class Part:
    """A device: ``bram`` counts the family's own block of ``bram_kbit``; ``dsp`` its multiplier block.

    ``pnr_options`` and ``pack_options`` are arguments of the family's place-and-route and packing tools;
    ``pll_device`` is what the family's PLL wants to be told, if anything; ``power`` is None where
    none is known.
    """

    name: str
    vendor: str
    family: str
    lut: int
    ff: int
    bram: int
    bram_kbit: int
    dsp: int
    pnr_options: tuple[str, ...]
    pack_options: tuple[str, ...]
    pll_device: str
    source: str
    power: Power | None = None


@dataclass(frozen=True)
class Clock:
    """The oscillator on ``pin``."""

    pin: str
    mhz: float
    source: str


@dataclass(frozen=True)
class Uart:
    """The USB bridge: the FPGA listens on ``rx_pin`` and talks on ``tx_pin``; ``baud`` is used by default."""

    rx_pin: str
    tx_pin: str
    baud: int
    max_baud: int
    source: str


@dataclass(frozen=True)
class Leds:
    """At least two LEDs."""

    pins: tuple[str, ...]
    active_low: bool
    source: str


@dataclass(frozen=True)
class Button:
    """The push button that resets the design; ``pull`` is the resistor that the FPGA adds."""

    pin: str
    active_low: bool
    pull: str
    source: str


@dataclass(frozen=True)
class Processor:
    """The application cores of ``chip``, all alike; ``core`` is what compilers and simulators call one;
    ``power`` is None where none is known."""

    chip: str
    core: str
    cores: int
    clock_mhz: float
    source: str
    power: CorePower | None = None


@dataclass(frozen=True)
class Board:
    """A board with an FPGA (``part``), a processor, or both.

    The pins are None where gatewright knows capacities only (no bitstream). ``default_clock_mhz`` is the
    FPGA's; the processor's own where there is no FPGA. ``loader`` is openFPGALoader's name of the board.
    """

    name: str
    title: str
    part: Part | None
    default_clock_mhz: float
    source: str
    io_standard: str = ""
    pack_options: tuple[str, ...] = ()
    clock: Clock | None = None
    uart: Uart | None = None
    leds: Leds | None = None
    button: Button | None = None
    loader: str = ""
    processor: Processor | None = None
    zynq: Zynq | None = None

    @property
    def has_bitstream(self) -> bool:
        """Whether the pins are known, so that a bitstream can be made."""
        return self.clock is not None

    @property
    def pins(self) -> tuple[str, ...]:
        """Every pin in use."""
        if self.clock is None or self.uart is None or self.leds is None or self.button is None:
            return ()
        return (self.clock.pin, self.uart.rx_pin, self.uart.tx_pin, self.button.pin, *self.leds.pins)


def names() -> tuple[str, ...]:
    """The boards that come with gatewright, in alphabetical order."""
    entries = files(__package__).iterdir()
    return tuple(sorted(e.name.removesuffix(".toml") for e in entries if e.name.endswith(".toml")))


def load(name: str) -> Board:
    """The board called ``name``, or the one in a ``.toml`` file given by its path.

    A file's part is looked for in ``parts/`` beside it, then among the parts that come with gatewright.

    Raises:
        BoardError: no such board, or the file breaks the schema.
    """
    if str(name).endswith(".toml"):
        path = Path(name)
        return _board(_read(path), path.stem, (path.parent / "parts",))
    known = names()
    if name not in known:
        near = sorted(known, key=lambda n: -difflib.SequenceMatcher(None, str(name), n).ratio())
        raise BoardError(
            f"board: the name must be one of {', '.join(near)}, not {str(name)!r}. "
            "Pass one of these, or the path of a .toml file."
        )
    return _board(_read(files(__package__) / f"{name}.toml"), name, ())


def _read(path: Traversable) -> Table:
    try:
        return Table(path.name, tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise BoardError(f"{path}: a board file must be readable, not {error.strerror or error}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BoardError(f"{path.name}: the file must be TOML, not this: {error}") from error


def _part(name: str, folders: tuple[Path, ...], board: str) -> Part:
    for folder in (*folders, files(__package__) / "parts"):
        if (folder / f"{name}.toml").is_file():
            table = _read(folder / f"{name}.toml")
            break
    else:
        raise BoardError(
            f"{board}: part must name a file in parts/, not {name!r}. "
            f"Write parts/{name}.toml beside the board."
        )
    identity = [table.text("name"), table.text("vendor"), table.one_of("family", FAMILIES)]
    capacity, tools = table.table("capacity"), table.table("tools")
    numbers = [capacity.whole("lut"), capacity.whole("ff"), capacity.whole("bram", 0)]
    numbers += [capacity.whole("bram_kbit", 0), capacity.whole("dsp", 0)]
    options = (tools.texts("pnr_options"), tools.texts("pack_options"))
    pll_device = tools.matching("pll_device", "a device name", _DEVICE) if "pll_device" in tools.data else ""
    power = _power(table.table("power")) if "power" in table.data else None
    part = Part(*identity, *numbers, *options, pll_device, capacity.text("source"), power)
    tools.text("source")
    for each in (capacity, tools, table):
        each.done()
    return part


def _power(table: Table) -> Power:
    keys = ("static_mw", "net_pj", "local_pj", "register_pj", "tree_pj", "bram_pj", "dsp_pj", "uncertainty")
    power = Power(*(table.number(key) for key in keys), table.text("source"))
    table.done()
    return power


def _board(table: Table, name: str, folders: tuple[Path, ...]) -> Board:
    title, source = table.text("title"), table.text("source")
    processor = _processor(table.table("processor")) if "processor" in table.data else None
    if processor and "part" not in table.data:
        table.done()
        return Board(name, title, None, processor.clock_mhz, source, processor=processor)
    part = _part(table.matching("part", "a file name in parts/", _WORD), folders, table.where)
    clock_mhz = table.number("default_clock_mhz")
    # A board with any pin must have them all; one without is good for estimates only.
    wired = any(key in table.data for key in ("io", "clock", "uart", "leds", "button"))
    pins = _pins(table) if wired else {}
    zynq = read_zynq(table.table("zynq")) if "zynq" in table.data else None
    table.done()
    board = Board(name, title, part, clock_mhz, source, processor=processor, zynq=zynq, **pins)
    for pin in board.pins:
        if board.pins.count(pin) > 1:
            raise BoardError(f"{table.where}: a pin must have one use, not {board.pins.count(pin)}: {pin}")
    return board


def _processor(table: Table) -> Processor:
    chip = table.matching("chip", "a device name", _DEVICE)
    numbers = (table.one_of("core", CORES), table.whole("cores"), table.number("clock_mhz"))
    power = _core_power(table.table("power")) if "power" in table.data else None
    processor = Processor(chip, *numbers, table.text("source"), power)
    table.done()
    return processor


def _core_power(table: Table) -> CorePower:
    power = CorePower(table.number("mw_per_core"), table.number("uncertainty"), table.text("source"))
    table.done()
    return power


def _pins(table: Table) -> dict[str, Any]:
    io, clock, uart = table.table("io"), table.table("clock"), table.table("uart")
    leds, button = table.table("leds"), table.table("button")
    wired = {
        "io_standard": io.matching("standard", "a name such as 'LVCMOS33'", _WORD),
        "pack_options": io.texts("pack_options"),
        "loader": io.matching("loader", "openFPGALoader's name", LOADER) if "loader" in io.data else "",
        "clock": Clock(clock.pin("pin"), clock.number("mhz"), clock.text("source")),
        "uart": Uart(
            uart.pin("rx_pin"), uart.pin("tx_pin"), uart.whole("baud"), uart.whole("max_baud"),
            uart.text("source"),
        ),
        "leds": Leds(leds.texts("pins", PIN, 2), leds.flag("active_low"), leds.text("source")),
        "button": Button(
            button.pin("pin"), button.flag("active_low"), button.one_of("pull", PULLS), button.text("source")
        ),
    }  # fmt: skip
    if wired["uart"].baud > wired["uart"].max_baud:
        raise uart.fail("baud", f"at most max_baud, {wired['uart'].max_baud}", wired["uart"].baud)
    io.text("source")
    for each in (io, clock, uart, leds, button):
        each.done()
    return wired
