"""What quantize reads and writes: networks, arrays, the graph, and reports as JSON and as a page."""

from __future__ import annotations

import hashlib
import math
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..compiler.ir.io import save
from ..errors import InputError
from ..report.html_quantize import render_quantize
from .data import read_arrays
from .output import write_whole

if TYPE_CHECKING:
    import torch
    from torch import fx, nn

    from .quantize import Frames, Quantized

_NAMES = ("inputs", "labels", "test_inputs", "test_labels")


def source_network(model: Path | str | nn.Module, images: torch.Tensor) -> tuple[fx.GraphModule, dict]:
    """A float network, and where it comes from: name, file and SHA-256 (empty for a module in memory)."""
    from ..quant.network import load, of_module

    if isinstance(model, str | Path):
        network = load(model, images)
        digest = hashlib.sha256(Path(model).read_bytes()).hexdigest()
        return network, {"name": Path(model).stem, "file": Path(model).name, "sha256": digest}
    return of_module(model, images), {"name": type(model).__name__.lower(), "file": "", "sha256": ""}


def load_teacher(teacher: Path | str | nn.Module | None, images: torch.Tensor) -> nn.Module | None:
    """A float network from a file, or the module itself."""
    return source_network(teacher, images)[0] if isinstance(teacher, str | Path) else teacher


def check_images(images, labels, what: str) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Images as float32, labels as int64.

    Raises:
        InputError: no finite numbers, or not one label an image.
    """
    import torch

    array = np.asarray(images)
    if array.dtype.kind not in "fiub":
        raise InputError(f"quantize: {what} must be floats or integers, not {array.dtype}.")
    images = torch.as_tensor(array)
    if images.dim() < 2 or not len(images) or not torch.isfinite(images.float()).all():
        raise InputError(
            f"quantize: {what} must be at least one frame (N, ...) of finite numbers, not shape "
            f"{tuple(images.shape)} of {images.dtype}."
        )
    if labels is None:
        return images.float(), None
    labels = torch.as_tensor(np.asarray(labels)).reshape(-1)
    if len(labels) != len(images) or labels.is_floating_point():
        raise InputError(
            f"quantize: labels must be one whole number for each of {len(images)} {what}, not "
            f"{len(labels)} of {labels.dtype}."
        )
    return images.float(), labels.long()


def check_classes(network: nn.Module, given: Frames, tested: Frames) -> None:
    """Refuse test images of another shape, and labels that name no output of the network.

    Raises:
        InputError: shapes that differ, outputs that are no list of classes, or labels beyond them.
    """
    import torch

    if tested.images.shape[1:] != given.images.shape[1:]:
        raise InputError(
            f"quantize: test images must have the shape of images, {tuple(given.images.shape[1:])}, not "
            f"{tuple(tested.images.shape[1:])}."
        )
    labelled = {"images": given.labels, "test images": tested.labels}
    if given.labels is None and tested.labels is None:
        return
    with torch.no_grad():
        shape = tuple(network(given.images[:1]).shape[1:])
    classes = max(shape)
    if classes != math.prod(shape):
        raise InputError(
            "quantize: labels must be of a network that gives one number for each class, not frames of "
            f"shape {shape}. Leave them out of the data."
        )
    for what, labels in labelled.items():
        if labels is not None and not 0 <= int(labels.min()) <= int(labels.max()) < classes:
            raise InputError(
                f"quantize: labels of the {what} must be 0 to {classes - 1}, as the network has {classes} "
                f"outputs, not {int(labels.min())} to {int(labels.max())}."
            )


def load_frames(path: Path) -> dict[str, np.ndarray]:
    """``inputs``, and where given ``labels``, ``test_inputs`` and ``test_labels``, of an ``.npz`` archive; or
    the inputs alone of an ``.npy`` file.

    Raises:
        InputError: no such file, or no array ``inputs``.
    """
    arrays = read_arrays(path)
    if None in arrays:
        arrays = {"inputs": arrays[None]}
    if "inputs" not in arrays:
        raise InputError(f"data: {path} must hold an array 'inputs', not only {sorted(arrays)}")
    if "test_labels" in arrays and "test_inputs" not in arrays:
        raise InputError(f"data: {path} must hold 'test_inputs' where it holds 'test_labels'")
    return {name: arrays[name] for name in _NAMES if name in arrays}


def check_out(out: Path, html: Path | None) -> None:
    """Refuse, before the work, files that could not be written after it.

    Raises:
        InputError: the graph's name has another ending than ``.onnx``, a folder does not exist, or what is
            named is one, or both are one file.
    """
    if out.suffix != ".onnx":
        raise InputError(f"output: {out} must end in .onnx, as compile takes it.")
    for path in (out, html):
        if path is not None and not path.absolute().parent.is_dir():
            raise InputError(f"output: {path} cannot be written: its folder does not exist.")
        if path is not None and path.is_dir():
            raise InputError(f"output: {path} must be a file, not a folder.")
    if html is not None and html.absolute() == out.absolute():
        raise InputError(f"output: --html must be another file than --out, not {html} too.")


def write_quantized(found: Quantized, out: Path, html: Path | None) -> None:
    """The integer graph and, where wanted, the page; each appears whole or not at all.

    Raises:
        InputError: a file cannot be written.
    """
    page = render_quantize(found.report)
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder) / "graph.onnx"
        save(found.graph, scratch)
        write_whole(out, scratch.read_bytes())
    if html is not None:
        write_whole(html, page)
