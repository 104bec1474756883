"""Any model file that we read, told apart by its content."""

import os

from ..ir.graph import Graph
from ..ir.io import DOMAIN, load
from .onnx_file import read_model
from .qonnx import load_qonnx


def load_model(path: str | os.PathLike) -> Graph:
    """An integer graph from our own ``.onnx`` file or from a QONNX model.

    Raises:
        InputError: no readable ONNX file.
        GraphError: a model that is not valid, or that cannot become integers.
    """
    model = read_model(path)
    ours = any(o.domain == DOMAIN for o in model.opset_import)
    return load(path) if ours else load_qonnx(path)
