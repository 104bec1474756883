"""Instructions per inference against LiteRT (XNNPACK) and ONNX Runtime (MLAS); writes docs/arm-peers.md.

    python benchmarks/arm_peers.py --data DIR --work WORK [--only resnet8 cnn5] [--cpus cortex-a72] [--write]

Sets the rivals up in WORK: a Debian for arm64 that is only unpacked, and their wheels (needs apt-get, dpkg
and the network once). Then runs them and what gatewright makes of the same file under the same simulated
core. DIR (or the environment variable GATEWRIGHT_DATA) holds models/. What WORK holds of the rivals' counts
is not measured again. Ours is, for the networks of --only and the --cpus, core by core, and kept in WORK with
the commit; the page, written after each, has every network and core as last measured. Exits with 1 where one
misses its bar. An hour of one core, most of it for compiling ours.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from gatewright.errors import GatewrightError
from gatewright.hw.flow import tools

sys.path.insert(0, str(Path(__file__).parent))
from arm_peers_tools.networks import NETWORKS, Network
from arm_peers_tools.ours import BOARDS, codes, macs, ours
from arm_peers_tools.page import Row, page
from arm_peers_tools.rivals import COUNTED, WARM, rival_count
from arm_peers_tools.sysroot import WHEELS, Sysroot, sysroot

PAGE = Path(__file__).parents[1] / "docs" / "arm-peers.md"


def measure(network: Network, cpu: str, system: Sysroot, args: argparse.Namespace, both: bool) -> Row:
    """One row: the rival's count, and ours where both are wanted."""
    given = network.make(args.data, args.work)
    rival = rival_count(
        system, network.runtime, given, cpu, args.work / "counts" / f"{network.name}-{cpu}.json"
    )
    row = (network.title, cpu, network.runtime, macs(given.model), rival.mean, network.bar)
    kept = args.work / "ours" / f"{network.name}-{cpu}.json"
    if not both:
        return Row(*row, **json.loads(kept.read_text()) if kept.exists() else {})
    mine = ours(given, cpu)
    theirs = codes(given.model, rival.output)
    equal = sum(a == b for a, b in zip(mine.codes, theirs, strict=True))
    found = {"ours": mine.instructions, "equal": f"{equal} of {len(theirs)}", "commit": _commit()}
    kept.parent.mkdir(exist_ok=True)
    kept.write_text(json.dumps(found))
    return Row(*row, **found)


def _commit() -> str:
    """What is checked out, or nothing outside of a repository."""
    command = ["git", "-C", str(PAGE.parent), "rev-parse", "--short", "HEAD"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    data = os.environ.get("GATEWRIGHT_DATA")
    parser.add_argument("--data", type=Path, default=Path(data) if data else None, help="folder with models/")
    parser.add_argument("--work", type=Path, required=True, help="folder that takes the rivals and counts")
    names = [network.name for network in NETWORKS]
    parser.add_argument(
        "--only", nargs="+", choices=names, default=names, metavar="NAME", help=", ".join(names)
    )
    parser.add_argument("--cpus", nargs="+", choices=list(BOARDS), default=list(BOARDS), metavar="CPU")
    parser.add_argument("--rivals-only", action="store_true", help="do not compile or run ours")
    parser.add_argument("--write", action="store_true", help=f"write docs/{PAGE.name}")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Measures, prints the page, and writes it where asked to."""
    args = _arguments(argv)
    args.work = args.work.resolve()
    args.work.mkdir(parents=True, exist_ok=True)
    console = Console(stderr=True)
    system = sysroot(args.work)
    versions = {**WHEELS, "qemu": tools.find("qemu-aarch64").version}
    rows = {(n, cpu): measure(n, cpu, system, args, both=False) for n in NETWORKS for cpu in BOARDS}
    chosen = [(n, cpu) for cpu in args.cpus for n in NETWORKS if n.name in args.only and not args.rivals_only]
    for network, cpu in chosen:
        row = rows[network, cpu] = measure(network, cpu, system, args, both=True)
        console.print(f"{network.name} {cpu}: {row}", highlight=False, markup=False)
        _write(page(rows.values(), versions, (WARM, WARM + COUNTED)), args.write)
    text = page(rows.values(), versions, (WARM, WARM + COUNTED))
    _write(text, args.write)
    print(text)
    return 0 if all(rows[each].met for each in chosen) else 1


def _write(text: str, wanted: bool) -> None:
    if wanted:
        PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    try:
        sys.exit(main())
    except GatewrightError as error:
        sys.exit(f"arm_peers: {error}")
