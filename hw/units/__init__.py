"""What each RTL module is called, takes and costs; one Unit per module."""

from ..design import Unit
from .arg_max import ARG_MAX
from .fifo import FIFO
from .matrix_vector import MATRIX_VECTOR
from .max_pool import MAX_POOL
from .sliding_window import SLIDING_WINDOW
from .threshold import THRESHOLD
from .width_converter import WIDTH_CONVERTER

UNITS: tuple[Unit, ...] = (
    FIFO,
    WIDTH_CONVERTER,
    SLIDING_WINDOW,
    MATRIX_VECTOR,
    THRESHOLD,
    MAX_POOL,
    ARG_MAX,
)
