"""Arrays from users: read exactly, or refused in our words; never unpickled."""

import pickle
import zipfile

import numpy as np
import pytest

from driver_models import image_net, source_frames, vector_net
from gatewright.driver.data import encode, load_array, load_data, random_data
from gatewright.errors import InputError

NET, PLAIN = image_net(), vector_net()
X = source_frames(NET, 5)


class Bomb:
    """Unpickling this fails the test."""

    def __reduce__(self):
        return (pytest.fail, ("a pickle was loaded",))


def npz(folder, **arrays):
    np.savez(folder / "d.npz", **arrays)
    return folder / "d.npz"


def refused(path, message, graph=NET):
    with pytest.raises(InputError, match=message):
        load_data(path, graph)


def test_inputs_labels_and_expected_come_as_given(tmp_path):
    labels, expected = np.arange(5), np.random.default_rng(0).random((5, 3, 2, 2))
    data = load_data(npz(tmp_path, inputs=X, labels=labels, expected=expected), NET)
    np.testing.assert_array_equal(data.frames, encode(NET, X))
    np.testing.assert_array_equal(data.labels, labels)
    np.testing.assert_array_equal(data.expected, expected)
    assert data.origin == "d.npz"
    first = load_data(tmp_path / "d.npz", NET, 2)
    assert [len(a) for a in (first.frames, first.labels, first.expected)] == [2, 2, 2]
    np.testing.assert_array_equal(first.expected, expected[:2])


def test_quantized_integers_are_taken_as_they_are(tmp_path):
    q = np.random.default_rng(1).integers(0, 8, (4, 2, 6, 5))
    for kind in (np.int64, np.uint8, np.int32):
        frames = load_data(npz(tmp_path, inputs=q.astype(kind)), NET).frames
        np.testing.assert_array_equal(frames, q.transpose(0, 2, 3, 1))
        assert frames.dtype == np.int64


def test_an_npy_file_holds_inputs_alone(tmp_path):
    np.save(tmp_path / "x.npy", X)
    data = load_data(tmp_path / "x.npy", NET)
    assert data.labels is data.expected is None
    np.testing.assert_array_equal(load_array(tmp_path / "x.npy"), X)


def test_random_frames_are_the_same_each_time_and_use_the_whole_range():
    first, again = random_data(PLAIN, 64), random_data(PLAIN, 64)
    np.testing.assert_array_equal(first.frames, again.frames)
    assert set(np.unique(first.frames)) == {-1, 1}
    assert set(np.unique(random_data(NET, 16).frames)) == set(range(8))


def test_pickles_are_refused_and_not_loaded(tmp_path):
    (tmp_path / "p.npy").write_bytes(pickle.dumps(Bomb()))
    refused(
        tmp_path / "p.npy",
        r"^data: .*p\.npy must be an \.npy or \.npz file of plain arrays \(.*\)\. Save with ",
    )
    bombs = np.array([Bomb()], dtype=object)
    np.save(tmp_path / "o.npy", bombs, allow_pickle=True)
    refused(
        tmp_path / "o.npy", r"^data: .*o\.npy must be an \.npy or \.npz file of plain arrays \(Object arrays"
    )
    np.savez(tmp_path / "o.npz", inputs=X, labels=bombs)
    refused(
        tmp_path / "o.npz", r"^data: .*o\.npz: array 'labels' cannot be read \(Object arrays cannot be loaded"
    )


