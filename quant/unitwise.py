"""Post-training quantization unit by unit, with learned rounding: layers, blocks, or windows of neighbours.

The engine is BRECQ's (Li et al., ICLR 2021) with AdaRound's rectified sigmoid (Nagel et al., ICML 2020); the
windows follow UWC (Lin et al., BMVC 2021, arXiv 2201.06376).

Why units. Let a unit of layers 1..n with weights w_1..w_n give z, and let quantization move the weights by
d_1..d_n. Around a trained network's minimum the loss grows by ``1/2 dz' H dz``, H its second derivative by z,
and to first order ``dz = sum_i J_i d_i``, J_i the derivative of z by w_i. So the loss grows by

    1/2 sum_i d_i' J_i' H J_i d_i  +  sum_(i < j) d_i' J_i' H J_j d_j.

Rounding layer by layer minimizes the first sum alone. The second, the cross terms, can be negative: a later
layer's roundings make up for an earlier one's. The error at the unit's output, ``1/2 dz' H dz`` with the true
dz, holds all these terms and those of higher order besides, as well as what quantized inputs and activations
inside the unit add to dz; it is what is minimized here, with the diagonal of H (see ``importance_of``).

Of UWC only abstract and summaries could be read: that several adjacent layers form a Basic-Unit, and that the
expansion above is why. Ours are the windows (each layer with its next, in the graph's order; when a window is
done its first layer is fixed, and the next layer joins), quantized activations within the unit while its
roundings are learned, and steps and roundings learned together.
"""

from __future__ import annotations

from contextlib import contextmanager

from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from torch import fx, nn

from .ptq.bias import correct_biases
from .ptq.observe import calibrated
from .ptq.plan import Plan, plan
from .ptq.prepare import prepare
from .request import Request
from .unit_graph import Unit, block_units, layer_units
from .unit_learning import Learning, exported, learnable
from .unit_training import Settings

# Iterations of a unit. The paper's 20,000 are for a GPU; a request's epochs give as many as its images have
# batches instead.
ITERATIONS = 1000
# Layers of a window, with the option "triples" and without, and of a straight run between residual blocks.
_WINDOWS = {True: 3, False: 2}
_RUN = 2


def layerwise(network: fx.GraphModule, request: Request) -> nn.Module:
    """Learned roundings, then learned steps, each layer with what follows it by itself (AdaRound)."""
    return _in_turn(network, request, "layerwise", layer_units)


def brecq(network: fx.GraphModule, request: Request) -> nn.Module:
    """Learned roundings, then learned steps, each residual block or pair of layers at once (BRECQ)."""
    return _in_turn(network, request, "brecq", lambda n: block_units(n, _RUN))


def unitwise(network: fx.GraphModule, request: Request) -> nn.Module:
    """Roundings and steps learned together, each layer with its next, against quantized activations (UWC)."""
    planned, learned = _prepared(network, request)
    units, size = layer_units(learned), _WINDOWS["triples" in request.options]
    windows = max(len(units) - size + 1, 1)
    name = f"unitwise of {size}"
    with _learning(learned, request, name, windows, request.labels is not None) as learning:
        learning.windows(units, size)
    return _finished(planned, learned, request)


def _in_turn(network: fx.GraphModule, request: Request, name: str, cut) -> nn.Module:
    """Units of ``cut`` by BRECQ's two passes, whose released code weighs all output errors alike."""
    planned, learned = _prepared(network, request)
    units: list[Unit] = cut(learned)
    with _learning(learned, request, name, 2 * len(units), None) as learning:
        learning.roundings(units)
        learning.steps(units)
    return _finished(planned, learned, request)


def _prepared(network: fx.GraphModule, request: Request) -> tuple[Plan, fx.GraphModule]:
    ready = prepare(network, request.images, "equalize" in request.options)
    planned = plan(ready, request.bits_w, request.bits_a, request.first_last_bits, request.layer_bits)
    return planned, learnable(planned, calibrated(planned, request.images, "mse"))


@contextmanager
def _learning(learned: fx.GraphModule, request: Request, name: str, fits: int, classes: bool | None):
    """A ``Learning`` that shows its progress where the request says."""
    settings = Settings(ITERATIONS)
    if request.epochs is not None:
        settings = Settings(request.epochs * -(-len(request.images) // settings.batch))
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=request.console, disable=request.console is None) as progress:
        task = progress.add_task("units", total=fits)
        yield Learning(
            learned, request.images, settings, classes, request.seed, lambda: progress.advance(task),
            request.checkpoint, name,
        )  # fmt: skip


def _finished(planned: Plan, learned: fx.GraphModule, request: Request) -> nn.Module:
    quantized = exported(learned, planned)
    if "bias-correction" in request.options:
        correct_biases(planned, quantized, request.images)
    return quantized
