"""gatewright: trained networks to integer graphs, ARM NEON code and FPGA bitstreams."""

__version__ = "0.1.0"
