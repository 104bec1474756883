"""AdderNet's hardware table: adder and multiplier lanes of one architecture; writes docs/addernet.md.

    python benchmarks/addernet_paper.py --work DIR [--only NAME ...] [--seeds 5] [--until synthesis]
    python benchmarks/addernet_paper.py --work DIR --page [--lenet-json FILE] [--arm-json FILE]

Measures arrays of lanes and whole matrix-vector units: Yosys for xc7 and ECP5, nextpnr for ECP5 with several
seeds, and transitions of the netlists while they compute a trained layer. What DIR holds already, for the
same sources, is not measured again. Everything takes some hours of one core; --page measures nothing.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parent))
from addernet_tools import arrays, operands, power, unit
from addernet_tools.arrays import Array
from addernet_tools.cases import CASES, Case
from addernet_tools.flow import Mapped, Route, Source, Store
from addernet_tools.page import page

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "addernet.md"
STAGES = ("synthesis", "toggles", "route")
_DATA = {"uniform": operands.uniform, "digits": operands.of_network}


@dataclass(frozen=True)
class Lenet:
    """A LeNet-5 of adder layers, its multiplying twin, and MNIST's test images."""

    adder: Path
    cnn: Path
    images: Path


def array_source(a: Array, routable: bool) -> Source:
    """The array alone, or between shift registers."""
    text = arrays.array(a) + (arrays.routable(a) if routable else "")
    return Source(arrays.ROUTABLE if routable else arrays.ARRAY, text, a.kind.dsp, {})


def unit_source(a: Array, family: str) -> Source:
    """The whole unit with the trained layer's weights; for ECP5 between shift registers."""
    layer = operands.of_network(a.kind.adds, a.bits)
    made = unit.design(a, unit.layer_graph(a, layer))
    return unit.source(made, a.kind.dsp, family == "ecp5")


def source_of(case: Case) -> Source:
    """What a case synthesizes."""
    if case.whole:
        return unit_source(case.array, case.family)
    return array_source(case.array, case.family == "ecp5")


def measure(case: Case, store: Store, seeds: int, until: str, lenet: Lenet | None) -> dict:
    """All of a case up to a stage, as a record for the page."""
    a, source = case.array, source_of(case)
    routable = case.family == "ecp5"
    mapped = store.mapped(case.name, source, case.family)
    record: dict = {"key": source.key(case.family), "mapped": _figures(mapped, routable)}
    if routable:
        record["used"] = store.packed(mapped)
    if case.routed and STAGES.index(until) >= STAGES.index("route"):
        found = [store.route(mapped, seed) for seed in range(1, min(seeds, case.seeds) + 1)]
        record["routes"] = [asdict(r) for r in found if isinstance(r, Route)]
        record["too_large"] = next((r for r in found if isinstance(r, str)), "")
    if case.toggles and STAGES.index(until) >= STAGES.index("toggles"):
        record["toggles"] = _toggles(a, mapped, store, lenet)
    return record


def _figures(mapped: Mapped, routable: bool) -> dict:
    """Resources of what is measured, and of the shift registers around it."""
    total = {"lut": mapped.lut, "ff": mapped.ff, "bram": mapped.bram, "dsp": mapped.dsp}
    if not routable:
        return {**total, "carry": mapped.carry, "around": dict.fromkeys(total, 0)}
    own = mapped.instances["measured"]
    around = {kind: total[kind] - own[kind] for kind in total}
    return {**{kind: own[kind] for kind in total}, "carry": mapped.carry, "around": around}


def _toggles(a: Array, mapped: Mapped, store: Store, lenet: Lenet | None) -> dict:
    """Transitions on each kind of data, with glitches where seed 1 was routed."""
    makers = {name: partial(make, a.kind.adds, a.bits) for name, make in _DATA.items()}
    if lenet and a.bits == 8:
        model = lenet.adder if a.kind.adds else lenet.cnn
        makers["LeNet-5"] = partial(operands.of_lenet, model, lenet.images, a.simd, a.pe)
    sdf = mapped.folder / "1.sdf"
    return {
        name: store.kept(
            mapped.folder / f"toggles-{name}.record",
            [power.digest(), sdf.exists()],
            partial(_counted, a, mapped.folder, make, sdf),
        )
        for name, make in makers.items()
    }


def _counted(a: Array, folder: Path, make: Callable[[], operands.Operands], sdf: Path) -> dict:
    """One count, as a record."""
    routed = sdf if sdf.exists() else None
    return asdict(power.measure(a, folder, make(), routed))


def chosen(names: list[str] | None) -> Iterator[Case]:
    """The cases whose names start with one of ``names``; all without."""
    for case in CASES:
        if names is None or any(case.name.startswith(name) for name in names):
            yield case


def last(work: Path) -> tuple[dict[str, dict], list[str]]:
    """What was measured last, by the case's name; and whose sources have changed since."""
    found, old = {}, []
    for case in CASES:
        file = work / f"{case.name}.json"
        if file.exists():
            found[case.name] = json.loads(file.read_text())
            if found[case.name]["key"] != source_of(case).key(case.family):
                old.append(case.name)
    return found, old


def main() -> int:
    """Measure what is asked for, or write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, required=True, help="folder for designs and results")
    parser.add_argument("--only", nargs="*", help=f"starts of names: {', '.join(c.name for c in CASES)}")
    parser.add_argument("--seeds", type=int, default=5, help="placements of each routed design")
    parser.add_argument("--until", choices=STAGES, default=STAGES[-1], help="go no further than this stage")
    parser.add_argument(
        "--lenet", type=Path, nargs=3, metavar=("ADDER", "CNN", "IMAGES"),
        help="two 8-bit models of adder_mnist.py and MNIST's test images, for transitions",
    )  # fmt: skip
    parser.add_argument("--page", action="store_true", help=f"write {PAGE.name} from what the folder holds")
    parser.add_argument("--lenet-json", type=Path, help="the page's section of whole LeNet-5 accelerators")
    parser.add_argument("--arm-json", type=Path, help="the page's section of ARM")
    given = parser.parse_args()
    given.work.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)  # trained weights, and so whole units, depend on how many there are
    if given.page:
        files = {"lenet": given.lenet_json, "arm": given.arm_json}
        sections = {name: json.loads(file.read_text()) for name, file in files.items() if file}
        PAGE.write_text(page(*last(given.work), sections))
        return 0
    store = Store(given.work.resolve())
    lenet = Lenet(*given.lenet) if given.lenet else None
    for case in chosen(given.only):
        record = measure(case, store, given.seeds, given.until, lenet)
        (given.work / f"{case.name}.json").write_text(json.dumps(record, indent=1))
        rates = ", ".join(f"{route['mhz']:.1f}" for route in record.get("routes", ()))
        print(f"{case.name}: {record['mapped']}; MHz {rates or '-'}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
