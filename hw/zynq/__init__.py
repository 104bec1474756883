"""An accelerator on a Zynq's buses: its AXI top, its IP-XACT package and Vivado's block design."""
