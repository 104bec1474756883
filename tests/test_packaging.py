"""What is installed: the declared packages are the tree, and a wheel carries code and data."""

import shutil
import subprocess
import sys
import tomllib
import zipfile
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
FOLDERS = sorted(p.parent.name for p in ROOT.glob("*/__init__.py"))
DATA = (".v", ".vh", ".toml", ".cpp", ".c", ".h", ".json", ".css", ".js")


def tracked() -> list[Path]:
    """Files of the package's folders, relative to the root."""
    files = (p for folder in FOLDERS for p in (ROOT / folder).rglob("*") if p.is_file())
    return sorted(p.relative_to(ROOT) for p in files if "__pycache__" not in p.parts)


def test_declared_packages_are_the_tree():
    """Each folder with an __init__.py is declared, and nothing else is."""
    found = {".".join(("gatewright", *p.parent.parts)) for p in tracked() if p.name == "__init__.py"}
    assert sorted(found | {"gatewright"}) == sorted(PROJECT["tool"]["setuptools"]["packages"])


def test_every_module_lies_in_a_package():
    """A folder without an __init__.py would be missing from the wheel."""
    assert [
        p for p in tracked() if p.suffix == ".py" and not (ROOT / p.parent / "__init__.py").exists()
    ] == []


def test_every_data_file_is_declared():
    """Verilog, board files and C++ that package-data forgets would be missing from the wheel."""
    patterns = [
        "/".join((*package.split(".")[1:], glob))
        for package, globs in PROJECT["tool"]["setuptools"]["package-data"].items()
        for glob in globs
    ]
    data = [p.as_posix() for p in tracked() if p.suffix in DATA]
    assert any(p.endswith(".v") for p in data)
    assert [p for p in data if not any(fnmatch(p, pattern) for pattern in patterns)] == []


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """A wheel of a copy of the tree, built by setuptools without network; the tree stays clean."""
    copy = tmp_path_factory.mktemp("tree")
    for folder in FOLDERS:
        shutil.copytree(ROOT / folder, copy / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for file in (*ROOT.glob("*.py"), ROOT / "pyproject.toml"):
        shutil.copy(file, copy)
    readme = copy / PROJECT["project"]["readme"]
    # The wheel's text, not its contents, depends on the readme.
    readme.write_text("gatewright\n", encoding="utf-8")
    code = "import setuptools.build_meta as b, sys; print(b.build_wheel(sys.argv[1]))"
    out = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-c", code, str(out)], cwd=copy, check=True, capture_output=True, text=True
    )
    return next(out.glob("*.whl"))


def test_wheel_holds_code_and_data(wheel):
    """Every module and data file of the tree is in it, under gatewright/."""
    names = set(zipfile.ZipFile(wheel).namelist())
    wanted = [p for p in tracked() if p.suffix in (".py", *DATA)]
    assert {p.suffix for p in wanted} >= {".py", ".v", ".toml", ".cpp"}
    assert [p for p in wanted if f"gatewright/{p.as_posix()}" not in names] == []


def test_wheel_holds_nothing_else(wheel):
    """No tests, no documents, no stray folders."""
    tops = {
        name.split("/")[1] for name in zipfile.ZipFile(wheel).namelist() if name.startswith("gatewright/")
    }
    assert tops == {*FOLDERS, *(p.name for p in ROOT.glob("*.py"))}


def test_wheel_works_where_it_is_unpacked(wheel, tmp_path):
    """The package imports from the wheel alone, and reads a graph."""
    zipfile.ZipFile(wheel).extractall(tmp_path)
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import gatewright; "
        "from gatewright.compiler.ir.text import from_text, to_text; "
        "assert gatewright.__file__.startswith(sys.argv[1]), gatewright.__file__; "
        "print(to_text(from_text('gatewright 1 \"m\"')), end='')"
    )
    # -S: without site-packages' .pth files, so that the editable install is not found first.
    library = next(p for p in sys.path if p.endswith("site-packages"))
    done = subprocess.run(
        [sys.executable, "-S", "-c", f"import sys; sys.path.append({library!r}); {code}", str(tmp_path)],
        capture_output=True, text=True, check=True, cwd=tmp_path,
    )  # fmt: skip
    assert done.stdout == 'gatewright 1 "m"\n'
