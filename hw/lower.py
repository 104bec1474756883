"""The FPGA target: which rule lowers which op."""

from ..compiler.ir.ops import Add, ArgMax, Conv2d, MatMul, MaxPool, Mul, Reshape, Threshold
from ..compiler.target import Target
from .rules.activation import ARGMAX, THRESHOLDS
from .rules.elementwise import ELEMENTWISE
from .rules.linear import CONV2D, MATMUL
from .rules.pooling import MAXPOOL
from .rules.shape import RESHAPE

FPGA = Target(
    "fpga",
    rules={
        MatMul: MATMUL,
        Conv2d: CONV2D,
        Threshold: THRESHOLDS,
        MaxPool: MAXPOOL,
        ArgMax: ARGMAX,
        Add: ELEMENTWISE,
        Mul: ELEMENTWISE,
        Reshape: RESHAPE,
    },
)
