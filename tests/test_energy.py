"""Energy estimates: against netlists, with boards' figures, and what they refuse."""

import json
import re
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from dag_bench import designed
from energy_tools import published
from energy_tools.cases import cases
from energy_tools.data import MEASURED, operands
from energy_tools.fit import energy, error, fitted, inversions, predicted, rows, spearman
from energy_tools.measure import measured
from energy_tools.whole import networks, whole_rows
from gatewright import boards
from gatewright.errors import InputError, LoweringError
from gatewright.sim.cycle.simulate import simulate
from gatewright.sim.energy import arm_energy, at_clock, estimate
from gatewright.sim.energy.inside import Activity, activity, coefficients, structure
from gatewright.sim.energy.memories import block_accesses
from gatewright.sim.energy.restless import Restless, takes_all
from gatewright.sim.energy.streams import Traffic
from gatewright.sim.energy.tally import Tally
from random_nets import frames_for

ULX3S = boards.load("radiona_ulx3s_85f")
BAR = 0.15


@cache
def found():
    """All measured units."""
    return rows(MEASURED)


@cache
def estimated(seed: int = 2):
    """A random network's design, frames, timing and estimate on the ULX3S."""
    graph, design = designed(seed)
    frames, timing = frames_for(seed, graph, 3), simulate(design, 40)
    return graph, design, frames, timing, estimate(design, graph, frames, ULX3S, timing)


def test_coefficients_follow_from_the_measurements():
    """What is shipped is what the committed measurements give."""
    made = fitted(found())
    assert made.keys() == coefficients().keys()
    for kind, classes in made.items():
        for name, pair in classes.items():
            assert coefficients()[kind][name] == pytest.approx(pair, abs=0.02, rel=0.02), (kind, name)


def test_held_out_units_are_within_the_bar():
    """At least 20 units that took no part in the fit: energy within 15 %, multipliers and adders among them,
    and all in the right order."""
    held = [row for row in found() if row.held]
    assert len(held) >= 20
    assert {"gw_matrix_vector:0", "gw_matrix_vector:1", "gw_matrix_vector:7", "6:gw_matrix_vector:8"} <= {
        row.kind for row in held
    }
    assert max(abs(error(row, coefficients())) for row in held) <= BAR
    assert inversions(found(), coefficients()) == []
    real = [energy(row.measured) / row.clocks for row in found()]
    said = [energy(vars(predicted(row, coefficients()))) / row.clocks for row in found()]
    assert spearman(real, said) > 0.99


def test_whole_networks():
    """All units in one netlist, with what moves between beats: energy within the bar."""
    found = whole_rows(MEASURED)
    assert len(found) >= 2
    for name, record, said in found:
        assert energy(said) == pytest.approx(energy(record["transitions"]), rel=BAR), name


@pytest.mark.parametrize("name", ["ecp5-binary-sum-8c6b-2", "ecp5-max_pool-4c8b-2x2"])
def test_measured_again(tmp_path, name):
    """A held-out unit, synthesized and simulated now: what was recorded, and near what is said of it."""
    (case,) = (case for case in cases() if case.name == name)
    kept = json.loads((MEASURED / f"{name}.json").read_text())["transitions"]
    again = measured(case, tmp_path)["transitions"]
    assert energy(again) == pytest.approx(energy(kept), rel=0.05)
    said = activity(case.instance, case.inputs, case.family)
    assert energy(vars(said)) == pytest.approx(energy(again), rel=BAR)


def test_figures_of_parts_follow_from_the_published_measurement():
    """The tables of parts hold what published.py makes of the currents and of the counted transitions."""
    moved = json.loads((MEASURED / "published.json").read_text())
    of_part = {
        "ice40up5k_sg48": "1bitsquared_icebreaker", "lfe5u_85f_6bg381c": "radiona_ulx3s_85f",
        "xc7z020clg400_1": "tul_pynq_z2", "xczu7ev_ffvc1156_2_e": "amd_zcu104",
    }  # fmt: skip
    for name, events in published.parts(moved).items():
        power = boards.load(of_part[name]).part.power
        for event, pj in vars(events).items():
            assert getattr(power, event) == pytest.approx(pj, rel=0.02), (name, event)


def test_totals():
    """Units' energies make the frame's, the rate makes power of it, and layers hold all units."""
    _, design, _, timing, made = estimated()
    assert [unit.name for unit in made.units] == [*(i.name for i in design.instances), "clock"]
    assert made.dynamic_uj == pytest.approx(sum(unit.dynamic_nj for unit in made.units) / 1000)
    assert made.frames_per_second == pytest.approx(made.clock_mhz * 1e6 / float(timing.interval))
    assert made.mw == pytest.approx(made.static_mw + made.dynamic_uj * made.frames_per_second / 1000)
    assert made.uj == pytest.approx(1000 * made.mw / made.frames_per_second)
    assert sum(made.layers.values()) == pytest.approx(1000 * made.dynamic_uj)
    assert all(unit.dynamic_nj > 0 and unit.transitions > 0 for unit in made.units)
    assert made.uncertainty == ULX3S.part.power.uncertainty
    assert made.source == ULX3S.part.power.source


def test_another_clock():
    """Dynamic energy of a frame stays; the static share of a frame shrinks."""
    graph, design, frames, timing, made = estimated()
    faster = at_clock(made, 2 * made.clock_mhz)
    again = estimate(design, graph, frames, ULX3S, timing, clock_mhz=2 * made.clock_mhz)
    assert (faster.mw, faster.uj) == pytest.approx((again.mw, again.uj))
    assert faster.dynamic_uj == made.dynamic_uj
    assert faster.uj < made.uj


