"""Verilog and a clocked run of a network by NNgen; runs in the peers' environment, without gatewright.

    python nngen_worker.py NETWORK.json PARALLEL FRAMES

Writes nngen.v (the accelerator ``peer``), simulates it in Icarus with an external memory that never makes it
wait, and writes nngen.json: the outputs and the clocks of each frame. The test bench follows NNgen's own
example (hello_nngen.py).
"""

import json
import re
import sys
from pathlib import Path

import nngen as ng
import numpy as np
import veriloggen.thread as vthread
from veriloggen import Module, Not, Seq, simulation
from veriloggen.types import axi

_AXI_BITS = 32
_CHUNK = 64
_MEMORY_WORDS = 1 << 16


def build(network: dict, parallel: int) -> tuple:
    """(input, output) operators: int8 in and between layers, int32 sums, ``parallel`` channels in and out."""
    x = source = ng.placeholder(dtype=ng.int8, shape=(1, *network["input"]), name="x")
    last = len(network["layers"]) - 1
    for n, layer in enumerate(network["layers"]):
        if layer["op"] == "pool":
            x = ng.max_pool_serial(x, ksize=(1, 2, 2, 1), strides=(1, 2, 2, 1))
            x.attribute(par=parallel)
            continue
        weights, bias = np.array(layer["weights"]), np.array(layer["bias"])
        w = ng.variable(dtype=ng.int8, shape=weights.shape, name=f"w{n}")
        b = ng.variable(dtype=ng.int32, shape=bias.shape, name=f"b{n}")
        w.set_value(weights)
        b.set_value(bias)
        options = {"bias": b, "sum_dtype": ng.int32, "dtype": ng.int8, "act_func": ng.relu}
        if n == last:
            options |= {"dtype": ng.int32, "act_func": None, "name": "y"}
        if layer["op"] == "conv":
            x = ng.conv2d(x, w, strides=(1, 1, 1, 1), **options)
        else:
            if len(x.shape) > 2:
                x = ng.reshape(x, [1, -1])
            x = ng.matmul(x, w, transposed_b=True, **options)
        x.attribute(par_ich=parallel, par_och=1 if n == last else parallel)
        if "shift" in layer:
            x.attribute(cshamt_out=layer["shift"])
    return source, x


def aligned(address: int) -> int:
    """The next address of a memory chunk, in bytes."""
    return -(-address // _CHUNK) * _CHUNK


def main() -> int:
    """Build, write, simulate."""
    network = json.loads(Path(sys.argv[1]).read_text())
    parallel, count = int(sys.argv[2]), int(sys.argv[3])
    source, result = build(network, parallel)
    accelerator = ng.to_veriloggen([result], "peer", silent=True, config={"maxi_datawidth": _AXI_BITS})
    accelerator.to_verilog("nngen.v")
    frames = np.array(network["frames"][:count]).reshape(-1, *source.shape)
    software = [ng.eval([result], x=frame)[0].reshape(-1).tolist() for frame in frames]
    text = simulate(accelerator, source, result, frames)
    outputs = np.zeros((len(frames), result.length), int)
    for frame, place, value in re.findall(r"^value +(\d+) +(\d+) +(-?\d+)$", text, re.M):
        outputs[int(frame), int(place)] = np.array(int(value)).astype(np.uint32).astype(np.int32)
    clocks = [int(c) for c in re.findall(r"^clocks +(\d+)$", text, re.M)]
    if len(clocks) != len(frames):
        sys.exit(
            f"nngen: the simulation must end after {len(frames)} frames, not {len(clocks)}:\n{text[-2000:]}"
        )
    found = {"software": software, "outputs": outputs.tolist(), "clocks": clocks}
    Path("nngen.json").write_text(json.dumps(found))
    return 0


def simulate(accelerator, source, result, frames: np.ndarray) -> str:
    """What the test bench prints: each frame's clocks from start to done, and its outputs."""
    places, image = memory_map(source, result, frames)
    bench = Module("test")
    bench.copy_params(accelerator)
    ports = bench.copy_sim_ports(accelerator)
    clk, resetn = ports["CLK"], ports["RESETN"]
    rst = bench.Wire("RST")
    rst.assign(Not(resetn))
    # A word in every clock, without delay: better than any real memory.
    memory = axi.AxiMemoryModel(
        bench, "memory", clk, rst, datawidth=_AXI_BITS, memimg=image, memimg_name="memory.img",
        memimg_datawidth=32, mem_addrwidth=18, write_delay=0, read_delay=0, sleep_interval=0, keep_sleep=0,
    )  # fmt: skip
    memory.connect(ports, "maxi")
    registers = vthread.AXIMLite(bench, "registers", clk, rst, noio=True)
    registers.connect(ports, "saxi")
    add_control(bench, clk, rst, registers, memory, places, len(frames), result)
    bench.Instance(
        accelerator, "peer", params=bench.connect_params(accelerator), ports=bench.connect_ports(accelerator)
    )
    simulation.setup_clock(bench, clk, hperiod=5)
    simulation.setup_reset(bench, resetn, bench.make_reset(), period=100, polarity="low")
    return simulation.Simulator(bench, sim="iverilog").run(outputfile="bench.out")


def memory_map(source, result, frames: np.ndarray) -> tuple[dict[str, int], np.ndarray]:
    """Byte addresses of the external memory's parts, and its words: weights and all input frames."""
    parameters = ng.export_ndarray([result], _CHUNK)
    weights = aligned(max(source.addr + source.memory_size, result.addr + result.memory_size))
    inputs = aligned(weights + len(parameters))
    stride, out_stride = aligned(source.memory_size), aligned(result.memory_size)
    outputs = inputs + stride * len(frames)
    places = {
        "weights": weights, "inputs": inputs, "stride": stride, "outputs": outputs, "out_stride": out_stride,
        "temporary": outputs + out_stride * len(frames),
    }  # fmt: skip
    image = np.zeros(_MEMORY_WORDS, dtype=np.int64)
    axi.set_memory(image, parameters, 32, 8, weights)
    lanes = max(_AXI_BITS // source.dtype.width, 1)
    for n, frame in enumerate(frames):
        axi.set_memory(image, frame, 32, source.dtype.width, inputs + n * stride, lanes)
    return places, image


def add_control(bench, clk, rst, registers, memory, places: dict[str, int], frames: int, result) -> None:
    """A host that starts frame after frame, waits, and prints; ``control`` becomes a state machine."""
    clock = bench.Reg("clock", 32, initval=0)
    Seq(bench, "clock_seq", clk, rst)(clock.inc())
    weights, temporary, length, bits = (
        places["weights"],
        places["temporary"],
        result.length,
        result.dtype.width,
    )
    inputs, stride, outputs, out_stride = (places[k] for k in ("inputs", "stride", "outputs", "out_stride"))

    def control():
        for frame in range(frames):
            ng.sim.set_global_addrs(
                registers, temporary, outputs + frame * out_stride, inputs + frame * stride, weights
            )
            begin = clock.value
            ng.sim.start(registers)
            ng.sim.wait(registers)
            print("clocks %d" % (clock.value - begin))  # noqa: UP031  (veriloggen reads this source)
            for place in range(length):
                value = memory.read_word(place, outputs + frame * out_stride, bits)
                print("value %d %d %d" % (frame, place, value))  # noqa: UP031
        vthread.finish()

    vthread.Thread(bench, "control", clk, rst, control).start()


if __name__ == "__main__":
    sys.exit(main())
