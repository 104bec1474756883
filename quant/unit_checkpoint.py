"""What units have learned so far, in a file: a run that was stopped goes on behind its last unit."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from ..errors import InputError
from .checkpoint import check_folder, read, write

# Where messages say that something is wrong.
_WHERE = "quantize"
_PARTS = {"asked", "fits", "learned", "generator"}


class Checkpoint:
    """A file that is written after each fit, without pickled objects; without a path nothing is kept.

    Only what is learned is stored. The rest, and all that led to it (bits, scales, images, weights), is told
    apart by a digest: a file of another run is refused.

    Args:
        path: the file; where it exists, it is read.
        network: of ``learnable``, as nothing has been learned yet.
        images: float32 (N, ...).
        generator: of what is drawn.
        asked: what else decides the result, by name.

    Attributes:
        fits: how many of the file need not be made again.

    Raises:
        InputError: a file that is no such checkpoint, or of another run, or no folder for it.
    """

    def __init__(
        self, path: Path | None, network: nn.Module, images: Tensor, generator: torch.Generator,
        asked: Mapping[str, object],
    ):  # fmt: skip
        self.path, self.generator, self.fits, self._made = path, generator, 0, 0
        self.learned = {name: p for name, p in network.named_parameters() if p.requires_grad}
        if path is None:
            return
        self.asked = {**asked, "start": _digest(network, images)}
        check_folder(path, _WHERE)
        if path.exists():
            self._load(read(path, _PARTS, _WHERE, "of this method"))

    def passes(self) -> bool:
        """Whether the next fit is one of the file's."""
        self._made += 1
        return self._made <= self.fits

    def keep(self) -> None:
        """Write what is learned, whole or not at all."""
        if self.path is None:
            return
        learned = {name: value.detach() for name, value in self.learned.items()}
        state = {"asked": self.asked, "fits": self._made, "learned": learned}
        write(self.path, state | {"generator": self.generator.get_state()})

    def _load(self, state: dict) -> None:
        if state["asked"] != self.asked or state["learned"].keys() != self.learned.keys():
            raise InputError(
                f"quantize: checkpoint {self.path.name} must be of this network, images and request, not of "
                "others. Delete it to start anew."
            )
        with torch.no_grad():
            for name, value in state["learned"].items():
                self.learned[name].copy_(value)
        self.generator.set_state(state["generator"])
        self.fits = state["fits"]


def _digest(network: nn.Module, images: Tensor) -> str:
    """Of the network as it starts and of the images."""
    found = hashlib.sha256()
    for name, value in (*sorted(network.state_dict().items()), ("", images)):
        found.update(f"{name} {tuple(value.shape)} {value.dtype}".encode())
        found.update(value.detach().contiguous().numpy().tobytes())
    return found.hexdigest()
