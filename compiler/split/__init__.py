"""Cuts of an integer graph between a board's processor and its FPGA, and what both must agree on."""
