"""How each op becomes units: one file for each family of ops, all listed in ``hw/lower.py``."""
