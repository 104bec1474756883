"""C simulation of an HLS project of hls4ml: its C++, with the headers that come with it, by zig or g++."""

import tempfile
from pathlib import Path

import numpy as np

from ..compiler.hls.convert import PROJECT
from ..errors import ToolError
from ..hw.flow import tools

_MAIN = Path(__file__).parent / "hls_main.cpp"
_HEADERS = Path(__file__).parent / "hls_headers"
# Compiling takes longer than running does, for as many frames as anybody simulates.
_FLAGS = ("-std=c++17", "-O0", "-w")


class HlsSimulation:
    """The C++ of the HLS project in ``folder``, compiled.

    Args:
        native: take the compiler from PATH.
    Raises:
        ToolError: there is no compiler, or it rejects the C++.
    """

    def __init__(self, folder: Path, native: bool | None = None):
        self._scratch = tempfile.TemporaryDirectory(prefix="gatewright_")
        self._folder = Path(self._scratch.name)
        source = folder.resolve()
        weights = (source / "firmware" / "weights").as_posix()
        includes = [
            f"-I{_HEADERS}",
            f"-I{source / 'firmware' / 'ap_types'}",
            f"-I{source / 'firmware'}",
            f"-I{source}",
        ]
        files = [source / "firmware" / f"{PROJECT}.cpp", source / f"{PROJECT}_bridge.cpp", _MAIN]
        options = [*_FLAGS, *includes, f'-DWEIGHTS_DIR="{weights}"']
        tools.run(tools.find("c++", native), [*options, *map(str, files), "-o", "simulation"], self._folder)

    def run(self, frames: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        """Results of frames, int64 (N, *shape).

        Raises:
            ToolError: the simulation failed, or gave something else than integers.
        """
        size = int(np.prod(shape, dtype=int))
        frames = np.ascontiguousarray(frames, dtype=np.float64)
        (self._folder / "frames.bin").write_bytes(frames.tobytes())
        program = tools.Tool("simulation", (str(self._folder / "simulation"),))
        tools.run(program, [str(frames[0].size if len(frames) else 1), str(size)], self._folder)
        found = np.fromfile(self._folder / "results.bin", dtype=np.float64)
        values = found.astype(np.int64)
        if len(found) != len(frames) * size or (values != found).any():
            raise ToolError(f"hls: {len(frames) * size} integers must come out, not {len(found)} numbers")
        return values.reshape(len(frames), *shape)
