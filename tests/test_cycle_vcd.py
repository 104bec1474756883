"""The VCD of modelled streams: parsed back, and beside that of the same design in Icarus."""

import dataclasses

import numpy as np
import pytest

from dag_bench import designed
from gatewright.errors import InputError
from gatewright.sim.cycle.simulate import simulate
from gatewright.sim.cycle.vcd import write
from vcd_bench import Vcd, fifos_in_rtl

_FRAMES = 4


@pytest.mark.parametrize(("seed", "folding"), [(13, 1), (20, 0), (26, 1), (39, 0), (54, 1)])
def test_every_clock_of_every_fifo_is_as_in_rtl(seed, folding, tmp_path):
    """Ready, valid, and which beats move: the same in each clock until the last beat is out."""
    _, design = designed(seed, folding)
    timing = simulate(design, _FRAMES)
    write(timing, tmp_path / "model.vcd")
    vcd = Vcd(tmp_path / "model.vcd")
    rtl = fifos_in_rtl(design, _FRAMES, tmp_path)
    # Just before the next clock begins.
    clocks = np.arange(int(timing.out_clocks[-1, -1]) + 1)
    moved = 0
    for name, seen in rtl.items():
        told = {
            key: np.array(vcd.before(f"{vcd.scope(name)}.{key}", clocks + 1))
            for key in ("s_tready", "m_tvalid", "s_transfer", "m_transfer", "beats", "s_frame", "m_frame")
        }
        seen = {key: values[: len(clocks)] for key, values in seen.items()}
        assert (told["s_tready"] == seen["s_tready"]).all(), name
        assert (told["m_tvalid"] == seen["m_tvalid"]).all(), name
        come, go = (seen[f"{side}_tvalid"] & seen[f"{side}_tready"] for side in "sm")
        assert (told["s_transfer"] == come).all(), name
        assert (told["m_transfer"] == go).all(), name
        held = np.concatenate([[0], np.cumsum(come - go)[:-1]])
        assert (told["beats"] == held).all(), name
        per_frame = next(i.output.beats for i in design.instances if i.name == name)
        for key, moves in (("s_frame", come), ("m_frame", go)):
            assert (told[key][moves == 1] == (np.cumsum(moves) - 1)[moves == 1] // per_frame).all(), name
        moved += go.sum()
    assert moved > 100


def test_transfers_are_those_of_the_timing(tmp_path):
    """Of the frames asked for, and at a clock in picoseconds."""
    _, design = designed(8, 0)
    timing = simulate(design, 5)
    write(timing, tmp_path / "model.vcd", clock_mhz=62.5, frames=2)
    vcd = Vcd(tmp_path / "model.vcd")
    assert vcd.timescale == "1 ps"
    last = next(
        i.name
        for n, i in enumerate(design.instances)
        if any(e.sink is None and e.source.place == n for e in design.edges)
    )
    clocks = np.arange(int(timing.out_clocks[1, -1]) + 1)
    moves = vcd.before(f"{vcd.scope(last)}.m_transfer", (clocks + 1) * 16_000)
    assert np.flatnonzero(moves).tolist() == timing.out_clocks[:2].reshape(-1).tolist()
    assert max(time for own in vcd.values.values() for time, _ in own) <= (clocks[-1] + 2) * 16_000


def test_file_appears_whole_or_not_at_all(tmp_path, monkeypatch):
    """A folder that is not there, and a failure on the way, leave nothing behind."""
    _, design = designed(8, 0)
    timing = simulate(design, 1)
    with pytest.raises(InputError, match=r"^vcd: .*gone/a\.vcd cannot be written: No such .*\. Choose .*"):
        write(timing, tmp_path / "gone" / "a.vcd")
    (tmp_path / "a.vcd").write_text("earlier")
    monkeypatch.setattr("gatewright.sim.cycle.vcd._changes", lambda *_: iter(["fine", 1]))
    with pytest.raises(TypeError):
        write(timing, tmp_path / "a.vcd")
    assert [p.name for p in tmp_path.iterdir()] == ["a.vcd"]
    assert (tmp_path / "a.vcd").read_text() == "earlier"


def test_names_from_a_model_are_escaped(tmp_path):
    """A network's name cannot add a line to the file."""
    _, design = designed(8, 0)
    forged = dataclasses.replace(design, name="a $end\n$var wire 1 ! b $end é")
    write(simulate(forged, 1), tmp_path / "a.vcd")
    text = (tmp_path / "a.vcd").read_text("ascii")
    assert "$scope module a__end__var_wire_1___b__end__ $end" in text
    fifos = sum(i.unit.module == "gw_fifo" for i in design.instances)
    assert text.count("$var") == 7 * fifos == len(Vcd(tmp_path / "a.vcd").values)
