"""What each RTL module is called, takes and costs; one Unit per module."""

from ..design import Unit
from .arg_max import ARG_MAX
from .binary import BINARY
from .concat import CONCAT
from .constant_matrix import CONSTANT_MATRIX
from .depthwise import DEPTHWISE
from .fifo import FIFO
from .fork import FORK
from .gather import GATHER
from .lookup import LOOKUP
from .matrix_product import MATRIX_PRODUCT
from .matrix_vector import MATRIX_VECTOR
from .max_pool import MAX_POOL
from .requantize import REQUANTIZE
from .slice import PAD, SLICE
from .sliding_window import SLIDING_WINDOW
from .sum_pool import SUM_POOL
from .threshold import THRESHOLD
from .whole_window import WHOLE_WINDOW
from .width_converter import WIDTH_CONVERTER

UNITS: tuple[Unit, ...] = (
    FIFO,
    WIDTH_CONVERTER,
    SLIDING_WINDOW,
    MATRIX_VECTOR,
    THRESHOLD,
    MAX_POOL,
    ARG_MAX,
    FORK,
    BINARY,
    CONCAT,
    CONSTANT_MATRIX,
    DEPTHWISE,
    GATHER,
    LOOKUP,
    MATRIX_PRODUCT,
    PAD,
    REQUANTIZE,
    SLICE,
    SUM_POOL,
    WHOLE_WINDOW,
)
