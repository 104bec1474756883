"""Proofs by Yosys's SAT solver of the library's functions, portable and in cells of families.

Registers are taken out, so that a proof is of one function of what goes in; that all of a module stands still
together is for simulation.
"""

from gatewright.errors import ToolError
from gatewright.hw import library
from gatewright.hw.flow import tools

# Module for a register: what goes in comes out.
THROUGH = """(* techmap_celltype = "$dff" *) module _80_through (CLK, D, Q);
    parameter WIDTH = 1;
    parameter CLK_POLARITY = 1;
    input CLK;
    input [WIDTH-1:0] D;
    output [WIDTH-1:0] Q;
    assign Q = D;
endmodule
"""
# Yosys's own models of the cells in the twins.
CELLS = {"": "", "ecp5": "ecp5/cells_sim.v", "xc7": "xilinx/cells_sim.v"}


def part(name: str, i: int, bits: int, to: int, signed: bool) -> str:
    """Element ``i`` of a vector as a signed number of ``to`` bits."""
    top = f"{name}[{(i + 1) * bits - 1}]" if signed else "1'b0"
    return f"$signed({{{{{to - bits}{{{top}}}}}, {name}[{i * bits} +: {bits}]}})"


def module(made: list[tuple[str, str]]) -> str:
    """The module that all is proved of."""
    ports = ",\n    ".join(["input wire clk", *(ports for ports, _ in made)])
    return f"module proof (\n    {ports}\n);{''.join(text for _, text in made)}endmodule\n"


def sources(text: str, family: str) -> dict[str, str]:
    """The library's files of a proof in the family's form."""
    files = library.closure([text])
    return {name: (library.twin(name, family) or path).read_text() for name, path in files.items()}


def proved(text: str, files: dict[str, str], family: str, workdir) -> bool:
    """Whether no operands break an assertion."""
    for name, source in {**files, "proof.v": text, "through.v": THROUGH}.items():
        (workdir / name).write_text(source)
    cells = f"read_verilog -overwrite +/{CELLS[family]}; " if family else ""
    script = (
        f"{cells}read_verilog -formal -defer {' '.join(files)} proof.v; hierarchy -check -top proof; proc; "
        "flatten; opt_expr; opt_clean; techmap -map through.v; opt -full; chformal -lower; "
        "sat -verify -prove-asserts proof"
    )
    try:
        said = tools.run(tools.find("yosys"), ["-p", script], workdir)
    except ToolError as error:
        if "proof did fail" in str(error):
            return False
        raise
    assert "Import proof for assert" in said
    assert "SAT proof finished - no model found: SUCCESS" in said
    return True
