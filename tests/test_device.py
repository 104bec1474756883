"""The host of a board on a serial line: against the whole board in Verilator, and against lines that lie."""

import json
import re
import threading
import time
from itertools import pairwise

import numpy as np
import pytest

from gatewright.compiler.ir.evaluate import evaluate
from gatewright.compiler.ir.types import Int
from gatewright.driver.data import random_data
from gatewright.driver.device import ATTEMPTS, Device, open_device
from gatewright.driver.link_file import Link
from gatewright.driver.project import Interface
from gatewright.driver.run import run_folder, told
from gatewright.errors import InputError, ToolError
from gatewright.hw import link as wire
from gatewright.hw.design import Stream
from gatewright.sim.uart import Noise
from uart_boards import ScriptedLine, compiled, simulated

LINK = Link("some_board", 1_000_000, 0xC0FFEE42, 50.0, 50, 1000, 10, 0)
INTERFACE = Interface(Stream(Int(0, 255), 1, 3), Stream(Int(0, 255), 1, 2))


@pytest.fixture(scope="module")
def board(tmp_path_factory):
    """A compiled folder and its whole board in Verilator."""
    project = compiled(tmp_path_factory.mktemp("device"))
    with simulated(project) as whole:
        yield project, whole


def frames_of(project, count):
    graph = project.graph()
    frames = random_data(graph, count).frames
    return graph, frames, evaluate(graph, frames)[0]


def test_a_clean_line(board):
    """Every frame's integers, each request sent once."""
    project, whole = board
    graph, frames, expected = frames_of(project, 12)
    with whole.plug() as plugged, open_device(project.root, plugged.port) as device:
        done = []
        values = device.run(frames, graph, done.append)
    assert np.array_equal(values, expected)
    assert done == list(range(1, 13))
    assert device.statistics.frames == 12
    assert (device.statistics.repeats, device.statistics.dropped) == (0, 0)
    assert device.statistics.frames_per_second > 0


@pytest.mark.parametrize("noise", [Noise(flip=0.01), Noise(drop=0.004), Noise(twice=0.004)])
def test_noise_costs_time_not_answers(board, noise):
    """Bytes changed, lost and doubled, both ways: right integers, some requests sent again."""
    project, whole = board
    graph, frames, expected = frames_of(project, 30)
    with whole.plug(noise) as plugged, open_device(project.root, plugged.port) as device:
        values = device.run(frames, graph)
    assert np.array_equal(values, expected)
    assert device.statistics.repeats > 0


def test_the_cable_is_pulled(board):
    """In mid-frame: a clear error, no array."""
    project, whole = board
    graph, frames, _ = frames_of(project, 2000)
    with whole.plug() as plugged, open_device(project.root, plugged.port) as device:
        pull = threading.Timer(0.3, plugged.pull)
        pull.start()
        with pytest.raises(ToolError, match=re.escape(f"{plugged.port} must stay connected, but it is gone")):
            device.run(frames, graph)
        pull.join()


def test_run_on_device(board, tmp_path):
    """The verb gives what the reference gives, says what the line did, and writes whole or not at all."""
    project, whole = board
    _, frames, expected = frames_of(project, 5)
    np.save(tmp_path / "x.npy", frames)
    with whole.plug() as plugged:
        said = run_folder(project.root, tmp_path / "x.npy", tmp_path / "y.npy", "device", port=plugged.port)
    assert np.array_equal(np.load(tmp_path / "y.npy").reshape(expected.shape), expected)
    assert said["line"]["frames"] == 5
    assert "0 requests sent again" in told(said)
    json.dumps(said)
    with pytest.raises(InputError, match="which does not exist"):
        run_folder(project.root, tmp_path / "x.npy", tmp_path / "z.npy", "device", port=plugged.port)
    assert not (tmp_path / "z.npy").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"on": "device"}, "--on device needs --port"),
        (
            {"on": "reference", "port": "/dev/ttyUSB0"},
            "--port and --baud are for --on device, not 'reference'",
        ),
        (
            {"on": "device", "port": "/dev/ttyUSB0", "baud": 0},
            "--baud must be at least 1 bit per second, not 0",
        ),
        ({"on": "fpga"}, "--on must be one of reference, .*, device, not 'fpga'"),
    ],
)
def test_refusals(tmp_path, options, message):
    with pytest.raises(InputError, match=message):
        run_folder(tmp_path, tmp_path / "x.npy", tmp_path / "y.npy", **options)


