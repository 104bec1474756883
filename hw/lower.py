"""The FPGA target: which rule lowers which op."""

from ..compiler.ir.ops import (
    Add,
    AdderConv2d,
    AdderMatMul,
    ArgMax,
    BatchMatMul,
    Concat,
    Conv2d,
    ConvTranspose2d,
    DepthToSpace,
    Lookup,
    MatMul,
    MaxPool,
    Mul,
    Pad,
    ReduceSum,
    Reshape,
    Slice,
    SpaceToDepth,
    SumPool,
    Threshold,
    Transpose,
    Upsample,
)
from ..compiler.target import Target
from .rules.activation import ARGMAX
from .rules.adder import ADDER_CONV2D, ADDER_MATMUL
from .rules.batch_matmul import BATCH_MATMUL
from .rules.conv_transpose import CONV_TRANSPOSE
from .rules.elementwise import ELEMENTWISE
from .rules.grouped import CONV2D
from .rules.limit import THRESHOLDS
from .rules.linear import MATMUL
from .rules.lookup import LOOKUPS
from .rules.movement import CONCATS, PADS, REORDER, SLICES
from .rules.pooling import MAXPOOL
from .rules.shape import RESHAPE
from .rules.sums import REDUCE_SUM, SUMPOOL

FPGA = Target(
    "fpga",
    rules={
        MatMul: MATMUL,
        Conv2d: CONV2D,
        AdderMatMul: ADDER_MATMUL,
        AdderConv2d: ADDER_CONV2D,
        ConvTranspose2d: CONV_TRANSPOSE,
        BatchMatMul: BATCH_MATMUL,
        Add: ELEMENTWISE,
        Mul: ELEMENTWISE,
        Threshold: THRESHOLDS,
        Lookup: LOOKUPS,
        ArgMax: ARGMAX,
        MaxPool: MAXPOOL,
        SumPool: SUMPOOL,
        ReduceSum: REDUCE_SUM,
        Reshape: RESHAPE,
        Transpose: REORDER,
        Concat: CONCATS,
        Slice: SLICES,
        Pad: PADS,
        Upsample: REORDER,
        DepthToSpace: REORDER,
        SpaceToDepth: REORDER,
    },
)