def test_constant_frames_move_less():
    """The data counts: frames of one value move little but control."""
    graph, design, frames, timing, made = estimated()
    still = estimate(design, graph, np.repeat(frames[:1] * 0 + frames.flat[0], 3, axis=0), ULX3S, timing)
    fifo, quiet = made.units[0], still.units[0]
    assert (fifo.module, quiet.module) == ("gw_fifo", "gw_fifo")
    assert quiet.transitions < 0.5 * fifo.transitions
    assert still.dynamic_uj < made.dynamic_uj
    assert still.static_mw == made.static_mw


def test_boards_without_figures():
    """No table, no estimate: neither of an FPGA nor of a processor."""
    graph, design, frames, timing, _ = estimated()
    for name in ("sipeed_tang_nano_20k", "raspberrypi_4b"):
        assert estimate(design, graph, frames, boards.load(name), timing) is None
    assert arm_energy(boards.load("raspberrypi_5"), 1.0) is None
    assert arm_energy(ULX3S, 1.0) is None


def test_arm():
    """Milliseconds of a core at its published power."""
    made = arm_energy(boards.load("raspberrypi_4b"), 12.5)
    assert made.mw == boards.load("raspberrypi_4b").processor.power.mw_per_core
    assert made.uj == pytest.approx(12.5 * made.mw)
    assert made.uncertainty == 0.5
    assert "rk3399" in made.source


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: f[:0], "energy: frames must have shape (N, "),
        (lambda f: f[:, :1], "energy: frames must have shape (N, "),
        (lambda f: f.astype(np.float32), "energy: frames must hold integers of "),
        (lambda f: f + 10_000, "energy: frames must hold integers of "),
    ],
)
def test_frames_refused(change, message):
    """Frames that the graph does not take."""
    graph, design, frames, timing, _ = estimated()
    with pytest.raises(InputError, match="^" + re.escape(message)):
        estimate(design, graph, change(frames), ULX3S, timing)


def test_lane_refused():
    """A lane that no rule folds with has no model."""
    case = next(case for case in cases() if "mv-digit" in case.name)
    strange = replace(case.instance, params={**case.instance.params, "LANE": 9})
    with pytest.raises(LoweringError, match=r"^energy: a lane must be one of 0, 1, 2, .*, not 9 \("):
        structure(strange, case.inputs, "ecp5")


def test_restless_wires():
    """A word that four beats are put together to shows each step; a FIFO of registers lets
    that through to thresholds, a FIFO with a RAM does not."""
    (network,) = (n for n in networks() if n.name == "ecp5-network-3-1x9")
    restless, ratios = Restless(network.design), {}
    for place, (instance, inputs, outputs) in enumerate(Traffic(network.design, network.frames)):
        ratios[instance.name] = restless.at(place)
        moved = activity(instance, inputs, "ecp5", restless.at(place))
        restless.note(place, moved.shown, outputs)
        if takes_all(instance) and restless.at(place) > 1:
            assert moved.register > activity(instance, inputs, "ecp5").register
    assert ratios["u01_threshold_th_fifo"] == ratios["u01_threshold_th"] > 3
    assert ratios["u00_conv2d_mv"] == 1  # behind a FIFO with a RAM
    assert ratios["u00_conv2d_border_fifo"] == 1


def test_tally_of_an_adder():
    """Registers, a LUT before each, and the carries between the bits."""
    t = Tally()
    assert t.added(np.array([3, 0]), np.array([1, 0]), 4).tolist() == [4, 0]
    assert (t.register, t.local) == (1, 1 + 2)
    six = Tally(six=True)
    six.added(np.array([3, 0]), np.array([1, 0]), 4)
    assert six.local == t.local + 1  # a ^ b below the chain


def test_equal_bits_are_one_register():
    """Constant weights make equal bits in numbers, of which synthesis keeps one."""
    codes = np.array([[0b00, 0b11], [0b11, 0b00], [0b11, 0b11]])
    assert Tally().once(codes, 2) == 1 + 2  # the columns of lane 0 are equal, as are those of lane 1


def test_sampling_is_close_to_all():
    """Long inputs are gone through in places; the estimate is near that of all pieces of work."""
    case = next(case for case in cases() if case.name == "ecp5-mv-digit-8x4-64x16-4x4")
    vectors, stream = 400, case.instance.input
    instance = replace(
        case.instance, repeats=vectors, inputs=(replace(stream, beats=vectors * 16),),
        outputs=(replace(case.instance.output, beats=vectors * 4),),
    )  # fmt: skip
    own_frames = np.random.default_rng(0).permutation(320)
    wide = operands()["product_x"][np.resize(own_frames, vectors)]
    many = (wide.reshape(-1, stream.lanes),)
    tally = structure(instance, many, "ecp5")
    part = activity(instance, many, "ecp5")
    own = coefficients()["gw_matrix_vector:1"]
    assert part.register == pytest.approx(own["register"][0] * tally.register, rel=0.1)
    assert isinstance(part, Activity)


def test_block_accesses():
    """ROMs are read in every clock, streams' RAM as often as beats come and go."""
    _, design, frames, _, _ = estimated()
    for instance, _, _ in Traffic(design, frames[:1]):
        used = instance.resources("ecp5")
        accesses = block_accesses(instance, 100.0, "ecp5")
        assert (accesses > 0) <= (used.bram > 0 or instance.unit.module.endswith("_fed"))
        assert accesses <= 2 * max(used.bram, 1) * max(100, *(s.beats for s in instance.inputs)) * 20
