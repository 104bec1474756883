"""The page that fpga_peers.py writes."""

from collections.abc import Mapping, Sequence

# Of NNgen's LUTs x clocks.
_GOAL = 0.5

_HEAD = """# LUTs x clocks per inference, against NNgen and da4ml

Made by `benchmarks/fpga_peers.py --work DIR --write`: NNgen {nngen} (veriloggen {veriloggen}) and
da4ml {da4ml} in an environment of their own, gatewright, and for all of them one script of yosys {yosys}
(`hw/flow/synthesize.py`, family xc7, `synth_xilinx`).
Every design computes the same integers: its Verilog was simulated, and "equal" counts the frames whose
outputs are those of the integer graph, bit for bit.

- **clocks**: from frame to frame, frames back to back. **latency**: from the first input to the last output.
- **ratio**: LUT x clocks over that of the peer's best row; below 1 gatewright needs less.
  **by latency**: the same with latency in place of clocks.
"""

_TABLE = """
## {network}

| design | LUT | FF | BRAM36 | DSP | clocks | latency | LUT x clocks | ratio | by latency | equal |
|---|---|---|---|---|---|---|---|---|---|---|
"""

_FOOT = """
## What is not comparable

- **NNgen** makes an accelerator with AXI and DMA that reads weights and inputs from an external memory and
  writes results back; frames do not overlap. Its LUTs hold that interface too, its block RAMs only what is
  being worked on.
  gatewright keeps all weights on chip (in the LUTs and BRAMs counted) behind a plain stream, with no bus.
  A larger network costs NNgen hardly more LUTs, and new weights no new bitstream; here both do.
- NNgen's memory in the simulation answers at once and never stalls, better than any DRAM. Its clocks run from
  writing the start register to reading "idle", a few of them for the register accesses.
- NNgen takes activations as 8-bit signed numbers, of which a ReLU leaves 7 bits in use; gatewright's streams
  have these 7. Both multiply by 8-bit weights. "Channels at once" are its `par_ich` and `par_och` (`par` of
  pools); its convolutions have all nine products of a 3x3 kernel side by side besides.
  Both may use DSP blocks.
- **da4ml** is combinational logic between registers: no handshake, no stalls, weights built in. gatewright's
  layers talk by ready/valid through FIFOs of two beats, also unrolled. Neither may use DSP blocks here.
  Both make sums that columns share only once. da4ml has registers where about five adders in a row end,
  gatewright behind each adder: more latency and flip-flops, and some LUTs that delay values.
  The jet-tagging network has random weights (the shape is hls4ml's), since sharing of sums depends on the
  weights' bits and not on what they mean; the data set is not at hand.
- Clocks are not time: there is no place-and-route for this family here, so no clock frequency is known
  for any of them.
"""


def page(rows: Sequence, versions: Mapping[str, str]) -> str:
    """The page for measured rows (``fpga_peers.Row``), one table for each network."""
    text = _HEAD.format(**versions)
    for network in dict.fromkeys(row.network for row in rows):
        text += _TABLE.format(network=network)
        own = [row for row in rows if row.network == network]
        best = min((row for row in own if row.peer), key=lambda row: row.cost)
        soonest = min(row.total.lut * row.latency for row in own if row.peer)
        text += "".join(_line(row, best.cost, soonest) for row in own)
    return text + _conclusions(rows) + _FOOT


def _conclusions(rows: Sequence) -> str:
    """What the tables say, network by network."""
    text = "\n## What follows\n\n"
    for network in dict.fromkeys(row.network for row in rows):
        own = [row for row in rows if row.network == network]
        peer = min((row for row in own if row.peer), key=lambda row: row.cost)
        ours = min((row for row in own if not row.peer), key=lambda row: row.cost)
        ratio = ours.cost / peer.cost
        share = f"{ratio:.2g} of" if ratio < 1 else f"{ratio:.2f} times"
        name, how = peer.design.split(",")[0], ours.design.split(", ", 1)[1]
        text += (
            f"- **{network}**: gatewright's best row ({how}) takes {share} the LUTs x clocks of {name}'s "
            f"best ({ours.total.lut:,.0f} x {ours.clocks:,} against {peer.total.lut:,.0f} x "
            f"{peer.clocks:,}), and {ours.latency / peer.latency:.2g} times "
            "its clocks from first input to last output."
        )
        if name == "NNgen":
            text += f" The goal, half of NNgen's, is {'reached' if ratio <= _GOAL else 'missed'}."
        text += "\n"
    return text


def _line(row, cost: float, soonest: float) -> str:
    """One design; a peer's own row is a ratio as well, 1 for its best."""
    t = row.total
    cells = [
        row.design, f"{t.lut:,.0f}", f"{t.ff:,.0f}", f"{t.bram:g}", f"{t.dsp:g}", f"{row.clocks:,}",
        f"{row.latency:,}", f"{row.cost:,.0f}", f"{row.cost / cost:.3f}",
        f"{t.lut * row.latency / soonest:.3f}", f"{row.equal} of {row.frames}",
    ]  # fmt: skip
    return f"| {' | '.join(cells)} |\n"
