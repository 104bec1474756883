"""The PYNQ driver and the C driver: on the simulated design, as compiled for both processors, and alone."""

import json
import subprocess

import numpy as np
import pytest

from driver_models import image_net
from gatewright.hw.flow import tools
from zynq_designs import built, simulate, wide_net
from zynq_files import FileDevice

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


@pytest.fixture(scope="module", params=[("aarch64-linux-musl", "aarch64"), ("arm-linux-musleabihf", "arm")])
def program(request, design):
    """The example program for each processor, and the emulator that runs it."""
    target, machine = request.param
    folder = design / "out" / "zynq" / "c"
    sources = sorted(path.name for path in folder.glob("*.c"))
    zig(folder, "-target", target, "-static", *sources, "-o", f"example_{machine}")
    return (*tools.find(f"qemu-{machine}").argv, str(folder / f"example_{machine}"))


def test_c_program_over_uio(program, design, tmp_path):
    """The C driver as compiled for the board: opens, maps, packs, runs and unpacks through device files."""
    arrays = np.load(design / "source.npz", allow_pickle=False)
    case = np.load(design / "case.npz", allow_pickle=False)
    known = {frame.tobytes(): given.tobytes() for frame, given in zip(*case.values(), strict=True)}
    size = case["frames"].shape[1]

    def compute(data: bytes, count: int) -> bytes:
        assert len(data) == count * size
        return b"".join(known[data[at : at + size]] for at in range(0, len(data), size))

    design_id = json.loads((design / "case.json").read_text())["design_id"]
    values = np.ascontiguousarray(arrays["values"], "<i8")
    with FileDevice(tmp_path, design_id, 1 << 16, compute) as device:
        ran = subprocess.run(
            [*program, *device.arguments()], input=values.tobytes(), capture_output=True, timeout=120
        )
    assert ran.stderr.decode() == f"{len(values)} frames in 1234 clocks\n"
    assert ran.stdout == np.ascontiguousarray(arrays["results"], "<i8").tobytes()


def test_c_program_says_what_is_wrong(program, design, tmp_path):
    """Another design's bitstream, a device that is not there, memory that the DMA cannot reach."""

    def said(arguments: list[str]) -> str:
        ran = subprocess.run([*program, *arguments], input=b"", capture_output=True, timeout=120)
        assert ran.returncode == 1
        return ran.stderr.decode()

    with FileDevice(tmp_path, 1, 4096, lambda data, count: b"") as device:
        arguments = device.arguments()
        assert said(arguments) == (
            "example: the bitstream must be of this design; load its accelerator.bit\n"
        )
        missing = [*arguments[:2], str(tmp_path / "none"), arguments[3]]
        assert said(missing) == (
            "example: a device file cannot be used; see errno: No such file or directory\n"
        )
        (tmp_path / "sysfs" / "phys_addr").write_text("0x100000000\n")
        assert said(arguments).startswith("example: a device file cannot be used; see errno: ")
        (tmp_path / "sysfs" / "phys_addr").write_text("nothing\n")
        assert said(arguments).endswith(": Invalid argument\n")
