"""Any model file that we read, told apart by its content."""

import os

from ..ir.graph import Graph
from ..ir.io import DOMAIN, load
from .onnx_file import read_model
from .qonnx import load_qonnx
from .tflite import load_tflite
from .tflite_file import is_tflite


def load_model(path: str | os.PathLike) -> Graph:
    """An integer graph from our own ``.onnx`` file, or from a QONNX or TFLite model.

    Raises:
        InputError: no readable file of these.
        GraphError: a model that is not valid, or that cannot become integers.
    """
    if is_tflite(_head(path)):
        return load_tflite(path)
    model = read_model(path)
    ours = any(o.domain == DOMAIN for o in model.opset_import)
    return load(path) if ours else load_qonnx(path)


def _head(path: str | os.PathLike) -> bytes:
    """The first bytes of a file; none where it cannot be read, which its reader then says."""
    try:
        with open(path, "rb") as file:
            return file.read(8)
    except OSError:
        return b""
