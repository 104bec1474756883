"""Which units are measured: module by module, some held out of the fit."""

from collections.abc import Iterator

import numpy as np

from gatewright.compiler.ir.graph import Const, Graph, Node, input_of
from gatewright.compiler.ir.ops import (
    Add,
    ArgMax,
    BatchMatMul,
    Concat,
    Conv2d,
    Lookup,
    MaxPool,
    Mul,
    Pad,
    Slice,
    SumPool,
    Threshold,
    Transpose,
)
from gatewright.hw.design import Instance, Stream
from gatewright.hw.rules.constant import ConstantFold
from gatewright.hw.rules.requantize import RequantizeFold
from gatewright.hw.rules.rule import BLOCK, LUTS, Fold
from gatewright.hw.units.fifo import FIFO
from gatewright.hw.units.fork import FORK
from gatewright.hw.units.width_converter import WIDTH_CONVERTER

from .data import (
    CLOCKS,
    built,
    chosen,
    cuts,
    dense,
    image,
    images,
    kernels,
    levels,
    source,
    sums_of_layer,
)
from .measure import Case

_FLAGS = {
    "digit": {"dsp": False}, "dsp": {"dsp": True, "pair": False}, "pair": {"dsp": True, "pair": True},
    "sign": {}, "xnor": {"lut6": False}, "xnor6": {"lut6": True}, "sign_x": {}, "adder": {"lut6": False},
    "minimum": {"lut6": True},
}  # fmt: skip
# Lane, bits of x and w, columns, rows, PE, SIMD, ROM, held.
_VECTORS = (
    ("digit", 8, 8, 64, 16, 2, 8, BLOCK, False), ("digit", 4, 4, 64, 16, 2, 16, BLOCK, False),
    ("digit", 8, 4, 64, 16, 4, 4, BLOCK, True), ("digit", 4, 6, 32, 16, 2, 8, BLOCK, True),
    ("digit", 4, 3, 64, 8, 2, 16, LUTS, False), ("digit", 2, 2, 64, 32, 4, 16, BLOCK, False),
    ("digit", 6, 5, 64, 8, 2, 8, BLOCK, True),
    ("digit", 4, 4, 16, 8, 8, 16, LUTS, False), ("digit", 8, 6, 8, 8, 8, 8, LUTS, True),
    ("dsp", 8, 8, 64, 16, 2, 8, BLOCK, False), ("dsp", 8, 8, 64, 16, 4, 4, BLOCK, True),
    ("dsp", 6, 4, 64, 8, 2, 16, BLOCK, False), ("dsp", 4, 8, 32, 16, 4, 4, BLOCK, True),
    ("pair", 4, 4, 64, 16, 4, 8, BLOCK, False), ("pair", 3, 3, 64, 16, 2, 16, BLOCK, True),
    ("sign", 8, 1, 64, 16, 4, 16, BLOCK, False), ("sign", 4, 1, 64, 16, 8, 8, BLOCK, False),
    ("sign", 6, 1, 64, 16, 4, 8, BLOCK, True),
    ("xnor", 1, 1, 64, 32, 8, 32, BLOCK, False), ("xnor", 1, 1, 64, 32, 16, 16, BLOCK, False),
    ("xnor", 1, 1, 64, 16, 8, 64, BLOCK, True),
    ("sign_x", 1, 4, 64, 16, 4, 16, BLOCK, False), ("sign_x", 1, 6, 64, 16, 4, 8, BLOCK, True),
    ("adder", 8, 8, 64, 16, 2, 8, BLOCK, False), ("adder", 4, 4, 64, 16, 4, 16, BLOCK, False),
    ("adder", 8, 8, 64, 16, 4, 4, BLOCK, True), ("adder", 6, 6, 64, 16, 2, 16, BLOCK, True),
)  # fmt: skip
_SIX = (
    ("minimum", 8, 8, 16, 32, 2, 8, BLOCK, False), ("minimum", 4, 4, 32, 16, 4, 16, BLOCK, False),
    ("minimum", 6, 6, 16, 32, 4, 8, BLOCK, True), ("adder", 8, 8, 16, 32, 2, 8, BLOCK, False),
    ("adder", 6, 6, 16, 32, 4, 8, BLOCK, True), ("digit", 8, 8, 16, 32, 2, 8, BLOCK, False),
    ("digit", 4, 4, 32, 32, 4, 8, BLOCK, True), ("xnor6", 1, 1, 64, 32, 8, 32, BLOCK, False),
    ("xnor6", 1, 1, 64, 32, 4, 64, BLOCK, True),
)  # fmt: skip


