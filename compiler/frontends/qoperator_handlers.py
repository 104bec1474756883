"""Which quantized operator is lowered by what."""

from collections.abc import Callable

from . import qoperator_average_ops, qoperator_binary_ops, qoperator_linear_ops, qoperator_table_ops
from .source import Operand, SourceNode

QOPERATORS: dict[str, Callable[[SourceNode], tuple[Operand, ...]]] = {
    "ConvInteger": qoperator_linear_ops.lower_conv_integer,
    "MatMulInteger": qoperator_linear_ops.lower_matmul_integer,
    "QLinearConv": qoperator_linear_ops.lower_qlinear_conv,
    "QLinearMatMul": qoperator_linear_ops.lower_qlinear_matmul,
    "com.microsoft.QGemm": qoperator_linear_ops.lower_qgemm,
    "com.microsoft.QLinearAdd": qoperator_binary_ops.lower_qlinear_add,
    "com.microsoft.QLinearAveragePool": qoperator_average_ops.lower_qlinear_average_pool,
    "com.microsoft.QLinearConcat": qoperator_table_ops.lower_qlinear_concat,
    "com.microsoft.QLinearGlobalAveragePool": qoperator_average_ops.lower_qlinear_global_average_pool,
    "com.microsoft.QLinearLeakyRelu": qoperator_table_ops.lower_table,
    "com.microsoft.QLinearMul": qoperator_binary_ops.lower_qlinear_mul,
    "com.microsoft.QLinearSigmoid": qoperator_table_ops.lower_table,
}

# Where the model's own integer inputs have their zero points: the operator's operands, and theirs.
ZERO_POINTS: dict[str, dict[int, int]] = {
    "ConvInteger": {0: 2},
    "DequantizeLinear": {0: 2},
    "MatMulInteger": {0: 2, 1: 3},
    "QGemm": {0: 2},
    "QLinearAdd": {0: 2, 3: 5},
    "QLinearAveragePool": {0: 2},
    "QLinearConv": {0: 2},
    "QLinearGlobalAveragePool": {0: 2},
    "QLinearLeakyRelu": {0: 2},
    "QLinearMatMul": {0: 2, 3: 5},
    "QLinearMul": {0: 2, 3: 5},
    "QLinearSigmoid": {0: 2},
}

QOPERATOR_ADVICE = {
    "DynamicQuantizeLinear": (
        "Its scale depends on each input. Quantize statically (onnxruntime.quantization.quantize_static)."
    ),
    "DynamicQuantizeMatMul": (
        "Its scale depends on each input. Quantize statically (onnxruntime.quantization.quantize_static)."
    ),
    "QLinearReduceMean": "ONNX Runtime has no kernel for it. Leave the average in float when quantizing.",
    "QLinearSoftmax": "Leave it out of the export: it does not change the arg-max.",
    "QLinearWhere": "Remove the choice: where its condition is constant, fold it before quantizing.",
}
