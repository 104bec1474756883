"""The C source of a compiled network: the calls of its kernels in order, around memory of the caller's."""

from __future__ import annotations

from ..ir.graph import Graph
from . import c_threads
from .c_header import ALIGNMENT, Tensor, array_name, input_tensors, output_tensors, parameters
from .c_names import comment, integer, number
from .program import Call, Place, Program, Region

# Room in a context besides the arena, for each of its threads; the source asserts that it is enough.
_ROOM = 256

_SOURCE = """\
/* Written by gatewright: {title}. Kernels are in {name}_kernels.o, constants in {name}_constants.S. */
#include "{name}.h"
{pool}
#define HIDDEN __attribute__((visibility("hidden")))
#define PUBLIC __attribute__((visibility("default")))

{declarations}
{arrays}
{meeting}
{calls}
{life}
PUBLIC size_t {name}_context_size(void)
{{
    return sizeof(struct {name}_context);
}}

PUBLIC {name}_context *{name}_init(void *memory)
{{
    struct {name}_context *context = memory;
    _Static_assert(sizeof *context <= {upper}_CONTEXT_BYTES, "the header's figure holds the context");
    if (memory == NULL || (uintptr_t)memory % {upper}_ALIGNMENT != 0)
        return NULL;
    return {started};
}}

PUBLIC void {name}_run({name}_context *context, {parameters})
{{
{run}
}}

PUBLIC void {name}_free({name}_context *context)
{{
{free}
}}
"""

_STOP = """\
    if (context)
        stop_workers(context, THREADS - 1u);"""

_ASSEMBLY = """\
/* Written by gatewright: weights and tables of {name}, read-only. */
    .section .rodata.{name}_constants, "a", %progbits
    .balign {alignment}
    .globl {name}_constants
    .hidden {name}_constants
    .type {name}_constants, %object
{name}_constants:
    .incbin "{name}_constants.bin"
    .size {name}_constants, . - {name}_constants
    .section .note.GNU-stack, "", %progbits
"""


def kernel_name(name: str, kernel: str) -> str:
    """What a kernel is called in the library, so that two libraries go into one program."""
    return f"{name}_{kernel}"


