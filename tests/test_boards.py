"""Boards: what comes with gatewright is whole, and a broken file says what is wrong where."""

import re
import tomllib
from importlib.resources import files

import pytest

from gatewright import boards
from gatewright.boards import schema
from gatewright.errors import BoardError
from gatewright.hw import design

FOLDER = files("gatewright.boards")
CORES = {
    "amd_zcu104": "cortex-a53",
    "avnet_ultra96v2": "cortex-a53",
    "raspberrypi_3b": "cortex-a53",
    "raspberrypi_4b": "cortex-a72",
    "raspberrypi_5": "cortex-a76",
    "tul_pynq_z2": "cortex-a9",
}
WIRED = ("1bitsquared_icebreaker", "radiona_ulx3s_85f", "sipeed_tang_nano_20k")


def test_names():
    """The boards that come with gatewright."""
    assert boards.names() == (
        "1bitsquared_icebreaker",
        "amd_zcu104",
        "avnet_ultra96v2",
        "radiona_ulx3s_85f",
        "raspberrypi_3b",
        "raspberrypi_4b",
        "raspberrypi_5",
        "sipeed_tang_nano_20k",
        "tul_pynq_z2",
    )


@pytest.mark.parametrize("name", boards.names())
def test_every_board_loads(name):
    """Capacities are there, pins are unique, and a bitstream board has them all."""
    board = boards.load(name)
    assert board.name == name
    assert (board.processor.core if board.processor else None) == CORES.get(name)
    if board.part is None:
        assert board.default_clock_mhz == board.processor.clock_mhz
        assert not board.has_bitstream
        return
    assert min(board.part.lut, board.part.ff, board.part.bram, board.part.bram_kbit, board.part.dsp) > 0
    assert len(set(board.pins)) == len(board.pins)
    assert board.has_bitstream == (name in WIRED)
    assert bool(board.pins) == bool(board.part.pnr_options) == board.has_bitstream


@pytest.mark.parametrize("name", boards.names())
def test_every_table_has_its_source(name):
    """A table with a figure names where it comes from."""
    tables = [tomllib.loads((FOLDER / f"{name}.toml").read_text())]
    if "part" in tables[0]:
        part = (FOLDER / "parts" / f"{tables[0]['part']}.toml").read_text()
        tables.append(tomllib.loads(part)["capacity"])
    tables += [value for value in tables[0].values() if isinstance(value, dict)]
    assert all(len(table["source"]) > 10 for table in tables)


def test_every_part_is_used():
    """No part file without a board."""
    parts = {entry.name.removesuffix(".toml") for entry in (FOLDER / "parts").iterdir()}
    used = {tomllib.loads((FOLDER / f"{name}.toml").read_text()).get("part") for name in boards.names()}
    used -= {None}
    assert parts == used


def test_families_are_those_of_the_hardware():
    """The lower floor keeps its own list; it must be the same."""
    assert schema.FAMILIES == design.FAMILIES


def test_ulx3s_uart_is_seen_from_the_fpga():
    """The constraint file's ftdi_txd is the bridge's output, so our input."""
    uart = boards.load("radiona_ulx3s_85f").uart
    assert (uart.rx_pin, uart.tx_pin) == ("M1", "L4")


def test_unknown_name_lists_the_closest_first():
    """A slip of the pen finds its board at the front of the list."""
    message = (
        r"^board: the name must be one of radiona_ulx3s_85f, .*tul_pynq_z2.*, not 'ulx3s'\. "
        r"Pass one of these, or the path of a \.toml file\.$"
    )
    with pytest.raises(BoardError, match=message):
        boards.load("ulx3s")


def test_a_name_cannot_leave_the_folder():
    """A name is looked up, never joined to a path."""
    with pytest.raises(BoardError, match=r"^board: the name must be one of .*, not '\.\./errors'\. "):
        boards.load("../errors")


@pytest.fixture
def user_board(tmp_path):
    """Writes a copy of a board and its part, each with a piece of text replaced; returns the path."""

    def write(old="", new="", part_old="", part_new="", name="radiona_ulx3s_85f"):
        text = (FOLDER / f"{name}.toml").read_text()
        part = (FOLDER / "parts" / "lfe5u_85f_6bg381c.toml").read_text()
        assert old in text
        assert part_old in part
        (tmp_path / "parts").mkdir(exist_ok=True)
        (tmp_path / "parts" / "lfe5u_85f_6bg381c.toml").write_text(part.replace(part_old, part_new, 1))
        path = tmp_path / "mine.toml"
        path.write_text(text.replace(old, new, 1))
        return str(path)

    return write


def test_a_user_file_with_its_own_part(user_board):
    """A path is taken as it is; the part beside the file goes before ours."""
    board = boards.load(user_board(part_old="lut = 83640", part_new="lut = 24000"))
    assert (board.name, board.title, board.part.lut) == ("mine", "Radiona ULX3S 85F", 24000)


