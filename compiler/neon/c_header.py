"""The C header of a compiled network: what to pass, what comes back, and what the integers mean."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..ir.boundary import InputEncoding, OutputDecoding, plain_input, plain_output
from ..ir.graph import Graph
from .c_names import comment, integer, number
from .program import Program, Storage

ALIGNMENT = 64

_HEADER = """\
/* {title}, for {core}: integers in, integers out.
 *
 * Written by gatewright. One context serves one thread at a time; any number of contexts may run at once.
 * Nothing here allocates memory{or_threads}.
 *
 *   static unsigned char memory[{upper}_CONTEXT_BYTES] __attribute__((aligned({alignment})));
 *   {name}_context *context = {name}_init(memory);
 *   {name}_run(context, {names});
 *   {name}_free(context);
 */
#ifndef GATEWRIGHT_{upper}_H
#define GATEWRIGHT_{upper}_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {{
#endif

/* Bytes that a context may need, and their alignment; {name}_context_size() says how many it does need. */
#define {upper}_CONTEXT_BYTES {context_bytes}
#define {upper}_ALIGNMENT {alignment}
/* Threads at work in {name}_run, the caller's included. */
#define {upper}_THREADS {threads}

{tensors}
typedef struct {name}_context {name}_context;

/* Bytes of memory that {name}_init wants. */
size_t {name}_context_size(void);

/* Makes a context of {name}_context_size() bytes at memory, which must be aligned to {alignment} bytes and
 * stay until {name}_free. Returns NULL where memory is NULL or not aligned{init_fails}. */
{name}_context *{name}_init(void *memory);

/* One inference. No pointer may be NULL, and inputs and outputs must not overlap each other or the context.
 * Needs no alignment beyond the element's own. */
void {name}_run({name}_context *context, {parameters});

/* Ends the use of a context{free_does}; its memory is the caller's again. NULL is let through. */
void {name}_free({name}_context *context);

#ifdef __cplusplus
}}
#endif

#endif
"""


@dataclass(frozen=True, eq=False)
class Tensor:
    """An input or output as C has it: parameter ``name``, elements ``value - storage.offset`` of ``c_type``.

    Attributes:
        scale, bias: real value of an element e is ``scale * e + bias``; one number or one for each channel
            of the source's first axis. Empty where the model states none.
        axes: how its axes lie in the model's own tensor, in words; empty where they are the same.
    """

    name: str
    storage: Storage
    scale: np.ndarray
    bias: np.ndarray
    axes: str = ""

    @property
    def c_type(self) -> str:
        """The element's type in C."""
        return f"{self.storage.dtype}_t"

    @property
    def ends(self) -> tuple[int, int]:
        """The least and the greatest element."""
        kind, offset = self.storage.type.dtype, self.storage.offset
        return kind.lo - offset, kind.hi - offset


def input_tensors(program: Program, graph: Graph) -> list[Tensor]:
    """The inputs, in the order of the parameters."""
    encodings = graph.encodings or tuple(plain_input(i.type.shape) for i in graph.inputs)
    return [
        _input(_name("input", i, len(encodings)), storage, encoding)
        for i, (storage, encoding) in enumerate(zip(program.inputs, encodings, strict=True))
    ]


def output_tensors(program: Program, graph: Graph) -> list[Tensor]:
    """The outputs, in the order of the parameters."""
    decodings = graph.decodings or tuple(plain_output(o.type.shape) for o in graph.outputs)
    return [
        _output(_name("output", i, len(decodings)), storage, decoding)
        for i, (storage, decoding) in enumerate(zip(program.outputs, decodings, strict=True))
    ]


def _name(kind: str, index: int, count: int) -> str:
    return kind if count == 1 else f"{kind}_{index}"


def _input(name: str, storage: Storage, encoding: InputEncoding) -> Tensor:
    scale = np.array([] if encoding.scale is None else [encoding.scale])
    return Tensor(name, storage, scale, scale * storage.offset, _axes(encoding.perm, encoding.source_shape))


def _output(name: str, storage: Storage, decoding: OutputDecoding) -> Tensor:
    bias = decoding.offset + decoding.scale * storage.offset
    back = tuple(int(a) for a in np.argsort(decoding.perm))
    scale = np.broadcast_to(decoding.scale, bias.shape)
    return Tensor(name, storage, scale, bias, _axes(back, decoding.source_shape))


def _axes(perm: tuple[int, ...], source_shape: tuple[int, ...]) -> str:
    """``perm``: axes of the source in our order."""
    if perm == tuple(range(len(perm))):
        return ""
    shape = ", ".join(map(str, source_shape))
    return f"axes {', '.join(map(str, perm))} of the model's own ({shape}), the batch left out"


def header(name: str, program: Program, graph: Graph, threads: int, context_bytes: int) -> str:
    """The text of ``<name>.h``."""
    inputs, outputs = input_tensors(program, graph), output_tensors(program, graph)
    upper = name.upper()
    return _HEADER.format(
        title=comment(graph.name or name), core=program.core.name, name=name, upper=upper,
        alignment=ALIGNMENT, threads=threads, context_bytes=context_bytes,
        names=", ".join(t.name for t in (*inputs, *outputs)),
        tensors="\n".join(_described(name, t) for t in (*inputs, *outputs)),
        parameters=parameters(inputs, outputs),
        or_threads="" if threads == 1 else f" or starts threads, but for {name}_init",
        init_fails="" if threads == 1 else ", or a thread cannot be started",
        free_does="" if threads == 1 else " and its threads",
    )  # fmt: skip


def parameters(inputs: list[Tensor], outputs: list[Tensor]) -> str:
    """The parameters of ``run`` behind the context."""
    return ", ".join(
        [f"const {t.c_type} *{t.name}" for t in inputs] + [f"{t.c_type} *{t.name}" for t in outputs]
    )


def _described(name: str, tensor: Tensor) -> str:
    """A comment on one tensor, and its macros."""
    macro = f"{name.upper()}_{tensor.name.upper()}"
    shape, step = tensor.storage.type.shape, tensor.storage.type.dtype.step
    low, high = tensor.ends
    axes = f", which are {tensor.axes}" if tensor.axes else ""
    by = f" in steps of {step}" if step > 1 else ""
    lines = [f"{tensor.name}: {tensor.c_type}, row-major ({', '.join(map(str, shape)) or 'a scalar'}){axes}."]
    lines.append(f"Elements lie in {low}..{high}{by}, and must where the caller gives them.")
    macros = {"ELEMENTS": integer(tensor.storage.type.size), "MIN": integer(low), "MAX": integer(high)}
    arrays = []
    if tensor.scale.size == 1:
        lines.append(f"Real value = {macro}_SCALE * element + {macro}_BIAS.")
        macros |= {"SCALE": number(tensor.scale[0]), "BIAS": number(tensor.bias[0])}
    elif tensor.scale.size:
        scale, bias = (array_name(name, tensor, kind) for kind in ("scale", "bias"))
        lines.append(f"Real value = {scale}[c] * element + {bias}[c], c along the model's own first axis.")
        arrays = [f"extern const double {array}[{tensor.scale.size}];" for array in (scale, bias)]
    text = "/* " + "\n * ".join(lines) + " */"
    return "\n".join([text, *(f"#define {macro}_{k} {v}" for k, v in macros.items()), *arrays, ""])


def array_name(name: str, tensor: Tensor, kind: str) -> str:
    """The array of a tensor's scales or biases."""
    return f"{name}_{tensor.name}_{kind}"
