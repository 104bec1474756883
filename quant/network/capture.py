"""A torch module in memory as a float network: torch.fx's graph, its functions as layers."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, fx, nn
from torch.fx.passes.shape_prop import ShapeProp

from ...errors import InputError
from .normalize import normalize

# Frames on which module and captured graph are compared.
_COMPARED = 4


def of_module(module: nn.Module, example: Tensor) -> fx.GraphModule:
    """The module's forward in evaluation mode, as a graph in which every layer is called once.

    Functions that have a layer (``F.relu``, ``x.sigmoid()``, pools, means over an image) become that layer;
    reshapes become constant ones that keep the batch; dropout is gone. Layers that are called several times
    become copies. The module itself stays as it is.

    Args:
        module: its forward takes one tensor and returns one.
        example: float32 (N, ...), at least one frame.
    Raises:
        InputError: a forward that torch.fx cannot follow, or that the graph does not compute.
    """
    if not isinstance(module, nn.Module):
        raise InputError(f"network: it must be a torch.nn.Module, not {type(module).__name__}.")
    example = example[:_COMPARED]
    source = copy.deepcopy(module).eval()
    try:
        with torch.no_grad():
            expected = source(example)
    except Exception as error:  # the user's own code runs here, which may raise anything
        raise _refused("run on the example", error) from error
    if not isinstance(expected, Tensor):
        raise InputError(f"network: the module must return one tensor, not {type(expected).__name__}.")
    try:
        network = fx.symbolic_trace(source)
    except Exception as error:
        raise _refused("be traced by torch.fx", error) from error
    return finished(network, example, expected)


def finished(network: fx.GraphModule, example: Tensor, expected: Tensor) -> fx.GraphModule:
    """The normalized graph, where it computes what is expected of the example to float tolerance."""
    if sum(n.op == "placeholder" for n in network.graph.nodes) != 1:
        raise InputError("network: it must take one tensor. Wrap the module so that it takes one.")
    with torch.no_grad():
        ShapeProp(network).propagate(example)
        network = normalize(network)
        found = network(example)
    if found.shape != expected.shape or not torch.allclose(found, expected, rtol=1e-3, atol=1e-4):
        raise InputError(
            "network: the captured graph must compute what the module does, but differs. The forward "
            "depends on its values; write it without such branches."
        )
    return network.eval()


def _refused(what: str, error: Exception) -> InputError:
    reason = (str(error).strip() or type(error).__name__).splitlines()[0]
    return InputError(
        f"network: the module must {what}, but {type(error).__name__}: {reason}. Write its forward without "
        "branches on values, on one tensor."
    )
