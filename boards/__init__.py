"""Boards and their parts as data: ``load(name)`` gives one, ``names()`` lists them."""

from .schema import Board, Part, load, names

__all__ = ["Board", "Part", "load", "names"]
