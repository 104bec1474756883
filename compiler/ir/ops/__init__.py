"""Every op of the integer graph, in one literal tuple."""

from .activation import ArgMax, Lookup, Threshold
from .adder import AdderConv2d, AdderMatMul
from .conv_transpose import ConvTranspose2d
from .linear import Add, BatchMatMul, Conv2d, MatMul, Mul
from .pooling import MaxPool, ReduceSum, SumPool
from .resample import DepthToSpace, SpaceToDepth, Upsample
from .shape import Concat, Pad, Reshape, Slice, Transpose

OPS = (
    MatMul, Conv2d, ConvTranspose2d, BatchMatMul, AdderMatMul, AdderConv2d, Add, Mul,
    Threshold, Lookup, ArgMax,
    MaxPool, SumPool, ReduceSum,
    Reshape, Transpose, Concat, Slice, Pad, Upsample, DepthToSpace, SpaceToDepth,
)  # fmt: skip

__all__ = [
    "OPS",
    "Add",
    "AdderConv2d",
    "AdderMatMul",
    "ArgMax",
    "BatchMatMul",
    "Concat",
    "Conv2d",
    "ConvTranspose2d",
    "DepthToSpace",
    "Lookup",
    "MatMul",
    "MaxPool",
    "Mul",
    "Pad",
    "ReduceSum",
    "Reshape",
    "Slice",
    "SpaceToDepth",
    "SumPool",
    "Threshold",
    "Transpose",
    "Upsample",
]
