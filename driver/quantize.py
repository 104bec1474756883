"""Float networks quantized: the method, the proof that the integer graph is the module's, and a report."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..compiler.frontends import from_brevitas
from ..compiler.ir.evaluate import evaluate
from ..compiler.ir.graph import Graph
from ..compiler.ir.io import save
from ..errors import GraphError, InputError
from ..quant.methods import Method, method
from ..quant.request import Request
from .data import output_decoding
from .quantize_files import check_classes, check_images, load_teacher, source_network
from .quantize_report import describe

if TYPE_CHECKING:
    import torch
    from torch import fx, nn

_CHUNK = 64
# A module's floats may differ from the graph's in their last bits alone: in a share of a step, and in what
# float32 rounds off scaled integers and what is added to them.
_TOLERANCE, _ROUNDING = 1e-3, 1e-6


@dataclass(frozen=True, eq=False)
class Quantized:
    """A quantized network.

    Attributes:
        graph: the integers, as compile takes them.
        module: the torch module that computes the same, in evaluation mode.
        report: plain data, as docs/quantize-report.md lists it.
    """

    graph: Graph
    module: nn.Module
    report: dict

    def save(self, path: Path | str) -> None:
        """Write the integer graph as ``.onnx``, for compile and all other commands."""
        save(self.graph, path)


@dataclass(frozen=True, eq=False)
class Frames:
    """Images and their labels, where there are any.

    Attributes:
        images: float32 (N, ...).
        labels: int64 (N,), or None.
    """

    images: torch.Tensor
    labels: torch.Tensor | None = None


def quantize(
    model: Path | str | nn.Module,
    method: str,
    bits: tuple[int, int],
    images: torch.Tensor | np.ndarray,
    labels: torch.Tensor | np.ndarray | None = None,
    *,
    test: tuple | None = None,
    name: str | None = None,
    say: Callable[[str], None] | None = None,
    **more,
) -> Quantized:
    """A float network in integers, proved to compute what its quantized module does on all frames.

    Args:
        model: a ``.pt2`` or float ``.onnx`` file, or a torch module of one input and one output.
        method: a name of ``gatewright.quant.methods.METHODS`` (docs/quantize.md).
        bits: of weights and activations.
        images: float32 (N, ...), for calibration or training.
        labels: class numbers (N,).
        test: (images, labels or None) that accuracy is measured on; None: on the images themselves.
        name: of the graph; by default the file's.
        say: is told each step.
        more: teacher (a module or a file), epochs, seed, checkpoint, options, layer_bits and console of
            ``gatewright.quant.request.Request``; or, instead of layer_bits, budget: a
            ``gatewright.driver.mixed.Budget`` that the bits of layers are chosen within.
    Raises:
        InputError: files, arrays, bits or options that cannot be used.
        GraphError: a network that cannot become integers, or that does not equal them.
        FitError: no choice of bits keeps the budget, or no folding its interval.
    """
    say, start = say or (lambda text: None), time.monotonic()
    given = Frames(*check_images(images, labels, "images"))
    tested = Frames(*check_images(*test, "test images")) if test else given
    way = _way(method, bits, given, more)
    say("reading the network")
    network, origin = source_network(model, given.images)
    check_classes(network, given, tested)
    request = _request(network, way, bits, given, more, say)
    return _finished(way, network, request, tested, origin | {"name": name or origin["name"]}, start, say)


def _request(network: fx.GraphModule, way: Method, bits: tuple[int, int], given: Frames, more: Mapping,
             say: Callable[[str], None]) -> Request:  # fmt: skip
    """What the method is asked for; where there is a budget, with the bits that are chosen within it."""
    asked = {name: value for name, value in more.items() if name != "budget"}
    asked["teacher"] = load_teacher(more.get("teacher"), given.images)
    request, budget = Request(*bits, given.images, given.labels, **asked), more.get("budget")
    if budget is None:
        return request
    if request.layer_bits:
        raise InputError("quantize: bits of layers must be given or come from a budget, not both.")
    from .mixed import mixed_precision

    best = mixed_precision(network, request, budget, way.name, say=say).best
    say("chosen within the budget: " + ", ".join(f"{best.cost[k]:.0f} {k.upper()}" for k in budget.limits))
    return replace(request, layer_bits=best.layer_bits)


def _finished(way: Method, network: fx.GraphModule, request: Request, tested: Frames, origin: dict,
              start: float, say: Callable[[str], None]) -> Quantized:  # fmt: skip
    """Quantized, proved and measured."""
    say(f"quantizing by {way.name}, {request.bits_w} bits of weights and {request.bits_a} of activations")
    graph, module = _made(way, network, request, origin["name"])
    say(f"comparing integers with the module on {len(tested.images)} frames")
    outputs = proved(graph, module, tested.images)
    say("measuring what each layer costs")
    content = describe(graph, network, module, request, tested, outputs, way, origin)
    content["tested_on"] = "data" if tested.images is request.images else "test"
    content["seconds"] = round(time.monotonic() - start, 2)
    return Quantized(graph, module, content)


def _way(name: str, bits: tuple[int, int], given: Frames, more: Mapping) -> Method:
    """The method, where it takes these bits, options and data."""
    way = method(name)
    way.check(*bits)
    unknown = [o for o in more.get("options", ()) if o not in way.options]
    if unknown:
        taken = ", ".join(way.options) or "none"
        raise InputError(f"quantize: options of method {name} must be among {taken}, not {unknown[0]!r}.")
    if way.needs_labels and given.labels is None:
        raise InputError(f"quantize: method {name} must have labels. Put an array 'labels' into the data.")
    if more.get("layer_bits") and not way.layer_bits:
        raise InputError(f"quantize: method {name} must have one width for all layers. Use mse.")
    iterates = way.trains or way.learns
    for what, taken in (("teacher", way.trains), ("epochs", iterates), ("checkpoint", iterates)):
        if more.get(what) is not None and not taken:
            raise InputError(f"quantize: method {name} must be given no {what}, as it has no use for it.")
    return way


def _made(way: Method, network: fx.GraphModule, request: Request, name: str) -> tuple[Graph, nn.Module]:
    """The graph and the module; what Brevitas and torch warn of is not the user's to mend."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module = way.load()(network, request)
        return from_brevitas(module, request.images[:1], name), module


def proved(graph: Graph, module: nn.Module, images: torch.Tensor) -> np.ndarray:
    """The graph's outputs as floats, (N, ...) in the module's shape.

    Raises:
        GraphError: an integer differs from the module's output.
    """
    import torch

    encoding, decoding, found, wrong = graph.encodings[0], output_decoding(graph), [], 0
    along = (1, -1) + (1,) * (len(decoding.source_shape) - 1)
    with torch.no_grad():
        for chunk in images.split(_CHUNK):
            (integers,) = evaluate(graph, encoding.apply(chunk.numpy(), graph.inputs[0].type))
            floats = decoding.apply(integers)
            theirs = module(chunk)
            theirs = getattr(theirs, "value", theirs).double().numpy()
            step, offset = (v.reshape(along) for v in (decoding.scale, decoding.offset))
            terms = np.abs(floats - offset) + np.abs(offset)
            differs = np.abs(theirs - floats) > np.abs(step) * _TOLERANCE + terms * _ROUNDING
            wrong += int(differs.reshape(len(chunk), -1).any(1).sum())
            found.append(floats)
    if wrong:
        raise GraphError(
            f"quantize: the integer graph must equal the quantized module, but differs on {wrong} of "
            f"{len(images)} frames. This is a defect of the method: please report it."
        )
    return np.concatenate(found)
