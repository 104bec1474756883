"""Float networks captured from modules and read from files: they compute what their source does."""

import operator
import warnings

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from gatewright.errors import InputError
from gatewright.quant.network import load, of_module
from quant_networks import CASES, SHAPE, frames, seeded


def made(name):
    """The case's module, and frames for it."""
    kind, shape = CASES[name]
    return seeded(kind, shape), frames(6, shape)


def near(network, wanted, x):
    """Equal to float tolerance, on other frames than it was built on as well."""
    with torch.no_grad():
        np.testing.assert_allclose(network(x).numpy(), wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", CASES)
def test_modules_in_memory(name):
    """Every layer is called once, dropout is gone, and the module stays as it is."""
    module, x = made(name)
    before = {key: value.clone() for key, value in module.state_dict().items()}
    network = of_module(module, x[:2])
    with torch.no_grad():
        near(network, module(x).numpy(), x)
    called = [n.target for n in network.graph.nodes if n.op == "call_module"]
    assert len(called) == len(set(called))
    assert not any(isinstance(m, nn.Dropout) for m in network.modules())
    assert all(torch.equal(value, module.state_dict()[key]) for key, value in before.items())
    assert not any(n.op == "call_method" for n in network.graph.nodes)


@pytest.mark.parametrize("dynamic", [True, False])
@pytest.mark.parametrize("name", CASES)
def test_programs_of_torch_export(name, dynamic, tmp_path):
    """Also of a fixed batch, whose size then is the batch all the same."""
    module, x = made(name)
    shapes = ({0: torch.export.Dim("n")},) if dynamic else None
    program = torch.export.export(module, (x[:2],), dynamic_shapes=shapes)
    torch.export.save(program, tmp_path / "net.pt2")
    with torch.no_grad():
        near(load(tmp_path / "net.pt2", x), module(x).numpy(), x)


# The old exporter computes the pads of tokens by nodes of their own.
EXPORTS = [
    (name, dynamo) for name in CASES for dynamo in (False, True) if (name, dynamo) != ("tokens", False)
]


@pytest.mark.parametrize(("name", "dynamo"), EXPORTS)
def test_onnx_of_both_exporters(name, dynamo, tmp_path):
    """Equal to ONNX Runtime."""
    module, x = made(name)
    batch = {"dynamic_shapes": ({0: torch.export.Dim("n")},)} if dynamo else {"dynamic_axes": {"x": {0: "n"}}}
    path = tmp_path / "net.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(module, (x[:2],), path, dynamo=dynamo, input_names=["x"], verbose=False, **batch)
    near(load(path, x), in_onnxruntime(path, x), x)


def in_onnxruntime(path, x):
    """The model's own output."""
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: x.numpy()})[0]


def onnx_file(path, nodes, constants=(), shape=SHAPE, domain=""):
    """An ONNX file of these nodes from ``x`` to ``y``."""
    tensors = [numpy_helper.from_array(np.asarray(value), name) for name, value in constants]
    graph = helper.make_graph(
        [helper.make_node(op, ins, outs, name=op.lower(), domain=domain, **more)
         for op, ins, outs, more in nodes],
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", *shape])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        tensors,
    )  # fmt: skip
    opsets = [helper.make_opsetid("", 20), *([helper.make_opsetid(domain, 1)] if domain else [])]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=10), path)
    return path


def normal(*shape):
    return np.random.default_rng(1).standard_normal(shape).astype(np.float32)


W = ("w", normal(4, 3, 3, 3))
NODES = {
    "conv of unlike sides": ([("Conv", ["x", "w"], ["y"], {"pads": [0, 1, 2, 1], "strides": [2, 1]})], [W]),
    "conv same upper": ([("Conv", ["x", "w"], ["y"], {"auto_pad": "SAME_UPPER", "strides": [2, 2]})], [W]),
    "conv same lower": ([("Conv", ["x", "w"], ["y"], {"auto_pad": "SAME_LOWER", "strides": [2, 2]})], [W]),
    "clip": ([("Clip", ["x", "", "h"], ["y"], {})], [("h", np.float32(0.5))]),
    "relu6": ([("Clip", ["x", "l", "h"], ["y"], {})], [("l", np.float32(0)), ("h", np.float32(6))]),
    "pad": ([("Pad", ["x", "p"], ["y"], {})], [("p", np.array([0, 0, 1, 2, 0, 0, 3, 0]))]),
    "average": ([("AveragePool", ["x"], ["y"], {"kernel_shape": [3, 2], "pads": [1, 0, 1, 0]})], []),
    "average with pads": ([("AveragePool", ["x"], ["y"], {
        "kernel_shape": [2, 2], "pads": [0, 0, 1, 1], "count_include_pad": 1})], []),
    "max": ([("MaxPool", ["x"], ["y"], {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1})], []),
    "gemm": ([("Flatten", ["x"], ["f"], {}), ("Gemm", ["f", "w", "b"], ["y"], {"alpha": 0.5, "beta": 2.0})],
             [("w", normal(192, 5)), ("b", normal(5))]),
    "matmul and bias": ([("Flatten", ["x"], ["f"], {}), ("MatMul", ["f", "w"], ["m"], {}),
                         ("Add", ["b", "m"], ["y"], {})], [("w", normal(192, 5)), ("b", normal(5))]),
    "transpose": ([("Transpose", ["x"], ["t"], {"perm": [0, 2, 3, 1]}),
                   ("MatMul", ["t", "w"], ["y"], {})], [("w", normal(3, 4))]),
    "mean and axes": ([("ReduceMean", ["x", "a"], ["m"], {}), ("Squeeze", ["m", "a"], ["s"], {}),
                       ("Unsqueeze", ["s", "a"], ["y"], {})], [("a", np.array([2, 3]))]),
    "constants": ([("Div", ["x", "c"], ["d"], {}), ("Sub", ["o", "d"], ["s"], {}),
                   ("Mul", ["s", "s"], ["y"], {})], [("c", normal(3, 1, 1)), ("o", np.float32(1))]),
    "slope": ([("PRelu", ["x", "s"], ["p"], {}), ("LeakyRelu", ["p"], ["y"], {"alpha": 0.3})],
              [("s", normal(3, 1, 1))]),
    "turned conv": ([("ConvTranspose", ["x", "w", "b"], ["y"], {
        "strides": [2, 2], "pads": [1, 1, 1, 1], "output_padding": [1, 1]})],
        [("w", normal(3, 4, 3, 3)), ("b", normal(4))]),
    "reshape": ([("Reshape", ["x", "s"], ["r"], {}), ("Identity", ["r"], ["y"], {})],
                [("s", np.array([0, 3, 4, -1]))]),
}  # fmt: skip


