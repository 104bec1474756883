"""Arrays that a user gives: inputs, labels, expected outputs. Never unpickled."""

import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from tokenize import TokenError

import numpy as np

from ..compiler.ir.boundary import OutputDecoding, plain_input, plain_output
from ..compiler.ir.graph import Graph
from ..errors import InputError

_SEED = 20_261_121
# What NumPy and zipfile raise for damaged, encrypted or oversized files and for pickles.
_UNREADABLE = (
    OSError, ValueError, EOFError, KeyError, SyntaxError, TokenError, MemoryError, OverflowError,
    NotImplementedError, RuntimeError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip


@dataclass(frozen=True)
class Data:
    """What an executor is run on and judged by.

    Attributes:
        frames: integers (N, *input.type.shape), already quantized.
        labels: class numbers (N,), or None.
        expected: the source's own outputs (N, *source_shape), floats or integer codes, or None.
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
    arrays = read_arrays(path)
    if None not in arrays:
        raise InputError(f"data: {path} must be an .npy file with one array, not an .npz archive")
    return arrays[None]


def load_data(path: Path, graph: Graph, frames: int | None = None) -> Data:
    """``inputs`` (floats, or integers already quantized), and optionally ``labels`` and ``expected``, from
    an .npz archive; or an .npy file with the inputs alone. ``frames`` takes the first so many.

    Raises:
        InputError: the file, or an array in it, cannot be used.
    """
    arrays = read_arrays(path)
    if None in arrays:
        arrays = {"inputs": arrays[None]}
    if "inputs" not in arrays:
        raise InputError(f"data: {path} must hold an array 'inputs', not only {sorted(arrays)}")
    _check_rows(path, arrays)
    take = slice(0, frames)
    inputs = arrays["inputs"]
    quantized = encode(graph, inputs[take] if inputs.ndim else inputs)
    if not len(quantized):
        raise InputError(f"data: {path} must hold at least one frame")
    labels, expected = arrays.get("labels"), arrays.get("expected")
    shape = output_decoding(graph).source_shape
    if expected is not None and expected.shape[1:] != shape:
        raise InputError(
            f"data: {path}: 'expected' must have frames of shape {shape}, not {expected.shape[1:]}"
        )
    return Data(
        quantized,
        labels[take] if labels is not None else None,
        expected[take] if expected is not None else None,
        Path(path).name,
    )


def _check_rows(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Labels and expected outputs: one for each input, of types that can be compared."""
    count = len(arrays["inputs"]) if arrays["inputs"].ndim else 0
    for name, kinds, words in (("labels", "iub", "integers"), ("expected", "iubf", "numbers")):
        array = arrays.get(name)
        if array is None:
            continue
        if not array.ndim or len(array) != count or (name == "labels" and array.size != count):
            one = " of one class" if name == "labels" else ""
            raise InputError(f"data: {path}: '{name}' must have {count} rows{one}, not shape {array.shape}")
        if array.dtype.kind not in kinds:
            raise InputError(f"data: {path}: '{name}' must hold {words}, not {array.dtype}")
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise InputError(f"data: {path}: '{name}' must hold finite numbers, not NaN or infinity")


def random_data(graph: Graph, frames: int) -> Data:
    """Frames drawn uniformly from the input's type, the same on every machine."""
    t = graph.inputs[0].type
    draw = np.random.default_rng(_SEED).integers(0, t.dtype.levels, (frames, *t.shape))
    return Data(t.dtype.lo + t.dtype.step * draw, None, None, f"{frames} random frames, seed {_SEED}")


def encode(graph: Graph, x: np.ndarray) -> np.ndarray:
    """A user's array as the graph's input integers; raises InputError where it does not fit."""
    if x.ndim == 0:
        raise InputError("input: an array (N, ...) of frames is needed, not a single number")
    if x.dtype == np.uint64 and x.size and x.max() > np.iinfo(np.int64).max:
        raise InputError(f"input: integers must fit 64 bits with a sign, not {x.max()}")
    type_ = graph.inputs[0].type
    encoding = graph.encodings[0] if graph.encodings else plain_input(type_.shape)
    return encoding.apply(x, type_)


def output_decoding(graph: Graph) -> OutputDecoding:
    """How the graph's output becomes the source's floats."""
    return graph.decodings[0] if graph.decodings else plain_output(graph.outputs[0].type.shape)


def read_arrays(path: Path) -> dict[str | None, np.ndarray]:
    """The arrays of an .npz archive by name, or that of an .npy file under None; never unpickled.

    Raises:
        InputError: the file, or an array in it, cannot be read.
    """
    try:
        loaded = np.load(path, allow_pickle=False)
    except FileNotFoundError:
        raise InputError(f"data: {path} does not exist") from None
    except _UNREADABLE as error:
        raise InputError(
            f"data: {path} must be an .npy or .npz file of plain arrays ({_short(error)}). "
            "Save with numpy.save or numpy.savez."
        ) from None
    if isinstance(loaded, np.ndarray):
        return {None: loaded}
    with loaded:
        return {name: _member(loaded, name, path) for name in loaded.files}


def _member(archive, name: str, path: Path) -> np.ndarray:
    try:
        array = archive[name]
    except _UNREADABLE as error:
        raise InputError(f"data: {path}: array {name!r} cannot be read ({_short(error)})") from None
    if not isinstance(array, np.ndarray):
        raise InputError(f"data: {path}: {name!r} must be an array saved by numpy.savez, not another file")
    return array


def _short(error: BaseException) -> str:
    return " ".join(str(error).split())[:120] or type(error).__name__
