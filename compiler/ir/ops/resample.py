"""Ops that trade pixels for channels, or repeat pixels."""

from dataclasses import dataclass
from typing import ClassVar

from ..graph import Value
from ..op import Op, require
from ..types import TensorType

# How DepthToSpace orders the channels it takes apart, in ONNX's terms.
DCR, CRD = 0, 1


@dataclass(frozen=True)
class Upsample(Op):
    """Nearest neighbour: ``y[i, j, c] = x[i // fh, j // fw, c]``.

    Operands:
        x: integers, shape ``(H, W, C)``.
    Attributes:
        factors: (vertical, horizontal).
    """

    factors: tuple[int, int]
    name: ClassVar[str] = "upsample"
    arity: ClassVar[tuple[int, int]] = (1, 1)

    def infer(self, x: Value) -> TensorType:
        h, w, c = _image("upsample", x)
        require(min(self.factors) >= 1, f"upsample: factors must be at least 1, not {self.factors}")
        return TensorType((h * self.factors[0], w * self.factors[1], c), x.type.dtype)

    def evaluate(self, x):
        return x.repeat(self.factors[0], axis=1).repeat(self.factors[1], axis=2)


@dataclass(frozen=True)
class DepthToSpace(Op):
    """Channels become blocks of pixels (pixel shuffle): ``y[i*B + u, j*B + v, c] = x[i, j, k]``.

    ``k = (u*B + v)*C/B^2 + c`` in mode 0 (DCR), ``k = c*B^2 + u*B + v`` in mode 1 (CRD, as PyTorch does).

    Operands:
        x: integers, shape ``(H, W, C)``; the result is ``(H*B, W*B, C/B^2)``.
    """

    block: int
    mode: int = DCR
    name: ClassVar[str] = "depth_to_space"
    arity: ClassVar[tuple[int, int]] = (1, 1)

    def infer(self, x: Value) -> TensorType:
        h, w, c = _image("depth_to_space", x)
        b = self.block
        require(self.mode in (DCR, CRD), f"depth_to_space: the mode must be 0 or 1, not {self.mode}")
        require(
            b >= 1 and c % b**2 == 0,
            f"depth_to_space: blocks must be at least 1x1 and divide the {c} channels, not {b}x{b}",
        )
        return TensorType((h * b, w * b, c // b**2), x.type.dtype)

    def evaluate(self, x):
        n, h, w, c = x.shape
        b = self.block
        if self.mode == DCR:
            y = x.reshape(n, h, w, b, b, c // b**2).transpose(0, 1, 3, 2, 4, 5)
        else:
            y = x.reshape(n, h, w, c // b**2, b, b).transpose(0, 1, 4, 2, 5, 3)
        return y.reshape(n, h * b, w * b, c // b**2)


@dataclass(frozen=True)
class SpaceToDepth(Op):
    """Blocks of pixels become channels: ``y[i, j, (u*B + v)*C + c] = x[i*B + u, j*B + v, c]``.

    Operands:
        x: integers, shape ``(H, W, C)``; the result is ``(H/B, W/B, C*B^2)``.
    """

    block: int
    name: ClassVar[str] = "space_to_depth"
    arity: ClassVar[tuple[int, int]] = (1, 1)

    def infer(self, x: Value) -> TensorType:
        h, w, c = _image("space_to_depth", x)
        b = self.block
        require(
            b >= 1 and h % b == w % b == 0,
            f"space_to_depth: blocks must be at least 1x1 and tile the {h}x{w} image, not {b}x{b}",
        )
        return TensorType((h // b, w // b, c * b**2), x.type.dtype)

    def evaluate(self, x):
        n, h, w, c = x.shape
        b = self.block
        y = x.reshape(n, h // b, b, w // b, b, c).transpose(0, 1, 3, 2, 4, 5)
        return y.reshape(n, h // b, w // b, c * b**2)


def _image(name: str, x: Value) -> tuple[int, int, int]:
    require(len(x.type.shape) == 3, f"{name}: x must be (H, W, C), not {x.type.shape}")
    return x.type.shape
