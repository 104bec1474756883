"""How types, arrays, attributes and boundaries read as text, in .gw files and in .onnx metadata."""

import base64
import binascii
import json
import re
import zlib
from dataclasses import fields
from math import prod
from typing import get_args, get_type_hints

import numpy as np

from ...errors import GraphError
from .boundary import InputEncoding, OutputDecoding
from .op import Op, require
from .types import Int, TensorType

# A file may declare any shape; nothing above these is worth trying to hold in memory.
MAX_ELEMENTS = 2**27
MAX_AXES = 16
MAX_SPATIAL = 2**20

_PLAIN_ELEMENTS = 64
# Level 9 takes eighteen times as long for narrow weights (over a minute for ResNet-18), for 12 % less text.
_ZLIB_LEVEL = 6
_INTEGER = r"-?\d{1,20}"
_INTEGERS = rf"\((?:{_INTEGER}(?:, {_INTEGER})*,?)?\)"
_RANGE = rf"\[({_INTEGER})\.\.({_INTEGER})(?: by ({_INTEGER}))?\]"
_TYPE = rf"(?:(bipolar)|{_RANGE})\[((?:\d{{1,20}}(?:, \d{{1,20}})*)?)\]"
_FLOAT = r"-?(?:inf|nan|\d+(?:\.\d+)?(?:e[+-]?\d{1,4})?)"
_STRING = r'"(?:[^"\\\x00-\x1f]|\\.)*"'
_DTYPES = {"f32": "<f4", "f64": "<f8"}


class Scanner:
    """Reads one line from left to right; every ``take`` also skips the spaces before it."""

    def __init__(self, line: str):
        self.line, self.position = line, 0

    def accept(self, pattern: str) -> re.Match | None:
        """The next piece if it matches, else None."""
        space = re.compile(" *").match(self.line, self.position).end()
        match = re.compile(pattern).match(self.line, space)
        if match:
            self.position = match.end()
        return match

    def take(self, pattern: str, what: str) -> re.Match:
        """The next piece, which must match; raises GraphError naming ``what`` was expected."""
        match = self.accept(pattern)
        if not match:
            rest = self.line[self.position :].strip()[:40]
            raise GraphError(f"must go on with {what}, not {json.dumps(rest)}")
        return match

    def end(self) -> None:
        """Raise GraphError unless the line is used up."""
        self.take("$", "the end of the line")

    def integers(self) -> tuple[int, ...]:
        """A tuple such as ``(1, 2)``."""
        return parse_integers(self.take(_INTEGERS, "a tuple of integers")[0])

    def string(self) -> str:
        """A JSON string."""
        text = self.take(_STRING, "a quoted name")[0]
        try:
            return json.loads(text)
        except ValueError:
            raise GraphError(f"must go on with a JSON string, not {text[:40]}") from None

    def type(self) -> TensorType:
        """A type such as ``[0..3][8, 8]`` or ``bipolar[5]``; raises GraphError above the size limits."""
        match = self.take(_TYPE, "a type such as [0..255][8, 8, 3]")
        bipolar, lo, hi, step, shape = match.groups()
        dtype = Int(-1, 1, 2) if bipolar else Int(int(lo), int(hi), int(step or 1))
        type_ = TensorType(tuple(int(d) for d in shape.split(", ") if d), dtype)
        check_size(type_)
        return type_

    def array(self, dtype: str, shape: tuple[int, ...]) -> np.ndarray:
        """Elements written by ``array_text``, of a little-endian numpy dtype."""
        count = prod(shape)
        if self.accept("zlib:"):
            packed = self.take(r"[A-Za-z0-9+/]*={0,2}", "base64 data")[0]
            return _unpack(packed, np.dtype(dtype), count).reshape(shape)
        one = _FLOAT if np.dtype(dtype).kind == "f" else _INTEGER
        text = self.take(rf"\[(?:{one}(?:, {one})*)?\]", "a list of numbers")[0][1:-1]
        parse = float if np.dtype(dtype).kind == "f" else int
        values = [parse(v) for v in text.split(", ")] if text else []
        require(len(values) == count, f"must list {count} elements for shape {shape}, not {len(values)}")
        if parse is int and any(not -(2**63) <= v < 2**63 for v in values):
            raise GraphError("must list integers of at most 64 bits")
        return np.array(values, dtype=dtype).reshape(shape)

    def floats(self) -> np.ndarray:
        """A float array with its own dtype and shape, as ``floats_text`` writes it."""
        dtype = _DTYPES[self.take("f32|f64", "f32 or f64")[0]]
        shape = self.integers()
        check_shape(shape, 0)  # an input of a single level has no thresholds
        return self.array(dtype, shape).astype(dtype[1:])


def parse_integers(text: str) -> tuple[int, ...]:
    """``"(1, 2)"`` to ``(1, 2)``."""
    return tuple(int(v) for v in re.findall(_INTEGER, text))


def check_shape(shape: tuple[int, ...], smallest: int = 1) -> None:
    """Raise GraphError for a shape that no real tensor of ours has."""
    require(len(shape) <= MAX_AXES, f"a tensor must have at most {MAX_AXES} axes, not {len(shape)}")
    require(all(d >= smallest for d in shape), f"every dimension must be at least {smallest}, not {shape}")
    require(prod(shape) <= MAX_ELEMENTS, f"a tensor must have at most {MAX_ELEMENTS} elements, not {shape}")


