"""The integer graph as a plain ONNX model, for any ONNX runtime to check us by."""

from .model import export_onnx

__all__ = ["export_onnx"]
