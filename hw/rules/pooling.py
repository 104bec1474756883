"""Rules of pooling over windows."""

from ..design import Instance, Stream
from ..units.max_pool import MAX_POOL
from .rule import Fold, Layer, Rule, channel_folds, vectors
from .window import window


def _lower_max_pool(layer: Layer, fold: Fold) -> tuple[Instance, ...]:
    kernel = layer.node.op.kernel
    windows = window(layer, kernel, layer.x.lo, fold.simd)
    params = {
        "TAPS": kernel[0] * kernel[1], "C": layer.node.type.shape[-1], "PE": fold.pe,
        "BITS": layer.x.bits, "SIGNED": int(layer.x.signed),
    }  # fmt: skip
    pool = Instance(
        MAX_POOL,
        f"{layer.name}_max",
        params,
        vectors(layer),
        windows.output,
        Stream(layer.y, fold.pe, layer.node.type.size // fold.pe),
        layer.node.name,
    )
    return windows, pool


MAXPOOL = Rule(channel_folds, _lower_max_pool, keeps_codes=True)
