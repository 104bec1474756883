"""A serial port, through pyserial: bytes out, bytes in within a time, and what may go wrong said plainly."""

import glob
import time
from pathlib import Path

import serial

from ..errors import InputError, ToolError

# Where Linux and macOS show USB serial ports.
_PATTERNS = ("/dev/ttyUSB*", "/dev/ttyACM*", "/dev/cu.usb*")
# Bytes that are given to the system at once: less than its buffers hold, so that writing ends when bytes go.
_CHUNK = 1024


class SerialLine:
    """An open port at ``baud`` bits per second, 8 data bits, no parity, 1 stop bit, for this program alone.

    Raises:
        InputError: there is no such port, or it is in use or not permitted.
    """

    def __init__(self, port: str, baud: int):
        self.port = port
        try:
            self._serial = serial.Serial(port, baud, timeout=0, write_timeout=None, exclusive=True)
        except (OSError, ValueError) as error:  # SerialException is an OSError
            raise InputError(_unusable(port, error)) from error

    def __enter__(self) -> "SerialLine":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the port back."""
        self._serial.close()

    def write(self, data: bytes) -> None:
        """Send bytes.

        Raises:
            ToolError: the port has gone.
        """
        try:
            for start in range(0, len(data), _CHUNK):
                self._serial.write(data[start : start + _CHUNK])
        except OSError as error:
            raise self._gone(error) from error

    def read(self, seconds: float) -> bytes:
        """What has come; waits for the first byte for at most ``seconds``.

        Raises:
            ToolError: the port has gone.
        """
        try:
            self._serial.timeout = max(seconds, 0)
            first = self._serial.read(1)
            return first + self._serial.read(self._serial.in_waiting) if first else first
        except OSError as error:
            raise self._gone(error) from error

    def drain(self, seconds: float) -> None:
        """Read away what comes until nothing has for ``seconds``, but at most ten times as long.

        Raises:
            ToolError: the port has gone.
        """
        end = time.monotonic() + 10 * seconds
        while self.read(seconds) and time.monotonic() < end:
            pass

    def _gone(self, error: OSError) -> ToolError:
        return ToolError(
            f"device: {self.port} must stay connected, but it is gone ({error}). "
            "Plug the board in and run again."
        )


def _unusable(port: str, error: Exception) -> str:
    if not Path(port).exists():
        there = sorted(name for pattern in _PATTERNS for name in glob.glob(pattern))
        return f"device: --port must be a serial port, not {port!r}, which does not exist. " + (
            f"There are {', '.join(there)}." if there else "None is connected; plug the board in."
        )
    if isinstance(error, PermissionError) or getattr(error, "errno", None) == 13:
        return (
            f"device: {port} must be yours to open, but it is not permitted. "
            "Join the group that owns it (dialout on Debian and Ubuntu) and log in again."
        )
    return f"device: {port} must be a serial port that no other program uses ({error}). Close the other one."
