"""Whole boards: the top works in simulation, and becomes a bitstream with the pins where they belong."""

import dataclasses
import json
from pathlib import Path

import pytest

from gatewright import boards
from gatewright.errors import BoardError, FitError, InputError
from gatewright.hw import link
from gatewright.hw.board_top import board_top, clock, constraint_file, divider, rtl_files
from gatewright.hw.flow.bitstream import pack
from gatewright.hw.flow.place import place_and_route
from gatewright.hw.flow.tools import find, run

BENCH = Path(__file__).parent / "rtl" / "board_bench.v"
NAMES = ("radiona_ulx3s_85f", "1bitsquared_icebreaker", "sipeed_tang_nano_20k")
# Twice the crystal, so that each PLL is in the design.
DOUBLED = {name: 2 * boards.load(name).clock.mhz for name in NAMES}
SYNTHESIS = {"ecp5": "synth_ecp5", "ice40": "synth_ice40 -device u", "gowin": "synth_gowin -family gw2a"}
ICEBREAKER_PCF = """\
set_io clk_in 35
set_io button 10
set_io -pullup yes uart_rx 6
set_io uart_tx 9
set_io led_ready 11
set_io led_busy 37
set_frequency clk_in 12
"""


def top(name: str, mhz: float | None = None, **options) -> dict[str, str]:
    """A board's top around the inverter, 6 bytes in and out, at the crystal's clock unless told."""
    board = boards.load(name)
    return board_top(board, "inverter", 8, 6, 8, 6, mhz or board.clock.mhz, 0xC0FFEE42, **options)


def write(folder: Path, name: str, mhz: float, texts: dict[str, str]) -> list[str]:
    """Puts a top, the library and the inverter into a folder; returns the names of the Verilog files."""
    sources = {path.name: path.read_text() for path in rtl_files(boards.load(name), mhz)}
    inverter = BENCH.read_text().split("`timescale 1ns / 1ps\n")[1].split("module board_bench")[0]
    sources["inverter.v"] = inverter
    for file, text in {**texts, **sources}.items():
        (folder / file).write_text(text)
    return ["board_top.v", *sources]


@pytest.mark.parametrize("name", NAMES)
def test_a_board_in_simulation(tmp_path, name):
    """Reset, LEDs, both kinds of request and the button, from pin to pin at the board's baud rate."""
    board = boards.load(name)
    files = write(tmp_path, name, board.clock.mhz, top(name))[:-1]
    frame = bytes([0, 1, 0xA5, 0x5A, 0x80, 0xFF])
    requests = link.Packet(link.INFO, 1).encode() + link.Packet(link.INFER, 2, frame).encode()
    (tmp_path / "script.hex").write_text("".join(f"{0x100 | byte:03x}\n" for byte in requests) + "000\n")
    values = {
        "PRESSED": int(not board.button.active_low),
        "CLOCK_KHZ": round(board.clock.mhz * 1000),
        "BAUD": board.uart.baud,
    }
    options = [f"-Pboard_bench.{key}={value}" for key, value in values.items()]
    args = ["-g2005", "-Wall", "-o", "bench", "-s", "board_bench", *options, str(BENCH), *files]
    run(find("iverilog"), args, tmp_path)
    log = run(find("vvp"), ["-n", "bench"], tmp_path, timeout=60).splitlines()
    on, off = ("0", "1") if board.leds.active_low else ("1", "0")
    assert [entry for entry in log if not entry.startswith(("byte", "WARNING"))] == [
        f"reset {off} {off}", f"ready {on} {off}", f"pressed {off} {off}",
    ]  # fmt: skip
    heard = bytes(int(entry.split()[1], 16) for entry in log if entry.startswith("byte"))
    info, reply = link.Decoder().feed(heard)
    assert link.Information.decode(info.payload) == link.Information(1, 6, 6, 0xC0FFEE42)
    assert (reply.type, reply.sequence) == (link.INFER_REPLY, 2)
    assert reply.payload == bytes(255 - byte for byte in frame)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("doubled", [False, True])
def test_yosys_knows_every_cell(tmp_path, name, doubled):
    """Instances, ports and parameters match, the vendor's PLL included."""
    board = boards.load(name)
    mhz = DOUBLED[name] if doubled else board.clock.mhz
    files = write(tmp_path, name, mhz, top(name, mhz))
    begin = f"{SYNTHESIS[board.part.family]} -top board_top -run begin:begin"
    script = f"read_verilog -defer {' '.join(files)}; {begin}; hierarchy -check -top board_top"
    log = run(find("yosys"), ["-p", script], tmp_path)
    assert "Warning" not in log
    assert ("gw_pll_" in log) == doubled


