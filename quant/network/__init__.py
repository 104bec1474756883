"""Float networks as torch.fx graphs of torch's own layers: from files, and from modules in memory."""

from .capture import of_module
from .load import load

__all__ = ["load", "of_module"]
