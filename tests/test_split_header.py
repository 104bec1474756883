"""The header of a split: C packs and unpacks streams as Python does, on the processor's own terms."""

from pathlib import Path

import numpy as np
import pytest

from gatewright.compiler.ir.types import Int, TensorType
from gatewright.compiler.neon.program import fitting
from gatewright.compiler.split.header import NAME, Held, Streamed, header
from gatewright.driver.cross import cross
from gatewright.hw.design import Stream
from gatewright.sim.qemu import run_arm

FRAMES = 3
# Elements of a tensor, the stream's own range (None: the tensor's), lanes of a beat, bytes of its padding.
CASES = [
    (Int(-1, 1, 2), None, 5, 0),
    (Int(0, 1), None, 8, 1),
    (Int(0, 6, 2), None, 3, 0),
    (Int(-4, 3), Int(-4, 4), 2, 2),
    (Int(0, 255), None, 3, 1),
    (Int(-132, 123), None, 7, 0),
    (Int(-200, -100), None, 1, 0),
    (Int(-30000, 30000), None, 4, 0),
    (Int(0, 65535), None, 2, 4),
    (Int(-(2**31), 2**31 - 1), None, 2, 0),
    (Int(0, 2**32 - 1), None, 1, 0),
    (Int(-(2**40), 2**40), None, 3, 0),
    (Int(2**50, 2**50 + 255), None, 2, 3),
    (Int(-(2**61), 2**61), None, 2, 0),
    (Int(0, 2**55), None, 1, 1),
]
_CASE = """\
#include <stdio.h>
#include "{number}/{header}"

static {c_type} tensor[GW_SPLIT_TENSOR_ELEMENTS], back[GW_SPLIT_TENSOR_ELEMENTS];
static uint8_t stream[GW_SPLIT_IN_BYTES + 1];

int case_{number}(FILE *from, FILE *to);
int case_{number}(FILE *from, FILE *to)
{{
    int i;
    for (i = 0; i < {frames}; i++) {{
        if (fread(tensor, sizeof tensor, 1, from) != 1)
            return 2;
        stream[GW_SPLIT_IN_BYTES] = 0x5a;
        gw_split_pack(tensor, stream);
        if (stream[GW_SPLIT_IN_BYTES] != 0x5a)
            return 3;
        gw_split_unpack(stream, back);
        fwrite(stream, GW_SPLIT_IN_BYTES, 1, to);
        fwrite(back, sizeof back, 1, to);
    }}
    return 0;
}}
"""
_MAIN = """\
#include <stdio.h>
{declared}
int main(int argc, char **argv)
{{
    FILE *from = fopen(argv[1], "rb"), *to = fopen(argv[2], "wb");
    (void)argc;
    return {calls} || fclose(to);
}}
"""


def streamed(kind: Int, wide: Int | None, lanes: int, spare: int) -> Streamed:
    """A tensor of four beats."""
    held = Held("tensor", TensorType((4, lanes), kind), *fitting(kind))
    element = wide or kind
    return Streamed(held, element, lanes, 4, -(-element.bits * lanes // 8) + spare)


def expected(s: Streamed, values: np.ndarray) -> bytes:
    """A frame's beats as Python packs them."""
    words = Stream(s.element, s.lanes, s.beats).pack(values)
    return b"".join(w.to_bytes(s.beat_bytes, "little") for w in words)


@pytest.mark.parametrize("core", ["cortex-a9", "cortex-a53"])
def test_c_packs_as_python_does(core, tmp_path):
    """Every beat's bytes, its padding, and every element that comes back; nothing behind the stream."""
    rng = np.random.default_rng(1)
    given, want = [], []
    for case in CASES:
        s = streamed(*case)
        kind, held = s.held.type.dtype, s.held
        values = kind.lo + kind.step * rng.integers(0, kind.levels, (FRAMES, *held.type.shape))
        values[0].flat[:2] = kind.lo, kind.hi
        elements = (values - held.offset).astype(f"<i{np.dtype(held.dtype).itemsize}")
        given.append(elements.tobytes())
        want += [expected(s, v) + e.tobytes() for v, e in zip(values, elements, strict=True)]
    build(core, tmp_path)
    (tmp_path / "from").write_bytes(b"".join(given))
    run_arm(tmp_path / "main", [str(tmp_path / "from"), str(tmp_path / "to")], cpu=core)
    assert (tmp_path / "to").read_bytes() == b"".join(want)


def build(core: str, folder: Path) -> None:
    """A program that packs and unpacks every case; the compiler may not complain."""
    numbers = range(len(CASES))
    for number, case in enumerate(CASES):
        s = streamed(*case)
        (folder / str(number)).mkdir()
        (folder / str(number) / NAME).write_text(header("net */ int x; /*", {"tensor": s.held}, s, s))
        text = _CASE.format(number=number, header=NAME, c_type=s.held.c_type, frames=FRAMES)
        (folder / f"case_{number}.c").write_text(text)
    declared = "\n".join(f"int case_{n}(FILE *from, FILE *to);" for n in numbers)
    calls = " || ".join(f"case_{n}(from, to)" for n in numbers)
    (folder / "main.c").write_text(_MAIN.format(declared=declared, calls=calls))
    options = ["-std=c99", "-O1", "-static", "-Wall", "-Wextra", "-Werror", "-pedantic", "-I."]
    options += ["-fsanitize=undefined", "-fsanitize-trap=undefined"]
    sources = ["main.c", *(f"case_{n}.c" for n in numbers)]
    compiler = cross(core)
    compiler.run(compiler.cc, [*options, *sources, "-o", "main"], folder, "cc")


def test_the_header_says_what_crosses(golden):
    """A tensor of 9 bits to 7 lanes, as a file that people read."""
    s = streamed(Int(-132, 123), None, 7, 0)
    golden("split/gatewright_split.h", header("a net", {"tensor": s.held}, s, s))
