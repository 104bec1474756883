"""Which operator is lowered by what, and what to tell users of operators that none lowers."""

from collections.abc import Callable

from . import tflite_elementwise_ops as elementwise
from . import tflite_layout_ops as layout
from . import tflite_linear_ops as linear
from .tflite_softmax import lower_softmax
from .tflite_source import Activation, OperatorView

HANDLERS: dict[str, Callable[[OperatorView], Activation]] = {
    "ADD": elementwise.lower_add,
    "AVERAGE_POOL_2D": layout.lower_average_pool,
    "CONCATENATION": layout.lower_concat,
    "CONV_2D": linear.lower_conv,
    "DEPTHWISE_CONV_2D": linear.lower_depthwise,
    "DEQUANTIZE": elementwise.lower_dequantize,
    "EXPAND_DIMS": layout.lower_reshape,
    "FULLY_CONNECTED": linear.lower_fully_connected,
    "MAX_POOL_2D": layout.lower_max_pool,
    "MEAN": layout.lower_mean,
    "MUL": elementwise.lower_mul,
    "PAD": layout.lower_pad,
    "PADV2": layout.lower_pad,
    "QUANTIZE": elementwise.lower_requantize,
    "RELU": elementwise.lower_relu,
    "RELU6": elementwise.lower_relu,
    "RELU_N1_TO_1": elementwise.lower_relu,
    "RESHAPE": layout.lower_reshape,
    "SOFTMAX": lower_softmax,
    "SQUEEZE": layout.lower_reshape,
    "SUB": elementwise.lower_sub,
}

ADVICE = {
    "LOGISTIC": "Use RELU6, or leave it out where it is the last layer.",
    "TANH": "Use RELU_N1_TO_1.",
    "HARD_SWISH": "Use RELU6.",
    "LEAKY_RELU": "Use RELU.",
    "RESIZE_BILINEAR": "Resize before the model.",
    "WHILE": "Unroll the loop when converting.",
    "IF": "Convert one branch.",
}
DEFAULT_ADVICE = "Remove it from the network, or replace it by supported layers (docs/tflite.md)."
