"""Integer graphs as DSLX, the language of Google's XLS, and from there as pipelined Verilog."""