def check_size(type_: TensorType) -> None:
    """Raise GraphError for a tensor too large to be meant."""
    check_shape(type_.shape)


def array_text(values: np.ndarray, dtype: str) -> str:
    """Few elements as a flat list, more as zlib and base64 of their little-endian bytes; exact."""
    if values.size <= _PLAIN_ELEMENTS:
        return "[" + ", ".join(repr(v) for v in values.ravel().tolist()) + "]"
    packed = zlib.compress(np.ascontiguousarray(values, dtype=dtype).tobytes(), _ZLIB_LEVEL)
    return "zlib:" + base64.b64encode(packed).decode()


def floats_text(values: np.ndarray) -> str:
    """A float array with dtype and shape; float32 stays float32, everything else is float64."""
    kind = "f32" if values.dtype == np.float32 else "f64"
    return f"{kind} {integers_text(values.shape)} {array_text(values, _DTYPES[kind])}"


def integers_text(values) -> str:
    """A tuple of integers, whichever integer classes they are."""
    return repr(tuple(int(v) for v in values))


def _unpack(packed: str, dtype: np.dtype, count: int) -> np.ndarray:
    inflate = zlib.decompressobj()
    try:
        # One byte more than declared is enough to see that there is too much; a bomb is never inflated.
        data = inflate.decompress(base64.b64decode(packed, validate=True), count * dtype.itemsize + 1)
    except (zlib.error, binascii.Error) as error:
        raise GraphError(f"compressed elements must be intact, not damaged ({error})") from None
    require(
        len(data) == count * dtype.itemsize and inflate.eof,
        f"compressed elements must be {count} times {dtype.itemsize} bytes. The file is damaged.",
    )
    return np.frombuffer(data, dtype=dtype)


def make_op(cls: type[Op], attributes: dict[str, object]) -> Op:
    """``cls(**attributes)`` for attributes from a file.

    Raises:
        GraphError: one is missing, unknown, or not the integer or tuple that ``cls`` declares.
    """
    types = get_type_hints(cls)
    hints = {f.name: types[f.name] for f in fields(cls)}
    require(
        attributes.keys() == hints.keys(),
        f"{cls.name}: attributes must be {', '.join(sorted(hints)) or 'none'}, "
        f"not {', '.join(sorted(attributes)) or 'none'}",
    )
    for key, hint in hints.items():
        value, args = attributes[key], get_args(hint)
        if not args:
            require(isinstance(value, int), f"{cls.name}: {key} must be an integer, not {value!r}")
            continue
        length = None if Ellipsis in args else len(args)
        require(
            isinstance(value, tuple) and (length is None or len(value) == length),
            f"{cls.name}: {key} must be a tuple of {length or 'any number of'} integers, not {value!r}",
        )
        require(len(value) <= MAX_AXES, f"{cls.name}: {key} must have at most {MAX_AXES} integers")
        # Strides, pads, dilations, kernels: inference may enumerate windows, so these stay sane.
        require(
            length is None or max(value) <= MAX_SPATIAL,
            f"{cls.name}: {key} must be at most {MAX_SPATIAL}, not {value}",
        )
    return cls(**attributes)


def encoding_text(e: InputEncoding) -> str:
    """An input encoding on one line."""
    text = f"from {integers_text(e.source_shape)} perm {integers_text(e.perm)}"
    if e.scale is not None:
        text += f" scale {float(e.scale)!r}"
    text += _zero_point_text(e.zero_point)
    return text if e.thresholds is None else f"{text} thresholds {floats_text(e.thresholds)}"


def parse_encoding(scan: Scanner) -> InputEncoding:
    """The inverse of ``encoding_text``."""
    scan.take("from", "'from'")
    source = scan.integers()
    check_shape(source)
    scan.take("perm", "'perm'")
    perm = scan.integers()
    scale = float(scan.take(_FLOAT, "a number")[0]) if scan.accept("scale") else None
    zero_point = _parse_zero_point(scan)
    thresholds = scan.floats() if scan.accept("thresholds") else None
    scan.end()
    return InputEncoding(source, perm, thresholds, scale, zero_point)


def decoding_text(d: OutputDecoding) -> str:
    """An output decoding on one line."""
    return (
        f"from {integers_text(d.source_shape)} perm {integers_text(d.perm)} "
        f"scale {floats_text(d.scale)} offset {floats_text(d.offset)}" + _zero_point_text(d.zero_point)
    )


def parse_decoding(scan: Scanner) -> OutputDecoding:
    """The inverse of ``decoding_text``."""
    scan.take("from", "'from'")
    source = scan.integers()
    check_shape(source)
    scan.take("perm", "'perm'")
    perm = scan.integers()
    scan.take("scale", "'scale'")
    scale = scan.floats()
    scan.take("offset", "'offset'")
    offset = scan.floats()
    zero_point = _parse_zero_point(scan)
    scan.end()
    return OutputDecoding(source, perm, scale, offset, zero_point)


def _zero_point_text(value: int) -> str:
    """Nothing for 0, as files from before there were zero points have it."""
    return f" zero_point {int(value)}" if value else ""


def _parse_zero_point(scan: Scanner) -> int:
    return int(scan.take(_INTEGER, "an integer")[0]) if scan.accept("zero_point") else 0
