"""``run --on cycle``: the reference's values in the clocks that the RTL has them in."""

import json

import numpy as np
import pytest

from cli_calls import NET, compile_to_rtl, refused
from dag_bench import designed
from driver_models import outputs, saved, source_frames
from gatewright.__main__ import main
from gatewright.driver.design_file import read_design
from gatewright.driver.execute import compile_simulation, run_cycle
from gatewright.driver.project import Project, _stream, describe_design
from gatewright.driver.run import run_folder
from gatewright.hw.sharing import share_roms
from gatewright.sim.cycle.simulate import simulate
from test_sharing import dense_layers, small

FRAMES = 9


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    """A folder with RTL, and frames beside it."""
    folder = tmp_path_factory.mktemp("cycle")
    assert main(compile_to_rtl(folder, "--quiet")) == 0
    np.save(folder / "x.npy", source_frames(NET, FRAMES))
    return folder


def called(folder, *more, on="cycle", source="x.npy"):
    return [
        "run", str(folder / "out"), "--input", str(folder / source), "--output", str(folder / "y.npy"),
        "--on", on, *more,
    ]  # fmt: skip


def test_values_are_the_references_and_clocks_the_rtls(compiled):
    """Each output beat of each frame, in the sample of frames that the RTL ran on."""
    x = np.load(compiled / "x.npy")
    done = run_folder(compiled / "out", compiled / "x.npy", compiled / "y.npy", "cycle")
    np.testing.assert_array_equal(np.load(compiled / "y.npy"), outputs(NET, x))
    project = Project(compiled / "out")
    interface = project.interface()
    frames = NET.encodings[0].apply(x, NET.inputs[0].type)
    trace = compile_simulation(project, interface, "icarus").run(
        interface.input.pack(frames), interface.output.beats * FRAMES
    )
    rtl = np.array(trace.out_clocks[: interface.output.beats * FRAMES]).reshape(FRAMES, -1)
    model = run_cycle(project, NET, frames).clocks.out_clocks
    np.testing.assert_array_equal(model - model[0, 0], rtl - rtl[0, 0])
    assert done["clocks"]["first_output"] == model[:, 0].tolist()
    assert done["clocks"]["last_output"] == model[:, -1].tolist()
    assert done["clocks"]["latency"] == rtl[0, -1] - trace.in_clocks[0] + 1
    measured = run_folder(compiled / "out", compiled / "x.npy", compiled / "z.npy", "icarus")
    for key in ("frames", "shape", "latency_clocks", "interval_clocks"):
        assert done[key] == measured[key]
    assert done["clocks"]["interval"] == done["interval_clocks"]
    assert (
        done["clocks"]["repeats"]["clocks"] == done["interval_clocks"] * done["clocks"]["repeats"]["frames"]
    )


def test_printed_and_as_json(compiled, capsys):
    assert main(called(compiled, "--json")) == 0
    clocks = json.loads(capsys.readouterr().out)["clocks"]
    assert len(clocks["first_output"]) == len(clocks["last_output"]) == FRAMES
    assert main(called(compiled)) == 0
    lines = capsys.readouterr().out.splitlines()
    every, first, last = clocks["interval"], clocks["first_output"][0], clocks["last_output"][0]
    assert lines[1] == f"latency {clocks['latency']:,} clocks, then a frame every {every:,.10g} clocks"
    assert lines[2] == f"frame 0: first beat out in clock {first:,}, last in {last:,}"
    assert len(lines) == 6


def test_one_frame_has_no_interval(compiled, capsys):
    np.save(compiled / "one.npy", source_frames(NET, 1))
    assert main(called(compiled, source="one.npy")) == 0
    assert "clocks, not periodic yet" in capsys.readouterr().out
    np.save(compiled / "none.npy", source_frames(NET, 0))
    assert main(called(compiled, "--json", source="none.npy")) == 0
    assert "clocks" not in json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("on", ["cycle", "reference"])
def test_accuracy_over_a_data_set(compiled, capsys, on):
    x = source_frames(NET, 40)
    chosen = (outputs(NET, x) * 0.25).reshape(40, -1).argmax(axis=1)
    labels = np.where(np.arange(40) < 10, chosen + 1, chosen)
    np.savez(compiled / "set.npz", inputs=x, labels=labels)
    assert main(called(compiled, "--json", on=on, source="set.npz")) == 0
    assert json.loads(capsys.readouterr().out)["accuracy"] == 0.75
    assert main(called(compiled, on=on, source="set.npz")) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "accuracy 75.00 %"


def described(design):
    return json.loads(describe_design(design))


@pytest.mark.parametrize(("seed", "folding"), [(0, 0), (8, 0), (13, 1), (20, 1), (25, 1), (29, 0), (39, 0)])
def test_a_design_that_was_read_back_moves_as_before(seed, folding):
    _, design = designed(seed, folding)
    read = read_design(described(design), _stream)
    before, after = simulate(design, 6), simulate(read, 6)
    assert set(read.edges) == set(design.edges)
    np.testing.assert_array_equal(before.out_clocks, after.out_clocks)
    np.testing.assert_array_equal(before.in_clocks, after.in_clocks)
    assert before.occupancies == after.occupancies


def test_units_whose_memories_stand_outside_are_read_back():
    """Those that ``share_roms`` leaves keep their clocks."""
    design = share_roms(small(dense_layers()), "ecp5")
    assert design.stores
    read = read_design(described(design), _stream)
    np.testing.assert_array_equal(simulate(design, 5).out_clocks, simulate(read, 5).out_clocks)


def _without(key):
    def damage(data):
        del data["instances"][1][key]

    return damage


def _with(key, value):
    def damage(data):
        data["instances"][1][key] = value

    return damage


@pytest.mark.parametrize(
    "damage",
    [
        _without("repeats"),
        _without("inputs"),
        _without("params"),
        _with("repeats", True),
        _with("repeats", 0),
        _with("interval_clocks", 1 << 40),
        _with("module", "gw_none"),
        _with("reads", ["nobody"]),
        _with("reads", ["input"]),
        _with("name", "u00_conv2d_conv_border_fifo"),
        _with("outputs", []),
        _with("outputs", [{"range": [0, 1, 1], "lanes": 1, "beats": 0}]),
    ],
)
def test_a_damaged_design_is_refused(compiled, capsys, damage):
    path = compiled / "out" / "design.json"
    text = path.read_text()
    data = json.loads(text)
    damage(data)
    try:
        path.write_text(json.dumps(data))
        message = (
            r"run: .*design\.json must be a gatewright-design/1 description, but is damaged .*Compile again\."
        )
        refused(capsys, called(compiled), message)
    finally:
        path.write_text(text)


def test_a_folder_for_arm_has_no_clocks(tmp_path, capsys):
    arguments = [
        "compile",
        str(saved(tmp_path, NET)),
        "--board",
        "raspberrypi_4b",
        "--out",
        str(tmp_path / "out"),
    ]
    assert main([*arguments, "--until", "graph", "--quiet"]) == 0
    np.save(tmp_path / "x.npy", source_frames(NET, 1))
    message = (
        r"run: .*/out holds no hardware \(no design\.json\), so it has no clocks\. Compile for an FPGA with "
        r"--until rtl or further, or run --on reference or arm\."
    )
    refused(capsys, called(tmp_path), message)
    assert not (tmp_path / "y.npy").exists()
