"""Boards and their parts as data: ``load(name)`` gives one, ``names()`` lists them."""

from .schema import Board, CorePower, Part, Power, Processor, load, names

__all__ = ["Board", "CorePower", "Part", "Power", "Processor", "load", "names"]
