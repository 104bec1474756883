"""Graphs as text: exact both ways, and every fault named with its line."""

import zlib
from base64 import b64encode

import numpy as np
import pytest
from hypothesis import given

from gatewright.compiler.ir.boundary import InputEncoding, OutputDecoding
from gatewright.compiler.ir.graph import Const, Graph, Node, input_of
from gatewright.compiler.ir.literal import MAX_ELEMENTS
from gatewright.compiler.ir.ops import MatMul, Reshape, Threshold
from gatewright.compiler.ir.text import from_text, to_text
from gatewright.errors import GraphError
from strategies import graphs, graphs_with_inputs, run_through


@given(graphs_with_inputs())
def test_round_trip_is_exact(case):
    """Text reads back as a graph of the same values, which prints as the same text."""
    graph, frames = case
    again = from_text(to_text(graph))
    assert to_text(again) == to_text(graph)
    for a, b in zip(graph.values(), again.values(), strict=True):
        assert (type(a), a.name, a.type) == (type(b), b.name, b.type)
        if isinstance(a, Const):
            assert np.array_equal(a.value, b.value)
        if isinstance(a, Node):
            assert a.op == b.op
    for a, b in zip(run_through(graph, frames), run_through(again, frames), strict=True):
        assert np.array_equal(a, b)


@given(graphs())
def test_boundaries_round_trip_bit_for_bit(graph):
    """Float thresholds, scales and offsets come back in every bit."""
    again = from_text(to_text(graph))
    for a, b in zip(graph.encodings + graph.decodings, again.encodings + again.decodings, strict=True):
        for key in vars(a):
            left, right = getattr(a, key), getattr(b, key)
            if isinstance(left, np.ndarray):
                assert (left.dtype, left.shape) == (right.dtype, right.shape)
                assert left.tobytes() == right.tobytes()
            else:
                assert left == right


def _digits():
    x = input_of("x", (2,), 0, 3)
    y = MatMul()(x, Const(np.array([[1], [-1]]), "w"), name='fc "1"\n')
    encoding = InputEncoding((2,), (0,), np.array([[-np.inf, 0.1, 3e38]], np.float32), 0.1)
    decoding = OutputDecoding((1,), (0,), np.array([1 / 3]), np.array([-0.0]))
    return Graph((x,), (y,), "digits", (encoding,), (decoding,))


def test_form(golden):
    """What a graph looks like, including special floats and names."""
    golden("ir/digits.gw", to_text(_digits()))


def test_large_constants_are_compressed():
    """Up to 64 elements are a list; more are compressed, and exact."""
    x = input_of("x", (65,), 0, 3)
    w = np.random.default_rng(0).integers(-(2**40), 2**40, (65, 1))
    text = to_text(Graph((x,), (MatMul()(x, Const(w)),)))
    assert "const zlib:" in text
    assert np.array_equal(from_text(text).outputs[0].inputs[1].value, w)
    small = to_text(Graph((x,), (Threshold()(x, Const(np.arange(64)[None])),)))
    assert "const [0, 1, 2, " in small


def test_comments_and_empty_lines_mean_nothing():
    """Notes may stand between the lines."""
    text = to_text(_digits())
    assert to_text(from_text("# a note\n\n" + text.replace("\n", "\n# more\n  \n"))) == text


BOMB = b64encode(zlib.compress(bytes(10**7))).decode()
LINES = to_text(_digits()).split("\n")

