"""The drivers' packing: the PYNQ side equals the graph's boundary, the C side equals the streams."""

import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import gatewright
from gatewright.compiler.ir.boundary import InputEncoding, OutputDecoding
from gatewright.compiler.ir.types import Int, TensorType
from gatewright.driver.zynq import input_side, output_side
from gatewright.hw.design import Stream
from gatewright.hw.zynq.words import words_of

HOST = Path(gatewright.__file__).parent / "hw" / "zynq" / "host"


@pytest.fixture(scope="module")
def host():
    """gatewright_frames as a board has it: a file beside others, without our package."""
    spec = importlib.util.spec_from_file_location("gatewright_frames", HOST / "gatewright_frames.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


RANGES = st.sampled_from(
    [Int(-1, 1, 2), Int(0, 1), Int(0, 255), Int(-128, 127), Int(-8, 7), Int(0, 6, 2), Int(-5, 900),
     Int(-(2**33), 2**33), Int(3, 3), Int(-(2**60), 2**60)]
)  # fmt: skip


@settings(max_examples=60)
@given(st.data())
def test_frames_are_packed_as_streams(host, data):
    """Any range, lanes, permutation and port: codes to bytes and back, as ``Words`` has them."""
    range_ = data.draw(RANGES)
    lanes, beats = data.draw(st.integers(1, 12)), data.draw(st.integers(1, 4))
    words = words_of(Stream(range_, lanes, beats), data.draw(st.sampled_from([64, 128])))
    perm = data.draw(st.permutations([0, 1]))
    shape = (beats, lanes)
    source = tuple(shape[perm.index(axis)] for axis in (0, 1))
    zero = data.draw(st.integers(-3, 130))
    encoding = InputEncoding(source, tuple(perm), zero_point=zero)
    decoding = OutputDecoding(source, (perm.index(0), perm.index(1)), np.array([0.3]), np.array([-7.0]), zero)
    type_ = TensorType(shape, range_)
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    frames = range_.lo + range_.step * rng.integers(0, range_.levels, (3, *source)) + zero
    q = encoding.apply(frames, type_)
    side = json.loads(json.dumps(input_side(type_, encoding, words)))
    packed = host.Encoder(side).encode(frames)
    assert packed.tobytes() == words.pack(q)
    back = host.Decoder(json.loads(json.dumps(output_side(type_, decoding, words))))
    assert np.array_equal(back.decode(packed, 3, integers=True), decoding.integers(q))
    assert np.array_equal(back.decode(packed, 3), decoding.apply(q))


@pytest.mark.parametrize("rows", [1, 3])
def test_floats_are_quantized_as_the_source_does(host, rows):
    """Thresholds for the tensor or for each channel, infinite ones too; values on them and beside them."""
    rng = np.random.default_rng(rows)
    thresholds = np.sort(rng.normal(size=(rows, 15)).astype(np.float32), axis=1)
    thresholds[0, -1] = np.inf
    type_ = TensorType((4, 5, 3), Int(-8, 7))
    encoding = InputEncoding((3, 4, 5), (1, 2, 0), thresholds)
    words = words_of(Stream(type_.dtype, 3, 20), 64)
    near = np.concatenate([np.nextafter(thresholds, d) for d in (-np.inf, np.inf)] + [thresholds]).ravel()
    frames = rng.choice(np.concatenate([near, rng.normal(size=99), [np.inf, -np.inf]]), (8, 3, 4, 5))
    encoder = host.Encoder(json.loads(json.dumps(input_side(type_, encoding, words))))
    for floats in (frames, frames.astype(np.float32)):
        assert encoder.encode(floats).tobytes() == words.pack(encoding.apply(floats, type_))


def test_frames_that_cannot_be_taken(host):
    """Shape, kind, NaN and range are refused by a sentence; so is a description of another kind."""
    type_ = TensorType((2,), Int(0, 3))
    words = words_of(Stream(type_.dtype, 2, 1), 64)
    codes = host.Encoder(input_side(type_, InputEncoding((2,), (0,), zero_point=10), words))
    floats = host.Encoder(input_side(type_, InputEncoding((2,), (0,), np.zeros((1, 3), np.float32)), words))
    error = host.AcceleratorError
    with pytest.raises(error, match=r"^frames: shape \(N, \*\(2,\)\) is needed, not \(1, 3\)$"):
        codes.encode(np.zeros((1, 3), int))
    with pytest.raises(error, match=r"^frames: elements must be integers, not float64$"):
        codes.encode(np.zeros((1, 2)))
    with pytest.raises(error, match=r"^frames: elements must be floats or integers, not complex128$"):
        floats.encode(np.zeros((1, 2), complex))
    with pytest.raises(error, match=r"^frames: elements must not be NaN$"):
        floats.encode(np.full((1, 2), np.nan))
    with pytest.raises(error, match=r"^frames: integers must be 10\.\.13 in steps of 1, not 9\.\.13$"):
        codes.encode(np.array([[9, 13]]))


def test_descriptions_that_cannot_be_read(host, tmp_path):
    """accelerator.json missing, damaged, or of another schema."""
    path = tmp_path / "accelerator.json"
    for text in (None, "{", "[]", '{"schema": "gatewright-zynq/9"}'):
        if text is not None:
            path.write_text(text)
        with pytest.raises(
            host.AcceleratorError, match=r"accelerator\.json: a file of schema gatewright-zynq/1"
        ):
            host.read_description(path)


def test_hosts_files_need_nothing_of_ours():
    """What goes to the board imports numpy, pynq and itself, besides Python's own."""
    allowed = {"numpy", "pynq", "gatewright_frames", "gatewright_pynq", *sys.stdlib_module_names}
    for file in HOST.glob("*.py"):
        lines = [line.split() for line in file.read_text().splitlines()]
        imported = {line[1].partition(".")[0] for line in lines if line and line[0] in ("import", "from")}
        assert imported <= allowed, file
