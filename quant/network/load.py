"""Float networks from files: torch.export's programs and ONNX models."""

from __future__ import annotations

import zipfile
from pathlib import Path

from torch import Tensor, fx

from ...errors import InputError


def load(path: Path | str, images: Tensor) -> fx.GraphModule:
    """A float network from a ``.pt2`` or ``.onnx`` file; nothing in it is unpickled or run.

    Args:
        images: at least one frame (N, ...) float32, as the network takes them.
    Raises:
        InputError: no readable file of these, or a network with nodes that we cannot take.
    """
    path = Path(path)
    try:
        archive = zipfile.is_zipfile(path)
        path.open("rb").close()
    except OSError as error:
        raise InputError(f"network: {path} cannot be read: {error.strerror or error}.") from None
    if archive:
        from .program import load_program

        return load_program(path, images)
    from .onnx_network import load_onnx

    return load_onnx(path, images)
