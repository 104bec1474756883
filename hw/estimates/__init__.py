"""What calibration found: LUTs and registers per structural part of a unit, clock rates, and their errors."""

from .accuracy import stated
from .fmax import Fmax, fmax

__all__ = ["Fmax", "fmax", "stated"]
