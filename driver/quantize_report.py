"""What quantization did to a network: accuracy before and after, noise by layer, what each layer costs."""

from __future__ import annotations

import importlib.metadata
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import fx, nn

from ..compiler.ir.graph import Graph
from ..quant.methods import Method
from ..quant.ptq.build import Weights, float_layer, plain_weights
from ..quant.ptq.noise import alone, decibels, layer_sqnr
from ..quant.ptq.observe import CHUNK, calibrated
from ..quant.ptq.plan import Plan, plan
from ..quant.ptq.prepare import layer_nodes, prepare
from ..quant.request import Request
from .describe import model as model_facts
from .describe import output as output_facts

if TYPE_CHECKING:
    from .quantize import Frames

SCHEMA = "gatewright-quantize/1"
# Frames that noise is measured on.
_FRAMES = 256
# Ranges of the trial that tells what a layer costs, whatever the method.
_TRIAL = "mse"
_FEWEST_BITS = 2
_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)


def describe(
    graph: Graph,
    network: fx.GraphModule,
    module: nn.Module,
    request: Request,
    tested: Frames,
    outputs: np.ndarray,
    way: Method,
    origin: dict,
) -> dict:
    """The report but for ``tested_on`` and ``seconds``.

    Args:
        network: the float network.
        outputs: the integer graph's floats for the tested frames.
        origin: name, file and SHA-256 of the model.
    """
    floats = _forward(network, tested.images)
    facts = model_facts(graph)
    return {
        "schema": SCHEMA,
        "gatewright": importlib.metadata.version("gatewright"),
        "model": {**origin, "shape": facts["input"]["shape"], "macs": facts["macs"],
                  "parameters": facts["parameters"]},
        "method": {"name": way.name, "title": way.title, "paper": way.paper, "trains": way.trains},
        "options": list(request.options),
        "bits": {"weights": request.bits_w, "activations": request.bits_a,
                 "first_last": request.first_last_bits},
        "seed": request.seed,
        "epochs": request.epochs,
        "frames": {"given": len(request.images), "tested": len(tested.images)},
        "accuracy": _accuracies(floats, outputs, tested),
        "sqnr_db": round(_noise(floats, outputs), 2),
        "equal_frames": len(tested.images),
        "layers": _layers(network, module, request),
        "graph": {"nodes": len(graph.nodes()), "input": facts["input"], "output": output_facts(graph)},
    }  # fmt: skip


def _forward(network: nn.Module, images: torch.Tensor) -> np.ndarray:
    with torch.no_grad():
        return np.concatenate([network(chunk).double().numpy() for chunk in images.split(CHUNK)])


def _noise(wanted: np.ndarray, given: np.ndarray) -> float:
    return decibels(float((wanted**2).sum()), float(((given - wanted) ** 2).sum()))


def _accuracies(floats: np.ndarray, outputs: np.ndarray, tested: Frames) -> dict | None:
    """Shares of frames whose greatest output is the label, of the float network and of the integers."""
    if tested.labels is None:
        return None
    labels = tested.labels.numpy()

    def share(values: np.ndarray) -> float:
        return round(float((values.reshape(len(values), -1).argmax(1) == labels).mean()), 6)

    return {"float": share(floats), "integer": share(outputs)}


def _layers(network: fx.GraphModule, module: nn.Module, request: Request) -> list[dict]:
    """Each layer's bits, size and noise.

    What a layer costs is measured by a trial of its own, the same for every method: the layer alone is
    quantized, by least squared error.
    """
    images = request.images[:_FRAMES]
    ready = prepare(network, images, "equalize" in request.options)
    bits = [max(b, _FEWEST_BITS) for b in (request.bits_w, request.bits_a, request.first_last_bits)]
    trial = plan(ready, *bits, request.layer_bits)
    steps, weights = calibrated(trial, images, _TRIAL), plain_weights(trial, _TRIAL)
    costs = alone(trial, steps, weights, images)
    through = layer_sqnr(ready, module, _pairs(network, module), images)
    return [_layer(trial, name, weights[name], costs[name], through.get(name)) for name in trial.layers]


def _pairs(network: fx.GraphModule, module: nn.Module) -> dict[str, tuple[str, str]]:
    """For each layer its node in the prepared network, and the node of the quantized one: that of the batch
    norm behind it, where the method has kept it."""
    theirs = {n.name for n in module.graph.nodes} if isinstance(module, fx.GraphModule) else set()
    pairs = {}
    for node in layer_nodes(network):
        users, end = list(node.users), node.name
        if len(users) == 1 and users[0].op == "call_module" and users[0].name in theirs:
            behind = network.get_submodule(users[0].target)
            end = users[0].name if isinstance(behind, _NORMS) else end
        pairs[node.name] = (node.name, end)
    return pairs


def _layer(trial: Plan, name: str, weights: Weights, cost: float, through: float | None) -> dict:
    planned, layer = trial.layers[name], float_layer(trial, name)
    return {
        "name": name,
        "kind": type(layer).__name__,
        "weights": weights.values.numel(),
        "weight_bits": planned.bits,
        "input_bits": trial.sites[planned.site].bits,
        "sqnr_db": None if through is None else round(through, 2),
        "alone_db": round(cost, 2),
    }
