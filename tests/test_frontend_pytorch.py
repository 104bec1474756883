"""PyTorch's own quantized networks, as its exporters write them: nodes of QDQ form, and Casts and Clips."""

import io
import warnings

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto
from torch import nn

from qdq_models import QdqNet, execute, imported, run


class Small(nn.Module):
    """A convolution with batch norm, a residual sum, pooling, a dense layer."""

    def __init__(self):
        super().__init__()
        self.first, self.norm = nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8)
        self.second, self.last = nn.Conv2d(8, 8, 3, padding=1), nn.Linear(8 * 16, 5)

    def forward(self, x):
        """Five numbers per frame."""
        x = torch.relu(self.norm(self.first(x)))
        x = nn.functional.max_pool2d(torch.relu(self.second(x) + x), 4)
        return self.last(torch.flatten(x, 1))


def exported(model: nn.Module) -> onnx.ModelProto:
    """The classic exporter's file; the newer one does not take torch.ao's modules."""
    target = io.BytesIO()
    frame = torch.zeros(1, 3, 16, 16)
    torch.onnx.export(
        model, (frame,), target, dynamo=False, opset_version=17, input_names=["x"], output_names=["y"]
    )
    return onnx.load_model_from_string(target.getvalue())


def converted(engine: str) -> nn.Module:
    """The network through FX graph mode quantization, calibrated on random frames."""
    from torch.ao.quantization import get_default_qconfig_mapping
    from torch.ao.quantization.quantize_fx import convert_fx, prepare_fx

    torch.backends.quantized.engine = engine
    prepared = prepare_fx(Small().eval(), get_default_qconfig_mapping(engine), (torch.zeros(1, 3, 16, 16),))
    for _ in range(4):
        prepared(torch.randn(4, 3, 16, 16))
    return convert_fx(prepared)


@pytest.mark.parametrize("engine", ["fbgemm", "qnnpack"])
def test_fx_quantized_networks_give_onnx_runtimes_codes(engine):
    """Weights per channel (fbgemm) and per tensor (qnnpack), activations of 7 and 8 bits."""
    if engine not in torch.backends.quantized.supported_engines:
        engine = "fbgemm"
    torch.manual_seed(0)
    with warnings.catch_warnings():
        # torch.ao says that it will be torchao.
        warnings.simplefilter("ignore")
        model = exported(converted(engine))
    assert {"QuantizeLinear", "DequantizeLinear", "Conv", "Cast"} <= {n.op_type for n in model.graph.node}
    x = np.random.default_rng(0).normal(size=(16, 3, 16, 16)).astype(np.float32)
    theirs = np.concatenate([execute(model, frame[None]) for frame in x])
    ours, codes = run(imported(model), x)
    assert len(np.unique(codes)) > 20
    assert (ours.astype(np.float32) == theirs).all()


@pytest.mark.parametrize(("kind", "low"), [(TensorProto.INT8, -127), (TensorProto.UINT8, 1)])
def test_weights_quantized_in_the_file_may_be_clipped(kind, low):
    """The newer exporter's unfolded weights: QuantizeLinear, Clip of its codes, DequantizeLinear."""
    rng = np.random.default_rng(1)
    net = QdqNet((1, 6))
    zero = 0 if kind == TensorProto.INT8 else 128
    values = rng.normal(size=(6, 4)).astype(np.float32)
    q = net.quantize(net.const(values), 2.0**-6, zero, kind)
    clipped = net.node("Clip", q, net.codes(low, kind), net.codes(low + 253, kind))
    w = net.dequantize(clipped, 2.0**-6, zero, kind)
    x = net.pair("x", 2.0**-4, 128)
    model = net.build(net.pair(net.node("MatMul", x, w), 2.0**-3, 128))
    x = rng.normal(size=(32, 6)).astype(np.float32) * 3
    theirs = np.concatenate([execute(model, frame[None]) for frame in x])
    ours, codes = run(imported(model), x)
    assert len(np.unique(codes)) > 20
    assert (ours.astype(np.float32) == theirs).all()
