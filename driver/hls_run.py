"""A compiled HLS project's C++, run on frames."""

import numpy as np

from ..compiler.ir.graph import Graph
from .project import Project


def run_frames(project: Project, graph: Graph, frames: np.ndarray, native: bool | None = None) -> np.ndarray:
    """Integers of the HLS project's C simulation, (N, *output shape).

    Raises:
        InputError: the folder holds no HLS project.
        ToolError: the C++ cannot be compiled, or fails.
    """
    from ..sim.hls import HlsSimulation

    return HlsSimulation(project.hls(), native).run(frames, graph.outputs[0].type.shape)