@pytest.mark.parametrize("name", NODES)
def test_onnx_operators(name, tmp_path):
    """Equal to ONNX Runtime, also where torch has no such window."""
    path, x = onnx_file(tmp_path / "net.onnx", *NODES[name]), frames(3)
    near(load(path, x), in_onnxruntime(path, x), x)


def test_a_bias_behind_a_product_joins_the_layer(tmp_path):
    """One layer, not a layer and a sum."""
    network = load(onnx_file(tmp_path / "net.onnx", *NODES["matmul and bias"]), frames(2))
    assert [n.target for n in network.graph.nodes if n.op == "call_module"] == ["matmul"]
    assert operator.add not in {n.target for n in network.graph.nodes}


REFUSED = {
    "nonzero": ([("NonZero", ["x"], ["y"], {})], [],
                r"node 'nonzero' \(NonZero\): quantization does not take this operator; it takes .*\."),
    "computed weights": ([("MatMul", ["x", "x"], ["y"], {})], [],
                         r"node 'matmul' \(MatMul\): its second operand must be constant floats\."),
    "not finite": ([("Conv", ["x", "w"], ["y"], {})], [("w", np.full((4, 3, 3, 3), np.nan, np.float32))],
                   r"node 'conv' \(Conv\): its weights must be finite, but hold NaN or infinity\."),
    "batch": ([("Reshape", ["x", "s"], ["y"], {})], [("s", np.array([-1, 3]))],
              r"node 'reshape' \(Reshape\): it must keep the batch as its first axis, but .*\."),
    "no input": ([("Relu", ["w"], ["y"], {})], [W],
                 r"node 'relu' \(Relu\): operand 0 must be computed from the model's input\."),
    "shape": ([("Conv", ["x", "w"], ["y"], {})], [("w", normal(4, 5, 3, 3))],
              r"node 'conv' \(Conv\): it must be a valid node, but RuntimeError: .*\."),
    "pads": ([("Conv", ["x", "w"], ["y"], {"pads": [9**9] * 4})], [W],
             r"node 'conv' \(Conv\): padding must be 0 to 4096, not .*\."),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_onnx_refusals(name, tmp_path):
    """One message that names the node."""
    nodes, constants, message = REFUSED[name]
    path = onnx_file(tmp_path / "net.onnx", nodes, constants)
    with pytest.raises(InputError, match=rf"^network: .*net\.onnx: {message}$"):
        load(path, frames(2))


class TwoResults(nn.Module):
    """Returns what we cannot take."""

    def forward(self, x):
        return x, x


class Branching(nn.Module):
    """Its forward depends on values."""

    def forward(self, x):
        return x if x.sum() > 0 else -x


@pytest.mark.parametrize(
    ("module", "message"),
    [
        ("net.pt2", r"network: it must be a torch\.nn\.Module, not str\."),
        (TwoResults(), r"network: the module must return one tensor, not tuple\."),
        (Branching(), r"network: the module must be traced by torch\.fx, but TraceError: .*"),
        (nn.Linear(9, 9), r"network: the module must run on the example, but RuntimeError: .*"),
    ],
)
def test_module_refusals(module, message):
    """Each says what the rule is."""
    with pytest.raises(InputError, match=f"^{message}"):
        of_module(module, frames(2))


def test_missing_file(tmp_path):
    with pytest.raises(
        InputError, match=r"^network: .*none\.pt2 cannot be read: No such file or directory\.$"
    ):
        load(tmp_path / "none.pt2", frames(2))
