"""The AXI top as an IP that Vivado's block designs take: component.xml after IEEE 1685-2009."""

import xml.etree.ElementTree as ET
from collections.abc import Sequence

from .top import ADDR_BITS, TOP

VLNV = ("gatewright", "gatewright", TOP, "1.0")
CONTROL, ENTRY, LEAVE, CLOCK, RESET, INTERRUPT = (
    "s_axi_control", "s_axis", "m_axis", "aclk", "aresetn", "irq",
)  # fmt: skip

_SPIRIT = "http://www.spiritconsortium.org/XMLSchema/SPIRIT/1685-2009"
_XSI = "http://www.w3.org/2001/XMLSchema-instance"
_LITE = (
    "AWADDR", "AWPROT", "AWVALID", "AWREADY", "WDATA", "WSTRB", "WVALID", "WREADY", "BRESP", "BVALID",
    "BREADY", "ARADDR", "ARPROT", "ARVALID", "ARREADY", "RDATA", "RRESP", "RVALID", "RREADY",
)  # fmt: skip
_STREAM = ("TDATA", "TKEEP", "TLAST", "TVALID", "TREADY")
# What a slave or the target of a signal drives; a master's stream is the other way round.
_DRIVEN = ("AWREADY", "WREADY", "BRESP", "BVALID", "ARREADY", "RDATA", "RRESP", "RVALID", "TREADY")
_WIDTHS = {
    "AWADDR": ADDR_BITS, "ARADDR": ADDR_BITS, "AWPROT": 3, "ARPROT": 3, "WDATA": 32, "RDATA": 32,
    "WSTRB": 4, "BRESP": 2, "RRESP": 2,
}  # fmt: skip
_VIEWS = (
    ("xilinx_anylanguagesynthesis", ":vivado.xilinx.com:synthesis"),
    ("xilinx_anylanguagebehavioralsimulation", ":vivado.xilinx.com:simulation"),
)
_FAMILIES = {"xc7": ("zynq",), "xcup": ("zynquplus",)}


def component_xml(files: Sequence[str], in_bytes: int, out_bytes: int, family: str) -> str:
    """The text of component.xml.

    Args:
        files: of the IP, relative to component.xml: Verilog sources and memory files.
        in_bytes, out_bytes: of a word of the two streams.
        family: of the part, as board files spell it.
    """
    ET.register_namespace("spirit", _SPIRIT)
    root = ET.Element(_tag("component"), {f"{{{_XSI}}}schemaLocation": f"{_SPIRIT} {_SPIRIT}/index.xsd"})
    for name, value in zip(("vendor", "library", "name", "version"), VLNV, strict=True):
        _add(root, name, value)
    _interfaces(_add(root, "busInterfaces"), in_bytes, out_bytes)
    _memory_map(_add(root, "memoryMaps"))
    model = _add(root, "model")
    views = _add(model, "views")
    for view, environment in _VIEWS:
        _view(views, view, environment)
    ports = _add(model, "ports")
    for name, direction, width in _ports(in_bytes, out_bytes):
        _port(ports, name, direction, width)
    sets = _add(root, "fileSets")
    for view, _ in _VIEWS:
        _files(_add(sets, "fileSet"), f"{view}_files", files)
    _add(root, "description", "An accelerator made by gatewright, on AXI4-Stream and AXI4-Lite")
    _core(_add(root, "vendorExtensions"), family)
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _tag(name: str) -> str:
    return f"{{{_SPIRIT}}}{name}"


def _add(parent: ET.Element, name: str, text: str | None = None, /, **attributes: str) -> ET.Element:
    element = ET.SubElement(parent, _tag(name), {_tag(key): value for key, value in attributes.items()})
    element.text = text
    return element


def _interfaces(parent: ET.Element, in_bytes: int, out_bytes: int) -> None:
    lite = {signal: f"{CONTROL}_{signal.lower()}" for signal in _LITE}
    bus = {"PROTOCOL": "AXI4LITE", "DATA_WIDTH": "32", "ADDR_WIDTH": str(ADDR_BITS)}
    _interface(parent, CONTROL, ("interface", "aximm"), "slave", lite, bus, CONTROL)
    for name, mode, size in ((ENTRY, "slave", in_bytes), (LEAVE, "master", out_bytes)):
        signals = {signal: f"{name}_{signal.lower()}" for signal in _STREAM}
        has = {f"HAS_{signal}": "1" for signal in ("TKEEP", "TLAST", "TREADY")}
        width = {"TDATA_NUM_BYTES": str(size)}
        _interface(parent, name, ("interface", "axis"), mode, signals, width | has)
    low = {"POLARITY": "ACTIVE_LOW"}
    high = {"SENSITIVITY": "LEVEL_HIGH"}
    joined = {"ASSOCIATED_BUSIF": f"{CONTROL}:{ENTRY}:{LEAVE}", "ASSOCIATED_RESET": RESET}
    _interface(parent, RESET, ("signal", "reset"), "slave", {"RST": RESET}, low)
    _interface(parent, CLOCK, ("signal", "clock"), "slave", {"CLK": CLOCK}, joined)
    _interface(parent, INTERRUPT, ("signal", "interrupt"), "master", {"INTERRUPT": INTERRUPT}, high)


