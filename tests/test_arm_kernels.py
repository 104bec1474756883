"""benchmarks/arm_kernels.py: rates, ratios, limits and bars of its page, and one layer measured."""

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "benchmarks"))

import adder_arm  # noqa: E402
import arm_kernels  # noqa: E402
from arm_kernels_page import LIMITS, Count, page  # noqa: E402


def network(bits, instructions):
    """The five convolutions on the core with bars."""
    return Count("five", bits, "cortex-a72", 8_000_000, instructions, ("low",))


def test_lines_of_the_page():
    layer = Count("A layer", 2, "cortex-a9", 9_000_000, 1_000_000.0, ("long", "low"))
    text, met = page([layer], [network(8, 2e6), network(4, 1e6)], [network(8, 2.4e6)], "7.2")
    assert "| A layer | 2 | A9 | `low` | 1.000 | 9.0 | 16.0 |\n" in text
    assert f"  - `low`: {LIMITS['low'].words}\n" in text
    assert "| 8 | A72 | 2.000 | 4.0 | 1.000 | - |\n| 4 | A72 | 1.000 | 8.0 | 0.500 | 0.6 |\n" in text
    assert text.endswith("| 8 | A72 | 2.400 | 3.3 | 1.200 | 1.2 |\n")
    assert met


@pytest.mark.parametrize(("bits", "most"), [(4, 1.2e6), (2, 0.9e6), (1, 0.4e6)])
def test_a_bar_is_met_up_to_its_ratio(bits, most):
    assert page([], [network(8, 2e6), network(bits, most)], [], "7.2")[1]
    assert not page([], [network(8, 2e6), network(bits, most * 1.01)], [], "7.2")[1]
    assert not page([], [network(8, 2e6)], [network(8, 2.41e6)], "7.2")[1]


def test_counts_are_kept(tmp_path, monkeypatch):
    """One that is known is not measured again, by the next run neither."""
    asked = []

    def measured(title, bits, graph, core):
        asked.append((title, bits, graph, core))
        return Count(title, bits, core, 10, 5.0, ("dot",))

    monkeypatch.setattr(arm_kernels, "measure", measured)
    file = tmp_path / "counts"
    first = arm_kernels.Kept(file).count("a", 8, "cortex-a72", lambda: "graph")
    again = arm_kernels.Kept(file)
    assert again.count("a", 8, "cortex-a72", lambda: "graph") == first
    again.count("a", 4, "cortex-a72", lambda: "other")
    assert asked == [("a", 8, "graph", "cortex-a72"), ("a", 4, "other", "cortex-a72")]
    assert len(file.read_text().splitlines()) == 2


def test_the_page_has_all_cores(capsys):
    with pytest.raises(SystemExit):
        arm_kernels.main(["--write", "--cores", "cortex-a72"])
    assert "--write: the page has all cores" in capsys.readouterr().err


def test_lines_of_adder_networks():
    """Beside their multiplying twins."""
    adder = Count("LeNet-5", 8, "cortex-a72", 3000, 1500.0, ("adder",))
    assert len(adder_arm.HEAD.splitlines()[0].split("|")) == 10
    assert adder_arm.row(network(8, 2000.0), adder, 100) == (
        "| LeNet-5 | 8 | A72 | 2,000 | 1,500 | 0.75 | 2.0 | 100 |\n"
    )


def test_a_layer_is_counted_whole():
    """A 1x1 convolution of single bits reaches half its instructions' limit, and not more than that limit."""
    layer = next(each for each in arm_kernels.LAYERS if each.title.startswith("1x1"))
    found = arm_kernels.measure(layer.title, 1, layer.graph(1), "cortex-a72")
    assert (found.macs, found.kernels) == (16 * 16 * 128 * 128, ("bits",))
    assert LIMITS["bits"].rate / 2 < found.macs / found.instructions < LIMITS["bits"].rate


def test_the_page_in_the_tree_is_of_this_form():
    lines = (ROOT / "docs" / "arm-kernels.md").read_text(encoding="utf-8").splitlines()
    rows = [tuple(line.split(" | ")[:3]) for line in lines if "`" in line and line.startswith("| ")]
    wanted = [
        (f"| {layer.title}", str(bits), core.removeprefix("cortex-").upper())
        for core in arm_kernels.CORES
        for layer in arm_kernels.LAYERS
        for bits in layer.bits
    ]
    assert rows == wanted
    assert sum(line.count(" | ") == 5 and " | A" in line for line in lines) == 8 * len(arm_kernels.CORES)
