"""Many graphs in one ARM program: each as the C library that users get, run under qemu, integers read back.

Inputs, outputs and the context each end where memory ends, so that a kernel that goes one byte too far stops
the program; what lies in front of outputs and context must stay as it was.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tvm_ffi
from tvm import tirx

from gatewright.compiler.ir.evaluate import evaluate
from gatewright.compiler.ir.graph import Graph
from gatewright.compiler.neon.c_header import input_tensors, output_tensors
from gatewright.compiler.neon.emit_c import kernels, library_files
from gatewright.compiler.neon.isa import CORES, Core
from gatewright.compiler.neon.lower import lower
from gatewright.compiler.neon.objects import compile_kernels
from gatewright.compiler.neon.program import Program, Storage
from gatewright.driver.cross import cross
from gatewright.sim.qemu import ArmRun, run_arm

_SECONDS = 600

_PROGRAM = """\
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
{includes}
static FILE *frames, *results;
static volatile int now = -1;

static void crashed(int number)
{{
    dprintf(1, "graph %d: signal %d\\n", now, number);
    _exit(0);
}}

/* Bytes that end where memory ends; 0x5a in front of them. */
static unsigned char *at_the_end(size_t bytes, size_t alignment)
{{
    size_t room = (bytes + 8191) / 4096 * 4096, back = (bytes + alignment - 1) / alignment * alignment;
    unsigned char *all = mmap(0, room + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (all == MAP_FAILED || mprotect(all + room, 4096, PROT_NONE))
        abort();
    memset(all, 0x5a, room);
    return all + room - back;
}}

static int spoiled(const unsigned char *start)
{{
    int i;
    for (i = 1; i <= 64; i++)
        if (start[-i] != 0x5a)
            return 1;
    return 0;
}}
{functions}
int main(int argc, char **argv)
{{
    int i, n = atoi(argv[3]);
    static void (*const all[])(int) = {{{names}}};
    (void)argc;
    signal(SIGSEGV, crashed), signal(SIGBUS, crashed), signal(SIGILL, crashed), signal(SIGFPE, crashed);
    frames = fopen(argv[1], "rb"), results = fopen(argv[2], "wb");
    for (i = 0; i < (int)(sizeof all / sizeof *all); i++) {{
        now = i;
        all[i](n);
        fflush(results);
    }}
    return 0;
}}
"""

_FUNCTION = """
static void do_{name}(int n)
{{
{buffers}
    unsigned char *memory = at_the_end({name}_context_size(), {upper}_ALIGNMENT);
    {name}_context *context = {name}_init(memory);
    while (n--) {{
{reads}
        {name}_run(context, {arguments});
{writes}
    }}
    {name}_free(context);
    if (spoiled(memory){spoiled})
        dprintf(1, "graph %d: wrote in front of its memory\\n", now);
}}
"""


@dataclass(frozen=True)
class Case:
    """A graph, and its inputs for every frame: int64 (frames, *shape) each."""

    graph: Graph
    frames: tuple[np.ndarray, ...]


class Batch:
    """Cases in one program for one core; all have as many frames."""

    def __init__(self, cases: Sequence[Case], core: str, folder: Path):
        self.cases, self.core, self.folder = list(cases), CORES[core], folder
        folder.mkdir(parents=True, exist_ok=True)
        self.programs = [lower(case.graph, self.core) for case in self.cases]
        self._build()

    def run(self, blocks: bool = False, frames: int | None = None) -> ArmRun:
        """The program under qemu; with ``frames`` only the first ones of each graph."""
        count = len(self.cases[0].frames[0]) if frames is None else frames
        with open(self.folder / "frames", "wb") as file:
            for case, program in zip(self.cases, self.programs, strict=True):
                for i in range(count):
                    for storage, frame in zip(program.inputs, case.frames, strict=True):
                        file.write((frame[i] - storage.offset).astype(storage.dtype).tobytes())
        arguments = [str(self.folder / "frames"), str(self.folder / "results"), str(count)]
        return run_arm(self.folder / "all", arguments, cpu=self.core.name, blocks=blocks, timeout=_SECONDS)

    def outputs(self) -> tuple[list[list[np.ndarray]], str]:
        """Every case's outputs, int64 (frames, *shape), up to where the program stopped; and what it says."""
        said = self.run().stdout.decode()
        data, at, found = (self.folder / "results").read_bytes(), 0, []
        for case, program in zip(self.cases, self.programs, strict=True):
            count, size = len(case.frames[0]), sum(s.bytes for s in program.outputs)
            if len(data) < at + count * size:
                break
            rows = np.frombuffer(data, np.uint8, count * size, at).reshape(count, size)
            found.append(_split(rows, program.outputs))
            at += count * size
        return found, said

    def differences(self) -> dict[int, str]:
        """What is wrong with which case; empty where all equal the reference."""
        found, said = self.outputs()
        wrong = {int(line.split()[1].rstrip(":")): line for line in said.splitlines()}
        for i, (case, got) in enumerate(zip(self.cases, found, strict=False)):
            want = evaluate(case.graph, *case.frames)
            for k, (a, b) in enumerate(zip(got, want, strict=True)):
                if not np.array_equal(a, b):
                    place = tuple(int(v) for v in np.argwhere(a != b)[0])
                    rule = f"{int((a != b).sum())} of {a.size} elements differ"
                    wrong[i] = f"output {k}: {rule}, first {a[place]} for {b[place]} at {place}"
        if len(found) < len(self.cases):
            wrong.setdefault(len(found), "gave no results")
        return wrong

    def _build(self) -> None:
        names = [f"g{i}" for i in range(len(self.cases))]
        constants, sources, merged = [], {}, _Merged()
        for name, case, program in zip(names, self.cases, self.programs, strict=True):
            files = library_files(program, case.graph, name)
            for file, content in files.items():
                if file in (f"{name}.h", f"{name}.c", f"{name}_constants.bin"):
                    (self.folder / file).write_bytes(content)
            constants.append(files[f"{name}_constants.S"].decode())
            merged.add(kernels(program, name))
            sources[name] = _function(name, program, case.graph)
        includes = [f"#define {k} {v}" for k, v in merged.same.items()]
        includes += [f'#include "{name}.c"\n#undef HIDDEN\n#undef PUBLIC' for name in names]
        text = _PROGRAM.format(
            includes="\n".join(includes), functions="".join(sources.values()),
            names=", ".join(f"do_{name}" for name in names),
        )  # fmt: skip
        (self.folder / "all.c").write_text(text)
        (self.folder / "constants.S").write_text("\n".join(constants))
        self.objects(merged.functions, self.core)
        compiler = cross(self.core.name)
        files = ["all.c", "constants.S", "kernels.o"]
        compiler.run(compiler.cc, ["-O1", "-w", "-static", *files, "-o", "all"], self.folder, "all")

    def objects(self, functions: Mapping[str, tirx.PrimFunc], core: Core) -> None:
        """The kernels' object, and their assembly for whoever looks for a defect."""
        module = compile_kernels(functions, core)
        module.write_to_file(str(self.folder / "kernels.o"), "o")


class _Merged:
    """Kernels of all graphs, equal ones once; ``same`` says which stands for which."""

    def __init__(self):
        self.functions: dict[str, tirx.PrimFunc] = {}
        self.same: dict[str, str] = {}
        self._by_hash: dict[int, list[str]] = {}

    def add(self, functions: Mapping[str, tirx.PrimFunc]) -> None:
        """One graph's kernels."""
        for name, function in functions.items():
            known = self._by_hash.setdefault(tvm_ffi.structural_hash(function), [])
            same = [k for k in known if tvm_ffi.structural_equal(self.functions[k], function)]
            if same:
                self.same[name] = same[0]
            else:
                self.functions[name] = function
                known.append(name)


def _function(name: str, program: Program, graph: Graph) -> str:
    """C that reads, runs and writes every frame of one graph."""
    inputs, outputs = input_tensors(program, graph), output_tensors(program, graph)
    ends = {t.name: f"at_the_end({t.storage.bytes}, {t.storage.itemsize})" for t in (*inputs, *outputs)}
    types = {t.name: t.c_type for t in (*inputs, *outputs)}
    read = "        if (fread({0}, 1, {1}, frames) != {1}) return;"
    write = "        fwrite({0}, 1, {1}, results);"
    return _FUNCTION.format(
        name=name, upper=name.upper(), arguments=", ".join(types),
        buffers="\n".join(f"    {types[n]} *{n} = (void *){end};" for n, end in ends.items()),
        reads="\n".join(read.format(t.name, t.storage.bytes) for t in inputs),
        writes="\n".join(write.format(t.name, t.storage.bytes) for t in outputs),
        spoiled="".join(f" || spoiled((void *){t.name})" for t in outputs),
    )  # fmt: skip


def _split(rows: np.ndarray, storages: Sequence[Storage]) -> list[np.ndarray]:
    """Frames of bytes as one array for each output."""
    arrays, at = [], 0
    for storage in storages:
        part = np.ascontiguousarray(rows[:, at : at + storage.bytes]).view(storage.dtype)
        arrays.append(part.astype(np.int64).reshape(-1, *storage.type.shape) + storage.offset)
        at += storage.bytes
    return arrays