def test_damaged_files_are_refused(tmp_path):
    np.save(tmp_path / "x.npy", X)
    whole = (tmp_path / "x.npy").read_bytes()
    np.savez_compressed(tmp_path / "c.npz", inputs=X)
    packed = bytearray((tmp_path / "c.npz").read_bytes())
    packed[len(packed) // 2 : len(packed) // 2 + 40] = bytes(40)
    texts = {
        "empty.npy": b"",
        "short.npy": whole[:-8],
        "cut.npz": bytes(packed[: len(packed) // 2]),
        "flipped.npz": bytes(packed),
        "text.npy": b"1,2,3\n",
        "header.npy": whole.replace(b"'shape'", b"'shape("),
        "huge.npy": whole.replace(b"(5, 2, 6, 5)", b"(9999999999,)")[: len(whole)],
    }
    for name, data in texts.items():
        (tmp_path / name).write_bytes(data)
        refused(tmp_path / name, rf"^data: .*{name}(: array 'inputs' cannot be read| must be an \.npy or)")
    refused(tmp_path, r"^data: .* must be an \.npy or \.npz file of plain arrays")
    refused(tmp_path / "none.npz", r"^data: .*none\.npz does not exist$")


def test_an_archive_with_something_else_in_it_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "z.npz", "w") as archive:
        archive.writestr("inputs", b"hello")
    refused(
        tmp_path / "z.npz",
        r"^data: .*z\.npz: 'inputs' must be an array saved by numpy\.savez, not another file$",
    )


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": X}, r"^data: .* must hold an array 'inputs', not only \['x'\]$"),
        ({"inputs": X[:0]}, r"^data: .* must hold at least one frame$"),
        ({"inputs": np.float64(3)}, r"^input: an array \(N, \.\.\.\) of frames is needed, not a single"),
        ({"inputs": X[:, 0]}, r"^input: frames must have shape \(2, 6, 5\), not \(6, 5\)$"),
        ({"inputs": X.astype(complex)}, r"^input: elements must be floats or integers, not complex128$"),
        ({"inputs": np.full_like(X, np.nan)}, r"^input: elements must not be NaN$"),
        (
            {"inputs": np.full(X.shape, 8)},
            r"^input: integers must lie in \[0\.\.7\], not 8\.\.8\. Give floats to have them quantized\.$",
        ),
        (
            {"inputs": np.full(X.shape, 2**64 - 1, dtype=np.uint64)},
            r"^input: integers must fit 64 bits with a sign, not 18446744073709551615$",
        ),
        ({"inputs": X, "labels": np.arange(4)}, r"^data: .*: 'labels' must have 5 rows of one class"),
        (
            {"inputs": X, "labels": np.zeros((5, 3), int)},
            r"^data: .*: 'labels' must have 5 rows of one class, not shape \(5, 3\)$",
        ),
        ({"inputs": X, "labels": np.zeros(5)}, r"^data: .*: 'labels' must hold integers, not float64$"),
        ({"inputs": X, "labels": np.array(list("abcde"))}, r"^data: .*: 'labels' must hold integers, not"),
        ({"inputs": X, "expected": np.zeros((4, 3, 2, 2))}, r"^data: .*: 'expected' must have 5 rows, not"),
        (
            {"inputs": X, "expected": np.zeros((5, 2, 2, 3))},
            r"^data: .*: 'expected' must have frames of shape \(3, 2, 2\), not \(2, 2, 3\)$",
        ),
        ({"inputs": X, "expected": np.full((5, 3, 2, 2), "x")}, r"^data: .*: 'expected' must hold numbers"),
        (
            {"inputs": X, "expected": np.full((5, 3, 2, 2), np.nan)},
            r"^data: .*: 'expected' must hold finite numbers, not NaN or infinity$",
        ),
    ],
)  # fmt: skip
def test_arrays_that_do_not_fit_are_refused(tmp_path, arrays, message):
    refused(npz(tmp_path, **arrays), message)


def test_floats_for_a_model_of_integers_are_refused(tmp_path):
    refused(
        npz(tmp_path, inputs=np.zeros((2, 6))),
        r"^input: this model takes integers in bipolar, not float64$",
        PLAIN,
    )
    refused(
        npz(tmp_path, inputs=np.zeros((2, 6), int)),
        r"^input: integers must lie in bipolar, not 0\.\.0\.",
        PLAIN,
    )


def test_an_archive_where_one_array_is_wanted_is_refused(tmp_path):
    with pytest.raises(
        InputError, match=r"^data: .*d\.npz must be an \.npy file with one array, not an \.npz archive$"
    ):
        load_array(npz(tmp_path, inputs=X))
