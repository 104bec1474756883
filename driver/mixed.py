"""Mixed precision for a board: what each layer's hardware costs, and bits chosen within a budget of it."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ..boards import load as load_board
from ..boards.schema import Board
from ..compiler.frontends import from_brevitas
from ..compiler.ir.ops.linear import Conv2d, MatMul
from ..compiler.passes.pipeline import run as run_passes
from ..errors import BoardError, InputError
from ..hw.folding import fold
from ..hw.layers import layers
from ..hw.resources import Resources
from ..quant.methods import method
from ..quant.mixed import WIDTHS, Allocation, Search
from ..quant.mixed_search import Once
from ..quant.request import Request
from .fitting import KINDS

if TYPE_CHECKING:
    import torch
    from torch import fx, nn

# Room for any width: what does not fit the board is for the budget to say.
_ROOM = 10**7
# Frames that errors are measured on.
_MEASURED = 256
# Frames whose classes are compared.
_DECIDED = 1024


@dataclass(frozen=True)
class Budget:
    """What the accelerator may take, and how fast it must be.

    Attributes:
        board: whose family the estimates are of.
        interval: clocks a frame may take.
        limits: the most of "lut", "ff", "bram" or "dsp".
        multipliers: where products are made, as of compile.
    """

    board: Board | str
    interval: int
    limits: Mapping[str, float]
    multipliers: str | None = "lut"


def mixed_precision(
    network: fx.GraphModule,
    request: Request,
    budget: Budget,
    name: str = "mse",
    widths: tuple[int, ...] = WIDTHS,
    say: Callable[[str], None] = lambda text: None,
) -> Allocation:
    """The bits of each layer for the least error of the outputs, of designs that keep the budget.

    Args:
        network: in the form of ``gatewright.quant.network``.
        request: its first 256 images are what errors are measured on. With labels the network tells classes,
            and those of 1,024 images have a say in the last choice.
        name: of the method that is to have the bits; for one that learns, which takes minutes a network,
            ``mse`` is what trials are made by.
    Raises:
        BoardError: the board has no FPGA.
        InputError: an unknown resource, or a method that has one width for all layers.
        FitError: no choice of bits keeps the budget, or no folding the interval.
    """
    return search(network, request, budget, name, widths, say).within(budget.limits)


def search(
    network: fx.GraphModule,
    request: Request,
    budget: Budget,
    name: str = "mse",
    widths: tuple[int, ...] = WIDTHS,
    say: Callable[[str], None] = lambda text: None,
    once: Once = lambda name, measure: measure(),
) -> Search:
    """As ``mixed_precision``, for any number of limits: ``search(...).within({"lut": 9000})``.

    Args:
        once: as of ``Search``.
    """
    board = budget.board if isinstance(budget.board, Board) else load_board(budget.board)
    if board.part is None:
        raise BoardError(f"quantize: a budget needs a board with an FPGA, and {board.name} has none.")
    unknown = [kind for kind in budget.limits if kind not in KINDS]
    if unknown or not budget.limits:
        raise InputError(
            f"quantize: a budget must be of {', '.join(KINDS)}, not {unknown[0]!r}."
            if unknown
            else "quantize: a budget must limit something. Give lut, say."
        )
    way = method(name)
    if not way.layer_bits:
        raise InputError(f"quantize: method {name} must have one width for all layers. Use mse.")
    quantized = (method("mse") if way.learns else way).load()
    part = replace(request, images=request.images[:_MEASURED], labels=None)
    # As in the unit-wise methods, labels say that there are classes.
    decided = None if request.labels is None else request.images[:_DECIDED]
    price = pricing(replace(budget, board=board), part.images[:1])
    return Search(network, part, quantized, price, widths, say, decided, once)


def pricing(budget: Budget, example: torch.Tensor) -> Callable[[nn.Module], list[dict[str, float]]]:
    """A function that says what each weighted layer of a quantized network costs in its design.

    With a layer come its border, window and converters, and all that follows it up to the next one; what
    comes before the first is the last entry.
    """
    room = dict.fromkeys(KINDS, _ROOM)
    board = replace(budget.board, part=replace(budget.board.part, **room))
    family = board.part.family

    def price(module: nn.Module) -> list[dict[str, float]]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            graph = run_passes(from_brevitas(module, example))
        chain = layers(graph)
        design = fold(graph.name, chain, board, budget.interval, multipliers=budget.multipliers)
        order = {layer.name: i for i, layer in enumerate(chain)}
        weighted = [i for i, layer in enumerate(chain) if isinstance(layer.node.op, Conv2d | MatMul)]
        parts = [dict.fromkeys(KINDS, 0.0) for _ in (*weighted, None)]
        for instance in design.instances:
            at = max((i for name, i in order.items() if instance.name.startswith(f"{name}_")), default=-1)
            owner = sum(i <= at for i in weighted) - 1
            _add(parts[owner], instance.resources(family))
        # Memories that two units share are nobody's.
        whole = design.resources(family)
        for kind in KINDS:
            parts[-1][kind] += getattr(whole, kind) - sum(part[kind] for part in parts)
        return parts

    return price


def _add(part: dict[str, float], more: Resources) -> None:
    for kind in KINDS:
        part[kind] += getattr(more, kind)
