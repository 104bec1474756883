"""Network to file: exported by torch, quantized by ONNX Runtime's static quantizer, kept for next time."""

import io
import logging
import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
import onnxruntime
import torch
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from .classifiers import efficientnet_b0, mobilenet_v2, resnet18, shufflenet_v2
from .dense import unet, unet_transposed, yolo
from .layers import frames, settled
from .powers import with_powers_of_two

CALIBRATION_FRAMES = 8
CALIBRATION_SEED, TEST_SEED = 1, 2


@dataclass(frozen=True)
class Network:
    """A float network: its maker, and the height and width of its input."""

    build: Callable[..., torch.nn.Module]
    size: int = 64

    @property
    def name(self) -> str:
        """The maker's name."""
        return self.build.__name__


NETWORKS = (
    Network(resnet18),
    Network(mobilenet_v2),
    Network(shufflenet_v2),
    Network(efficientnet_b0),
    Network(unet),
    Network(unet_transposed),
    Network(yolo, 128),
)


FORMS = ("qdq", "qoperator", "powers", "fused")


@dataclass(frozen=True)
class Way:
    """One way of quantizing: codes int8 around 0 where ``symmetric``, else uint8 with a zero point.

    ``form`` is what the quantizer writes, qdq or qoperator; or a qdq model with scales rounded to powers of
    two (powers), or as ONNX Runtime's optimiser saves it, with integer operators where it finds them (fused).
    """

    form: str
    symmetric: bool
    per_channel: bool

    @property
    def name(self) -> str:
        """As in file names."""
        sides = "symmetric" if self.symmetric else "asymmetric"
        return f"{self.form}-{sides}-{'channel' if self.per_channel else 'tensor'}"


WAYS = tuple(Way(f, s, c) for f in FORMS for s in (True, False) for c in (False, True))


class _Samples(CalibrationDataReader):
    def __init__(self, samples: np.ndarray):
        self.rest = iter([{"x": s[None]} for s in samples])

    def get_next(self):
        return next(self.rest, None)


def exported(model: torch.nn.Module, size: int, dynamo: bool) -> onnx.ModelProto:
    """The network as torch's exporter writes it, the classic one or the one on torch.export (``dynamo``)."""
    target = io.BytesIO()
    names = [f"y{i}" for i, _ in enumerate(_as_tuple(model(torch.zeros(1, 3, size, size))))]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            model, (torch.zeros(1, 3, size, size),), None if dynamo else target, dynamo=dynamo,
            opset_version=18 if dynamo else 17, input_names=["x"], output_names=names, verbose=False,
        )  # fmt: skip
    return program.model_proto if dynamo else onnx.load_model_from_string(target.getvalue())


def _as_tuple(value) -> tuple:
    return value if isinstance(value, tuple) else (value,)


def quantized(float_model: onnx.ModelProto, samples: np.ndarray, way: Way) -> onnx.ModelProto:
    """The model from ONNX Runtime's quantizer; weights are int8 and symmetric in all ways."""
    target = io.BytesIO()
    quantize_static(
        float_model, target, _Samples(samples),
        QuantFormat.QOperator if way.form == "qoperator" else QuantFormat.QDQ, per_channel=way.per_channel,
        activation_type=QuantType.QInt8 if way.symmetric else QuantType.QUInt8, weight_type=QuantType.QInt8,
        extra_options={"ActivationSymmetric": way.symmetric, "WeightSymmetric": True},
    )  # fmt: skip
    model = onnx.load_model_from_string(target.getvalue())
    if way.form == "powers":
        with_powers_of_two(model)
    return fused(model) if way.form == "fused" else model


def fused(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model that ONNX Runtime runs by default, but for what depends on the machine."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.log_severity_level = 3
    with TemporaryDirectory() as folder:
        options.optimized_model_filepath = str(Path(folder) / "fused.onnx")
        onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        return onnx.load(options.optimized_model_filepath)


def quantized_file(network: Network, way: Way, folder: Path, dynamo: bool = False, **shape) -> Path:
    """The file of one network quantized one way; made where the folder does not hold it yet.

    Args:
        shape: ``width``, ``depth`` and ``classes`` of a smaller network.
    """
    kind = "dynamo" if dynamo else "classic"
    path = folder / f"{network.name}-{kind}-{way.name}.onnx"
    if path.exists():
        return path
    logging.disable(logging.WARNING)
    folder.mkdir(parents=True, exist_ok=True)
    source = folder / f"{network.name}-{kind}-float.onnx"
    if not source.exists():
        # Weights are drawn from the generator that ``settled`` seeds; torch's own draws are replaced.
        model = settled(network.build(**shape), network.size)
        _prepare(exported(model, network.size, dynamo), source)
    samples = frames(CALIBRATION_FRAMES, network.size, CALIBRATION_SEED).numpy()
    part = path.with_suffix(".part")
    onnx.save(quantized(onnx.load(source), samples, way), part)
    os.replace(part, path)
    return path


def _prepare(model: onnx.ModelProto, path: Path) -> None:
    """ONNX Runtime's own preparation: batch norms join convolutions, shapes become known."""
    raw, part = path.with_suffix(".raw"), path.with_suffix(".part")
    # Given in memory, it would move small tensors, which its shape inference needs, into a second file.
    onnx.save(model, raw)
    quant_pre_process(str(raw), str(part), skip_symbolic_shape=True)
    raw.unlink()
    os.replace(part, path)


def inputs(network: Network, count: int) -> np.ndarray:
    """Frames that the quantizer's calibration has not seen, float32 (count, 3, H, W)."""
    return frames(count, network.size, TEST_SEED).numpy()
