"""The way through hls4ml: its C simulation gives the reference's integers; the rest is refused."""

import re

import numpy as np
import pytest

from driver_models import ULX3S, image_net, saved
from gatewright.__main__ import main
from gatewright.compiler.hls.config import Settings, read_settings
from gatewright.compiler.hls.convert import model_of
from gatewright.compiler.hls.types import precision, weight_precision
from gatewright.compiler.ir.evaluate import evaluate
from gatewright.compiler.ir.graph import Const, Graph, input_of
from gatewright.compiler.ir.ops import (
    Add,
    AdderConv2d,
    AdderMatMul,
    ArgMax,
    Concat,
    Conv2d,
    Lookup,
    MatMul,
    MaxPool,
    Mul,
    Pad,
    ReduceSum,
    Reshape,
    Slice,
    SumPool,
    Threshold,
    Transpose,
    Upsample,
)
from gatewright.compiler.ir.types import Int
from gatewright.driver.data import random_data
from gatewright.driver.inspection import inspect
from gatewright.errors import InputError, LoweringError
from gatewright.sim.hls import HlsSimulation
from random_nets import random_net

PYNQ = "tul_pynq_z2"
WAYS = (
    {"io_type": "io_parallel"},
    {"io_type": "io_stream", "model": {"Strategy": "Resource", "ReuseFactor": 3}},
)


def simulated(graph: Graph, folder, frames: np.ndarray, **settings) -> np.ndarray:
    """The C simulation of a graph's HLS project."""
    model_of(graph, Settings("xc7z020clg400-1", 10.0, **settings), str(folder / "hls")).write()
    return HlsSimulation(folder / "hls").run(frames, graph.outputs[0].type.shape)


def ints(rng, low, high, *shape) -> Const:
    return Const(rng.integers(low, high, shape))


def steps(rng, x, count, rows=1) -> Const:
    """Ascending thresholds over the range of x."""
    d = x.type.dtype
    return Const(np.sort(rng.integers(d.lo, d.hi + 2, (rows, count)), axis=1))


def images(rng) -> Graph:
    """Convolutions of products and of distances, grouped and dilated ones, pools of all kinds, moves."""
    x = input_of("x", (6, 5, 2), -8, 7)
    a = Conv2d(pads=(1, 1, 1, 1))(x, ints(rng, -2, 2, 3, 3, 2, 4), ints(rng, -9, 9, 4))
    a = Threshold(bias=-3)(a, steps(rng, a, 7, rows=4))
    b = Conv2d(pads=(2, 2, 2, 2), dilations=(2, 2), groups=2)(a, ints(rng, -3, 4, 3, 3, 2, 4))
    b = Threshold()(b, steps(rng, b, 5))
    b = AdderConv2d(pads=(1, 1, 1, 1))(b, ints(rng, 0, 6, 3, 3, 4, 3))
    b = Threshold()(b, steps(rng, b, 255, rows=3))
    b = Lookup(lo=0)(b, ints(rng, -20, 20, 3, 256))
    b = MaxPool((3, 2), (2, 1), (1, 0, 1, 1))(b)
    b = Upsample((2, 1))(Pad((0, 1, 0, 0, 0, 0), value=-5)(b))
    b = Transpose((1, 0, 2))(Slice((0, 1, 0), (6, 6, 3), (1, 2, 2))(b))
    b = SumPool((2, 2), (1, 2), (0, 0, 1, 0))(b)
    return Graph((x,), (b,), "images")


def rows(rng) -> Graph:
    """Dense layers of rows, joins of tensors and with constants, sums over an axis, the largest's index."""
    x = input_of("x", (3, 6), 0, 9)
    a = MatMul()(x, ints(rng, -4, 4, 6, 5), ints(rng, -9, 9, 5))
    b = MatMul()(x, Const(rng.choice((-1, 1), (6, 5))))
    c = Add()(Mul()(a, ints(rng, 1, 5, 5)), b)
    c = Concat(1)(c, Add()(b, ints(rng, -3, 3, 1)))
    c = Threshold()(c, steps(rng, c, 9, rows=10))
    d = ReduceSum((0,))(c)
    e = AdderMatMul()(Threshold(bias=-2)(d, steps(rng, d, 6)), ints(rng, -3, 4, 10, 7))
    f = Mul()(e, e)
    return Graph((x,), (ArgMax()(Reshape((7,))(f)),), "rows")


