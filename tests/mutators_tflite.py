"""Changes the tables that TFLite files are made of."""

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from mutators import REAL, TEXT, WHOLE, Rng, of_bytes, pick


def of_objects(rng: Rng, data: bytes) -> bytes:
    """A TFLite file with one to three fields of its tables changed."""
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(data, 0))
    for _ in range(int(rng.integers(1, 4))):
        _change_object(rng, _any_object(rng, model))
    builder = flatbuffers.Builder(len(data))
    try:
        builder.Finish(model.Pack(builder), b"TFL3")
    except Exception:
        # Not every value of a field can be written; then the bytes are changed instead.
        return of_bytes(rng, data)
    return bytes(builder.Output())


def _any_object(rng: Rng, root):
    kinds: dict[str, list] = {}
    stack = [root]
    while stack:
        thing = stack.pop()
        kinds.setdefault(type(thing).__name__, []).append(thing)
        for value in vars(thing).values():
            parts = value if isinstance(value, list) else [value]
            stack.extend(p for p in parts if type(p).__name__.endswith("T") and hasattr(p, "Pack"))
    return pick(rng, kinds[pick(rng, sorted(kinds))])


def _change_object(rng: Rng, thing) -> None:
    if not vars(thing):
        return  # options without a field
    name = pick(rng, sorted(vars(thing)))
    old = getattr(thing, name)
    if isinstance(old, list | np.ndarray) and len(old):
        items, at = list(old), int(rng.integers(len(old)))
        if rng.random() < 0.3 or hasattr(items[at], "Pack"):
            items[at:at] = [pick(rng, items)] * int(rng.integers(3))
            del items[int(rng.integers(len(items)))]
        else:
            items[at] = _other(rng, items[at])
        setattr(thing, name, items if isinstance(old, list) else _array(items, old))
    elif not isinstance(old, list | np.ndarray) and not hasattr(old, "Pack"):
        setattr(thing, name, _other(rng, old))
    elif rng.random() < 0.3:
        setattr(thing, name, None)


def _array(items, like: np.ndarray) -> np.ndarray:
    with np.errstate(all="ignore"):
        return np.array(items, dtype=object).astype(np.float64).astype(like.dtype)


def _other(rng: Rng, old):
    if isinstance(old, bool | np.bool_):
        return not old
    if isinstance(old, bytes | str):
        return pick(rng, TEXT).encode()
    if isinstance(old, float | np.floating):
        return pick(rng, REAL)
    whole = pick(rng, WHOLE) if rng.random() < 0.5 else int(old or 0) + pick(rng, (-2, -1, 1, 2))
    return whole if rng.random() < 0.3 else max(min(whole, 127), -128)
