"""benchmarks/fpga_peers.py: its networks are what the peers are told, and its page says what was measured."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from gatewright.hw.design import Resources

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "benchmarks"))
import fpga_peers  # noqa: E402  (a script, found by the line above)
from fpga_peers_tools import networks, ours  # noqa: E402
from fpga_peers_tools.page import page  # noqa: E402

VERSIONS = {**fpga_peers.PEERS, "yosys": "0.70"}


def row(design: str, peer: bool, lut: int, clocks: int, latency: int, network: str = "net") -> fpga_peers.Row:
    """A measured design, 4 of 4 frames equal."""
    return fpga_peers.Row(network, design, peer, Resources(lut, 10, 0.5, 2), clocks, latency, 4, 4)


def sums(network: dict, x: np.ndarray) -> np.ndarray:
    """A network of dense layers, by its description alone."""
    for layer in network["layers"]:
        x = x @ np.array(layer["weights"]).T + np.array(layer["bias"])
        if "shift" in layer:
            x = np.clip(x >> layer["shift"], 0, 2 ** network["activation_bits"] - 1)
    return x


def test_the_graph_computes_what_peers_are_told():
    """The jet network's graph against its description, which is all that a peer gets; JSON holds it whole."""
    network = networks.jet(6, 0.75)
    assert json.loads(json.dumps(network)) == network
    wanted = sums(network, np.array(network["frames"]))
    np.testing.assert_array_equal(ours.expected(network), wanted)
    assert len(np.unique(wanted)) > 100


def test_a_share_of_the_jet_networks_weights_is_zero():
    """As many as were asked for, and always the same ones."""
    first, again = networks.jet(6, 0.75), networks.jet(6, 0.75)
    weights = np.concatenate([np.ravel(layer["weights"]) for layer in first["layers"]])
    assert first == again
    assert np.mean(weights == 0) == pytest.approx(0.78, abs=0.03)
    assert np.abs(weights).max() == 31


def test_ratios_are_those_of_the_best_peer():
    """LUT x clocks over the peer's least, and LUT x latency over its least, which may be another row."""
    rows = [
        row("NNgen, 1 channel at once", True, 1000, 400, 400),
        row("NNgen, 4 channels at once", True, 2000, 100, 300),
        row("gatewright, folded to 50 clocks", False, 500, 50, 80),
    ]
    text = page(rows, VERSIONS)
    assert "| 1,000 | 10 | 0.5 | 2 | 400 | 400 | 400,000 | 2.000 | 1.000 | 4 of 4 |" in text
    assert "| 500 | 10 | 0.5 | 2 | 50 | 80 | 25,000 | 0.125 | 0.100 | 4 of 4 |" in text
    assert (
        "gatewright's best row (folded to 50 clocks) takes 0.12 of the LUTs x clocks of NNgen's best" in text
    )
    assert "(500 x 50 against 2,000 x 100), and 0.27 times its clocks" in text
    assert "The goal, half of NNgen's, is reached." in text


def test_what_is_missed_is_told():
    """More LUTs than a peer's, and a goal that is not reached."""
    rows = [
        row("NNgen, 1 channel at once", True, 100, 100, 100, "a"),
        row("gatewright, folded to 90 clocks", False, 100, 90, 95, "a"),
        row("da4ml, unrolled, 5 stages", True, 100, 1, 7, "b"),
        row("gatewright, unrolled", False, 130, 1, 28, "b"),
    ]
    text = page(rows, VERSIONS)
    assert "The goal, half of NNgen's, is missed." in text
    assert "(unrolled) takes 1.30 times the LUTs x clocks of da4ml's best" in text
    assert "4 times its clocks from first input to last output.\n" in text
