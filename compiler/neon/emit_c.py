"""A lowered network as the files of a C library: header, source, constants, example, CMake package."""

from __future__ import annotations

from ..ir.graph import Graph
from .c_example import cmake, example
from .c_header import header
from .c_source import assembly, context_bytes, kernel_name, source
from .program import Program


def library_files(program: Program, graph: Graph, name: str, threads: int = 1) -> dict[str, bytes]:
    """Texts and data by file name; ``kernels`` gives the one object that they need besides.

    Args:
        name: an identifier from ``c_names.identifier``; files and functions are called by it.
        threads: how many share each inference, at least 1.
    """
    texts = {
        f"{name}.h": header(name, program, graph, threads, context_bytes(program, threads)),
        f"{name}.c": source(name, program, graph, threads),
        f"{name}_constants.S": assembly(name),
        f"{name}Config.cmake": cmake(name, threads),
        "example.c": example(name, program, graph),
    }
    return {k: t.encode("ascii") for k, t in texts.items()} | {f"{name}_constants.bin": program.constants}


def kernels(program: Program, name: str) -> dict:
    """The program's functions under the names that the library's source calls them by."""
    return {kernel_name(name, kernel): function for kernel, function in program.functions.items()}
