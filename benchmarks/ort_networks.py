"""Six kinds of networks, quantized by ONNX Runtime in many ways: imported, timed, every integer compared.

    python benchmarks/ort_networks.py --work DIR [--only resnet18 ...] [--ways qdq qoperator ...]
    python benchmarks/ort_networks.py --work DIR --report docs/ort-networks.md

The networks (ort_models/) are defined in torch at full channel counts, with random weights and batch norms
that know their statistics. ONNX Runtime runs them without graph optimisation on one thread; the integer
graph behind all passes is evaluated on the same frames. With ``--codes`` the codes of all integer tensors
inside are compared as well: in the whole network, and layer by layer, each fed with ONNX Runtime's codes.
Results are kept in DIR, one JSON file per network and way; ``--report`` writes what is there as a page.
"""

import argparse
import json
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import ModelProto

from gatewright.compiler.frontends import import_model, load_model
from gatewright.compiler.ir.evaluate import evaluate
from gatewright.compiler.ir.graph import Graph
from gatewright.compiler.passes.pipeline import run as run_passes
from gatewright.errors import GraphError
from ort_models.compare import Difference, compared, inner_codes, results_of
from ort_models.files import NETWORKS, WAYS, Network, Way, inputs, quantized_file
from ort_models.report import page
from ort_models.segments import codes_of, differing_alone

FRAMES = 8


@dataclass
class Result:
    """What came of one file; ``refused`` holds the importer's reasons where it took none of it."""

    network: str
    way: str
    exporter: str
    nodes: int
    refused: list[str] = field(default_factory=list)
    load_s: float = 0
    passes_s: float = 0
    graph_nodes: int = 0
    transposes: int = 0
    outputs: dict = field(default_factory=dict)
    codes: dict = field(default_factory=dict)
    alone: dict = field(default_factory=dict)


def measure(network: Network, way: Way, folder: Path, dynamo: bool, codes: bool) -> Result:
    """Import, time, evaluate and compare one file."""
    path = quantized_file(network, way, folder, dynamo)
    model = onnx.load(path)
    result = Result(network.name, way.name, "dynamo" if dynamo else "classic", len(model.graph.node))
    x = inputs(network, FRAMES)
    start = time.process_time()
    try:
        graph = load_model(path)
        loaded = time.process_time()
        graph = run_passes(graph)
    except GraphError as error:
        result.refused = [line.strip() for line in str(error).splitlines()]
        return result
    result.load_s, result.passes_s = loaded - start, time.process_time() - loaded
    result.graph_nodes = len(graph.nodes())
    result.transposes = sum(n.op.name == "transpose" for n in graph.nodes())
    result.outputs = asdict(_difference(model, graph, x, len(graph.outputs)))
    if codes:
        own = len(model.graph.output)
        inner_codes(model)
        whole = import_model(_copy(model), "codes")
        result.codes = asdict(_difference(model, whole, x, own))
        # Where all codes are equal, each layer has met the source's own already.
        result.alone = result.codes
        if result.codes["differ"]:
            result.alone = asdict(differing_alone(model, codes_of(model, x)))
    return result


def _copy(model: ModelProto) -> ModelProto:
    copy = ModelProto()
    copy.CopyFrom(model)
    return copy


def _difference(model: ModelProto, graph: Graph, x: np.ndarray, own: int) -> Difference:
    theirs = list(results_of(model, x).values())
    ours = evaluate(graph, graph.encodings[0].apply(x, graph.inputs[0].type))
    return compared(graph, ours, theirs, [o.name for o in model.graph.output], own)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, required=True, help="folder for models and results")
    parser.add_argument("--only", nargs="*", default=None, help="networks, by name")
    parser.add_argument("--ways", nargs="*", default=[""], help="beginnings of ways, such as qdq-symmetric")
    parser.add_argument("--dynamo", action="store_true", help="export with torch.export")
    parser.add_argument("--codes", action="store_true", help="compare the codes of all inner tensors too")
    parser.add_argument("--report", type=Path, help="write results so far as a page, and run nothing")
    return parser.parse_args()


def main() -> int:
    """Run what is asked for; 1 where an import was refused, or integers differ but those of plain QDQ."""
    given = _arguments()
    folder = given.work / "results"
    folder.mkdir(parents=True, exist_ok=True)
    if given.report:
        found = [json.loads(p.read_text()) for p in sorted(folder.glob("*.json"))]
        given.report.write_text(page(found), encoding="utf-8")
        return 0
    torch.set_num_threads(1)
    bad = 0
    for network in NETWORKS:
        for way in WAYS:
            if (given.only and network.name not in given.only) or not way.name.startswith(tuple(given.ways)):
                continue
            result = measure(network, way, given.work, given.dynamo, given.codes)
            name = f"{result.network}-{result.exporter}-{result.way}.json"
            (folder / name).write_text(json.dumps(asdict(result), indent=1))
            bad += bool(result.refused) or (way.form != "qdq" and result.outputs["differ"] > 0)
            print(_line(result), flush=True)
    return int(bad > 0)


def _line(result: Result) -> str:
    label = f"{result.network} {result.exporter} {result.way}"
    if result.refused:
        return f"{label}: refused; " + "\n  ".join(result.refused)
    seconds = f"load {result.load_s:.1f} s, passes {result.passes_s:.1f} s"
    text = f"{label}: {seconds}, {result.graph_nodes} nodes, {result.transposes} transposes"
    for what in ("outputs", "codes", "alone"):
        d = getattr(result, what)
        if d:
            text += f"; {what}: {d['differ']} of {d['total']} differ, by {d['most']} at most"
            text += f", first at {d['first']!r}" if d["first"] else ""
    return text


if __name__ == "__main__":
    sys.exit(main())
