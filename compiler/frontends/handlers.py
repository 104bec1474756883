"""Which node of the source is lowered by what, and what to tell users of nodes that none lowers."""

from collections.abc import Callable

from . import average_ops, elementwise_ops, join_ops, layout_ops, linear_ops, qdq_ops
from .source import Operand, SourceNode

HANDLERS: dict[str, Callable[[SourceNode], tuple[Operand, ...]]] = {
    "Add": elementwise_ops.lower_add,
    "ArgMax": layout_ops.lower_arg_max,
    "AveragePool": average_ops.lower_average_pool,
    "BatchNormalization": elementwise_ops.lower_batch_normalization,
    "Cast": elementwise_ops.lower_cast,
    "Clip": elementwise_ops.lower_clip,
    "Concat": join_ops.lower_concat,
    "Conv": linear_ops.lower_conv,
    "DequantizeLinear": qdq_ops.lower_dequantize_linear,
    "Div": elementwise_ops.lower_div,
    "Dropout": elementwise_ops.lower_dropout,
    "Flatten": layout_ops.lower_flatten,
    "Gemm": linear_ops.lower_gemm,
    "GlobalAveragePool": average_ops.lower_global_average_pool,
    "Identity": elementwise_ops.lower_identity,
    "LeakyRelu": elementwise_ops.lower_leaky_relu,
    "MatMul": linear_ops.lower_matmul,
    "MaxPool": layout_ops.lower_max_pool,
    "Mul": elementwise_ops.lower_mul,
    "Neg": elementwise_ops.lower_neg,
    "PRelu": elementwise_ops.lower_prelu,
    "ReduceMean": average_ops.lower_reduce_mean,
    "Relu": elementwise_ops.lower_relu,
    "Reshape": layout_ops.lower_reshape,
    "Shape": layout_ops.lower_shape,
    "Squeeze": layout_ops.lower_squeeze,
    "Sub": elementwise_ops.lower_sub,
    "TopK": layout_ops.lower_top_k,
    "Transpose": layout_ops.lower_transpose,
    "Unsqueeze": layout_ops.lower_unsqueeze,
}

ADVICE = {
    "Softmax": "Leave it out of the export: it does not change the arg-max.",
    "LogSoftmax": "Leave it out of the export: it does not change the arg-max.",
    "Sigmoid": "Use ReLU or HardTanh, or leave it out where it is the last layer.",
    "Tanh": "Use HardTanh.",
    "Upsample": "Upsampling has no integer op here; train without it.",
    "Resize": "Upsampling has no integer op here; train without it.",
}
DEFAULT_ADVICE = "Remove it from the network, or replace it by supported layers (docs/exactness.md)."
