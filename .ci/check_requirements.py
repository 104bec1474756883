"""Prints the pinned packages that `gatewright check` needs for FPGAs: those of pyproject.toml that it names.

python .ci/check_requirements.py pyproject.toml
"""

import re
import sys
import tomllib
from pathlib import Path


def main() -> None:
    """One requirement a line."""
    project = tomllib.loads(Path(sys.argv[1]).read_text("utf-8"))
    pinned = {re.split(r"[=<>~! ]", line)[0]: line for line in project["project"]["dependencies"]}
    for name in project["tool"]["gatewright"]["check"]:
        print(pinned[name])


if __name__ == "__main__":
    main()
