"""The quantization methods by name; importing this loads none of them, and no torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module

from ..errors import InputError


@dataclass(frozen=True)
class Method:
    """One way to quantize a float network.

    Attributes:
        name: on the command line.
        title: what it does, in a few words.
        entry: ``module:function`` below ``quant``; ``quantize(GraphModule, Request) -> nn.Module``.
        weights, activations: the fewest and the most bits that it takes.
        trains: whether it trains the network's weights, rather than only calibrates.
        learns: whether it takes epochs and a checkpoint without training weights: it learns their roundings.
        needs_labels: whether the request must hold labels.
        paper: what it follows.
        options: names that ``Request.options`` may hold.
        layer_bits: whether it takes ``Request.layer_bits``.
    """

    name: str
    title: str
    entry: str
    weights: tuple[int, int] = (2, 8)
    activations: tuple[int, int] = (2, 8)
    trains: bool = False
    needs_labels: bool = False
    paper: str = ""
    options: tuple[str, ...] = ()
    layer_bits: bool = False
    learns: bool = False

    def check(self, bits_w: int, bits_a: int) -> None:
        """Raise InputError for bits that the method does not take."""
        for what, bits, (low, high) in (
            ("weights", bits_w, self.weights),
            ("activations", bits_a, self.activations),
        ):
            if not low <= bits <= high:
                wanted = f"{low} to {high} bits" if low < high else f"{low} bit{'s' * (low > 1)}"
                raise InputError(f"quantize: {what} of method {self.name} must have {wanted}, not {bits}.")

    def load(self) -> Callable:
        """The method's function."""
        module, _, function = self.entry.partition(":")
        return getattr(import_module(f".{module}", __package__), function)


_TRAINED = (
    Method(
        "lsq", "learned uniform steps", "lsq:quantize", trains=True, paper="Esser et al., arXiv 1902.08153"
    ),
    Method(
        *("n2uq", "learned thresholds, uniform outputs", "n2uq:quantize", (1, 8), (1, 8)),
        trains=True,
        paper="Liu et al., arXiv 2111.14826",
    ),
    Method(
        *("ste-bnn", "binary, plain straight-through gradients", "ste_bnn:quantize", (1, 1), (1, 1)),
        trains=True,
        paper="Hubara et al., arXiv 1602.02830",
    ),
    Method(
        *("fda-bnn", "binary, gradients in the frequency domain", "fda:quantize", (1, 1), (1, 1)),
        trains=True,
        paper="Xu et al., arXiv 2103.00841",
    ),
    Method(
        *("adam-bnn", "binary, ReActNet's layers in AdamBNN's two steps", "react:quantize", (1, 1), (1, 1)),
        trains=True,
        paper="Liu et al., arXiv 2003.03488 and 2106.11309",
    ),
)
_OFFERS = {"options": ("equalize", "bias-correction"), "layer_bits": True}
_PLAIN = (
    Method("minmax", "ranges up to the largest value", "ptq:minmax", **_OFFERS),
    Method("percentile", "ranges up to the 99.99th percentile", "ptq:percentile", **_OFFERS),
    Method("mse", "ranges of least squared error", "ptq:mse", **_OFFERS),
    Method("kl", "ranges of least information loss", "ptq:kl", paper="TensorRT, GTC 2017", **_OFFERS),
)
_LEARNED = (
    Method("layerwise", "learned roundings and steps, layer by layer", "unitwise:layerwise",
           paper="AdaRound, Nagel et al., arXiv 2004.10568", learns=True, **_OFFERS),
    Method("brecq", "learned roundings and steps, block by block", "unitwise:brecq",
           paper="Li et al., arXiv 2102.05426", learns=True, **_OFFERS),
    Method("unitwise", "learned roundings and steps together, each layer with its next", "unitwise:unitwise",
           paper="UWC, Lin et al., arXiv 2201.06376",
           options=(*_OFFERS["options"], "triples"), layer_bits=True, learns=True),
)  # fmt: skip
_ENLARGING = (
    Method("ddtb", "trained bounds that a gate moves per image, for super-resolution", "ddtb:quantize",
           trains=True, paper="Zhong et al., ECCV 2022"),
)  # fmt: skip
_SYNTHETIC = (
    Method("bns", "fine-tuned on images made from batch norms' statistics", "synthesis:bns", trains=True,
           paper="ZeroQ, Cai et al., CVPR 2020"),
    Method("intraq", "fine-tuned on made images that keep classes varied", "synthesis:intraq", trains=True,
           paper="IntraQ, Zhong et al., CVPR 2022"),
    Method("fdda", "fine-tuned on one real image per class and made ones", "synthesis:fdda", trains=True,
           needs_labels=True, paper="FDDA, Zhong et al., ECCV 2022"),
)  # fmt: skip
_ALL: tuple[Method, ...] = (
    *_PLAIN,
    *_LEARNED,
    *_TRAINED,
    *_ENLARGING,
    *_SYNTHETIC,
)

METHODS: dict[str, Method] = {m.name: m for m in _ALL}


def method(name: str) -> Method:
    """The method of this name.

    Raises:
        InputError: there is none.
    """
    if name not in METHODS:
        raise InputError(f"quantize: the method must be one of {', '.join(METHODS)}, not {name!r}.")
    return METHODS[name]