def _vector_cases() -> Iterator[Case]:
    for family, rows in (("ecp5", _VECTORS), ("xc7", _SIX)):
        for lane, x, w, k, m, pe, simd, rom, held in rows:
            graph, frames = dense(lane, x, w, k, m)
            fold = chosen(pe, simd, rom=rom, **_FLAGS[lane])
            name = f"{family}-mv-{lane}-{x}x{w}-{k}x{m}-{pe}x{simd}"
            yield Case(name, family, *built(graph, frames, fold, "gw_matrix_vector"), held)


def _activation_cases() -> Iterator[Case]:
    rows = (
        ("gw_threshold", 8, 16, 4, 15, BLOCK, False), ("gw_threshold", 4, 16, 8, 3, LUTS, False),
        ("gw_threshold", 4, 16, 4, 15, BLOCK, True), ("gw_threshold", 6, 8, 8, 7, LUTS, True),
        ("gw_requantize", 8, 16, 4, 255, BLOCK, False), ("gw_requantize", 4, 16, 4, 63, BLOCK, False),
        ("gw_requantize", 6, 8, 2, 127, BLOCK, True), ("gw_requantize", 8, 8, 4, 255, LUTS, True),
    )  # fmt: skip
    for module, bits, channels, pe, count, rom, held in rows:
        for dsp in (False, True) if module == "gw_requantize" else (False,):
            x, sums = sums_of_layer(bits, channels)
            table = Const(levels(sums, count, module == "gw_requantize"))
            graph = Graph((x,), (Node(Threshold(), (x, table)),))
            of = RequantizeFold if module == "gw_requantize" else Fold
            found = built(
                graph, sums, chosen(pe, pe, of, rom=rom, dsp=dsp, family="ecp5" if dsp else ""), module
            )
            name = f"ecp5-{module[3:]}-{bits}-{channels}-{pe}-{count}{'-dsp' if dsp else ''}"
            yield Case(name, "ecp5", *found, held)


def _image_cases() -> Iterator[Case]:
    def case(kind: str, node: Node, frames: np.ndarray, pe: int, simd: int, held: bool, **flags) -> Case:
        graph = Graph((source(node),), (node,))
        module = f"gw_{kind.partition('-')[0]}"
        name = f"ecp5-{kind}-{pe}x{simd}"
        return Case(name, "ecp5", *built(graph, frames, chosen(pe, simd, **flags), module), held)

    for channels, bits, pe, held in ((4, 4, 4, False), (8, 8, 2, False), (8, 4, 8, True), (4, 8, 2, True)):
        x, frames = image(channels, bits)
        tag = f"{channels}c{bits}b"
        pool = Node(MaxPool((2, 2), (2, 2)), (x,))
        yield case(f"max_pool-{tag}", pool, frames, pe, pe, held)
        sums = Node(SumPool((2, 2), (2, 2)), (x,))
        yield case(f"sum_pool-{tag}", sums, frames, pe, pe, held)
        conv = Node(Conv2d((1, 1), (1, 1, 1, 1)), (x, kernels((3, 3, channels, 8), 4)))
        yield case(f"sliding_window-{tag}", conv, frames, 2, pe, held, dsp=False)
        apart = Node(Conv2d((1, 1), (1, 1, 1, 1), groups=channels), (x, kernels((3, 3, 1, channels), bits)))
        yield case(f"depthwise-{tag}", apart, frames, pe, pe, held, dsp=False)
        plain = Node(Conv2d((1, 1), (0, 0, 0, 0)), (x, kernels((3, 3, channels, 8), 4)))
        yield case(f"whole_window-{tag}", plain, frames, 8, 9 * channels, held, dsp=False)
        turned = Node(Transpose((1, 0, 2)), (x,))
        yield case(f"gather-{tag}", Node(Threshold(), (turned, cuts(bits))), frames, pe, pe, held)


