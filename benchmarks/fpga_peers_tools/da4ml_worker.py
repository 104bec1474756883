"""Verilog and values of a dense network by da4ml; runs in the peers' environment, without gatewright.

    python da4ml_worker.py NETWORK.json CUTOFF

Writes src/*.v (``peer``, pipelined so that no stage has more than CUTOFF of da4ml's units of delay), and
da4ml.json: outputs by da4ml's own model of its operations, port widths, pipeline stages and its cost.
"""

import json
import sys
from pathlib import Path

import numpy as np
from da4ml.codegen import RTLModel
from da4ml.trace import FixedVariableArrayInput, HWConfig, comb_trace
from da4ml.trace.pipeline import to_pipeline


def build(network: dict):
    """The network as da4ml's combinational logic; every adder has its exact range."""
    bits, top = network["input_bits"], network["activation_bits"]
    source = FixedVariableArrayInput(tuple(network["input"]), HWConfig(1, -1, -1))
    source = source.quantize(0, bits, 0)
    x = source
    for layer in network["layers"]:
        x = x @ np.array(layer["weights"], dtype=np.float64).T + np.array(layer["bias"], dtype=np.float64)
        if "shift" in layer:
            # Codes of 2**shift, cut below and saturated above: the ReLU is the unsigned type.
            x = x.relu().quantize(0, top + layer["shift"], -layer["shift"], "SAT", "TRN")
            x = x * 2.0 ** -layer["shift"]
    return comb_trace(source, x)


def main() -> int:
    """Build and write."""
    network, cutoff = json.loads(Path(sys.argv[1]).read_text()), float(sys.argv[2])
    logic = build(network)
    frames = np.array(network["frames"], dtype=np.float64)
    outputs = logic.predict(frames)
    pipeline = to_pipeline(logic, cutoff, verbose=False)
    RTLModel(pipeline, "peer", ".").write()
    found = {
        "software": np.asarray(outputs).astype(int).tolist(),
        "stages": len(pipeline.solutions),
        "inputs": [list(map(float, q)) for q in pipeline.inp_qint],
        "outputs": [list(map(float, q)) for q in pipeline.out_qint],
        "cost": float(pipeline.cost),
    }
    Path("da4ml.json").write_text(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
