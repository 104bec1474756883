"""Boards and their parts as data: ``load(name)`` gives one, ``names()`` lists them."""

from .schema import Board, CorePower, Part, Power, Processor, load, names
from .zynq import Zynq

__all__ = ["Board", "CorePower", "Part", "Power", "Processor", "Zynq", "load", "names"]
