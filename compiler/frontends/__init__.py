"""Front ends: models of other tools to integer graphs."""

from .load import load_model
from .qonnx import import_model, load_qonnx
from .tflite import load_tflite

__all__ = ["import_model", "load_model", "load_qonnx", "load_tflite"]
