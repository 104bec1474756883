"""Comparing executors: the integer graph with the source's own outputs, the RTL with the integer graph."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..compiler.ir.boundary import OutputDecoding
from .data import output_decoding
from .execute import compile_simulation, run_reference, simulate

if TYPE_CHECKING:
    from .compile import Job

# Where scales are no powers of two the source's own float sums round; 2**-18 of the largest output is
# far below any step of a 16-bit quantizer and above what a few thousand float32 additions lose.
_FLOAT_ROUNDING = 2.0**-18


def against_source(job: Job) -> None:
    """Run the reference; compare with the source's outputs where the data has them: floats, or its codes
    where they are of an integer type."""
    data, graph = job.data, job.graph
    values = run_reference(job.project, graph, data.frames).values
    job.reference = values
    decoding = output_decoding(graph)
    floats = decoding.apply(values)
    right = accuracy(floats, data.labels)
    if data.expected is None:
        job.executors.append(entry("integer graph", None, values, values, right, data.origin))
        return
    if data.expected.dtype.kind in "iu":
        codes, expected = decoding.integers(values), data.expected.astype(np.int64)
        note = "every code identical" if np.array_equal(codes, expected) else "codes differ"
        note = f"{note}; {data.origin}"
        job.executors.append(entry("integer graph", "source model", codes, expected, right, note))
        return
    expected = data.expected.astype(np.float64)
    as_float32 = floats.astype(np.float32).astype(np.float64)
    if np.array_equal(as_float32, expected):
        note = f"every value identical; {data.origin}"
        compared = as_float32
    elif _has_exact_floats(decoding, values):
        note = f"values differ; {data.origin}"
        compared = as_float32
    else:
        off = np.abs(floats - expected)
        limit = _FLOAT_ROUNDING * max(float(np.abs(expected).max()), 1e-30)
        compared = np.where(off <= limit, expected, as_float32)
        verdict = "equal within" if (off <= limit).all() else "values differ by more than"
        note = f"{verdict} float rounding, largest difference {off.max():.3g}; {data.origin}"
    job.executors.append(entry("integer graph", "source model", compared, expected, right, note))


def _has_exact_floats(decoding: OutputDecoding, values: np.ndarray) -> bool:
    """Whether float32 holds every output exactly, so that the source cannot have rounded: scales are
    powers of two, without an offset, and integers have at most 24 bits."""
    powers = np.frexp(np.abs(decoding.scale))[0] == 0.5
    return bool(powers.all() and not decoding.offset.any() and np.abs(values).max(initial=0) <= 2**24)


def rtl_against_reference(job: Job) -> None:
    """Simulate the RTL twice on the same frames: free-running for timing, and a part of them with random
    input gaps and output stalls."""
    data, graph = job.data, job.graph
    interface = job.project.interface()
    simulation = compile_simulation(job.project, interface, "verilator", job.options.native)
    free = simulate(simulation, interface, graph, data.frames)
    job.timing = free.timing
    right = accuracy(output_decoding(graph).apply(free.values), data.labels)
    job.executors.append(
        entry("RTL (Verilator)", "integer graph", free.values, job.reference, right, data.origin)
    )
    some = min(len(data.frames), 32)
    shaken = simulate(simulation, interface, graph, data.frames[:some], gap=0.3, stall=0.3)
    note = f"first {some} frames with random gaps and stalls"
    job.executors.append(
        entry("RTL (Verilator), stalled", "integer graph", shaken.values, job.reference[:some], None, note)
    )


def entry(name: str, against: str | None, got: np.ndarray, want: np.ndarray, accuracy, note: str) -> dict:
    """A row of the report: how many inputs, and how many values, are equal."""
    same = got == want
    return {
        "name": name,
        "against": against,
        "inputs": len(want),
        "equal": int(same.reshape(len(want), -1).all(axis=1).sum()),
        "values": int(same.size),
        "values_equal": int(same.sum()),
        "accuracy": accuracy,
        "note": note,
    }


def accuracy(outputs: np.ndarray, labels: np.ndarray | None) -> float | None:
    """Share of frames whose largest output (or whose class number, from an arg-max) is the label."""
    if labels is None:
        return None
    flat = outputs.reshape(len(outputs), -1)
    chosen = flat[:, 0] if flat.shape[1] == 1 else flat.argmax(axis=1)
    return float((chosen == labels.reshape(-1)).mean())