def _interface(
    parent: ET.Element, name: str, kind: tuple[str, str], mode: str,
    signals: dict[str, str], parameters: dict[str, str], memory_map: str = "",
) -> None:  # fmt: skip
    interface = _add(parent, "busInterface")
    _add(interface, "name", name)
    for element, suffix in (("busType", ""), ("abstractionType", "_rtl")):
        names = {"library": kind[0], "name": f"{kind[1]}{suffix}"}
        _add(interface, element, vendor="xilinx.com", **names, version="1.0")
    side = _add(interface, mode)
    if memory_map:
        _add(side, "memoryMapRef", memoryMapRef=memory_map)
    maps = _add(interface, "portMaps")
    for logical, physical in signals.items():
        port_map = _add(maps, "portMap")
        _add(_add(port_map, "logicalPort"), "name", logical)
        _add(_add(port_map, "physicalPort"), "name", physical)
    if parameters:
        group = _add(interface, "parameters")
        for key, value in parameters.items():
            parameter = _add(group, "parameter")
            _add(parameter, "name", key)
            _add(parameter, "value", value, id=f"BUSIFPARAM_VALUE.{name.upper()}.{key}")


def _memory_map(parent: ET.Element) -> None:
    memory_map = _add(parent, "memoryMap")
    _add(memory_map, "name", CONTROL)
    block = _add(memory_map, "addressBlock")
    _add(block, "name", "reg0")
    _add(block, "baseAddress", "0", format="bitString", bitStringLength="12")
    _add(block, "range", str(1 << ADDR_BITS), format="long")
    _add(block, "width", "32", format="long")
    _add(block, "usage", "register")


def _view(parent: ET.Element, name: str, environment: str) -> None:
    view = _add(parent, "view")
    _add(view, "name", name)
    _add(view, "envIdentifier", environment)
    _add(view, "language", "Verilog")
    _add(view, "modelName", TOP)
    _add(_add(view, "fileSetRef"), "localName", f"{name}_files")


def _ports(in_bytes: int, out_bytes: int) -> list[tuple[str, str, int]]:
    """Name, direction and width of every port of the top; 0 is a plain wire."""
    ports = [(CLOCK, "in", 0), (RESET, "in", 0)]
    for signal in _LITE:
        direction = "out" if signal in _DRIVEN else "in"
        ports.append((f"{CONTROL}_{signal.lower()}", direction, _WIDTHS.get(signal, 0)))
    for name, size in ((ENTRY, in_bytes), (LEAVE, out_bytes)):
        widths = {"TDATA": 8 * size, "TKEEP": size}
        for signal in _STREAM:
            given = (signal in _DRIVEN) == (name == ENTRY)
            ports.append((f"{name}_{signal.lower()}", "out" if given else "in", widths.get(signal, 0)))
    return [*ports, (INTERRUPT, "out", 0)]


def _port(parent: ET.Element, name: str, direction: str, width: int) -> None:
    port = _add(parent, "port")
    _add(port, "name", name)
    wire = _add(port, "wire")
    _add(wire, "direction", direction)
    if width:
        vector = _add(wire, "vector")
        _add(vector, "left", str(width - 1), format="long")
        _add(vector, "right", "0", format="long")
    types = _add(_add(wire, "wireTypeDefs"), "wireTypeDef")
    _add(types, "typeName", "wire")
    for view, _ in _VIEWS:
        _add(types, "viewNameRef", view)


def _files(parent: ET.Element, name: str, files: Sequence[str]) -> None:
    _add(parent, "name", name)
    for path in files:
        file = _add(parent, "file")
        _add(file, "name", path)
        if path.endswith(".v"):
            _add(file, "fileType", "verilogSource")
        else:
            _add(file, "userFileType", "mem")


def _core(parent: ET.Element, family: str) -> None:
    """What Vivado's catalog shows; its own names, which the standard leaves room for."""
    uri = "http://www.xilinx.com"
    ET.register_namespace("xilinx", uri)
    core = ET.SubElement(parent, f"{{{uri}}}coreExtensions")
    families = ET.SubElement(core, f"{{{uri}}}supportedFamilies")
    for name in _FAMILIES[family]:
        ET.SubElement(families, f"{{{uri}}}family", {f"{{{uri}}}lifeCycle": "Production"}).text = name
    taxonomies = ET.SubElement(core, f"{{{uri}}}taxonomies")
    ET.SubElement(taxonomies, f"{{{uri}}}taxonomy").text = "/UserIP"
    ET.SubElement(core, f"{{{uri}}}displayName").text = "Gatewright accelerator"
    ET.SubElement(core, f"{{{uri}}}coreRevision").text = "1"
