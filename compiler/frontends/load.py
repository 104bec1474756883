"""Any model file that we read, told apart by its content."""

import os
from pathlib import Path

from onnx import ModelProto

from ...errors import GraphError
from ..ir.graph import Graph
from ..ir.io import DOMAIN, load
from ..ir.onnx_file import read_model
from .importer import TAKEN, SourceRecord, Survey
from .qonnx import import_model, survey_onnx
from .tflite import load_tflite, survey_tflite
from .tflite_file import is_tflite


def load_model(path: str | os.PathLike) -> Graph:
    """An integer graph from our own ``.onnx`` file, or from an ONNX, QONNX or TFLite model.

    Raises:
        InputError: no readable file of these.
        GraphError: a model that is not valid, or that cannot become integers.
    """
    if is_tflite(_head(path)):
        return load_tflite(path)
    model = read_model(path)
    return load(path) if _is_ours(model) else import_model(model, Path(path).stem)


def survey(path: str | os.PathLike) -> Survey:
    """What becomes of each node of a model file; also of one that cannot be imported.

    Raises:
        InputError: no readable file.
    """
    if is_tflite(_head(path)):
        return survey_tflite(path)
    model = read_model(path)
    return _survey_ours(path) if _is_ours(model) else survey_onnx(model, Path(path).stem)


def _survey_ours(path: str | os.PathLike) -> Survey:
    """A saved integer graph: each node is itself."""
    try:
        graph = load(path)
    except GraphError as error:
        return Survey("gatewright", Path(path).stem, (), None, str(error), (str(error),))
    records = (SourceRecord(n.op.name, n.name, TAKEN, (n,)) for n in graph.nodes())
    return Survey("gatewright", graph.name, tuple(records), graph)


def _is_ours(model: ModelProto) -> bool:
    return any(o.domain == DOMAIN for o in model.opset_import)


def _head(path: str | os.PathLike) -> bytes:
    """The first bytes of a file; none where it cannot be read, which its reader then says."""
    try:
        with open(path, "rb") as file:
            return file.read(8)
    except OSError:
        return b""