def test_a_user_file_with_our_part(user_board, tmp_path):
    """Without a part beside it the file uses one of ours."""
    path = user_board()
    (tmp_path / "parts" / "lfe5u_85f_6bg381c.toml").unlink()
    assert boards.load(path).part == boards.load("radiona_ulx3s_85f").part


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("mhz = 25", 'mhz = "fast"', "mine.toml: clock.mhz must be a positive number, not 'fast'"),
        ("mhz = 25", "mhz = 0", "mine.toml: clock.mhz must be a positive number, not 0"),
        ("mhz = 25", "mhz = inf", "mine.toml: clock.mhz must be a positive number, not inf"),
        ("mhz = 25", "mhz = true", "mine.toml: clock.mhz must be a positive number, not True"),
        ("mhz = 25\n", "", "mine.toml: clock.mhz must be a positive number, not absent"),
        ("mhz = 25", "mhz = 25\nhz = 1", "mine.toml: clock.hz must not be there: no such key"),
        ("baud = 1000000", "baud = 0.5", "mine.toml: uart.baud must be a whole number of at least 1, not "),
        ("baud = 1000000", "baud = 4000000", "mine.toml: uart.baud must be at most max_baud, 3000000"),
        ('"G2"', '"G2; quit"', "mine.toml: clock.pin must be a pin such as 'G2' or '35', not 'G2; quit'"),
        ('"R1"', '"L4"', "mine.toml: a pin must have one use, not 2: L4"),
        ('"B2", ', '"b2", ', "mine.toml: leds.pins must be a list of at least 2 pins, not ['b2', "),
        ("active_low = false", "active_low = 0", "mine.toml: leds.active_low must be true or false, not 0"),
        ('pull = "down"', 'pull = "hard"', "mine.toml: button.pull must be one of none, up, down, not "),
        ("[button]", "[knob]", "mine.toml: button must be a table, not absent"),
        ('standard = "LVCMOS33"', 'standard = "3.3"', "mine.toml: io.standard must be a name such as "),
        ('pack_options = ["--', 'pack_options = [1, "--', "mine.toml: io.pack_options must be a list of "),
        ('title = "Radiona', 'title = " "#', "mine.toml: title must be a text, not ' '"),
        ("[clock]", "[clock", "mine.toml: the file must be TOML, not this: "),
        ('part = "lfe5u', 'part = "lfe6u', "mine.toml: part must name a file in parts/, not 'lfe6u_85f"),
        ('part = "lfe5u', 'part = "../lfe5u', "mine.toml: part must be a file name in parts/, not '../lfe5u"),
    ],
)  # fmt: skip
def test_broken_boards(user_board, old, new, message):
    """File, key, rule, value."""
    with pytest.raises(BoardError, match="^" + re.escape(message)):
        boards.load(user_board(old, new))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"ecp5"', '"ecp9"', ": family must be one of ecp5, ice40, gowin, xc7, xcup, not 'ecp9'"),
        ("dsp = 156", "dsp = -1", ": capacity.dsp must be a whole number of at least 0, not -1"),
        ("lut = 83640", "lut = 0", ": capacity.lut must be a whole number of at least 1, not 0"),
        ("[tools]", "[tools]\nspeed = 6", ": tools.speed must not be there: no such key"),
    ],
)
def test_broken_parts(user_board, old, new, message):
    """The same for a part's file."""
    with pytest.raises(BoardError, match="^" + re.escape("lfe5u_85f_6bg381c.toml" + message) + "$"):
        boards.load(user_board(part_old=old, part_new=new))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"cortex-a72"', '"i386"', "processor.core must be one of cortex-a9, cortex-a53, cortex-"),
        ("cores = 4", "cores = 0", "processor.cores must be a whole number of at least 1, not 0"),
        ("clock_mhz = 1500", "", "processor.clock_mhz must be a positive number, not absent"),
        ('"BCM2711"', '"BCM 2711"', "processor.chip must be a device name, not 'BCM 2711'"),
        ("[processor]", "[processor]\nl2 = 1", "processor.l2 must not be there: no such key"),
        ("[processor]", "[uart]\n[processor]", "uart must not be there: no such key"),
        ("[processor]", "[processors]", "part must be a file name in parts/, not absent"),
    ],
)
def test_broken_processors(tmp_path, old, new, message):
    """The same for a processor's table; a board has an FPGA or a processor, and FPGA pins need the FPGA."""
    text = (FOLDER / "raspberrypi_4b.toml").read_text().partition("\n[processor.power]")[0]
    assert old in text
    (tmp_path / "mine.toml").write_text(text.replace(old, new, 1))
    with pytest.raises(BoardError, match="^" + re.escape(f"mine.toml: {message}")):
        boards.load(str(tmp_path / "mine.toml"))


def test_absent_file(tmp_path):
    """A path that leads nowhere."""
    path = str(tmp_path / "none.toml")
    message = re.escape(f"{path}: a board file must be readable, not No such file or directory")
    with pytest.raises(BoardError, match=f"^{message}$"):
        boards.load(path)
