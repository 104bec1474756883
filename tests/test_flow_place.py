"""Place-and-route and bitstreams of all three families; misses and overflows are told apart."""

import pytest

from gatewright.errors import FitError, ToolError
from gatewright.hw.flow.bitstream import PACKERS, pack
from gatewright.hw.flow.families import FLOWS
from gatewright.hw.flow.place import PLACERS, Clock, place_and_route
from gatewright.hw.flow.synthesize import synthesize

# A counter and its square: a multiplier in LUTs, far too slow for the 400 MHz asked of it below.
COUNTER = """
module top (input wire clk, input wire rst, output wire [7:0] led);
    reg [7:0] count_q;
    reg [7:0] square_q;
    always @(posedge clk) begin
        count_q <= rst ? 0 : count_q + 1;
        square_q <= count_q * count_q;
    end
    assign led = square_q;
endmodule
"""
# A RAM of 128 kbit: 32 blocks of 4 kbit.
RAM = """
module top (input wire clk, input wire rst, output wire [7:0] led);
    reg [12:0] count_q;
    reg [15:0] word_q;
    reg [15:0] ram [0:8191];
    always @(posedge clk) begin
        count_q <= rst ? 0 : count_q + 1;
        word_q <= ram[count_q];
        if (rst) ram[~count_q] <= count_q;
    end
    assign led = word_q[15:8] ^ word_q[7:0];
endmodule
"""
DEVICES = {
    "ecp5": ("--25k", "--package", "CABGA381", "--speed", "6"),
    "ice40": ("--up5k", "--package", "sg48"),
    "gowin": ("--device", "GW2AR-LV18QN88C8/I7", "--vopt", "family=GW2A-18C"),
}
GOWIN_PINS = {"clk": 4, "rst": 88} | {f"led[{i}]": p for i, p in enumerate((15, 16, 17, 18, 19, 20, 25, 26))}
PACK_OPTIONS = {"gowin": ("-d", "GW2A-18C")}
SIZES = {"ecp5": (90_000, 2_000_000), "ice40": (100_000, 110_000), "gowin": (1_000_000, 10_000_000)}


@pytest.fixture(scope="module")
def mapped(tmp_path_factory):
    """The counter synthesized for each family, with the pin file that Gowin needs; made when asked for."""
    done = {}

    def make(family):
        if family not in done:
            folder = tmp_path_factory.mktemp(family)
            (folder / "counter.v").write_text(COUNTER)
            (folder / "pins.cst").write_text("".join(f'IO_LOC "{n}" {p};\n' for n, p in GOWIN_PINS.items()))
            done[family] = synthesize(folder, "top", ["counter.v"], family, dsp=False)
        return done[family]

    return make


def route(synthesis, **options):
    family = synthesis.family
    options.setdefault("constraints", "pins.cst" if family == "gowin" else None)
    return place_and_route(synthesis.netlist.parent, synthesis.netlist, family, DEVICES[family], **options)


@pytest.mark.parametrize("family", PLACERS)
def test_a_design_becomes_a_bitstream_and_the_same_one_again(mapped, family):
    options = PACK_OPTIONS.get(family, ())
    routed = route(mapped(family), freq_mhz=5)
    assert routed.met
    first = pack(routed, "first", options=options)
    low, high = SIZES[family]
    assert first.name == f"first{PACKERS[family].suffix}"
    assert low < first.stat().st_size < high
    again = pack(route(mapped(family), freq_mhz=5), "again", options=options)
    assert again.read_bytes() == first.read_bytes()


@pytest.mark.parametrize("family", ["ecp5", "ice40"])
def test_a_missed_rate_is_a_value_with_its_critical_path(mapped, family):
    routed = route(mapped(family), freq_mhz=400)
    assert not routed.met
    name, clock = routed.worst
    assert name == "clk"
    assert clock.asked_mhz == 400
    assert 20 < clock.achieved_mhz < 390
    path = routed.critical_paths[0]
    assert path.clock == "clk"
    assert path.delay_ns == pytest.approx(1000 / clock.achieved_mhz, rel=0.01)
    assert path.delay_ns == pytest.approx(path.logic_ns + path.routing_ns, abs=0.002)
    assert path.steps[0].startswith("count_q")
    assert len(path.steps) > 3


def test_utilisation_counts_sites(mapped):
    routed = route(mapped("ecp5"))
    used, available = routed.utilisation["TRELLIS_FF"]
    assert (used, available) == (mapped("ecp5").total.ff, 24288)
    used, available = routed.utilisation["TRELLIS_COMB"]
    assert mapped("ecp5").total.lut <= used < 1.2 * mapped("ecp5").total.lut + 20
    assert available == 24288


def test_the_seed_changes_the_result(mapped):
    layouts = {route(mapped("ice40"), seed=seed).output.read_bytes() for seed in (1, 2)}
    assert len(layouts) == 2


def test_rates_are_met_from_the_asked_one_on():
    assert Clock(100.0, 100.0).met
    assert not Clock(99.9, 100.0).met


def test_gowin_timing_comes_with_its_caveat():
    assert PLACERS["gowin"].caveat.startswith("nextpnr leaves out paths")
    assert PLACERS["ecp5"].caveat == ""


def test_a_design_too_large_for_the_part_says_by_how_much(tmp_path):
    (tmp_path / "ram.v").write_text(RAM)
    synthesis = synthesize(tmp_path, "top", ["ram.v"], "ice40")
    rule = r"^nextpnr-ice40: the design must fit the part, not need 32 of 30 ICESTORM_RAM\. Take a larger"
    with pytest.raises(FitError, match=rule):
        route(synthesis)


def test_a_bad_pin_file_is_quoted(mapped):
    synthesis = mapped("ice40")
    pins = synthesis.netlist.parent / "bad.pcf"
    pins.write_text("set_io clk 99\n")
    with pytest.raises(ToolError, match=r"(?s)^nextpnr-ice40: must exit with 0, not \d+\..* pin named '99'"):
        route(synthesis, constraints=pins)
    with pytest.raises(ToolError, match=r"^place: the pin file must exist, not be missing: 'no\.pcf'$"):
        route(synthesis, constraints="no.pcf")


def test_files_and_families_are_checked(mapped, tmp_path):
    with pytest.raises(ToolError, match=r"^place: family must be one of ecp5, ice40, gowin, not 'xc7'\."):
        place_and_route(tmp_path, "netlist.json", "xc7", ())
    with pytest.raises(ToolError, match=r"^place: the netlist must be a file in .*, not '.*netlist\.json'$"):
        place_and_route(tmp_path, mapped("ice40").netlist, "ice40", DEVICES["ice40"])
    routed = route(mapped("ice40"))
    with pytest.raises(ToolError, match=r"^bitstream: name must be a plain file name, not '\.\./x'$"):
        pack(routed, "../x")


def test_families_agree_between_the_tables():
    assert set(PLACERS) == set(PACKERS)
    assert set(PLACERS) < set(FLOWS)
