"""The passes in order, each checked before and after."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from ...errors import GraphError, InputError
from ..ir.graph import Graph
from ..ir.text import to_text
from .absorb_add_into_linear import absorb_add_into_linear
from .absorb_add_into_threshold import absorb_add_into_threshold
from .absorb_bias_into_threshold import absorb_bias_into_threshold
from .absorb_mul_into_threshold import absorb_mul_into_threshold
from .absorb_sign_into_weights import absorb_sign_into_weights
from .absorb_transpose_into_input import absorb_transpose_into_input
from .absorb_transpose_into_matmul import absorb_transpose_into_matmul
from .absorb_transpose_into_output import absorb_transpose_into_output
from .clamp_adder_weights import clamp_adder_weights
from .clip_thresholds import clip_thresholds
from .conv_to_matmul import conv_to_matmul
from .drop_identity_threshold import drop_identity_threshold
from .merge_branches import merge_branches
from .merge_elementwise import merge_elementwise
from .merge_threshold_rows import merge_threshold_rows
from .narrow_pairs import narrow_pairs
from .propagate_constants import propagate_constants
from .share_equal_nodes import share_equal_nodes
from .simplify_lookup import simplify_lookup
from .simplify_shapes import simplify_shapes
from .sink_channel_order import sink_channel_order
from .sink_maxpool import sink_maxpool
from .sink_moves import sink_moves
from .sink_reshape import sink_reshape
from .sink_transpose import sink_transpose

Pass = Callable[[Graph], Graph]

DEFAULT: tuple[Pass, ...] = (
    propagate_constants,
    # Thresholds of one row let transposes and reshapes past.
    clip_thresholds,
    merge_threshold_rows,
    # Layout: transposes leave through the inputs, or sink and leave through weights and outputs.
    absorb_transpose_into_input,
    sink_transpose,
    simplify_shapes,
    absorb_transpose_into_input,
    absorb_transpose_into_matmul,
    absorb_transpose_into_output,
    # Products and their thresholds come to stand together.
    conv_to_matmul,
    sink_reshape,
    sink_maxpool,
    sink_moves,
    simplify_shapes,
    # Channels shuffled in front of what has only now become a product.
    absorb_transpose_into_matmul,
    sink_channel_order,
    # Arithmetic: into the weights where it can go, else into the thresholds.
    clamp_adder_weights,
    absorb_add_into_linear,
    absorb_sign_into_weights,
    absorb_add_into_linear,
    absorb_add_into_threshold,
    absorb_mul_into_threshold,
    absorb_add_into_threshold,
    sink_maxpool,
    sink_moves,
    absorb_bias_into_threshold,
    # Functions of one element, and of a pair: small factors before tables, tables before wide sums.
    narrow_pairs,
    merge_branches,
    merge_elementwise,
    narrow_pairs,
    simplify_lookup,
    # Last, as the others look for operands with one user.
    share_equal_nodes,
    # Thresholds in their narrowest form.
    clip_thresholds,
    merge_threshold_rows,
    drop_identity_threshold,
    simplify_shapes,
)


def run(graph: Graph, passes: Sequence[Pass] = DEFAULT, dump: str | os.PathLike | None = None) -> Graph:
    """Apply the passes in order; the graph is verified before the first and after each.

    Args:
        dump: a folder for ``00_start.gw`` and one text file after each pass.
    Raises:
        GraphError: a pass met, or made, an invalid graph; names the pass and those before it.
        InputError: the folder cannot be written.
    """
    graph.verify()
    _dump(graph, dump, "00_start")
    for i, step in enumerate(passes):
        try:
            graph = step(graph)
            graph.verify()
        except GraphError as error:
            raise GraphError(f"{_where(passes, i)}: {error}") from error
        except Exception as error:
            # A defect of the pass: keep its class and traceback, add where it happened.
            error.add_note(_where(passes, i))
            raise
        _dump(graph, dump, f"{i + 1:02}_after_{step.__name__}")
    return graph


def _where(passes: Sequence[Pass], i: int) -> str:
    before = ", ".join(p.__name__ for p in passes[:i]) or "no other"
    return f"pass {passes[i].__name__} (after {before})"


def _dump(graph: Graph, folder: str | os.PathLike | None, name: str) -> None:
    if folder is None:
        return
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        (Path(folder) / f"{name}.gw").write_text(to_text(graph), encoding="utf-8")
    except OSError as error:
        raise InputError(f"dump: {folder} must be a writable folder ({error.strerror})") from None
