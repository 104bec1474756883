"""Runs the accelerator beside this file on a board with PYNQ: numpy arrays in, numpy arrays out.

    from gatewright_pynq import Accelerator

    with Accelerator() as accelerator:            # loads accelerator.bit, reads accelerator.json
        logits = accelerator.run(images)          # float64, as the trained network gives them
        run = accelerator.start(images[:32])      # asynchronous: returns at once
        integers = run.wait(integers=True)        # int64, the network's own codes

Written by gatewright with the accelerator; needs numpy and, on the board, pynq (3.0 or newer) only.
"""

import asyncio
import time
from pathlib import Path

import numpy as np
from gatewright_frames import AcceleratorError, Decoder, Encoder, read_description

__all__ = ["Accelerator", "AcceleratorError", "Run"]

ID, VERSION = 0x67776178, 1
(_ID, _VERSION, _DESIGN_ID, _CONTROL, _STATUS, _IRQ_ENABLE, _IRQ_STATUS, _WANTED, _FRAMES_IN, _FRAMES_OUT,
 _WORDS_IN, _WORDS_OUT, _WORD_BYTES, _CLOCKS, _CLOCKS_HIGH, _ERRORS) = range(0, 64, 4)  # fmt: skip
_START, _SOFT_RESET = 1, 2
_BUSY, _DONE, _IN_RESET = 1, 2, 4
_MEANINGS = (
    "TLAST inside a frame", "no TLAST at the end of the run", "a word with bytes left out",
    "a start while busy",
)  # fmt: skip
# AXI DMA: both channels stop with the reset of one (AMD PG021).
_DMA_CONTROL, _DMA_RESET, _DMA_LIMIT = 0x00, 4, 1 << 26
_RESET_SECONDS = 1.0


