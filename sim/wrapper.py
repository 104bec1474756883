"""What both simulators share: the wrapper module around a design, the stimulus, and the raw outcome."""

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import InputError

# Idle and stall patterns repeat after a prime number of clocks, so that they fall in step with nothing.
PATTERN_CLOCKS = 8191
# Clocks at the start in which the harness looks for combinational paths from valid or ready.
PROBE_CLOCKS = 4096
# Without a bound from the caller, a run ends when no beat has moved for this many clocks.
IDLE_CLOCKS = 200_000
RESET_CLOCKS = 4
WRAPPER = "gw_wrapper"

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PLAIN_TEXT = re.compile(r"[ !#-\[\]-~]*")


@dataclass(frozen=True)
class Ports:
    """Widths of the two streams of the design under test."""

    in_bits: int
    out_bits: int

    def __post_init__(self):
        if self.in_bits < 1 or self.out_bits < 1:
            raise InputError(
                f"simulate: streams must be at least 1 bit wide, not {self.in_bits} in, {self.out_bits} out"
            )


@dataclass(frozen=True)
class Stimulus:
    """One run: words in, outputs expected, per-clock patterns ('1' = idle or stalled), and bounds."""

    words: Sequence[int]
    out_count: int
    gap: str
    stall: str
    max_clocks: int
    idle_clocks: int
    drain: int
    seed: int


@dataclass(frozen=True)
class Outcome:
    """What a simulator saw: ``reason`` is why it ended, ``clock`` when, ``offered`` the first valid."""

    reason: str
    clock: int
    offered: int | None
    words: list[int]
    in_clocks: list[int]
    out_clocks: list[int]


def pattern(probability: float, seed: int, salt: str) -> str:
    """One '0' or '1' per clock, '1' with ``probability``; the same for the same seed and salt.

    Raises:
        InputError: a probability outside [0, 0.99].
    """
    if not 0 <= probability <= 0.99:
        raise InputError(f"simulate: {salt} must be a probability from 0 to 0.99, not {probability}")
    source = random.Random(f"{seed} {salt}")
    return "".join("1" if source.random() < probability else "0" for _ in range(PATTERN_CLOCKS))


def literal(value: int | str) -> str:
    """A Verilog literal of a parameter: decimal, hexadecimal beyond 32 bits, or a quoted string.

    Raises:
        InputError: a string with quotes, backslashes, control or non-ASCII characters.
    """
    if isinstance(value, str):
        if not _PLAIN_TEXT.fullmatch(value):
            raise InputError(
                f"simulate: a string parameter must be printable ASCII without quotes, not {value!r}"
            )
        return f'"{value}"'
    value = int(value)
    if -(2**31) < value < 2**31:
        return str(value)
    bits = abs(value).bit_length() + 1
    return f"{'-' if value < 0 else ''}{bits}'sh{abs(value):x}"


def wrapper(top: str, params: Mapping[str, int | str], ports: Ports) -> str:
    """Verilog of a module with fixed names and widths around ``top`` with its parameters.

    Raises:
        InputError: a module or parameter name that is no Verilog identifier.
    """
    for name in (top, *params):
        if not _IDENTIFIER.fullmatch(name):
            raise InputError(f"simulate: a module or parameter name must be an identifier, not {name!r}")
    values = ",\n        ".join(f".{name}({literal(value)})" for name, value in params.items())
    hash_list = f" #(\n        {values}\n    )" if params else ""
    return f"""`default_nettype none
module {WRAPPER} (
    input  wire clk,
    input  wire rst,
    input  wire [{ports.in_bits - 1}:0] s_tdata,
    input  wire s_tvalid,
    output wire s_tready,
    output wire [{ports.out_bits - 1}:0] m_tdata,
    output wire m_tvalid,
    input  wire m_tready
);
    {top}{hash_list} dut (
        .clk(clk),
        .rst(rst),
        .s_tdata(s_tdata),
        .s_tvalid(s_tvalid),
        .s_tready(s_tready),
        .m_tdata(m_tdata),
        .m_tvalid(m_tvalid),
        .m_tready(m_tready)
    );
endmodule
`default_nettype wire
"""


def write_memories(workdir: Path, memories: Mapping[str, object]) -> None:
    """Writes ROM files for $readmemh: name to text, or to (words, bits), one word a line.

    Raises:
        InputError: a name that leaves ``workdir``, or a word that needs more than its bits.
    """
    for name, contents in memories.items():
        path = Path(name)
        if path.is_absolute() or ".." in path.parts:
            raise InputError(f"simulate: a memory file must stay in the working folder, not {name!r}")
        if not isinstance(contents, str):
            words, bits = contents
            bad = next((w for w in words if not 0 <= w < 1 << bits), None)
            if bad is not None:
                raise InputError(f"simulate: words of {name} must fit {bits} bits, not {bad}")
            digits = (bits + 3) // 4
            contents = "".join(f"{word:0{digits}x}\n" for word in words)
        (workdir / path).parent.mkdir(parents=True, exist_ok=True)
        (workdir / path).write_text(contents)
