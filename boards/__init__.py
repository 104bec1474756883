"""Boards and their parts as data: ``load(name)`` gives one, ``names()`` lists them."""

from .schema import Board, Part, Processor, load, names

__all__ = ["Board", "Part", "Processor", "load", "names"]
