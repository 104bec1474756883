"""Output folders that appear whole or not at all."""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import InputError

# A folder is ours to replace only if this file in it is a report of ours, of whatever version.
MARK = "report.json"
_SCHEMA = "gatewright-report/"


@contextmanager
def staged_folder(out: Path) -> Iterator[Path]:
    """A scratch folder beside ``out`` that becomes ``out`` when the block ends, and vanishes when it raises.

    Raises:
        InputError: ``out`` exists and was not made by gatewright, or cannot be created.
    """
    out = Path(os.path.abspath(out))
    try:
        if os.path.lexists(out) and not _replaceable(out):
            raise InputError(
                f"output: {out} must be new, empty or an earlier result (with our {MARK}), not something "
                "else. Choose another --out."
            )
        missing = [p for p in (out.parent, *out.parent.parents) if not p.exists()]
        out.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=f".{out.name}.partial-", dir=out.parent))
    except OSError as error:
        raise InputError(
            f"output: {out} cannot be created: {error.strerror}. Choose another --out."
        ) from None
    try:
        yield scratch
        _swap(scratch, out)
    except BaseException:
        shutil.rmtree(scratch, ignore_errors=True)
        _remove_empty(missing)
        raise


def _replaceable(out: Path) -> bool:
    if out.is_symlink() or not out.is_dir():
        return False
    if not any(out.iterdir()):
        return True
    try:
        return json.loads((out / MARK).read_text("utf-8"))["schema"].startswith(_SCHEMA)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def _remove_empty(folders: list[Path]) -> None:
    """Take back folders that were made on the way, innermost first, as long as nobody uses them."""
    for folder in folders:
        try:
            folder.rmdir()
        except OSError:
            return


def _swap(scratch: Path, out: Path) -> None:
    """Rename ``scratch`` to ``out``; an earlier result moves aside first, comes back should that fail, and
    is deleted last."""
    scratch.chmod(0o777 & ~_umask())
    if not out.exists():
        os.rename(scratch, out)
        return
    aside = Path(tempfile.mkdtemp(prefix=f".{out.name}.old-", dir=out.parent))
    try:
        os.rename(out, aside / "old")
        os.rename(scratch, out)
    except BaseException:
        if not out.exists() and (aside / "old").exists():
            os.rename(aside / "old", out)
        shutil.rmtree(aside, ignore_errors=True)
        raise
    shutil.rmtree(aside, ignore_errors=True)


def write_whole(path: Path, data: bytes | str) -> None:
    """Write a file under a temporary name and rename it.

    Raises:
        InputError: the folder does not exist or cannot be written.
    """
    path = Path(path)
    data = data.encode() if isinstance(data, str) else data
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.partial-", dir=path.parent)
    except OSError as error:
        raise InputError(f"output: {path} cannot be written: {error.strerror}") from None
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        os.chmod(name, 0o666 & ~_umask())
        os.replace(name, path)
    except OSError as error:
        os.unlink(name)
        raise InputError(f"output: {path} cannot be written: {error.strerror}") from None
    except BaseException:
        os.unlink(name)
        raise


def _umask() -> int:
    """The permissions that this process's files go without; asking means setting."""
    umask = os.umask(0o077)
    os.umask(umask)
    return umask


def keep_logs(folder: Path) -> Path | None:
    """Copies the tools' logs of a compile that failed to a folder that outlives it; None without logs."""
    logs = sorted(folder.rglob("*.log"))
    if not logs:
        return None
    kept = Path(tempfile.mkdtemp(prefix="gatewright-logs-"))
    for log in logs:
        shutil.copyfile(log, kept / log.name)
    return kept
