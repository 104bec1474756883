"""What CI's random networks hold: every op with a rule, in several foldings, every unit and every lane."""

from collections import defaultdict

import pytest

from dag_bench import FILES, FOLDINGS, NETWORKS, all_kinds, assembled, folded, kinds, seeds_of_file
from gatewright.compiler.ir.ops import Reshape
from gatewright.hw.lower import FPGA
from random_dags import random_dag

# Each op is in so many networks at least.
_NETWORKS = 10


@pytest.fixture(scope="module")
def held():
    """By op the seeds and the foldings it has, and the kinds of units of all designs."""
    seeds, foldings, units = defaultdict(set), defaultdict(set), set()
    for seed in range(NETWORKS):
        graph = random_dag(seed)
        for folding in range(FOLDINGS):
            chain, folds = folded(seed, folding, graph)
            for layer, fold in zip(chain, folds, strict=True):
                seeds[type(layer.node.op)].add(seed)
                foldings[type(layer.node.op)].add(fold)
            units |= kinds(assembled(graph.name, seed, folding, chain, folds))
    return seeds, foldings, units


def test_each_network_is_simulated_once():
    assert NETWORKS >= 300
    assert sorted(s for n in range(FILES) for s in seeds_of_file(n)) == list(range(NETWORKS))


@pytest.mark.parametrize("op", FPGA.rules, ids=lambda op: op.name)
def test_every_op_in_several_networks_and_foldings(op, held):
    seeds, foldings, _ = held
    assert len(seeds[op]) >= _NETWORKS
    # A reshape has nothing to fold.
    assert len(foldings[op]) >= (1 if op is Reshape else 2)


def test_every_kind_of_unit(held):
    """Every unit, every way to multiply, sums and products."""
    assert all_kinds() - held[2] == set()
