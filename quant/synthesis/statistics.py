"""What a float network's batch norms see of a batch, and the features in front of its classifier."""

from __future__ import annotations

import copy
from types import TracebackType

import torch
from torch import Tensor, fx, nn

from ...errors import InputError

_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)
_CLASSIFIERS = (nn.Linear, nn.Conv2d)

# Mean and variance of each channel, (C,) both, for each batch norm.
Moments = list[tuple[Tensor, Tensor]]


class Observed:
    """A frozen copy of a network whose batch norms are watched while it runs; a context manager.

    Attributes:
        network: the copy, in evaluation mode, its parameters without gradients.
        remembered: the moments of the training data.
        moments: of the inputs of the last forward, biased variances.
        features: of the last forward: what the last layer with weights takes, (N, F).
    """

    def __init__(self, network: fx.GraphModule):
        self.network = copy.deepcopy(network).eval().requires_grad_(False)
        self.norms = [m for m in self.network.modules() if isinstance(m, _NORMS)]
        self.norms = [m for m in self.norms if m.running_mean is not None]
        if not self.norms:
            raise InputError(
                "synthesis: the network must have batch norms, whose statistics images are made from, but "
                "has none. Give it unfolded, as a torch program (.pt2)."
            )
        self.remembered: Moments = [(m.running_mean, m.running_var) for m in self.norms]
        self.moments: Moments = []
        self.features = torch.empty(0)
        self._hooks: list = []

    def __enter__(self) -> Observed:
        layers = [m for m in self.network.modules() if isinstance(m, _CLASSIFIERS)]
        self._hooks = [m.register_forward_pre_hook(self._keep_moments) for m in self.norms]
        self._hooks.append(layers[-1].register_forward_pre_hook(self._keep_features))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for hook in self._hooks:
            hook.remove()

    def __call__(self, images: Tensor) -> Tensor:
        """Logits (N, classes)."""
        self.moments.clear()
        return self.network(images)

    def _keep_moments(self, _module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        x = inputs[0]
        axes = [a for a in range(x.dim()) if a != 1]
        self.moments.append((x.mean(axes), x.var(axes, correction=0)))

    def _keep_features(self, _module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        self.features = inputs[0].flatten(1)
