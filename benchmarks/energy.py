"""What moves in netlists of single units, beside what sim/energy says of them: docs/energy.md.

    python benchmarks/energy.py [--measure WORK] [--only NAME ...] [--write]

--measure synthesizes each unit of energy_tools/cases.py that is not in energy_measured/ yet, simulates its
netlist on real data, and keeps the transitions there. --write fits sim/energy/coefficients.json to those that
are not held out and writes docs/energy.md.
"""

import argparse
import json
import os
import sys
from pathlib import Path

from rich.console import Console

from energy_tools import published
from energy_tools.cases import cases
from energy_tools.data import MEASURED
from energy_tools.fit import fitted, rows
from energy_tools.measure import measured as measured_unit
from energy_tools.page import page
from energy_tools.whole import Network, measured_network, networks, whole_rows
from gatewright.errors import GatewrightError

ROOT = Path(__file__).resolve().parents[1]
COEFFICIENTS = ROOT / "sim" / "energy" / "coefficients.json"


def measure(work: Path, only: list[str], console: Console) -> None:
    """Measure what is not measured yet, or has changed since."""
    for case in (*cases(), *networks()):
        if only and case.name not in only:
            continue
        record, digest = MEASURED / f"{case.name}.json", case.digest()
        if record.exists() and json.loads(record.read_text())["digest"] == digest:
            continue
        measured = measured_network if isinstance(case, Network) else measured_unit
        found = measured(case, work / case.name)
        made = record.with_suffix(".part")
        made.write_text(json.dumps({"digest": digest, **found}, indent=1) + "\n")
        os.replace(made, record)
        console.print(case.name, found, markup=False)
    if not only:
        moved = published.counted(work / "published")
        (MEASURED / "published.json").write_text(json.dumps(moved, indent=1) + "\n")


def main() -> int:
    """Measure, fit and write; exit code 1 where a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--measure", type=Path, help="folder for synthesis")
    parser.add_argument("--only", nargs="*", default=[], help="measure these cases alone")
    parser.add_argument("--write", action="store_true", help="write coefficients and docs/energy.md")
    args = parser.parse_args()
    console = Console()
    if args.measure:
        measure(args.measure, args.only, console)
    found = rows(MEASURED)
    made = fitted(found)
    if args.write:
        COEFFICIENTS.write_text(json.dumps({"kinds": made}, indent=1) + "\n")
    text, good = page(found, made, whole_rows(MEASURED))
    if args.write:
        (ROOT / "docs" / "energy.md").write_text(text)
    else:
        console.print(text, markup=False)
    return 0 if good else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except GatewrightError as error:
        sys.exit(f"energy: {error}")
