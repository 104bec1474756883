"""What a compile tells people (a page, a terminal) and machines (report.json)."""

from .html import render
from .schema import read, validate, write
from .terminal import show

__all__ = ["read", "render", "show", "validate", "write"]
