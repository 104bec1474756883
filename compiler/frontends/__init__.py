"""Front ends: models of other tools to integer graphs."""

from .brevitas import from_brevitas
from .importer import SourceRecord, Survey
from .load import load_model, survey
from .qonnx import import_model, load_qonnx
from .tflite import load_tflite

__all__ = [
    "SourceRecord",
    "Survey",
    "from_brevitas",
    "import_model",
    "load_model",
    "load_qonnx",
    "load_tflite",
    "survey",
]
