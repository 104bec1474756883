"""Where floats end: how a model's float input becomes integers, and its integers floats again."""

from dataclasses import dataclass

import numpy as np

from ...errors import GraphError, InputError
from .types import Int, TensorType

_MAX_ZERO_POINT = 2**31 - 1


@dataclass(frozen=True, eq=False)
class InputEncoding:
    """Float tensor of the source model -> integer input of the graph.

    ``q = lo + step * #{i : x >= thresholds[c, i]}``, then the axes are permuted. Thresholds are the
    float32 values at which the source's own quantizer steps, so its rounding is kept exactly.
    Integers are taken as ``q + zero_point``, the source's own code of the graph's ``q``.

    Attributes:
        source_shape: the source's tensor, without the batch axis.
        perm: axes of the source in the graph's order, e.g. (1, 2, 0) from (C, H, W) to (H, W, C).
        thresholds: float32 (1, N) or (C, N), C along the source's axis 0, ascending rows;
            None where the source takes integers.
        scale: float value of one integer step, where the source has one; for reports only.
        zero_point: the source's integer for the graph's 0.
    """

    source_shape: tuple[int, ...]
    perm: tuple[int, ...]
    thresholds: np.ndarray | None = None
    scale: float | None = None
    zero_point: int = 0

    def check(self, type_: TensorType) -> None:
        """Raise GraphError unless this encoding gives exactly ``type_``."""
        _check_perm("input encoding", self.perm, len(self.source_shape))
        _check_zero_point("input encoding", self.zero_point)
        shape = tuple(self.source_shape[a] for a in self.perm)
        if shape != type_.shape:
            raise GraphError(f"input encoding: gives shape {shape}, the graph takes {type_.shape}")
        t = self.thresholds
        if t is None:
            return
        channels, count = (*self.source_shape, 1)[0], type_.dtype.levels - 1
        if t.ndim != 2 or t.shape[0] not in (1, channels) or t.shape[1] != count:
            raise GraphError(
                f"input encoding: {type_.dtype} needs thresholds of shape "
                f"(1 or {channels}, {count}), not {t.shape}"
            )
        if np.isnan(t).any() or (t[:, 1:] < t[:, :-1]).any():
            raise GraphError("input encoding: thresholds must ascend and not be NaN")

    def apply(self, x: np.ndarray, type_: TensorType) -> np.ndarray:
        """Floats, or integers already quantized, of shape (N, *source_shape) to int64 (N, *type_.shape).

        Raises:
            InputError: wrong shape, NaN, or integers outside the type.
        """
        x = np.asarray(x)
        if x.shape[1:] != self.source_shape:
            raise InputError(f"input: frames must have shape {self.source_shape}, not {x.shape[1:]}")
        if x.dtype.kind in "iub":
            q = x.astype(np.int64) - self.zero_point
            if not type_.dtype.contains(q):
                raise InputError(
                    f"input: integers must lie in {self.codes(type_)}, not {x.min()}..{x.max()}. "
                    "Give floats to have them quantized."
                )
        elif x.dtype.kind != "f":
            raise InputError(f"input: elements must be floats or integers, not {x.dtype}")
        elif self.thresholds is None:
            raise InputError(f"input: this model takes integers in {self.codes(type_)}, not {x.dtype}")
        else:
            q = self._quantize(x, type_)
        return np.ascontiguousarray(q.transpose((0, *(a + 1 for a in self.perm))))

    def codes(self, type_: TensorType) -> Int:
        """The integers that ``apply`` takes: the source's own codes of the graph's ``type_``."""
        d = type_.dtype
        return Int(d.lo + self.zero_point, d.hi + self.zero_point, d.step)

    def _quantize(self, x: np.ndarray, type_: TensorType) -> np.ndarray:
        if np.isnan(x).any():
            raise InputError("input: elements must not be NaN")
        x = x.astype(np.float32)
        if len(self.thresholds) == 1:
            count = np.searchsorted(self.thresholds[0], x, side="right")
        else:
            count = np.empty(x.shape, dtype=np.int64)
            for c, row in enumerate(self.thresholds):
                count[:, c] = np.searchsorted(row, x[:, c], side="right")
        return type_.dtype.lo + type_.dtype.step * count.astype(np.int64)


@dataclass(frozen=True, eq=False)
class OutputDecoding:
    """Integer output of the graph -> float tensor of the source: ``y = scale * q + offset``.

    Attributes:
        source_shape: the source's tensor, without the batch axis.
        perm: axes of the graph's tensor in the source's order.
        scale, offset: float64, (1,) or one per element of the source's axis 0.
        zero_point: the source's integer for the graph's 0; no part of the floats.
    """

    source_shape: tuple[int, ...]
    perm: tuple[int, ...]
    scale: np.ndarray
    offset: np.ndarray
    zero_point: int = 0

    def check(self, type_: TensorType) -> None:
        """Raise GraphError unless ``type_`` decodes to this source shape."""
        _check_perm("output decoding", self.perm, len(type_.shape))
        _check_zero_point("output decoding", self.zero_point)
        shape = tuple(type_.shape[a] for a in self.perm)
        if shape != self.source_shape:
            raise GraphError(f"output decoding: gives shape {shape}, not {self.source_shape}")
        for label, v in (("scale", self.scale), ("offset", self.offset)):
            if v.size != 1 and v.shape != self.source_shape[:1]:
                raise GraphError(
                    f"output decoding: {label} must have 1 or {(*self.source_shape, 1)[0]} "
                    f"elements, not {v.shape}"
                )
            if not np.isfinite(v).all():
                raise GraphError(f"output decoding: {label} must be finite")

    def integers(self, q: np.ndarray) -> np.ndarray:
        """Graph outputs (N, *type.shape) as the source's own codes in its axis order, int64."""
        return self._ordered(q) + self.zero_point

    def _ordered(self, q: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(q.transpose((0, *(a + 1 for a in self.perm))))

    def apply(self, q: np.ndarray) -> np.ndarray:
        """Graph outputs (N, *type.shape) to float64 (N, *source_shape)."""
        y = self._ordered(q)
        along = (1, -1) + (1,) * (len(self.source_shape) - 1)
        scale, offset = (v.reshape(along) if v.size > 1 else v.reshape(()) for v in (self.scale, self.offset))
        return y * scale + offset


def _check_perm(where: str, perm: tuple[int, ...], axes: int) -> None:
    if sorted(perm) != list(range(axes)):
        raise GraphError(f"{where}: perm must order the {axes} axes, not {perm}")


def _check_zero_point(where: str, zero_point: int) -> None:
    if not -_MAX_ZERO_POINT <= zero_point <= _MAX_ZERO_POINT:
        raise GraphError(f"{where}: the zero point must fit 32 bits, not {zero_point}")


def plain_input(shape: tuple[int, ...]) -> InputEncoding:
    """The encoding of an input that already holds integers in the graph's own layout."""
    return InputEncoding(tuple(shape), tuple(range(len(shape))))


def plain_output(shape: tuple[int, ...]) -> OutputDecoding:
    """The decoding that leaves integers as they are."""
    return OutputDecoding(tuple(shape), tuple(range(len(shape))), np.ones(1), np.zeros(1))