def _element_cases() -> Iterator[Case]:
    for channels, bits, pe, held in ((8, 4, 4, False), (4, 8, 2, False), (8, 6, 2, True)):
        x, frames = image(channels, bits)
        tag = f"{channels}c{bits}b"
        cut = Node(Threshold(), (x, Const(np.arange(1, 1 << bits, 2)[None])))
        for kind, op in (("sum", Add()), ("product", Mul())):
            graph = Graph((x,), (Node(op, (x, cut)),))
            found = built(graph, frames, chosen(pe, pe, dsp=False), "gw_binary")
            if kind == "sum":
                yield Case(f"ecp5-binary-{kind}-{tag}-{pe}", "ecp5", *found, held)
        rng = np.random.default_rng(bits)
        table = Const(np.sort(rng.integers(0, 1 << bits, (channels, 1 << bits)), axis=1)[:, ::-1].copy())
        graph = Graph((x,), (Node(Lookup(0), (x, table)),))
        yield Case(
            f"ecp5-lookup-{tag}-{pe}", "ecp5",
            *built(graph, frames, chosen(pe, pe, rom=LUTS), "gw_lookup"), held,
        )  # fmt: skip
        both = Graph((x,), (Node(Concat(2), (x, cut)),))
        yield Case(f"ecp5-concat-{tag}-{pe}", "ecp5", *built(both, frames, chosen(pe, pe), "gw_concat"), held)
        part = Node(Threshold(), (Node(Slice((1, 1, 0), (7, 7, channels), (1, 1, 1)), (x,)), cuts(bits)))
        found = built(Graph((x,), (part,)), frames, chosen(pe, pe), "gw_slice")
        yield Case(f"ecp5-slice-{tag}-{pe}", "ecp5", *found, held)
        wide = Node(Threshold(), (Node(Pad((1, 1, 0, 1, 1, 0)), (x,)), cuts(bits)))
        found = built(Graph((x,), (wide,)), frames, chosen(pe, pe), "gw_pad")
        yield Case(f"ecp5-pad-{tag}-{pe}", "ecp5", *found, held)
        sums, values = sums_of_layer(bits, 8)
        graph = Graph((sums,), (ArgMax()(sums),))
        yield Case(
            f"ecp5-arg_max-{bits}-{pe}", "ecp5", *built(graph, values, chosen(pe, pe), "gw_arg_max"), held
        )


def _product_cases() -> Iterator[Case]:
    for bits, pe, simd, held in ((4, 2, 4, False), (8, 2, 2, False), (6, 4, 4, True)):
        x = input_of("image", (8, 8), 0, (1 << bits) - 1)
        w = Node(Threshold(), (x, Const(np.arange(1, 1 << bits)[None])))
        graph = Graph((x,), (Node(BatchMatMul(), (x, w)),))
        frames = images(1, bits)[..., 0]
        found = built(graph, frames, chosen(pe, simd, dsp=False), "gw_matrix_product")
        yield Case(f"ecp5-matrix_product-{bits}-{pe}x{simd}", "ecp5", *found, held)


def _constant_cases() -> Iterator[Case]:
    for x_bits, w_bits, k, m, held in ((4, 4, 16, 8, False), (8, 4, 8, 8, False), (6, 6, 12, 6, True)):
        graph, frames = dense("digit", x_bits, w_bits, k, m)
        found = built(graph, frames, chosen(m, k, ConstantFold), "gw_constant_matrix")
        yield Case(f"ecp5-constant_matrix-{x_bits}x{w_bits}-{k}x{m}", "ecp5", *found, held)


def _stream_cases() -> Iterator[Case]:
    """FIFOs, forks and width converters of a stream of pixels."""
    x, frames = image(8, 8)
    graph = Graph((x,), (Node(MaxPool((2, 2), (2, 2)), (x,)),))
    instance, (codes,) = built(graph, frames, chosen(8, 8), "gw_sliding_window")
    codes = np.tile(codes, (2, 1)) if len(codes) < CLOCKS else codes[:CLOCKS]
    stream = instance.input
    for depth, held in ((2, False), (3, True), (16, False), (64, False), (32, True)):
        params = {"BITS": stream.bits, "DEPTH": depth, "RAM_STYLE": 0}
        unit = Instance(FIFO, "fifo", params, len(codes), stream, stream)
        yield Case(f"ecp5-fifo-{depth}", "ecp5", unit, (codes,), held)
    for readers, held in ((2, False), (3, True)):
        params = {"BITS": stream.bits, "N": readers}
        unit = Instance(FORK, "fork", params, len(codes), stream, (stream,) * readers)
        yield Case(f"ecp5-fork-{readers}", "ecp5", unit, (codes,), held)
    for wide, narrow, held in (
        (8, 2, False),
        (2, 8, False),
        (8, 4, False),
        (4, 8, False),
        (8, 1, True),
        (1, 8, True),
    ):
        given = Stream(stream.element, wide, 1)
        taken = Stream(stream.element, narrow, 1)
        words = codes.reshape(-1, wide)[: max(CLOCKS * narrow // wide, 60) if wide > narrow else 416]
        unit = Instance(WIDTH_CONVERTER, "converter", {"BITS": 8, "IN": wide, "OUT": narrow}, 1, given, taken)
        yield Case(f"ecp5-width-{wide}to{narrow}", "ecp5", unit, (words,), held)


def cases() -> Iterator[Case]:
    """All of them; those with the slowest synthesis last."""
    for make in (
        _stream_cases, _element_cases, _activation_cases, _image_cases, _product_cases, _constant_cases,
        _vector_cases,
    ):  # fmt: skip
        yield from make()
