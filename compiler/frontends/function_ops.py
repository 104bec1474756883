"""Functions of one number: ONNX Runtime computes them for every value that their operand can have."""

import numpy as np

from ...errors import GraphError
from .constants import run_node
from .function_steps import DeferredStep, FunctionStep
from .source import SourceNode
from .tensors import Constant, Tensor

# Kernels treat blocks of this many numbers alike; only what remains at the end may be computed otherwise.
_BLOCK = 64
FUNCTIONS = (
    "Abs", "Acos", "Acosh", "Asin", "Asinh", "Atan", "Atanh", "Ceil", "Celu", "Cos", "Cosh", "Elu", "Erf",
    "Exp", "Floor", "Gelu", "HardSigmoid", "HardSwish", "Log", "Mish", "Pow", "Reciprocal", "Round", "Selu",
    "Shrink", "Sigmoid", "Sign", "Sin", "Sinh", "Softplus", "Softsign", "Sqrt", "Swish", "Tan", "Tanh",
    "ThresholdedRelu",
    "com.microsoft.FastGelu", "com.microsoft.Gelu", "com.microsoft.QuickGelu",
)  # fmt: skip


def lower_function(node: SourceNode) -> tuple[Tensor]:
    """The node's own function, of one computed operand and perhaps constants of one number.

    Raises:
        GraphError: another operand that varies, a float input, or ONNX Runtime refuses the node.
    """
    places = [i for i, o in enumerate(node.operands) if isinstance(o, Tensor)]
    others = [o for o in node.operands if isinstance(o, Constant)]
    if len(places) != 1 or any(o.values.size != 1 for o in others):
        raise GraphError("its operands must be one computed tensor, and else constants of one number")
    tensor = quantized(node.tensor(places[0]))
    arrays = [None if not isinstance(o, Constant) else o.values.reshape(()) for o in node.operands]

    def function(x: np.ndarray) -> np.ndarray:
        flat = x.astype(np.float32, copy=False).ravel()
        padded = np.pad(flat, (0, -flat.size % _BLOCK), mode="edge")
        arrays[places[0]] = padded
        (y,) = run_node(node, arrays)
        return y[: flat.size].reshape(x.shape)

    # A node that ONNX Runtime refuses is reported here, not at the quantizer behind it.
    if function(np.zeros(1, dtype=np.float32)).dtype != np.float32:
        raise GraphError("its result must be float32")
    return (tensor.then(FunctionStep((), function, node.proto.op_type)),)


def quantized(tensor: Tensor) -> Tensor:
    """The tensor itself; raises GraphError for the model's float input, and where a quantizer is due."""
    if tensor.pending:
        raise GraphError(
            "its input must be quantized, but is the model's float input. Quantize the input first."
        )
    for step in tensor.chain.steps:
        if isinstance(step, DeferredStep):
            raise GraphError(step.advice)
    return tensor
