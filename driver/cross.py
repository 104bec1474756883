"""Cross compilers for ARM Linux: zig from PyPI, or the system's GCC."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import InputError
from ..hw.flow import tools

KINDS = ("zig", "gcc")
# The library's own C: position independent, without tables for exceptions, which would call a runtime.
_FLAGS = (
    "-std=gnu11", "-O2", "-fPIC", "-ffunction-sections", "-fno-stack-protector", "-fno-exceptions",
    "-fno-unwind-tables", "-fno-asynchronous-unwind-tables", "-Wall", "-Wextra",
)  # fmt: skip
_ARMV7 = "cortex-a9"


@dataclass(frozen=True)
class Cross:
    """A cross compiler for one core.

    Attributes:
        cc, ar: the compiler with its target, and its archiver.
        core: arguments that choose the core; left out for programs, whose C library serves all.
    """

    cc: tools.Tool
    ar: tools.Tool
    core: tuple[str, ...] = field(default=())

    def run(self, tool: tools.Tool, arguments: Sequence[str], folder: Path, log: str) -> None:
        """Run in ``folder``, with a log of its own there.

        Raises:
            ToolError: it failed.
        """
        tools.run(tool, arguments, folder, folder / f"{log}.log")

    def compile(self, source: str, made: str, folder: Path) -> None:
        """A C or assembly file to an object."""
        self.run(self.cc, [*self.core, *_FLAGS, "-I.", "-c", source, "-o", made], folder, f"cc_{source}")

    def join(self, objects: Sequence[str], made: str, roots: Sequence[str], folder: Path) -> None:
        """Objects to one, without the sections that ``roots`` do not need."""
        keep = [f"-Wl,-u,{root}" for root in roots]
        options = ["-nostdlib", "-r", "-Wl,--gc-sections", *keep]
        self.run(self.cc, [*options, *objects, "-o", made], folder, "ld_object")

    def archive(self, member: str, made: str, folder: Path) -> None:
        """A static library of one object, the same bytes whenever it is made."""
        (folder / made).unlink(missing_ok=True)
        self.run(self.ar, ["rcsD", made, member], folder, "ar")

    def share(self, member: str, made: str, folder: Path) -> None:
        """A shared library; what it needs of the C library it takes from the program that loads it."""
        options = ["-shared", "-nostdlib", f"-Wl,-soname,{made}"]
        self.run(self.cc, [*options, member, "-o", made], folder, "ld_shared")

    def program(self, source: str, library: str | None, made: str, folder: Path) -> None:
        """A static program, with a library or without, which qemu runs without any files of the target's."""
        options = ["-std=c99", "-O2", "-static", "-Wall", "-Wextra", "-pedantic", "-pthread", "-I."]
        objects = [source] if library is None else [source, library]
        self.run(self.cc, [*options, *objects, "-o", made], folder, "cc_program")


def cross(core: str, kind: str = "zig") -> Cross:
    """The cross compiler for ``core``, such as "cortex-a72".

    Raises:
        InputError: ``kind`` is none of KINDS.
        ToolError: it is not installed.
    """
    if kind not in KINDS:
        raise InputError(f"compile: --cross must be one of {', '.join(KINDS)}, not {kind!r}")
    triple = "arm-linux-gnueabihf" if core == _ARMV7 else "aarch64-linux-gnu"
    if kind == "gcc":
        cc = tools.on_path(f"{triple}-gcc", f"gcc-{triple}")
        ar = tools.on_path(f"{triple}-ar", f"binutils-{triple}")
        return Cross(cc, ar, (f"-mcpu={core}", *(("-mfpu=neon",) if core == _ARMV7 else ())))
    zig = tools.find("cc", native=False)
    target = triple.replace("gnu", "musl")
    cc = tools.Tool("cc", (*zig.argv, "-target", target), zig.env, zig.version)
    return Cross(cc, tools.find("ar", native=False), (f"-mcpu={core.replace('-', '_')}",))


def simulator(core: str) -> str:
    """The tool that runs programs for ``core``."""
    return "qemu-arm" if core == _ARMV7 else "qemu-aarch64"
