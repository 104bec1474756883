"""Output folders that appear whole or not at all."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import InputError

# A folder is ours to replace only if it holds this file.
MARK = "report.json"


@contextmanager
def staged_folder(out: Path) -> Iterator[Path]:
    """A scratch folder beside ``out`` that becomes ``out`` when the block ends, and vanishes when it raises.

    Raises:
        InputError: ``out`` exists and was not made by gatewright, or cannot be created.
    """
    out = Path(os.path.abspath(out))
    if out.exists() and not _replaceable(out):
        raise InputError(
            f"output: {out} must be new, empty or an earlier result (with {MARK}), not something else. "
            "Choose another --out."
        )
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=f".{out.name}.partial-", dir=out.parent))
    except OSError as error:
        raise InputError(
            f"output: {out} cannot be created: {error.strerror}. Choose another --out."
        ) from None
    try:
        yield scratch
        _swap(scratch, out)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _replaceable(out: Path) -> bool:
    return out.is_dir() and not out.is_symlink() and ((out / MARK).is_file() or not any(out.iterdir()))


def _swap(scratch: Path, out: Path) -> None:
    """Rename ``scratch`` to ``out``; an earlier result moves aside first and is deleted last."""
    scratch.chmod(0o755)
    old = None
    if out.exists():
        old = Path(tempfile.mkdtemp(prefix=f".{out.name}.old-", dir=out.parent)) / out.name
        os.rename(out, old)
    os.rename(scratch, out)
    if old is not None:
        shutil.rmtree(old.parent, ignore_errors=True)


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
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise
