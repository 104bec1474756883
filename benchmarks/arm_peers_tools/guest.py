"""Runs inside the simulated ARM system: one rival, one model, with a mark before each inference.

    python3 guest.py RUNTIME MODEL INPUT.npy OUTPUT.npy TIMES MARK1 MARK2

One thread; all that a runtime can do once (choosing kernels, packing weights, binding buffers) is done
before the first mark.
"""

import os
import sys

import numpy as np


def litert(model, sample):
    """(one inference, its output) in LiteRT, whose default is XNNPACK."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model, num_threads=1)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], sample)
    result = interpreter.get_output_details()[0]["index"]
    return interpreter.invoke, lambda: interpreter.get_tensor(result)


def onnxruntime(model, sample):
    """(one inference, its output) in ONNX Runtime with its default optimisations, buffers bound."""
    import onnxruntime as runtime

    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = runtime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    given, made = session.get_inputs()[0], session.get_outputs()[0]
    output = runtime.OrtValue.ortvalue_from_numpy(np.zeros(made.shape, np.float32))
    binding = session.io_binding()
    binding.bind_ortvalue_input(given.name, runtime.OrtValue.ortvalue_from_numpy(sample))
    binding.bind_ortvalue_output(made.name, output)
    return (lambda: session.run_with_iobinding(binding)), output.numpy


def main():
    """Inference after inference."""
    runtime, model, given, made, times, *mark = sys.argv[1:]
    mark = [int(m) for m in mark]
    infer, output = {"litert": litert, "onnxruntime": onnxruntime}[runtime](model, np.load(given))
    for _ in range(int(times) + 1):
        try:
            os.getpriority(*mark)
        except OSError:
            infer()
    np.save(made, output())


main()
