"""C text of a program that runs trials one after another, with a mark before and after each."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .c_header import ALIGNMENT, Tensor
from .c_source import assembly, calls_text, declarations, kernel_name
from .program import Program
from .tuning import Trial

NAME = "trials"

_SOURCE = """\
/* Written by gatewright: ways to compute a layer, to be counted. */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/resource.h>

#define HIDDEN
{declarations}
static unsigned char arena[{arena}] __attribute__((aligned({alignment})));
{buffers}
{functions}
int main(int argc, char **argv)
{{
    static const struct {{
        void (*run)(void);
        size_t bytes;
    }} trials[] = {{{trials}}};
    FILE *file = argc > 1 ? fopen(argv[1], "rb") : NULL;
    size_t i;
    if (!file)
        return 1;
{reads}
    for (i = 0; i < sizeof trials / sizeof *trials; i++) {{
        if (fread(arena, 1, trials[i].bytes, file) != trials[i].bytes)
            return 1;
        getpriority({mark});
        trials[i].run();
        getpriority({mark});
    }}
    return 0;
}}
"""

_FUNCTION = """
static __attribute__((noinline)) void trial_{number}(void)
{{
{calls}
}}
"""


def trial_files(trials: Sequence[Trial], mark: tuple[int, int]) -> dict[str, bytes]:
    """Source, constants and what the program reads, by file name; ``trial_kernels`` gives its object.

    Args:
        trials: made together.
        mark: arguments of getpriority that set a mark.
    """
    last = trials[-1].program
    return {
        f"{NAME}.c": _source(trials, mark).encode("ascii"),
        f"{NAME}_constants.S": assembly(NAME).encode("ascii"),
        f"{NAME}_constants.bin": last.constants,
        f"{NAME}.bin": b"".join(map(_zeros, last.inputs)) + b"".join(t.arena for t in trials),
    }


def trial_kernels(trials: Sequence[Trial]) -> dict:
    """All functions that the trials call, under the names that the source calls them by."""
    return {kernel_name(NAME, k): f for k, f in trials[-1].program.functions.items()}


def _zeros(storage) -> bytes:
    """An input's bytes, all its least value."""
    return np.full(storage.type.shape, storage.type.dtype.lo - storage.offset, storage.dtype).tobytes()


def _tensors(kind: str, storages) -> list[Tensor]:
    none = np.zeros(0)
    return [Tensor(f"{kind}_{i}", storage, none, none) for i, storage in enumerate(storages)]


def _source(trials: Sequence[Trial], mark: tuple[int, int]) -> str:
    program: Program = trials[-1].program
    inputs, outputs = _tensors("input", program.inputs), _tensors("output", program.outputs)
    calls = [trial.program.calls for trial in trials]
    return _SOURCE.format(
        declarations=declarations(NAME, tuple(c for each in calls for c in each)),
        arena=max(len(trial.arena) for trial in trials), alignment=ALIGNMENT,
        buffers="\n".join(
            f"static {t.c_type} {t.name}[{t.storage.type.size}];" for t in (*inputs, *outputs)
        ),
        functions="".join(
            _FUNCTION.format(number=i, calls=calls_text(NAME, each, inputs, outputs))
            for i, each in enumerate(calls)
        ),
        trials=", ".join(f"{{trial_{i}, {len(t.arena)}u}}" for i, t in enumerate(trials)),
        reads="\n".join(
            f"    if (fread({t.name}, 1, sizeof {t.name}, file) != sizeof {t.name})\n        return 1;"
            for t in inputs
        ),
        mark=f"{mark[0]:#x}, {mark[1]:#x}",
    )  # fmt: skip
