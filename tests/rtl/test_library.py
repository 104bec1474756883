"""Every library module, read by four tools; its header against its Unit."""

import re
from pathlib import Path

import pytest
from pyverilog.vparser import ast
from pyverilog.vparser.parser import VerilogParser

from gatewright.hw import library
from gatewright.hw.flow import tools
from gatewright.hw.units import UNITS

MODULES = sorted(library.RTL.glob("gw_*.v"))
UNIT_FILES = [library.RTL / f"{unit.module}.v" for unit in UNITS]
STREAM_PORTS = [
    ("clk", "Input"), ("rst", "Input"), ("s_tdata", "Input"), ("s_tvalid", "Input"), ("s_tready", "Output"),
    ("m_tdata", "Output"), ("m_tvalid", "Output"), ("m_tready", "Input"),
]  # fmt: skip

each_module = pytest.mark.parametrize("file", MODULES, ids=lambda file: file.stem)
each_unit = pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.module)


def sources(file: Path) -> list[str]:
    """The module's file and those of all that it instantiates."""
    return [str(file), *(str(f) for f in library.closure([file.read_text()]).values() if f != file)]


def lint_top(file: Path) -> Path:
    """The module to lint as top: the file's, or where it instantiates itself, which Verilator does not
    follow from the top down, one that uses it."""
    uses = rf"(?<!module )\b{file.stem} #\("
    if not re.search(uses, file.read_text()):
        return file
    return next(f for f in MODULES if f != file and re.search(uses, f.read_text()))


@pytest.fixture(scope="module")
def parse(tmp_path_factory):
    """Pyverilog's parser; it leaves files in the working folder and takes a second to build."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("pyverilog"))
        parser = VerilogParser()
        yield lambda file: parser.parse(file.read_text())


def module_of(tree) -> ast.ModuleDef:
    """The only module of a parsed file."""
    (found,) = [d for d in tree.description.definitions if isinstance(d, ast.ModuleDef)]
    return found


def test_there_are_modules_to_read():
    """The folder that the tests walk is not empty, and holds the modules of all Units."""
    assert set(UNIT_FILES) <= set(MODULES)


@each_module
def test_verilator_has_no_warning(file, tmp_path):
    """``--lint-only -Wall`` prints nothing at all."""
    verilator, top = tools.find("verilator"), lint_top(file)
    command = ["--lint-only", "-Wall", "--quiet", "--top-module", top.stem, *sources(top)]
    assert tools.run(verilator, command, tmp_path).strip() == ""


@each_module
def test_icarus_compiles(file, tmp_path):
    """Icarus elaborates the module as Verilog-2005 without a warning."""
    command = ["-g2005", "-Wall", "-Wno-timescale", "-s", file.stem, "-o", "out.vvp", *sources(file)]
    assert tools.run(tools.find("iverilog"), command, tmp_path).strip() == ""


def test_yosys_elaborates(tmp_path):
    """Yosys reads each module and, but for those that need ROM files, elaborates and checks it."""
    script = []
    for file in MODULES:
        paths = [Path(path) for path in sources(file)]
        for path in paths:
            (tmp_path / path.name).write_text(path.read_text())
        script += ["design -reset", f"read_verilog -defer {' '.join(path.name for path in paths)}"]
        if not any("$readmemh" in path.read_text() for path in paths):
            script += [f"hierarchy -check -top {file.stem}", "proc", "check -assert"]
    (tmp_path / "read.ys").write_text("\n".join(script) + "\n")
    said = tools.run(tools.find("yosys"), ["-q", "-s", "read.ys"], tmp_path)
    assert "Warning" not in said


@each_module
def test_pyverilog_parses(file, parse):
    """A file holds one module, of its own name."""
    assert module_of(parse(file)).name == file.stem


@each_module
def test_header_comment(file):
    """A module opens with a sentence on what it gives, and bans implicit wires."""
    lines = file.read_text().splitlines()
    assert re.match(r"// \w.{20}", lines[0])
    assert "`default_nettype none" in lines


@each_unit
def test_header_states_the_contract(unit):
    """The header of a Unit's module says what a piece of work is, its interval and its latency."""
    header = (library.RTL / f"{unit.module}.v").read_text().split("`default_nettype none")[0].lower()
    assert all(word in header for word in ("one piece of work", "interval", "latency"))


@each_unit
def test_parameters_are_the_units(unit, parse):
    """The module's parameter list equals the Unit's, in order."""
    found = module_of(parse(library.RTL / f"{unit.module}.v")).paramlist.params
    assert tuple(p.list[0].name for p in found) == unit.params


@each_unit
def test_ports_are_a_stream(unit, parse):
    """Names, order and directions of the ports are those of the streaming contract."""
    ports = module_of(parse(library.RTL / f"{unit.module}.v")).portlist.ports
    assert [(port.first.name, type(port.first).__name__) for port in ports] == STREAM_PORTS


@each_unit
def test_files_are_what_the_module_instantiates(unit):
    """``Unit.files`` is the module with all below it: no more, no less."""
    text = (library.RTL / f"{unit.module}.v").read_text()
    assert set(unit.files) == set(library.closure([text]))


@each_unit
def test_memories_are_parameters(unit):
    """A Unit's memories are named by parameters of its module."""
    assert set(unit.memories) <= set(unit.params)
