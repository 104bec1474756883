"""Tensors of several shapes made one: elements repeated along the axes where a tensor has only one."""

from dataclasses import replace
from math import prod

from ...errors import GraphError
from ..ir.graph import Value
from ..ir.ops import Reshape, Upsample
from .tensors import Tensor, transpose


def broadcast(tensors: list[Tensor]) -> list[Tensor]:
    """The tensors in the shape that they broadcast to.

    Raises:
        GraphError: they differ in axes, or along an axis where both have several elements.
    """
    shapes = [t.shape for t in tensors]
    longest = [max(column) for column in zip(*shapes, strict=False)]
    fits = all(len(s) == len(longest) == tensors[0].rank for s in shapes) and all(
        d in (1, n) for s in shapes for d, n in zip(s, longest, strict=True)
    )
    if not fits:
        raise GraphError(
            "computed operands must have one shape, or 1 where they differ, not "
            f"{' and '.join(map(str, shapes))} a frame"
        )
    return [replace(t, value=spread(t.value, tuple(longest))) for t in tensors]


def spread(value: Value, shape: tuple[int, ...]) -> Value:
    """The value repeated to ``shape``; frames of three axes are (C, H, W), and repeated as (H, W, C)."""
    if value.type.shape == shape:
        return value
    if len(shape) != 3:
        return _repeated(value, shape)
    return transpose(_image(transpose(value, (1, 2, 0)), (*shape[1:], shape[0])), (2, 0, 1))


def _image(image: Value, shape: tuple[int, ...]) -> Value:
    """(H, W, C): pixels are repeated where they are, channels as pixels of a row."""
    height, width, channels = image.type.shape
    if channels != shape[2]:
        image = _repeated(image, (height, width, shape[2]))
    factors = (shape[0] // height, shape[1] // width)
    return image if factors == (1, 1) else Upsample(factors)(image)


def _repeated(value: Value, shape: tuple[int, ...]) -> Value:
    """Axis by axis, each as the width of an image."""
    for axis, (have, want) in enumerate(zip(value.type.shape, shape, strict=True)):
        if have == want:
            continue
        before = value.type.shape
        size = prod(before[:axis])
        image = Upsample((1, want))(Reshape((size, 1, value.type.size // size))(value))
        value = Reshape((*before[:axis], want, *before[axis + 1 :]))(image)
    return value
