"""DSLX as text: wires with the integers that they can be, function bodies, and a module of functions."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

from ..ir.types import Int

TOP = "accelerator"
_LINE, _INDENT = 110, "    "
# Operands of one concatenation: XLS's parser descends into each.
_CONCATENATED = 16


def type_of(range_: Int) -> str:
    """The DSLX type of the hardware code of a range: {-1, +1} is a bit."""
    letter = "s" if range_.signed else "u"
    return f"{letter}{range_.bits}" if range_.bits <= 64 else f"{letter}N[{range_.bits}]"


@dataclass(frozen=True)
class Wire:
    """An expression without operators, and the integers that it can be; {-1, +1} is a bit, 1 for +1."""

    text: str
    range: Int

    @property
    def constant(self) -> int | None:
        """Its only value, None where there are several."""
        return self.range.lo if self.range.levels == 1 else None


def literal(value: int) -> Wire:
    """A constant."""
    range_ = Int(value, value)
    return Wire(f"{type_of(range_)}:{value}", range_)


def converted(wire: Wire, to: Int) -> str:
    """The wire as an expression of the type of ``to``, which holds its values."""
    own = wire.range
    if wire.constant is not None:
        value = (wire.constant + 1) // 2 if to.bipolar else wire.constant
        return f"{type_of(to)}:{value}"
    if own.bipolar and not to.bipolar:
        return f"((!{wire.text} ++ u1:1) as s2 as {type_of(to)})"
    if to.bipolar and not own.bipolar:
        return f"({wire.text} > {type_of(own)}:0)"
    return wire.text if type_of(own) == type_of(to) else f"({wire.text} as {type_of(to)})"


def plain(range_: Int) -> Int:
    """A range whose code is its number: {-1, +1} becomes -1 to 1, and steps go away."""
    return Int(range_.lo, range_.hi)


class Body:
    """The statements of one function; ``size`` counts those that compute, called functions' included."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.size = 0
        self._count = 0

    def name(self) -> str:
        """A name that is not taken."""
        self._count += 1
        return f"v{self._count}"

    def let(self, text: str, range_: Int) -> Wire:
        """A wire for an expression of the type of ``range_``."""
        if range_.levels == 1:
            return literal(range_.lo)
        name = self.name()
        self.add(f"let {name}: {type_of(range_)} = {text};")
        self.size += 1
        return Wire(name, range_)

    def bits(self, text: str, count: int) -> str:
        """The name of an expression of ``count`` unsigned bits."""
        name = self.name()
        self.add(f"let {name}: {bits_type(count)} = {text};")
        return name

    def number(self, wire: Wire) -> Wire:
        """The wire with a code that is its number."""
        to = plain(wire.range)
        return self.let(converted(wire, to), to) if wire.range.bipolar else Wire(wire.text, to)

    def add(self, statement: str) -> None:
        """A statement, in lines of the page's width."""
        self.lines += textwrap.wrap(
            statement, _LINE, initial_indent=_INDENT, subsequent_indent=2 * _INDENT, break_long_words=False,
            break_on_hyphens=False,
        )  # fmt: skip


def bits_type(count: int) -> str:
    """Unsigned bits."""
    return f"uN[{count}]"


Build = Callable[[Body, list[Wire]], list[Wire]]


@dataclass(frozen=True)
class _Function:
    name: str
    results: tuple[Wire, ...]
    size: int


class Module:
    """Functions, each written once for the ranges of its arguments, and the body of the top."""

    def __init__(self) -> None:
        self.top = Body()
        self._functions: dict[Hashable, _Function] = {}
        self._texts: list[str] = []

    def call(self, stem: str, key: Hashable, arguments: Sequence[Wire], build: Build) -> list[Wire]:
        """Results of a function in the top's body.

        Args:
            stem: what its name begins with: letters, digits and underscores.
            key: tells functions of one stem apart, beside the ranges of their arguments.
            build: makes its body, given its parameters, and names its results.
        """
        ranges = tuple(a.range for a in arguments)
        whole = (stem, key, ranges)
        if whole not in self._functions:
            self._functions[whole] = self._made(f"{stem}_{len(self._functions)}", ranges, build)
        function = self._functions[whole]
        live = [r for r in function.results if r.constant is None]
        names = iter([Wire(self.top.name(), r.range) for r in live])
        results = [r if r.constant is not None else next(names) for r in function.results]
        if live:
            made = [r.text for r, own in zip(results, function.results, strict=True) if own.constant is None]
            left = made[0] if len(made) == 1 else f"({', '.join(made)})"
            self.top.add(f"let {left} = {function.name}({', '.join(a.text for a in arguments)});")
            self.top.size += function.size
        return results

    def _made(self, name: str, ranges: tuple[Int, ...], build: Build) -> _Function:
        body = Body()
        results = build(body, [Wire(f"a{n}", r) for n, r in enumerate(ranges)])
        live = [r for r in results if r.constant is None]
        if live:
            types, texts = [type_of(r.range) for r in live], [r.text for r in live]
            given, back = ", ".join(types), ", ".join(texts)
            if len(live) > 1:
                given, back = f"({given})", f"({back})"
            parameters = ", ".join(f"a{n}: {type_of(r)}" for n, r in enumerate(ranges))
            head = textwrap.wrap(
                f"fn {name}({parameters}) -> {given} {{", _LINE, subsequent_indent=2 * _INDENT
            )
            self._texts.append("\n".join([*head, *body.lines, f"{_INDENT}{back}", "}\n"]))
        return _Function(name, tuple(results), body.size)

    def text(self, in_bits: int, out_bits: int, result: str) -> str:
        """The whole: functions, and the top from ``in_bits`` of argument ``x`` to ``out_bits``."""
        head = f"pub fn {TOP}(x: {bits_type(in_bits)}) -> {bits_type(out_bits)} {{"
        return "\n".join([*self._texts, head, *self.top.lines, f"{_INDENT}{result}", "}\n"])


def joined(body: Body, fields: Sequence[tuple[str, int]]) -> str:
    """Expressions of unsigned bits side by side, the first lowest: (expression, bits) each."""
    while len(fields) > 1:
        parts = [fields[n : n + _CONCATENATED] for n in range(0, len(fields), _CONCATENATED)]
        fields = [
            (body.bits(" ++ ".join(text for text, _ in reversed(part)), bits), bits)
            for part in parts
            for bits in [sum(count for _, count in part)]
        ]
    return fields[0][0]
