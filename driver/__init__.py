"""The verbs: compile, run, inspect; what the command line and the Python API both call."""
