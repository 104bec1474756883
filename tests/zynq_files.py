"""An accelerator behind plain files in the place of UIO devices: a thread that plays registers and DMA."""

import mmap
import struct
import threading
from collections.abc import Callable
from pathlib import Path

PAGE = 0x1000
ADDRESS = 0x1F000000
ID, VERSION, DESIGN_ID, CONTROL, STATUS = 0x00, 0x04, 0x08, 0x0C, 0x10
WANTED, FRAMES_OUT, CLOCKS, ERRORS = 0x1C, 0x24, 0x34, 0x3C
MM2S, S2MM = 0x00, 0x30


class FileDevice:
    """Files ``core``, ``dma``, ``memory`` and a folder ``sysfs`` in ``folder``; ``compute`` maps the bytes of
    a run's input frames to those of its results. One run is served: then registers could be read before
    this thread has seen a write."""

    def __init__(self, folder: Path, design_id: int, size: int, compute: Callable[[bytes, int], bytes]):
        self.folder, self.compute, self.errors = folder, compute, []
        (folder / "sysfs").mkdir()
        (folder / "sysfs" / "phys_addr").write_text(f"{ADDRESS:#018x}\n")
        (folder / "sysfs" / "size").write_text(f"{size}\n")
        self.maps = {}
        for name, length in (("core", PAGE), ("dma", PAGE), ("memory", size)):
            (folder / name).write_bytes(bytes(length))
            with open(folder / name, "r+b") as file:
                self.maps[name] = mmap.mmap(file.fileno(), length)
        for offset, value in ((ID, 0x67776178), (VERSION, 0x10000), (DESIGN_ID, design_id)):
            self.put("core", offset, value)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._play, daemon=True)

    def arguments(self) -> list[str]:
        """The example program's."""
        return [str(self.folder / name) for name in ("core", "dma", "memory", "sysfs")]

    def get(self, name: str, offset: int) -> int:
        """A register."""
        return struct.unpack_from("<I", self.maps[name], offset)[0]

    def put(self, name: str, offset: int, value: int) -> None:
        """A register."""
        struct.pack_into("<I", self.maps[name], offset, value)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()

    def _play(self) -> None:
        for channel in (MM2S, S2MM):
            self.put("dma", channel + 4, 1)
        while not self._stop.is_set():
            if self.get("dma", MM2S) & 4:
                self.put("dma", MM2S, 0)
            for channel in (MM2S, S2MM):
                if self.get("dma", channel) & 1 and self.get("dma", channel + 4) & 1:
                    self.put("dma", channel + 4, 0)
            if self.get("core", CONTROL) == 1 and self.get("dma", MM2S + 0x28):
                self._serve()

    def _serve(self) -> None:
        count, memory = self.get("core", WANTED), self.maps["memory"]
        start, length = self.get("dma", MM2S + 0x18) - ADDRESS, self.get("dma", MM2S + 0x28)
        result = self.compute(bytes(memory[start : start + length]), count)
        place, room = self.get("dma", S2MM + 0x18) - ADDRESS, self.get("dma", S2MM + 0x28)
        self.put("core", ERRORS, 0 if room == len(result) else 1)
        memory[place : place + len(result)] = result
        self.put("core", FRAMES_OUT, count)
        self.put("core", CLOCKS, 1234)
        self.put("core", CONTROL, 0)
        self.put("dma", MM2S + 0x28, 0)
        for channel in (S2MM, MM2S):
            self.put("dma", channel + 4, 2)