def context_bytes(program: Program, threads: int) -> int:
    """Bytes that a context may need: the arena, and room for the threads."""
    return -(-program.arena // ALIGNMENT) * ALIGNMENT + _ROOM * threads


def assembly(name: str) -> str:
    """The text of ``<name>_constants.S``, which takes the constants from ``<name>_constants.bin``."""
    return _ASSEMBLY.format(name=name, alignment=ALIGNMENT)


def source(name: str, program: Program, graph: Graph, threads: int) -> str:
    """The text of ``<name>.c``: C11 with GCC's attributes."""
    inputs, outputs = input_tensors(program, graph), output_tensors(program, graph)
    many, shared = threads > 1, _Threads(name, inputs, outputs, threads)
    body = calls_text(name, program.calls, inputs, outputs, many)
    plain = f"struct {name}_context {{\n    unsigned char arena[{max(program.arena, 1)}];\n}};\n"
    return _SOURCE.format(
        title=comment(graph.name or name), name=name, upper=name.upper(),
        pool=shared.pool(program.arena) if many else plain,
        declarations=declarations(name, program.calls), arrays=_arrays(name, (*inputs, *outputs)),
        meeting=c_threads.MEETING.format(name=name) + c_threads.SHARES if many else "",
        calls=shared.calls(body) if many else "", life=c_threads.LIFE.format(name=name) if many else "",
        started="start_workers(context) ? context : NULL" if many else "context",
        parameters=parameters(inputs, outputs),
        run=shared.run() if many else "    unsigned char *arena = context->arena;\n    (void)arena;\n" + body,
        free=_STOP if many else "    (void)context;",
    )  # fmt: skip


def declarations(name: str, calls: tuple[Call, ...]) -> str:
    """Prototypes of the kernels and the constants; pointers that a kernel writes through are const, too, as
    C calls them alike."""
    first = {call.kernel: call for call in reversed(calls)}
    lines = [f"extern const unsigned char {name}_constants[] HIDDEN;"]
    for kernel, call in sorted(first.items()):
        kinds = ["const void *"] * len(call.pointers) + ["intptr_t"] * (len(call.integers) + 2)
        lines.append(f"extern void {kernel_name(name, kernel)}({', '.join(kinds)}) HIDDEN;")
    return "\n".join(lines) + "\n"


def _arrays(name: str, tensors: tuple[Tensor, ...]) -> str:
    """Scales and biases that differ by channel."""
    lines = []
    for tensor in tensors:
        for kind, values in (("scale", tensor.scale), ("bias", tensor.bias)):
            if len(values) > 1:
                numbers = ", ".join(map(number, values))
                lines.append(f"PUBLIC const double {array_name(name, tensor, kind)}[] = {{{numbers}}};")
    return "\n".join(lines)


def calls_text(
    name: str, calls: tuple[Call, ...], inputs: list[Tensor], outputs: list[Tensor], shared: bool = False
) -> str:  # fmt: skip
    """All calls in order, each under a comment that names its layer."""
    lines = []
    for i, call in enumerate(calls):
        pointers = [_pointer(name, place, inputs, outputs) for place in call.pointers]
        bounds = ["0", integer(call.trips)]
        alone = shared and call.trips == 1
        if shared and not alone:
            bounds = [f"FIRST({call.trips})", f"LAST({call.trips})"]
        arguments = ", ".join([*pointers, *map(integer, call.integers), *bounds])
        lines.append(f"    /* {comment(call.layer)}: {call.macs} multiply-accumulates */")
        lines += ["    if (part == 0u)"] if alone else []
        lines.append(f"    {'    ' * alone}{kernel_name(name, call.kernel)}({arguments});")
        if shared and not (alone and _is_alone(calls, i + 1)):
            lines.append("    meet(context);")
    return "\n".join(lines)


def _is_alone(calls: tuple[Call, ...], index: int) -> bool:
    """Whether there is such a call, and the first thread does it as well: then nobody need wait for it."""
    return index < len(calls) and calls[index].trips == 1


def _pointer(name: str, place: Place, inputs: list[Tensor], outputs: list[Tensor]) -> str:
    if place.region is Region.ARENA:
        return f"arena + {place.offset}"
    if place.region is Region.CONSTANTS:
        return f"{name}_constants + {place.offset}"
    tensor = (inputs if place.region is Region.INPUT else outputs)[place.index]
    if not place.offset:
        return tensor.name
    return f"{tensor.name} + {place.offset // tensor.storage.itemsize}"


class _Threads:
    """The parts of the source that only several threads need."""

    def __init__(self, name: str, inputs: list[Tensor], outputs: list[Tensor], threads: int):
        self._name, self._threads = name, threads
        self._tensors = [(f"const {t.c_type} *", t.name) for t in inputs]
        self._tensors += [(f"{t.c_type} *", t.name) for t in outputs]

    def pool(self, arena: int) -> str:
        """The context, with a thread for each part of the work but the caller's."""
        fields = "\n".join(f"    {kind}{name};" for kind, name in self._tensors)
        room = -(-max(arena, 1) // ALIGNMENT) * ALIGNMENT
        return c_threads.POOL.format(name=self._name, threads=self._threads, arena=room, fields=fields)

    def calls(self, body: str) -> str:
        """The function that all threads run."""
        lines = [f"    {kind}{name} = context->{name};" for kind, name in self._tensors]
        lines.append("    (void)arena;")
        head = f"static void calls(struct {self._name}_context *context, unsigned part)\n{{\n"
        arena = "    unsigned char *arena = context->arena;\n"
        return head + arena + "\n".join(lines) + "\n" + body + "\n}\n"

    def run(self) -> str:
        """Waking the others and doing the first part."""
        lines = ["    unsigned i;", *(f"    context->{name} = {name};" for _, name in self._tensors)]
        lines.append("    for (i = 0; i < THREADS - 1u; i++)")
        lines.append("        sem_post(&context->workers[i].start.semaphore);")
        lines.append("    calls(context, 0u);")
        return "\n".join(lines)
