"""Quantization without the training data: images made from what batch norms remember of it."""

from .methods import bns, fdda, intraq

__all__ = ["bns", "fdda", "intraq"]
