"""Reading a model file: bounded, and refused in one sentence where that fails."""

from pathlib import Path

from ...errors import InputError

MAX_BYTES = 2**30


def read_bytes(path: Path) -> bytes:
    """The file's contents.

    Raises:
        InputError: no readable file, or too large.
    """
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise InputError(f"{path}: a model must have at most {MAX_BYTES} bytes, not {size}")
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: the model must be a readable file ({error.strerror})") from None
