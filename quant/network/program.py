"""Programs of torch.export (``.pt2``), read without torch's own loader, which falls back to unpickling."""

from __future__ import annotations

import json
import math
import zipfile
from pathlib import Path

import torch
from torch import Tensor, fx

from ...compiler.ir.model_bytes import MAX_BYTES
from ...errors import InputError
from .aten import OPERATORS, Batch
from .build import Builder, Made, building_example

# torch.export's numbers of element types.
_ELEMENTS = {4: torch.int32, 5: torch.int64, 6: torch.float16, 7: torch.float32, 8: torch.float64,
             12: torch.bool, 13: torch.bfloat16}  # fmt: skip
_HEAD = "models/model.json"
_DAMAGED = (KeyError, TypeError, ValueError, IndexError, AttributeError, RuntimeError, RecursionError,
            OverflowError, MemoryError, NotImplementedError, zipfile.BadZipFile, EOFError,
            AssertionError)  # fmt: skip


def load_program(path: Path, images: Tensor) -> fx.GraphModule:
    """The network of a ``.pt2`` file of ``torch.export.save``.

    Args:
        images: float32 (N, ...), as the network takes them.
    Raises:
        InputError: no such file, or operators that we cannot take; the message names the first.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return _Program(archive).network(building_example(images))
    except InputError as error:
        raise InputError(f"network: {path}: {error}") from None
    except (*_DAMAGED, OSError) as error:
        raise InputError(
            f"network: {path} must be a program of torch.export.save, but cannot be read "
            f"({type(error).__name__}: {' '.join(str(error).split())[:120]})."
        ) from None


class _Program:
    """An archive: the graph as JSON, weights as plain bytes."""

    def __init__(self, archive: zipfile.ZipFile):
        self.archive = archive
        if sum(i.file_size for i in archive.infolist()) > MAX_BYTES:
            raise InputError(f"it must unpack to at most {MAX_BYTES} bytes.")
        heads = [n for n in archive.namelist() if n.endswith(_HEAD)]
        if len(heads) != 1:
            raise InputError(
                f"it must hold one {_HEAD}, not {len(heads)}. Write it with torch.export.save of torch 2.9 "
                "or newer."
            )
        self.folder = heads[0][: -len(_HEAD)]
        program = json.loads(archive.read(heads[0]))
        self.graph = program["graph_module"]["graph"]
        self.signature = program["graph_module"]["signature"]

    def network(self, example: Tensor) -> fx.GraphModule:
        """The graph on this example."""
        builder = Builder(example)
        values = self._inputs(builder)
        for node in self.graph["nodes"]:
            _add(builder, node, values)
        outputs = [o["user_output"]["arg"] for o in self.signature["output_specs"] if "user_output" in o]
        if len(outputs) != 1 or "as_tensor" not in outputs[0]:
            raise InputError("the program must return one tensor.")
        result = values[outputs[0]["as_tensor"]["name"]]
        if not isinstance(result, Made):
            raise InputError("the program's output must depend on its input.")
        return builder.finish(result)

    def _inputs(self, builder: Builder) -> dict[str, object]:
        """Parameters, buffers and constants by the names that the graph gives them, and the input."""
        weights = self._tensors("weights")
        constants = self._tensors("constants")
        values: dict[str, object] = {}
        inputs = []
        for spec in self.signature["input_specs"]:
            ((kind, given),) = spec.items()
            if kind == "parameter":
                values[given["arg"]["name"]] = weights[given["parameter_name"]]
            elif kind == "buffer":
                known = weights if given["buffer_name"] in weights else constants
                values[given["arg"]["name"]] = known[given["buffer_name"]]
            elif kind == "tensor_constant":
                values[given["arg"]["name"]] = constants[given["tensor_constant_name"]]
            elif kind == "user_input" and "as_tensor" in given["arg"]:
                inputs.append(given["arg"]["as_tensor"]["name"])
            else:
                raise InputError(f"inputs of kind {kind!r} cannot be taken; only tensors.")
        if len(inputs) != 1:
            raise InputError(f"the program must take one tensor, not {len(inputs)}.")
        values[inputs[0]] = builder.input(inputs[0])
        return values

    def _tensors(self, kind: str) -> dict[str, Tensor]:
        """All stored tensors of one kind, by their full names."""
        folder = f"{self.folder}data/{kind}/"
        name = f"{folder}model_{kind}_config.json"
        if name not in self.archive.namelist():
            return {}
        config = json.loads(self.archive.read(name))["config"]
        return {full: self._tensor(folder, full, entry) for full, entry in config.items()}

    def _tensor(self, folder: str, full: str, entry: dict) -> Tensor:
        meta = entry["tensor_meta"]
        if entry["use_pickle"]:
            raise InputError(f"tensor {full!r} must be stored as plain bytes, not as a pickle.")
        if meta["dtype"] not in _ELEMENTS:
            raise InputError(f"tensor {full!r} must hold floats or integers, not type {meta['dtype']}.")
        sizes, strides = ([d["as_int"] for d in meta[k]] for k in ("sizes", "strides"))
        offset, dtype = meta["storage_offset"]["as_int"], _ELEMENTS[meta["dtype"]]
        if math.prod(sizes) == 0:
            return torch.zeros(sizes, dtype=dtype)
        # Only this archive's own members are ever read, whatever the path says.
        data = bytearray(self.archive.read(folder + entry["path_name"]))
        flat = torch.frombuffer(data, dtype=dtype) if data else torch.zeros(0, dtype=dtype)
        tensor = torch.as_strided(flat, sizes, strides, offset).clone()
        return tensor.float() if dtype.is_floating_point else tensor


def _add(builder: Builder, node: dict, values: dict[str, object]) -> None:
    """One node of the graph; its results join ``values``."""
    operator = node["target"].removeprefix("torch.ops.aten.")
    if operator not in OPERATORS:
        raise InputError(
            f"node {node.get('name')!r}: quantization does not take {node['target']!r}, but "
            "convolutions, linear layers, batch norms, pools, sums, products and common activations."
        )
    given = {i["name"]: _argument(i["arg"], values) for i in node["inputs"]}
    try:
        result = OPERATORS[operator](builder, node, given)
    except InputError as error:
        raise InputError(f"node {node.get('name')!r} ({node['target']}): {error}.") from None
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:120]
        raise InputError(
            f"node {node.get('name')!r} ({node['target']}): it must fit what comes before it, but torch says "
            f"{reason}. Give inputs of the shape that the program was exported with."
        ) from None
    results = list(result) if isinstance(result, tuple) else [result]
    for output, value in zip(node["outputs"], results, strict=False):
        ((_, name),) = output.items()
        values[name["name"] if "name" in name else name["as_name"]] = value


def _argument(arg: dict, values: dict[str, object]) -> object:
    """One argument as a value, a constant, or a list of them."""
    ((kind, given),) = arg.items()
    if kind == "as_tensor":
        return values[given["name"]]
    if kind == "as_tensors":
        return [values[g["name"]] for g in given]
    if kind == "as_sym_int":
        return _size(given, values)
    if kind == "as_sym_ints":
        return [_size(g, values) for g in given]
    if kind == "as_none":
        return None
    if kind in ("as_int", "as_ints", "as_float", "as_floats", "as_bool", "as_bools", "as_string",
                "as_scalar_type", "as_memory_format", "as_layout", "as_device"):  # fmt: skip
        return given
    raise InputError(f"arguments of kind {kind!r} cannot be taken")


def _size(given: dict, values: dict[str, object]) -> int | Batch:
    return given["as_int"] if "as_int" in given else values[given["as_name"]]
