"""The loop of benchmarks on random graphs: what it counts, when it ends, how it goes on."""

import json

import pytest

from random_runs import options, run


def odd(seed):
    """A maker of graphs that are plain numbers."""
    return 2 * seed + 1


def even(seed):
    """Another."""
    return 2 * seed


SAID = {3: "refused: no rule", 4: "unfinished: half a minute", 6: "differs: seed 3"}


def called(tmp_path, count, *more):
    return options("What it does.\n\nMore.", 7).parse_args(
        ["--count", str(count), "--out", str(tmp_path / "out.json"), *more]
    )


def test_counts_and_the_exit_code(tmp_path, capsys):
    """Enough graphs are those that ran, equal or not; the rest is passed over."""
    seen = []

    def attempt(graph, seed, equal):
        seen.append((graph, seed, equal))
        return SAID.get(graph, "equal")

    assert run(attempt, called(tmp_path, 5), (odd, even)) == 1
    assert seen == [(1, 0, 0), (0, 0, 1), (3, 1, 2), (2, 1, 2), (5, 2, 3), (4, 2, 4), (7, 3, 4), (6, 3, 5)]
    assert json.loads((tmp_path / "out.json").read_text()) == {
        "next": 4, "equal": 5, "refused": 1, "unfinished": ["even 2"],
        "seeds": ["odd 0", "even 0", "even 1", "odd 2", "odd 3"], "differs": ["even differs: seed 3"],
    }  # fmt: skip
    told = capsys.readouterr().out.splitlines()
    assert told[-1] == "5 graphs equal, 1 differ, 1 refused"
    assert told[2] == "odd 1 refused: no rule"


def test_a_stopped_run_goes_on(tmp_path):
    """As if it had not been stopped, also from files of before there were names of what was equal."""

    def stops(graph, seed, equal):
        if seed == 2:
            raise KeyboardInterrupt
        return "equal"

    args = called(tmp_path, 6, "--first", "1")
    with pytest.raises(KeyboardInterrupt):
        run(stops, args, (odd, even))
    seeds = []
    assert run(lambda graph, seed, equal: seeds.append(seed) or "equal", args, (odd, even)) == 0
    assert seeds == [2, 2, 3, 3]
    assert json.loads(args.out.read_text())["next"] == 4
    args.out.write_text('{"next": 9, "equal": 5, "refused": 2, "differs": []}')
    assert run(lambda graph, seed, equal: "equal", args, (odd, even)) == 0
    assert json.loads(args.out.read_text())["seeds"] == ["odd 9", "even 9"]
