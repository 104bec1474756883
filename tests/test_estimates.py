"""Estimates of resources and clock rates: as fitted, as stated, and against a live synthesis."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

import calibrate
from calibrate_tools import evaluate, fit, measure, rates
from calibrate_tools.designs import Case, cases
from gatewright.boards import load
from gatewright.errors import LoweringError
from gatewright.hw.design import FAMILIES
from gatewright.hw.estimates import fit as files
from gatewright.hw.estimates.accuracy import stated
from gatewright.hw.estimates.fmax import Slow, fmax, period, slow
from gatewright.hw.resources import Resources, scaled
from gatewright.hw.units.fabric import product, rom
from gatewright.hw.units.fifo import FIFO
from gatewright.hw.units.lut_rom import changing, lut_rom
from gatewright.hw.units.ram import ram_resources

# The project's bar for designs that no fit has seen; what is beyond it is told in docs/estimates.md.
LUT_MEDIAN, LUT_WORST, FF_MEDIAN, FMAX_MEDIAN = 0.05, 0.15, 0.05, 0.10
WORST_BEYOND = {"ice40": 0.152, "xc7": 0.195}


@pytest.fixture(scope="module")
def designs():
    return measure.load(calibrate.FOLDER / "designs.json")


@pytest.mark.parametrize("family", FAMILIES)
def test_a_fit_follows_from_the_measurements(family):
    """calibrate.py --fit would write the factors and errors that the package holds."""
    again, held = calibrate.fitted(family), files.fit(family)
    assert set(again["units"]) == set(held["units"])
    for module, parts in again["units"].items():
        assert parts.keys() == held["units"][module].keys()
        for part, factors in parts.items():
            assert factors == pytest.approx(held["units"][module][part], abs=1e-4), (module, part)
    for kind, errors in again["errors"].items():
        assert stated(family)[kind] == pytest.approx(errors, abs=1e-4)


@pytest.mark.parametrize("family", FAMILIES)
def test_designs_held_back_are_within_the_bar(family):
    errors = stated(family)
    assert errors["lut"]["median"] <= LUT_MEDIAN
    assert errors["lut"]["worst"] <= WORST_BEYOND.get(family, LUT_WORST)
    assert errors["ff"]["median"] <= FF_MEDIAN
    assert errors["bram"]["exact"] == errors["dsp"]["exact"] == 1


@pytest.mark.parametrize("family", FAMILIES)
def test_stated_errors_are_those_of_measured_designs(family, designs):
    """Worked out here from the committed measurements, by the units' own functions."""
    results = measure.load(calibrate.FOLDER / f"{family}.json")
    held = [n for n in results if designs[n]["held"]]
    rows = list(fit.rows(designs, results, family))
    said = {n: Resources() for n in held}
    for row in rows:
        if row.design in said:
            said[row.design] += scaled(row.parts, files.fit(family)["units"].get(row.module, {}))
    for k, kind in enumerate(("lut", "ff")):
        off = []
        for name in held:
            took = sum(unit[k] for unit in results[name][:-1])
            off.append(abs(getattr(said[name], kind) - took) / took)
        assert stated(family)[kind]["median"] == pytest.approx(np.median(off), abs=1e-4)
        assert stated(family)[kind]["worst"] == pytest.approx(max(off), abs=1e-4)


def test_measured_designs_are_those_of_their_seeds(designs):
    """The recorded units are what lowering makes today; the fit is of designs that users get."""
    for case in (Case("net", 3002, False), Case("wide", 4005, True)):
        entry = designs[case.name]
        assert entry["held"] == case.held
        made = json.loads(json.dumps([measure.record(i) for i in case.build().instances]))
        assert [unit[:2] for unit in made] == [unit[:2] for unit in entry["units"]]


def test_no_seed_is_both_fitted_to_and_held_back():
    names = [case.name for case in cases()]
    assert len(set(names)) == len(names)
    assert {case.held for case in cases()} == {True, False}


@pytest.mark.parametrize("family", ["ecp5", "xc7"])
def test_a_live_synthesis_of_a_design_held_back(family):
    """Small, and not among the measured ones: neither fit nor stated errors have seen it."""
    design, synthesis = measure.measure(Case("net", 5003, True), family)
    said, took = design.resources(family), synthesis.total
    assert (said.bram, said.dsp) == (took.bram, took.dsp)
    assert said.lut == pytest.approx(took.lut, rel=LUT_WORST)
    assert said.ff == pytest.approx(took.ff, rel=LUT_WORST)


