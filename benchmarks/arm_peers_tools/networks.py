"""The networks of arm_peers.py: a model's file, an input for it, the rival, and the ratio asked for."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import onnx
from torch import nn

from gatewright.errors import InputError
from ort_models import files
from ort_models.layers import conv_norm

# Codes of activations as ONNX Runtime's quantizer writes them; weights are int8 per channel in both.
_INT8 = files.Way("qdq", symmetric=True, per_channel=True)
_UINT8 = files.Way("qdq", symmetric=False, per_channel=True)
# ONNX Runtime 1.23 reads no newer one.
_IR_VERSION = 10


@dataclass(frozen=True)
class Given:
    """A model's file and one input in the model's own layout, batch of one included."""

    model: Path
    sample: np.ndarray


@dataclass(frozen=True)
class Network:
    """``make(data, work)`` gives its files; ours may take ``bar`` times the instructions of ``runtime``."""

    name: str
    title: str
    runtime: str
    bar: float
    make: Callable[[Path | None, Path], Given]


def five_convolutions() -> nn.Module:
    """32x32x3 to 10 classes by five 3x3 convolutions, 7.5 M multiplications (the CNN of PEERS.md)."""
    widths = [(3, 16, 1), (16, 32, 2), (32, 32, 1), (32, 64, 2), (64, 64, 1)]
    convolutions = [conv_norm(inputs, outputs, stride=stride) for inputs, outputs, stride in widths]
    return nn.Sequential(*convolutions, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


def _tflite(folder: str, sample: str, shape: tuple[int, ...], data: Path | None, work: Path) -> Given:
    if data is None:
        raise InputError("data: a folder is needed, but none is given. Set --data or GATEWRIGHT_DATA.")
    models = data / "models" / folder
    codes = np.fromfile(models / "inputs" / sample, dtype=np.int8).reshape(shape)
    return Given(models / "model_int8.tflite", codes)


def _onnx(network: files.Network, way: files.Way, data: Path | None, work: Path) -> Given:
    path = files.quantized_file(network, way, work / "models")
    model = onnx.load(path)
    if model.ir_version > _IR_VERSION:
        model.ir_version = _IR_VERSION
        onnx.save(model, path)
    return Given(path, files.inputs(network, 1))


def _in_onnx_runtime(name: str, title: str, network: files.Network) -> tuple[Network, Network]:
    """The network with signed and with unsigned codes; neither is always the faster one in ONNX Runtime."""
    return (
        Network(name, f"{title}, int8", "onnxruntime", 0.6, partial(_onnx, network, _INT8)),
        Network(f"{name}_u8", f"{title}, uint8", "onnxruntime", 0.6, partial(_onnx, network, _UINT8)),
    )


_RESNET18, _MOBILENET = (
    next(network for network in files.NETWORKS if network.name == name)
    for name in ("resnet18", "mobilenet_v2")
)
_RESNET8 = partial(_tflite, "mlperf_tiny_resnet", "cat.int8", (1, 32, 32, 3))
_DSCNN = partial(_tflite, "mlperf_tiny_kws", "yes_9.int8", (1, 49, 10, 1))

NETWORKS = (
    Network("resnet8", "MLPerf Tiny ResNet-8", "litert", 0.75, _RESNET8),
    Network("dscnn", "MLPerf Tiny DS-CNN", "litert", 0.75, _DSCNN),
    *_in_onnx_runtime("cnn5", "CNN of 5 convolutions, 32x32", files.Network(five_convolutions, 32)),
    *_in_onnx_runtime("resnet18", "ResNet-18, 64x64", _RESNET18),
    *_in_onnx_runtime("mobilenet_v2", "MobileNetV2, 64x64", _MOBILENET),
)
