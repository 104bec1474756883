"""benchmarks/arm_peers.py: ratios, the page's lines, the cores it shows to the rivals, and codes."""

import sys
from pathlib import Path

import numpy as np
import pytest

from gatewright.errors import InputError, ToolError

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "benchmarks"))

from arm_peers_tools import networks, ours, sysroot  # noqa: E402
from arm_peers_tools.page import Row, page  # noqa: E402

VERSIONS = {**sysroot.WHEELS, "qemu": "7.2"}


def row(mine):
    """A row with a bar of 0.75."""
    found = ("9 of 10", "abc1234") if mine else ()
    return Row("A net", "cortex-a72", "litert", 8_000_000, 4_000_000.0, 0.75, mine, *found)


@pytest.mark.parametrize(("mine", "met"), [(3_000_000.0, True), (3_000_001.0, False), (None, False)])
def test_a_bar_is_met_by_what_is_measured(mine, met):
    assert row(mine).met is met


def test_lines_of_the_page():
    text = page([row(2_000_000.0), row(None)], VERSIONS, (4, 12))
    assert "| A net | A72 | LiteRT | 4.000 | 2.0 | 2.000 | 4.0 | 0.50 | 0.75 | 9 of 10 | abc1234 |\n" in text
    assert "| A net | A72 | LiteRT | 4.000 | 2.0 | - | - | - | 0.75 | - | - |\n" in text
    assert "A dash: not measured" in text
    assert "A dash" not in page([row(2_000_000.0)], VERSIONS, (4, 12))


def test_the_page_in_the_tree_is_of_this_form():
    text = (ROOT / "docs" / "arm-peers.md").read_text(encoding="utf-8")
    assert [line for line in text.splitlines() if "](exactness.md)" in line]
    titles = {network.title for network in networks.NETWORKS}
    assert {line.split(" | ")[0][2:] for line in text.splitlines() if " | A" in line} == titles


def test_each_board_shows_its_own_core(tmp_path):
    (tmp_path / "root/usr/bin").mkdir(parents=True)
    system = sysroot.Sysroot(tmp_path / "root", tmp_path / "site", tmp_path / "root/usr/bin/python3")
    parts = set()
    for cpu in ours.BOARDS:
        base = system.of_core(cpu)
        told = (system.of_core(cpu) / "proc/cpuinfo").read_text()
        assert told.count("processor\t: ") == 4
        assert ("asimddp" in told) is (cpu == "cortex-a76")
        assert (base / "usr").resolve() == tmp_path / "root/usr"
        parts |= {line for line in told.splitlines() if line.startswith("CPU part")}
    assert len(parts) == len(ours.BOARDS)


def test_floats_and_integers_of_a_rival_become_codes(tmp_path):
    """ONNX Runtime's floats land on the codes of the integer graph; LiteRT's integers are codes."""
    network = networks.files.Network(networks.five_convolutions, 32)
    way = networks.files.Way("qdq", symmetric=False, per_channel=True)
    given = networks.Given(
        networks.files.quantized_file(network, way, tmp_path), networks.files.inputs(network, 1)
    )
    import onnxruntime

    session = onnxruntime.InferenceSession(given.model)
    floats = session.run(None, {session.get_inputs()[0].name: given.sample})[0].ravel()
    codes = ours.codes(given.model, floats.tolist())
    decoding = ours.load_model(given.model).decodings[0]
    back = (np.array(codes) - decoding.zero_point) * decoding.scale + decoding.offset
    assert np.abs(back - floats).max() < 1e-5
    assert len(set(codes)) > 5
    assert ours.codes(given.model, [3, -4]) == [3, -4]
    assert ours.macs(given.model) == 7_520_896


def test_missing_folders_and_tools_are_told(monkeypatch, tmp_path):
    with pytest.raises(InputError, match=r"^data: a folder is needed, but none is given\. Set --data or"):
        networks.NETWORKS[0].make(None, tmp_path)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(
        ToolError, match=r"^arm_peers: apt-get must be on PATH, not absent\. The set-up works"
    ):
        sysroot.sysroot(tmp_path)