def test_a_folder_without_a_link(board, tmp_path):
    with pytest.raises(InputError, match=r"holds nothing for a board with a serial line \(no link.json\)"):
        open_device(tmp_path, "/dev/null")
    (tmp_path / "link.json").write_text('{"schema": "gatewright-link/1", "baud": 0}')
    with pytest.raises(InputError, match="must be a gatewright-link/1 description, but is damaged"):
        open_device(tmp_path, "/dev/null")


def information(request: bytes, design_id=LINK.design_id) -> bytes:
    """The right answer to a request for information."""
    payload = bytes([wire.VERSION, 3, 0, 2, 0]) + design_id.to_bytes(4, "little")
    return wire.Packet(wire.INFO_REPLY, request[3], payload).encode()


def answered(request: bytes, payload: bytes, *, late: int = 0) -> bytes:
    """An answer to an inference, with another number where ``late``."""
    return wire.Packet(wire.INFER_REPLY, (request[3] - late) % 256, payload).encode()


def device(*replies, **options) -> tuple[Device, ScriptedLine]:
    """A device whose n-th inference request is answered by ``replies[n](request)``, a list of pieces."""

    def answer(n: int, request: bytes) -> list[bytes]:
        return [information(request)] if n == 0 else replies[min(n, len(replies)) - 1](request)

    line = ScriptedLine(answer)
    return Device(line, LINK, INTERFACE, scale=0.01, **options), line


def test_only_the_right_reply_is_believed():
    """Late ones, wrong lengths, other types, damage and noise around it are not."""
    good, bad = b"\x01\x02", b"\x09\x09"
    found, line = device(
        lambda request: [
            b"\xa5\x5a\x82", b"\x00noise\xa5",
            answered(request, bad, late=1),
            answered(request, bad + b"\x09"),
            wire.Packet(wire.INFO_REPLY, request[3], bad).encode(),
            answered(request, bad)[:-1] + b"\x00",
            answered(request, good) + answered(request, bad),
        ]
    )  # fmt: skip
    assert found.infer([1, 2, 3]) == [1, 2]
    assert len(line.written) == 2
    assert found.statistics.dropped == 4


def test_a_reply_behind_noise_that_looks_like_a_packet():
    """Noise that announces more bytes than come holds the reply back until time is up, no longer."""
    found, line = device(lambda request: [b"\xa5\x5a\x82\x00\x09\x00" + answered(request, b"\x01\x02")])
    assert found.infer([1, 2, 3]) == [1, 2]
    assert len(line.written) == 2


def test_refused_requests_are_sent_again():
    """The same bytes; a busy board is left alone for a while first."""

    def nak(code):
        return lambda request: [wire.Packet(wire.NAK, request[3], bytes([code])).encode()]

    found, line = device(
        nak(wire.NAK_BAD_CRC), nak(wire.NAK_BUSY), lambda request: [],
        lambda request: [answered(request, b"\x07\x08")],
    )  # fmt: skip
    assert found.infer([1, 2, 3]) == [7, 8]
    assert len(set(line.written[1:])) == 1
    assert (found.statistics.repeats, found.statistics.naks, line.drained) == (3, 2, 2)


def test_each_frame_twice():
    """Two equal answers, however many requests that takes."""
    answers = iter([b"\x01\x01", b"\x02\x02", b"\x02\x02"])
    found, line = device(lambda request: [answered(request, next(answers))], twice=True)
    assert found.infer([1, 2, 3]) == [2, 2]
    assert len(line.written) == 4


def test_numbers_go_round():
    """300 frames: no two neighbours with one number."""
    found, line = device(lambda request: [answered(request, b"\x01\x02")])
    for _ in range(300):
        found.infer([1, 2, 3])
    numbers = [request[3] for request in line.written]
    assert all((b - a) % 256 == 1 for a, b in pairwise(numbers))


def test_another_design():
    line = ScriptedLine(lambda n, request: [information(request, 0xBAD)])
    with pytest.raises(InputError, match="must run the design of this folder, c0ffee42 with 3 bytes in"):
        Device(line, LINK, INTERFACE, scale=0.01)


def test_nobody_answers():
    line = ScriptedLine(lambda n, request: [])
    started = time.monotonic()
    with pytest.raises(ToolError, match=rf"must answer, but did not in {ATTEMPTS} tries"):
        Device(line, LINK, INTERFACE, scale=0.01)
    assert len(line.written) == ATTEMPTS
    assert time.monotonic() - started < 10