@pytest.mark.parametrize("name", NAMES)
def test_verilator_has_no_complaint(tmp_path, name):
    """The generated text keeps the dialect's rules."""
    files = write(tmp_path, name, boards.load(name).clock.mhz, top(name))
    args = ["--lint-only", "-Wall", "-Wno-DECLFILENAME", "--top-module", "board_top", *files]
    assert "%Warning" not in run(find("verilator"), args, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_board_becomes_a_bitstream(tmp_path, name):
    """Synthesis, place and route with the PLL, timing met, pins as the board has them, a bitstream."""
    board, mhz = boards.load(name), DOUBLED[name]
    files = write(tmp_path, name, mhz, top(name, mhz))
    synthesis = f"{SYNTHESIS[board.part.family]} -top board_top -json netlist.json"
    run(find("yosys"), ["-p", f"read_verilog -defer {' '.join(files)}; {synthesis}"], tmp_path)
    routed = place_and_route(
        tmp_path, "netlist.json", board.part.family, board.part.pnr_options,
        constraints=constraint_file(board), freq_mhz=mhz if board.part.family == "gowin" else None,
    )  # fmt: skip
    # The rate asked of the PLL's net comes from the pin file alone where the family allows it.
    assert routed.met
    assert routed.clocks["clk"].asked_mhz == pytest.approx(mhz, rel=1e-4)
    assert "ignoring" not in routed.log.read_text()
    kinds = {"ecp5": "EHXPLLL", "ice40": "ICESTORM_PLL", "gowin": "rPLL"}
    assert routed.utilisation[kinds[board.part.family]][0] == 1
    used = json.loads((tmp_path / "report.json").read_text())["utilization"]
    assert max(used.get(kind, {"used": 0})["used"] for kind in ("TRELLIS_IO", "SB_IO", "IOB")) == 6
    bitstream = pack(routed, options=(*board.part.pack_options, *board.pack_options))
    assert bitstream.stat().st_size > 50_000


def test_pin_files():
    """A golden pin file, and the clock's rate in each that can hold it."""
    assert top("1bitsquared_icebreaker")["board_top.pcf"] == ICEBREAKER_PCF
    assert "set_frequency clk 24\n" in top("1bitsquared_icebreaker", 24)["board_top.pcf"]
    lpf = top("radiona_ulx3s_85f", 50)["board_top.lpf"].splitlines()
    assert 'LOCATE COMP "uart_rx" SITE "M1";' in lpf
    assert 'IOBUF PORT "button" PULLMODE=DOWN IO_TYPE=LVCMOS33;' in lpf
    assert lpf[-2:] == ['FREQUENCY PORT "clk_in" 25 MHZ;', 'FREQUENCY NET "clk" 50 MHZ;']
    cst = top("sipeed_tang_nano_20k")["board_top.cst"].splitlines()
    assert [line.split()[0] for line in cst] == ["IO_LOC", "IO_PORT"] * 6


@pytest.mark.parametrize("name", NAMES)
def test_the_text_is_deterministic(name):
    """The same call, the same files; the baud rate and the design id are in them."""
    assert top(name, DOUBLED[name]) == top(name, DOUBLED[name])
    text = top(name, baud=500_000)["board_top.v"]
    assert f".CLOCKS_PER_BIT({2 * boards.load(name).clock.mhz})" in text
    assert ".DESIGN_ID(32'hc0ffee42)" in text


@pytest.mark.parametrize("name", NAMES)
def test_default_baud_rates_are_close(name):
    """At the board's default clock its default baud rate is off by less than 2 %."""
    board = boards.load(name)
    mhz = clock(board, board.default_clock_mhz).achieved_mhz
    assert abs(mhz * 1e6 / divider(board, mhz) / board.uart.baud - 1) < 0.02


def test_a_slow_line_gets_a_longer_timeout():
    """At 300 baud one byte takes 33 ms, more than the usual timeout."""
    text = top("radiona_ulx3s_85f", baud=300)["board_top.v"]
    assert ".CLOCKS_PER_BIT(83333)" in text
    assert f".TIMEOUT_CLOCKS({40 * 83333})" in text


BOARD = boards.load("radiona_ulx3s_85f")


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: board_top(boards.load("tul_pynq_z2"), "a", 8, 1, 8, 1, 100, 0),
            BoardError,
            (r"^tul_pynq_z2: a bitstream needs a board with pins and one of ecp5, ice40, gowin, "
            r"not xc7 without pins\. Gatewright gives estimates only for it; use the vendor's tools\.$"),
        ),
        (
            lambda: board_top(BOARD, "a;b", 8, 1, 8, 1, 25, 0),
            InputError,
            r"^board top: design_module must be a Verilog name, not 'a;b'$",
        ),
        (
            lambda: board_top(BOARD, "a", 8, 1, 8, 1, 25, 1 << 32),
            InputError,
            r"^board top: design_id must fit 32 bits, not 0x100000000$",
        ),
        (
            lambda: board_top(BOARD, "a", 8, 65536, 8, 1, 25, 0),
            FitError,
            (r"^board top: an input frame must be at most 65535 bytes on the UART, not 65536\. "
            r"Use a smaller input, or fewer bits\.$"),
        ),
        (
            lambda: board_top(BOARD, "a", 8, 1, 8, 0, 25, 0),
            InputError,
            r"^board top: the output must have bits and beats, not 8 and 0$",
        ),
        (
            lambda: divider(BOARD, 25, 4_000_000),
            BoardError,
            r"^radiona_ulx3s_85f: baud must be between 1 and 3000000, not 4000000$",
        ),
        (
            lambda: divider(BOARD, 12, 3_000_000),
            BoardError,
            r"^radiona_ulx3s_85f: baud must be at most 1500000 at 12 MHz, not 3000000$",
        ),
        (
            lambda: divider(BOARD, 25, 2_950_000),
            BoardError,
            (r"^radiona_ulx3s_85f: baud must divide 25 MHz to within 2 %, not 5\.9 % \(2950000\)\. "
            r"Ask for 3125000\.$"),
        ),
    ],
)
def test_errors(call, error, message):
    """Where, rule, value, what to do."""
    with pytest.raises(error, match=message):
        call()


def test_a_family_without_place_and_route():
    """Pins alone do not make a bitstream."""
    board = dataclasses.replace(BOARD, part=dataclasses.replace(BOARD.part, family="xc7"))
    with pytest.raises(BoardError, match=r"^radiona_ulx3s_85f: a bitstream needs .*, not xc7\. Gatewright"):
        clock(board, 25)
