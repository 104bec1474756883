"""The rewriting engine, the order of passes, and what they report when one fails."""

import re

import numpy as np
import pytest

from gatewright.compiler.ir.boundary import InputEncoding, OutputDecoding
from gatewright.compiler.ir.graph import Const, Graph, Input, Node, input_of
from gatewright.compiler.ir.ops import Add, Conv2d, MatMul, MaxPool, Mul, Reshape, Threshold, Transpose
from gatewright.compiler.ir.text import from_text, to_text
from gatewright.compiler.passes.clip_thresholds import clip_thresholds
from gatewright.compiler.passes.pipeline import DEFAULT, run
from gatewright.compiler.passes.propagate_constants import propagate_constants
from gatewright.compiler.passes.rewrite import MAX_ROUNDS, rewrite
from gatewright.errors import GraphError, InputError
from graph_builder import arrays
from strategies import run_through

TO_HWC, TO_CHW = Transpose((1, 2, 0)), Transpose((2, 0, 1))


def const(*values):
    """A constant from nested lists."""
    return Const(np.array(values))


def _drop_zero_add(node, users):
    match node:
        case Node(Add(), (x, Const(c))) if not c.any():
            return x
    return None


def _deep(count):
    x = input_of("x", (2,), 0, 1)
    value = x
    for i in range(count):
        value = Add()(value, const(0) if i % 2 else const(1, 0), name=f"add{i}")
    return Graph((x,), (value,))


def test_rewrite_handles_graphs_thousands_of_nodes_deep():
    """No recursion, in a rewrite, the pipeline's verification or the text."""
    after = rewrite(_deep(5000), _drop_zero_add)
    assert len(after.nodes()) == 2500
    assert to_text(from_text(to_text(after))) == to_text(after)


def test_rewrite_without_a_match_gives_the_same_graph():
    """Identity tells that nothing changed."""
    graph = _deep(3)
    assert rewrite(graph, lambda node, users: None) is graph


def test_rewrite_keeps_shared_nodes_shared():
    """A node with two users is rewritten once and stays one node, under its name."""
    x = input_of("x", (2,), 0, 1)
    y = Add()(Add()(x, const(0)), const(1), name="shared")
    after = rewrite(Graph((x,), (Mul()(y, const(2)), Mul()(y, const(3)))), _drop_zero_add)
    left, right = (v.inputs[0] for v in after.outputs)
    assert left is right
    assert left.name == "shared"
    assert left.inputs[0] is x


def test_rewrite_names():
    """A new node takes the replaced one's name; one further down that has it already keeps it."""

    def swap(node, users):
        match node:
            case Node(Add(), (Node(Mul(), (x, two)), c)):
                return Mul()(Node(Add(), (x, c), node.name), two)
            case Node(MatMul(), (x, _)):
                return Mul()(x, const(7))
        return None

    x = input_of("x", (2,), 0, 1)
    after = rewrite(Graph((x,), (Add()(Mul()(x, const(2)), const(5), name="sum"),)), swap)
    outer = after.outputs[0]
    assert (outer.name, outer.inputs[0].name) == ("", "sum")
    after = rewrite(Graph((x,), (MatMul()(x, const([1, 0], [0, 1]), name="fc"),)), swap)
    assert (type(after.outputs[0].op), after.outputs[0].name) == (Mul, "fc")


def test_rewrite_does_not_rename_what_existed():
    """Replacing a named node by an unnamed operand must not copy that operand for its name's sake."""
    x = input_of("x", (2,), 0, 1)
    kept = Mul()(x, const(3))
    after = rewrite(Graph((x,), (Add()(kept, const(0), name="gone"), kept)), _drop_zero_add)
    assert after.outputs[0] is after.outputs[1] is kept


def test_users_counts_operands_and_outputs():
    """Each use counts, also twice by one node and as an output; what a rule makes has one user."""
    x = input_of("x", (2,), 0, 1)
    y = Mul()(x, const(3), name="y")
    graph = Graph((x,), (Add()(y, y, name="twice"), y))
    seen = {}

    def look(node, users):
        seen[node.name] = users(node)
        assert users(Add()(node, const(1))) == 1

    rewrite(graph, look)
    assert seen == {"y": 3, "twice": 1}


def test_users_never_says_too_few_within_a_round():
    """After a node is replaced by its operand, that operand has the node's users too."""
    x = input_of("x", (2,), 0, 1)
    y = Mul()(x, const(3), name="y")
    dropped = Add()(y, const(0))
    outputs = (Mul()(dropped, const(2), name="a"), Mul()(dropped, const(2), name="b"))
    seen = []

    def drop_and_look(node, users):
        if node.name in ("a", "b"):
            seen.append(users(node.inputs[0]))
        return _drop_zero_add(node, users)

    rewrite(Graph((x,), outputs), drop_and_look)
    assert min(seen) == 2
    assert seen[-1] == 2


def test_rewrite_raises_instead_of_hanging():
    """A rule that always matches is reported as a defect of the rule."""

    def forever(node, users):
        return Add()(node.inputs[0], const(0)) if isinstance(node.op, Add) else None

    x = input_of("x", (2,), 0, 1)
    expected = r"^rewrite: .*forever must reach a fixpoint, not still match after 64 rounds$"
    with pytest.raises(RuntimeError, match=expected):
        rewrite(Graph((x,), (Add()(x, const(1)),)), forever)
    assert MAX_ROUNDS == 64


def _bracketed(op, x, *operands, name):
    """What an NCHW importer makes of an op on images: to (H, W, C) and back."""
    return TO_CHW(op(TO_HWC(x), *operands, name=name))


