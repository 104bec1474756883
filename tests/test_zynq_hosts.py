"""The PYNQ driver and the C driver: on the simulated design, as compiled for both processors, and alone."""

import pytest

from driver_models import image_net
from gatewright.hw.flow import tools
from zynq_designs import built, simulate, wide_net

FLAGS = ["-std=c11", "-O2", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]


def zig(folder, *arguments):
    """zig's C compiler in a folder."""
    tools.run(tools.find("cc", native=False), [*FLAGS, *arguments], folder)


@pytest.fixture(scope="module", params=["image", "wide"])
def design(request, tmp_path_factory):
    """Two designs with 60 frames each, and their C drivers as libraries."""
    folder = tmp_path_factory.mktemp(request.param)
    made = built(folder, *((image_net(), 60) if request.param == "image" else (wide_net(), 60)))
    sources = [str(folder / "out" / "zynq" / "c" / f"gatewright_{part}.c") for part in ("zynq", "codes")]
    zig(folder, "-shared", "-fPIC", *sources, "-o", "driver.so")
    return made


@pytest.mark.parametrize("test", ["pynq_runs", "pynq_asynchronous", "pynq_failures", "c_runs", "c_failures"])
def test_host(design, test):
    """One of ``zynq_hosts``."""
    simulate(design, "zynq_hosts", test)
