"""What ops that join, move, sum or look up elements refuse, and the ranges of what they accept."""

import re

import numpy as np
import pytest

from gatewright.compiler.ir.graph import Const, input_of
from gatewright.compiler.ir.ops import (
    BatchMatMul,
    Concat,
    ConvTranspose2d,
    DepthToSpace,
    Lookup,
    Pad,
    ReduceSum,
    Slice,
    SpaceToDepth,
    SumPool,
    Upsample,
)
from gatewright.compiler.ir.types import Int, hull
from gatewright.errors import GraphError

X = input_of("x", (4, 5, 6), 0, 3)
V = input_of("v", (3,), 0, 3)


def zeros(*shape):
    """A constant of zeros."""
    return Const(np.zeros(shape, np.int64))


REFUSED = {
    "table": (lambda: Lookup()(V, V), r"lookup: the table must be a constant"),
    "table rows": (
        lambda: Lookup()(V, zeros(2, 4)),
        r"lookup: the table must have shape \(L,\) or one row per channel of x: .*\[3\], not \(2, 4\)",
    ),
    "table length": (
        lambda: Lookup()(V, zeros(2**16 + 1)),
        r"lookup: a table must have at most 65536 entries, not 65537",
    ),
    "table range": (
        lambda: Lookup(1)(V, zeros(8)),
        r"lookup: x must lie in the table's \[1\.\.8\], not in \[0\.\.3\]",
    ),
    "table end": (
        lambda: Lookup(-1)(V, zeros(4)),
        r"lookup: x must lie in the table's \[-1\.\.2\], not in \[0\.\.3\]",
    ),
    "concat one": (lambda: Concat(0)(V), r"concat: takes 2 to 65536 operands, not 1"),
    "concat axis": (
        lambda: Concat(1)(V, V),
        r"concat: the axis must be one of the 1 of \(3,\), not 1",
    ),
    "concat shapes": (
        lambda: Concat(0)(X, input_of("z", (4, 5, 5), 0, 1)),
        r"concat: all shapes must equal \(4, 5, 6\) but for axis 0, not \(4, 5, 5\)",
    ),
    "slice axes": (
        lambda: Slice((0,), (1,), (1, 1))(V),
        r"slice: starts, stops and steps must have one element per axis of \(3,\), not .*",
    ),
    "slice empty": (
        lambda: Slice((1,), (1,), (1,))(V),
        (r"slice: each axis of \(3,\) must give 0 <= start < stop <= length and a positive step, not "
        r"\(1,\), \(1,\), \(1,\)"),
    ),
    "slice beyond": (lambda: Slice((0,), (4,), (1,))(V), r"slice: each axis of .*"),
    "slice step": (lambda: Slice((0,), (3,), (0,))(V), r"slice: each axis of .*"),
    "pad axes": (
        lambda: Pad((1,))(V),
        r"pad: pads must be 2 integers of at least 0 for \(3,\), not \(1,\)",
    ),
    "pad negative": (lambda: Pad((-1, 0))(V), r"pad: pads must be 2 integers of at least 0 .*"),
    "upsample image": (lambda: Upsample((1, 1))(V), r"upsample: x must be \(H, W, C\), not \(3,\)"),
    "upsample factor": (
        lambda: Upsample((0, 1))(X),
        r"upsample: factors must be at least 1, not \(0, 1\)",
    ),
    "shuffle mode": (
        lambda: DepthToSpace(1, 2)(X),
        r"depth_to_space: the mode must be 0 or 1, not 2",
    ),
    "shuffle channels": (
        lambda: DepthToSpace(2)(X),
        r"depth_to_space: blocks must be at least 1x1 and divide the 6 channels, not 2x2",
    ),
    "unshuffle image": (
        lambda: SpaceToDepth(2)(X),
        r"space_to_depth: blocks must be at least 1x1 and tile the 4x5 image, not 2x2",
    ),
    "sum image": (lambda: SumPool((1, 1))(V), r"sumpool: x must be \(H, W, C\), not \(3,\)"),
    "sum kernel": (lambda: SumPool((0, 1))(X), r"sumpool: the kernel must be at least 1x1, not \(0, 1\)"),
    "sum axes": (
        lambda: ReduceSum((1, 0))(X),
        r"reduce_sum: axes must be some of the 3 of \(4, 5, 6\) in order, not \(1, 0\)",
    ),
    "sum of none": (lambda: ReduceSum(())(X), r"reduce_sum: axes must be some .*"),
    "sum beyond": (lambda: ReduceSum((3,))(X), r"reduce_sum: axes must be some .*"),
    "product shapes": (
        lambda: BatchMatMul()(X, X),
        (r"batch_matmul: operands must be \(\.\.\., M, K\) and \(\.\.\., K, N\), not "
        r"\(4, 5, 6\) and \(4, 5, 6\)"),
    ),
    "product size": (
        lambda: BatchMatMul()(input_of("a", (1, 2), 0, 2**30), input_of("b", (2, 1), 0, 2**29)),
        r"batch_matmul: sums must stay within 60 bits, not reach 1152921504606846976",
    ),
    "transposed weights": (
        lambda: ConvTranspose2d()(X, X),
        r"conv_transpose2d: the weights must be a constant",
    ),
    "transposed image": (
        lambda: ConvTranspose2d()(V, zeros(1, 1, 3, 1)),
        r"conv_transpose2d: x must be \(H, W, C\), not \(3,\)",
    ),
    "transposed kernel": (
        lambda: ConvTranspose2d()(X, zeros(6, 2)),
        r"conv_transpose2d: weights must be \(KH, KW, C/groups, M\), not \(6, 2\)",
    ),
    "transposed groups": (
        lambda: ConvTranspose2d(groups=2)(X, zeros(1, 1, 6, 2)),
        r"conv_transpose2d: 2 groups must divide 6 channels in and 2 out, with 6 in a group",
    ),
    "transposed strides": (
        lambda: ConvTranspose2d((0, 1))(X, zeros(1, 1, 6, 1)),
        (r"conv_transpose2d: strides and dilations must be at least 1, pads and output padding at least 0, "
        r"not \(0, 1\), \(1, 1\), \(0, 0, 0, 0\), \(0, 0\)"),
    ),
    "transposed padding": (
        lambda: ConvTranspose2d((2, 1), output_padding=(1, 1))(X, zeros(1, 1, 6, 1)),
        r"conv_transpose2d: output padding must be smaller than stride or dilation, not \(1, 1\)",
    ),
    "transposed pads": (
        lambda: ConvTranspose2d(pads=(2, 0, 2, 0))(X, zeros(1, 1, 6, 1)),
        r"conv_transpose2d: pads must leave some of the 4x5 result, not \(2, 0, 2, 0\)",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case):
    """Each rule has its message."""
    build, message = REFUSED[case]
    with pytest.raises(GraphError) as caught:
        build()
    assert re.fullmatch(message, str(caught.value)), str(caught.value)


def bipolar(*shape):
    """An input of {-1, +1}."""
    return input_of("x", shape, -1, 1, 2)


RANGES = {
    "sum of bipolar": (lambda: ReduceSum((0,))(bipolar(3, 2)), Int(-3, 3, 2)),
    "pool of bipolar": (lambda: SumPool((2, 2))(bipolar(2, 2, 1)), Int(-4, 4, 2)),
    "padded pool": (lambda: SumPool((2, 2), pads=(1, 0, 0, 0))(bipolar(2, 2, 1)), Int(-4, 4)),
    "padded pool above 0": (
        lambda: SumPool((1, 2), pads=(0, 1, 0, 0))(input_of("x", (1, 2, 1), 4, 12, 4)),
        Int(0, 24, 4),
    ),
    "product of bipolar": (lambda: BatchMatMul()(bipolar(1, 3), bipolar(3, 1)), Int(-3, 3, 2)),
    "join": (lambda: Concat(0)(bipolar(1), input_of("z", (2,), 3, 9, 6)), Int(-1, 9, 2)),
    "padded": (lambda: Pad((1, 0), 5)(bipolar(1)), Int(-1, 5, 2)),
    "not padded": (lambda: Pad((0, 0), 4)(bipolar(1)), Int(-1, 1, 2)),
    # Entries 0, 2 and 4 are reached; the others are not.
    "table": (
        lambda: Lookup(2)(input_of("x", (1,), 2, 6, 2), Const(np.array([5, 99, 7, -99, 6, 50]))),
        Int(5, 7),
    ),
    "transposed": (
        # With stride 2 the two columns of the kernel never meet.
        lambda: ConvTranspose2d((1, 2))(input_of("x", (1, 2, 1), 0, 3), Const(np.array([[[[5]], [[-2]]]]))),
        Int(-6, 15),
    ),
    "transposed in steps": (
        lambda: ConvTranspose2d()(
            input_of("x", (1, 2, 1), 0, 2, 2), Const(np.full((1, 2, 1, 1), 3)), Const(np.array([1]))
        ),
        Int(1, 13, 6),
    ),
}


@pytest.mark.parametrize("case", RANGES)
def test_inferred_range(case):
    """Ranges are no wider than what is worth knowing, steps included."""
    build, expected = RANGES[case]
    assert build().type.dtype == expected


def test_hull():
    """Offsets count towards the common step, ranges of one value only by their offset."""
    assert hull(Int(0, 6, 3)) == Int(0, 6, 3)
    assert hull(Int(0, 6, 3), Int(9, 9)) == Int(0, 9, 3)
    assert hull(Int(0, 6, 3), Int(-1, -1)) == Int(-1, 6)
    assert hull(Int(0, 12, 6), Int(-4, 4, 8)) == Int(-4, 12, 2)
    assert hull(Int(7, 7), Int(7, 7)) == Int(7, 7)