@pytest.mark.parametrize("settings", WAYS, ids=["parallel", "stream"])
@pytest.mark.parametrize("make", [images, rows])
def test_every_op(tmp_path, make, settings):
    """The same integers on random frames, whole tensors at once and in streams with reused multipliers."""
    graph = make(np.random.default_rng(3))
    frames = random_data(graph, 50).frames
    found = simulated(graph, tmp_path, frames, **settings)
    assert np.array_equal(found, evaluate(graph, frames)[0].reshape(found.shape))


def test_flat_kernels_in_streams(tmp_path):
    """A kernel of one row that skips rows, which hls4ml's streams do not by themselves."""
    rng = np.random.default_rng(5)
    x = input_of("x", (7, 6, 2), 0, 3)
    graph = Graph((x,), (Conv2d((2, 2), (2, 0, 0, 0))(x, ints(rng, -4, 5, 1, 3, 2, 3)),), "flat")
    frames = random_data(graph, 20).frames
    found = simulated(graph, tmp_path, frames, io_type="io_stream")
    assert np.array_equal(found, evaluate(graph, frames)[0])
    y = AdderConv2d((2, 1))(x, ints(rng, 0, 5, 1, 3, 2, 3), name="flat")
    with pytest.raises(LoweringError, match="a kernel of several rows, or every row, in io_stream"):
        model_of(Graph((x,), (y,), "net"), Settings("part", 10.0, "io_stream"), str(tmp_path / "no"))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(12))
def test_random_networks(tmp_path, seed):
    graph, settings = random_net(seed), WAYS[seed % 2]
    frames = random_data(graph, 40).frames
    assert np.array_equal(simulated(graph, tmp_path, frames, **settings), evaluate(graph, frames)[0])


def test_compile_and_run(tmp_path, capsys):
    """The command writes a project, holds its C++ against the graph, and runs it."""
    out = tmp_path / "out"
    config = tmp_path / "hls.yml"
    config.write_text("IOType: io_stream\nHLSConfig: {Model: {ReuseFactor: 2, Strategy: Resource}}\n")
    graph = image_net()
    arguments = ["compile", str(saved(tmp_path, graph)), "--board", PYNQ, "--via", "hls", "--out", str(out)]
    assert main([*arguments, "--hls-config", str(config), "--frames", "5"]) == 0
    assert re.search(r"HLS C simulation equals integer graph on all 5", capsys.readouterr().out)
    firmware = out / "hls" / "firmware"
    assert "hls::stream<input_t>" in (firmware / "accelerator.h").read_text()
    assert "reuse_factor = 2" in (firmware / "parameters.h").read_text()
    written = [path for path in out.rglob("*") if path.is_file()]
    assert not [path for path in written if str(tmp_path) in path.read_text("latin-1")]
    frames = random_data(graph, 3).frames
    # Arrays of users have the model's own axes, channels first.
    np.save(tmp_path / "x.npy", frames.transpose(0, 3, 1, 2))
    x, y = str(tmp_path / "x.npy"), str(tmp_path / "y.npy")
    assert main(["run", str(out), "--on", "hls", "--input", x, "--output", y]) == 0
    assert np.array_equal(np.load(y).transpose(0, 2, 3, 1), evaluate(graph, frames)[0])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--via", "magic"), r"compile: --via must be hls or xls, not 'magic'"),
        (
            ("--board", ULX3S, "--via", "hls"),
            r"compile: --via hls writes a project for AMD's Vitis HLS, but .*",
        ),
        (("--hls-config", "f"), r"compile: --hls-config is for --via hls, not for fpga\. Leave it out\."),
        (
            ("--via", "hls", "--fps", "3"),
            r"compile: --fps is for --target fpga, not for --via hls\. Leave .*",
        ),
        (
            ("--via", "hls", "--hls-config", "none"),
            r"hls: none must be readable, not No such file or directory",
        ),
        (("--via", "hls", "--until", "rtl"), r"compile: --until must be one of graph, hls, csim, not 'rtl'"),
    ],
)
def test_refused_options(tmp_path, capsys, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    model = str(saved(tmp_path, image_net()))
    board = () if "--board" in arguments else ("--board", PYNQ)
    assert main(["compile", model, *board, "--out", "out", *arguments]) == 2
    assert re.search(f"gatewright: {message}$", capsys.readouterr().err.strip())
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[1]", "must hold keys such as IOType, not list"),
        ("a: [", "must be YAML as hls4ml writes it"),
        ("IOType: serial", "IOType must be one of io_parallel, io_stream, not 'serial'"),
        ("ClockPeriod: fast", "ClockPeriod must be a positive number of ns, not 'fast'"),
        ("HLSConfig: 3", "HLSConfig must be a table, not 3"),
        ("HLSConfig: {Model: {Reuse: 3}}", r"HLSConfig\.Model\.Reuse must be one of ReuseFactor"),
        ("HLSConfig: {Model: {ReuseFactor: 0}}", r"ReuseFactor must be a whole number from 1, not 0"),
        ("HLSConfig: {Model: {Strategy: Best}}", r"Strategy must be one of latency, .*, not 'Best'"),
        ("!!python/object/apply:os.system [ls]", "must be YAML as hls4ml writes it"),
    ],
)
def test_refused_configurations(tmp_path, text, message):
    path = tmp_path / "hls.yml"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        read_settings(path, "part", 10.0)


