"""The page that arm_peers.py writes."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

_HEAD = """# Instructions per inference on ARM, against LiteRT and ONNX Runtime

Made by `benchmarks/arm_peers.py --work DIR --write`: LiteRT {ai-edge-litert} (XNNPACK) and ONNX Runtime
{onnxruntime} from their own wheels for AArch64 on an unpacked Debian, gatewright's library in a program of
its own, both under qemu-aarch64 {qemu} with the same `-cpu`, one thread.

- **M instr.**: million instructions executed per inference, counted by `sim/qemu_count.c`. The rivals' are
  the difference of two run lengths within one process, {warm} and {total} inferences. (Two processes differ
  by up to seven million instructions before their first inference, and a difference between them by as much.)
- **ratio**: ours over the rival's; **bar** is what was asked for. **MAC/instr.**: multiplications of the
  integer graph over instructions.
- **equal**: output codes that ours and the rival's have in common for one input. Ours are those of the
  integer graph ([exactness](exactness.md)); the rivals round on their own. The same ONNX Runtime on x86 has
  as few codes in common with itself on ARM: 3, 2, 141, 192, 14 and 12 in the order below.
- The rivals read the core's own /proc/cpuinfo and choose their kernels by it, as they do on a board.
- int8 and uint8 are the codes of activations (`quantize_static`, symmetric and not); weights are int8 per
  channel and random, on which the number of instructions does not depend.
- **commit**: the one of gatewright that was measured.
{unmeasured}
| network | core | rival | M instr. | MAC/instr. | ours, M | MAC/instr. | ratio | bar | equal | commit |
|---|---|---|---|---|---|---|---|---|---|---|
"""
_UNMEASURED = "- A dash: not measured.\n"

_RIVALS = {"litert": "LiteRT", "onnxruntime": "ONNX Runtime"}


@dataclass(frozen=True)
class Row:
    """One network on one core; ``ours`` is None, ``equal`` and ``commit`` empty where not measured."""

    network: str
    cpu: str
    runtime: str
    macs: int
    rival: float
    bar: float
    ours: float | None = None
    equal: str = ""
    commit: str = ""

    @property
    def ratio(self) -> float | None:
        """Ours over the rival's."""
        return None if self.ours is None else self.ours / self.rival

    @property
    def met(self) -> bool:
        """Whether ours is measured and within the bar."""
        return self.ratio is not None and self.ratio <= self.bar


def page(rows: Iterable[Row], versions: Mapping[str, str], lengths: tuple[int, int]) -> str:
    """The page for measured rows; ``lengths`` are the two run lengths."""
    rows = list(rows)
    unmeasured = _UNMEASURED if any(row.ours is None for row in rows) else ""
    head = _HEAD.format(**versions, warm=lengths[0], total=lengths[1], unmeasured=unmeasured)
    return head + "".join(_line(row) for row in rows)


def _line(row: Row) -> str:
    mine = ("-", "-", "-") if row.ours is None else (
        f"{row.ours / 1e6:.3f}", f"{row.macs / row.ours:.1f}", f"{row.ratio:.2f}",
    )  # fmt: skip
    cells = [
        row.network, row.cpu.removeprefix("cortex-").upper(), _RIVALS[row.runtime], f"{row.rival / 1e6:.3f}",
        f"{row.macs / row.rival:.1f}", *mine, f"{row.bar:g}", row.equal or "-", row.commit or "-",
    ]  # fmt: skip
    return "| " + " | ".join(cells) + " |\n"
