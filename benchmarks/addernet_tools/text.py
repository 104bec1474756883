"""What the page of addernet_paper.py says beside its tables."""

HEAD = """# AdderNet's lanes beside multipliers

Made by `python benchmarks/addernet_paper.py --work DIR`, then `--page`.
Yosys {yosys}, nextpnr-ecp5 {nextpnr}.

AdderNet ([arXiv 2101.10015](https://arxiv.org/abs/2101.10015)) replaces each product of a convolution by
-|x - w|.
This page measures what that saves: the same array, the same registers, with either kind of lane.
"""

METHOD = """## What is measured

- *Array*: PE = 16 rows of SIMD = 16 lanes, a pipelined adder tree for each row and an accumulator behind it,
  wide enough for 256 terms. Every product, every level of a tree and every sum has a register. Activations
  are unsigned; the adder's weights are unsigned too, clamped to the activations' range, the multiplier's are
  two's complement.
- *Adder*: `gw_lane_adder`, or on LUTs of six inputs `gw_lane_minimum` with the sum of x that all rows share.
- *Multiplier, LUTs*: `gw_lane_digit`, two bits of a weight at a time, 3x made once for all rows, one tree for
  each digit; on LUTs of six inputs also `gw_lane_booth`, a row of LUTs for each Booth digit. Both have a
  register behind every adder, as the adder's lanes have. Percentages are against the former unless they say
  Booth; the compiler uses the former.
  Yosys's own multiplier takes 153 LUTs a lane, so ratios against that would overstate the gain.
- *Multiplier, DSP blocks*: `gw_lane_multiply`, a block and a register for each product. Yosys makes LUTs of
  products of 4 bits on xc7 all the same.
- Arrays of 16 bits on xc7 have 4 rows, to keep Yosys's time in minutes.
- The accumulators' choice between a start and the sum so far is in the adders' own cells for all lanes alike
  (`gw_choose_add`), and on ECP5 each row has a register of its own that makes it (`gw_copies`).
- Weights and activations are inputs, so nothing is a constant and nothing is optimised away.
- xc7 figures are of the array alone. For routing on the LFE5U-85F the array stands between two shift
  registers in place of pins: a bit of each operand is a register of a chain, a bit of each sum is folded into
  another. Their LUTs, one for each bit of the sums, are taken off the figures; they hold no carry.
- nextpnr is asked for {asked} MHz. Equal seeds give equal results.
- An ECP5's COMB is a LUT of four inputs, half a carry cell, or a LUT that a carry chain passes through.
"""

SMALL = """### Arrays of 4 rows

The same with PE = 4, 64 lanes: routed in a minute or two, where 256 multipliers take ten to twenty.

"""

POWER = """## Transitions

The dynamic power of a netlist is the sum of its nets' transitions, weighted by their capacitance.
The netlists compute {frames} vectors of a layer, in the order of `gw_matrix_vector`, new weights each clock;
every sum is compared with the layer's integers.
*Digits*: the layer is the middle one, {inputs} inputs and {outputs} outputs, of a small network that learned
scikit-learn's digits, an adder layer for the adders and its multiplying twin for the multipliers.
*LeNet-5*: the first dense layer of the LeNet-5 that benchmarks/adder_mnist.py trains and quantizes, and of
its multiplying twin, on MNIST's first test images. *Uniform*: all codes alike.

Figures are transitions per clock and lane, so per tap: of registers and LUT outputs, without the operands'
own wires, carry chains and clocks.
*Settled* counts a net whose value differs from the last clock's, as zero-delay simulation does.
*All* has glitches as well, by the delays of cells and wires of the routed design (seed 1, typical): inertial
in cells, not in wires. *By pins* counts a transition once for every pin on the net, a measure of its wire;
on FPGAs wires take most of the power (Shang, Kaviani and Bathala, FPGA 2002: routing 60 %, logic 16 %,
clocks 14 % on Virtex-II). *Clocked FF* are registers, whose clock pins move whatever the data.
What goes on inside a DSP block is not seen, so the DSP rows are not whole.

"""

ENERGY = """## Energy of arrays on ECP5

Dynamic energy by `gatewright.sim.energy`'s figures for the LFE5U-85F: transitions of nets between cells and
inside them, registers in every clock, multiplier blocks in every clock. LeNet-5's data; its {taps:,} taps at
what one takes here. Without operands' nets, memories, the clock's network and static power.
Ratios depend far less on the figures than absolute values do.

"""

UNITS = """## The whole matrix-vector unit

What the compiler makes of the trained layer: stream in, weights in block RAM, lanes, accumulators, width
converter, thresholds in block RAM (15 at 4 bits, else 255), FIFOs, stream out. Sums are as wide as these
weights need.

"""

BESIDE = """## Beside the paper

| | Published | Conditions | Here |
|---|---|---|---|
| Logic, same architecture | -67.6 % to -71.4 % | abstract; whole accelerators | arrays and units above |
| Speed | +16 % | abstract | clock rate of the array, ECP5 |
| Power | -47.85 % to -77.9 % | abstract; Vivado's estimate | transitions above |
| Saving in theory, int8 and int16 | about 81 % | abstract | LUT of arrays, xc7 |
| 256 lanes, 8 bits: multiplier | 20,493 LUT (80.1 a lane) | co-author's RTL, Vivado, xczu7ev | table above |
| 256 lanes, 8 bits: adder | 7,065 LUT (27.6 a lane), -65.5 % | the same | table above |
"""

LIMITS = """## What cannot be compared

- Yosys counts every function as a LUT; Vivado puts two small ones into one. So the LUTs of one tool do not
  compare with those of the other, only ratios do, and those with care.
- The co-author's lanes take signed operands, saturate to 8 bits at every tap and never clear their
  accumulators; ours keep all bits. His adder takes two subtractors and a multiplexer.
- The paper's clock rates and power are of whole accelerators on Xilinx parts. No free tool routes those, so
  rates here are of an ECP5 at speed grade 6.
- Simulation without delays knows no glitches. Both kinds of lane have a register behind every adder, so both
  have few; the adder's share is the larger one, so leaving them out favours the adder. The columns *All* have
  them.
- Transitions are no watts: leakage and the clock tree are not in them. Both grow with the area in use.
"""
