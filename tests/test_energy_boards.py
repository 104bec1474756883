"""Power tables of boards' files: a user's own figures, and what they must not say."""

import re

import pytest

from dag_bench import designed
from gatewright import boards
from gatewright.boards import Power
from gatewright.errors import BoardError
from gatewright.sim.cycle.simulate import simulate
from gatewright.sim.energy import estimate
from random_nets import frames_for

_TABLE = """
[power]
static_mw = 10
net_pj = 0.5
local_pj = 0.05
register_pj = 0.01
tree_pj = 100
bram_pj = 5
dsp_pj = 10
uncertainty = 0.5
source = "mine"
"""


def _own_board(tmp_path, part_tail: str, board_tail: str = ""):
    """A user's board and part in files of their own."""
    folder = boards.schema.files("gatewright.boards")
    part = (folder / "parts" / "gw2ar_lv18qn88c8_i7.toml").read_text() + part_tail
    board = (folder / "sipeed_tang_nano_20k.toml").read_text().replace("gw2ar_lv18qn88c8_i7", "mine")
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "mine.toml").write_text(part)
    (tmp_path / "board.toml").write_text(board + board_tail)
    return boards.load(str(tmp_path / "board.toml"))


def test_own_figures(tmp_path):
    """A user's part with a table has an estimate, by its own figures."""
    graph, design = designed(2)
    frames, timing = frames_for(2, graph, 3), simulate(design, 40)
    own = _own_board(tmp_path, _TABLE)
    assert own.part.power == Power(10, 0.5, 0.05, 0.01, 100, 5, 10, 0.5, "mine")
    assert estimate(design, graph, frames, own, timing).static_mw == 10


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("net_pj = 0.5", "net_pj = -1", "power.net_pj must be a positive number, not -1"),
        ("net_pj = 0.5", "", "power.net_pj must be a positive number, not absent"),
        ("static_mw = 10", "static_mw = inf", "power.static_mw must be a positive number, not inf"),
        ("tree_pj = 100", "tree_pj = 'much'", "power.tree_pj must be a positive number, not 'much'"),
        ("dsp_pj = 10", "dsp_pj = true", "power.dsp_pj must be a positive number, not True"),
        ('source = "mine"', "", "power.source must be a text, not absent"),
        ("[power]", "[power]\nwatts = 3", "power.watts must not be there: no such key"),
    ],
)
def test_broken_figures(tmp_path, old, new, message):
    """What a part's table must not say."""
    assert old in _TABLE
    with pytest.raises(BoardError, match="^" + re.escape(f"mine.toml: {message}")):
        _own_board(tmp_path, _TABLE.replace(old, new))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("mw_per_core = 0\nuncertainty = 1\nsource = 'x'", "processor.power.mw_per_core must be a positive"),
        (
            "mw_per_core = 9\nsource = 'x'",
            "processor.power.uncertainty must be a positive number, not absent",
        ),
        ("mw_per_core = 9\nuncertainty = 1", "processor.power.source must be a text, not absent"),
    ],
)
def test_broken_core_figures(tmp_path, text, message):
    """What a processor's table must not say."""
    board = (boards.schema.files("gatewright.boards") / "raspberrypi_5.toml").read_text()
    (tmp_path / "mine.toml").write_text(f"{board}\n[processor.power]\n{text}\n")
    with pytest.raises(BoardError, match="^" + re.escape(f"mine.toml: {message}")):
        boards.load(str(tmp_path / "mine.toml"))
