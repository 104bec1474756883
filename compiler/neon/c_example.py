"""C text of the example program, and of the package file that CMake reads."""

from __future__ import annotations

from ..ir.graph import Graph
from .c_header import input_tensors, output_tensors
from .program import Program

_EXAMPLE = """\
/* Runs the network on frames from a file:
 *
 *   example FRAMES OUTPUTS [REPEATS]
 *
 * FRAMES holds {frame} for each frame, without anything between; OUTPUTS gets {result} for each.
 * REPEATS runs each frame so many times, for measuring.
 */
#include <stdio.h>
#include <stdlib.h>

#include "{name}.h"

static unsigned char memory[{upper}_CONTEXT_BYTES] __attribute__((aligned({upper}_ALIGNMENT)));
{buffers}

static int read_frame(FILE *frames)
{{
    return {reads};
}}

static int write_outputs(FILE *results)
{{
    return {writes};
}}

int main(int argc, char **argv)
{{
    long repeats = argc > 3 ? atol(argv[3]) : 1, i;
    FILE *frames, *results;
    {name}_context *context;
    if (argc < 3) {{
        fprintf(stderr, "usage: example FRAMES OUTPUTS [REPEATS]\\n");
        return 2;
    }}
    frames = fopen(argv[1], "rb");
    results = frames ? fopen(argv[2], "wb") : NULL;
    if (!frames || !results) {{
        perror(frames ? argv[2] : argv[1]);
        return 1;
    }}
    context = {name}_init(memory);
    if (!context) {{
        fprintf(stderr, "error: {name}_init found no use for its memory\\n");
        return 1;
    }}
    while (read_frame(frames)) {{
        for (i = 0; i < repeats; i++)
            {name}_run(context, {names});
        if (!write_outputs(results)) {{
            perror(argv[2]);
            return 1;
        }}
    }}
    {name}_free(context);
    fclose(frames);
    if (fclose(results) != 0) {{
        perror(argv[2]);
        return 1;
    }}
    return 0;
}}
"""

_CMAKE = """\
# Written by gatewright. find_package({name} CONFIG PATHS DIR) gives {name}::{name}, the static library,
# and {name}::shared.
{threads}if(NOT TARGET {name}::{name})
  add_library({name}::{name} STATIC IMPORTED)
  set_target_properties({name}::{name} PROPERTIES
    IMPORTED_LOCATION "${{CMAKE_CURRENT_LIST_DIR}}/lib{name}.a"
    INTERFACE_INCLUDE_DIRECTORIES "${{CMAKE_CURRENT_LIST_DIR}}"{link})
  add_library({name}::shared SHARED IMPORTED)
  set_target_properties({name}::shared PROPERTIES
    IMPORTED_LOCATION "${{CMAKE_CURRENT_LIST_DIR}}/lib{name}.so"
    INTERFACE_INCLUDE_DIRECTORIES "${{CMAKE_CURRENT_LIST_DIR}}"{link})
endif()
"""


def example(name: str, program: Program, graph: Graph) -> str:
    """The text of ``example.c``: C99."""
    inputs, outputs = input_tensors(program, graph), output_tensors(program, graph)
    upper = name.upper()

    def words(tensors) -> str:
        return " and ".join(f"{t.storage.type.size} {t.c_type}" for t in tensors)

    def transfers(function: str, tensors, file: str) -> str:
        count = "{0}_{1}_ELEMENTS"
        each = [(t.name, count.format(upper, t.name.upper())) for t in tensors]
        return " && ".join(f"{function}({n}, sizeof *{n}, {size}, {file}) == {size}" for n, size in each)

    buffers = [f"static {t.c_type} {t.name}[{upper}_{t.name.upper()}_ELEMENTS];" for t in (*inputs, *outputs)]
    return _EXAMPLE.format(
        name=name, upper=upper, frame=words(inputs), result=words(outputs), buffers="\n".join(buffers),
        reads=transfers("fread", inputs, "frames"), writes=transfers("fwrite", outputs, "results"),
        names=", ".join(t.name for t in (*inputs, *outputs)),
    )  # fmt: skip


def cmake(name: str, threads: int) -> str:
    """The text of ``<name>Config.cmake``."""
    if threads == 1:
        return _CMAKE.format(name=name, threads="", link="")
    find = "include(CMakeFindDependencyMacro)\nfind_dependency(Threads)\n"
    return _CMAKE.format(name=name, threads=find, link="\n    INTERFACE_LINK_LIBRARIES Threads::Threads")