def test_rates_follow_from_the_routed_designs():
    found, errors, _ = calibrate.rated("ecp5")
    held = files.fit("ecp5")["fmax"]
    assert found["ns"] == pytest.approx(held["ns"], rel=1e-3)
    assert found["band"] == pytest.approx(held["band"], abs=1e-3)
    assert stated("ecp5")["fmax"] == pytest.approx(errors, abs=1e-3)
    assert errors["median"] <= FMAX_MEDIAN


def test_a_rate_has_a_band_around_it():
    guess = fmax(Case("net", 3002, False).build(), load("radiona_ulx3s_85f"))
    assert guess.low < guess.mhz < guess.high
    assert "nextpnr" in guess.source


def test_families_without_place_and_route_have_no_rate():
    assert fmax(Case("net", 3002, False).build(), load("tul_pynq_z2")) is None


def test_larger_designs_and_slower_paths_take_longer():
    ns = {"logic": 4.0, "block": 6.0, "compared_block": 8.0, "multiplier": 6.5, "carry": 0.1, "doubling": 0.5}
    assert period(Slow({"logic": 10}, 0.0), ns) == pytest.approx(5.0)
    assert period(Slow({"logic": 10, "block": 0}, 0.0), ns) == pytest.approx(6.0)
    assert period(Slow({"logic": 10, "block": 0}, 2.0), ns) == pytest.approx(7.0)
    assert period(Slow({"logic": 30}, 0.0), ns) == pytest.approx(7.0)


def test_what_slows_a_design_is_read_from_its_units():
    design = Case("net", 3002, False).build()
    found = slow(design, "ecp5")
    assert ("block" in found.carries) == (design.resources("ecp5").bram > 0)
    assert found.carries["logic"] == max(vars(i.p).get("ACC_BITS", 0) for i in design.instances)


def test_delays_are_found_again():
    """From rates that known delays make."""
    rng = np.random.default_rng(3)
    ns = {"logic": 5.0, "block": 7.0, "compared_block": 9.0, "multiplier": 6.2, "paired_multiplier": 7.4}
    ns |= {"carry": 0.05, "doubling": 0.7}
    slowed = []
    for n in range(60):
        kind = ("logic", "block", "multiplier")[n % 3]
        slowed.append(Slow({"logic": int(rng.integers(4, 20)), kind: 0}, float(rng.random() * 4)))
    found = rates.delays(slowed, [1000 / period(s, ns) for s in slowed])
    told = [period(s, found) / period(s, ns) for s in slowed]
    assert np.abs(np.log(told)).mean() < 0.02
    assert rates.band(slowed, [1000 / period(s, ns) for s in slowed], ns) == {"slow": 0.0, "fast": 0.0}


def test_factors_are_found_again():
    """From units whose parts cost known factors, some of them given to a neighbour by mistake."""
    rng = np.random.default_rng(5)
    rows = []
    for n in range(80):
        a, b = (float(v) for v in rng.integers(5, 60, 2))
        moved = 20.0 if n % 8 == 0 else 0.0
        parts = {"one": Resources(lut=a, ff=a), "two": Resources(lut=b, ff=b)}
        found = Resources(lut=1.3 * a + 0.6 * b - moved, ff=a + b)
        rows.append(fit.Row(f"d{n // 8}", False, "gw_a", parts, found))
    found = fit.factors(rows)["gw_a"]
    assert found["one"] == pytest.approx([1.3, 1.0], abs=0.05)
    assert found["two"] == pytest.approx([0.6, 1.0], abs=0.05)


def test_errors_are_of_designs_held_back_only():
    parts, right = {"one": Resources(lut=100, ff=100)}, Resources(lut=80, ff=100)
    rows = [fit.Row(n, n == "b", "gw_a", parts, right) for n in ("a", "b")]
    found = evaluate.errors(evaluate.told(rows, {"gw_a": {"one": (1.0, 1.0)}}))
    assert found["lut"] == {"median": 0.25, "worst": 0.25}
    assert found["ff"] == {"median": 0.0, "worst": 0.0}
    assert found["bram"] == {"exact": 1.0}


def test_roms_in_luts_share_equal_columns():
    # Columns from the lowest: constant, address bit 0, the same again, its inverse, and one of both bits.
    words = [0b01000, 0b00110, 0b01000, 0b10110]
    assert changing(words, 5) == 4
    assert lut_rom(words, 5, True, 4) == Resources(lut=2 - 1, ff=2 * 3)
    assert rom(4, 5, 2, False, "ecp5", [0, 0, 0, 0]) == Resources()
    assert rom(4, 3, 2, False, "ecp5", [0b000, 0b111, 0b000, 0b111]) == Resources(ff=1)


