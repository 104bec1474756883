"""What XLS made in a compiled folder, run on frames."""

import numpy as np

from ..compiler.ir.graph import Graph
from ..errors import InputError
from ..hw.design import Stream
from .project import Project

# In the output folder, and in that.
FOLDER, DSLX, IR = "xls", "accelerator.x", "accelerator.ir"


def run_frames(project: Project, graph: Graph, frames: np.ndarray) -> np.ndarray:
    """Integers of XLS's interpreter, or for many frames its machine code, (N, *output shape).

    Raises:
        InputError: the folder holds nothing of XLS.
        ToolError: XLS is not installed, or fails.
    """
    from ..sim.xls import XlsFunction

    path = project.root / FOLDER / IR
    if not path.is_file():
        raise InputError(f"run: {project.root} holds no IR of XLS. Compile for an FPGA with --via xls.")
    source, sink = graph.inputs[0].type, graph.outputs[0].type
    given, made = Stream(source.dtype, source.size, 1), Stream(sink.dtype, sink.size, 1)
    words = XlsFunction(path.read_text(), given.bits).run(given.pack(frames)) if len(frames) else []
    return made.unpack(words).reshape(len(frames), *sink.shape)
