"""What a model, a compiled folder or a board holds, as a dict."""

from dataclasses import asdict, replace
from pathlib import Path

from ..boards import Board
from ..boards import load as load_board
from ..boards import names as board_names
from ..compiler.frontends import survey
from ..compiler.frontends.importer import SourceRecord, Survey
from ..compiler.ir.graph import Graph, Node
from ..compiler.passes.pipeline import run as run_passes
from ..errors import BoardError, InputError, LoweringError
from ..report import read
from . import describe
from .coverage import Coverage, coverage
from .options import ARM, FPGA, HLS, XLS
from .output import MARK
from .sources import owners, partial_graph, source_rows

SCHEMA = "gatewright-inspect/1"


def inspect(target: Path | str, board: str | None = None, kind: str | None = None) -> dict:
    """What becomes of each node of a model's source, and of the model; or a compiled folder's report.

    A model that cannot be imported as a whole is described as far as it can be; ``problems`` says why.
    With a board, ``problems`` also holds what its FPGA, or its processor, does not take. docs/inspect.md
    lists the keys.

    Args:
        kind: "fpga", "arm", "hls" or "xls" (hls4ml or XLS for the FPGA); None: the FPGA where there is one.

    Raises:
        GatewrightError: neither a readable model nor a folder of ours, an unknown board, or one without that.
    """
    target = Path(target)
    if board is None and kind is not None:
        raise InputError("inspect: --target must come with --board, of which it is a part")
    if target.is_dir():
        if board is not None:
            raise InputError(
                f"inspect: a board goes with a model, not with {target}, which is compiled for one. Leave "
                "--board out."
            )
        return {"kind": "folder", "report": _report(target / MARK)}
    chosen = None if board is None else load_board(board)
    kind = None if chosen is None else _kind(chosen, kind)
    found = survey(target)
    graph, nodes, covered = _final(found, chosen.processor.core if kind == ARM else None, kind)
    rows = source_rows(found.records, nodes, covered)
    return {
        "kind": "model",
        "schema": SCHEMA,
        "file": target.name,
        "format": found.format,
        "board": None if chosen is None else describe.board(chosen),
        "target": kind,
        "nodes": rows,
        "model": _model(graph, covered, found.records) if graph else None,
        "output": describe.output(graph) if graph else None,
        "problems": _problems(rows, found, covered if chosen else None),
    }


def _problems(rows: list[dict], found: Survey, covered: Coverage | None) -> list[str]:
    """What cannot be imported, and what a board's target does not take; ``covered``: None without one."""
    problems = [f"{r['op']} {r['name']!r}: {r['problem']}" for r in rows if r["problem"]] + list(found.faults)
    if covered is not None:
        problems += [f"{r['op']} {r['name']!r}: {t}" for r in rows for t in r["refusals"]]
        problems += covered.faults
    return problems


def _kind(board: Board, kind: str | None) -> str:
    """What of a board is meant."""
    kind = kind or (FPGA if board.part else ARM)
    known = (FPGA, ARM, HLS, XLS)
    if kind not in known:
        raise InputError(f"inspect: --target must be one of {', '.join(known)}, not {kind!r}")
    if kind != ARM and board.part is None:
        raise BoardError(f"inspect: {board.name} has a processor only, no FPGA. Use --target arm.")
    if kind == ARM and board.processor is None:
        raise BoardError(f"inspect: {board.name} has no processor that is known. Use --target fpga.")
    return kind


def require_taken(found: dict) -> None:
    """Raise LoweringError, listing all problems of an ``inspect`` of a model that has any."""
    problems = found.get("problems")
    if problems:
        where = f" on {found['board']['name']}" if found["board"] else ""
        reasons = "1 reason" if len(problems) == 1 else f"{len(problems)} reasons"
        raise LoweringError(
            f"inspect: every node of {found['file']} must be taken{where}, but not all are ({reasons}):\n"
            + "\n".join(f"  {p}" for p in problems)
        )


def _final(found: Survey, core: str | None, kind: str | None) -> tuple[Graph | None, list[Node], Coverage]:
    """The whole graph after the passes, else None; its nodes, or those of what could be imported.

    ``core``: of ARM, where its target is asked; ``kind``: the target.
    """
    way = kind if kind in (HLS, XLS) else None
    if found.graph is not None:
        graph = run_passes(found.graph)
        return graph, graph.nodes(), coverage(graph, core, way)
    part = partial_graph(found.records, found.name)
    if part is None:
        return None, [], Coverage({})
    part = run_passes(part)
    return None, part.nodes(), replace(coverage(part, core, way), faults=())


def _model(graph: Graph, covered: Coverage, records: tuple[SourceRecord, ...]) -> dict:
    """The graph as reports have it, each layer with its node of the source and the targets that take it."""
    model, nodes = describe.model(graph), graph.nodes()
    for layer, node, owner in zip(model["layers"], nodes, owners(records, nodes), strict=True):
        layer["node"] = None if owner is None else records[owner].name
        layer["targets"] = covered.targets([node])
        layer["kernels"] = covered.kernels([node])
    return model


def _report(path: Path) -> dict:
    if not path.is_file():
        raise InputError(f"inspect: {path.parent} must hold {path.name} from 'gatewright compile'")
    return read(path)


def boards_table() -> list[dict]:
    """Every known board in a line."""
    return [_board_row(name) for name in board_names()]


def _board_row(name: str) -> dict:
    board = load_board(name)
    return {
        **describe.board(board),
        "default_clock_mhz": board.default_clock_mhz,
        "bitstream": board.has_bitstream,
    }


def describe_board(name: str) -> dict:
    """Everything known of a board, each figure with its source."""
    return asdict(load_board(name))
