"""The rivals' system: Debian for arm64 unpacked into a folder (nothing is installed), and their wheels.

apt-get works in a root of its own with the machine's own sources, so neither its package lists nor its
architectures change; pip takes the wheels for another machine from the index that it is set to.
"""

import shutil
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

from gatewright.errors import ToolError
from gatewright.hw.flow import tools

# Newer ones crash under qemu 7.2.
WHEELS = {"onnxruntime": "1.23.2", "ai-edge-litert": "2.0.2", "numpy": "2.4.6"}
_PACKAGES = ("python3-minimal", "libpython3-stdlib", "libstdc++6")
_PLATFORMS = (
    "manylinux_2_17_aarch64",
    "manylinux2014_aarch64",
    "manylinux_2_27_aarch64",
    "manylinux_2_28_aarch64",
)
_DONE = "complete"
_CORES = 4
_ARMV8 = "fp asimd evtstrm crc32 cpuid"
# Part numbers: MIDR_EL1 in Arm's technical reference manuals. Features: Linux's on Raspberry Pi 3 to 5.
_PARTS = {
    "cortex-a53": ("0xd03", _ARMV8),
    "cortex-a72": ("0xd08", _ARMV8),
    "cortex-a76": (
        "0xd0b",
        "fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp",
    ),
}


@dataclass(frozen=True)
class Sysroot:
    """``root`` holds the unpacked system, ``site`` the unpacked wheels, ``python`` is the guest's Python."""

    root: Path
    site: Path
    python: Path

    def of_core(self, cpu: str) -> Path:
        """The root with the /proc/cpuinfo of a core, by which the runtimes choose kernels made for it.

        qemu 7.2 passes the host's on, in which they find no ARM core at all.
        """
        base = self.root.parent / "cores" / cpu
        for folder in ("proc", "sys/devices/system/cpu"):
            (base / folder).mkdir(parents=True, exist_ok=True)
        part, features = _PARTS[cpu]
        core = (
            f"BogoMIPS\t: 108.00\nFeatures\t: {features}\nCPU implementer\t: 0x41\nCPU architecture: 8\n"
            f"CPU variant\t: 0x0\nCPU part\t: {part}\nCPU revision\t: 3\n\n"
        )
        (base / "proc/cpuinfo").write_text("".join(f"processor\t: {i}\n{core}" for i in range(_CORES)))
        for name in ("possible", "present"):
            (base / "sys/devices/system/cpu" / name).write_text(f"0-{_CORES - 1}\n")
        for entry in self.root.iterdir():
            if not (base / entry.name).is_symlink():
                (base / entry.name).symlink_to(entry)
        return base


def sysroot(work: Path) -> Sysroot:
    """The system in ``work``, made there once.

    Raises:
        ToolError: apt-get, dpkg or pip is missing, or failed (no network).
    """
    root, site = work / "root", work / "site"
    if not (root / _DONE).exists():
        _unpack_packages(work / "apt", root)
    python = (root / "usr/bin/python3").resolve()
    if not (site / _DONE).exists():
        _unpack_wheels(python.name.removeprefix("python"), work / "wheels", site)
    return Sysroot(root, site, python)


def _command(name: str) -> tools.Tool:
    path = shutil.which(name)
    if path is None:
        raise ToolError(f"arm_peers: {name} must be on PATH, not absent. The set-up works on Debian only.")
    return tools.Tool(name, (path,))


def _unpack_packages(apt: Path, root: Path) -> None:
    for folder in ("state/lists/partial", "cache/archives/partial"):
        (apt / folder).mkdir(parents=True, exist_ok=True)
    # Nothing counts as installed, so everything needed is fetched.
    (apt / "status").write_text("")
    settings = {
        "APT::Architecture": "arm64", "APT::Architectures": "arm64", "APT::Sandbox::User": "root",
        "Dir::State": apt / "state", "Dir::Cache": apt / "cache", "Dir::State::status": apt / "status",
        "Debug::NoLocking": "1",
    }  # fmt: skip
    options = [part for key, value in settings.items() for part in ("-o", f"{key}={value}")]
    tools.run(_command("apt-get"), [*options, "update"], apt)
    install = ["--yes", "--no-install-recommends", "--download-only", "install", *_PACKAGES]
    tools.run(_command("apt-get"), [*options, *install], apt)
    root.mkdir(exist_ok=True)
    for package in sorted((apt / "cache/archives").glob("*.deb")):
        tools.run(_command("dpkg"), ["-x", str(package), str(root)], apt)
    (root / _DONE).touch()


def _unpack_wheels(version: str, wheels: Path, site: Path) -> None:
    wheels.mkdir(exist_ok=True)
    platforms = [part for platform in _PLATFORMS for part in ("--platform", platform)]
    target = ["--python-version", version, "--implementation", "cp", "--only-binary=:all:", *platforms]
    pins = [f"{name}=={pinned}" for name, pinned in WHEELS.items()]
    pip = tools.Tool("pip", (sys.executable, "-m", "pip"))
    tools.run(pip, ["download", "--no-deps", *target, "-d", ".", *pins], wheels)
    for wheel in sorted(wheels.glob("*.whl")):
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(site)
    (site / _DONE).touch()
