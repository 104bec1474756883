"""Damages model files: in their bytes, in the fields that their formats are made of, and in what these mean.

Every function takes a NumPy generator first, so that a case is a seed.
"""

import re

import numpy as np
from onnx import ModelProto

Rng = np.random.Generator
WHOLE = (0, 1, -1, 2, 3, 7, 64, 127, 128, 255, 2**16, 2**24, 2**31 - 1, -(2**31), 2**31, 2**62, 2**63 - 1,
          -(2**63))  # fmt: skip
REAL = (0.0, -0.0, 1.0, -1.0, float("nan"), float("inf"), -float("inf"), 1e-45, 1e38, -1e38, 1e-10, 0.3)
TEXT = ("", "x", "y", "../../escaped", "/tmp/escaped", "a\nb", "\x1b[2J", "ünï", "n" * 5000,
        "$(touch escaped)", "Relu", "Softmax", "com.microsoft", "NHWC", "FLOOR", "Quant", "0",
        "-1")  # fmt: skip
_FRONT = 4096
_WORDS = (0, 1, 0x7F, 0xFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


def pick(rng: Rng, things):
    """One of them."""
    return things[int(rng.integers(len(things)))]


def of_bytes(rng: Rng, data: bytes) -> bytes:
    """Cut short, or one to three bits flipped, words overwritten, stretches doubled or taken out."""
    broken = bytearray(data)
    for _ in range(int(rng.integers(1, 4))):
        # Half of the places near the front, where the tables are; weights fill most of a large file's rest.
        size = len(broken) if rng.random() < 0.5 else min(len(broken), _FRONT)
        at, kind = int(rng.integers(max(size, 1))), int(rng.integers(16))
        if kind == 0:
            del broken[at:]
            break
        if kind < 9 and broken:
            broken[at] ^= 1 << int(rng.integers(8))
        elif kind < 12:
            broken[at : at + 4] = pick(rng, _WORDS).to_bytes(4, "little")
        elif kind < 14:
            broken[at:at] = broken[at : at + int(rng.integers(1, 60))]
        else:
            del broken[at : at + int(rng.integers(1, 20))]
    return bytes(broken)


def of_fields(rng: Rng, data: bytes) -> bytes:
    """An ONNX file with one to three fields changed, anywhere in its tree of messages."""
    model = ModelProto.FromString(data)
    for _ in range(int(rng.integers(1, 4))):
        _change_message(rng, _any_message(rng, model))
    return model.SerializeToString()


def _any_message(rng: Rng, root):
    """A message below ``root``, its kind drawn first: constants have many, nodes few."""
    kinds: dict[str, list] = {}
    stack = [root]
    while stack:
        message = stack.pop()
        kinds.setdefault(message.DESCRIPTOR.name, []).append(message)
        for field, value in message.ListFields():
            if field.message_type:
                stack.extend(value if field.is_repeated else [value])
    return pick(rng, kinds[pick(rng, sorted(kinds))])


def _change_message(rng: Rng, message) -> None:
    present = [f for f, _ in message.ListFields()]
    # Mostly fields that are set; sometimes one that is not.
    fields = present if present and rng.random() < 0.8 else list(message.DESCRIPTOR.fields)
    field = pick(rng, fields)
    if field.is_repeated:
        _change_repeated(rng, getattr(message, field.name), field)
    elif field.message_type or rng.random() < 0.1:
        message.ClearField(field.name)
    else:
        setattr(message, field.name, _scalar(rng, field, getattr(message, field.name)))


def _change_repeated(rng: Rng, items, field) -> None:
    kind, count = int(rng.integers(5)), len(items)
    a, b = (int(v) for v in rng.integers(max(count, 1), size=2))
    if field.message_type:
        if kind == 0 and count:
            del items[a]
        elif kind == 1 and count:
            items.add().CopyFrom(items[a])
        elif count:
            first, second = type(items[a])(), type(items[a])()
            first.CopyFrom(items[a])
            second.CopyFrom(items[b])
            items[a].CopyFrom(second)
            items[b].CopyFrom(first)
    elif kind == 0 and count:
        del items[a]
    elif kind == 1 and count:
        items[a], items[b] = items[b], items[a]
    elif kind == 2 or not count:
        items.append(_scalar(rng, field, items[a] if count else None))
    else:
        items[a] = _scalar(rng, field, items[a])


def _scalar(rng: Rng, field, old):
    """Another value of a protobuf field's type."""
    if field.cpp_type == field.CPPTYPE_STRING:
        if field.type == field.TYPE_BYTES:
            return of_bytes(rng, old or b"") if rng.random() < 0.7 else pick(rng, TEXT).encode()
        return pick(rng, TEXT)
    if field.cpp_type in (field.CPPTYPE_FLOAT, field.CPPTYPE_DOUBLE):
        return pick(rng, REAL)
    if field.enum_type:
        return pick(rng, [v.number for v in field.enum_type.values])
    whole = pick(rng, WHOLE) if rng.random() < 0.6 else int(old or 0) + pick(rng, (-2, -1, 1, 2, 8))
    if field.cpp_type == field.CPPTYPE_INT32:
        return max(min(whole, 2**31 - 1), -(2**31))
    if field.cpp_type in (field.CPPTYPE_UINT32, field.CPPTYPE_UINT64):
        return abs(whole) % 2**32
    return max(min(whole, 2**63 - 1), -(2**63))


def of_lines(rng: Rng, data: bytes) -> bytes:
    """A text with one to three changes: numbers, words and lines taken out, doubled, moved."""
    text = data.decode()
    for _ in range(int(rng.integers(1, 4))):
        kind = int(rng.integers(6))
        if kind == 0:
            lines = text.split("\n")
            at = int(rng.integers(len(lines)))
            text = "\n".join([*lines[:at], *[pick(rng, lines)] * int(rng.integers(3)), *lines[at + 1 :]])
            continue
        words = list(re.finditer(r"-?\d+" if kind < 4 else r"\w+|[^\w\s]", text))
        if words:
            a, b = pick(rng, words), pick(rng, words)
            new = str(pick(rng, WHOLE)) if kind < 3 else b.group() if kind < 5 else ""
            text = text[: a.start()] + new + text[a.end() :]
    return text.encode()
