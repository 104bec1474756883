"""DDTB: super-resolution networks at few bits, with trained bounds that a gate moves per image."""

from .method import quantize

__all__ = ["quantize"]
