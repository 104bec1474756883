"""The AXI top in Icarus under cocotb: registers, protocol under stalls, frames through the DMA, resets."""

import pytest

from driver_models import image_net
from zynq_designs import built, simulate, wide_net


@pytest.fixture(scope="module", params=["image", "wide"])
def design(request, tmp_path_factory):
    """Two designs: words of one byte in and four out; and two words a beat both ways."""
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "image":
        return built(folder, image_net(), 60)
    return built(folder, wide_net(), 1000, interval=1)


@pytest.mark.parametrize(
    "test", ["registers", "many_at_once", "frames", "resets_in_mid_frame", "wrong_lengths", "modes"]
)
def test_axi(design, test):
    """One of ``zynq_cases``."""
    simulate(design, "zynq_cases", test)


@pytest.mark.slow
def test_a_thousand_images(tmp_path):
    """Frames of many beats, through a convolution: all in order, equal, with counters and interrupts."""
    simulate(built(tmp_path, image_net(), 1000), "zynq_cases", "frames")


def test_a_pipeline_of_xls(tmp_path):
    """The accelerator's Verilog from XLS, too, is in the IP, and keeps the buses' rules."""
    simulate(built(tmp_path, wide_net(), 60, via="xls", until="pipeline"), "zynq_cases", "frames")
