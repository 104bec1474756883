"""ONNX operators that move values: reshapes, joins, padding; and what a node is given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from ...errors import InputError
from .build import Builder, Made
from .layers import enlarged, zero_pad
from .onnx_sizes import sizes_of


@dataclass(frozen=True, eq=False)
class Given:
    """A node's operands and attributes.

    Attributes:
        single: whether nobody else reads its computed operands.
    """

    name: str
    operands: list
    attributes: dict
    opset: int
    single: bool

    def source(self, index: int = 0) -> Made:
        """An operand that must be computed."""
        if index >= len(self.operands) or not isinstance(self.operands[index], Made):
            raise InputError(f"operand {index} must be computed from the model's input")
        return self.operands[index]

    def optional(self, index: int) -> object:
        """An operand, or None where it is not given."""
        return self.operands[index] if index < len(self.operands) else None


def padded(builder: Builder, given: Given, source: Made, pads: tuple[int, ...]) -> Made:
    """Zeros around a frame; ``pads`` as ONNX has them."""
    half = len(pads) // 2
    sides = [side for axis in reversed(range(half)) for side in (pads[axis], pads[half + axis])]
    return builder.layer(f"{given.name}_pad", zero_pad(tuple(sides)), source)


def _depth_to_space(builder: Builder, given: Given) -> Made:
    if given.attributes.get("mode", "DCR") != "CRD":
        raise InputError("its mode must be CRD")
    return builder.layer(given.name, nn.PixelShuffle(given.attributes["blocksize"]), given.source())


def _resize(builder: Builder, given: Given) -> Made:
    a, scales, sizes = given.attributes, given.optional(2), given.optional(3)
    if a.get("mode", "nearest") != "nearest" or a.get("coordinate_transformation_mode", "") != "asymmetric":
        raise InputError("it must take nearest neighbours, with asymmetric coordinates")
    source = given.source()
    shape = source.example.shape
    if scales is not None and scales.numel():
        factors = [float(f) for f in scales.reshape(-1)]
    else:
        numbers = sizes_of(sizes).numbers
        factors = [1.0, 1.0, *(n / s for n, s in zip(numbers[2:], shape[2:], strict=True))]
    if len(factors) != 4 or factors[:2] != [1.0, 1.0] or a.get("nearest_mode", "") != "floor":
        raise InputError("it must enlarge height and width alone, with nearest_mode floor")
    return builder.layer(given.name, enlarged(tuple(factors[2:])), source)


def _concat(builder: Builder, given: Given) -> Made:
    sources = tuple(given.source(i) for i in range(len(given.operands)))
    return builder.call(torch.cat, sources, given.attributes["axis"])


def _flatten(builder: Builder, given: Given) -> Made:
    if given.attributes.get("axis", 1) != 1:
        raise InputError("axis must be 1")
    return builder.reshape(given.source(), (-1,))


def _reshape(builder: Builder, given: Given) -> Made:
    source, wanted = given.source(), sizes_of(given.operands[1]).numbers
    shape = [source.example.shape[i] if n == 0 and i else n for i, n in enumerate(wanted)]
    # A fixed first size is the batch that the model was exported with.
    if len(shape) < 2 or None in shape[1:] or (shape[0] == -1 and -1 in shape[1:]):
        raise InputError("it must keep the batch as its first axis")
    return builder.reshape(source, tuple(shape[1:]))


def _axes(given: Given) -> list[int]:
    axes = given.attributes.get("axes")
    return list(axes if axes is not None else sizes_of(given.optional(1)).numbers)


def _squeeze(builder: Builder, given: Given) -> Made:
    source = given.source()
    shape = source.example.shape
    gone = {a % len(shape) for a in _axes(given)}
    return builder.reshape(source, tuple(s for a, s in enumerate(shape) if a and a not in gone))


def _unsqueeze(builder: Builder, given: Given) -> Made:
    source = given.source()
    shape, rank = list(source.example.shape), source.example.dim() + len(_axes(given))
    for axis in sorted(a % rank for a in _axes(given)):
        shape.insert(axis, 1)
    return builder.reshape(source, tuple(shape[1:]))


def _pad(builder: Builder, given: Given) -> Made:
    source, value = given.source(), given.optional(2)
    pads = given.attributes.get("pads")
    pads = tuple(pads if pads is not None else sizes_of(given.optional(1)).numbers)
    value = given.attributes.get("value", 0.0) if value is None else value.item()
    half = len(pads) // 2
    if given.attributes.get("mode", "constant") != "constant" or value != 0 or given.optional(3) is not None:
        raise InputError("padding must be with zeros, of all axes")
    if len(pads) != 2 * source.example.dim() or any(pads[i] for i in (0, 1, half, half + 1)):
        raise InputError("neither batch nor channels may be padded")
    return padded(builder, given, source, pads[2:half] + pads[half + 2 :])


def _transpose(builder: Builder, given: Given) -> Made:
    source = given.source()
    perm = given.attributes.get("perm", tuple(reversed(range(source.example.dim()))))
    return builder.call(torch.permute, source, tuple(perm))


def _same(builder: Builder, given: Given) -> object:
    return given.operands[0]


MOVES: dict[str, Callable[[Builder, Given], object]] = {
    "Concat": _concat, "Flatten": _flatten, "Reshape": _reshape, "Squeeze": _squeeze,
    "Unsqueeze": _unsqueeze, "Pad": _pad, "Transpose": _transpose, "DepthToSpace": _depth_to_space,
    "Resize": _resize, "Dropout": _same, "Identity": _same,
}  # fmt: skip