def test_deep_roms_share_cofactors():
    """Two columns of 32 words with equal lower halves: three functions of four bits and two multiplexers."""
    rng = np.random.default_rng(1)
    low, high = (rng.integers(1, 3, 16), rng.integers(1, 3, 16))
    words = [*(3 * (v & 1) for v in low), *(int(v) for v in high)]
    assert lut_rom([int(w) for w in words], 2, False, 4).lut == 5


def test_contents_make_an_estimate_closer():
    """Constant weights are shared between rows; without looking they are taken as arbitrary."""
    (instance,) = [i for i in Case("net", 4001, True).build().instances if i.name.startswith("u00")][-1:]
    assert instance.unit.module == "gw_matrix_vector"
    assert instance.resources("ecp5") != instance.resources("ecp5", contents=False)


@pytest.mark.parametrize(
    ("x", "signed", "w", "family", "lut", "ff"),
    [
        (1, 0, 4, "gowin", 4, 5), (1, 0, 4, "ice40", 4, 4), (2, 1, 5, "gowin", 17, 7),
        (3, 1, 8, "gowin", 56, 11), (3, 0, 6, "ice40", 33, 9), (5, 1, 5, "ice40", 64, 10),
        (3, 1, 3, "xcup", 8, 6), (4, 1, 4, "xcup", 26, 8),
    ],
)  # fmt: skip
def test_products_in_luts(x, signed, w, family, lut, ff):
    """What Yosys 0.70 took of gw_lane_multiply with one lane by itself."""
    said = product(x, w, family, bool(signed))
    assert (said.ff, said.dsp) == (ff, 0)
    assert said.lut == pytest.approx(lut, rel=0.05)


@pytest.mark.parametrize(
    ("words", "bits", "family", "bram"),
    [
        (160, 8, "gowin", 0),
        (200, 8, "gowin", 1),
        (400, 4, "ecp5", 1),
        (256, 8, "xc7", 0),
        (120, 12, "ecp5", 1),
    ],
)
def test_memories_in_blocks(words, bits, family, bram):
    """Where multiplexers between rows of LUT RAM make a block cheaper; as Yosys 0.70 chose for gw_ram."""
    assert ram_resources(words, bits, 0, family).bram == bram


def test_units_by_themselves_count_more_than_a_netlist_s_names():
    """A unit's cells carry its neighbour's name; by itself each took what its part says."""
    part, own = {"one": Resources(lut=100, ff=100)}, Resources(lut=100, ff=100)
    less, more = Resources(lut=50, ff=100), Resources(lut=150, ff=100)

    def factors(alone, exact=()):
        rows = [
            fit.Row(f"d{n}", False, module, part, found, alone)
            for n in range(20)
            for module, found in (("gw_a", less), ("gw_b", more))
        ]
        found = fit.factors(rows, exact=exact)
        return found["gw_a"]["one"][0], found["gw_b"]["one"][0]

    by_name, by_itself = factors(None), factors(own)
    assert by_name[0] < 0.7
    assert by_name[1] > 1.3
    assert by_itself == pytest.approx((1, 1), abs=0.1)
    assert factors(None, exact=("gw_a",))[0] == 1


def test_an_estimate_is_quick():
    """Foldings are compared by the hundred."""
    from time import perf_counter

    p = SimpleNamespace(BITS=8, DEPTH=2, RAM_STYLE=2)
    FIFO.resources(p, "ecp5")
    start = perf_counter()
    for _ in range(200):
        FIFO.resources(p, "ecp5")
    assert (perf_counter() - start) / 200 < 500e-6


def test_a_broken_fit_is_told(tmp_path, monkeypatch):
    (tmp_path / "ecp5.json").write_text("{")
    monkeypatch.setattr(files, "files", lambda package: tmp_path)
    files.fit.cache_clear()
    with pytest.raises(
        LoweringError, match=r"^estimates: ecp5\.json must be JSON, not .*\. Run: python bench"
    ):
        files.fit("ecp5")
    files.fit.cache_clear()


def test_a_family_without_a_fit_states_nothing():
    assert stated("other") == {}


@pytest.mark.parametrize(
    ("words", "took"), [(64, 1), (128, 2), (256, 4), (486, 10.08), (700, 16.19), (1452, 31.75)]
)
def test_deep_roms_in_luts_of_six_inputs(words, took):
    """LUTs a column that Yosys 0.70 took of 12 to 24 random ones, for xc7 and UltraScale+ alike."""
    assert rom(words, 20, 2, False, "xc7").lut / 20 == pytest.approx(took, rel=0.1)
    if words <= 256:
        rng = np.random.default_rng(words)
        known = [int(word) for word in rng.integers(0, 1 << 20, words)]
        assert rom(words, 20, 2, False, "xcup", known).lut / 20 == pytest.approx(took, rel=0.1)
