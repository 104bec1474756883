"""The page of results: a table per way of quantizing, made from the results' files."""

_HEAD = """# Networks quantized by ONNX Runtime

Made by `python benchmarks/ort_networks.py --work DIR --codes`, then `--report docs/ort-networks.md`; what the
figures mean is in docs/exactness.md.

Seven networks are defined in torch at their papers' channel counts (`benchmarks/ort_models/`), with random
weights and batch norms that know their statistics, exported by torch and quantized by ONNX Runtime's static
quantizer with 8 frames: activations int8 around 0 (symmetric) or uint8 with zero points (asymmetric), weights
int8 with one scale per tensor or per output channel, as

- qoperator: integer operators;
- qdq: float operators between quantizers;
- powers: the qdq file with all scales rounded up to powers of two;
- fused: the qdq file as ONNX Runtime's optimiser saves it (`ORT_ENABLE_EXTENDED`), which is what it runs by
  default.

Each file is imported (`load_model` and the default passes, in seconds of one core) and evaluated on 8 other
frames; ONNX Runtime runs the same frames without graph optimisation on one thread.
*Outputs* are the integers at the network's end, *codes* those of every quantized tensor inside, outputs
included; *alone* are the same codes where each layer is given ONNX Runtime's own, so that no difference moves
others behind it.
Inputs are 64x64, those of yolo 128x128.
"""


def page(results: list[dict]) -> str:
    """Markdown of all results, which are what ``ort_networks.py`` keeps in its files."""
    parts = [_HEAD]
    for exporter in sorted({r["exporter"] for r in results}):
        ways = list(dict.fromkeys(r["way"] for r in results if r["exporter"] == exporter))
        for way in sorted(ways):
            chosen = [r for r in results if r["exporter"] == exporter and r["way"] == way]
            parts.append(_table(f"{way}, {exporter} exporter", chosen))
    return "\n".join(parts)


def _table(title: str, results: list[dict]) -> str:
    inside = any(r["codes"] for r in results)
    heads = ["Network", "Import (s)", "Outputs differ"]
    heads += ["Codes differ", "by at most", "Alone", "by at most"] if inside else []
    columns = len(heads)
    lines = [f"## {title}", "", f"| {' | '.join(heads)} |", "|---" * columns + "|"]
    for r in results:
        if r["refused"]:
            lines.append(f"| {r['network']} | refused: {r['refused'][1]} |" + " |" * (columns - 2))
            continue
        cells = [r["network"], f"{r['load_s'] + r['passes_s']:.1f}", _count(r["outputs"])]
        for inner in (r["codes"], r["alone"]) if inside else ():
            cells += [_count(inner), str(inner["most"]) if inner else ""]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


def _count(difference: dict) -> str:
    return f"{difference['differ']:,} of {difference['total']:,}" if difference else "not compared"
