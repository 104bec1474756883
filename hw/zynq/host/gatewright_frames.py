"""Frames as the trained network has them to the accelerator's bytes and back, as accelerator.json says.

Written by gatewright with the accelerator; needs numpy only.
"""

import json
from pathlib import Path

import numpy as np

SCHEMA = "gatewright-zynq/1"


class AcceleratorError(Exception):
    """The accelerator, the bitstream or an array is not what it must be."""


def read_description(path):
    """accelerator.json.

    Raises:
        AcceleratorError: it is missing, damaged, or of another version.
    """
    try:
        data = json.loads(Path(path).read_text())
        if data["schema"] == SCHEMA:
            return data
        found = data["schema"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        found = error
    raise AcceleratorError(f"{path}: a file of schema {SCHEMA} is needed, not this: {found}") from None


class _Side:
    """How a tensor's codes lie in beats of whole bytes."""

    def __init__(self, side):
        self.side = side
        self.lo, self.hi, self.step = side["range"]
        self.frame_bytes = side["beats"] * side["beat_bytes"]
        self.source_shape = tuple(side["source_shape"])

    def pack(self, values):
        """Integers (N, *shape) to bytes: element 0 of a beat in its low bits, zeros above."""
        side = self.side
        codes = (values > 0) if side["bipolar"] else values & ((1 << side["bits"]) - 1)
        codes = codes.astype("<u8").reshape(-1, side["lanes"])
        if side["bits"] == 8 and side["beat_bytes"] == side["lanes"]:
            return codes.astype(np.uint8).reshape(-1)
        bits = np.unpackbits(codes.view(np.uint8).reshape(*codes.shape, 8), axis=-1, bitorder="little")
        bits = bits[..., : side["bits"]].reshape(len(codes), -1)
        whole = np.zeros((len(codes), 8 * side["beat_bytes"]), np.uint8)
        whole[:, : bits.shape[1]] = bits
        return np.packbits(whole, axis=-1, bitorder="little").reshape(-1)

    def unpack(self, data, count):
        """The inverse of ``pack``: int64 (count, *shape)."""
        side, bits = self.side, self.side["bits"]
        beats = np.unpackbits(data.reshape(-1, side["beat_bytes"]), axis=-1, bitorder="little")
        beats = beats[:, : side["lanes"] * bits].reshape(-1, bits)
        whole = np.zeros((len(beats), 64), np.uint8)
        whole[:, :bits] = beats
        codes = np.packbits(whole, axis=-1, bitorder="little").view("<u8").reshape(-1).astype(np.int64)
        if side["bipolar"]:
            codes = 2 * codes - 1
        elif side["signed"]:
            codes -= (codes >> (bits - 1)) << bits
        return codes.reshape(count, *side["shape"])


class Encoder(_Side):
    """The network's input to the accelerator's bytes, by the thresholds of the source's own quantizer."""

    def __init__(self, side):
        super().__init__(side)
        rows = side["thresholds"]
        self.thresholds = None
        if rows is not None:
            self.thresholds = [np.array([float.fromhex(t) for t in row], np.float32) for row in rows]

    def check(self, frames):
        """Raise AcceleratorError unless ``frames`` has a frame's shape behind its first axis."""
        if frames.shape[1:] != self.source_shape or frames.ndim < 1:
            raise AcceleratorError(f"frames: shape (N, *{self.source_shape}) is needed, not {frames.shape}")

    def encode(self, frames):
        """Frames (N, *source_shape) to bytes, uint8.

        Raises:
            AcceleratorError: another shape or kind, NaN, or integers outside of the input's codes.
        """
        frames = np.asarray(frames)
        self.check(frames)
        if frames.dtype.kind in "iub":
            q = frames.astype(np.int64) - self.side["zero_point"]
            if q.size and (q.min() < self.lo or q.max() > self.hi or np.any((q - self.lo) % self.step)):
                z = self.side["zero_point"]
                rule = f"{self.lo + z}..{self.hi + z} in steps of {self.step}"
                raise AcceleratorError(f"frames: integers must be {rule}, not {frames.min()}..{frames.max()}")
        elif frames.dtype.kind == "f" and self.thresholds is not None:
            q = self._quantize(frames)
        else:
            kinds = "integers" if self.thresholds is None else "floats or integers"
            raise AcceleratorError(f"frames: elements must be {kinds}, not {frames.dtype}")
        return self.pack(q.transpose((0, *(axis + 1 for axis in self.side["perm"]))))

    def _quantize(self, x):
        if np.isnan(x).any():
            raise AcceleratorError("frames: elements must not be NaN")
        x = x.astype(np.float32)
        if len(self.thresholds) == 1:
            count = np.searchsorted(self.thresholds[0], x, side="right")
        else:
            count = np.empty(x.shape, np.int64)
            for c, row in enumerate(self.thresholds):
                count[:, c] = np.searchsorted(row, x[:, c], side="right")
        return self.lo + self.step * count.astype(np.int64)


class Decoder(_Side):
    """The accelerator's bytes to the network's output."""

    def __init__(self, side):
        super().__init__(side)
        along = (1, -1) + (1,) * (len(self.source_shape) - 1)
        parts = [np.array([float.fromhex(v) for v in side[name]]) for name in ("scale", "offset")]
        self.scale, self.offset = (v.reshape(along) if v.size > 1 else v.reshape(()) for v in parts)

    def decode(self, data, count, integers=False):
        """Bytes of ``count`` frames to float64 (count, *source_shape), or to its own codes, int64."""
        q = self.unpack(data, count).transpose((0, *(axis + 1 for axis in self.side["perm"])))
        if integers:
            return np.ascontiguousarray(q) + self.side["zero_point"]
        return q * self.scale + self.offset
