"""Every op of the integer graph, in one literal tuple."""

from .activation import ArgMax, Threshold
from .linear import Add, Conv2d, MatMul, Mul
from .pooling import MaxPool
from .shape import Reshape, Transpose

OPS = (MatMul, Conv2d, Add, Mul, Threshold, ArgMax, MaxPool, Reshape, Transpose)

__all__ = [
    "OPS", "Add", "ArgMax", "Conv2d", "MatMul", "MaxPool", "Mul", "Reshape", "Threshold", "Transpose",
]
