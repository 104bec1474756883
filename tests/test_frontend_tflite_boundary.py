"""Zero points at the graph's edge: integers go in and come out in the source model's own coding."""

import re

import numpy as np
import pytest

from gatewright.compiler.ir.boundary import InputEncoding, OutputDecoding
from gatewright.compiler.ir.graph import Graph, input_of
from gatewright.compiler.ir.io import load, save
from gatewright.compiler.ir.text import from_text, to_text
from gatewright.errors import GraphError, InputError

X = input_of("x", (2, 3), -7, 8)
ENCODING = InputEncoding((3, 2), (1, 0), None, 0.5, -100)
DECODING = OutputDecoding((3, 2), (1, 0), np.array([0.5]), np.array([0.0]), 42)


def graph(encoding: InputEncoding = ENCODING, decoding: OutputDecoding = DECODING) -> Graph:
    """The input as output, between two codings."""
    return Graph((X,), (X,), "edges", (encoding,), (decoding,))


def test_integers_are_taken_and_given_with_their_zero_points():
    """-107..-92 outside is -7..8 inside; floats know nothing of zero points."""
    outside = np.arange(-107, -101).reshape(1, 3, 2)
    inside = ENCODING.apply(outside, X.type)
    np.testing.assert_array_equal(inside, np.arange(-7, -1).reshape(1, 3, 2).transpose(0, 2, 1))
    assert str(ENCODING.codes(X.type)) == "[-107..-92]"
    np.testing.assert_array_equal(DECODING.integers(inside), outside + 142)
    np.testing.assert_array_equal(DECODING.apply(inside), (outside + 100) * 0.5)


def test_zero_points_survive_text_and_files(tmp_path):
    """Both forms keep them, and write nothing where there is none, as older files do."""
    save(graph(), tmp_path / "g.onnx")
    for again in (from_text(to_text(graph())), load(tmp_path / "g.onnx")):
        assert (again.encodings[0].zero_point, again.decodings[0].zero_point) == (-100, 42)
    assert "encode from (3, 2) perm (1, 0) scale 0.5 zero_point -100\n" in to_text(graph())
    plain = to_text(graph(InputEncoding((3, 2), (1, 0)), OutputDecoding((3, 2), (1, 0), *np.eye(2)[:, :1])))
    assert "zero_point" not in plain
    assert from_text(plain).encodings[0].zero_point == 0


def test_integers_outside_are_named_in_the_sources_coding():
    """The user sees the range to give, not the graph's."""
    codes = r"\[-107\.\.-92\]"
    with pytest.raises(InputError, match=f"^input: integers must lie in {codes}, not -107\\.\\.0\\. G.*"):
        ENCODING.apply(np.array([-107, 0, -100, -100, -100, -100]).reshape(1, 3, 2), X.type)
    with pytest.raises(InputError, match=f"^input: this model takes integers in {codes}, not float64$"):
        ENCODING.apply(np.zeros((1, 3, 2)), X.type)


@pytest.mark.parametrize(
    ("changed", "where"),
    [
        (graph(InputEncoding((3, 2), (1, 0), None, None, 2**31)), "input encoding"),
        (graph(decoding=OutputDecoding((3, 2), (1, 0), *np.eye(2)[:, :1], 2**31)), "output decoding"),
    ],
)
def test_zero_points_beyond_32_bits_are_refused(changed, where):
    """Values and their codes must stay far from the ends of int64."""
    with pytest.raises(GraphError, match=f"^{where}: the zero point must fit 32 bits, not 2147483648$"):
        changed.verify()
    with pytest.raises(GraphError, match=re.escape("the zero point must fit 32 bits")):
        from_text(to_text(changed))
