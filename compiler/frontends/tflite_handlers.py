"""Which operator is lowered by what, and what to tell users of operators that none lowers."""

from collections.abc import Callable

from . import tflite_elementwise_ops as elementwise
from . import tflite_function_ops as function
from . import tflite_layout_ops as layout
from . import tflite_linear_ops as linear
from . import tflite_move_ops as move
from .tflite_softmax import lower_softmax
from .tflite_source import Activation, OperatorView

HANDLERS: dict[str, Callable[[OperatorView], Activation | tuple[Activation, ...]]] = {
    "ABS": function.lower_abs,
    "ADD": elementwise.lower_add,
    "ARG_MAX": move.lower_arg_max,
    "AVERAGE_POOL_2D": layout.lower_average_pool,
    "CONCATENATION": layout.lower_concat,
    "CONV_2D": linear.lower_conv,
    "DEPTHWISE_CONV_2D": linear.lower_depthwise,
    "DEPTH_TO_SPACE": move.lower_depth_to_space,
    "DEQUANTIZE": elementwise.lower_dequantize,
    "EXP": function.lower_float_function,
    "EXPAND_DIMS": layout.lower_reshape,
    "FULLY_CONNECTED": linear.lower_fully_connected,
    "GELU": function.lower_float_function,
    "HARD_SWISH": function.lower_hard_swish,
    "LEAKY_RELU": function.lower_leaky_relu,
    "LOGISTIC": function.lower_float_function,
    "MAX_POOL_2D": layout.lower_max_pool,
    "MEAN": layout.lower_mean,
    "MUL": elementwise.lower_mul,
    "PAD": layout.lower_pad,
    "PADV2": layout.lower_pad,
    "PRELU": function.lower_prelu,
    "QUANTIZE": elementwise.lower_requantize,
    "RELU": elementwise.lower_relu,
    "RELU6": elementwise.lower_relu,
    "RELU_0_TO_1": elementwise.lower_relu,
    "RELU_N1_TO_1": elementwise.lower_relu,
    "RESHAPE": layout.lower_reshape,
    "RESIZE_NEAREST_NEIGHBOR": move.lower_resize_nearest,
    "SLICE": move.lower_slice,
    "SOFTMAX": lower_softmax,
    "SPACE_TO_DEPTH": move.lower_space_to_depth,
    "SPLIT": move.lower_split,
    "SPLIT_V": move.lower_split_v,
    "SQUEEZE": layout.lower_reshape,
    "STRIDED_SLICE": move.lower_strided_slice,
    "SUB": elementwise.lower_sub,
    "TANH": function.lower_float_function,
    "TRANSPOSE": move.lower_transpose,
    "TRANSPOSE_CONV": linear.lower_transpose_conv,
}
# Operators whose handlers give one result per output.
SEVERAL_RESULTS = ("SPLIT", "SPLIT_V")

ADVICE = {
    "RESIZE_BILINEAR": "Resize before the model.",
    "WHILE": "Unroll the loop when converting.",
    "IF": "Convert one branch.",
}
DEFAULT_ADVICE = "Remove it from the network, or replace it by supported layers (docs/tflite.md)."
