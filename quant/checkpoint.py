"""Files that a stopped run goes on from: written whole or not at all, read without unpickling objects."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from pathlib import Path

import torch

from ..errors import InputError


def check_folder(path: Path, where: str) -> None:
    """Refuse, before the work, a file that could not be written after it.

    Raises:
        InputError: its folder does not exist; the message begins with ``where``.
    """
    if not path.absolute().parent.is_dir():
        raise InputError(f"{where}: checkpoint {path} cannot be written: its folder does not exist.")


def write(path: Path, state: Mapping[str, object]) -> None:
    """Write the file whole or not at all."""
    partial = path.with_name(path.name + ".part")
    torch.save(dict(state), partial)
    os.replace(partial, path)


def read(path: Path, parts: Collection[str], where: str, kind: str) -> dict:
    """What ``write`` wrote.

    Args:
        parts: names that the file must hold.
        where, kind: of the message: whose file it is, and which checkpoint it must be.
    Raises:
        InputError: anything else than such a file.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        if state.keys() >= set(parts):
            return state
        reason = "parts are missing"
    except Exception as error:  # a damaged file fails anywhere within torch
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
    raise InputError(f"{where}: {path.name} must be a checkpoint {kind}, but {reason}. Delete it.")
