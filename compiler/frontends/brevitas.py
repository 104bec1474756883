"""Brevitas modules in memory, by way of their own QONNX export."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

from ...errors import InputError
from ..ir.graph import Graph
from .qonnx import import_model

if TYPE_CHECKING:
    import numpy as np
    import torch
    from onnx import ModelProto

# As the files of examples/digits.py are written, so that file and module give one graph.
_EXPORT = {"opset_version": 13, "dynamo": False}


def from_brevitas(module: torch.nn.Module, example: torch.Tensor | np.ndarray, name: str = "model") -> Graph:
    """A Brevitas module as an integer graph, as if exported with ``export_qonnx`` and loaded.

    The module itself stays as it is: a copy in evaluation mode is exported.

    Args:
        module: the network, trained or calibrated, on the CPU.
        example: one batch of inputs, float32 (N, ...); only its shape matters.
        name: the graph's.
    Raises:
        InputError: no module, one that Brevitas cannot export, or whose export says something else than
            it computes.
        GraphError: nodes that cannot become integers; the message lists all of them.
    """
    import torch

    if not isinstance(module, torch.nn.Module):
        raise InputError(
            f"brevitas: the network must be a torch.nn.Module, not {type(module).__name__}. "
            "Load files with load_model."
        )
    _check_single_bits(module)
    return import_model(_exported(module, torch.as_tensor(example)), name)


def _exported(module: torch.nn.Module, example: torch.Tensor) -> ModelProto:
    from brevitas.export import export_qonnx

    try:
        # Brevitas leaves traces of a failed export in the module, and puts all layers in one mode.
        return export_qonnx(copy.deepcopy(module).eval(), args=example, **_EXPORT)
    except Exception as error:  # torch runs the user's own code here, which may raise anything
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise InputError(
            f"brevitas: the module must export as QONNX, but {type(error).__name__}: {reason}. Try "
            "brevitas.export.export_qonnx on it, with this example."
        ) from error


def _check_single_bits(module: torch.nn.Module) -> None:
    """Refuse unsigned integer quantizers of 1 bit: they compute {0, s}, but are exported as {-s, +s}."""
    from brevitas.proxy.runtime_quant import ActQuantProxyFromInjector

    for path, part in module.named_modules():
        if not isinstance(part, ActQuantProxyFromInjector) or not part.is_quant_enabled or part.is_signed:
            continue
        width = part.bit_width()
        if width is not None and float(width) == 1:
            raise InputError(
                f"brevitas: quantizer {path!r} must have 2 bits or a sign, not 1 bit without: Brevitas "
                "computes {0, s} with it, but exports {-s, +s}. Use 2 bits, or a signed quantizer."
            )
