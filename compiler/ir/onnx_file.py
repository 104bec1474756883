"""ONNX files from outside: read within limits, with external data only from the model's own folder."""

import os
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError
from onnx import AttributeProto, ModelProto, TensorProto

from ...errors import GraphError, InputError
from .io import check_text
from .model_bytes import MAX_BYTES, read_bytes


def read_model(path: str | os.PathLike) -> ModelProto:
    """The file's model, external data included.

    Raises:
        InputError: no readable ONNX file, too large, or external data outside the model's folder.
    """
    path = Path(path)
    data = read_bytes(path)
    try:
        model = ModelProto.FromString(data)
    except DecodeError:
        raise InputError(
            f"{path}: must be an ONNX model, but is none. Export the network as QONNX."
        ) from None
    try:
        check_text(model)
    except GraphError as error:
        raise InputError(f"{path}: {error}") from None
    if not model.graph.output:
        raise InputError(f"{path}: the model must have a graph with outputs, but has none")
    _load_external(model, path.parent)
    return model


def _load_external(model: ModelProto, folder: Path) -> None:
    """Bring tensors stored in other files into the model, if these lie in its folder."""
    total = 0
    for tensor in _tensors(model):
        if tensor.data_location != TensorProto.EXTERNAL:
            continue
        info = {e.key: e.value for e in tensor.external_data}
        data = _read_part(folder, tensor.name, info, MAX_BYTES - total)
        total += len(data)
        tensor.raw_data = data
        tensor.data_location = TensorProto.DEFAULT
        del tensor.external_data[:]


def _read_part(folder: Path, name: str, info: dict[str, str], limit: int) -> bytes:
    location = info.get("location", "")
    home = folder.resolve()
    try:
        target = (home / location).resolve()
        size = target.stat().st_size if target.is_relative_to(home) and target.is_file() else None
    except (OSError, ValueError):
        # No name of a file at all: too long, or with a zero byte.
        size = None
    if not location or size is None:
        raise InputError(
            f"tensor {name!r}: external data must be a file in the model's own folder, not {location[:200]!r}"
        )
    try:
        offset, length = int(info.get("offset", 0)), int(info.get("length", size))
    except ValueError:
        raise InputError(f"tensor {name!r}: external data must have whole offset and length") from None
    if offset < 0 or not 0 <= length <= limit:
        raise InputError(f"tensor {name!r}: external data must have at most {limit} bytes, not {length}")
    with open(target, "rb") as file:
        file.seek(min(offset, size))
        return file.read(length)


def _tensors(model: ModelProto):
    """Initializers and tensors in attributes; subgraphs hold none that we support."""
    yield from model.graph.initializer
    for node in model.graph.node:
        for attribute in node.attribute:
            if attribute.type == AttributeProto.TENSOR:
                yield attribute.t


def tensor_array(tensor: TensorProto, limit: int):
    """A stored tensor as an array.

    Raises:
        InputError: more than ``limit`` elements, or data that does not fit its shape and type.
    """
    count = 1
    for d in tensor.dims:
        count *= max(d, 0)
    if count > limit:
        raise InputError(f"tensor {tensor.name!r}: must have at most {limit} elements, not {count}")
    try:
        return onnx.numpy_helper.to_array(tensor)
    except (ValueError, TypeError, KeyError) as error:
        raise InputError(f"tensor {tensor.name!r}: data must fit its shape and type ({error})") from None