FAULTS = {
    "empty": ("", r"^text: line 1: a graph must begin with 'gatewright 1 \"name\"'$"),
    "header": (
        "hello",
        (
            r"^text: line 1: must go on with 'gatewright' and a version in the first line, "
            r"not \"hello\"$"
        ),
    ),
    "version": ('gatewright 2 "m"', r"^text: line 1: the version must be 1, not 2$"),
    "rest": ('gatewright 1 "m" x', r"^text: line 1: must go on with the end of the line, not \"x\"$"),
    "name": ('gatewright 1 "\\q"', r"^text: line 1: must go on with a JSON string, not \"\\q\"$"),
    "keyword": (
        'gatewright 1 "m"\nfoo',
        (
            r"^text: line 2: must go on with %number, output, encode or decode, "
            r"not \"foo\"$"
        ),
    ),
    "op": (
        'gatewright 1 "m"\n%0 = relu : [0..1][1]',
        (
            r"^text: line 2: an op must be one of matmul, conv2d, conv_transpose2d, batch_matmul, "
            r"adder_matmul, adder_conv2d, add, mul, threshold, lookup, argmax, maxpool, sumpool, reduce_sum, "
            r"reshape, transpose, concat, slice, pad, upsample, depth_to_space, space_to_depth, not relu$"
        ),
    ),
    "undefined": (
        'gatewright 1 "m"\n%1 = add %0 %0 : [0..1][1]',
        r"^text: line 2: %0 must be defined above its use$",
    ),
    "twice": (
        'gatewright 1 "m"\n%0 = input : [0..1][1]\n%0 = input : [0..1][1]',
        r"^text: line 3: %0 must be defined once, not again$",
    ),
    "type": (
        'gatewright 1 "m"\n%0 = input : int8',
        (
            r"^text: line 2: must go on with a type such as "
            r"\[0\.\.255\]\[8, 8, 3\], not \"int8\"$"
        ),
    ),
    "size": (
        f'gatewright 1 "m"\n%0 = input : [0..1][{MAX_ELEMENTS}, 2]',
        r"^text: line 2: a tensor must have at most \d+ elements, not \(\d+, 2\)$",
    ),
    "axes": (
        f'gatewright 1 "m"\n%0 = input : [0..1][{", ".join("1" * 17)}]',
        r"^text: line 2: a tensor must have at most 16 axes, not 17$",
    ),
    "range": (
        'gatewright 1 "m"\n%0 = input : [3..1][2]',
        r"^text: line 2: type: a range must run upward in whole steps, not 3\.\.1 by 1$",
    ),
    "inference": (
        "\n".join(LINES).replace("[-3..3][1]", "[-3..4][1]"),
        r"^text: line 4: the type must be \[-3\.\.3\]\[1\] by inference, not \[-3\.\.4\]\[1\]$",
    ),
    "const range": (
        "\n".join(LINES).replace("const [1, -1]", "const [1, 0]"),
        r"^text: line 3: the type must be \[0\.\.1\]\[2, 1\] by inference, not bipolar\[2, 1\]$",
    ),
    "count": (
        "\n".join(LINES).replace("const [1, -1]", "const [1]"),
        r"^text: line 3: must list 2 elements for shape \(2, 1\), not 1$",
    ),
    "wide": (
        "\n".join(LINES).replace("const [1, -1]", f"const [1, {2**64}]"),
        r"^text: line 3: must list integers of at most 64 bits$",
    ),
    "base64": (
        "\n".join(LINES).replace("const [1, -1]", "const zlib:AAAA"),
        r"^text: line 3: compressed elements must be intact, not damaged \(.*\)$",
    ),
    "bomb": (
        "\n".join(LINES).replace("const [1, -1]", f"const zlib:{BOMB}"),
        r"^text: line 3: compressed elements must be 2 times 8 bytes\. The file is damaged\.$",
    ),
    "attribute": (
        'gatewright 1 "m"\n%0 = input : [0..1][1]\n%1 = reshape(shape=1) %0 : [0..1][1]',
        r"^text: line 3: reshape: shape must be a tuple of any number of integers, not 1$",
    ),
    "attributes": (
        'gatewright 1 "m"\n%0 = input : [0..1][1]\n%1 = reshape(axes=(1,)) %0 : [0..1][1]',
        r"^text: line 3: reshape: attributes must be shape, not axes$",
    ),
    "scalar": (
        'gatewright 1 "m"\n%0 = threshold(bias=(1,), step=1) %0 : [0..1][1]',
        r"^text: line 2: threshold: bias must be an integer, not \(1,\)$",
    ),
    "long": (
        (
            'gatewright 1 "m"\n%0 = maxpool(kernel=(1, 1, 1), strides=(1, 1), pads=(0, 0, 0, 0), '
            "dilations=(1, 1)) %0 : [0..1][1]"
        ),
        r"^text: line 2: maxpool: kernel must be a tuple of 2 integers, not \(1, 1, 1\)$",
    ),
    "far": (
        (
            'gatewright 1 "m"\n%0 = maxpool(kernel=(1, 1), strides=(1, 1), pads=(0, 0, 0, 9999999), '
            "dilations=(1, 1)) %0 : [0..1][1]"
        ),
        r"^text: line 2: maxpool: pads must be at most 1048576, not \(0, 0, 0, 9999999\)$",
    ),
    "many": (
        f'gatewright 1 "m"\n%0 = reshape(shape=({", ".join("1" * 17)})) %0 : [0..1][1]',
        r"^text: line 2: reshape: shape must have at most 16 integers$",
    ),
    "repeated": (
        'gatewright 1 "m"\n%0 = threshold(bias=1, bias=1) %0 : [0..1][1]',
        r"^text: line 2: attribute bias must be given once$",
    ),
    "codecs": (
        'gatewright 1 "m"\nencode from (1,) perm (0,)',
        r"^text: line 2: there are only 0 values to encode or decode$",
    ),
    "codec": (
        'gatewright 1 "m"\n%0 = input : [0..1][1]\nencode from (2,) perm (0,)',
        r"^text: line 3: input encoding: gives shape \(2,\), the graph takes \(1,\)$",
    ),
    "dimension": (
        'gatewright 1 "m"\n%0 = input : [0..1][1]\nencode from (0,) perm (0,)',
        r"^text: line 3: every dimension must be at least 1, not \(0,\)$",
    ),
    "names": (
        'gatewright 1 "m"\n%0 = input : [0..1][1] "x"\n%1 = input : [0..1][1] "x"',
        r"^text: line 3: graph 'm': two values are named 'x'$",
    ),
}


@pytest.mark.parametrize("label", FAULTS)
def test_fault_names_its_line(label):
    """Each fault of a text, and the words in which it is told."""
    text, message = FAULTS[label]
    with pytest.raises(GraphError, match=message):
        from_text(text)


def test_damaged_text_is_a_graph_error_or_a_valid_graph():
    """Random single-character damage never ends in another exception."""
    rng = np.random.default_rng(7)
    x = input_of("x", (80,), 0, 3)
    packed = Graph((x,), (MatMul()(Reshape((80,))(x), Const(np.ones((80, 2), int))),))
    base = [to_text(_digits()), to_text(packed)]
    refused = 0
    for i in range(600):
        text = list(base[i % 2])
        at = int(rng.integers(len(text)))
        text[at] = chr(int(rng.integers(32, 127)))
        if i % 3 == 0:
            del text[at : at + int(rng.integers(1, 9))]
        try:
            from_text("".join(text)).verify()
        except GraphError:
            refused += 1
    assert 300 < refused < 600
