"""Arrays that a user gives: inputs, labels, expected outputs. Never unpickled."""

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..compiler.ir.boundary import OutputDecoding, plain_input, plain_output
from ..compiler.ir.graph import Graph
from ..errors import InputError

_SEED = 20_261_121


@dataclass(frozen=True)
class Data:
    """What an executor is run on and judged by.

    Attributes:
        frames: integers (N, *input.type.shape), already quantized.
        labels: class numbers (N,), or None.
        expected: the source's own float outputs (N, *source_shape), or None.
        origin: a file's name, or how the frames were drawn.
    """

    frames: np.ndarray
    labels: np.ndarray | None
    expected: np.ndarray | None
    origin: str


def load_array(path: Path) -> np.ndarray:
    """One array from an .npy file.

    Raises:
        InputError: no such file, or not a plain array.
    """
    loaded = _open(path)
    if not isinstance(loaded, np.ndarray):
        raise InputError(f"data: {path} must be an .npy file with one array, not an .npz archive")
    return loaded


def load_data(path: Path, graph: Graph, frames: int | None = None) -> Data:
    """``inputs`` (floats, or integers already quantized), and optionally ``labels`` and ``expected``, from
    an .npz archive; or an .npy file with the inputs alone. ``frames`` takes the first so many.

    Raises:
        InputError: the file, or an array in it, cannot be used.
    """
    loaded = _open(path)
    if isinstance(loaded, np.ndarray):
        arrays = {"inputs": loaded}
    else:
        arrays = {name: _member(loaded, name, path) for name in loaded.files}
    if "inputs" not in arrays:
        raise InputError(f"data: {path} must hold an array 'inputs', not only {sorted(arrays)}")
    count = len(arrays["inputs"]) if arrays["inputs"].ndim else 0
    for name in ("labels", "expected"):
        if name in arrays and (not arrays[name].ndim or len(arrays[name]) != count):
            raise InputError(f"data: {path}: '{name}' must have {count} rows, not {arrays[name].shape}")
    take = slice(0, frames)
    quantized = encode(graph, arrays["inputs"][take])
    if not len(quantized):
        raise InputError(f"data: {path} must hold at least one frame")
    expected = arrays.get("expected")
    shape = output_decoding(graph).source_shape
    if expected is not None and expected.shape[1:] != shape:
        raise InputError(
            f"data: {path}: 'expected' must have frames of shape {shape}, not {expected.shape[1:]}"
        )
    return Data(
        quantized,
        arrays["labels"][take] if "labels" in arrays else None,
        expected[take] if expected is not None else None,
        Path(path).name,
    )


def random_data(graph: Graph, frames: int) -> Data:
    """Frames drawn uniformly from the input's type, the same on every machine."""
    t = graph.inputs[0].type
    draw = np.random.default_rng(_SEED).integers(0, t.dtype.levels, (frames, *t.shape))
    return Data(t.dtype.lo + t.dtype.step * draw, None, None, f"{frames} random frames, seed {_SEED}")


def encode(graph: Graph, x: np.ndarray) -> np.ndarray:
    """A user's array as the graph's input integers; raises InputError where it does not fit."""
    if x.ndim == 0:
        raise InputError("input: an array (N, ...) of frames is needed, not a single number")
    type_ = graph.inputs[0].type
    encoding = graph.encodings[0] if graph.encodings else plain_input(type_.shape)
    return encoding.apply(x, type_)


def output_decoding(graph: Graph) -> OutputDecoding:
    """How the graph's output becomes the source's floats."""
    return graph.decodings[0] if graph.decodings else plain_output(graph.outputs[0].type.shape)


def _open(path: Path):
    try:
        return np.load(path, allow_pickle=False)
    except FileNotFoundError:
        raise InputError(f"data: {path} does not exist") from None
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(
            f"data: {path} must be an .npy or .npz file of plain arrays ({str(error)[:120]}). "
            "Save with numpy.save or numpy.savez."
        ) from None


def _member(archive, name: str, path: Path) -> np.ndarray:
    try:
        return archive[name]
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(f"data: {path}: array {name!r} cannot be read ({str(error)[:120]})") from None
