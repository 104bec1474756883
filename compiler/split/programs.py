"""C text of the programs that run a split's parts on the processor, frame by frame, from files to files."""

from collections.abc import Sequence
from dataclasses import dataclass

from .header import NAME as HEADER
from .header import Held

# What profilers count: not to be put into main.
WORK = "gw_split_work"
_PROGRAM = """\
/* {about}
 *
 *   {name} {files} [REPEATS]
 *
 * Each file holds what it is called by for every frame, without anything between. REPEATS does each frame's
 * work so many times, for measuring.
 */
#include <stdio.h>
#include <stdlib.h>

#include "{header}"
{include}
{buffers}

static __attribute__((noinline)) void {work}({context_parameter})
{{
{body}}}

int main(int argc, char **argv)
{{
    static const char *const modes[] = {{{modes}}};
    FILE *files[{count}];
    long repeats, i;
    if (argc < {count} + 1) {{
        fprintf(stderr, "usage: {name} {files} [REPEATS]\\n");
        return 2;
    }}
    repeats = argc > {count} + 1 ? atol(argv[{count} + 1]) : 1;
    for (i = 0; i < {count}; i++) {{
        files[i] = fopen(argv[i + 1], modes[i]);
        if (!files[i]) {{
            perror(argv[i + 1]);
            return 1;
        }}
    }}
{init}    while ({reads}) {{
        for (i = 0; i < repeats; i++)
            {work}({context});
        if (!({writes})) {{
            perror("{name}: output");
            return 1;
        }}
    }}
{free}    for (i = 0; i < {count}; i++)
        if (fclose(files[i]) != 0) {{
            perror(argv[i + 1]);
            return 1;
        }}
    return 0;
}}
"""
_INIT = """\
    {library}_context *context = {library}_init(memory);
    if (!context) {{
        fprintf(stderr, "error: {library}_init found no use for its memory\\n");
        return 1;
    }}
"""


@dataclass(frozen=True)
class Call:
    """A part's library: its name, and the tensors that its ``run`` takes and gives, in order."""

    library: str
    takes: tuple[Held, ...]
    gives: tuple[Held, ...]


@dataclass(frozen=True)
class Program:
    """What one program does for each frame.

    Attributes:
        name: of the program.
        reads, writes: tensors, each from or to a file of its own, in the order of its arguments.
        packs: whether the FPGA's stream is written, to its last file, or read, from its first.
        streamed: the tensor that goes into the stream or comes out of it.
        call: the library; None where the part computes nothing.
    """

    name: str
    reads: tuple[Held, ...]
    writes: tuple[Held, ...]
    packs: bool
    streamed: Held
    call: Call | None


def text(program: Program) -> str:
    """The program's source: C99 with GCC's attribute ``noinline``."""
    call, packs = program.call, program.packs
    own = [*program.reads, *program.writes, program.streamed, *(call.takes + call.gives if call else ())]
    buffers = [f"static {h.c_type} {h.name}[{_elements(h)}];" for h in {h.name: h for h in own}.values()]
    buffers.append(f"static uint8_t stream[GW_SPLIT_{'IN' if packs else 'OUT'}_BYTES];")
    if call:
        upper = call.library.upper()
        buffers.append(
            f"static unsigned char memory[{upper}_CONTEXT_BYTES] __attribute__((aligned({upper}_ALIGNMENT)));"
        )
    reads = [*([] if packs else ["stream"]), *(h.name for h in program.reads)]
    writes = [*(h.name for h in program.writes), *(["stream"] if packs else [])]
    names = [f"{n.upper()}" for n in (*reads, *writes)]
    return _PROGRAM.format(
        about=_about(program), name=program.name, header=HEADER, work=WORK, files=" ".join(names),
        include=f'#include "{call.library}.h"\n' if call else "", buffers="\n".join(buffers),
        context_parameter=f"{call.library}_context *context" if call else "void", body=_body(program),
        modes=", ".join(['"rb"'] * len(reads) + ['"wb"'] * len(writes)), count=len(names),
        init=_INIT.format(library=call.library) if call else "", context="context" if call else "",
        free=f"    {call.library}_free(context);\n" if call else "",
        reads=_moved("fread", reads, 0), writes=_moved("fwrite", writes, len(reads)),
    )  # fmt: skip


def _about(program: Program) -> str:
    if program.packs:
        return "What the processor does before the FPGA: from the network's inputs to the FPGA's stream."
    return "What the processor does behind the FPGA: from the FPGA's stream to the network's outputs."


def _elements(held: Held) -> str:
    return f"GW_SPLIT_{held.name.upper()}_ELEMENTS"


def _body(program: Program) -> str:
    call = program.call
    lines = []
    if call:
        arguments = ", ".join(["context", *(h.name for h in (*call.takes, *call.gives))])
        lines.append(f"    {call.library}_run({arguments});\n")
    if program.packs:
        lines.append(f"    gw_split_pack({program.streamed.name}, stream);\n")
    else:
        lines.insert(0, f"    gw_split_unpack(stream, {program.streamed.name});\n")
    return "".join(lines)


def _moved(function: str, names: Sequence[str], first: int) -> str:
    """A condition that every array was read or written whole."""
    each = [f"{function}({n}, sizeof {n}, 1, files[{first + i}]) == 1" for i, n in enumerate(names)]
    return " && ".join(each)
