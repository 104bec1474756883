"""The page that arm_kernels.py writes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_HEAD = """# Multiplications and distances per instruction on ARM, kernel by kernel

Made by `benchmarks/arm_kernels.py --write`, which first compares each library's integers with the reference.
Instructions are executed ones of a whole inference, counted under qemu {qemu}: borders, gathering, packing,
sums, requantization and stores included.

- **MAC**: multiplications; in adder layers distances, |x - w|.
- **limit**: those that the instructions of the inner sum do, without loads, requantization and loops:
{limits}
- Cortex-A53 takes the kernels of Cortex-A72, scheduled for its own pipeline.
- Winograd's transformed weights are temporaries: beside the small tensors of a layer alone they often find no
  room where they would in a network.

| layer | bits | core | kernel | M instr. | MAC/instr. | limit |
|---|---|---|---|---|---|---|
"""
_NETWORK = """
## Fewer bits

The CNN of five 3x3 convolutions (32x32x3, 7.5 M multiplications) with all weights and activations, the image
too, of so many bits; the last layer has 8-bit weights. **bar**: what was asked for on Cortex-A72.

| bits | core | M instr. | MAC/instr. | of its int8 | bar |
|---|---|---|---|---|---|
"""
_ADDERS = """
## Adder layers

The same network with adder layers in the place of its convolutions, all codes unsigned; the last layer
multiplies bytes. **of int8**: instructions beside the multiplying network's of 8 bits, which has Winograd's
products on Cortex-A72 and SDOT on Cortex-A76. **bar**: what was asked for on Cortex-A72.

| bits | core | M instr. | MAC/instr. | of int8 | bar |
|---|---|---|---|---|---|
"""


@dataclass(frozen=True)
class Limit:
    """Multiplications per instruction of a kernel's inner sum, and the instructions' names."""

    words: str
    rate: float


LIMITS: Mapping[str, Limit] = {
    "dot": Limit("SDOT, 16 in one", 16),
    "long": Limit("SMULL, SMLAL2, SADALP: 16 in three", 16 / 3),
    "winograd_products": Limit("SMLAL of four lanes, a quarter of the multiplications by F(4x4, 3x3)", 16),
    "low": Limit("MLA of 16 bytes (at 4 bits sums leave bytes after a few vectors)", 16),
    "bits": Limit("EOR, CNT, ADD: 128 in three", 128 / 3),
    "depthwise": Limit("SMLAL, 8 in one", 8),
    "depthwise_dot": Limit("SDOT with three taps in four bytes", 12),
    "adder": Limit("SABAL and SABAL2, 8 in one", 8),
    "adder_dot": Limit("SABD and UDOT, 16 in two", 8),
    "adder_low": Limit("SABA of 16 bytes (at 5 to 7 bits UADALP behind every two or three)", 16),
    "adder_wide": Limit("SABAL and SABAL2 of 16 bits, 4 in one", 4),
}
"""By the kernels' kinds."""

_BARS = {4: 0.6, 2: 0.45, 1: 0.2}
_ADDER_BARS = {8: 1.2}
_BARRED = "cortex-a72"


@dataclass(frozen=True)
class Count:
    """One graph of some bits on one core; ``kernels`` are the kinds of those that multiply."""

    title: str
    bits: int
    core: str
    macs: int
    instructions: float
    kernels: tuple[str, ...]


def page(
    layers: Sequence[Count], networks: Sequence[Count], adders: Sequence[Count], qemu: str
) -> tuple[str, bool]:
    """The page, and whether every bar is met."""
    used = dict.fromkeys(count.kernels[-1] for count in layers)
    limits = "\n".join(f"  - `{kind}`: {LIMITS[kind].words}" for kind in used)
    text = _HEAD.format(qemu=qemu, limits=limits) + "".join(map(_layer, layers)) + _NETWORK
    whole = {count.core: count.instructions for count in networks if count.bits == 8}
    met = True
    for heading, counts, bars in (("", networks, _BARS), (_ADDERS, adders, _ADDER_BARS)):
        text += heading
        for count in counts:
            ratio = count.instructions / whole[count.core]
            bar = bars.get(count.bits) if count.core == _BARRED else None
            met = met and (bar is None or ratio <= bar)
            text += _row([count.bits, _core(count), *_figures(count), f"{ratio:.3f}", bar or "-"])
    return text, met


def _layer(count: Count) -> str:
    kind = count.kernels[-1]
    cells = [count.title, count.bits, _core(count), f"`{kind}`", *_figures(count), f"{LIMITS[kind].rate:.1f}"]
    return _row(cells)


def _figures(count: Count) -> tuple[str, str]:
    return f"{count.instructions / 1e6:.3f}", f"{count.macs / count.instructions:.1f}"


def _core(count: Count) -> str:
    return count.core.removeprefix("cortex-").upper()


def _row(cells: Sequence[object]) -> str:
    return "| " + " | ".join(map(str, cells)) + " |\n"
