"""benchmarks/fpga_networks.py: its graphs compute what they say, and its page holds what was measured."""

import sys
from pathlib import Path

import numpy as np
import pytest

from gatewright.boards import load
from gatewright.compiler.ir.evaluate import evaluate
from gatewright.compiler.ir.io import save
from gatewright.compiler.passes.pipeline import run as run_passes

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "benchmarks"))
import fpga_networks  # noqa: E402  (a script, found by the line above)
from fpga_graphs import cnv, images  # noqa: E402
from fpga_networks_page import page  # noqa: E402

SMALL = {"convolutions": ((4, 4), (6,)), "dense": (8, 5), "size": 14}


def test_cnv_has_the_papers_shapes():
    """6 convolutions and 3 dense layers of bits, the last convolution's result a pixel."""
    nodes = cnv().nodes()
    products = [n for n in nodes if n.op.name in ("conv2d", "matmul")]
    assert [n.type.shape for n in products] == [
        (30, 30, 64), (28, 28, 64), (12, 12, 128), (10, 10, 128), (3, 3, 256), (1, 1, 256),
        (512,), (512,), (10,),
    ]  # fmt: skip
    assert sum(n.op.work(*n.inputs).macs for n in products) == 59_461_376
    assert all(n.inputs[1].type.dtype.bipolar for n in products)
    assert all(n.inputs[0].type.dtype.bipolar for n in products[1:])


def test_cnv_signs_are_those_of_batch_norms():
    """Each channel's threshold parts its sums, so both signs come, and the passes keep every output."""
    graph = cnv(**SMALL)
    frames = images(6, SMALL["size"], seed=3)
    (wanted,) = evaluate(graph, frames)
    (got,) = evaluate(run_passes(graph), frames)
    np.testing.assert_array_equal(got, wanted)
    assert len(np.unique(wanted)) > 2
    assert (
        cnv(**SMALL, seed=2).nodes()[0].inputs[1].value.tolist() != graph.nodes()[0].inputs[1].value.tolist()
    )


def test_roomy_board_has_only_more_block_ram(tmp_path):
    own = load("amd_zcu104").part
    more = load(fpga_networks.roomy_board("amd_zcu104", tmp_path)).part
    assert more.bram == 8 * own.bram
    assert (more.family, more.lut, more.ff, more.dsp) == (own.family, own.lut, own.ff, own.dsp)


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """A small CNV through the script, to RTL."""
    folder = tmp_path_factory.mktemp("networks")

    def make(path: Path) -> tuple[Path, Path]:
        save(cnv(**SMALL), path / "cnv_w1a1.onnx")
        np.savez(path / "cnv.npz", inputs=images(2, SMALL["size"], seed=7))
        return path / "cnv_w1a1.onnx", path / "cnv.npz"

    network = fpga_networks.Network("cnv", "tul_pynq_z2", 100, 9150, "rtl", make)
    return fpga_networks.measure(network, "synthesize", folder)


def test_measure_compiles_and_lints(measured):
    """The interval asked for is met, Verilator is silent, and seconds and memory are real ones."""
    assert measured["report"]["interval_clocks"] <= 100e6 / 9150
    assert measured["lint"] == ""
    assert measured["too_small"] == ""
    assert measured["cpu_s"] > 0.1
    assert 0.02 < measured["memory_gb"] < 4


def test_page_shows_what_was_measured(measured):
    text = page({"cnv": measured})
    total = measured["report"]["resources"]["total"]
    assert f"| {measured['report']['interval_clocks']:,} (modelled) |" in text
    assert f"| {total['lut']:,g} | {total['ff']:,g} |" in text
    assert "26,072" in text
    assert "Verilator -Wall is silent" in text


def test_page_quotes_a_board_too_small(measured):
    """The refusal itself, and whose figures the row then shows."""
    text = page({"resnet18": measured | {"too_small": "folding: needs 9 BRAM, has 1."}})
    assert (
        "It does not fit the TUL PYNQ-Z2; the compile says so:\n\n    folding: needs 9 BRAM, has 1." in text
    )
    assert "TUL PYNQ-Z2 has" not in text


def test_lint_repeats_what_verilator_says(tmp_path):
    (tmp_path / "accelerator.v").write_text("module accelerator(input wire a); endmodule\n")
    assert "%Warning-UNUSEDSIGNAL" in fpga_networks.lint(tmp_path)
