"""XLS itself: DSLX to optimized IR, and IR to a pipeline in Verilog."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from types import ModuleType

from ...errors import ToolError
from .text import TOP

# The generated module, with ports clk, x and y.
FUNCTION = "xls_function"
PACKAGE = "xls-python"
# Of XLS's models the one whose delays come closest to an FPGA's: "unit" counts operations.
_DELAYS = "sky130"
_REGISTERS = re.compile(r"^ *// Registers for pipe stage \d+:$", re.MULTILINE)
_LINES = 5
# Of the optimizer; it takes a second or two for a thousand operations, and for a few graphs does not end.
SECONDS = 900.0
_OPTIMIZE = """
import sys, xls
name = sys.argv[1]
ir = xls.convert_dslx_to_ir(sys.stdin.read(), name + ".x", name)
sys.stdout.write(xls.optimize_ir(ir, xls.mangle_dslx_name(name, name)))
"""


@dataclass(frozen=True)
class Pipeline:
    """Verilog of module FUNCTION, and how many registers lie between its ports x and y."""

    verilog: str
    clocks: int


def library() -> ModuleType:
    """The module ``xls``.

    Raises:
        ToolError: it is not installed.
    """
    try:
        import xls
    except ImportError as error:
        raise ToolError(
            f"xls: the package {PACKAGE} must be installed, but is not ({error}). "
            "Run pip install 'gatewright[xls]'."
        ) from None
    return xls


def installed() -> str:
    """XLS's version; empty where it is not installed."""
    try:
        return version(PACKAGE)
    except PackageNotFoundError:
        return ""


def top_name() -> str:
    """What XLS calls the function in its IR."""
    return library().mangle_dslx_name(TOP, TOP)


def optimized(dslx: str, seconds: float = SECONDS) -> str:
    """XLS's IR of a DSLX text, optimized, in a process of its own, which can be ended.

    Raises:
        ToolError: XLS is missing, rejects the text, or takes longer than ``seconds``.
    """
    library()
    try:
        done = subprocess.run(
            [sys.executable, "-c", _OPTIMIZE, TOP],
            input=dslx,
            capture_output=True,
            text=True,
            timeout=seconds,
        )
    except subprocess.TimeoutExpired:
        raise ToolError(
            f"xls: XLS must optimize the function within {seconds:g} s, but has not. "
            "Compile without --via xls, or a smaller model."
        ) from None
    if done.returncode:
        raise failed("compile the DSLX", "\n".join(done.stderr.strip().splitlines()[-_LINES:]))
    return done.stdout


def pipelined(ir: str, *, stages: int | None = None, period_ps: int | None = None) -> Pipeline:
    """Optimized IR as a pipeline of ``stages`` between its first and its last register, or of as many as make
    XLS's own delays fit into ``period_ps``.

    Raises:
        ToolError: XLS is missing, or cannot schedule this.
    """
    asked = {"pipeline_stages": stages} if stages is not None else {"clock_period_ps": period_ps}
    try:
        package = library().Package.parse_ir(ir)
        made = package.schedule_and_codegen(
            generator="pipeline", top=top_name(), module_name=FUNCTION, output_port_name="y",
            flop_inputs=True, flop_outputs=True, delay_model=_DELAYS, with_delay_model=True,
            use_system_verilog=False, **asked,
        )  # fmt: skip
    except (RuntimeError, ValueError) as error:
        raise failed(f"make a pipeline of {stages or f'{period_ps} ps'}", error) from None
    text = made.get_verilog_text()
    # Of a constant function nothing is in registers, and any count is right.
    return Pipeline(text, max(len(_REGISTERS.findall(text)), 2))


def failed(what: str, error: Exception | str) -> ToolError:
    """What XLS says, its first lines."""
    said = "\n".join(str(error).strip().splitlines()[:_LINES])
    return ToolError(f"xls: XLS must {what}, but says:\n{said}")
