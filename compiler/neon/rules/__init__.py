"""Rules of every op, fastest first; the last one of each takes whatever comes."""

from collections.abc import Mapping

from ...ir.op import Op
from ...ir.ops import (
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
)  # fmt: skip
from . import moves, plain
from .adder import ADDER
from .batch import BATCH
from .bits import BITS
from .depthwise import DEPTHWISE
from .elements import ELEMENTS
from .grouped import GROUPED
from .pools import POOL, REDUCE
from .products import PRODUCT
from .rule import Rule
from .transposed import TRANSPOSED
from .winograd import WINOGRAD

RULES: Mapping[type[Op], tuple[Rule, ...]] = {
    Add: (ELEMENTS,),
    AdderConv2d: (ADDER, plain.ADDER_CONV),
    AdderMatMul: (ADDER, plain.ADDER_MATMUL),
    ArgMax: (plain.ARG_MAX,),
    BatchMatMul: (BATCH, plain.BATCH_MATMUL),
    Concat: (moves.CONCAT,),
    Conv2d: (BITS, WINOGRAD, PRODUCT, DEPTHWISE, GROUPED, plain.CONV),
    ConvTranspose2d: (TRANSPOSED, plain.CONV_TRANSPOSE),
    DepthToSpace: (moves.DEPTH_TO_SPACE,),
    Lookup: (ELEMENTS,),
    MatMul: (BITS, PRODUCT, plain.MATMUL),
    MaxPool: (POOL, plain.MAX_POOL),
    Mul: (ELEMENTS,),
    Pad: (moves.PAD,),
    ReduceSum: (REDUCE, plain.REDUCE_SUM),
    Reshape: (moves.RESHAPE,),
    Slice: (moves.SLICE,),
    SpaceToDepth: (moves.SPACE_TO_DEPTH,),
    SumPool: (POOL, plain.SUM_POOL),
    Threshold: (ELEMENTS,),
    Transpose: (moves.TRANSPOSE,),
    Upsample: (moves.UPSAMPLE,),
}