def _nchw_import():
    """A small network as a front end brings it in: channels first, falling thresholds negated before."""
    rng = np.random.default_rng(0)

    def weights(*shape):
        return Const(rng.integers(-2, 2, shape))

    x = input_of("image", (3, 8, 8), 0, 255)
    y = _bracketed(Conv2d(pads=(1, 1, 1, 1)), x, weights(3, 3, 3, 4), Const(np.arange(4)), name="conv1")
    y = TO_CHW(Mul()(TO_HWC(y), const(1, -1, -1, 1)))
    rows = np.sort(rng.integers(-900, 900, (4, 3)), axis=1)
    y = _bracketed(Threshold(), y, Const(rows), name="act1")
    y = _bracketed(MaxPool((2, 2), (2, 2)), y, name="pool1")
    y = _bracketed(Conv2d(), y, weights(1, 1, 4, 6), name="conv2")
    y = Threshold(-1, 2)(Add()(y, const(3)), const([1]), name="act2")
    y = MatMul()(Reshape((96,))(y, name="flat"), weights(96, 5), name="fc1")
    y = Threshold()(Mul()(Add()(y, Const(np.arange(5))), const(3)), const([0, 9, 20]), name="act3")
    y = Add()(Mul()(MatMul()(y, weights(5, 10), name="fc2"), const(-1)), const(2))
    encoding = InputEncoding((3, 8, 8), (0, 1, 2), scale=1 / 255)
    decoding = OutputDecoding((10,), (0,), np.ones(1), np.zeros(1))
    return Graph((x,), (y,), "imported", (encoding,), (decoding,))


def test_nchw_import_ends_in_canonical_form():
    """Products, thresholds, pools and one flattening remain, in that order, with the same integers."""
    before = _nchw_import()
    after = run(before)
    assert [(type(n.op).__name__, n.name) for n in after.nodes()] == [
        ("Conv2d", "conv1"),
        ("Threshold", "act1"),
        ("MaxPool", "pool1"),
        ("MatMul", "conv2"),
        ("Threshold", "act2"),
        ("Reshape", "flat"),
        ("MatMul", "fc1"),
        ("Threshold", "act3"),
        ("MatMul", "fc2"),
    ]
    assert after.encodings[0].perm == (1, 2, 0)
    assert [len(n.inputs) for n in after.nodes() if isinstance(n.op, Conv2d | MatMul)] == [2, 2, 2, 3]
    frames = (arrays(np.random.default_rng(1), before.inputs[0].type, 20),)
    assert np.array_equal(run_through(before, frames)[0], run_through(after, frames)[0])


def test_one_channel_nchw_import_ends_in_canonical_form():
    """Transposes of a single channel move only axes of size 1; they vanish all the same."""
    x = input_of("image", (1, 6, 6), 0, 3)
    y = _bracketed(Conv2d(), x, Const(np.ones((3, 3, 1, 1), int)), name="conv")
    y = _bracketed(Threshold(), y, const([5, 9]), name="act")
    after = run(Graph((x,), (MatMul()(Reshape((16,))(y), Const(np.eye(16, 2, dtype=int)), name="fc"),)))
    assert [n.op.name for n in after.nodes()] == ["conv2d", "threshold", "reshape", "matmul"]
    assert after.encodings[0].perm == (1, 2, 0)


def test_dump_writes_a_readable_graph_after_each_pass(tmp_path):
    """Files are numbered, named after the pass, and read back as graphs."""
    graph = _nchw_import()
    after = run(graph, (propagate_constants, clip_thresholds), dump=tmp_path / "passes")
    files = sorted(p.name for p in (tmp_path / "passes").iterdir())
    assert files == ["00_start.gw", "01_after_propagate_constants.gw", "02_after_clip_thresholds.gw"]
    assert (tmp_path / "passes" / files[0]).read_text(encoding="utf-8") == to_text(graph)
    last = from_text((tmp_path / "passes" / files[-1]).read_text(encoding="utf-8"))
    assert to_text(last) == to_text(after)


def test_dump_into_a_file_is_an_input_error(tmp_path):
    """The message names the folder."""
    (tmp_path / "file").write_text("")
    expected = rf"^dump: {re.escape(str(tmp_path / 'file'))} must be a writable folder \(File exists\)$"
    with pytest.raises(InputError, match=expected):
        run(_deep(1), dump=tmp_path / "file")


def test_failing_pass_is_named():
    """An invalid result names the pass and those before it."""

    def break_names(graph):
        x = graph.inputs[0]
        return Graph((x,), (Mul()(x, const(2), name=x.name),))

    expected = (
        r"^pass break_names \(after propagate_constants, clip_thresholds\): "
        r"graph 'model': two values are named 'x'$"
    )
    with pytest.raises(GraphError, match=expected):
        run(_deep(1), (propagate_constants, clip_thresholds, break_names))


def test_crashing_pass_is_named_in_a_note():
    """A defect keeps its own class; the note says where it happened."""

    def crash(graph):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError) as caught:
        run(_deep(1), (crash,))
    assert caught.value.__notes__ == ["pass crash (after no other)"]


def test_invalid_graph_is_refused_before_the_first_pass():
    """The graph given is verified, so that its faults are not blamed on a pass."""
    x, stray = input_of("x", (2,), 0, 1), Input("stray", input_of("s", (2,), 0, 1).type)
    with pytest.raises(GraphError, match=r"^graph 'model': input 'stray' is used but not declared$"):
        run(Graph((x,), (stray,)))


def test_default_passes_are_functions_named_after_their_files():
    """One pass per file, so that a name in a message leads to its source."""
    assert all(p.__module__ == f"gatewright.compiler.passes.{p.__name__}" for p in DEFAULT)