def test_configuration_of_layers(tmp_path):
    """hls4ml's own keys are taken, its precisions are not: the graph's are exact."""
    path = tmp_path / "hls.yml"
    path.write_text(
        "Part: xczu7ev-ffvc1156-2-e\nClockPeriod: 4\nHLSConfig:\n  Model: {Precision: 'ap_fixed<16,6>'}\n"
        "  LayerName: {n0_conv2d: {ReuseFactor: 4}}\n"
    )
    settings = read_settings(path, "part", 10.0)
    assert (settings.part, settings.clock_ns, settings.io_type) == (
        "xczu7ev-ffvc1156-2-e",
        4.0,
        "io_parallel",
    )
    found = settings.hls_config({"n0_conv2d": {"result": "ap_int<9>"}})
    assert found["LayerName"] == {"n0_conv2d": {"ReuseFactor": 4, "Precision": {"result": "ap_int<9>"}}}
    assert found["Model"] == {"ReuseFactor": 1, "Strategy": "Latency", "Precision": "ap_int<32>"}


def test_inspect_says_what_is_refused(tmp_path):
    """Up front, node by node."""
    x = input_of("x", (4, 4, 2), 0, 7)
    y = AdderConv2d(dilations=(2, 2))(x, Const(np.ones((2, 2, 2, 3), dtype=np.int64)), name="far")
    found = inspect(saved(tmp_path, Graph((x,), (y,), "net")), PYNQ, "hls")
    assert any("must have no dilation. Compile without --via hls" in p for p in found["problems"])
    fine = inspect(saved(tmp_path, image_net()), PYNQ, "hls")
    assert fine["problems"] == []
    assert all("hls" in node["targets"] for node in fine["nodes"] if node["becomes"])
    with pytest.raises(LoweringError, match="no dilation"):
        model_of(Graph((x,), (y,), "net"), Settings("part", 10.0), str(tmp_path / "hls"))


def test_types_hold_the_integers():
    """Unsigned where nothing is negative; weights never of 1 or 2 bits, which hls4ml takes for signs."""
    assert precision(Int(0, 15)) == "ap_uint<4>"
    assert precision(Int(0, 15), signed=True) == "ap_int<5>"
    assert precision(Int(-1, 1, 2)) == "ap_int<2>"
    assert precision(Int(0, 0)) == "ap_uint<2>"
    assert weight_precision(np.array([-2, 1])) == "ap_int<3>"
    assert weight_precision(np.array([-128, 127])) == "ap_int<8>"
    assert weight_precision(np.array([255])) == "ap_int<9>"