class Accelerator:
    """The accelerator of a bitstream.

    Args:
        folder: with accelerator.json, and accelerator.bit and .hwh unless ``overlay`` is given.
        overlay: a ``pynq.Overlay`` that is loaded already.
        batch: frames of one transfer at most; ``run`` encodes the next batch while one is computed.
        timeout: seconds that a batch may take.

    Raises:
        AcceleratorError: another bitstream is loaded than accelerator.json describes.
    """

    def __init__(self, folder=None, overlay=None, batch=256, timeout=10.0):
        import pynq

        folder = Path(folder) if folder is not None else Path(__file__).resolve().parent
        self.description = read_description(folder / "accelerator.json")
        self.encoder = Encoder(self.description["input"])
        self.decoder = Decoder(self.description["output"])
        self._allocate = pynq.allocate
        self.overlay = overlay if overlay is not None else pynq.Overlay(str(folder / "accelerator.bit"))
        self._core, self._dma = self.overlay.accelerator, self.overlay.dma
        largest = max(self.encoder.frame_bytes, self.decoder.frame_bytes)
        self.batch = max(1, min(int(batch), (_DMA_LIMIT - 1) // largest))
        self.timeout = timeout
        self._buffers, self._running = {}, None
        self._check()
        self.reset()

    def _check(self):
        found = tuple(self._core.read(register) for register in (_ID, _VERSION, _DESIGN_ID))
        wanted = self.description["design_id"]
        if found[0] != ID or found[1] >> 16 != VERSION or found[2] != wanted:
            raise AcceleratorError(
                f"accelerator: the bitstream must be design {wanted:#010x} of gatewright, not one with ID "
                f"{found[0]:#010x}, version {found[1]:#x}, design {found[2]:#010x}. Load the accelerator.bit "
                "that was made with this accelerator.json."
            )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Stop what runs and give the buffers back."""
        if self._running is not None:
            self.reset()
        for pair in self._buffers.values():
            for buffer in pair:
                buffer.freebuffer()
        self._buffers = {}

    def reset(self):
        """Stop whatever runs; what was under way is lost, and the next run begins clean."""
        # The core first: a DMA takes words before it is told where to.
        self._core.write(_CONTROL, _SOFT_RESET)
        self._until(lambda: not self._core.read(_STATUS) & _IN_RESET, "the accelerator's reset")
        self._dma.mmio.write(_DMA_CONTROL, _DMA_RESET)
        self._until(lambda: not self._dma.mmio.read(_DMA_CONTROL) & _DMA_RESET, "the DMA's reset")
        self._dma.sendchannel.start()
        self._dma.recvchannel.start()
        self._running = None

    @staticmethod
    def _until(ready, what):
        end = time.monotonic() + _RESET_SECONDS
        while not ready():
            if time.monotonic() > end:
                raise AcceleratorError(f"accelerator: {what} must end, but has not in {_RESET_SECONDS:g} s")

    def run(self, frames, integers=False):
        """The network's outputs for ``frames`` (N, ...), any number of them.

        Args:
            frames: floats as the trained network takes them, or integers that are its input codes already.
            integers: give the network's own output codes, int64, instead of floats.

        Raises:
            AcceleratorError: frames of another shape or kind, or a run that failed.
        """
        frames = np.asarray(frames)
        self.encoder.check(frames)
        pieces = [frames[at : at + self.batch] for at in range(0, len(frames), self.batch)]
        results = [self.decoder.decode(np.zeros(0, np.uint8), 0, integers)]
        coming = self.encoder.encode(pieces[0]) if pieces else None
        for n, piece in enumerate(pieces):
            under_way = self._launch(coming, len(piece))
            if n + 1 < len(pieces):
                coming = self.encoder.encode(pieces[n + 1])
            results.append(under_way.wait(integers))
        return np.concatenate(results)

    def start(self, frames):
        """Start at most ``batch`` frames and return at once; ``wait`` or ``await`` what it returns.

        Raises:
            AcceleratorError: a run is under way, or frames that cannot be taken.
        """
        frames = np.asarray(frames)
        self.encoder.check(frames)
        if not 1 <= len(frames) <= self.batch:
            raise AcceleratorError(f"start: between 1 and {self.batch} frames are taken, not {len(frames)}")
        return self._launch(self.encoder.encode(frames), len(frames))

    def _launch(self, data, count):
        if self._running is not None:
            raise AcceleratorError("start: one run at a time; wait for the one under way, or reset")
        given, taken = self._buffers_for(count)
        given[:] = data
        self._core.write(_WANTED, count)
        self._dma.recvchannel.transfer(taken)
        self._core.write(_CONTROL, _START)
        self._dma.sendchannel.transfer(given)
        self._running = Run(self, count, taken, time.monotonic() + self.timeout)
        return self._running

    def _buffers_for(self, count):
        """Contiguous memory for exactly ``count`` frames each way; that of other counts is given back."""
        if count not in self._buffers:
            for size in [size for size in self._buffers if size != self.batch]:
                for buffer in self._buffers.pop(size):
                    buffer.freebuffer()
            sizes = (count * self.encoder.frame_bytes, count * self.decoder.frame_bytes)
            self._buffers[count] = tuple(self._allocate(shape=(size,), dtype=np.uint8) for size in sizes)
        return self._buffers[count]

    @property
    def clocks(self):
        """Clocks that the last run took, from its start until its last frame had left."""
        return self._core.read(_CLOCKS) | self._core.read(_CLOCKS_HIGH) << 32

    @property
    def frames(self):
        """Whole frames that the run under way, or the last, has taken and given."""
        return self._core.read(_FRAMES_IN), self._core.read(_FRAMES_OUT)


class Run:
    """Frames under way; made by ``Accelerator.start``."""

    def __init__(self, accelerator, count, buffer, end):
        self._accelerator, self.count, self._buffer, self._end = accelerator, count, buffer, end
        self._data = None

    @property
    def done(self):
        """Whether all frames are computed and in memory."""
        if self._data is None and self._accelerator._dma.recvchannel.idle:
            self._finish()
        return self._data is not None

    def wait(self, integers=False):
        """The outputs, once they are there.

        Raises:
            AcceleratorError: they did not come in time, or the accelerator says that its input was wrong.
        """
        while not self.done:
            self._check_time()
        return self._accelerator.decoder.decode(self._data, self.count, integers)

    def __await__(self):
        while not self.done:
            self._check_time()
            yield from asyncio.sleep(0).__await__()
        return self._accelerator.decoder.decode(self._data, self.count, False)

    def _check_time(self):
        if time.monotonic() <= self._end:
            return
        accelerator = self._accelerator
        came, left = accelerator.frames
        errors = accelerator._core.read(_ERRORS)
        accelerator.reset()
        raise AcceleratorError(
            f"run: {self.count} frames must be done in {accelerator.timeout:g} s, but {came} were taken and "
            f"{left} given ({_told(errors) or 'no error'}). The accelerator was reset; raise timeout if the "
            "batch is long."
        )

    def _finish(self):
        accelerator = self._accelerator
        accelerator._dma.sendchannel.wait()
        accelerator._dma.recvchannel.wait()  # makes the processor's caches see the buffer
        errors, left = accelerator._core.read(_ERRORS), accelerator._core.read(_FRAMES_OUT)
        if errors or left != self.count:
            accelerator.reset()
            told = _told(errors) or "no error"
            raise AcceleratorError(f"run: all {self.count} frames must be right, not {left} ({told})")
        self._data = np.array(self._buffer, dtype=np.uint8)
        accelerator._running = None


def _told(errors):
    return ", ".join(text for n, text in enumerate(_MEANINGS) if errors >> n & 1)
