"""The whole matrix-vector unit around an array: streams, weights in block RAM, biases and thresholds.

It is what the compiler makes of one layer and its thresholds, folded as the array is: PE rows, SIMD columns.
"""

from dataclasses import replace

import numpy as np

from gatewright.compiler.ir.graph import Const, Graph, Node, input_of
from gatewright.compiler.ir.ops import AdderMatMul, MatMul, Threshold
from gatewright.compiler.passes.pipeline import run as run_passes
from gatewright.hw.build import assemble
from gatewright.hw.design import Design
from gatewright.hw.layers import layers
from gatewright.hw.rules.rule import BLOCK, Fold, Layer
from gatewright.hw.verilog import memory_files, top_level

from .arrays import Array
from .flow import Source
from .operands import Operands

UNIT, ROUTABLE = "layer_unit", "layer_unit_routable"
# Activations leave with as many bits as they came with, but no more than so many.
_OUT_BITS = 8

_ROUTABLE = """`default_nettype none
// {unit} between shift registers: inputs come in, outputs go out, a bit a clock.
module {name} (
    input  wire clk,
    input  wire d,
    output wire q
);
    reg  [{feed_msb}:0] feed_q;
    reg  [{fold_msb}:0] fold_q;
    wire [{fold_msb}:0] outputs;
    always @(posedge clk) begin
        feed_q <= {{feed_q[{feed_msb}-1:0], d}};
        fold_q <= {{fold_q[{fold_msb}-1:0], 1'b0}} ^ outputs;
    end
    assign q = fold_q[{fold_msb}];
    {unit} measured (
        .clk(clk), .rst(feed_q[0]), .s_tvalid(feed_q[1]), .m_tready(feed_q[2]),
        .s_tdata(feed_q[{feed_msb}:3]), .s_tready(outputs[0]), .m_tvalid(outputs[1]),
        .m_tdata(outputs[{fold_msb}:2]));
endmodule
`default_nettype wire
"""


def layer_graph(a: Array, operands: Operands) -> Graph:
    """The layer and its thresholds, at equal shares of its sums."""
    x = input_of("x", (operands.x.shape[1],), 0, (1 << a.bits) - 1)
    w = Const(operands.w, "w")
    y = Node(AdderMatMul() if a.kind.adds else MatMul(), (x, w))
    sums = y.op.evaluate(operands.x, operands.w)
    count = (1 << min(a.bits, _OUT_BITS)) - 1
    shares = np.quantile(sums, np.arange(1, count + 1) / (count + 1), axis=0).T
    t = np.rint(shares).astype(np.int64)
    return Graph((x,), (Node(Threshold(0), (y, Const(t, "t"))),))


def design(a: Array, graph: Graph) -> Design:
    """The layer folded as ``a``, its thresholds at the pace of its sums."""
    chain = layers(run_passes(graph))
    return assemble("layer", chain, [_fold(a, layer) for layer in chain])


def _fold(a: Array, layer: Layer) -> Fold:
    if isinstance(layer.node.op, Threshold):
        return Fold(1, 1, BLOCK)
    return replace(Fold(a.pe, a.simd, BLOCK), **a.kind.fold)


def source(made: Design, dsp: bool, routable: bool) -> Source:
    """The unit as a module to synthesize; ``routable`` between shift registers in place of pins."""
    text, top = top_level(made, UNIT), UNIT
    if routable:
        feed, fold = made.input.bits + 2, made.output.bits + 1
        text += _ROUTABLE.format(unit=UNIT, name=ROUTABLE, feed_msb=feed, fold_msb=fold)
        top = ROUTABLE
    return Source(top, text, dsp, memory_files(made))
