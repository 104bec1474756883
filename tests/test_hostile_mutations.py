"""Damaged files of every format: a graph that the passes and the export take, or one of our errors.

benchmarks/mutations.py tries tens of thousands, with limits on time, memory and effects.
"""

import time

import numpy as np
import pytest

from gatewright.errors import GatewrightError
from mutation_models import FORMATS, mutation, treat

CASES = 80


@pytest.mark.parametrize("kind", FORMATS)
def test_damaged_files_end_in_a_graph_or_in_our_errors(kind, tmp_path):
    """Seeded, so that each run tries the same; both outcomes happen, and no file is left beside the model."""
    originals, outcomes = FORMATS[kind][0](), {"graph": 0, "error": 0}
    path = tmp_path / "m.onnx"
    for number in range(CASES):
        path.write_bytes(mutation(np.random.default_rng([2026, number]), kind, originals))
        started = time.process_time()
        try:
            treat(kind, path)
            outcomes["graph"] += 1
        except GatewrightError:
            outcomes["error"] += 1
        assert time.process_time() - started < 10
    assert min(outcomes.values()) > 0
    assert [p.name for p in tmp_path.iterdir()] == ["m.onnx"]


@pytest.mark.parametrize("kind", FORMATS)
def test_whole_files_are_taken(kind, tmp_path):
    """So that damage is what the others are refused for."""
    for data in FORMATS[kind][0]():
        path = tmp_path / "m.onnx"
        path.write_bytes(data)
        treat(kind, path)


@pytest.mark.parametrize("kind", FORMATS)
def test_every_way_of_damage_changes_files(kind):
    """Each of a format's, nearly every time, and the same for the same seed."""
    originals, ways = FORMATS[kind][0](), FORMATS[kind][1]
    for way in set(ways):
        damaged = [way(np.random.default_rng(seed), originals[0]) for seed in range(30)]
        assert len(set(damaged) - {originals[0]}) > 10
        assert damaged[:3] == [way(np.random.default_rng(seed), originals[0]) for seed in range(3)]
