"""The shape of the source: floors, sizes and names."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

# Floor of each package; a module imports from lower floors and from its own package only.
FLOORS = {
    "errors": 0,
    "boards": 1,
    "report": 1,  # takes plain data, so it needs to know nobody
    "compiler.ir": 2,
    "compiler.target": 3,
    "compiler.adder_graph": 3,
    "compiler.passes": 3,
    "compiler.export_onnx": 3,
    "compiler.frontends": 3,
    "quant": 3,
    "compiler.neon": 4,
    "compiler.hls": 4,
    "compiler.xls": 4,
    "hw": 4,
    "compiler.split": 5,
    "sim": 5,
    "driver": 6,
}
# Above all floors; these may import the named packages only. The package's own front door loads its
# public names when they are asked for, so it imports nothing.
DOORS = {
    "__main__": {"driver", "report", "errors", "__version__"},
    "__init__": set(),
    "compiler.__init__": set(),
}

FILE_LINES = 300
FUNCTION_LINES = 40

PACKAGES = sorted(p.parent for p in ROOT.glob("*/__init__.py"))
SOURCES = sorted(p for folder in PACKAGES for p in folder.rglob("*.py")) + sorted(ROOT.glob("*.py"))
CODE = SOURCES + sorted((ROOT / "tests").rglob("*.py"))
SMALL = CODE + sorted((ROOT / "hw").rglob("*.v")) + sorted((ROOT / "sim").glob("*.c"))
SMALL += sorted((ROOT / "sim").glob("*.cpp"))


def names(paths):
    """Readable test ids."""
    return [str(p.relative_to(ROOT)) for p in paths]


def module_of(path: Path) -> str:
    """A source's dotted name below gatewright."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


def package_of(module: str) -> str:
    """The row of FLOORS that a module below gatewright belongs to, else the module itself."""
    for package in FLOORS:
        if module == package or module.startswith(package + "."):
            return package
    return module


def may_import(package: str, other: str) -> bool:
    """Whether modules of one row may import those of another."""
    if package in DOORS:
        return other in DOORS[package]
    return other == package or (other in FLOORS and FLOORS[other] < FLOORS[package])


def imports_of(path: Path, tree: ast.AST) -> list[tuple[int, str]]:
    """(line, module below gatewright) for each import of our own modules, function bodies included."""
    here = list(path.relative_to(ROOT).parts[:-1])
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = here[: len(here) - node.level + 1]
            stem = base + (node.module.split(".") if node.module else [])
            # ``from . import x`` may name a module; ``from .a import b`` names what a holds.
            found += [
                (node.lineno, ".".join([*stem, a.name] if not node.module else stem)) for a in node.names
            ]
    return found


@pytest.mark.parametrize("path", SOURCES, ids=names(SOURCES))
def test_imports_go_downward(path):
    """No module imports from a higher floor, or from a sibling package on its own."""
    package = package_of(module_of(path))
    for line, imported in imports_of(path, ast.parse(path.read_text(encoding="utf-8"))):
        where = f"{path.relative_to(ROOT)}:{line}"
        assert may_import(package, package_of(imported)), f"{where}: {package} may not import {imported}"


def test_every_package_has_a_floor():
    """A new folder must say where it stands, or nothing would keep it below the command line."""
    assert {package_of(module_of(p)) for p in SOURCES} == {*FLOORS, *DOORS}


def test_the_rule_for_imports():
    """Down and at home, but neither up nor to a sibling; the command line knows no compiler."""
    assert may_import("sim", "hw")
    assert may_import("hw", "hw")
    assert may_import("driver", "report")
    assert may_import("__main__", "driver")
    assert not may_import("hw", "sim")
    assert not may_import("hw", "compiler.neon")
    assert not may_import("compiler.neon", "hw")
    assert not may_import("quant", "compiler.passes")
    assert not may_import("report", "boards")
    assert not may_import("hw", "no_such_package")
    assert not may_import("driver", "__main__")
    assert not may_import("__main__", "hw")


def test_the_import_walk_sees_what_it_should():
    """Relative imports resolve as Python resolves them, also in functions and without a module name."""
    text = "from ..ir.graph import Node\ndef f():\n from . import pipeline\n from ...errors import GraphError"
    found = imports_of(ROOT / "compiler" / "passes" / "x.py", ast.parse(text))
    assert found == [(1, "compiler.ir.graph"), (3, "compiler.passes.pipeline"), (4, "errors")]
    assert package_of("compiler.ir.ops.linear") == "compiler.ir"
    assert package_of("hw.units.fifo") == "hw"
    assert package_of("__main__") == "__main__"


@pytest.mark.parametrize("path", SOURCES, ids=names(SOURCES))
def test_imports_inside_the_package_are_relative(path):
    """So that readers and type checkers resolve them although the root is mapped to the package."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        modules = []
        if isinstance(node, ast.Import):
            modules = [a.name for a in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            modules = [node.module]
        assert not any(m.split(".")[0] == "gatewright" for m in modules), f"line {node.lineno}"


@pytest.mark.parametrize("path", SMALL, ids=names(SMALL))
def test_files_are_small(path):
    """A file that is longer does two things."""
    assert len(path.read_text(encoding="utf-8").splitlines()) <= FILE_LINES


@pytest.mark.parametrize("path", CODE, ids=names(CODE))
def test_functions_are_small(path):
    """A function that is longer does two things."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = node.end_lineno - node.lineno + 1
            assert lines <= FUNCTION_LINES, f"{node.name} has {lines} lines"


def test_no_file_is_called_utils():
    """Such a file has no subject."""
    assert [p for p in SMALL if "util" in p.stem or "helper" in p.stem] == []


def test_reading_a_graph_loads_neither_torch_nor_tvm():
    """Every module of compiler.ir, with the package itself."""
    modules = [
        f"gatewright.{module_of(p)}"
        for p in SOURCES
        if p.is_relative_to(ROOT / "compiler" / "ir") and p.name != "__init__.py"
    ]
    assert len(modules) > 10
    code = (
        "import importlib, sys; [importlib.import_module(m) for m in sys.argv[1:]]; "
        "print(sorted({'torch', 'tvm', 'brevitas', 'qonnx', 'onnxruntime'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "gatewright", *modules], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
