"""Lowering: random networks in random foldings give the reference's integers in RTL, under stalls."""

import re
import tempfile
from pathlib import Path

import numpy as np
import pytest

from gatewright.compiler.ir.evaluate import evaluate
from gatewright.compiler.ir.graph import Const, Graph, input_of
from gatewright.compiler.ir.op import Op
from gatewright.compiler.ir.ops import Add, Conv2d, MatMul, Threshold
from gatewright.compiler.ir.types import Int
from gatewright.errors import LoweringError
from gatewright.hw.build import assemble
from gatewright.hw.layers import layers
from gatewright.hw.library import closure
from gatewright.hw.verilog import memory_files, top_level
from gatewright.sim.rtl import simulate
from random_nets import frames_for, random_folds, random_net

FRAMES = 4


def run_in_icarus(graph: Graph, design, frames, gap=0.0, stall=0.0, seed=0):
    """The design's outputs in the graph's shape."""
    text = top_level(design, "accelerator")
    with tempfile.TemporaryDirectory() as folder:
        top = Path(folder) / "accelerator.v"
        top.write_text(text)
        trace = simulate(
            "accelerator",
            [*closure([text]).values(), top],
            {},
            design.input.pack(frames),
            design.input.bits,
            design.output.bits,
            design.output.beats * len(frames),
            memories=memory_files(design),
            tool="icarus",
            gap=gap,
            stall=stall,
            seed=seed,
        )
    return design.output.unpack(trace.words).reshape(len(frames), *graph.outputs[0].type.shape), trace


@pytest.mark.parametrize("seed", range(60))
def test_random_network_in_random_folding_equals_the_reference(seed):
    graph = random_net(seed)
    chain = layers(graph)
    design = assemble(graph.name, chain, random_folds(seed, chain))
    frames = frames_for(seed, graph, FRAMES)
    got, _ = run_in_icarus(graph, design, frames, gap=0.3, stall=0.3, seed=seed)
    np.testing.assert_array_equal(got, evaluate(graph, frames)[0])


def test_padded_convolution_of_a_bipolar_stream_carries_a_zero():
    x = input_of("x", (4, 4, 2), -1, 1, 2)
    conv = Conv2d((1, 1), (1, 1, 1, 1))(x, Const(np.ones((3, 3, 2, 2), dtype=int)), name="c")
    chain = layers(Graph((x,), (conv,)))
    assert chain[0].x == Int(-1, 1)
    assert chain[0].x.bits == 2


def _one(node, x):
    return Graph((x,), (node,), "bad")


def _lower(graph):
    chain = layers(graph)
    return assemble("bad", chain, random_folds(0, chain))


def _refused(graph, message):
    with pytest.raises(LoweringError, match=message):
        _lower(graph)


class Doubled(Op):
    """An op that no target knows."""

    name = "doubled"
    arity = (1, 1)

    def infer(self, x):
        return x.type


def test_op_without_a_rule_is_refused_by_name():
    x = input_of("x", (4, 4), 0, 3)
    _refused(
        _one(Doubled()(x, name="twice"), x),
        r"^fpga: no rule for 'doubled' \(node 'twice': .*\); it lowers add, .*argmax, .*, matmul, .*"
        r"threshold.*\. Leave the op out of the model, or compile with --until graph\.$",
    )


def test_layer_of_constants_is_refused():
    x = input_of("x", (4,), 0, 3)
    fixed = MatMul()(Const(np.arange(4)), Const(np.eye(4, dtype=int)), name="fixed")
    _refused(
        _one(Add()(x, fixed, name="sum"), x),
        r"^fpga: every layer must read a computed tensor, but all that 'fixed' \(matmul\) reads "
        r"is constant\. Leave it out of the model: its result never changes\.$",
    )


def test_two_outputs_are_refused():
    x = input_of("x", (4,), 0, 3)
    left = MatMul()(x, Const(np.eye(4, dtype=int)), name="left")
    unused = Threshold()(left, Const(np.array([[1]])), name="other")
    graph = Graph((x,), (left, unused), "bad")
    _refused(graph, r"^fpga: a design has 1 input and 1 output, not 1 and 2\.")


def test_too_many_thresholds_are_refused():
    x = input_of("x", (1,), 0, 100_000)
    node = Threshold()(x, Const(np.sort(np.arange(70_000)[None] % 50_021)), name="t")
    _refused(
        _one(node, x), r"^fpga: threshold must have at most 65535 steps, not 70000 \(node 't'\)\. Quantize"
    )


def test_hostile_names_never_reach_verilog():
    name = 'x\n`include "/etc/passwd" \\ endmodule'
    x = input_of(name, (4,), 0, 3)
    graph = Graph((x,), (MatMul()(x, Const(np.eye(4, dtype=int)), name=name),), name)
    chain = layers(graph)
    text = top_level(assemble(graph.name, chain, random_folds(1, chain)), "accelerator")
    code = re.sub(r"//.*", "", text)
    assert "`include" not in code
    assert "\\" not in code
    # All that the name may leave in code is letters of an identifier, or of a memory file's name.
    assert set(re.findall(r"\S*passwd\S*", code)) <= set(
        re.findall(
            r'"?\w*passwd\w*(?:\.mem"\))?[;),(]*|'
            r'\.\w+\("?\w*passwd[\w.]*"?\),?',
            code,
        )
    )
